"""Exercises of chapter 03, Markov decision processes: a backup, policy iteration, the bias of a maximum."""

from collections.abc import Callable
from itertools import product

import numpy as np

from nasbook.book.exercises import Exercise
from nasbook.book.exercises.compare import cause, differs, explained, holds

TRANSITIONS = np.array([[[0.5, 0.5], [0.3, 0.7]], [[0.1, 0.9], [0.9, 0.1]]])
REWARDS = np.array([10.0, 0.0])


def backup(transitions: np.ndarray, rewards: np.ndarray, gamma: float, values: np.ndarray) -> np.ndarray:
    """One sweep of value iteration: (A, S, S), (S,), number, (S,) -> (S,)."""
    q = rewards + gamma * transitions @ values  # (A, S, S), (S,) -> (A, S)
    return q.max(axis=0)  # (A, S) -> (S,)


def policy_iteration(transitions: np.ndarray, rewards: np.ndarray, gamma: float) -> tuple[np.ndarray, np.ndarray]:
    """Optimal values (S,) and policy (S,), from (A, S, S), (S,) and a number."""
    states = np.arange(len(rewards))
    policy = np.zeros(len(rewards), dtype=int)
    while True:
        followed = transitions[policy, states]  # (A, S, S) -> (S, S)
        values = np.linalg.solve(np.eye(len(rewards)) - gamma * followed, rewards)
        better = (rewards + gamma * transitions @ values).argmax(axis=0)  # (A, S) -> (S,)
        if (better == policy).all():
            return values, policy
        policy = better


def best_of_noisy(means: np.ndarray, noise: float, draws: int, rng: np.random.Generator) -> tuple[float, float]:
    """Mean score of the winner on the scores that chose it, and on a second, independent set of scores."""
    first = rng.normal(means, noise, size=(draws, len(means)))  # (K,) -> (draws, K)
    second = rng.normal(means, noise, size=(draws, len(means)))
    winner = first.argmax(axis=1)  # (draws, K) -> (draws,)
    return float(first.max(axis=1).mean()), float(second[np.arange(draws), winner].mean())


def _check_backup(answer: Callable) -> str | None:
    # By hand from V = (14.5, 8.1): Q(S1, .) = 10 + .9 (11.3, 8.74) and Q(S2, .) = 0 + .9 (10.02, 13.86).
    got = answer(TRANSITIONS, REWARDS, 0.9, np.array([14.5, 8.1]))
    what = "the third sweep of the two states, from (14.5, 8.1),"
    causes = {
        "gamma is missing: what comes after this step is worth gamma times as much": (21.3, 13.86),
        "this is the mean over the actions, the value of acting at random: take the largest": (19.018, 10.746),
        "this is the smallest over the actions: take the largest": (17.866, 9.018),
        "this is the largest over the states, a number for each action: take it over the actions": (20.17, 17.866),
        "the reward is paid for the state one is in, not for the one that follows": (15.17, 21.474),
        "gamma times the mean of reward and value after the step: the reward is paid now, in s": (14.67, 20.574),
        "gamma multiplies the reward too: this step's reward is not discounted": (19.17, 12.474),
        "the probabilities are read from the wrong side: transitions[a, s] is the row that leaves s": (18.712, 12.474),
    }
    if wrong := explained(got, (20.17, 12.474), what, causes, near=1e-4):
        return wrong
    got = answer(np.array([[[0, 1], [1, 0]]]), np.array([1.0, -1.0]), 0.5, np.array([4.0, 2.0]))
    return differs(got, (2, 1), "the sweep with one action, which swaps two states worth 4 and 2,")


def _check_policy_iteration(answer: Callable) -> str | None:
    got = answer(TRANSITIONS, REWARDS, 0.9)
    if not holds(got, 2):
        return "wanted are two things: the values (S,) and the policy (S,)"
    values, policy = got
    if differs(values, (0, 1), "") is None:
        return "the two stand in the wrong order: first the values, then the policy"
    best = np.array([66.9117647059, 59.5588235294])
    if wrong := differs(values, best, "the value of the two states", 1e-5):
        return _why_values(values) or wrong
    return _earns_less(TRANSITIONS, REWARDS, 0.9, policy, best) or _against_every_policy(answer)


def _why_values(values) -> str | None:
    causes = {
        "these are the values of a0 everywhere: the policy was evaluated, not improved": (45.1219512195, 32.9268292683),
        "this is one sweep: evaluation means the values of acting by the policy for ever": (10, 0),
        "this is a sweep or two: evaluation means the values of acting by the policy for ever": (14.5, 8.1),
        "this is the worst of the four policies: take the action with the largest Q, where transitions[a, s] is the "
        "row that leaves s": (31.3559322034, 22.8813559322),
    }
    if why := cause(values, causes, 1e-4):
        return why
    for policy in product(range(2), repeat=2):
        followed = TRANSITIONS[policy, (0, 1)]  # (A, S, S) -> (S, S)
        for matrix, paid, why in (
            (followed, REWARDS, f"these are the values of the policy {policy}, and a better one is left: improve on"),
            (followed.T, REWARDS, "the matrix P is transposed: its row s is transitions[policy[s], s]"),
            (followed, followed @ REWARDS, "the reward is paid for the state one is in, not for the next"),
        ):
            if differs(values, np.linalg.inv(np.eye(2) - 0.9 * matrix) @ paid, "", 1e-4) is None:
                return why
    return None


def _against_every_policy(answer: Callable) -> str | None:
    """Three actions, five states: the best of all 243 policies, each by its own linear system."""
    rng = np.random.default_rng(54)  # a model on which one improvement, or two, are not enough
    transitions, rewards = rng.dirichlet(np.full(5, 0.3), size=(3, 5)), rng.normal(size=5)
    for gamma in (0.5, 0.95):
        every = [_followed(transitions, rewards, gamma, policy) for policy in product(range(3), repeat=5)]
        values, policy = answer(transitions, rewards, gamma)
        best = np.max(every, axis=0)  # (243, S) -> (S,)
        if np.shape(values) == best.shape and (best - values > 1e-6).any():
            return (
                "right for the two states, but with 3 actions and 5 states a better policy is left: "
                "improve until no action changes"
            )
        wrong = differs(values, best, "the value with 3 actions and 5 states", 1e-5)
        if wrong := wrong or _earns_less(transitions, rewards, gamma, policy, best):
            return wrong
    return None


def _earns_less(transitions: np.ndarray, rewards: np.ndarray, gamma: float, policy, best: np.ndarray) -> str | None:
    """What is wrong with ``policy``, returned with the right values ``best`` (S,); None if it earns these."""
    if wrong := differs(policy, best, "the policy", np.inf):
        return wrong
    actions = np.asarray(policy, dtype=np.float64)
    if not np.isin(actions, range(len(transitions))).all():
        return f"the policy holds an action for each state, 0 to {len(transitions) - 1}; yours is {actions.tolist()}"
    short = (best - _followed(transitions, rewards, gamma, actions.astype(int))).max()
    if short > 1e-6:
        return (
            f"your values are the best, but the policy that you return earns up to {short:.3g} less: "
            "return the actions of the last improvement"
        )
    return None


def _followed(transitions: np.ndarray, rewards: np.ndarray, gamma: float, policy) -> np.ndarray:
    rows = np.array([transitions[action, state] for state, action in enumerate(policy)])  # (A, S, S) -> (S, S)
    return np.linalg.inv(np.eye(len(rewards)) - gamma * rows) @ rewards


def _check_best_of_noisy(answer: Callable) -> str | None:
    draws = 20_000
    margin = 5 * 0.5 / draws**0.5
    # The mean of the largest of n standard normal variables: David and Nagaraja, Order Statistics, table 3.2.
    for arms, expected in ((4, 1.02938), (10, 1.53875)):
        got = answer(np.full(arms, 0.7), 0.5, draws, np.random.default_rng(arms))
        if not holds(got, 2):
            return "wanted are two numbers: on the first scores and on the second"
        chosen, fresh = got
        biased = 0.7 + 0.5 * expected
        if wrong := differs(chosen, biased, f"the winner of {arms} on its own scores", margin):
            return _why_chosen(chosen, fresh, biased, margin) or wrong
        if wrong := differs(fresh, 0.7, f"the winner of {arms} on fresh scores", margin):
            return _why_fresh(fresh, chosen, margin) or wrong
    spread = np.array([0.0, 3.0])
    _, fresh = answer(spread, 1.0, draws, np.random.default_rng(0))
    # The second of two wins with Phi(3 / sqrt 2) = .983053, and fresh scores then have the mean 3.
    return differs(fresh, 3 * 0.983053, "the winner of means 0 and 3 on fresh scores", 5 * 1.1 / draws**0.5)


def _why_chosen(chosen: float, fresh: float, biased: float, margin: float) -> str | None:
    if differs(chosen, 0.7, "", margin) is None and differs(fresh, biased, "", margin) is None:
        return "the two stand in the wrong order: first the score that chose the winner, then the fresh one"
    if differs(chosen, 0.7, "", np.inf) is None and chosen < 0.7 + margin:
        return (
            "your first number is no higher than the true mean: give each candidate noise of its own, "
            "take the largest in each draw, and only then the mean"
        )
    return None


def _why_fresh(fresh: float, chosen: float, margin: float) -> str | None:
    if np.ndim(fresh) or abs(fresh - chosen) > 2 * margin:
        return None
    if fresh == chosen:
        return "the second number comes from the scores that chose the winner: draw a second, independent set"
    return "the second set chooses its own winner: keep the winner of the first set, and read its second score"


EXERCISES = {
    "03.1": Exercise(
        _check_backup,
        backup,
        "First Q(a, s): the reward of s, and gamma times the mean of the values over transitions[a, s].",
        "`transitions @ values` has the shape (A, S) and holds these means for all pairs at once.",
        "Add `rewards` (S,) to gamma times that, and take `.max(axis=0)`, the largest over actions.",
        "this line, repeated, is value iteration; the error shrinks by gamma each time",
    ),
    "03.2": Exercise(
        _check_policy_iteration,
        policy_iteration,
        "Two steps in turn: evaluate the policy for ever, then take in each state what is best for those values.",
        "`transitions[policy, np.arange(S)]` is the policy's matrix P; its values solve (I - gamma P) V = r.",
        "Improve by the argmax over actions of r + gamma P_a V, and stop when the policy stays the same.",
        "each of 243 policies was tried, and none earns more than yours; your values are what it earns",
    ),
    "03.3": Exercise(
        _check_best_of_noisy,
        best_of_noisy,
        "Draw scores of the shape (draws, K): mean plus noise. Each row is one search among K candidates.",
        "The first number is the mean over rows of the row's maximum: it lies above every true mean.",
        "Draw a second table; in each row read it at the place where the first table has its maximum.",
        "the maximum of noisy scores promises too much, and fresh scores of the winner do not",
    ),
}
