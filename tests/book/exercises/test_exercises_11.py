"""Chapter 11: more typical wrong answers than ``wrong_answers`` has room for, and unusual right ones."""

import numpy as np
import pytest

from nasbook.book import exercises
from nasbook.book.exercises import chapter_11
from nasbook.relaxations.derivation import darts_rule


def half_as_wide(slope, w, v, radius):
    h = radius / np.linalg.norm(v)
    return (slope(w + h * v) - slope(w - h * v)) / h


def backwards(slope, w, v, radius):
    return -chapter_11.mixed_term(slope, w, v, radius)


def first_order(alpha, w, xi, momentum, velocity, decay):
    return w - 2


def along_the_floor(alpha, w, xi, momentum, velocity, decay):
    return 2 * alpha - 2


def neither(alpha, w, xi, momentum, velocity, decay):
    return chapter_11.unrolled(alpha, w, xi, 0.0, 0.0, 0.0)


def whole_buffer(alpha, w, xi, momentum, velocity, decay):
    return chapter_11.unrolled(alpha, w, xi, 1.0, velocity, decay)


def decay_outwards(alpha, w, xi, momentum, velocity, decay):
    return chapter_11.unrolled(alpha, w, xi, momentum, velocity, -decay)


def none_as_strength(p, nodes, none):
    cell, first = [], 0
    for node in range(nodes):
        edges = range(first, first + node + 2)
        kept = sorted(edges, key=lambda e: -p[e].max())[:2]
        cell.append([(int(np.where(np.arange(4) == none, -1, p[e]).argmax()), e - first) for e in kept])
        first += node + 2
    return cell


def pairs_turned_round(p, nodes, none):
    return [[(source, op) for op, source in node] for node in chapter_11.derive(p, nodes, none)]


def none_is_always_first(p, nodes, none):
    return chapter_11.derive(p, nodes, 0)


@pytest.mark.parametrize(
    ("number", "answer", "phrase"),
    [
        ("11.1", half_as_wide, "you divided by h"),
        ("11.1", backwards, "the sign is turned round"),
        ("11.2", first_order, "this is first order"),
        ("11.2", along_the_floor, "along the floor"),
        ("11.2", neither, "momentum and weight decay are missing"),
        ("11.2", whole_buffer, "momentum scales the buffer"),
        ("11.2", decay_outwards, "pulls towards zero"),
        ("11.3", none_as_strength, "counts `none` as strength"),
        ("11.3", pairs_turned_round, "yours is the other way round"),
        ("11.3", none_is_always_first, "when `none` comes last"),
    ],
)
def test_a_typical_mistake_gets_its_cause(number, answer, phrase):
    assert phrase in exercises.diagnosis(number, answer)


def test_pairs_in_another_order_and_as_an_array_are_right():
    def reversed_pairs(p, nodes, none):
        return np.array([node[::-1] for node in chapter_11.derive(p, nodes, none)])

    assert exercises.diagnosis("11.3", reversed_pairs) is None


def test_the_rule_of_the_package_is_a_right_answer():
    def by_the_package(p, nodes, none):
        names = [f"{name}" for name in ("skip_connect", "sep_conv_3x3", "sep_conv_5x5")]
        names.insert(none, "none")
        genotype, _ = darts_rule({"normal": np.log(p)}, names, nodes)
        return [[(names.index(name), source) for name, source in node] for node in genotype.normal]

    assert exercises.diagnosis("11.3", by_the_package) is None


def test_a_symmetric_scheme_with_the_same_width_is_right():
    def by_halves(slope, w, v, radius):
        unit = v / np.linalg.norm(v)
        return np.linalg.norm(v) * (slope(w + radius * unit) - slope(w - radius * unit)) / (2 * radius)

    assert exercises.diagnosis("11.1", by_halves) is None
