"""Exercises of chapter 11: the finite difference, the unrolled gradient by hand, and deriving a cell."""

import math

import numpy as np

from nasbook.book.exercises import Exercise
from nasbook.book.exercises.compare import differs, explained

M = np.array([[1.0, -2.0, 0.5], [0.25, 1.0, -1.0]])
Q, U = np.array([0.5, -1.0]), np.array([0.2, 0.4, -0.4])
W, V = np.array([1.0, -1.0, 2.0]), np.array([2.0, -1.0, 2.0])
"""A gradient in two alphas, M w + Q (U w)^3, at weights W; V has the length 3."""

LAW = np.array(
    [
        [0.40, 0.35, 0.15, 0.10],  # none is the likeliest here
        [0.10, 0.30, 0.25, 0.35],
        [0.72, 0.20, 0.05, 0.03],  # nearly all none: without it in the denominator the strongest of its node
        [0.05, 0.23, 0.366, 0.354],  # two operations stronger than the best of the next row
        [0.30, 0.35, 0.20, 0.15],
        [0.50, 0.20, 0.20, 0.10],
        [0.10, 0.40, 0.30, 0.20],
        [0.25, 0.25, 0.25, 0.25],
        [0.05, 0.10, 0.40, 0.45],
    ]
)
"""Probabilities (9 edges, 4 operations) of a cell with three nodes; operation 0 is none."""
ENDS = ((0, 2), (2, 3), (5, 4))
"""First row and number of inputs of each node."""


def mixed_term(slope, w, v, radius):
    """``slope(w)`` (A,) is the gradient of L_train in alpha at weights (W,); its change along ``v`` (W,): (A,)."""
    step = radius / np.linalg.norm(v)
    return (slope(w + step * v) - slope(w - step * v)) / (2 * step)


def check_mixed_term(answer) -> str | None:
    def slope(w):
        return M @ w + Q * (U @ w) ** 3

    # closed form for a cubic: the difference with the step h has h^2 (U V)^3 beside the exact 3 (U W)^2 U V
    along, at = U @ V, U @ W

    def central(h):
        return M @ V + Q * (3 * at**2 * along + h**2 * along**3)

    for radius in (0.6, 0.01):
        given, h = answer(slope, W, V, radius), radius / 3
        right, rough = central(h), 1e-8 / radius
        causes = {
            "this is h^2 times too small: `/ 2 * h` divides by 2 and multiplies by h, so put the product in brackets": (
                right * h**2
            ),
            "divide by 2 h, the distance between the two points; you divided by h": right * 2,
            "the two points are apart by 2 h along v, with h = radius / |v|; `radius` without |v| is another width": (
                central(radius)
            ),
            "the points are right, but the divisor is 2 h with h = radius / |v|, not 2 radius": right / 3,
            "this is a one-sided difference: take w + h v and w - h v": (
                M @ V + Q * ((at + h * along) ** 3 - at**3) / h
            ),
            "the sign is turned round: the value at w + h v comes first": -right,
        }
        if wrong := explained(given, right, f"the mixed term at radius {radius:g}", causes, rough):
            return wrong
    return None


def unrolled(alpha, w, xi, momentum, velocity, decay):
    """d L_valid(w', alpha) / d alpha on the page's toy, numbers in, a number out."""
    virtual = w - xi * (momentum * velocity + 2 * (w - alpha) + decay * w)
    return virtual - 2 + alpha * 2 * xi


def check_unrolled(answer) -> str | None:
    # by hand: w' = -2 - .1 (.9 * 3 - 8 + .5 * (-2)) = -1.37; -1.37 - 2 + 2 * .2
    cases = {
        (2.0, -2.0, 0.0, 0.0, 0.0, 0.0): -4.0,
        (2.0, -2.0, 0.25, 0.0, 0.0, 0.0): -1.0,
        (2.0, -2.0, 0.1, 0.9, 3.0, 0.5): -2.97,
        (-1.0, 3.0, 0.2, 0.5, -2.0, 0.25): -0.95,
    }
    found = [answer(*case) for case in cases]
    right = np.array(list(cases.values()))
    alpha, w, xi, momentum, velocity, decay = np.array(list(cases)).T
    causes = {
        "the second term is missing: w' moves with alpha too, dw'/dalpha = 2 xi": right - 2 * xi * alpha,
        "the second term has the wrong sign: dw'/dalpha is +2 xi": right - 4 * xi * alpha,
        "the momentum buffer is missing from the virtual step": right + xi * momentum * velocity,
        "weight decay is missing from the virtual step: it adds decay * w to the gradient": right + xi * decay * w,
        "momentum and weight decay are missing from the virtual step": right + xi * (momentum * velocity + decay * w),
        "momentum scales the buffer: add momentum * velocity, not velocity": right - xi * (1 - momentum) * velocity,
        "weight decay pulls towards zero: it adds decay * w to the gradient, and a step goes against that": (
            right + 2 * xi * decay * w
        ),
        "this is first order: there w is not moved at all": w - 2,
        "this is the gradient along the floor w = alpha, 2 alpha - 2, which one step does not reach": 2 * alpha - 2,
    }
    return explained(found, right, "the list of your four answers", causes)


def derive(p, nodes, none):
    """``p`` (E, O) in the order of edges, index of ``none``: for each node two pairs (operation, input)."""
    candidates = p.copy()
    candidates[:, none] = -1
    cell, first = [], 0
    for node in range(nodes):
        edges = range(first, first + node + 2)
        kept = sorted(edges, key=lambda edge: -candidates[edge].max())[:2]
        cell.append([(int(candidates[edge].argmax()), edge - first) for edge in kept])
        first += node + 2
    return cell


def check_derive(answer) -> str | None:
    right, what = _cell(LAW), "the cell, for each node two pairs (operation, input),"
    found = answer(LAW.copy(), 3, 0)
    if wrong := differs(found, right, what, math.inf):
        return wrong
    found = _ordered(found)
    if np.array_equal(found, right):
        last = answer(LAW[:, ::-1].copy(), 3, 3)
        wrong = differs(last, right, f"{what} when `none` comes last", math.inf)
        return wrong or differs(_ordered(last), _cell(LAW[:, ::-1], none=3), f"{what} when `none` comes last", 0)
    if np.array_equal(_ordered(found[..., ::-1]), right):
        return "each pair is (operation, input); yours is the other way round"
    if (found[:, 0, 1] == found[:, 1, 1]).any():
        return "a node reads one input twice: its two edges must be distinct, each with its best operation"
    if (found[..., 0] == 0).any():
        return "`none` was kept: it is no candidate, whatever its probability"
    shares = LAW * [0, 1, 1, 1]
    causes = {
        "an edge that is mostly `none` became a strong one: `none` stays in the denominator of p": (
            _cell(shares / shares.sum(axis=1, keepdims=True))
        ),
        "an edge is as strong as its best operation besides `none`; yours counts `none` as strength": (
            _cell(LAW, LAW.max(axis=1))
        ),
        "every node keeps its first two inputs here: keep the two strongest edges": (
            _cell(LAW, -np.concatenate([np.arange(count) for _, count in ENDS]))
        ),
    }
    return explained(found, right, what, causes, 0)


def _cell(p, strength=None, none=0) -> np.ndarray:
    """(nodes, 2, 2) by trying all pairs of a node's edges for the largest sum of ``strength`` (E,)."""
    allowed = [op for op in range(p.shape[1]) if op != none]
    power = p[:, allowed].max(axis=1) if strength is None else strength  # (E, O) -> (E,)
    cell = []
    for first, count in ENDS:
        pairs = [(j, i) for i in range(count) for j in range(i)]
        kept = max(pairs, key=lambda pair: power[first + pair[0]] + power[first + pair[1]])
        cell.append([(max(allowed, key=lambda op: p[first + i, op]), i) for i in kept])
    return _ordered(cell)


def _ordered(cell) -> np.ndarray:
    """(nodes, 2, 2) with each node's pairs by rising input."""
    return np.array([sorted(map(tuple, node), key=lambda pair: pair[::-1]) for node in np.asarray(cell, dtype=float)])


EXERCISES = {
    "11.1": Exercise(
        check_mixed_term,
        mixed_term,
        "A derivative along v: how much does `slope` change between two points on the line w + h v?",
        "The points are w + h v and w - h v with h = radius / |v|, so each lies `radius` away from w.",
        "`(slope(w + h * v) - slope(w - h * v)) / (2 * h)`, with the brackets around `2 * h`.",
        "two gradients in place of a second derivative, and the divisor is the right one",
    ),
    "11.2": Exercise(
        check_unrolled,
        unrolled,
        "Write w' first: w minus xi times (momentum * velocity + 2 (w - alpha) + decay * w).",
        "L_valid is alpha w' - 2 alpha + 1, and alpha stands in it twice: openly, and within w'.",
        "The derivative is w' - 2 + alpha * dw'/dalpha; momentum and decay do not depend on alpha.",
        "momentum and decay change the point w', and leave the second term as it is",
    ),
    "11.3": Exercise(
        check_derive,
        derive,
        "Node 0 has the rows 0 and 1, node 1 the rows 2, 3 and 4; node i has i + 2 rows, one an input.",
        "The strength of a row is its largest probability besides `none`; do not renormalise.",
        "Sort the rows of a node by strength, keep two, and on each take the argmax besides `none`.",
        "the search ends with these few comparisons, and how narrow they were is not written into the cell",
    ),
}
