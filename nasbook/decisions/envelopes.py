"""The upper envelope of linear functions over the simplex of beliefs: which vectors it needs, and which not.

A value of a POMDP is max_i alpha_i . b over vectors alpha_i (S,), for beliefs b on the simplex: a convex function
made of flat pieces. ``prune`` keeps the vectors that are the largest somewhere. For two states the vectors are lines
over b(first state) and the envelope is walked from left to right; for more, linear programmes decide (Lark's
filter: White, A survey of solution techniques for the partially observed Markov decision process, Annals of
Operations Research 32, 1991), many in one call of HiGHS.
"""

import numpy as np

from nasbook.base.errors import NasbookError

SLACK = 1e-14
"""Heights that differ by less than this share of the largest number count as equal: rounding, no more."""

BLOCK = 200
"""Linear programmes in one call of HiGHS."""

CROSSED = 8_000
"""More sums of two vectors ``add`` does not compare for more than two states."""


def slack(vectors: np.ndarray) -> float:
    """The height up to which ``vectors`` (V, S) count as equal."""
    return SLACK * float(np.abs(vectors).max())


def prune(vectors: np.ndarray) -> np.ndarray:
    """Indices (K,), ascending, of those of ``vectors`` (V, S) that their upper envelope needs.

    Of equal vectors the first stays. The envelope of those kept is nowhere lower than that of all by more than
    twice ``slack(vectors)``. Raises NasbookError if HiGHS cannot decide.
    """
    return np.sort(_envelope(vectors)[0])


def witnesses(vectors: np.ndarray) -> np.ndarray:
    """Beliefs (K, S): one for each vector that ``prune`` keeps, in any order, at which that vector is the largest."""
    return _envelope(vectors)[1]


def _envelope(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The indices (K,) of the vectors that the envelope needs, and for each a belief (K, S) where it is the largest."""
    if vectors.shape[1] == 2:
        lines, ends = line_envelope(vectors)
        middle = (ends[1:] + ends[:-1]) / 2  # (K + 1,) -> (K,)
        return lines, np.stack([middle, 1 - middle], axis=1)
    left = _undominated(vectors)
    kept, beliefs = _lark(vectors[left])
    return left[kept], beliefs


def line_envelope(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The envelope of ``vectors`` (V, 2) as lines over x = b(first state): indices (K,) and ends (K + 1,).

    From x = ends[k] to ends[k + 1] the line indices[k] is the largest; ends[0] = 0 and ends[K] = 1.
    """
    tie = slack(vectors)
    slopes, heights = vectors[:, 0] - vectors[:, 1], vectors[:, 1]  # (V, 2) -> (V,)
    order = np.lexsort((-heights, slopes))
    slope, height = slopes[order].tolist(), heights[order].tolist()
    hull = _hull(slope, height)
    slope, height, order = [slope[i] for i in hull], [height[i] for i in hull], order[hull]
    highest, last = max(height), max(m + c for m, c in zip(slope, height))
    here = max(i for i, c in enumerate(height) if c >= highest - tie)
    lines, ends = [here], [0.0]
    while True:
        after = next((i for i in range(here + 1, len(hull)) if slope[i] > slope[here] + tie), None)
        if after is None or slope[here] + height[here] >= last - tie:
            return order[lines], np.array([*ends, 1.0])
        x = max(ends[-1], (height[here] - height[after]) / (slope[after] - slope[here]))
        # of lines that meet in one point the steepest is the largest behind it, the others are nowhere
        floor = height[here] + slope[here] * x - tie
        while after + 1 < len(hull) and height[after + 1] + slope[after + 1] * x >= floor:
            after += 1
        x = (height[here] - height[after]) / (slope[after] - slope[here])
        ends.append(min(1.0, max(ends[-1], x)))
        lines.append(here := after)


def _hull(slope: list[float], height: list[float]) -> list[int]:
    """Positions of the lines, sorted by slope and then from above, that are the largest somewhere on the axis."""
    hull: list[int] = []
    for new in range(len(slope)):
        if hull and slope[new] == slope[hull[-1]]:
            continue
        while len(hull) > 1:
            old, middle = hull[-2:]
            rise = (height[middle] - height[old]) * (slope[new] - slope[old])
            if rise > (height[new] - height[old]) * (slope[middle] - slope[old]):
                break
            hull.pop()
        hull.append(new)
    return hull


def add(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of all sums of one of ``first`` (V, S) and one of ``second`` (W, S) those, (K, S), that the envelope needs.

    That envelope is the sum of the two. For two states only lines that are the largest at one place are added, at
    most V + W pairs; for more, all V W sums are pruned. Raises NasbookError if these are more than ``CROSSED``.
    """
    if first.shape[1] == 2:
        (one, one_ends), (two, two_ends) = line_envelope(first), line_envelope(second)
        ends = np.union1d(one_ends, two_ends)
        middle = (ends[1:] + ends[:-1]) / 2  # between two ends neither envelope bends
        on_one, on_two = np.searchsorted(one_ends, middle) - 1, np.searchsorted(two_ends, middle) - 1
        sums = first[one[on_one]] + second[two[on_two]]  # (V, 2), (W, 2) -> (n, 2)
    elif len(first) * len(second) <= CROSSED:
        sums = (first[:, None] + second).reshape(-1, first.shape[1])  # (V, 1, S), (W, S) -> (V, W, S) -> (V W, S)
    else:
        raise NasbookError(
            f"an exact backup must compare {len(first) * len(second):,} vectors here, at most {CROSSED:,} are allowed: "
            "take a larger tol, a shorter horizon, or method='pbvi'"
        )
    return sums[prune(sums)]


def gains(vectors: np.ndarray, against: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far each of ``vectors`` (V, S) rises above the envelope of ``against`` (W, S), and at which belief.

    Returns gains (V,), negative for a vector that stays below, and beliefs (V, S): for each vector v the linear
    programme max d with b . (v - w) >= d for all w, b >= 0, sum b = 1. Raises NasbookError if HiGHS gives up.
    """
    beliefs = np.concatenate([_furthest(vectors[at : at + BLOCK], against) for at in range(0, len(vectors), BLOCK)])
    return (beliefs * vectors).sum(axis=1) - (beliefs @ against.T).max(axis=1), beliefs  # (V, S), (V, W) -> (V,)


def distance(first: np.ndarray, second: np.ndarray) -> float:
    """The largest difference, over all beliefs, of the envelopes of ``first`` (V, S) and ``second`` (W, S)."""
    if first.shape[1] == 2:
        ends = np.concatenate([line_envelope(vectors)[1] for vectors in (first, second)])
        corners = np.stack([ends, 1 - ends])  # (K,) -> (2, K): between its ends each envelope is a line
        return float(np.abs((first @ corners).max(axis=0) - (second @ corners).max(axis=0)).max())
    return max(0.0, float(gains(first, second)[0].max()), float(gains(second, first)[0].max()))


def _undominated(vectors: np.ndarray) -> np.ndarray:
    """Indices, best sum first, of ``vectors`` that no other one reaches in every state; of equal ones the first."""
    tie, kept = slack(vectors), []
    for index in np.argsort(-vectors.sum(axis=1), kind="stable").tolist():
        if not (vectors[kept] >= vectors[index] - tie).all(axis=1).any():
            kept.append(index)
    return np.array(kept)


def _lark(vectors: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Lark's filter: a vector that rises above those kept shows a belief, and the best one there is kept."""
    tie = slack(vectors)
    left = range(len(vectors))
    kept = {_best_at(corner, vectors, left, tie): corner for corner in np.eye(vectors.shape[1])}
    while left := [index for index in left if index not in kept]:
        gain, beliefs = gains(vectors[left], vectors[list(kept)])
        above = gain > tie
        left = [index for index, rises in zip(left, above) if rises]
        kept |= {_best_at(belief, vectors, left, tie): belief for belief in beliefs[above]}
    return list(kept), np.array(list(kept.values()))


def _best_at(belief: np.ndarray, vectors: np.ndarray, among, tie: float) -> int:
    """The index ``among`` those given that is the largest at ``belief``; of equals that with the largest entry in
    the first state, then in the second: it is the largest in a neighbourhood too (Littman's tie-break)."""
    among = np.asarray(among)
    for direction in (belief, *np.eye(len(belief))):
        values = vectors[among] @ direction  # (n, S), (S,) -> (n,)
        among = among[values >= values.max() - tie]
    return int(among[0])


def _furthest(vectors: np.ndarray, against: np.ndarray) -> np.ndarray:
    """The beliefs (V, S) of ``gains``: one block of rows and columns for each vector in a single programme."""
    from scipy import sparse
    from scipy.optimize import linprog

    (count, n_states), rows = vectors.shape, len(against)
    size = n_states + 1
    above = against - vectors[:, None]  # (W, S), (V, 1, S) -> (V, W, S)
    above = above / np.maximum(np.abs(above).max(axis=(1, 2), keepdims=True), np.finfo(np.float64).tiny)
    blocks = np.concatenate([above, np.ones((count, rows, 1))], axis=2)  # (V, W, S) -> (V, W, S + 1)
    columns = np.broadcast_to(np.arange(count * size).reshape(count, 1, size), blocks.shape)
    starts = np.arange(0, blocks.size + 1, size)
    answer = linprog(
        np.tile([0.0] * n_states + [-1.0], count),
        A_ub=sparse.csr_array((blocks.ravel(), columns.ravel(), starts), shape=(count * rows, count * size)),
        b_ub=np.zeros(count * rows),
        A_eq=sparse.kron(sparse.eye_array(count), [[1.0] * n_states + [0.0]], format="csr"),
        b_eq=np.ones(count),
        bounds=np.tile([[0.0, np.inf]] * n_states + [[-np.inf, np.inf]], (count, 1)),
        method="highs-ds",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if answer.status != 0:
        raise NasbookError(f"HiGHS could not compare {count} vectors with {rows}: {answer.message}")
    beliefs = np.maximum(answer.x.reshape(count, size)[:, :n_states], 0)  # (V (S + 1),) -> (V, S)
    return beliefs / beliefs.sum(axis=1, keepdims=True)
