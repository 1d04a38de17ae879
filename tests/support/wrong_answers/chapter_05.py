"""Typical wrong answers to the exercises of chapter 05, each with a phrase of the sentence it must get."""

import numpy as np


def log_of_own_count(counts, sums):
    return sums / counts + np.sqrt(2 * np.log(counts) / counts)


def mean_over_all_rounds(counts, sums):
    return sums / counts.sum() + np.sqrt(2 * np.log(counts.sum()) / counts)


def count_outside_the_root(counts, sums):
    return sums / counts + np.sqrt(2 * np.log(counts.sum())) / counts


def parts(arms, propensities, target, model):
    rounds = np.arange(len(arms))
    return target[rounds, arms] / propensities, (target * model).sum(axis=1), model[rounds, arms]


def whole_reward(arms, rewards, propensities, target, model):
    weights, word, _ = parts(arms, propensities, target, model)
    return np.mean(word + weights * rewards)


def only_the_correction(arms, rewards, propensities, target, model):
    weights, _, guess = parts(arms, propensities, target, model)
    return np.mean(weights * (rewards - guess))


def no_target_in_the_weight(arms, rewards, propensities, target, model):
    _, word, guess = parts(arms, propensities, target, model)
    return np.mean(word + (rewards - guess) / propensities)


def compared_with_the_word(arms, rewards, propensities, target, model):
    weights, word, _ = parts(arms, propensities, target, model)
    return np.mean(word + weights * (rewards - word))


def the_target_itself(target, means):
    return target


def rewards_without_noise(target, means):
    return target * means / (target * means).sum()


def the_variance(target, means):
    wanted = target * np.sqrt(means * (1 - means))
    return wanted / wanted.sum()


def not_normalised(target, means):
    return target * np.sqrt(means)


WRONG = {
    "05.1": [
        (log_of_own_count, "each arm's own count"),
        (mean_over_all_rounds, "divides by all rounds"),
        (count_outside_the_root, "outside the root"),
    ],
    "05.2": [
        (whole_reward, "the whole reward was added"),
        (only_the_correction, "word is missing"),
        (no_target_in_the_weight, "one over the propensity"),
        (compared_with_the_word, "for the logged arm"),
    ],
    "05.3": [
        (the_target_itself, "the target itself"),
        (rewards_without_noise, "E[r^2] = p, not p^2"),
        (the_variance, "best for DR with an exact model"),
        (not_normalised, "divide by their sum"),
    ],
}
