"""Typical wrong answers to the exercises of chapter 06, with a phrase of the sentence that each must get."""

import numpy as np

from nasbook.book.exercises import chapter_06 as right


def own_reward_included(rewards):
    return rewards - rewards.mean()


def baselines_returned(rewards):
    return (rewards.sum() - rewards) / (len(rewards) - 1)


def divided_by_all(rewards):
    return rewards - (rewards.sum() - rewards) / len(rewards)


def summed(theta_1, theta_2, tokens, rewards, baseline):
    return tuple(len(tokens) * one for one in right.policy_gradient(theta_1, theta_2, tokens, rewards, baseline))


def over_all_tokens(theta_1, theta_2, tokens, rewards, baseline):
    return tuple(one / 2 for one in right.policy_gradient(theta_1, theta_2, tokens, rewards, baseline))


def no_softmax_term(theta_1, theta_2, tokens, rewards, baseline):
    gradient_1, gradient_2 = np.zeros(3), np.zeros((3, 2))
    for (first, second), reward in zip(tokens, rewards):
        gradient_1[first] += (reward - baseline) / len(tokens)
        gradient_2[first, second] += (reward - baseline) / len(tokens)
    return gradient_1, gradient_2


def all_rows(theta_1, theta_2, tokens, rewards, baseline):
    gradient_1, _ = right.policy_gradient(theta_1, theta_2, tokens, rewards, baseline)
    p_2 = np.exp(theta_2) / np.exp(theta_2).sum(axis=1, keepdims=True)
    gradient_2 = np.zeros((3, 2))
    for (_, second), reward in zip(tokens, rewards):
        gradient_2 += (reward - baseline) * (np.eye(2)[second] - p_2) / len(tokens)
    return gradient_1, gradient_2


def enumerated(p_1, p_2, rewards, baseline_1, baseline_2):
    terms, chances = [], []
    for first in range(3):
        for second in range(2):
            score_2 = np.zeros((3, 2))
            score_2[first] = np.eye(2)[second] - p_2[first]
            one = (rewards[first, second] - baseline_1[first]) * (np.eye(3)[first] - p_1)
            two = (rewards[first, second] - baseline_2[first]) * score_2
            terms.append(np.concatenate([one, two.ravel()]))
            chances.append(p_1[first] * p_2[first, second])
    mean = np.array(chances) @ np.array(terms)
    return np.array(chances) @ (np.array(terms) ** 2).sum(axis=1), mean @ mean


def one_baseline_for_both(p_1, p_2, rewards):
    mean = [(p_1[:, None] * p_2 * rewards).sum()] * 3
    square, length = enumerated(p_1, p_2, rewards, mean, mean)
    return square - length


def critic_in_both(p_1, p_2, rewards):
    value = (p_2 * rewards).sum(axis=1)
    square, length = enumerated(p_1, p_2, rewards, value, value)
    return square - length


def mean_square(p_1, p_2, rewards):
    value = (p_2 * rewards).sum(axis=1)
    return enumerated(p_1, p_2, rewards, [p_1 @ value] * 3, value)[0]


def unweighted_critic(p_1, p_2, rewards):
    mean = (p_1[:, None] * p_2 * rewards).sum()
    square, length = enumerated(p_1, p_2, rewards, [mean] * 3, rewards.mean(axis=1))
    return square - length


WRONG = {
    "06.1": [
        (own_reward_included, "part of its own baseline"),
        (baselines_returned, "these are the baselines"),
        (divided_by_all, "divided by m - 1"),
    ],
    "06.2": [
        (summed, "divide the sum by m"),
        (over_all_tokens, "not by m T"),
        (no_softmax_term, "minus the probabilities"),
        (all_rows, "row 1 of theta_2 moves"),
    ],
    "06.3": [
        (one_baseline_for_both, "step 2 still subtracts J"),
        (critic_in_both, "it depends on the token of step 1"),
        (mean_square, "this is the mean square"),
        (unweighted_critic, "weigh them by their row of p_2"),
    ],
}
