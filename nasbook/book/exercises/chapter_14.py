"""Exercises of notebook 14: what ran, the mean gradient in closed form, how many seeds a comparison needs."""

import math

import numpy as np

from nasbook.book.exercises import Exercise
from nasbook.book.exercises.compare import differs, explained


def operations_run(net, path, execute):
    import torch

    ran = []
    operations = [operation for cell in net.cells for edge in cell.edges for operation in edge]
    hooks = [operation.register_forward_hook(lambda *_: ran.append(1)) for operation in operations]
    net(torch.zeros(2, 3, 16, 16), path, execute=execute)
    for hook in hooks:
        hook.remove()
    return len(ran)


def mean_gradient(d):
    if abs(d) < 1e-3:
        return 1 / 6 - d**2 / 60
    r = math.exp(d)
    return r * ((d - 2) * r + d + 2) / (r - 1) ** 3


def seeds_needed(spread, difference):
    from scipy import stats

    seeds, power = 1, 0.0
    while power < 0.8:
        seeds += 1
        limit = stats.t.ppf(0.975, seeds - 1)
        shift = difference / spread * math.sqrt(seeds)
        power = stats.nct.sf(limit, seeds - 1, shift) + stats.nct.cdf(-limit, seeds - 1, shift)
    return seeds


def _check_operations_run(answer):
    import torch

    from nasbook.spaces import CellSupernet

    net = CellSupernet(channels=4, cells=3, classes=10)
    one = {kind: torch.eye(8)[torch.arange(14) % 8] for kind in net.searched}  # (8, 8) -> (14, 8)
    two = {kind: (path + path.roll(1, dims=1)) / 2 for kind, path in one.items()}
    first, everything = answer(net, one, "nonzero"), answer(net, one, "all")
    if differs(first, 28, "") is None:
        return "28 are the nonzero weights of both paths; a path serves every cell of its kind, and three cells ran"
    if differs(first, 42, "", math.inf) is None and float(first) > 42:
        return f"{first} counts what an operation is made of; hook the operations of each edge alone"
    wrong = differs(first, 42, "the count for one operation on each of 14 edges in 3 cells")
    if wrong is None and differs(everything, 42, "") is None:
        return "`execute` changes nothing in your count: hand it on to the super-net, which then runs all 336"
    wrong = wrong or differs(everything, 336, 'the count with execute="all"')
    return wrong or differs(answer(net, two, "nonzero"), 84, "the count for two operations on each edge")


def _check_mean_gradient(answer):
    t = np.arange(-60, 60, 0.01)
    places = (math.log(9), -2.0, 0.5)
    found = [answer(d) for d in places]
    product = [_logistic(t) * _logistic(t - d) * 0.01 for d in places]
    causes = {
        "this is the true gradient p_1 (1 - p_1), which the mean tends to as tau falls; here tau is 1": (
            [_logistic(d) for d in places]
        ),
        "this is the part where operation 1 is drawn, t > 0; the full estimator has the other part as well": (
            [part[t > 0].sum() for part in product]
        ),
    }
    if wrong := explained(found, [part.sum() for part in product], "the mean", causes, 1e-8, near=1e-3):
        return wrong
    try:
        middle = answer(0.0)
    except ZeroDivisionError:
        middle = math.nan
    if isinstance(middle, float) and math.isnan(middle):
        return "at d = 0 your formula is 0 / 0; two operations with equal logits are no exception, so give the limit"
    return differs(middle, 1 / 6, "the mean at d = 0", 1e-6)


def _check_seeds_needed(answer):
    # the first two are the sample sizes that tables of the paired t-test print for effects of .5 and .2
    cases = {(0.02, 0.01): 34, (0.05, 0.01): 199, (0.01, 0.01): 10}
    causes = {
        "these are the normal distribution's numbers; a spread from few seeds is itself uncertain: use t": [32, 197, 8],
        "this is the one-sided test; nobody knew before the search which cell would win, so test both sides": (
            [27, 156, 8]
        ),
        "with so few, the difference is found in half of all cases only; power .8 needs more": [18, 99, 7],
    }
    found = [answer(*case) for case in cases]
    return explained(found, list(cases.values()), "the number of seeds", causes, 0, near=1)


def _logistic(t):
    return 1 / (2 + 2 * np.cosh(t))


EXERCISES = {
    "14.1": Exercise(
        _check_operations_run,
        operations_run,
        "An operation is a torch module: `register_forward_hook` calls a function of yours whenever it has run.",
        "The operations are `for cell in net.cells for edge in cell.edges for operation in edge`.",
        "Keep what `register_forward_hook` returns, run `net(images, path, execute=execute)`, `.remove()` each.",
        "one operation an edge is 42 of 336: an eighth of the work, and of the reason for GDAS",
    ),
    "14.2": Exercise(
        _check_mean_gradient,
        mean_gradient,
        "The integral is a convolution, since the logistic density is even: the density of a sum of two variables.",
        "Put u = exp(t) and r = exp(d): the integrand becomes r u / ((1 + u)^2 (r + u)^2), a rational function.",
        "The result is r ((d - 2) r + d + 2) / (r - 1)^3, and 1/6 at d = 0.",
        "the bias of straight-through at tau = 1 is now a formula: 1/6 where the truth is 1/4",
    ),
    "14.3": Exercise(
        _check_seeds_needed,
        seeds_needed,
        "Power is the chance that the test finds a difference of this size. Try n = 2, 3, ... until it is .8.",
        "Under a true difference, t is distributed as noncentral t with shift sqrt(n) * difference / spread.",
        "limit = stats.t.ppf(.975, n - 1); power = stats.nct.sf(limit, n - 1, shift) + "
        "stats.nct.cdf(-limit, n - 1, shift).",
        "half the difference costs four times the seeds, so small gains are easier claimed than shown",
    ),
}
