"""The problems that Part I works with: the slides' two states in four versions, and the Tiger.

The two states, their rewards 10 and 0 and the observation probability .75 are the slides'; the figures
with their transition numbers are lost, so the transition numbers here are ours.
"""

import numpy as np

from nasbook.decisions.chains import MarkovChain
from nasbook.decisions.hidden import HMM
from nasbook.decisions.mdps import MDP
from nasbook.decisions.pomdps import POMDP

STAY_OR_GO = ((0.5, 0.5), (0.3, 0.7))
SWAP = ((0.1, 0.9), (0.9, 0.1))
REWARDS = (10.0, 0.0)
"""Of the state that is left, (S,)."""

SEEN = ((0.75, 0.25), (0.25, 0.75))
"""How likely S1 and S2 show O1 and O2, (S, O)."""


def two_state_chain() -> MarkovChain:
    """S1 pays 10, S2 nothing; nobody acts and the state is seen."""
    return MarkovChain(STAY_OR_GO, REWARDS)


def two_state_hmm() -> HMM:
    """The chain behind a curtain: each state shows its own letter with probability .75; it starts in either."""
    return HMM((0.5, 0.5), STAY_OR_GO, SEEN)


def two_state_mdp(gamma: float = 0.9) -> MDP:
    """The chain with a choice: a0 moves as the chain does, a1 mostly swaps the states.

    Raises NasbookError if gamma is outside [0, 1).
    """
    return MDP((STAY_OR_GO, SWAP), REWARDS, gamma)


def two_state_pomdp(gamma: float = 0.9) -> POMDP:
    """The MDP behind a curtain: after an action the state that was reached shows its letter with .75.

    Raises NasbookError if gamma is outside [0, 1).
    """
    return POMDP((STAY_OR_GO, SWAP), (SEEN, SEEN), REWARDS, gamma)


def tiger(gamma: float = 0.95) -> POMDP:
    """Two doors, a tiger behind one: listen (-1, right with .85) or open (+10, or -100 where the tiger is).

    Opening puts the tiger behind either door and tells nothing. Kaelbling, Littman and Cassandra (1998),
    Planning and acting in partially observable stochastic domains, section 5.1.

    Raises NasbookError if gamma is outside [0, 1).
    """
    either, stay = np.full((2, 2), 0.5), np.eye(2)
    heard = ((0.85, 0.15), (0.15, 0.85))
    rewards = ((-1.0, -1.0), (-100.0, 10.0), (10.0, -100.0))
    return POMDP(
        (stay, either, either),
        (heard, either, either),
        rewards,
        gamma,
        states=("tiger left", "tiger right"),
        actions=("listen", "open left", "open right"),
        observation_names=("hear left", "hear right"),
    )
