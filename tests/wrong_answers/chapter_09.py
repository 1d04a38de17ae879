"""Typical wrong answers to the exercises of chapter 09, with a phrase of the sentence that each must get."""

from math import exp, log

from nasbook.exercises import chapter_09 as right


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


def advantages_alone(accuracies, entropies, weight, decay, baseline):
    return right.rewards(accuracies, entropies, weight, decay, baseline)[0]


def lowest_first(shared, truth, count):
    return right.retrained([-one for one in shared], truth, count)


def score_of_the_chosen(shared, truth, count):
    return max(shared)


def best_of_the_table(shared, truth, count):
    return max(truth)


def last_chosen(shared, truth, count):
    return truth[sorted(range(len(shared)), key=lambda place: -shared[place])[count - 1]]


def first_alone(shared, truth, count):
    return right.retrained(shared, truth, 1)


def first_in_the_list(shared, truth, count):
    return max(truth[:count])


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
        (advantages_alone, "a pair is wanted"),
    ],
    "09.3": [
        (lowest_first, "sort downwards"),
        (score_of_the_chosen, "what counts is the truth"),
        (best_of_the_table, "nobody knows it"),
        (last_chosen, "the last one that was chosen"),
        (first_alone, "the first one alone"),
        (first_in_the_list, "the first in the list"),
    ],
}
