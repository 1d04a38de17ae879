"""Cells of NAS-Bench-201's form: strings, counts, networks, the super-net."""

import random

import pytest
import torch

from nasbook.base.errors import NasbookError
from nasbook.spaces.cost import cost, count_parameters
from nasbook.spaces.edges.cells import (
    CELLBENCH_OPERATIONS,
    EDGES,
    NASBENCH201_OPERATIONS,
    EdgeSpace,
    count,
    read_cell,
    write_cell,
)
from nasbook.spaces.edges.networks import EdgeNetwork, EdgeSupernet

SPACE = EdgeSpace()
SOME = random.Random(0).sample(list(SPACE), 12)


def test_all_15625_strings_go_round():
    cells = list(SPACE)
    assert len(SPACE) == len(set(cells)) == 5**6 == 15_625
    assert all(write_cell(read_cell(cell)) == cell for cell in cells)
    assert all(SPACE.index(cell) == place for place, cell in enumerate(cells))
    assert all(SPACE.decode(SPACE.encode(cell)) == cell for cell in cells[::7])
    assert [SPACE[place] for place in range(0, 15_625, 991)] == cells[::991] and SPACE[-1] == cells[-1]


def test_the_string_lists_the_edges_in_the_published_order():
    names = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3", "none"]
    text = "|none~0|+|skip_connect~0|nor_conv_1x1~1|+|nor_conv_3x3~0|avg_pool_3x3~1|none~2|"
    assert write_cell(names) == text and read_cell(text) == tuple(names)
    assert EDGES == ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
    assert SPACE.encode(text) == (0, 1, 2, 3, 4, 0)


def test_a_space_is_six_decisions():
    space = EdgeSpace(CELLBENCH_OPERATIONS)
    assert len(list(space)) == len(space) == 729
    assert space.choices == (3,) * 6 and space.names(4) == CELLBENCH_OPERATIONS
    assert space.decode((0, 0, 0, 0, 0, 2)).endswith("|none~0|none~1|nor_conv_3x3~2|")
    assert SPACE[0] in space and SPACE[-1] not in space and "nonsense" not in space and 3 not in space


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("|none~0|+|none~0|none~1|", "no cell of the form"),
        ("|none~0|+|none~1|none~0|+|none~0|none~1|none~2|", "no cell of the form"),
        ("|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv3x3~2|", "did you mean 'nor_conv_3x3'?"),
        (17, "got a int"),
    ],
)
def test_a_bad_string_is_refused_in_one_sentence(bad, says):
    with pytest.raises(NasbookError) as caught:
        read_cell(bad)
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("tokens", [(0,) * 5, (0, 0, 0, 0, 0, 5), (0, 0, 0, 0, 0, -1)])
def test_bad_tokens_are_refused(tokens):
    with pytest.raises(NasbookError, match=r"written with 6 tokens|unknown token of decision 5 .*valid are 0 to 4"):
        SPACE.decode(tokens)


@pytest.mark.parametrize("operations", [(), "none", None, 3, ("none", "none"), ("none", "sep_conv_3x3")])
def test_a_space_needs_operations_that_there_are(operations):
    with pytest.raises(NasbookError, match="operation"):
        EdgeSpace(operations)


def test_a_cell_of_another_space_is_refused():
    with pytest.raises(NasbookError, match="unknown operation of this space 'avg_pool_3x3'"):
        EdgeSpace(CELLBENCH_OPERATIONS).index(SPACE[-1])


@pytest.mark.parametrize(
    ("names", "classes", "parameters", "multiply_adds"),
    [
        (["nor_conv_3x3"] * 6, 10, 1_531_546, 220_119_680),
        (["none"] * 6, 10, 73_306, 7_783_040),
        (["nor_conv_1x1"] * 6, 10, 241_306, None),
        (["nor_conv_3x3"] * 5 + ["skip_connect"], 10, 1_288_506, None),
        (["nor_conv_3x3"] * 5 + ["skip_connect"], 100, 1_294_356, None),
    ],
)
def test_published_counts(names, classes, parameters, multiply_adds):
    counted = count(write_cell(names), classes=classes)
    assert counted.parameters == parameters
    assert multiply_adds is None or counted.multiply_adds == multiply_adds
    assert tuple(counted) == (lambda c: (c.parameters, c.multiply_adds))(
        cost(EdgeNetwork(write_cell(names), classes=classes))
    )


@pytest.mark.parametrize("cell", SOME[:6])
def test_the_closed_form_counts_what_the_network_has(cell):
    size = {"channels": 6, "cells": 2, "classes": 7}
    counted = cost(EdgeNetwork(cell, **size), (3, 16, 16))
    assert count(cell, **size, size=16) == (counted.parameters, counted.multiply_adds)


def test_published_count_of_the_supernet():
    assert count_parameters(EdgeSupernet()) == 1_686_106


@pytest.mark.parametrize(("channels", "cells"), [(1, 1), (3, 2)])
def test_any_width_and_depth(channels, cells):
    net = EdgeNetwork(SOME[0], channels, cells, 4)
    assert net(torch.randn(2, 3, 8, 12)).shape == (2, 4)
    assert net.norm.num_features == 4 * channels and [len(stage) for stage in net.cells] == [cells] * 3


def test_the_seed_decides_the_weights_and_leaves_the_global_generator_alone():
    before = torch.random.get_rng_state()
    first, again, other = (EdgeNetwork(SPACE[9], 2, 1, seed=seed).stem[0].weight for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_nodes_are_sums_over_the_edges_of_the_string():
    """The worked cell: node 1 = pool(x), node 2 = x + conv(node 1), node 3 = x + node 1 + other conv(node 2)."""
    cell = "|avg_pool_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|skip_connect~0|skip_connect~1|nor_conv_3x3~2|"
    module = EdgeNetwork(cell, 2, 1).cells[0][0].double()
    x = torch.randn(2, 2, 5, 5, dtype=torch.float64)
    pooled = torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    second = x + module.edges[2](pooled)
    torch.testing.assert_close(module(x), x + pooled + module.edges[5](second), rtol=0, atol=1e-12)


def test_a_cell_of_nothing_is_zero_even_where_the_input_is_not_finite():
    module = EdgeNetwork(SPACE[0], 2, 1).cells[0][0]
    assert module(torch.full((1, 2, 4, 4), torch.nan)).abs().sum() == 0


@pytest.mark.parametrize("cell", SOME[6:9])
def test_the_supernet_on_a_path_is_the_network_of_that_cell(cell):
    supernet, net = EdgeSupernet(channels=3, cells=2, seed=1).double(), EdgeNetwork(cell, 3, 2, seed=2).double()
    weights = supernet.state_dict()
    for name in net.state_dict():
        match name.split("."):
            case ["cells", stage, place, "edges", edge, *rest]:
                op = NASBENCH201_OPERATIONS.index(read_cell(cell)[int(edge)])
                source = ".".join(["cells", stage, place, "edges", edge, str(op), *rest])
            case _:
                source = name
        if source in weights:  # the scale and shift of a cell's BatchNorm are absent, and 1 and 0 in a new network
            net.get_parameter(name).data.copy_(weights[source]) if name in dict(net.named_parameters()) else None
    images = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    expected = net(images)
    torch.testing.assert_close(supernet(images, supernet.path(cell).double()), expected, rtol=0, atol=1e-10)


def test_the_supernet_runs_only_what_the_path_weighs_and_passes_its_gradient():
    net = EdgeSupernet(CELLBENCH_OPERATIONS, 2, 1)
    ran = []
    for stage in net.cells:
        for edge, group in enumerate(stage[0].edges):
            for op, module in enumerate(group):
                module.register_forward_hook(lambda *_, at=(edge, op): ran.append(at))
    path = net.path("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_3x3~2|").requires_grad_()
    net(torch.randn(4, 3, 8, 8), path).sum().backward()
    assert set(ran) == {(0, 2), (2, 1), (5, 2)} and len(ran) == 9
    assert (path.grad != 0).nonzero().tolist() == [[0, 2], [2, 1], [5, 2]]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: EdgeNetwork(SPACE[5], 0), "channels is 0"),
        (lambda: EdgeNetwork(SPACE[5], 2, True), "cells is True"),
        (lambda: EdgeNetwork(SPACE[5], 2, 1, 1), "classes is 1"),
        (lambda: EdgeNetwork(SPACE[5], 2, 1)(torch.zeros(1, 3, 10, 10)), "10x10 pixels"),
        (lambda: EdgeSupernet(CELLBENCH_OPERATIONS, 2, 1).path(SPACE[-1]), "no avg_pool_3x3"),
        (lambda: EdgeSupernet(channels=2, cells=1)(torch.zeros(1, 3, 8, 8), torch.ones(6, 4)), r"\(6, 4\)"),
    ],
)
def test_impossible_networks_are_refused(call, says):
    with pytest.raises(NasbookError, match=says):
        call()
