"""Walking through a Gymnasium environment: what agents see, with everything that it says looked at first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isfinite, nan
from operator import index
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nasbook.base import checks
from nasbook.base.errors import NasbookError

if TYPE_CHECKING:
    import gymnasium

ENTRIES = 100_000_000
"""Largest table (float64) that a learner makes: 800 MB."""

LONGEST = 1_000_000
"""Steps after which an episode counts as endless where no ``steps`` are given."""


class Step(NamedTuple):
    """One step, states and actions counted from 0; ``next_action`` only where it was chosen ahead."""

    state: int
    action: int
    reward: float
    next_state: int
    terminated: bool
    next_action: int | None


class Walk:
    """One run through an environment: checks it, seeds it from ``rng``, keeps masks and returns.

    ``sizes``: states and actions; ``allowed``: the actions of each state; ``returns``: of the finished episodes.
    Raises NasbookError for an environment that is no such, or that breaks its word on the way.
    """

    def __init__(self, env: gymnasium.Env, rng: np.random.Generator, steps: int | None, episodes: int | None):
        if steps is None and episodes is None:
            raise NasbookError("give steps or episodes, so that the learning ends")
        self._limit = None if steps is None else checks.whole(steps, "steps", 1)
        self._episodes = None if episodes is None else checks.whole(episodes, "episodes", 1)
        self._env, self._rng = env, checks.generator(rng)
        self._spaces = _discrete(env, "observation"), _discrete(env, "action")
        self.sizes = int(self._spaces[0].n), int(self._spaces[1].n)
        small_enough(self.sizes[0] * self.sizes[1])
        self._firsts = int(self._spaces[0].start), int(self._spaces[1].start)
        self.allowed = [list(range(self.sizes[1]))] * self.sizes[0]
        self.returns: list[float] = []

    def steps(self, choose: Callable[[int], int], ahead: bool) -> Iterator[Step]:
        """Each step as it is taken; ``ahead``: the next action is chosen before the step is learned from."""
        seed, done, length, total = int(self._rng.integers(2**31)), 0, 0, 0.0
        state, action = self._arrived(*self._env.reset(seed=seed)), None
        while True:
            action = choose(state) if action is None else action
            seen, paid, terminated, truncated, info = self._env.step(action + self._firsts[1])
            reward = real(paid)
            if not isfinite(reward):
                raise NasbookError(f"the environment paid {paid} in state {state} for action {action}")
            next_state = self._arrived(seen, {} if terminated else info)
            next_action = choose(next_state) if ahead and not terminated else None
            yield Step(state, action, reward, next_state, bool(terminated), next_action)
            done, length, total = done + 1, length + 1, total + reward
            if terminated or truncated:
                self.returns.append(total)
            if done == self._limit or len(self.returns) == self._episodes:
                return
            if terminated or truncated:
                state, action, length, total = self._arrived(*self._env.reset()), None, 0, 0.0
            else:
                state, action = next_state, next_action
            if self._limit is None and length == LONGEST:
                raise NasbookError(
                    f"an episode has not ended after {LONGEST:,} steps: give steps, or an environment with a horizon"
                )

    def draw(self) -> Iterator[float]:
        """Uniform numbers in [0, 1), taken from the generator in blocks."""
        while True:
            yield from self._rng.random(1024).tolist()

    def _arrived(self, seen, info: dict) -> int:
        n_states = self.sizes[0]
        try:
            state = index(seen) - self._firsts[0]
        except TypeError:
            state = -1
        if not 0 <= state < n_states:
            first = self._firsts[0]
            raise NasbookError(f"the environment showed {seen!r}: its states are {first} to {first + n_states - 1}")
        if "action_mask" in info:
            self.allowed[state] = np.flatnonzero(info["action_mask"]).tolist()
            if not self.allowed[state]:
                raise NasbookError(f"the environment's action_mask allows no action in state {state}")
        return state


def real(value) -> float:
    """``value`` as a float, NaN for what is no number: ``checks.number`` would cost as much as a whole update."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return nan


def _discrete(env: gymnasium.Env, what: str):
    from gymnasium.spaces import Discrete

    space = getattr(env, f"{what}_space", None)
    if not isinstance(space, Discrete):
        raise NasbookError(f"the environment's {what} space is {space}: a table of values needs a Discrete one")
    return space


def small_enough(entries: int) -> None:
    if entries > ENTRIES:
        raise NasbookError(f"a table of {entries:,} entries does not fit: at most {ENTRIES:,}")
