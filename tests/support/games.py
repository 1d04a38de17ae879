"""Small bandit games that more than one test file plays."""

import numpy as np

from nasbook.decisions import bandits

ROWS = np.array([[1, 0], [0, 1], [0.6, 0.8]])
MEANS = (0.2, 0.5, 0.8, 0.6)


def generator(seed=0):
    return np.random.default_rng(seed)


def regret(environment, make, steps, seeds):
    """Expected regret, (seeds, steps)."""
    return np.array([bandits.play(environment, make(), steps, generator(seed)).regret for seed in range(seeds)])
