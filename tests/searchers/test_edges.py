"""One-shot searches of the cells of the tables of truth: the same methods, another space."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
import torch
from tiny import begin
from torch.nn import functional as F

import nasbook as nb
from nasbook.base.errors import NasbookError
from nasbook.runs.writer import RunWriter
from nasbook.searchers import METHODS
from nasbook.searchers.restored import shared_accuracy, trained_search
from nasbook.spaces.cost import operation_costs
from nasbook.spaces.edges.cells import CELLBENCH_OPERATIONS, EDGES, NASBENCH201_OPERATIONS, count, read_cell
from nasbook.spaces.edges.networks import EdgeSearchCell, EdgeSupernet
from nasbook.training import bilevel
from nasbook.training.spaces import EdgeCells, EdgePaths

SMALL = {"space": "edges", "channels": 4, "cells": 1, "epochs": 2, "batch_size": 96, "operations": CELLBENCH_OPERATIONS}


@pytest.fixture(scope="module")
def runs(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("edges")
    return {name: nb.search(name, data=digits, out=folder / name, **SMALL) for name in METHODS}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_searches_them_and_finds_a_cell_of_the_table(runs, name):
    run = runs[name]
    table = nb.benchmarks.load("cellbench")
    assert 0 < table.accuracy(run.genotype, "test") < 1 and run.genotype == run.genotypes[-1]
    assert run.alphas.shape == (3, 1, 6, 3) and run.kinds == ("normal",) and run.operations == CELLBENCH_OPERATIONS
    assert run.last("search", "parameters") == count(run.genotype, 4, 1).parameters
    assert run.last("search", "skips_normal") == read_cell(run.genotype).count("skip_connect")
    assert (np.abs(run.alphas[-1] - run.alphas[0]).max() > 0) == (name != "rsws")
    assert (run.folder / "figures" / "alphas.png").exists() and "accuracy" in str(run._repr_mimebundle_())
    with pytest.raises(NasbookError, match="the scrubber draws the cells of DARTS"):
        run.explore()
    assert nb.Run.load(run.folder).genotype == run.genotype


@pytest.mark.parametrize("name", METHODS)
def test_stopped_and_continued_it_is_the_same_search(runs, digits, name, tmp_path, monkeypatch):
    monkeypatch.setattr(RunWriter, "due", lambda self: True)
    original, left = bilevel.next_batch, 9

    def next_batch(search, part):
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt
        return original(search, part)

    monkeypatch.setattr(bilevel, "next_batch", next_batch)
    with pytest.raises(KeyboardInterrupt):
        nb.search(name, data=digits, out=tmp_path / "run", **SMALL)
    again, whole = nb.search(name, data=digits, out=tmp_path / "run", **SMALL), runs[name]
    assert np.array_equal(again.alphas, whole.alphas) and again.trace.equals(whole.trace)
    assert again.genotypes == whole.genotypes and again.margins.equals(whole.margins)


def test_five_operations_unless_others_are_given(digits):
    assert begin("gdas", digits, space="edges").config.operations == NASBENCH201_OPERATIONS


def test_a_cell_is_judged_in_the_trained_net_as_its_path(runs, digits):
    search = trained_search(runs["gdas"], digits)
    cell = runs["gdas"].genotype
    assert search.space.read(search.space.path(cell)) == cell
    assert 0 < shared_accuracy(search, cell) < 1
    with pytest.raises(NasbookError, match="unknown operation 'avg_pool_3x3'"):
        search.space.path(cell.replace("skip_connect~0", "avg_pool_3x3~0").replace("nor_conv_3x3~0", "avg_pool_3x3~0"))


def test_enas_gives_its_cell_as_well(digits, tmp_path):
    few = {"channels": 4, "layers": 1, "epochs": 1, "controller_steps": 1, "aggregates": 1}
    run = nb.search("enas", data=digits, space="edges", out=tmp_path, **few)
    assert run.genotype == run.best and read_cell(run.genotype)


def test_random_paths_are_uniform_on_each_edge_and_read_as_they_are():
    cells = EdgeCells(settings := rsws_config())
    draws = torch.Generator().manual_seed(0)
    paths = torch.stack([cells.random_path(draws) for _ in range(6_000)])  # (6000, E, O)
    assert torch.equal(paths.sum(-1), torch.ones(6_000, 6))
    chi_square = ((paths.sum(0) - 2_000) ** 2 / 2_000).sum(-1)  # (E,), 2 degrees of freedom
    assert chi_square.max() < 24, "p = 6e-6 on one edge"
    names = Counter(cells.read({"normal": path}) for path in islice(paths, 50))
    for path in islice(paths, 50):
        chosen = [settings.operations[op] for op in path.argmax(-1).tolist()]
        assert read_cell(cells.read({"normal": path})) == tuple(chosen)
    assert len(names) > 40


def rsws_config():
    from nasbook.searchers.rsws import Config

    return Config.make({"space": "edges", "operations": CELLBENCH_OPERATIONS})


@pytest.mark.parametrize("share", [1, 2, 4])
def test_a_cell_with_partial_channels_is_the_published_one_edge_by_edge(share):
    """Values and gradients: mix the first channels, pass the others round with the edge's weight, shuffle."""
    torch.manual_seed(0)
    cell = EdgeSearchCell(NASBENCH201_OPERATIONS, 8, share).double()
    x = torch.randn(3, 8, 6, 6, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(6, 5, dtype=torch.float64, requires_grad=True)
    nodes = [x]
    for node in range(1, 4):
        total = 0
        for edge, (end, source) in enumerate(EDGES):
            if end == node:
                seen, others = nodes[source][:, : 8 // share], nodes[source][:, 8 // share :]
                mixed = sum(weights[edge, op] * cell.edges[edge][op](seen) for op in range(1, 5))
                total = total + F.channel_shuffle(torch.cat([mixed, others * weights[edge].sum()], 1), share)
        nodes.append(total)
    y = cell(x, weights, [[1, 2, 3, 4]] * 6)
    torch.testing.assert_close(y, nodes[-1], rtol=0, atol=1e-12)
    ours, theirs = (
        torch.autograd.grad(value.square().sum(), [x, weights], retain_graph=True) for value in (y, nodes[-1])
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-9)


def test_paths_of_each_cell_count_what_runs_and_disturbance_meets_every_output():
    net = EdgeSupernet(CELLBENCH_OPERATIONS, 2, 1)
    one, other = (
        net.path(f"|{name}~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|") for name in ("none", "nor_conv_3x3")
    )
    images, met = torch.randn(2, 3, 8, 8), []
    net(images, torch.stack([one, other, other]), disturb=lambda name, y: met.append(name) or y)
    assert net.executed == 5 and Counter(met) == {"skip_connect": 3, "nor_conv_3x3": 2}
    net(images, one, execute="all")
    assert net.executed == 3 * 6 * 2
    assert torch.equal(net(images, one), net(images, one.expand(3, 6, 3)))


def test_a_draw_of_nothing_leaves_alphas_with_a_gradient_of_zero(digits, monkeypatch):
    search = begin("gdas", digits, space="edges", cells=1, alpha_decay=0.0)
    nothing = torch.zeros(6, 5)
    nothing[:, 0] = 1.0
    method = nb.searchers.gdas
    monkeypatch.setattr(method, "paths", lambda one: {"normal": nothing * one.alphas["normal"].exp()})
    before = search.alphas["normal"].detach().clone()
    method.architecture_step(search, *search.batches["alphas"])
    assert torch.equal(search.alphas["normal"], before)


@pytest.mark.parametrize("resource", ["parameters", "multiply_adds"])
def test_costs_of_candidates_are_those_of_derived_networks(resource):
    net = EdgePaths(NASBENCH201_OPERATIONS, 4, 2)
    table = operation_costs(net, resource, (3, 16, 16))["normal"]  # (E, O)
    without = count("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", 4, 2, size=16)
    for op, name in enumerate(NASBENCH201_OPERATIONS):
        with_one = count(f"|none~0|+|none~0|none~1|+|none~0|{name}~1|none~2|", 4, 2, size=16)
        assert table[4, op] == getattr(with_one, resource) - getattr(without, resource)
        assert table[0, op] == table[4, op]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"space": "edge"}, "space is 'edge'"),
        ({"space": "edges", "fixed_reduction": True}, "has no reduction cell"),
        ({"space": "edges", "operations": ("sep_conv_3x3", "none")}, "sep_conv_3x3"),
        ({"space": "edges", "cells": 0}, "cells is 0"),
        ({"space": "edges", "channels": 10**6, "cells": 10**4}, "channels"),
        ({"space": "edges", "channels": 6, "channel_share": 4}, "channels is 6; with one channel in 4"),
    ],
)
def test_what_cannot_be_is_one_sentence(digits, tmp_path, settings, says):
    method = "pc_darts" if "channel_share" in settings else "gdas"
    with pytest.raises(NasbookError, match=says) as caught:
        nb.search(method, data=digits, out=tmp_path / "run", **settings)
    assert "\n" not in str(caught.value)
