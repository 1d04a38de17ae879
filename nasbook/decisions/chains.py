"""A Markov chain: where a process goes whose next state depends on its present state alone.

Follows Norris, Markov Chains (Cambridge, 1997), chapter 1; with rewards it is a Markov reward process
(Sutton and Barto, Reinforcement Learning, 2nd edition, chapter 3, without the choice of an action).
A distribution is a row: after one step ``p`` has become ``p @ transitions``.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.base.shown import Picture, Shown

Start = int | str | Sequence[float]
"""Where a chain begins: a state's index or name, or a distribution (S,)."""


@dataclass(frozen=True)
class StateClass:
    """States (indices, ascending) of which each can reach each other; Norris, section 1.2.

    ``closed``: no way leads out. ``absorbing``: closed and a single state. ``period``: the greatest common
    divisor of the lengths of all ways from a state back to itself; 0 for a state that never comes back.
    """

    states: tuple[int, ...]
    closed: bool
    period: int

    @property
    def absorbing(self) -> bool:
        """Closed, and of one state."""
        return self.closed and len(self.states) == 1


def communicating_classes(transitions: np.ndarray) -> tuple[StateClass, ...]:
    """The classes of a chain with ``transitions`` (S, S), in the order of their first states."""
    from scipy.sparse import csgraph, csr_array

    ways = np.asarray(transitions) > 0
    _, members = csgraph.connected_components(csr_array(ways), connection="strong")
    found = []
    for label in dict.fromkeys(members.tolist()):
        states = np.flatnonzero(members == label)
        inside = ways[np.ix_(states, states)]  # (S, S) -> (n, n), n states in the class
        closed = inside.sum() == ways[states].sum()
        found.append(StateClass(tuple(states.tolist()), bool(closed), _period(inside)))
    return tuple(found)


def _period(ways: np.ndarray) -> int:
    """Period of one class from its ways (n, n): each step that does not lead one level down closes a cycle
    (Denardo, Periods of connected networks and powers of nonnegative matrices, 1977)."""
    from scipy.sparse import csgraph, csr_array

    levels = csgraph.dijkstra(csr_array(ways), unweighted=True, indices=0).astype(np.int64)
    begin, end = np.nonzero(ways)
    return int(np.gcd.reduce(levels[begin] + 1 - levels[end])) if len(begin) else 0


def long_run(transitions: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The share of time (S,) that a chain with ``transitions`` (S, S) spends in each state, begun from ``start`` (S,).

    It is the limit of the mean of p_0, ..., p_t, which exists for every finite chain, periodic ones included.
    States are taken out one by one without a subtraction (Grassmann, Taksar and Heyman, Operations Research
    33, 1985), so that probabilities of 1e-15 are as good as any. Raises NasbookError where a product of
    probabilities is too small for a float.
    """
    classes = communicating_classes(transitions)
    work, mass, left = transitions.copy(), np.array(start, dtype=np.float64), np.ones(len(start), dtype=bool)
    result = np.zeros(len(start))
    with np.errstate(all="ignore"):
        for state in (state for one in classes if not one.closed for state in one.states):
            left[state] = False
            onward = np.where(left, work[state], 0)
            onward /= onward.sum()
            mass += mass[state] * onward
            work += np.outer(work[:, state], onward)
        for states in (list(one.states) for one in classes if one.closed):
            result[states] = mass[states].sum() * _irreducible(transitions[np.ix_(states, states)])
    if not np.isfinite(result).all():
        raise NasbookError("products of these transition probabilities are too small for floating point")
    return result / result.sum()


def _irreducible(transitions: np.ndarray) -> np.ndarray:
    """The stationary distribution (n,) of one closed class with ``transitions`` (n, n)."""
    work = transitions.copy()
    for last in range(len(work) - 1, 0, -1):
        work[:last, last] /= work[last, :last].sum()
        work[:last, :last] += np.outer(work[:last, last], work[last, :last])
    result = np.zeros(len(work))
    result[0] = 1
    for state in range(1, len(work)):
        result[state] = result @ work[:, state]
        result /= result.sum()
    return result


def distributions(transitions: np.ndarray, start: np.ndarray, steps: int) -> np.ndarray:
    """p_0, ..., p_steps as (steps + 1, S) with p_0 = ``start`` (S,) and p_t = p_(t-1) P."""
    result = [np.asarray(start, dtype=np.float64)]
    for _ in range(steps):
        result.append(result[-1] @ transitions)
    return np.array(result)


def walk(transitions: np.ndarray, start: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """The path (T,) int64 that numbers in [0, 1) choose: the first its first state, from ``start`` (S,)."""
    towers = tower(transitions).tolist()
    here, path = tower(start).tolist(), []
    for uniform in np.asarray(uniforms).tolist():
        path.append(bisect_right(here, uniform))
        here = towers[path[-1]]
    return np.array(path, dtype=np.int64)


def tower(rows: np.ndarray) -> np.ndarray:
    """Cumulative sums along the last axis that end at exactly 1, so that no number in [0, 1) falls beside them."""
    sums = np.cumsum(rows, axis=-1)
    return sums / sums[..., -1:]


def distribution(start: Start, states: Sequence[str]) -> np.ndarray:
    """``start`` as a distribution (S,) over ``states``. Raises NasbookError for a state that does not exist."""
    if isinstance(start, str) or not np.iterable(start):
        return np.eye(len(states))[checks.index(start, len(states), "state", states)]
    return checks.rows(start, "start", (len(states),))


class MarkovChain(Shown):
    """A finite Markov chain, with rewards a Markov reward process.

    ``transitions`` (S, S): row s holds the probabilities of the next state after s. ``rewards`` (S,): what is
    paid in a state, at the time when the chain is there. ``states``: names, by default S1, S2, ...
    Raises NasbookError for what is no chain, naming the row and the value.
    """

    def __init__(self, transitions, rewards=None, *, states: Sequence[str] = ()):
        count = len(checks.numbers(transitions, "transitions", (None, None)))
        self.transitions = checks.rows(transitions, "transitions", (count, count))
        self.rewards = None if rewards is None else checks.numbers(rewards, "rewards", (count,))
        self.states = checks.labels(states, count, "state", "S")

    def stationary(self, start: Start | None = None) -> np.ndarray:
        """The distribution pi (S,) with pi = pi P: the share of time spent in each state; Norris, section 1.7.

        A chain with one closed class has one, periodic or not. With several closed classes the share depends on
        where the chain begins: give ``start``. Raises NasbookError, naming the classes, if it is needed.
        """
        if start is not None:
            return long_run(self.transitions, distribution(start, self.states))
        closed = [one.states for one in self.classes() if one.closed]
        if len(closed) > 1:
            named = " and ".join(f"{{{', '.join(self.states[state] for state in states)}}}" for states in closed)
            raise NasbookError(
                f"the chain has {len(closed)} closed classes, {named}, and a stationary distribution in each: say "
                f"where it begins, such as .stationary(start={self.states[closed[0][0]]!r})"
            )
        return long_run(self.transitions, distribution(closed[0][0], self.states))

    def average_reward(self, start: Start | None = None) -> float:
        """The mean reward a step in the long run, pi . r; ``start`` and errors as for ``stationary``.

        Raises NasbookError if the chain has no rewards.
        """
        return float(self.stationary(start) @ self._rewards())

    def value(self, gamma: float) -> np.ndarray:
        """The expected discounted sum of rewards from each state, V = (I - gamma P)^-1 r, (S,), 0 <= gamma < 1.

        The reward of the first state counts in full; Sutton and Barto's sum (equation 3.8) begins with the next.
        Raises NasbookError for another gamma and if the chain has no rewards.
        """
        gamma, rewards = checks.discount(gamma), self._rewards()
        return np.linalg.solve(np.eye(len(rewards)) - gamma * self.transitions, rewards)

    def simulate(self, steps: int, rng: np.random.Generator, start: Start | None = None) -> np.ndarray:
        """A path of ``steps`` states, (steps,) int64, that begins in ``start``: by default in the first state.

        Raises NasbookError for fewer than one step, an unknown start, and an ``rng`` that is no generator.
        """
        begin = distribution(0 if start is None else start, self.states)
        return walk(self.transitions, begin, checks.generator(rng).random(checks.whole(steps, "steps", least=1)))

    def classes(self) -> tuple[StateClass, ...]:
        """The communicating classes, in the order of their first states."""
        return communicating_classes(self.transitions)

    def draw(self) -> Picture:
        """The chain as a graph: states as nodes, probabilities on the edges."""
        return self._drawn("chain", self.transitions, self.rewards, self.states)

    def __repr__(self) -> str:
        return f"MarkovChain with the states {', '.join(self.states)}"

    def _rewards(self) -> np.ndarray:
        if self.rewards is None:
            raise NasbookError("the chain has no rewards: build it as MarkovChain(transitions, rewards)")
        return self.rewards
