"""Exercises of notebook 16: the law of the second draw, the guided loss, the exact chance of a DropBlock seed."""

import numpy as np
from scipy.special import log_softmax, softmax

from nasbook.book.exercises import Exercise
from nasbook.book.exercises.compare import differs, explained, gradient


def second_draw(p):
    """(O,) -> (O,): sub-graph 1 took i with p_i, and then j is left with p_j / (1 - p_i)."""
    p = np.asarray(p)
    law = np.zeros(len(p))
    for first, chance in enumerate(p):
        left = np.where(np.arange(len(p)) == first, 0.0, p)
        law += chance * left / left.sum()
    return law


def check_second_draw(answer) -> str | None:
    # by hand, over the six orders: .3 * .5/.7 + .2 * .5/.8, and so on
    right = (0.33928571, 0.375, 0.28571429)
    law = (0.5, 0.3, 0.2)
    given = answer(np.array(law))
    causes = {
        "this is the law of the first draw; the second finds one operation gone, most often the likeliest": law,
        "it sums to .62: what is left after the first draw must be divided by its sum, 1 - p_i": (0.25, 0.21, 0.16),
        "the first operation is gone, but the others are not equally likely: weigh them by p": (0.25, 0.35, 0.4),
        "this is the chance of either draw; leave out that of the first": (0.83928571, 0.675, 0.48571429),
    }
    four = np.array([0.4, 0.3, 0.2, 0.1])
    orders = [(i, j, four[i] * four[j] / (1 - four[i])) for i in range(4) for j in range(4) if i != j]
    enumerated = [sum(chance for _, second, chance in orders if second == j) for j in range(4)]
    return explained(given, right, "the law of the second draw", causes) or differs(
        answer(four), enumerated, "the law of the second draw from (.4, .3, .2, .1)"
    )


def guided_loss(scores, teacher_scores, labels, weight):
    """Logits (B, C) of sub-graph and super-net, labels (B,): the mean loss, and its gradient in ``scores`` (B, C)."""
    soft, log_q = softmax(teacher_scores, axis=1), log_softmax(scores, axis=1)
    hard = np.eye(scores.shape[1])[labels]  # (B,) -> (B, C)
    loss = -((hard + weight * soft) * log_q).sum(axis=1).mean()
    return loss, (np.exp(log_q) - hard + weight * (np.exp(log_q) - soft)) / len(scores)


def check_guided_loss(answer) -> str | None:
    teacher = np.log([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]]) + np.array([[1.0], [-2.0]])
    student, labels, weight = np.array([[0.0, 0.0, 0.0], [0.3, -0.4, 0.9]]), np.array([1, 2]), 0.5
    given = answer(student, teacher, labels, weight)
    if not isinstance(given, tuple | list) or len(given) != 2:
        return "two results are wanted, the loss and its gradient in the sub-graph's logits"
    loss, slope = given
    p, q = softmax(teacher, axis=1), softmax(student, axis=1)
    own, guide = -np.log(q[[0, 1], labels]).mean(), -(p * np.log(q)).sum(axis=1)
    causes = {
        "the sign is the printed one: it rewards the sub-graph for moving away from the teacher": (
            own - weight * guide.mean()
        ),
        "both terms are means over the batch; your guidance is a sum over it": own + weight * guide.sum(),
        "the teacher gives logits: take their softmax before they weigh anything": (
            own - weight * (teacher * np.log(q)).sum(axis=1).mean()
        ),
        "this is the Kullback-Leibler divergence: same gradient, but the cross-entropy keeps the teacher's entropy": (
            own + weight * (guide + (p * np.log(p)).sum(axis=1)).mean()
        ),
    }

    def guided(scores):
        log_q = np.log(softmax(scores, axis=1))
        return -(log_q[range(len(labels)), labels] + weight * (p * log_q).sum(axis=1)).mean()

    right = gradient(guided, student)
    slopes = {"this is the gradient of the sum over the batch: the loss is a mean, so divide by B": 2 * right}
    return explained(loss, own + weight * guide.mean(), "the loss", causes) or explained(
        slope, right, "the gradient in the sub-graph's logits", slopes
    )


def seed_chance(size, side, keep):
    """The chance of a seed at which a size x size map keeps exactly the share ``keep`` in expectation: bisection."""
    seeds = size - side + 1
    starts = np.arange(seeds)
    over = [int(np.sum((starts <= place) & (place < starts + side))) for place in range(size)]
    blocks = np.outer(over, over)  # (size,) -> (size, size): how many blocks may cover a pixel
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if ((1 - middle) ** blocks).mean() > keep else (low, middle)
    return (low + high) / 2


def check_seed_chance(answer) -> str | None:
    # by hand: of 3 x 3 pixels and blocks of 2 x 2, four corners lie under one block, four edges under two, the middle
    # under four; with q = .8 the share kept is (4 * .8 + 4 * .64 + .4096) / 9
    cases = {(3, 2, (4 * 0.8 + 4 * 0.64 + 0.4096) / 9): 0.2, (5, 5, 0.7): 0.3, (6, 1, 0.85): 0.15}
    found = [answer(*case) for case in cases]
    typical = {
        "this is the printed formula, which counts a pixel under two blocks twice: more is kept than asked": [
            (1 - k) / s**2 * n**2 / (n - s + 1) ** 2 for n, s, k in cases
        ],
        "this treats every pixel as an inner one, under side^2 blocks: near the border there are fewer": [
            1 - k ** (1 / s**2) for n, s, k in cases
        ],
        "this is the share of pixels that is dropped: a seed drops side^2 of them": [1 - k for n, s, k in cases],
    }
    wrong = explained(found, list(cases.values()), "the chance for (3, 2), (5, 5) and (6, 1)", typical, 1e-5, near=1e-4)
    kept = "the share that your chance keeps of an 8 x 8 map with blocks of 3"
    return wrong or differs(_share(answer(8, 3, 0.9), 8, 3), 0.9, kept, 1e-5)


def _share(chance, size, side):
    """The expected share kept, pixel by pixel, block by block."""
    corners = [(i, j) for i in range(size - side + 1) for j in range(size - side + 1)]
    kept = 0.0
    for row in range(size):
        for column in range(size):
            kept += (1 - chance) ** sum(i <= row < i + side and j <= column < j + side for i, j in corners)
    return kept / size**2


EXERCISES = {
    "16.1": Exercise(
        check_second_draw,
        second_draw,
        "Condition on the first draw: it is operation i with probability p_i.",
        "Given i, operation j other than i has p_j / (1 - p_i), and i has 0.",
        "Sum p_i * p_j / (1 - p_i) over all i other than j.",
        "the second sub-graph explores: its law is flatter than softmax(alpha), and the rare operation gains",
    ),
    "16.2": Exercise(
        check_guided_loss,
        guided_loss,
        "Two cross-entropies: with the labels, and with the teacher's probabilities times `weight`.",
        "A cross-entropy is minus the sum of target times log-probability; its gradient in the logits is "
        "probability minus target.",
        "With q = softmax(scores), p = softmax(teacher_scores), y one-hot: gradient (q - y + weight (q - p)) / B.",
        "sign and mean are right, and the pull of the teacher is weight (q - p): zero where both agree",
    ),
    "16.3": Exercise(
        check_seed_chance,
        seed_chance,
        "A pixel survives if none of the blocks that can cover it has its seed: (1 - chance)^blocks.",
        "In one direction, pixel t lies under the blocks that start from t - side + 1 to t, inside the map; in two "
        "directions the counts multiply.",
        "The mean of (1 - chance)^blocks over the map falls in `chance`: bisect until it is `keep`.",
        "now the kept share is exact; the usual formula drops a little less than it says, because blocks overlap",
    ),
}
