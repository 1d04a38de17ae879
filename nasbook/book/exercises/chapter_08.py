"""Exercises of chapter 08: an anchor point, the size of a compiled sentence, how stale gradients are."""

import numpy as np

from nasbook.book.exercises import Exercise
from nasbook.book.exercises.compare import cause, explained, whole


def anchor(v, previous, current, earlier, state):
    """P(yes) for each earlier layer, (n,): v (H,), previous and current (H, H), earlier (n, H), state (H,)."""
    mixed = np.tanh(earlier @ previous.T + current @ state)  # (n, H)
    return 1 / (1 + np.exp(-mixed @ v))


def check_anchor(answer) -> str | None:
    rng = np.random.default_rng(8)
    v, state = rng.normal(size=3), rng.normal(size=3)
    previous, current = rng.normal(size=(2, 3, 3))
    earlier = rng.normal(size=(4, 3))

    def inner(a, h):
        return sum(previous[a][b] * h[b] + current[a][b] * state[b] for b in range(3))

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    # entry by entry, as the formula has it
    logit = np.array([sum(v[a] * np.tanh(inner(a, h)) for a in range(3)) for h in earlier])
    plain = np.array([sum(v[a] * inner(a, h) for a in range(3)) for h in earlier])
    given = answer(v, previous, current, earlier, state)
    causes = {
        "these are logits: the sigmoid is missing": logit,
        "these sum to one, as if only one layer could be read: each earlier layer is a question of its own, so take "
        "sigmoids": np.exp(logit) / np.exp(logit).sum(),
        "the two matrices are exchanged: W_prev goes with the earlier states": (
            anchor(v, current, previous, earlier, state)
        ),
        "the tanh is missing": sigmoid(plain),
        "a matrix is transposed: W h has the entries sum_b W[a, b] h[b]; for rows h that is `h @ W.T`": (
            anchor(v, previous.T, current, earlier, state)
        ),
        "this is the chance of no": 1 - sigmoid(logit),
    }
    return explained(given, sigmoid(logit), "the chances", causes, 1e-9)


def parameters(layers, channels, classes):
    """Weights of a compiled sentence; layers are (height, width, filters, inputs), inputs numbered from 1."""
    total, read = 0, set()
    for height, width, filters, inputs in layers:
        depth = sum(layers[number - 1][2] for number in inputs) or channels
        total += height * width * depth * filters + 2 * filters
        read |= set(inputs)
    ends = sum(layer[2] for number, layer in enumerate(layers, 1) if number not in read)
    return total + (ends + 1) * classes


def _from_zero(layers, channels, classes) -> tuple[int, int, int]:
    """What a sentence makes with inputs numbered from 0: where they are read, where the ends are found, in both."""
    shifted = [(height, width, filters, [number + 1 for number in inputs]) for height, width, filters, inputs in layers]
    right, both = parameters(layers, channels, classes), parameters(shifted, channels, classes)
    deeper = parameters(shifted, channels, 0) - parameters(layers, channels, 0)
    return right + deeper, both - deeper, both


def check_parameters(answer) -> str | None:
    # The two sentences whose sizes chapter 08 states, then a chain, and one in which the image is read twice.
    begin = [(3, 3, 24, ()), (5, 3, 36, ())]
    sentences = (
        [*begin, (1, 7, 48, (1, 2))],
        [*begin, (1, 7, 48, (1,))],
        [(3, 3, 4, ()), (1, 1, 8, (1,))],
        [(1, 3, 2, ()), (3, 1, 4, (1,)), (3, 3, 8, (1, 2)), (1, 1, 2, ())],
    )
    sizes = ((3, 10), (3, 10), (1, 7), (5, 4))  # channels of the image, classes
    right = (23_134, 11_398, 36 + 8 + 32 + 16 + 63, 30 + 4 + 24 + 8 + 432 + 16 + 10 + 4 + 44)
    given = []
    for sentence, size in zip(sentences, sizes):
        given.append(whole(found := answer(list(sentence), *size)))
        if given[-1] is None:
            return f"the number of weights is {found!r}: a whole number is wanted"
    norms = 2 * np.array([sum(layer[2] for layer in sentence) for sentence in sentences])
    # the layers that nobody reads
    ends = [[n for n in range(1, len(s) + 1) if not any(n in layer[3] for layer in s)] for s in sentences]
    classes = np.array([many for _, many in sizes])
    lost = [sum(s[n - 1][2] for n in e if n < len(s)) for s, e in zip(sentences, ends)] * classes
    inner = [sum(layer[2] for n, layer in enumerate(s, 1) if n not in e) for s, e in zip(sentences, ends)] * classes
    added = np.array([
        sum(h * w * f * (sum(s[n - 1][2] for n in inputs) - max(s[n - 1][2] for n in inputs))
            for h, w, f, inputs in s if inputs)
        for s in sentences
    ])  # fmt: skip
    chained = [
        sum(h * w * f * (s[i - 1][2] - channels) for i, (h, w, f, inputs) in enumerate(s) if i and not inputs)
        for s, (channels, _) in zip(sentences, sizes)
    ]
    causes = {
        "only the last layer goes to the classifier here: all layers that nobody reads do, side by side": -lost,
        "every layer goes to the classifier here: only those that nobody reads do": inner,
        "BatchNorm has two weights a filter, scale and shift": -norms,
        "each filter has one weight too few here: BatchNorm gives it a scale and a shift": norms // -2,
        "the convolutions have no bias here, for BatchNorm has a shift": norms // 2,
        "the classifier has a bias for each class": -classes,
        "several inputs are put side by side in depth: their filters are added up": -added,
        "a layer without inputs reads the image, not the layer before": chained,
    }
    if given != list(right) and (why := cause(np.subtract(given, right), causes, 0)):
        return why
    if tuple(given) in zip(*(_from_zero(s, *size) for s, size in zip(sentences, sizes))):
        return "the inputs are numbered from 1 here: layer 1 is the first of the list, `layers[0]`"
    for place, (found, wanted) in enumerate(zip(given, right)):
        if found != wanted:
            asked = "channels {} and classes {}".format(*sizes[place])
            return f"with {asked} the sentence {sentences[place]} makes {found:,} weights, right is {wanted:,}"
    return None


def staleness(durations):
    """Of each push in order of time: how many pushes of others arrived since its replica pulled."""
    pushes = []
    for replica, rounds in enumerate(durations):
        ends = np.cumsum(rounds)
        pushes += [(end, replica, begin) for begin, end in zip([0, *ends], ends)]
    pushes.sort()
    times = [time for time, _, _ in pushes]
    return [sum(begin < time < end for time in times) for end, _, begin in pushes]


def check_staleness(answer) -> str | None:
    rng = np.random.default_rng(3)
    # no two pushes at one time, so that their order is certain
    for durations in ([[3.0, 2.5], [1.0, 1.25, 1.5, 4.0]], [[2.0, 2.0, 2.0]], rng.uniform(0.5, 1.5, (5, 6)).tolist()):
        given = answer([list(rounds) for rounds in durations])
        if np.iterable(given) and any(map(np.iterable, given)) and not isinstance(given, str):
            return "these are lists in a list: one flat list is wanted, in the order in which the pushes arrive"
        # second by second, with the versions that replicas hold
        clocks, version, held = [list(np.cumsum(rounds)) for rounds in durations], 0, [0] * len(durations)
        right, order = [], []
        while any(clocks):
            replica = min((k for k in range(len(clocks)) if clocks[k]), key=lambda k: clocks[k][0])
            clocks[replica].pop(0)
            right.append(version - held[replica])
            version += 1
            held[replica] = version
            order.append(replica)
        by_replica = [found for k in range(len(durations)) for found, who in zip(right, order) if who == k]
        totals = list(range(len(right)))
        causes = {
            "these count the replica's own push, too: it has just pulled what it pushed": [one + 1 for one in right],
            "these are in the order of the replicas: give them in the order in which the pushes arrive": by_replica,
            "these count all pushes since the beginning: count from the replica's last pull": totals,
            "this supposes that all replicas keep step: let the durations decide": [len(durations) - 1] * len(right),
        }
        what = f"the staleness of {durations if len(right) < 9 else 'five replicas'}"
        if wrong := explained(given, right, what, causes):
            return wrong
    return None


EXERCISES = {
    "08.1": Exercise(
        check_anchor,
        anchor,
        "For one earlier state h_j the logit is a number: v times tanh of a vector.",
        "The vector is `previous @ h_j + current @ state`; all h_j at once are the rows of `earlier @ previous.T`.",
        "Each layer is asked for itself: a sigmoid of each logit, no softmax over them.",
        "one step answers any number of questions, with weights that do not depend on how many there are",
    ),
    "08.2": Exercise(
        check_parameters,
        parameters,
        "Go layer by layer: how deep is what it reads? The sum of its inputs' filters, or the image's channels.",
        "A layer has height x width x depth x filters weights, and BatchNorm two more for each filter.",
        "Collect who is read by anybody; the others, the last layer among them, go to the classifier side by side.",
        "a sentence says everything about the network, its size included, before anything is trained",
    ),
    "08.3": Exercise(
        check_staleness,
        staleness,
        "Write down each round as (end, replica, begin): a replica's rounds follow each other from time 0 on.",
        "Sort the rounds by their end: that is the order of the pushes.",
        "A push is as stale as there are other pushes strictly between its begin and its end.",
        "with K replicas a push is K - 1 moves late on average, in the long run and whatever the durations",
    ),
}
