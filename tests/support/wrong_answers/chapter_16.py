"""Typical wrong answers to the exercises of notebook 16, each with words of the sentence that it gets."""

import numpy as np
from scipy.special import log_softmax, softmax


def follows_the_first(p):
    return np.asarray(p)


def forgets_to_renormalise(p):
    p = np.asarray(p)
    return p * (1 - p)


def spreads_the_rest_evenly(p):
    p = np.asarray(p)
    return (1 - p) / (len(p) - 1)


def counts_either_draw(p):
    p = np.asarray(p)
    return p + np.array([sum(a * b / (1 - a) for i, a in enumerate(p) if i != j) for j, b in enumerate(p)])


def _guided(scores, soft, labels, weight, guide):
    """The loss with another guidance, and the right gradient of it up to ``weight``."""
    log_q = log_softmax(scores, axis=1)
    hard = np.eye(scores.shape[1])[labels]
    own = -(hard * log_q).sum(axis=1).mean()
    slope = (np.exp(log_q) - hard + weight * (np.exp(log_q) - soft)) / len(scores)
    return own + weight * guide(-(soft * log_q).sum(axis=1)), slope


def prints_a_plus(scores, teacher_scores, labels, weight):
    return _guided(scores, softmax(teacher_scores, axis=1), labels, -weight, np.mean)


def sums_over_the_batch(scores, teacher_scores, labels, weight):
    return _guided(scores, softmax(teacher_scores, axis=1), labels, weight, np.sum)


def forgets_to_divide_the_gradient(scores, teacher_scores, labels, weight):
    loss, slope = _guided(scores, softmax(teacher_scores, axis=1), labels, weight, np.mean)
    return loss, slope * len(scores)


def takes_the_divergence(scores, teacher_scores, labels, weight):
    soft = softmax(teacher_scores, axis=1)
    entropy = -(soft * np.log(soft)).sum(axis=1)
    return _guided(scores, soft, labels, weight, lambda guide: (guide - entropy).mean())


def takes_the_printed_formula(size, side, keep):
    return (1 - keep) / side**2 * size**2 / (size - side + 1) ** 2


def forgets_the_border(size, side, keep):
    return 1 - keep ** (1 / side**2)


def drops_pixels(size, side, keep):
    return 1 - keep


WRONG = {
    "16.1": [
        (follows_the_first, "the law of the first draw"),
        (forgets_to_renormalise, "it sums to .62"),
        (spreads_the_rest_evenly, "not equally likely"),
        (counts_either_draw, "the chance of either draw"),
    ],
    "16.2": [
        (prints_a_plus, "the sign is the printed one"),
        (sums_over_the_batch, "a sum over it"),
        (forgets_to_divide_the_gradient, "divide by B"),
        (takes_the_divergence, "Kullback-Leibler"),
    ],
    "16.3": [
        (takes_the_printed_formula, "more is kept than asked"),
        (forgets_the_border, "near the border"),
        (drops_pixels, "a seed drops side^2"),
    ],
}
