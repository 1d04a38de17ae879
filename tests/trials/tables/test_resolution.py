"""How well a table knows its truths: the standard error of a mean, against the bootstrap and by hand."""

import numpy as np
import pytest

import nasbook as nb
from nasbook.spaces.edges.cells import CELLBENCH_OPERATIONS, EdgeSpace, count
from nasbook.trials.tables.table import Table


def made(values, *, seeds=(), alike=None):
    """A table of the first cells of cellbench with test accuracies ``values`` (cells, seeds)."""
    space = EdgeSpace(CELLBENCH_OPERATIONS)
    rows = np.zeros(len(space), dtype=int)
    rows[: len(values)] = range(len(values))
    return Table(
        "made",
        space,
        trained=list(space)[: len(values)],
        epochs=(1,),
        seeds=seeds,
        accuracies={"test": np.asarray(values, dtype=float)[:, None, :]},
        seconds=np.ones((len(values), 1)),
        rows=rows,
        count=count,
        alike=alike,
    )


def test_by_hand_over_seeds_the_better_half_alone():
    # means .9, .8 are the better half; variances .0002 and .0008 over 2 seeds
    table = made([[0.89, 0.91], [0.78, 0.82], [0.1, 0.5], [0.2, 0.3]], seeds=(0, 1))
    assert table.resolution == pytest.approx(np.sqrt((0.0002 / 2 + 0.0008 / 2) / 2))


def test_by_hand_with_more_seeds_for_some():
    nan = np.nan
    table = made(
        [[0.8, 0.9, 0.7, 0.8], [0.7, 0.74, nan, nan], [0.1, 0.2, nan, nan], [0.2, 0.2, nan, nan]], seeds=range(4)
    )
    assert table.seeds == (0, 1)
    assert table.resolution == pytest.approx(np.sqrt((0.02 / 3 / 4 + 0.0008 / 2) / 2))


def test_by_hand_of_means_from_strings_that_are_one_network():
    values = [[0.9], [0.92], [0.8], [0.86], [0.83], [0.1], [0.2], [0.3], [0.4], [0.5]]
    table = made(values, alike=np.array([0, 0, 1, 1, 1, 2, 2, 3, 3, 4]))
    assert table.resolution == pytest.approx(np.sqrt((0.0002 + 2 * 0.0009) / 3))
    assert table.leaders == tuple(list(table.space)[i] for i in (1, 0, 3)), "within 7.2 points of .92"


def test_of_cellbench_against_the_bootstrap():
    """Draw each cell's seeds again, many times: how its mean scatters, pooled over the better half."""
    table = nb.benchmarks.load("cellbench")
    means = np.array([table.accuracy(cell, "test") for cell in table.trained])
    better = [cell for cell, mean in zip(table.trained, means) if mean >= np.median(means)]
    runs = np.array(
        [[table.accuracy(cell, "test", seed=seed) for seed in table.seeds] for cell in better]
    )  # (cells, S)
    rng, count = np.random.default_rng(0), runs.shape[1]
    drawn = runs[:, rng.integers(count, size=(4000, count))].mean(axis=2)  # (cells, S) -> (cells, 4000)
    # a bootstrap of S draws knows (S - 1) / S of the variance
    found = np.sqrt(drawn.var(axis=1).mean() * count / (count - 1))
    assert table.resolution == pytest.approx(found, rel=0.03)
    assert 0.001 < table.resolution < 0.01


def test_of_nasbench201_against_the_bootstrap_of_its_pairs():
    table = nb.benchmarks.load("nasbench201")
    assert 0.0015 < table.resolution < 0.002
    assert table.accuracy(table.leaders[0], "test") == table.best("test").accuracy and 10 < len(table.leaders) < 200
    least = table.accuracy(table.leaders[-1], "test")
    assert table.best("test").accuracy - least <= 1.96 * np.sqrt(2) * table.resolution
    scores = table.scores("test")
    assert (scores >= least).sum() == len(table.leaders)
