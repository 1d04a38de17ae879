"""Relaxations: from architecture parameters to paths, the one function in which one-shot methods differ.

    alpha (E, O): logits of O operations on each of E edges   ->   paths (P, E, O): P paths of weights

    softmax    DARTS     every operation with its probability            dense
    concrete   SNAS      every operation with a noisy probability        dense
    one_hot    GDAS      one operation drawn                             zeros and a one
    ensemble   DATA      the union of M such draws                       zeros and up to M ones
    top_k      MSG-DAS   K such draws without replacement, a path each   K times zeros and a one

Pure functions. A super-net runs an operation only where its weight is not zero, so a dense relaxation costs O
times what a one-hot relaxation costs. Noise comes from the generator that is passed in and is drawn once a call.
The exact laws of the last two stand beside them: code_probabilities and plackett_luce.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import combinations, permutations
from numbers import Integral, Real

import torch
from torch import Tensor

from nasbook.base import checks
from nasbook.base.errors import NasbookError


def softmax(alpha: Tensor, tau: float = 1.0) -> Tensor:
    """Every operation with its probability: softmax(alpha / tau), (E, O) -> (1, E, O).

    DARTS (Liu et al., 2019, arXiv 1806.09055, equation 2), there with tau = 1.
    Raises NasbookError unless alpha is a floating (E, O) tensor without NaN and tau is positive.
    """
    _check(alpha, tau)
    return _tempered(alpha, tau).unsqueeze(0)  # (E, O) -> (1, E, O)


def concrete(alpha: Tensor, tau: float, *, generator: torch.Generator | None = None) -> Tensor:
    """Every operation, with a weight drawn from the concrete distribution: (E, O) -> (1, E, O).

    softmax((alpha + g) / tau), g = Gumbel(0, 1), with its own (pathwise) gradient. The largest weight is that of
    operation k with probability softmax(alpha)_k at every tau; the mean weight is not softmax(alpha).
    SNAS (Xie et al., 2019, arXiv 1812.09926), there with log-probabilities for alpha: the same sample,
    since a constant added to an edge's logits changes nothing.
    Raises NasbookError unless alpha is a floating (E, O) tensor without NaN and tau is positive.
    """
    _check(alpha, tau)
    return _tempered(alpha + gumbel(alpha, generator), tau).unsqueeze(0)  # (E, O) -> (1, E, O)


def one_hot(alpha: Tensor, tau: float, *, generator: torch.Generator | None = None) -> Tensor:
    """One operation an edge, drawn by the Gumbel-max trick, with a straight-through gradient: (E, O) -> (1, E, O).

    Forward: the one-hot vector of argmax(alpha + g), g = Gumbel(0, 1); zeros and ones are exact. Its law is
    softmax(alpha) at every tau. Backward: the gradient of softmax((alpha + g) / tau).
    GDAS (Dong & Yang, 2019, arXiv 1910.04465, equations 5 to 7).
    Raises NasbookError unless alpha is a floating (E, O) tensor without NaN and tau is positive.
    """
    _check(alpha, tau)
    return _straight_through(alpha + gumbel(alpha, generator), tau).unsqueeze(0)  # (E, O) -> (1, E, O)


def ensemble(alpha: Tensor, tau: float, *, draws: int, generator: torch.Generator | None = None) -> Tensor:
    """The union of ``draws`` independent one-hot vectors, 1 to ``draws`` operations an edge: (E, O) -> (1, E, O).

    Forward: A = max over m of h^(m), exactly 0 or 1; each h^(m) is a sample of :func:`one_hot` and the draws are
    with replacement, so an operation may be drawn twice. Law: :func:`code_probabilities`. Backward: the gradient of
    A_k is that of the first sample with h_k^(m) = A_k, one sample alone however many attain the maximum. With
    one draw this is :func:`one_hot`, bit for bit.
    DATA (Chang et al., 2019, arXiv 1905.01786, ensemble Gumbel-softmax).
    Raises NasbookError as one_hot does, and unless draws is a whole number from 1.
    """
    _check(alpha, tau)
    draws = checks.whole(draws, "draws", 1)
    repeated = alpha.expand(draws, *alpha.shape)  # (E, O) -> (M, E, O)
    samples = _straight_through(repeated + gumbel(repeated, generator), tau)
    # max over an axis hands the gradient to one index, amax would divide it among the ties
    return samples.max(dim=0, keepdim=True).values  # (M, E, O) -> (1, E, O)


def top_k(alpha: Tensor, tau: float, *, k: int, generator: torch.Generator | None = None) -> Tensor:
    """``k`` one-hot paths that share no operation on any edge, by Gumbel top-k: (E, O) -> (k, E, O).

    One noise g a call. Path j takes the largest of alpha + g among the operations that no path before it has
    taken: drawing without replacement. Law: :func:`plackett_luce`. Backward: the gradient of the softmax of
    (alpha + g) / tau over those remaining operations; which ones remain is a constant. With k = 1 this is
    :func:`one_hot`, bit for bit; with k = O every operation lies on exactly one path.
    MSG-DAS (Tan et al., "Mutually-aware Sub-Graphs Differentiable Architecture Search", equations 2 and 3).
    Raises NasbookError as one_hot does, and unless k is a whole number from 1 to O and each edge has k finite logits.
    """
    _check(alpha, tau)
    k = checks.whole(k, "k", 1)
    finite = torch.isfinite(alpha.detach()).sum(dim=-1)  # (E, O) -> (E,)
    if k > int(finite.min()):
        edge = int(finite.argmin())
        raise NasbookError(
            f"k is {k}, but edge {edge} has {int(finite[edge])} operations with a finite logit; paths may not share one"
        )
    remaining = alpha + gumbel(alpha, generator)
    paths = []
    for _ in range(k):
        paths.append(_straight_through(remaining, tau))
        # a comparison carries no gradient: through log(1 - path), as printed, it would be 0 * inf = NaN
        remaining = remaining.masked_fill(paths[-1] == 1, -math.inf)
    return torch.stack(paths)  # k times (E, O) -> (k, E, O)


def gumbel(alpha: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Standard Gumbel noise of alpha's shape: -log E with E ~ Exponential(1), finite always.

    Drawn on the generator's device, so that the stream does not depend on where alpha lies.
    """
    device = alpha.device if generator is None else generator.device
    exponential = torch.empty(alpha.shape, dtype=alpha.dtype, device=device).exponential_(generator=generator)
    return -exponential.clamp_min_(torch.finfo(alpha.dtype).tiny).log_().to(alpha.device)


def code_probability(p: Iterable[float], code: Iterable[int], draws: int) -> float:
    """The probability that ``draws`` draws from p (O,) with replacement give exactly the set ``code``.

    The sum, over the ways to share the draws out among the operations of the set with one at least for each, of the
    multinomial probability; in whole numbers, so that nothing is rounded before the end. It equals the
    inclusion-exclusion sum of (-1)^(|S| - |T|) (sum of p_t over T)^draws over the subsets T of the set S.
    DATA (Chang et al., 2019, arXiv 1905.01786), whose edge holds S.
    Raises NasbookError unless p holds probabilities that sum to 1 (within 1e-5; they are normalised), draws is a
    whole number from 1 and code holds distinct indices of p.
    """
    weights, draws = _whole_numbers(p), checks.whole(draws, "draws", 1)
    code = tuple(code) if isinstance(code, Iterable) else ()
    known = all(isinstance(one, Integral) and 0 <= one < len(weights) for one in code)
    if not code or len(set(code)) < len(code) or not known:
        raise NasbookError(f"code is {code}; it must hold distinct operations from 0 to {len(weights) - 1}")
    if len(code) > draws:
        return 0.0
    return _hits_all([weights[operation] for operation in code], draws) / sum(weights) ** draws


def code_probabilities(p: Iterable[float], draws: int) -> dict[tuple[int, ...], float]:
    """The exact law of :func:`ensemble` on one edge, whose operations have the probabilities p (O,).

    Returns {code: probability} for all 2^O - 1 codes, each a rising tuple of operations, smaller codes first; codes
    of more than ``draws`` operations have probability 0. The probabilities sum to 1, and those of the codes that
    hold operation k to 1 - (1 - p_k)^draws.
    Source and errors: :func:`code_probability`; O may be 13 at most.
    """
    weights, draws = _whole_numbers(p), checks.whole(draws, "draws", 1)
    _affordable(3 ** len(weights), f"the codes of {len(weights)} operations")
    total = sum(weights) ** draws
    return {
        code: _hits_all([weights[operation] for operation in code], draws) / total
        for size in range(1, len(weights) + 1)
        for code in combinations(range(len(weights)), size)
    }


def plackett_luce(p: Iterable[float], k: int) -> dict[tuple[int, ...], float]:
    """The exact law of :func:`top_k` on one edge, whose operations have the probabilities p (O,).

    Returns {order: probability} for all O!/(O - k)! orders, each the operations of path 1 to k:
    P(o_1 .. o_k) = product over j of p_{o_j} / (1 - p_{o_1} - .. - p_{o_(j-1)}), whatever tau is.
    Plackett (1975), "The analysis of permutations"; that Gumbel top-k follows it: Yellott (1977).
    Raises NasbookError unless p holds probabilities that sum to 1 (within 1e-5; they are normalised), k is a whole
    number from 1 to the number of positive ones, and the orders are :data:`MOST_TERMS` at most.
    """
    weights, k = _whole_numbers(p), checks.whole(k, "k", 1)
    positive = sum(weight > 0 for weight in weights)
    if k > positive:
        raise NasbookError(f"k is {k}, but p has {positive} operations with a positive probability")
    _affordable(math.perm(len(weights), k), f"the orders of {k} out of {len(weights)} operations")
    law, total = {}, sum(weights)
    for order in permutations(range(len(weights)), k):
        probability, left = 1.0, total
        for operation in order:
            probability *= weights[operation] / left
            left -= weights[operation]
        law[order] = probability
    return law


def rank_probabilities(p: Iterable[float], k: int) -> Tensor:
    """Which operation path 1 to k of :func:`top_k` takes on one edge: p (O,) -> float64 (k, O), rows sum to 1.

    Row 0 is p, later rows are flatter; the sum over the rows is the probability that some path takes an operation.
    Source and errors: :func:`plackett_luce`.
    """
    law = plackett_luce(p, k)
    orders = torch.tensor(list(law)).T.contiguous()  # (k, orders)
    probability = torch.tensor(list(law.values()), dtype=torch.float64).expand(orders.shape)  # (orders,) -> (k, orders)
    operations = int(orders.max()) + 1
    return torch.zeros(k, operations, dtype=torch.float64).scatter_add_(1, orders, probability)  # -> (k, O)


MOST_TERMS = 4_000_000
"""An exact law that takes more terms than this is refused: some seconds and about a gigabyte."""


def _tempered(logits: Tensor, tau: float) -> Tensor:
    """softmax(logits / tau), (..., O) -> (..., O), with the largest logit at 0, so that no small tau overflows."""
    return torch.softmax((logits - logits.detach().amax(dim=-1, keepdim=True)) / tau, dim=-1)


def _straight_through(noisy: Tensor, tau: float) -> Tensor:
    """The one-hot vector of the largest entry with the gradient of softmax(noisy / tau), (..., O) -> (..., O)."""
    soft = _tempered(noisy, tau)
    chosen = noisy.detach().argmax(dim=-1, keepdim=True)  # (..., O) -> (..., 1)
    hard = torch.zeros_like(soft).scatter_(-1, chosen, 1.0)
    return hard + (soft - soft.detach())  # the bracket is exactly 0, so zeros and ones stay exact


def _hits_all(weights: Sequence[int], draws: int) -> int:
    """The weight of the sequences of ``draws`` draws from these operations that hit each of them."""
    ways = [1] + [0] * draws  # of m draws, for the operations so far
    for weight in weights:
        ways = [
            sum(math.comb(m, hits) * weight**hits * ways[m - hits] for hits in range(1, m + 1))
            for m in range(draws + 1)
        ]
    return ways[draws]


def _whole_numbers(p: Iterable[float]) -> list[int]:
    """Whole numbers in exactly the proportion of the probabilities p."""
    given = p.tolist() if isinstance(p, Tensor) else p
    values = list(given) if isinstance(given, Iterable) else []
    valid = all(isinstance(value, Real) and 0 <= value < math.inf for value in values)
    if not valid or abs(sum(values) - 1) > 1e-5:
        raise NasbookError(f"p is {given}; it must hold the probabilities of one edge, none negative, with sum 1")
    ratios = [float(value).as_integer_ratio() for value in values]
    common = max(below for _, below in ratios)  # the denominators are powers of two
    return [above * (common // below) for above, below in ratios]


def _affordable(terms: int, what: str) -> None:
    if terms > MOST_TERMS:
        raise NasbookError(f"{what} are too many: an exact law takes at most {MOST_TERMS:,} terms")


def _check(alpha: Tensor, tau: float) -> None:
    if not isinstance(alpha, Tensor) or alpha.dim() != 2 or not alpha.is_floating_point() or 0 in alpha.shape:
        got = f"{tuple(alpha.shape)} of {alpha.dtype}" if isinstance(alpha, Tensor) else type(alpha).__name__
        raise NasbookError(f"alpha is {got}; it must be a floating tensor of shape (edges, operations)")
    if not 0 < tau < math.inf:
        raise NasbookError(f"tau is {tau!r}; a temperature must be a positive number")
    logits = alpha.detach()
    bad = (~(logits < float("inf"))).any(dim=-1)  # NaN or +inf; -inf switches an operation off
    bad |= ~(logits > -float("inf")).any(dim=-1)  # (E, O) -> (E,)
    if bad.any():
        edge = int(bad.to(torch.uint8).argmax())
        raise NasbookError(
            f"alpha of edge {edge} is {alpha[edge].tolist()}; each edge needs a finite logit and may hold "
            "neither NaN nor +inf"
        )
