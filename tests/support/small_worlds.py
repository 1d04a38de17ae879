"""Environments of two steps or of one state, whose learned values can be said by hand."""

import gymnasium
import numpy as np
from gymnasium import spaces

from nasbook.decisions import expected_sarsa, model_based, q_learning, sarsa

LEARNERS = (q_learning, sarsa, expected_sarsa, model_based)


def rng(seed=0):
    return np.random.default_rng(seed)


class Line(gymnasium.Env):
    """Two steps to the right: 1 on the way, 1 at the end; ``end`` says whether that is a termination."""

    def __init__(self, end="terminated", mask=None, first=0, reward=1.0):
        self.observation_space, self.action_space = spaces.Discrete(3, start=first), spaces.Discrete(3, start=first)
        self.end, self.mask, self.first, self.reward, self.taken = end, mask, first, reward, []

    def info(self):
        return {} if self.mask is None else {"action_mask": np.array(self.mask, dtype=np.int8)}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = 0
        return self.first, self.info()

    def step(self, action):
        self.taken.append(int(action))
        self.state += 1
        over = self.state == 2
        ends = (over, False) if self.end == "terminated" else (False, over)
        return self.state + self.first, self.reward, *ends, self.info()


class Levers(gymnasium.Env):
    """One state, three actions; action 1 pays 1."""

    observation_space, action_space = spaces.Discrete(1), spaces.Discrete(3)

    def reset(self, *, seed=None, options=None):
        return 0, {}

    def step(self, action):
        return 0, float(action == 1), False, False, {}


class Doors(Line):
    """State 0 allows action 0 alone, what follows allows 1 alone."""

    def info(self):
        return {"action_mask": np.array([1, 0, 0] if self.state == 0 else [0, 1, 0], dtype=np.int8)}
