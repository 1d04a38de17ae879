"""Agents that learn from experience alone, on any Gymnasium environment with discrete spaces.

Sutton and Barto, Reinforcement Learning (2nd edition, 2018): Q-learning 6.5, SARSA 6.4, expected SARSA 6.6 (their
equations are in ``updates``); the model-based learner counts what it sees and plans in the model of its counts
(8.1). An environment may name the actions that are allowed in ``info["action_mask"]``, int8 (A,), as Gymnasium's
Taxi does. Where an episode is terminated, the value of what follows is zero; where it is only truncated, by a limit
of time, it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite, nan
from operator import index
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nasbook.decisions import checks, updates
from nasbook.decisions.mdps import MDP, best_actions
from nasbook.errors import NasbookError

if TYPE_CHECKING:
    import gymnasium

ENTRIES = 100_000_000
"""Largest table (float64) that a learner makes: 800 MB."""

LONGEST = 1_000_000
"""Steps after which an episode counts as endless where no ``steps`` are given."""


STEP = "observation, reward, terminated, truncated, info"
"""What an environment's ``step`` returns."""


@dataclass(frozen=True, eq=False)
class Learned:
    """What an agent knows: ``q`` (S, A); its greedy ``policy`` (S,) among allowed actions, lowest index of equals.

    ``returns`` (episodes,): undiscounted sum of rewards of each finished episode, as it was acted. ``visits``
    (S, A): how often each pair was tried. ``model``: the counted MDP of a model-based learner, its last state the
    end of an episode; else None.
    """

    q: np.ndarray
    policy: np.ndarray
    returns: np.ndarray
    visits: np.ndarray
    model: MDP | None = None


def q_learning(
    env: gymnasium.Env,
    *,
    rng: np.random.Generator,
    gamma: float,
    steps: int | None = None,
    episodes: int | None = None,
    learning_rate: float | Callable[[int], float] = 0.1,
    epsilon: float = 0.1,
    behaviour: str | np.ndarray | None = None,
) -> Learned:
    """Learn the optimal values while acting by another policy: off-policy.

    ``steps`` or ``episodes`` (or both) say when to stop. ``learning_rate``: a number in (0, 1] or a function of how
    often the pair has been visited, this time included. ``behaviour``: None for epsilon-greedy, "uniform", or
    probabilities (S, A). Raises NasbookError for what is none of these, for spaces that are not discrete, and for
    an episode without end.
    """
    gamma = checks.discount(gamma)

    def target(step: _Step, values: list[float], allowed: list[int]) -> float:
        return updates.q_learning_target(step.reward, gamma, [values[a] for a in allowed], step.terminated)

    return _learn(_Walk(env, rng, steps, episodes), target, learning_rate, epsilon, behaviour)


def sarsa(
    env: gymnasium.Env,
    *,
    rng: np.random.Generator,
    gamma: float,
    steps: int | None = None,
    episodes: int | None = None,
    learning_rate: float | Callable[[int], float] = 0.1,
    epsilon: float = 0.1,
) -> Learned:
    """Learn the values of the epsilon-greedy policy that acts: on-policy. Arguments as for ``q_learning``."""
    gamma = checks.discount(gamma)

    def target(step: _Step, values: list[float], allowed: list[int]) -> float:
        taken = 0.0 if step.next_action is None else values[step.next_action]
        return updates.sarsa_target(step.reward, gamma, taken, step.terminated)

    return _learn(_Walk(env, rng, steps, episodes), target, learning_rate, epsilon, None, ahead=True)


def expected_sarsa(
    env: gymnasium.Env,
    *,
    rng: np.random.Generator,
    gamma: float,
    steps: int | None = None,
    episodes: int | None = None,
    learning_rate: float | Callable[[int], float] = 0.1,
    epsilon: float = 0.1,
    behaviour: str | np.ndarray | None = None,
) -> Learned:
    """Learn the values of the epsilon-greedy policy by its mean over the next actions, whoever acts.

    Arguments as for ``q_learning``; epsilon 0 with a ``behaviour`` is Q-learning.
    """
    gamma, epsilon = checks.discount(gamma), _share(epsilon)

    def target(step: _Step, values: list[float], allowed: list[int]) -> float:
        following = [values[a] for a in allowed]
        chances = updates.epsilon_greedy(following, epsilon)
        return updates.expected_sarsa_target(step.reward, gamma, following, chances, step.terminated)

    return _learn(_Walk(env, rng, steps, episodes), target, learning_rate, epsilon, behaviour)


def model_based(
    env: gymnasium.Env,
    *,
    rng: np.random.Generator,
    gamma: float,
    steps: int | None = None,
    episodes: int | None = None,
    epsilon: float = 0.1,
    behaviour: str | np.ndarray | None = None,
    plan_every: int = 1000,
    tol: float = 1e-6,
) -> Learned:
    """Count transitions and rewards, plan by value iteration in the counted model (``tol``), act on the plan.

    It plans after each ``plan_every`` steps and at the end. A pair that was never tried is taken to stay where it
    is, for nothing; a forbidden action is taken to do as an allowed one. Other arguments as for ``q_learning``.
    """
    gamma = checks.discount(gamma)
    walk = _Walk(env, rng, steps, episodes)
    plan_every = checks.whole(plan_every, "plan_every", 1)
    n_states, n_actions = walk.sizes
    _small_enough(n_actions * (n_states + 1) ** 2)
    counts = np.zeros((n_actions, n_states + 1, n_states + 1))
    sums = np.zeros((n_actions, n_states + 1))
    q = [[0.0] * n_actions for _ in range(n_states)]
    for done, step in enumerate(walk.steps(_chooser(walk, q, epsilon, behaviour), ahead=False), start=1):
        counts[step.action, step.state, n_states if step.terminated else step.next_state] += 1
        sums[step.action, step.state] += step.reward
        if done % plan_every == 0:
            model = _counted(counts, sums, gamma, walk.allowed)
            q[:] = model.q_values(model.value_iteration(tol).values)[:-1].tolist()  # (S + 1, A) -> (S, A)
    model = _counted(counts, sums, gamma, walk.allowed)
    learned = model.q_values(model.value_iteration(tol).values)[:-1]  # (S + 1, A) -> (S, A)
    return walk.learned(learned, counts.sum(axis=2).T[:-1], model)  # (A, S + 1, S + 1) -> (S, A)


class _Step(NamedTuple):
    state: int
    action: int
    reward: float
    next_state: int
    terminated: bool
    next_action: int | None


class _Walk:
    """One run through an environment: checks it, seeds it from ``rng``, keeps masks and returns."""

    def __init__(self, env: gymnasium.Env, rng: np.random.Generator, steps: int | None, episodes: int | None):
        if steps is None and episodes is None:
            raise NasbookError("give steps or episodes, so that the learning ends")
        self._limit = None if steps is None else checks.whole(steps, "steps", 1)
        self._episodes = None if episodes is None else checks.whole(episodes, "episodes", 1)
        self._env, self._rng = env, checks.generator(rng)
        self._spaces = _discrete(env, "observation"), _discrete(env, "action")
        self.sizes = int(self._spaces[0].n), int(self._spaces[1].n)
        _small_enough(self.sizes[0] * self.sizes[1])
        self._firsts = int(self._spaces[0].start), int(self._spaces[1].start)
        self.allowed = [list(range(self.sizes[1]))] * self.sizes[0]
        self._returns: list[float] = []

    def steps(self, choose: Callable[[int], int], ahead: bool) -> Iterator[_Step]:
        """Each step as it is taken; ``ahead``: the next action is chosen before the step is learned from."""
        seed, done, length, total = int(self._rng.integers(2**31)), 0, 0, 0.0
        state, action = self._begun(self._env.reset(seed=seed)), None
        while True:
            action = choose(state) if action is None else action
            answer = self._env.step(action + self._firsts[1])
            seen, paid, terminated, truncated, info = _parts(answer, "step", STEP)
            reward = _real(paid)
            if not isfinite(reward):
                raise NasbookError(f"the environment paid {paid} in state {state} for action {action}")
            next_state = self._arrived(seen, {} if terminated else info)
            next_action = choose(next_state) if ahead and not terminated else None
            yield _Step(state, action, reward, next_state, bool(terminated), next_action)
            done, length, total = done + 1, length + 1, total + reward
            if terminated or truncated:
                self._returns.append(total)
            if done == self._limit or len(self._returns) == self._episodes:
                return
            if terminated or truncated:
                state, action, length, total = self._begun(self._env.reset()), None, 0, 0.0
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

    def learned(self, q: np.ndarray, visits: np.ndarray, model: MDP | None = None) -> Learned:
        """What came out, as arrays."""
        forbidden = np.ones(self.sizes, dtype=bool)
        for state, actions in enumerate(self.allowed):
            forbidden[state, actions] = False
        best = best_actions(np.where(forbidden, -np.inf, q))
        return Learned(q, best, np.array(self._returns, dtype=np.float64), visits.astype(np.int64), model)

    def _begun(self, answer) -> int:
        return self._arrived(*_parts(answer, "reset", "observation, info"))

    def _arrived(self, seen, info: dict) -> int:
        n_states, n_actions = self.sizes
        try:
            state = index(seen) - self._firsts[0]
        except TypeError:
            state = -1
        if not 0 <= state < n_states:
            first = self._firsts[0]
            raise NasbookError(f"the environment showed {seen!r}: its states are {first} to {first + n_states - 1}")
        if "action_mask" in info:
            mask = np.asarray(info["action_mask"])
            if mask.shape != (n_actions,):
                raise NasbookError(f"the environment's action_mask has the shape {mask.shape}, must be ({n_actions},)")
            self.allowed[state] = np.flatnonzero(mask).tolist()
            if not self.allowed[state]:
                raise NasbookError(f"the environment's action_mask allows no action in state {state}")
        return state


def _learn(walk, target, learning_rate, epsilon, behaviour, ahead: bool = False) -> Learned:
    """The loop of the three model-free agents: they differ in the target, and in when the next action is chosen."""
    constant = None if callable(learning_rate) else checks.number(learning_rate, "learning_rate")
    n_states, n_actions = walk.sizes
    # Lists: reading one number of an array takes longer than a whole update.
    q = [[0.0] * n_actions for _ in range(n_states)]
    visits = [[0] * n_actions for _ in range(n_states)]
    for step in walk.steps(_chooser(walk, q, epsilon, behaviour), ahead):
        state, action = step.state, step.action
        visits[state][action] += 1
        given = learning_rate(visits[state][action]) if constant is None else constant
        now = _real(given)
        if not 0 < now <= 1:
            raise NasbookError(f"the learning rate of visit {visits[state][action]} is {given}: it must lie in (0, 1]")
        goal = target(step, q[step.next_state], walk.allowed[step.next_state])
        q[state][action] = updates.updated(q[state][action], goal, now)
    return walk.learned(np.array(q), np.array(visits))


def _chooser(walk: _Walk, q: list[list[float]], epsilon: float, behaviour) -> Callable[[int], int]:
    epsilon = _share(epsilon)
    uniforms, allowed = walk.draw(), walk.allowed
    if isinstance(behaviour, str) and behaviour != "uniform":
        raise NasbookError(f"unknown behaviour {behaviour!r}: valid are 'uniform', probabilities (S, A), or None")
    if isinstance(behaviour, str):
        return lambda state: allowed[state][int(next(uniforms) * len(allowed[state]))]
    given = None if behaviour is None else checks.rows(behaviour, "behaviour", walk.sizes).tolist()

    def choose(state: int) -> int:
        actions = allowed[state]
        if given is None:
            chances = updates.epsilon_greedy([q[state][a] for a in actions], epsilon)
        else:
            chances = [given[state][a] for a in actions]
            if not any(chances):
                raise NasbookError(f"behaviour[{state}] has no probability for an action that is allowed there")
        left = next(uniforms) * sum(chances)
        for action, chance in zip(actions, chances):
            left -= chance
            if left < 0:
                return action
        return max(zip(chances, actions))[1]  # rounding left a crumb

    return choose


def _share(epsilon: float) -> float:
    epsilon = checks.number(epsilon, "epsilon")
    if not 0 <= epsilon <= 1:
        raise NasbookError(f"epsilon is {epsilon:g}: a probability lies between 0 and 1")
    return epsilon


def _real(value) -> float:
    """``value`` as a float, NaN for what is no number: ``checks.number`` would cost as much as a whole update."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return nan


def _parts(answer, call: str, parts: str) -> tuple:
    wanted = parts.count(",") + 1
    if not isinstance(answer, tuple) or len(answer) != wanted or not isinstance(answer[-1], dict):
        raise NasbookError(f"the environment's {call}() must return ({parts}), info a dict, not {answer!r}")
    return answer


def _discrete(env: gymnasium.Env, what: str):
    from gymnasium.spaces import Discrete

    space = getattr(env, f"{what}_space", None)
    if not isinstance(space, Discrete):
        raise NasbookError(f"the environment's {what} space is {space}: a table of values needs a Discrete one")
    return space


def _small_enough(entries: int) -> None:
    if entries > ENTRIES:
        raise NasbookError(f"a table of {entries:,} entries does not fit: at most {ENTRIES:,}")


def _counted(counts: np.ndarray, sums: np.ndarray, gamma: float, allowed: list[list[int]]) -> MDP:
    """The MDP of the counts (A, S + 1, S + 1) and the sums of rewards (A, S + 1); the last state is the end."""
    tried = counts.sum(axis=2)  # (A, S + 1, S + 1) -> (A, S + 1)
    transitions = np.where(tried[:, :, None] > 0, counts / np.maximum(tried, 1)[:, :, None], np.eye(counts.shape[1]))
    rewards = sums / np.maximum(tried, 1)
    for state, actions in enumerate(allowed):
        forbidden = np.setdiff1d(np.arange(len(counts)), actions) if len(actions) < len(counts) else []
        transitions[forbidden, state] = transitions[actions[0], state]
        rewards[forbidden, state] = rewards[actions[0], state]
    return MDP(transitions, rewards, gamma)
