"""Typical wrong answers to the exercises of notebook 16, each with words of the sentence that it gets."""

import numpy as np
import torch


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


def _terms(scores, soft, labels):
    log_q = torch.log_softmax(scores, dim=-1)
    return torch.nn.functional.cross_entropy(scores, labels), (soft * log_q).sum(dim=1)


def prints_a_plus(scores, teacher_scores, labels, weight):
    own, term = _terms(scores, teacher_scores.detach().softmax(-1), labels)
    return own + weight * term.mean()


def sums_over_the_batch(scores, teacher_scores, labels, weight):
    own, term = _terms(scores, teacher_scores.detach().softmax(-1), labels)
    return own - weight * term.sum()


def trains_the_teacher(scores, teacher_scores, labels, weight):
    own, term = _terms(scores, teacher_scores.softmax(-1), labels)
    return own - weight * term.mean()


def takes_the_divergence(scores, teacher_scores, labels, weight):
    soft = teacher_scores.detach().softmax(-1)
    own, term = _terms(scores, soft, labels)
    return own + weight * ((soft * soft.log()).sum(dim=1) - term).mean()


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
        (trains_the_teacher, "moves the teacher too"),
        (takes_the_divergence, "Kullback-Leibler"),
    ],
    "16.3": [
        (takes_the_printed_formula, "more is kept than asked"),
        (forgets_the_border, "near the border"),
        (drops_pixels, "a seed drops side^2"),
    ],
}
