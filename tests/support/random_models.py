"""Models drawn at random."""

import numpy as np

from nasbook.decisions.pomdps import POMDP


def random_pomdp(seed, n_states, gamma=0.9, n_actions=2, n_observations=2):
    rng = np.random.default_rng(seed)
    transitions = rng.dirichlet(np.ones(n_states), (n_actions, n_states))
    observations = rng.dirichlet(np.full(n_observations, 0.5), (n_actions, n_states))
    return POMDP(transitions, observations, rng.normal(size=(n_actions, n_states)).round(1), gamma)
