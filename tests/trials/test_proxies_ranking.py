"""How proxies rank cells whose truth is known: Kendall's tau over 60 cells of each table, as measured here."""

import numpy as np
import pytest
from scipy.stats import kendalltau

import nasbook as nb
from nasbook.analysis.measures import kendall
from nasbook.spaces.edges.cells import count
from nasbook.spaces.edges.networks import EdgeNetwork
from nasbook.trials.proxies import Proxy

SIZE = {"channels": 8, "cells": 1, "classes": 10}


def small(cell, seed):
    return EdgeNetwork(cell, **SIZE, seed=seed)


def sampled(name):
    """60 different cells of a table and their truths."""
    table = nb.benchmarks.load(name)
    places = np.random.default_rng(0).choice(len(table.trained), 60, replace=False)
    cells = [table.trained[place] for place in places]
    return cells, [table.accuracy(cell, "test") for cell in cells]


@pytest.mark.parametrize(
    ("name", "proxy", "tau"),
    [("cellbench", "parameters", -0.171), ("cellbench", "synflow", -0.044),
     ("nasbench201", "parameters", 0.558), ("nasbench201", "synflow", 0.650)],
)  # fmt: skip
def test_the_rank_correlation_with_the_truth(name, proxy, tau):
    """Single initial weights; a larger net has more weights and a larger flow, which helps in NAS-Bench-201 alone."""
    cells, truth = sampled(name)
    data = nb.datasets.load("cifar10-sample", size=16)
    scores = Proxy(proxy, small, data=data).evaluate(cells)
    found = kendall(scores, truth)
    print(f"Kendall's tau of {proxy} with the truth of {name}: {found:+.3f}")
    assert found == pytest.approx(tau, abs=0.005)
    assert found == pytest.approx(kendalltau(scores, truth).statistic)
    if proxy == "parameters":
        assert scores.tolist() == [count(cell, **SIZE, size=16).parameters for cell in cells]
