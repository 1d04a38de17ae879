"""Value functions of a POMDP as sets of alpha-vectors, and the backups that improve them.

An alpha-vector is what one plan is worth in each state; the value of a belief is that of the best plan,
max_i alpha_i . b. Exact backups: incremental pruning (Cassandra, Littman and Zhang, UAI 1997). Point-based ones:
PBVI (Pineau, Gordon and Thrun, IJCAI 2003). ``steps`` (A, O, S, S') below is factor * P(s' | s, a) O(o | s', a).
"""

from collections.abc import Callable
from itertools import combinations
from math import ceil, comb, log

import numpy as np

from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.decisions import envelopes

NEW = 1e-6
"""A belief nearer than this to a set of beliefs adds nothing to it."""

BACKUPS = 100_000
"""Above as many backups solving for ever refuses to begin."""


class ValueFunction:
    """max_i vectors[i] . b, for beliefs b; ``vectors`` (K, S), the ``actions`` (K,) that their plans begin with.

    ``error`` is the guaranteed distance from the optimal value where there is a guarantee, else None. The
    arrays are read-only copies. Calling it gives the value of a belief. Raises NasbookError for arrays of
    another form.
    """

    def __init__(self, vectors, actions, error: float | None = None):
        self.vectors = checks.numbers(vectors, "vectors", (None, None))
        self.actions = checks.indices(actions, np.iinfo(np.int64).max, "action")
        if len(self.actions) != len(self.vectors):
            fits = f"give one for each of {len(self.vectors)} vectors"
            raise NasbookError(f"actions has the length {len(self.actions)}: {fits}")
        self.actions.flags.writeable = False
        self.error = error

    def __call__(self, belief):
        """The value of a belief (S,) as a float, or of many, (n, S), as an array (n,).

        Raises NasbookError for what is no distribution over the states.
        """
        n_states = self.vectors.shape[1]
        scores = checks.rows(belief, "belief", (n_states,), (None, n_states)) @ self.vectors.T  # (..., S) -> (..., K)
        best = scores.max(axis=-1)  # (..., K) -> (...)
        return float(best) if best.ndim == 0 else best

    def action(self, belief) -> int:
        """The first action of the best plan at a belief (S,), as an index. Raises NasbookError as a call does."""
        return int(self.actions[self.best(belief)])

    def best(self, belief) -> int:
        """The index of the vector that is the largest at a belief (S,). Raises NasbookError as a call does."""
        return int(np.argmax(checks.rows(belief, "belief", (self.vectors.shape[1],)) @ self.vectors.T))

    def regions(self) -> list[tuple[float, float, int]]:
        """Two states: (low, high, action), ascending, where low <= b(first state) <= high and the action is best.

        Raises NasbookError for another number of states.
        """
        if self.vectors.shape[1] != 2:
            raise NasbookError(f"regions are intervals for 2 states, not for {self.vectors.shape[1]}")
        lines, ends = envelopes.line_envelope(self.vectors)
        found = []
        for line, low, high in zip(lines, ends, ends[1:]):
            action = int(self.actions[line])
            if found and found[-1][2] == action:
                low = found.pop()[0]
            found.append((float(low), float(high), action))
        return found

    def __repr__(self) -> str:
        count, n_states = self.vectors.shape
        return f"ValueFunction of {count} vector{'s' * (count != 1)} over {n_states} states"


def exact_backup(vectors: np.ndarray, steps: np.ndarray, rewards: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All plans that are one step longer than those of ``vectors`` (K, S), pruned: vectors (W, S), actions (W,).

    For each action: project by each observation, add up every choice of one plan an observation, pruning after each
    observation; then add the action's ``rewards`` (A, S). Raises NasbookError if that takes too many vectors.
    """
    plans = []
    for per_observation, reward in zip(steps, rewards):
        total = reward[None]  # (S,) -> (1, S)
        for step in per_observation:
            projected = vectors @ step.T  # (K, S'), (S', S) -> (K, S)
            total = envelopes.add(total, projected[envelopes.prune(projected)])  # (K, S), (W, S) -> (K', S)
        plans.append(total)
    actions = np.repeat(np.arange(len(plans)), [len(plan) for plan in plans])
    together = np.concatenate(plans)  # A times (K, S) -> (W, S)
    kept = envelopes.prune(together)
    return together[kept], actions[kept]


def point_backup(
    vectors: np.ndarray, steps: np.ndarray, rewards: np.ndarray, beliefs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The best plan at each of ``beliefs`` (B, S), one step longer than ``vectors`` (K, S): (B, S), (B,)."""
    projected = vectors @ np.swapaxes(steps, 2, 3)  # (K, S'), (A, O, S', S) -> (A, O, K, S)
    best = (projected @ beliefs.T).argmax(axis=2)  # (A, O, K, S), (S, B) -> (A, O, K, B) -> (A, O, B)
    by_action, by_observation, _ = np.ogrid[: len(steps), : steps.shape[1], :1]
    plans = rewards[:, None] + projected[by_action, by_observation, best].sum(axis=1)  # (A, O, B, S) -> (A, B, S)
    actions = (plans * beliefs).sum(axis=2).argmax(axis=0)  # (A, B, S) -> (A, B) -> (B,)
    return plans[actions, np.arange(len(beliefs))], actions


def finite(backup: Callable, horizon: int, steps: np.ndarray, rewards: np.ndarray, *more: np.ndarray) -> ValueFunction:
    """The value of ``horizon`` steps: so many times ``backup(vectors, steps, rewards, *more)``, from zero."""
    vectors = np.zeros((1, rewards.shape[1]))
    for _ in range(horizon):
        vectors, actions = backup(vectors, steps, rewards, *more)
    return _pruned(vectors, actions)


def blind(steps: np.ndarray, rewards: np.ndarray) -> ValueFunction:
    """The plans that repeat one action for ever, whatever is seen: a lower bound of one vector an action."""
    system = np.eye(rewards.shape[1]) - steps.sum(axis=1)  # (A, O, S, S') -> (A, S, S')
    return ValueFunction(np.linalg.solve(system, rewards[:, :, None])[:, :, 0], np.arange(len(rewards)))


def backups(largest: float, gamma: float, tol: float) -> int:
    """How many backups bring values of rewards up to ``largest`` within ``tol`` of the optimal ones, at most.

    Raises NasbookError above ``BACKUPS``.
    """
    ratio = log(tol) + 2 * log(1 - gamma) - log(4 * max(largest, tol))
    bound = 2 + ceil(ratio / log(gamma)) if gamma else 2
    if bound > BACKUPS:
        raise NasbookError(
            f"tol {tol:g} at gamma {gamma:g} takes up to {bound:,} backups, at most {BACKUPS:,} are allowed: "
            "take a smaller gamma, a larger tol, or a horizon"
        )
    return bound


def point_based(
    steps: np.ndarray, rewards: np.ndarray, gamma: float, tol: float, beliefs: np.ndarray, start: ValueFunction
) -> ValueFunction:
    """PBVI: backups at ``beliefs`` (B, S), from a lower bound ``start`` to one that is tight near them.

    It ends when no value at the beliefs rises by more than tol (1 - gamma), or than rounding. A belief keeps its
    vector where a backup gives nothing better, so its value only rises. Raises NasbookError for a ``tol`` below
    what rounding leaves.
    """
    vectors, actions = start.vectors, start.actions
    while True:
        now = beliefs @ vectors.T  # (B, S), (S, K) -> (B, K)
        best = now.argmax(axis=1)  # (B, K) -> (B,)
        raised, first = point_backup(vectors, steps, rewards, beliefs)
        rise = (beliefs * raised).sum(axis=1) - now.max(axis=1)  # (B, S) -> (B,)
        keep = rise <= 0
        raised[keep], first[keep] = vectors[best[keep]], actions[best[keep]]
        _, distinct = np.unique(raised, axis=0, return_index=True)
        vectors, actions = raised[distinct], first[distinct]
        if rise.max() <= max(tol * (1 - gamma), envelopes.slack(vectors)):
            rounding = _rounding(vectors, steps) / (1 - gamma)
            if rounding > tol:
                raise _too_fine(tol, rounding)
            return _pruned(vectors, actions)


def exact(steps: np.ndarray, rewards: np.ndarray, gamma: float, tol: float, start: ValueFunction) -> ValueFunction:
    """Exact value iteration from a lower bound until the value is within ``tol`` of the optimal one.

    With V' = HV, no belief's value in V' is further from the optimal one than gamma / (1 - gamma) sup |V' - V|, with
    a share for rounding. Between two exact backups, point-based ones raise V' where its vectors are the largest: the
    bound stays a lower one, so the distance from the optimal value still shrinks by gamma or more. Raises
    NasbookError for a ``tol`` below what rounding leaves.
    """
    value = start
    largest = max(float(np.abs(rewards).max()), float(np.abs(start.vectors).max()) * (1 - gamma), tol)
    for _ in range(backups(largest, gamma, tol)):
        vectors, actions = exact_backup(value.vectors, steps, rewards)
        change, rounding = gamma * envelopes.distance(vectors, value.vectors), _rounding(vectors, steps)
        error = (change + rounding) / (1 - gamma)
        if error <= tol:
            return ValueFunction(vectors, actions, error)
        if change <= rounding:
            break
        backed = ValueFunction(vectors, actions)
        raised = point_based(steps, rewards, gamma, tol, envelopes.witnesses(vectors), backed)
        value = _pruned(np.concatenate([vectors, raised.vectors]), np.concatenate([actions, raised.actions]))
    raise _too_fine(tol, error)


def grid(n_states: int, count: int) -> np.ndarray:
    """Beliefs (B, S): the finest regular grid over the simplex with B <= max(``count``, S) points, corners included."""
    parts = 1
    while comb(parts + n_states, n_states - 1) <= count and n_states > 1:
        parts += 1
    slots = parts + n_states - 1
    bars = np.array([*combinations(range(slots), n_states - 1)], dtype=int).reshape(comb(slots, parts), n_states - 1)
    ends = np.pad(bars, ((0, 0), (1, 1)), constant_values=((0, 0), (-1, slots)))
    return (np.diff(ends, axis=1) - 1) / parts  # (B, S + 1) -> (B, S)


def expand(
    transitions: np.ndarray, observations: np.ndarray, count: int, rng: np.random.Generator | None = None
) -> np.ndarray:
    """A belief set (B, S), B <= ``count``, that grows from a regular grid of up to half as many.

    In each round every belief looks one step ahead under each action and adds, of the beliefs it finds, the one
    furthest (in L1) from the set. With ``rng`` it draws one observation for an action, as PBVI does; without, it
    looks at all of them. It ends when nothing new is found.
    """
    beliefs, size = grid(transitions.shape[1], count // 2), 0
    while size < len(beliefs) < count:
        size = len(beliefs)
        for belief in beliefs[:size]:
            found = _successors(belief, transitions, observations, rng)
            gaps = np.abs(found[:, None] - beliefs).sum(axis=2).min(axis=1)  # (n, B, S) -> (n,)
            if gaps.max() > NEW and len(beliefs) < count:
                beliefs = np.vstack([beliefs, found[gaps.argmax()]])
    return beliefs


def _successors(belief: np.ndarray, transitions: np.ndarray, observations: np.ndarray, rng) -> np.ndarray:
    """The beliefs (n, S) one step on: for all observations that can come, or for one drawn for each action."""
    joint = (belief @ transitions)[:, :, None] * observations  # (A, S'), (A, S', O) -> (A, S', O)
    chances = joint.sum(axis=1)  # (A, S', O) -> (A, O)
    if rng is None:
        pairs = np.argwhere(chances > 0)
    else:
        pairs = np.array([(a, rng.choice(len(row), p=row / row.sum())) for a, row in enumerate(chances)])
    a, o = pairs.T
    return joint[a, :, o] / chances[a, o, None]  # (A, S', O) -> (n, S')


def _rounding(vectors: np.ndarray, steps: np.ndarray) -> float:
    """What one backup to ``vectors`` (K, S) may lose: a product, S - 1 sums over s' and O over o, half an eps each."""
    each = np.finfo(np.float64).eps / 2
    return float(each * (steps.shape[1] + steps.shape[2]) * np.abs(vectors).max())


def _too_fine(tol: float, error: float) -> NasbookError:
    return NasbookError(f"tol is {tol:g}: float64 holds values of this size and gamma to {error:.1g} only")


def _pruned(vectors: np.ndarray, actions: np.ndarray) -> ValueFunction:
    kept = envelopes.prune(vectors)
    return ValueFunction(vectors[kept], actions[kept])
