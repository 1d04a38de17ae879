"""Agents that learn from experience alone, on any Gymnasium environment with discrete spaces.

Sutton and Barto, Reinforcement Learning (2nd edition, 2018): Q-learning 6.5, SARSA 6.4, expected SARSA 6.6 (their
equations are in ``updates``); the model-based learner counts what it sees and plans in the model of its counts
(8.1). An environment may name the actions that are allowed in ``info["action_mask"]``, int8 (A,), as Gymnasium's
Taxi does. Where an episode is terminated, the value of what follows is zero; where it is only truncated, by a limit
of time, it is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.decisions import updates
from nasbook.decisions.mdps import MDP, best_actions
from nasbook.decisions.walks import Step, Walk, real, small_enough

if TYPE_CHECKING:
    import gymnasium


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

    def target(step: Step, values: list[float], allowed: list[int]) -> float:
        return updates.q_learning_target(step.reward, gamma, [values[a] for a in allowed], step.terminated)

    return _learn(Walk(env, rng, steps, episodes), target, learning_rate, epsilon, behaviour)


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

    def target(step: Step, values: list[float], allowed: list[int]) -> float:
        taken = 0.0 if step.next_action is None else values[step.next_action]
        return updates.sarsa_target(step.reward, gamma, taken, step.terminated)

    return _learn(Walk(env, rng, steps, episodes), target, learning_rate, epsilon, None, ahead=True)


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
    gamma, epsilon = checks.discount(gamma), checks.share(epsilon, "epsilon")

    def target(step: Step, values: list[float], allowed: list[int]) -> float:
        following = [values[a] for a in allowed]
        chances = updates.epsilon_greedy(following, epsilon)
        return updates.expected_sarsa_target(step.reward, gamma, following, chances, step.terminated)

    return _learn(Walk(env, rng, steps, episodes), target, learning_rate, epsilon, behaviour)


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
    walk = Walk(env, rng, steps, episodes)
    plan_every = checks.whole(plan_every, "plan_every", 1)
    n_states, n_actions = walk.sizes
    small_enough(n_actions * (n_states + 1) ** 2)
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
    return _learned(walk, learned, counts.sum(axis=2).T[:-1], model)  # (A, S + 1, S + 1) -> (S, A)


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
        now = real(given)
        if not 0 < now <= 1:
            raise NasbookError(f"the learning rate of visit {visits[state][action]} is {given}: it must lie in (0, 1]")
        goal = target(step, q[step.next_state], walk.allowed[step.next_state])
        q[state][action] = updates.updated(q[state][action], goal, now)
    return _learned(walk, np.array(q), np.array(visits))


def _learned(walk: Walk, q: np.ndarray, visits: np.ndarray, model: MDP | None = None) -> Learned:
    """What came out, as arrays."""
    forbidden = np.ones(walk.sizes, dtype=bool)
    for state, actions in enumerate(walk.allowed):
        forbidden[state, actions] = False
    best = best_actions(np.where(forbidden, -np.inf, q))
    return Learned(q, best, np.array(walk.returns, dtype=np.float64), visits.astype(np.int64), model)


def _chooser(walk: Walk, q: list[list[float]], epsilon: float, behaviour) -> Callable[[int], int]:
    epsilon = checks.share(epsilon, "epsilon")
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
