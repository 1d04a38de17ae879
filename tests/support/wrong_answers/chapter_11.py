"""Typical wrong answers to the exercises of chapter 11, with a phrase of the sentence that each must get."""

import numpy as np

from nasbook.book.exercises import chapter_11 as right


def brackets_missing(slope, w, v, radius):
    h = radius / np.linalg.norm(v)
    return (slope(w + h * v) - slope(w - h * v)) / 2 * h


def width_without_length(slope, w, v, radius):
    return (slope(w + radius * v) - slope(w - radius * v)) / (2 * radius)


def one_sided(slope, w, v, radius):
    h = radius / np.linalg.norm(v)
    return (slope(w + h * v) - slope(w)) / h


def wrong_divisor(slope, w, v, radius):
    h = radius / np.linalg.norm(v)
    return (slope(w + h * v) - slope(w - h * v)) / (2 * radius)


def no_momentum(alpha, w, xi, momentum, velocity, decay):
    return right.unrolled(alpha, w, xi, 0.0, velocity, decay)


def no_second_term(alpha, w, xi, momentum, velocity, decay):
    return right.unrolled(alpha, w, xi, momentum, velocity, decay) - 2 * xi * alpha


def no_decay(alpha, w, xi, momentum, velocity, decay):
    return right.unrolled(alpha, w, xi, momentum, velocity, 0.0)


def sign_turned(alpha, w, xi, momentum, velocity, decay):
    return right.unrolled(alpha, w, xi, momentum, velocity, decay) - 4 * xi * alpha


def rows(nodes):
    first = 0
    for node in range(nodes):
        yield range(first, first + node + 2), first
        first += node + 2


def one_input_twice(p, nodes, none):
    cell = []
    for edges, first in rows(nodes):
        pairs = [(p[e, op], op, e - first) for e in edges for op in range(p.shape[1]) if op != none]
        cell.append([(op, source) for _, op, source in sorted(pairs, reverse=True)[:2]])
    return cell


def none_kept(p, nodes, none):
    cell = []
    for edges, first in rows(nodes):
        kept = sorted(edges, key=lambda e: -p[e].max())[:2]
        cell.append([(int(p[e].argmax()), e - first) for e in kept])
    return cell


def without_none_in_the_denominator(p, nodes, none):
    kept = np.delete(p, none, axis=1)
    whole = np.insert(kept / kept.sum(axis=1, keepdims=True), none, 0.0, axis=1)
    return right.derive(whole, nodes, none)


def first_two_inputs(p, nodes, none):
    cell = []
    for edges, first in rows(nodes):
        allowed = [op for op in range(p.shape[1]) if op != none]
        cell.append([(max(allowed, key=lambda op, e=e: p[e, op]), e - first) for e in edges[:2]])
    return cell


WRONG = {
    "11.1": [
        (brackets_missing, "put the product in brackets"),
        (width_without_length, "without |v| is another width"),
        (one_sided, "one-sided"),
        (wrong_divisor, "not 2 radius"),
    ],
    "11.2": [
        (no_momentum, "the momentum buffer is missing"),
        (no_second_term, "the second term is missing"),
        (no_decay, "weight decay is missing"),
        (sign_turned, "wrong sign"),
    ],
    "11.3": [
        (one_input_twice, "reads one input twice"),
        (none_kept, "`none` was kept"),
        (without_none_in_the_denominator, "stays in the denominator"),
        (first_two_inputs, "its first two inputs"),
    ],
}
