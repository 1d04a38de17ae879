"""Exercises of chapter 06: leave-one-out, the estimate of the gradient, and what a critic would buy."""

import numpy as np

from nasbook.book.exercises import Exercise
from nasbook.book.exercises.compare import cause, differs, explained, gradient

THETA_1 = np.array([0.2, -0.1, 0.4])
THETA_2 = np.array([[0.1, 0.3], [-0.2, 0.5], [0.7, 0.0]])
REWARDS = np.array([[1.0, 0.2], [0.5, 0.9], [0.3, 0.4]])
TOKENS = np.array([[0, 0], [2, 1], [0, 1], [2, 0], [2, 1]])


def leave_one_out(rewards):
    """(m,) -> (m,): each reward minus the mean of the other rewards of its batch."""
    others = (rewards.sum() - rewards) / (len(rewards) - 1)
    return rewards - others


def check_leave_one_out(answer) -> str | None:
    # Worked out by hand: the means of the others are 4, 3.5 and 1.5.
    rewards, right = np.array([1.0, 2.0, 6.0]), np.array([-3.0, -1.5, 4.5])
    causes = {
        "a reward is part of its own baseline: that shrinks the mean gradient by 1 - 1/m": (-2.0, -1.0, 3.0),
        "these are the baselines: subtract them from the rewards": (4.0, 3.5, 1.5),
        "the sign is turned round: a reward above the others must get a positive advantage": (3.0, 1.5, -4.5),
        "the mean of the others is their sum divided by m - 1, since one of m is left out": (-5 / 3, -1 / 3, 5.0),
    }
    return explained(answer(rewards), right, "the advantages of (1, 2, 6)", causes) or differs(
        answer(np.array([0.25, 0.75])), [-0.5, 0.5], "the advantages of (.25, .75)"
    )


def policy_gradient(theta_1, theta_2, tokens, rewards, baseline):
    """The 1/m estimate for the two-step policy: logits (3,), (3, 2), lists (m, 2), rewards (m,), one number."""
    gradient_1, gradient_2 = np.zeros_like(theta_1), np.zeros_like(theta_2)
    for (first, second), reward in zip(tokens, rewards):
        advantage = (reward - baseline) / len(tokens)
        p_1 = np.exp(theta_1) / np.exp(theta_1).sum()
        p_2 = np.exp(theta_2[first]) / np.exp(theta_2[first]).sum()
        gradient_1 += advantage * (np.eye(3)[first] - p_1)
        gradient_2[first] += advantage * (np.eye(2)[second] - p_2)
    return gradient_1, gradient_2


def check_policy_gradient(answer) -> str | None:
    rewards, baseline = REWARDS[tuple(TOKENS.T)], 0.45
    given = answer(THETA_1, THETA_2, TOKENS, rewards, baseline)
    if not isinstance(given, tuple | list) or len(given) != 2:
        return "two arrays are wanted, the gradient in theta_1 and the gradient in theta_2"
    for part, name, shape in zip(given, ("theta_1", "theta_2"), ((3,), (3, 2))):
        if wrong := differs(np.zeros(np.shape(part)), np.zeros(shape), f"the gradient in {name}"):
            return wrong
    found = np.concatenate([np.ravel(part) for part in given])
    right = _slopes(rewards - baseline)
    causes = {
        "every list counts in full: divide the sum by m": right * len(TOKENS),
        "divide by m alone, not by m T: the log-probability of a list is a sum over its tokens": right / 2,
        "the baseline is not subtracted": _slopes(rewards),
        "the baseline is added: an advantage is the reward minus the baseline": _slopes(rewards + baseline),
        "this points downhill: the estimate is the gradient of the mean reward, not of a loss": -right,
    }
    if why := cause(found, causes, 1e-7):
        return why
    if np.abs(found[5:7]).max() > 1e-9:
        return "row 1 of theta_2 moves although no list begins with token 1: only the row of the first token counts"
    if max(abs(found[:3].sum()), np.abs(found[3:].reshape(3, 2).sum(axis=1)).max()) > 1e-9:
        return "each row of logits must move by a sum of zero: the score is one at the token, minus the probabilities"
    return differs(found, right, "the gradient (theta_1, then theta_2)", 1e-7)


def _slopes(advantages) -> np.ndarray:
    """(9,): central differences of the mean of advantage times log-probability over TOKENS."""

    def mean(logits):
        tables = logits[:3], logits[3:].reshape(3, 2)
        total = 0.0
        for (first, second), advantage in zip(TOKENS, advantages):
            for row, token in ((tables[0], first), (tables[1][first], second)):
                total += advantage * (row[token] - np.log(np.exp(row).sum()))
        return total / len(TOKENS)

    return gradient(mean, np.concatenate([THETA_1, THETA_2.ravel()]))


def critic_variance(p_1, p_2, rewards):
    """Total variance of one list's estimate: step 1 has the baseline J, step 2 the mean reward given token 1.

    Probabilities (3,) and (3, 2), rewards (3, 2).
    """
    value = (p_2 * rewards).sum(axis=1)  # (3, 2) -> (3,)
    mean = p_1 @ value
    square, gradient_1, gradient_2 = 0.0, np.zeros(3), np.zeros((3, 2))
    for first in range(3):
        for second in range(2):
            chance = p_1[first] * p_2[first, second]
            term_1 = (rewards[first, second] - mean) * (np.eye(3)[first] - p_1)
            term_2 = (rewards[first, second] - value[first]) * (np.eye(2)[second] - p_2[first])
            square += chance * (term_1 @ term_1 + term_2 @ term_2)
            gradient_1 += chance * term_1
            gradient_2[first] += chance * term_2
    return square - (gradient_1**2).sum() - (gradient_2**2).sum()


def check_critic_variance(answer) -> str | None:
    p_1, p_2 = np.array([0.5, 0.3, 0.2]), np.array([[0.6, 0.4], [0.25, 0.75], [0.5, 0.5]])
    value, mean = np.array([[0.68], [0.8], [0.35]]), 0.65
    plain = REWARDS.mean(axis=1, keepdims=True)  # (3, 2) -> (3, 1)

    def variance(baseline_1, baseline_2):
        return np.subtract(*_moments(p_1, p_2, baseline_1, baseline_2))

    causes = {
        "step 2 still subtracts J, as step 1 does: its baseline is the mean reward given the first token": (
            variance(mean, mean)
        ),
        "without any baseline in step 1 this is too noisy: subtract J there": variance(0.0, value),
        "the mean reward given the first token is no baseline for step 1: it depends on the token of step 1": (
            variance(value, value)
        ),
        "the mean reward given the first token counts both second tokens alike: weigh them by their row of p_2": (
            variance(mean, plain)
        ),
        "J and the mean reward given the first token are plain means: weigh them by p_1 and p_2": (
            variance(REWARDS.mean(), plain)
        ),
        # a step whose baseline is the reward itself adds nothing
        "only step 1 counts here: the second token's two logits of the row that was passed vary as well": (
            variance(mean, REWARDS)
        ),
        "only step 2 counts here: the first token's three logits vary as well": variance(REWARDS, value),
        "this is the mean square: subtract the squared length of the mean, which is the exact gradient": (
            _moments(p_1, p_2, mean, value)[0]
        ),
    }
    return explained(answer(p_1, p_2, REWARDS), variance(mean, value), "the total variance", causes)


def _moments(p_1, p_2, baseline_1, baseline_2) -> tuple[float, float]:
    """Mean square of one list's estimate, and squared length of its mean, from the scores' closed form.

    The squared score of token k of a softmax p is 1 - 2 p_k + sum p^2; the mean of A score is p (A_k - mean A).
    """
    chance = p_1[:, None] * p_2  # (3, 2)
    one, two = REWARDS - baseline_1, REWARDS - baseline_2
    length_1 = (1 - 2 * p_1 + (p_1**2).sum())[:, None]
    length_2 = 1 - 2 * p_2 + (p_2**2).sum(axis=1, keepdims=True)
    given_1 = (p_2 * one).sum(axis=1)  # (3, 2) -> (3,)
    mean_1 = p_1 * (given_1 - p_1 @ given_1)
    mean_2 = chance * (two - (p_2 * two).sum(axis=1, keepdims=True))
    return float((chance * (length_1 * one**2 + length_2 * two**2)).sum()), float((mean_1**2).sum() + (mean_2**2).sum())


EXERCISES = {
    "06.1": Exercise(
        check_leave_one_out,
        leave_one_out,
        "For one reward: add up all the others, divide by how many they are, subtract.",
        "The sum of the others is `rewards.sum() - rewards`, for all of them at once.",
        "The others are `len(rewards) - 1`.",
        "each reward is compared with the others alone, so the baseline does not depend on its list",
    ),
    "06.2": Exercise(
        check_policy_gradient,
        policy_gradient,
        "Go through the lists: each adds (reward - baseline) / m times the gradient of its log-probability.",
        "The log-probability of a list is that of its first token plus that of its second, given the first.",
        "A softmax row with probabilities p and token k drawn has the score `np.eye(len(p))[k] - p`; of theta_2 "
        "only the row of the first token is used.",
        "this is the third equation of the slides, with a baseline, for a policy of nine logits",
    ),
    "06.3": Exercise(
        check_critic_variance,
        critic_variance,
        "Enumerate the six lists. Each has two terms: (R - J) times score 1, and (R - V) times score 2.",
        "V of a first token is the mean of its row of rewards under its row of p_2.",
        "Total variance: the mean of the squared length of the estimate, minus the squared length of its mean.",
        "a baseline may use all the tokens that came before, and a critic, which learns such means, uses this",
    ),
}
