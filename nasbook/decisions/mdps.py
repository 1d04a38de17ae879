"""Markov decision processes: states that are seen, actions that change the odds, and planning with both known.

Puterman, Markov Decision Processes (1994), chapter 6: value iteration 6.3, policy iteration 6.4, modified
policy iteration 6.5. The model never changes: its arrays are read-only.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from math import ceil, log
from typing import TYPE_CHECKING

import numpy as np

from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.base.shown import Picture, Shown

if TYPE_CHECKING:
    from nasbook.decisions.environments import MDPEnv

TIE = 1e-12
"""Actions within this share of the value of a state's best action are equal to it: the lowest index wins."""

SWEEPS = 1_000_000
"""Above as many sweeps value iteration refuses to begin."""


@dataclass(frozen=True, eq=False)
class Solution:
    """``values`` (S,), a greedy deterministic ``policy`` (S,) of action indices, and how many ``iterations``."""

    values: np.ndarray
    policy: np.ndarray
    iterations: int

    def __post_init__(self) -> None:
        self.values.flags.writeable = self.policy.flags.writeable = False


class MDP(Shown):
    """A finite Markov decision process with discount ``gamma``.

    ``transitions[a, s, t]``, (A, S, S), is the probability to go from s to t under a. ``rewards`` is (S,), paid for
    the state one is in; (A, S), also for the action; or (A, S, S), also for the state one comes to. The attributes
    ``.transitions``, ``.rewards`` (as given), ``.gamma``, ``.states``, ``.actions`` hold what was given;
    ``.expected_rewards`` is (A, S), ``.terminal`` (S,) says which states no action leaves and no action is paid in.
    Raises NasbookError for anything that is no such model.
    """

    def __init__(self, transitions, rewards, gamma: float, *, states=(), actions=()):
        self.transitions = checks.rows(transitions, "transitions", (None, None, None))
        n_actions, n_states, into = self.transitions.shape
        if n_states != into:
            raise NasbookError(f"transitions has the shape {self.transitions.shape}, must be (actions, states, states)")
        shapes = (n_states,), (n_actions, n_states), (n_actions, n_states, n_states)
        self.rewards = checks.numbers(rewards, "rewards", *shapes)
        self.gamma = checks.discount(gamma)
        self.states = checks.labels(states, n_states, "state", "S")
        self.actions = checks.labels(actions, n_actions, "action", "a", first=0)
        paid = self.transition_rewards()
        self.expected_rewards = (self.transitions * paid).sum(axis=2)  # (A, S, S) -> (A, S)
        if self.rewards.ndim < 3:
            self.expected_rewards = paid[:, :, 0].copy()  # (A, S, S) -> (A, S): free of rounding
        stays = np.diagonal(self.transitions, axis1=1, axis2=2) == 1  # (A, S, S) -> (A, S)
        unpaid = np.diagonal(paid, axis1=1, axis2=2) == 0  # (A, S, S) -> (A, S)
        self.terminal = (stays & unpaid).all(axis=0)  # (A, S) -> (S,)
        self.expected_rewards.flags.writeable = self.terminal.flags.writeable = False

    def __repr__(self) -> str:
        sizes = (len(self.states), "state"), (len(self.actions), "action")
        states, actions = (f"{size} {what}{'s' * (size > 1)}" for size, what in sizes)
        return f"MDP of {states} and {actions}, gamma {self.gamma:g}"

    def transition_rewards(self) -> np.ndarray:
        """The rewards as (A, S, S), one for each transition, whatever form they were given in; read-only."""
        form = {1: np.s_[None, :, None], 2: np.s_[:, :, None], 3: np.s_[:]}[self.rewards.ndim]
        return np.broadcast_to(self.rewards[form], self.transitions.shape)  # (S,), (A, S) or (A, S, S) -> (A, S, S)

    def q_values(self, values) -> np.ndarray:
        """(S, A): Q(s, a) = r(s, a) + gamma sum_t P(t | s, a) V(t), where V is ``values`` (S,).

        Raises NasbookError, as ``backup`` and ``greedy`` do, for values of another shape or not finite.
        """
        return self._q(checks.numbers(values, "values", (len(self.states),)))

    def backup(self, values) -> np.ndarray:
        """(S,): one sweep of Bellman's optimality backup, max_a Q(s, a); it contracts by gamma in the sup norm."""
        return self.q_values(values).max(axis=1)  # (S, A) -> (S,)

    def greedy(self, values) -> np.ndarray:
        """(S,): the best action in each state for ``values`` (S,); of equal actions (see ``TIE``) the lowest index."""
        return best_actions(self.q_values(values))

    def evaluate(self, policy) -> np.ndarray:
        """(S,): the values of a policy (see ``probabilities``), exactly, from (I - gamma P_pi) V = r_pi."""
        chosen = self.probabilities(policy)
        transitions = np.einsum("sa,ast->st", chosen, self.transitions)  # (S, A), (A, S, S) -> (S, S)
        rewards = (chosen * self.expected_rewards.T).sum(axis=1)  # (S, A) -> (S,)
        return np.linalg.solve(np.eye(len(self.states)) - self.gamma * transitions, rewards) + 0.0  # no -0.

    def probabilities(self, policy) -> np.ndarray:
        """(S, A): a policy's probabilities, given as these or as an action (index or name) for each state, (S,).

        Raises NasbookError for anything else.
        """
        n_states, n_actions = len(self.states), len(self.actions)
        if np.iterable(policy) and any(np.iterable(one) and not isinstance(one, str) for one in policy):
            return checks.rows(policy, "policy", (n_states, n_actions))
        chosen = checks.indices(policy, n_actions, "action", self.actions)
        if len(chosen) != n_states:
            raise NasbookError(f"a policy has one action for each of the {n_states} states, not {len(chosen)}")
        return np.eye(n_actions)[chosen]  # (S,) -> (S, A)

    def value_iteration(self, tol: float = 1e-9) -> Solution:
        """Backups from zero until every value is within ``tol`` of the optimal one; ``.iterations`` counts sweeps.

        It stops when the last sweep changed no value by more than tol (1 - gamma) / gamma, because
        |V_k - V*| <= gamma / (1 - gamma) |V_k - V_(k-1)|, with a share for rounding. Raises NasbookError for a
        ``tol`` that float64 cannot reach at these values, and for one that needs more than ``SWEEPS`` sweeps.
        """
        return self._iterate(0, tol)

    def policy_iteration(self) -> Solution:
        """Evaluate by linear solve, improve, until nothing improves; ``.iterations`` counts the evaluations.

        It begins with action 0 everywhere. An action is exchanged only for one that is better by more than ``TIE``,
        and the loop ends when no state's value rises above all it had before: so it ends with ties too, and then
        takes the lowest index.
        """
        everywhere = np.arange(len(self.states))
        policy, before = np.zeros(len(self.states), dtype=np.int64), np.full(len(self.states), -np.inf)
        for iterations in count(1):
            values = self.evaluate(policy)
            q = self._q(values)
            best = best_actions(q)
            better = q[everywhere, best] - q[everywhere, policy] > _tie(q)[:, 0]  # (S, A) -> (S,)
            if not better.any() or (values <= before).all():
                return Solution(values, best, iterations)
            policy, before = np.where(better, best, policy), np.maximum(before, values)

    def modified_policy_iteration(self, sweeps: int = 5, tol: float = 1e-9) -> Solution:
        """Value iteration with ``sweeps`` backups of the greedy policy after each optimal one; ``tol`` as there.

        ``.iterations`` counts the optimal backups. Puterman proves convergence from values that a backup raises;
        zero will do as well, because a constant added to all values leaves the greedy policy and fades by gamma a
        backup. Raises NasbookError as ``value_iteration`` does.
        """
        return self._iterate(checks.whole(sweeps, "sweeps"), tol)

    def to_gymnasium(self, horizon: int | None = None, start=None) -> MDPEnv:
        """The model as a Gymnasium environment: see ``environments.MDPEnv`` for ``horizon`` and ``start``."""
        from nasbook.decisions.environments import MDPEnv

        return MDPEnv(self, horizon, start)

    def draw(self) -> Picture:
        """States as nodes, actions as small squares, probabilities on the edges; a heat map above 12 states."""
        return self._drawn("mdp", self.transitions, self.expected_rewards, self.states, self.actions)

    def _q(self, values: np.ndarray) -> np.ndarray:
        q = self.expected_rewards + self.gamma * (self.transitions @ values)  # (A, S, S), (S,) -> (A, S)
        return q.T  # (A, S) -> (S, A)

    def _iterate(self, sweeps: int, tol: float) -> Solution:
        tol, gamma, values = checks.positive(tol, "tol"), self.gamma, np.zeros(len(self.states))
        everywhere = np.arange(len(values))
        largest = np.abs(self._q(values).max(axis=1)).max() / (1 - gamma)
        ratio = max(tol * (1 - gamma) / (8 * largest), np.finfo(np.float64).tiny) if largest else 1
        bound = ceil(log(ratio) / log(gamma)) + 2 if gamma > 0 and ratio < 1 else 2
        if bound > SWEEPS:
            raise NasbookError(
                f"tol {tol:g} at gamma {gamma:g} takes up to {bound:,} sweeps: policy_iteration needs no tol"
            )
        for iterations in range(1, bound + 1):
            q = self._q(values)
            before, values = values, q.max(axis=1)  # (S, A) -> (S,)
            rounding = 4 * np.finfo(np.float64).eps * np.abs(values).max()
            error = (gamma * np.abs(values - before).max() + rounding) / (1 - gamma)
            if error <= tol:
                return Solution(values, best_actions(self._q(values)), iterations)
            greedy = best_actions(q)
            transitions = self.transitions[greedy, everywhere]  # (A, S, S) -> (S, S)
            rewards = self.expected_rewards[greedy, everywhere]  # (A, S) -> (S,)
            for _ in range(sweeps):
                values = rewards + gamma * (transitions @ values)
        raise NasbookError(f"tol is {tol:g}: float64 holds values of this size and gamma to {error:.1g} only")


def best_actions(q: np.ndarray) -> np.ndarray:
    """(S,): the lowest index in each row of ``q`` (S, A) whose value is the row's largest, up to ``TIE``."""
    return (q >= q.max(axis=1, keepdims=True) - _tie(q)).argmax(axis=1)  # (S, A) -> (S,)


def _tie(q: np.ndarray) -> np.ndarray:
    return TIE * np.abs(q.max(axis=1, keepdims=True))  # (S, A) -> (S, 1)
