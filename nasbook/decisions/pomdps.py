"""Partially observable Markov decision processes: acting on a belief, because the state is hidden.

Kaelbling, Littman and Cassandra, Planning and acting in partially observable stochastic domains, Artificial
Intelligence 101 (1998). The order of one step: the state s is left by an action a, which pays; the process lands in
s' and shows o, which depends on a and s'. The solvers are in ``alpha_vectors``, the pruning in ``envelopes``.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from nasbook.base import checks
from nasbook.base.errors import NasbookError, one_of
from nasbook.base.shown import Picture, Shown
from nasbook.decisions import alpha_vectors
from nasbook.decisions.alpha_vectors import ValueFunction
from nasbook.decisions.mdps import MDP

POINTS = 128
"""Beliefs that PBVI's set has at most, if none are given."""

MOST_POINTS = 10_000
"""More beliefs the set is not grown to."""

LARGEST = 1e100
"""Rewards beyond it are not solved for: their sums and products leave float64."""


class Trajectory(NamedTuple):
    """T simulated steps: ``states`` (T + 1,), ``beliefs`` (T + 1, S), ``actions``, ``observations``, ``rewards`` (T,).

    Step t leaves states[t] by actions[t], chosen at beliefs[t], is paid rewards[t] and shows observations[t].
    """

    states: np.ndarray
    actions: np.ndarray
    observations: np.ndarray
    rewards: np.ndarray
    beliefs: np.ndarray


class POMDP(Shown):
    """A finite POMDP with discount ``gamma`` in [0, 1).

    ``transitions[a, s, t]``, (A, S, S), is the probability to go from s to t under a; ``observations[a, t, o]``,
    (A, S, O), that o is shown when a has landed in t. ``rewards`` is (S,), (A, S) or (A, S, S) as for ``MDP``;
    ``.expected_rewards`` is (A, S). Names of states, actions and observations are S1, ..., a0, ..., O1, ... where
    none are given. Raises NasbookError, naming the row and the value, for anything that is no such model.
    """

    def __init__(
        self, transitions, observations, rewards, gamma: float, *, states=(), actions=(), observation_names=()
    ):
        self._mdp = MDP(transitions, rewards, gamma, states=states, actions=actions)
        self.transitions, self.rewards, self.gamma = self._mdp.transitions, self._mdp.rewards, self._mdp.gamma
        self.expected_rewards = self._mdp.expected_rewards
        self.states, self.actions = self._mdp.states, self._mdp.actions
        self.observations = checks.rows(observations, "observations", (*self.transitions.shape[:2], None))
        self.observation_names = checks.labels(observation_names, self.observations.shape[2], "observation", "O")

    def __repr__(self) -> str:
        sizes = f"{len(self.states)} states, {len(self.actions)} actions and {len(self.observation_names)} observations"
        return f"POMDP of {sizes}, gamma {self.gamma:g}"

    def update(self, belief, action: int | str, observation: int | str) -> tuple[np.ndarray, float]:
        """The belief (S,) after an action (index or name) and what it showed, and the probability of seeing that.

        b'(s') = O(o | s', a) sum_s P(s' | s, a) b(s) / P(o | b, a). Raises NasbookError for an observation that is
        impossible there, and for a belief, an action or an observation that does not exist.
        """
        before = checks.rows(belief, "belief", (len(self.states),))
        a = checks.index(action, len(self.actions), "action", self.actions)
        o = checks.index(observation, len(self.observation_names), "observation", self.observation_names)
        joint = before @ self.transitions[a] * self.observations[a, :, o]  # (S,), (S, S') -> (S',)
        probability = float(joint.sum())
        if probability <= 0:
            shown = ", ".join(f"{share:g}" for share in before)
            raise NasbookError(
                f"observation {self.observation_names[o]!r} cannot follow action {self.actions[a]!r} "
                f"from the belief ({shown}): its probability is 0"
            )
        return joint / probability, probability

    def solve(
        self,
        method: str = "exact",
        horizon: int | None = None,
        tol: float = 1e-9,
        *,
        discounted: bool = True,
        beliefs=None,
        points: int = POINTS,
        rng: np.random.Generator | None = None,
    ) -> ValueFunction:
        """The value of acting well on beliefs: for ever, or for ``horizon`` steps from now.

        ``method="exact"``: value iteration with incremental pruning. For ever it begins at the PBVI bound below and
        stops when gamma / (1 - gamma) times the largest difference of two successive value functions, over all
        beliefs, with a share for rounding, is at most ``tol``: no value is then further from the optimal one. The
        number of vectors may grow at each backup, for more than two states often beyond what can be computed.

        ``method="pbvi"``: a lower bound from backups at ``beliefs`` (B, S) only; by default at most ``points`` (and
        the corners), a grid and what is reached from it, drawn with ``rng`` if there is one. It stops when no value
        at the beliefs rises by more than tol (1 - gamma).

        ``discounted=False`` counts each of the ``horizon`` steps in full. Raises NasbookError for an unknown method,
        a ``tol`` that rounding does not allow or that takes more than ``alpha_vectors.BACKUPS`` backups, an
        undiscounted value without a horizon, beliefs that are no distributions, more than ``MOST_POINTS`` points, an
        ``rng`` that is no generator, rewards beyond ``LARGEST``, and a model too large for exact backups.
        """
        one_of(method, ("exact", "pbvi"), "method")
        tol = checks.positive(tol, "tol")
        if horizon is not None:
            checks.whole(horizon, "horizon", least=1)
        elif not discounted:
            raise NasbookError("an undiscounted value needs a horizon: solve(horizon=8, discounted=False)")
        if rng is not None:
            checks.generator(rng)
        largest = float(np.abs(self.rewards).max())
        if largest > LARGEST:
            raise NasbookError(f"a reward has the modulus {largest:g}: solve takes at most {LARGEST:g}, so scale them")
        if horizon is None:
            alpha_vectors.backups(largest, self.gamma, tol)
        model = self._steps(self.gamma if discounted else 1.0), self.expected_rewards
        if method == "exact" and horizon is not None:
            return alpha_vectors.finite(alpha_vectors.exact_backup, horizon, *model)
        if beliefs is None:
            count = checks.whole(points, "points", least=1)
            if count > MOST_POINTS:
                raise NasbookError(f"points is {count:,}: at most {MOST_POINTS:,} are allowed")
            beliefs = alpha_vectors.expand(self.transitions, self.observations, count, rng)
        beliefs = checks.rows(beliefs, "beliefs", (None, len(self.states)))
        if horizon is not None:
            return alpha_vectors.finite(alpha_vectors.point_backup, horizon, *model, beliefs)
        start = alpha_vectors.blind(*model)
        bound = alpha_vectors.point_based(*model, self.gamma, tol, beliefs, start)
        return bound if method == "pbvi" else alpha_vectors.exact(*model, self.gamma, tol, bound)

    def mdp(self) -> MDP:
        """The same process for somebody who sees the state."""
        return self._mdp

    def qmdp(self) -> ValueFunction:
        """max_a sum_s b(s) Q(s, a) with Q of the underlying MDP: as if the state were seen after one step.

        An upper bound of the value, one vector an action (Littman, Cassandra and Kaelbling, ICML 1995).
        """
        q = self._mdp.q_values(self._mdp.policy_iteration().values)
        return ValueFunction(q.T, np.arange(len(self.actions)))  # (S, A) -> (A, S)

    def simulate(
        self, policy: ValueFunction | Callable[[np.ndarray], int], steps: int, rng: np.random.Generator, belief=None
    ) -> Trajectory:
        """Act for ``steps`` steps by ``policy``: a value function, or a function from a belief (S,) to an action.

        The first state is drawn from ``belief``, by default uniform. Raises NasbookError for a policy that is
        neither, an action that does not exist, and an ``rng`` that is no generator.
        """
        checks.generator(rng)
        if isinstance(policy, ValueFunction):
            policy = self._own(policy, "policy").action
        if not callable(policy):
            raise NasbookError(f"policy is {policy!r}: it must be a value function or a function from belief to action")
        n_states = len(self.states)
        now = np.full(n_states, 1 / n_states) if belief is None else checks.rows(belief, "belief", (n_states,))
        paid = self._mdp.transition_rewards()
        draws = rng.random((checks.whole(steps, "steps", least=1), 2))
        state = _draw(now, rng.random())
        states, made, beliefs = [state], [], [now]
        for to_state, to_observation in draws:
            action = checks.index(policy(now), len(self.actions), "action", self.actions)
            after = _draw(self.transitions[action, state], to_state)
            observation = _draw(self.observations[action, after], to_observation)
            now, _ = self.update(now, action, observation)
            made.append((action, observation, paid[action, state, after]))
            beliefs.append(now)
            states.append(state := after)
        return Trajectory(*map(np.array, (states, *zip(*made), beliefs)))

    def draw(self) -> Picture:
        """States as nodes, actions as small squares, observations dashed; a heat map above 12 states."""
        names = self.states, self.actions, self.observation_names
        return self._drawn("pomdp", self.transitions, self.observations, self.expected_rewards, *names)

    def explore(self, values: Mapping[str, ValueFunction]):
        """The belief-and-alpha-vectors explorer (two states) over named value functions of this model.

        Raises NasbookError for another number of states, and for values that are not of this model.
        """
        if not isinstance(values, Mapping):
            raise NasbookError(f"values is a {type(values).__name__}: it must be a dict from names to value functions")
        for name, value in values.items():
            self._own(value, f"values[{name!r}]")
        plain = {name: (value.vectors, value.actions) for name, value in values.items()}
        names = self.states, self.actions, self.observation_names
        return self._drawn("beliefs", plain, self.transitions, self.observations, *names)

    def _own(self, value: ValueFunction, what: str) -> ValueFunction:
        """``value`` if it fits this model's states and actions. Raises NasbookError for anything else."""
        if not isinstance(value, ValueFunction):
            raise NasbookError(
                f"{what} is a {type(value).__name__}: it must be a value function, such as solve() gives"
            )
        n_states, n_actions = len(self.states), len(self.actions)
        if value.vectors.shape[1] != n_states or value.actions.max() >= n_actions:
            has = f"{value.vectors.shape[1]} states and actions up to {value.actions.max()}"
            raise NasbookError(f"{what} has {has}: this model has {n_states} states and actions up to {n_actions - 1}")
        return value

    def _steps(self, factor: float) -> np.ndarray:
        """factor * P(s' | s, a) O(o | s', a) as (A, O, S, S')."""
        return factor * np.einsum("ast,ato->aost", self.transitions, self.observations)


def _draw(chances: np.ndarray, uniform: float) -> int:
    sums = np.cumsum(chances)
    return int(np.searchsorted(sums, uniform * sums[-1], side="right"))
