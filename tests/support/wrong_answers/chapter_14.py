"""Typical wrong answers to the exercises of notebook 14, each with words of the sentence that it gets."""

import math

import numpy as np
import torch
from scipy import stats


def _count(net, path, execute, modules):
    ran = []
    hooks = [module.register_forward_hook(lambda *_: ran.append(1)) for module in modules]
    net(torch.zeros(2, 3, 16, 16), path, execute=execute)
    for hook in hooks:
        hook.remove()
    return len(ran)


def _operations(net):
    return [operation for cell in net.cells for edge in cell.edges for operation in edge]


def counts_the_weights(net, path, execute):
    return sum(int((weights != 0).sum()) for weights in path.values())


def counts_the_parts_too(net, path, execute):
    parts = [part for operation in _operations(net) for part in operation.modules()]
    return _count(net, path, execute, parts)


def forgets_execute(net, path, execute):
    return _count(net, path, "nonzero", _operations(net))


def _formula(d):
    r = math.exp(d)
    return r * ((d - 2) * r + d + 2) / (r - 1) ** 3


def forgets_equal_logits(d):
    return _formula(d)


def the_limit_of_low_temperature(d):
    p = 1 / (1 + math.exp(-d))
    return p * (1 - p)


def the_executed_part(d):
    t = np.arange(0, 60, 0.001)
    return float(np.sum(1 / (2 + 2 * np.cosh(t)) / (2 + 2 * np.cosh(t - d))) * 0.001)


def _first(enough):
    return next(seeds for seeds in range(2, 1000) if enough(seeds))


def normal_instead_of_t(spread, difference):
    return math.ceil(((stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) * spread / difference) ** 2)


def one_sided(spread, difference):
    def power(seeds):
        return stats.nct.sf(stats.t.ppf(0.95, seeds - 1), seeds - 1, difference / spread * math.sqrt(seeds))

    return _first(lambda seeds: power(seeds) >= 0.8)


def interval_just_clear_of_zero(spread, difference):
    return _first(lambda seeds: stats.t.ppf(0.975, seeds - 1) * spread / math.sqrt(seeds) <= difference)


WRONG = {
    "14.1": [
        (counts_the_weights, "28 are the nonzero weights"),
        (counts_the_parts_too, "what an operation is made of"),
        (forgets_execute, "`execute` changes nothing"),
    ],
    "14.2": [
        (forgets_equal_logits, "0 / 0"),
        (the_limit_of_low_temperature, "as tau falls"),
        (the_executed_part, "where operation 1 is drawn"),
    ],
    "14.3": [
        (normal_instead_of_t, "the normal distribution's numbers"),
        (one_sided, "the one-sided test"),
        (interval_just_clear_of_zero, "in half of all cases"),
    ],
}
