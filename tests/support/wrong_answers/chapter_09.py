"""Typical wrong answers to the exercises of chapter 09, with a phrase of the sentence that each must get."""

from math import exp, log

import numpy as np

from nasbook.analysis.measures import expected_best
from nasbook.book.exercises import chapter_09 as right


def sigmoid_of_q(q, target):
    yes = 1 / (1 + exp(-q))
    return yes, (1 - yes) * log((1 - yes) / (1 - target)) + yes * log(yes / target)


def chance_of_no(q, target):
    yes, penalty = right.skip(q, target)
    return 1 - yes, penalty


def reversed_divergence(q, target):
    yes, _ = right.skip(q, target)
    return yes, (1 - target) * log((1 - target) / (1 - yes)) + target * log(target / yes)


def yes_alone(q, target):
    yes, _ = right.skip(q, target)
    return yes, yes * log(yes / target)


def the_codes_penalty(q, target):
    return right.skip(q, target)[0], right.skip(q / 2, target)[1]


def in_bits(q, target):
    yes, penalty = right.skip(q, target)
    return yes, penalty / log(2)


def penalty_alone(q, target):
    return right.skip(q, target)[1]


def subtract_first(accuracies, entropies, weight, decay, baseline):
    found = []
    for accuracy, entropy in zip(accuracies, entropies):
        reward = accuracy + weight * entropy
        found.append(reward - baseline)
        baseline = decay * baseline + (1 - decay) * reward
    return found, baseline


def decay_exchanged(accuracies, entropies, weight, decay, baseline):
    return right.rewards(accuracies, entropies, weight, 1 - decay, baseline)


def no_entropy(accuracies, entropies, weight, decay, baseline):
    return right.rewards(accuracies, entropies, 0.0, decay, baseline)


def entropy_off(accuracies, entropies, weight, decay, baseline):
    return right.rewards(accuracies, entropies, -weight, decay, baseline)


def at_once(accuracies, entropies, weight, decay, baseline):
    _, end = right.rewards(accuracies, entropies, weight, decay, baseline)
    return [a + weight * e - end for a, e in zip(accuracies, entropies)], end


def one_move(accuracies, entropies, weight, decay, baseline):
    gained = np.array(accuracies) + weight * np.array(entropies)
    baseline = decay * baseline + (1 - decay) * gained.mean()
    return gained - baseline, baseline


def old_baseline(accuracies, entropies, weight, decay, baseline):
    gained = np.array(accuracies) + weight * np.array(entropies)
    return gained - baseline, decay * baseline + (1 - decay) * gained.mean()


def advantages_alone(accuracies, entropies, weight, decay, baseline):
    return right.rewards(accuracies, entropies, weight, decay, baseline)[0]


def lowest_first(shared, truth):
    return right.saved(-shared, truth)


def scores_of_the_chosen(shared, truth):
    return np.sort(shared)[::-1], right.saved(shared, truth)[1]


def not_the_best_of_them(shared, truth):
    return truth[shared.argsort()[::-1]], right.saved(shared, truth)[1]


def as_listed(shared, truth):
    return np.maximum.accumulate(truth), right.saved(shared, truth)[1]


def by_the_truth(shared, truth):
    return right.saved(truth, truth)


def draws_that_repeat(shared, truth):
    curve, means = right.saved(shared, truth)[0], expected_best(truth, len(truth))
    return curve, [int(np.argmax(means >= best - 1e-9)) + 1 if means[-1] >= best else len(truth) for best in curve]


def law_with_repetition(shared, truth):
    curve, means = right.saved(shared, truth)[0], expected_best(truth, 1000)
    return curve, [int(np.argmax(means >= best - 1e-9)) + 1 for best in curve]


def difference(shared, truth):
    curve, blind = right.saved(shared, truth)
    return curve, np.array(blind) - np.arange(1, len(blind) + 1)


def one_too_few(shared, truth):
    curve, blind = right.saved(shared, truth)
    return curve, np.array(blind) - 1


def ranks(shared, truth):
    curve, _ = right.saved(shared, truth)
    return curve, [1 + int((truth > best).sum()) for best in curve]


def curve_alone(shared, truth):
    return right.saved(shared, truth)[0]


WRONG = {
    "09.1": [
        (sigmoid_of_q, "not sigmoid(q)"),
        (chance_of_no, "the probability of no"),
        (reversed_divergence, "the drawn one comes first"),
        (yes_alone, "sums over both answers"),
        (the_codes_penalty, "the code's penalty"),
        (in_bits, "the natural logarithm"),
        (penalty_alone, "a pair is wanted"),
    ],
    "09.2": [
        (subtract_first, "the baseline moves first"),
        (decay_exchanged, "the old baseline keeps the share decay"),
        (no_entropy, "the entropy is missing"),
        (entropy_off, "rewarded for it"),
        (at_once, "one by one"),
        (one_move, "once for the whole batch"),
        (old_baseline, "stands still"),
        (advantages_alone, "a pair is wanted"),
    ],
    "09.3": [
        (lowest_first, "sort downwards"),
        (scores_of_the_chosen, "what counts is the truth"),
        (not_the_best_of_them, "the best is kept"),
        (as_listed, "as it is given"),
        (by_the_truth, "nobody knows before training"),
        (draws_that_repeat, "may repeat"),
        (
            law_with_repetition,
            "this is the law with repetition: here all blind trainings are of different architectures",
        ),
        (difference, "the blind trainings themselves"),
        (one_too_few, "one too few"),
        (ranks, "how it ranks"),
        (curve_alone, "a pair is wanted"),
    ],
}
