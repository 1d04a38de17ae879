"""Any MDP as a Gymnasium environment: the model behind the interface of an agent that does not know it."""

from bisect import bisect_right

import gymnasium
import numpy as np
from gymnasium import spaces

from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.decisions.chains import distribution, tower


class MDPEnv(gymnasium.Env):
    """``mdp``, an ``MDP``, as a Gymnasium environment with discrete spaces; states and actions are its indices.

    An episode is terminated in a terminal state of the model, and truncated after ``horizon`` steps (None: never).
    It begins in ``start``: a state, by index or name; a distribution (S,); or None, uniform over the states that are
    not terminal. Raises NasbookError for a start that does not exist or is terminal, and in ``step`` for an unknown
    action and for a step before ``reset`` or after the end.
    """

    def __init__(self, mdp, horizon: int | None = None, start=None):
        self.mdp = mdp
        self.horizon = None if horizon is None else checks.whole(horizon, "horizon", 1)
        self.start = _start(mdp, start)
        self.observation_space = spaces.Discrete(len(mdp.states))
        self.action_space = spaces.Discrete(len(mdp.actions))
        self._state = None
        self._steps = 0
        # Plain lists and a bisection draw in a microsecond; Generator.choice takes twenty.
        self._first = tower(self.start).tolist()
        self._into = tower(mdp.transitions).tolist()
        self._rewards = mdp.transition_rewards().tolist()
        self._terminal = mdp.terminal.tolist()

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[int, dict]:
        """Begin an episode: (state, {})."""
        super().reset(seed=seed)
        self._state, self._steps = bisect_right(self._first, self.np_random.random()), 0
        return self._state, {}

    def step(self, action: int) -> tuple[int, float, bool, bool, dict]:
        """Go one step: (state, reward, terminated, truncated, {})."""
        if self._state is None:
            raise NasbookError("no episode is under way: call reset() first, and again after an episode has ended")
        action = checks.index(action, len(self.mdp.actions), "action", self.mdp.actions)
        state = bisect_right(self._into[action][self._state], self.np_random.random())
        reward = self._rewards[action][self._state][state]
        self._steps += 1
        terminated, truncated = self._terminal[state], self._steps == self.horizon
        self._state = None if terminated or truncated else state
        return state, reward, terminated, truncated, {}


def _start(mdp, start) -> np.ndarray:
    if start is None:
        if mdp.terminal.all():
            raise NasbookError("every state of this model is terminal: no episode can begin")
        return ~mdp.terminal / (~mdp.terminal).sum()
    chosen = distribution(start, mdp.states)
    wrong = np.flatnonzero((chosen > 0) & mdp.terminal)
    if len(wrong):
        raise NasbookError(f"an episode cannot begin in {mdp.states[wrong[0]]}: that state is terminal")
    return chosen
