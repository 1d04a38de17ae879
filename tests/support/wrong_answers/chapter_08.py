"""Typical wrong answers to the exercises of chapter 08, with a phrase of the sentence that each must get."""

import numpy as np

from nasbook.book.exercises import chapter_08 as right


def logits(v, previous, current, earlier, state):
    return np.tanh(earlier @ previous.T + current @ state) @ v


def softmax(v, previous, current, earlier, state):
    chance = np.exp(logits(v, previous, current, earlier, state))
    return chance / chance.sum()


def exchanged(v, previous, current, earlier, state):
    return right.anchor(v, current, previous, earlier, state)


def linear(v, previous, current, earlier, state):
    return 1 / (1 + np.exp(-(earlier @ previous.T + current @ state) @ v))


def transposed(v, previous, current, earlier, state):
    return right.anchor(v, previous.T, current, earlier, state)


def chance_of_no(v, previous, current, earlier, state):
    return 1 - right.anchor(v, previous, current, earlier, state)


def weights(layers, channels, classes, norm=2, bias=0, deep=sum, ends=None, classifier_bias=1, chain=False):
    total, read = 0, set()
    for place, (height, width, filters, inputs) in enumerate(layers):
        depth = deep([layers[number - 1][2] for number in inputs]) if inputs else channels
        if chain and place and not inputs:
            depth = layers[place - 1][2]
        total += height * width * depth * filters + (norm + bias) * filters
        read |= set(inputs)
    loose = [number for number in range(1, len(layers) + 1) if number not in read]
    return total + (sum(layers[n - 1][2] for n in (ends or (lambda _: loose))(layers)) + classifier_bias) * classes


def last_layer_only(layers, channels, classes):
    return weights(layers, channels, classes, ends=lambda layers: [len(layers)])


def every_layer(layers, channels, classes):
    return weights(layers, channels, classes, ends=lambda layers: range(1, len(layers) + 1))


def without_norm(layers, channels, classes):
    return weights(layers, channels, classes, norm=0)


def with_bias(layers, channels, classes):
    return weights(layers, channels, classes, bias=1)


def classifier_without_bias(layers, channels, classes):
    return weights(layers, channels, classes, classifier_bias=0)


def inputs_added(layers, channels, classes):
    return weights(layers, channels, classes, deep=max)


def a_chain(layers, channels, classes):
    return weights(layers, channels, classes, chain=True)


def one_norm_weight(layers, channels, classes):
    return weights(layers, channels, classes, norm=1)


def from_zero(layers, channels, classes):
    total, read = 0, set()
    for height, width, filters, inputs in layers:
        depth = sum(layers[number][2] for number in inputs) if inputs else channels
        total += height * width * depth * filters + 2 * filters
        read |= set(inputs)
    loose = [layer[2] for number, layer in enumerate(layers) if number not in read]
    return total + (sum(loose) + 1) * classes


def photographs_in_colour(layers, channels, classes):
    return right.parameters(layers, 3, classes)


def always_ten_classes(layers, channels, classes):
    return right.parameters(layers, channels, 10)


def own_push_too(durations):
    return [one + 1 for one in right.staleness(durations)]


def since_the_beginning(durations):
    return list(range(sum(map(len, durations))))


def in_step(durations):
    return [len(durations) - 1] * sum(map(len, durations))


def by_replica(durations):
    ends = [np.cumsum(rounds) for rounds in durations]
    everybody = np.concatenate(ends)
    return [
        int(((everybody > begin) & (everybody < end)).sum())
        for own in ends
        for begin, end in zip([0, *own], own)
    ]  # fmt: skip


def nested(durations):
    stale = iter(by_replica(durations))
    return [[next(stale) for _ in rounds] for rounds in durations]


WRONG = {
    "08.1": [
        (logits, "the sigmoid is missing"),
        (softmax, "a question of its own"),
        (exchanged, "the two matrices are exchanged"),
        (linear, "the tanh is missing"),
        (transposed, "a matrix is transposed"),
        (chance_of_no, "the chance of no"),
    ],
    "08.2": [
        (last_layer_only, "all layers that nobody reads do"),
        (every_layer, "only those that nobody reads do"),
        (without_norm, "scale and shift"),
        (with_bias, "no bias here"),
        (classifier_without_bias, "a bias for each class"),
        (inputs_added, "side by side in depth"),
        (a_chain, "reads the image"),
        (one_norm_weight, "one weight too few"),
        (from_zero, "numbered from 1"),
        (photographs_in_colour, "makes 227 weights"),
        (always_ten_classes, "makes 182 weights"),
    ],
    "08.3": [
        (own_push_too, "own push"),
        (since_the_beginning, "since the beginning"),
        (in_step, "keep step"),
        (by_replica, "in the order of the replicas"),
        (nested, "one flat list is wanted, in the order in which the pushes arrive"),
    ],
}
