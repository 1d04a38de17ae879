"""The unique cells: published numbers, and the proof that cells of one form are one cell."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from nasbook.base.errors import NasbookError
from nasbook.spaces.edges.cells import CELLBENCH_OPERATIONS, EDGES, EdgeSpace, read_cell, write_cell
from nasbook.spaces.edges.isomorphism import canonical_form, classes, connected, correspondence, published_string
from nasbook.spaces.edges.networks import EdgeCell, EdgeNetwork
from nasbook.spaces.operations import conv
from nasbook.trials.tables import nasbench201

NASBENCH201, CELLBENCH = list(EdgeSpace()), list(EdgeSpace(CELLBENCH_OPERATIONS))
CLASSES = classes(CELLBENCH)


@pytest.mark.parametrize(
    ("rule", "unique"), [("identity", 12_751), ("published", 6_466), ("dropped", 5_390), ("flattened", 4_930)]
)
def test_unique_strings_of_nasbench201(rule, unique):
    assert len({published_string(cell, rule) for cell in NASBENCH201}) == unique


def test_a_representative_comes_first_and_carries_nothing_that_leads_nowhere():
    place = {cell: i for i, cell in enumerate(CELLBENCH)}
    for name, members in CLASSES.items():
        assert place[name] == min(place[member] for member in members)
        chosen = read_cell(name)
        for edge, operation in enumerate(chosen):
            without = write_cell((*chosen[:edge], "none", *chosen[edge + 1 :]))
            assert operation == "none" or canonical_form(without) != canonical_form(name), (name, edge)


def test_cells_that_connect_input_to_output():
    assert sum(map(connected, NASBENCH201)) == 15_284


def test_the_published_strings_themselves():
    table = pd.read_csv(nasbench201.find())
    assert [published_string(cell) for cell in table["arch"]] == table["unique"].tolist()


def test_cellbench_has_132_cells_up_to_naming():
    assert len(CLASSES) == 132 and sum(map(len, CLASSES.values())) == 729
    assert all(representative in members for representative, members in CLASSES.items())
    for representative, members in CLASSES.items():
        assert len(correspondence(representative)[1]) == representative.count("nor_conv")
        assert all(member.count("nor_conv") >= representative.count("nor_conv") for member in members)


def cell_module(cell: str, edges: list[torch.nn.Module]) -> EdgeCell:
    """A cell of two channels in float64 whose convolution of the form's i-th operation is ``edges[i]``; the others,
    which lead nowhere, have weights of their own."""
    module = EdgeCell(["none" if name.startswith("nor_conv") else name for name in read_cell(cell)], 2)
    used = dict(zip(correspondence(cell)[1], edges))
    for edge, name in enumerate(read_cell(cell)):
        if name.startswith("nor_conv"):
            module.edges[edge] = used.get(edge) or random_convolution(edge)
            module.active = sorted({*module.active, edge})
    return module


def random_convolution(seed: int) -> torch.nn.Module:
    """ReLU, 3x3 convolution, BatchNorm, every weight, scale and shift random."""
    generator = torch.Generator().manual_seed(seed)
    module = conv(2, 2, 3, 1, True).double()
    for parameter in module.parameters():
        parameter.data.normal_(generator=generator)
    return module


def test_cells_of_one_form_have_equal_outputs_and_gradients_for_equal_weights():
    """All 729 cells: weights go with the corresponding operation, and the output and every gradient agree."""
    edges = [random_convolution(seed) for seed in range(10, 16)]
    weights = [parameter for edge in edges for parameter in edge.parameters()]
    x, towards = torch.randn(2, 3, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    for members in CLASSES.values():
        expected = None
        for cell in members:
            output = cell_module(cell, edges)(x)
            score = (output * towards).sum() + 0 * sum(weight.sum() for weight in [x, *weights])
            # one vector: the output, then the gradients in the input and in all weights
            found = torch.cat([part.flatten() for part in (output, *torch.autograd.grad(score, [x, *weights]))])
            expected = found if expected is None else expected
            torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("place", range(0, 132, 22))
def test_cells_of_one_form_train_alike(place):
    """Three steps of momentum and weight decay: the whole network's logits stay the same."""
    representative, members = list(CLASSES.items())[place]
    cell = max(members, key=lambda member: member.count("nor_conv"))
    ours, theirs = EdgeNetwork(cell, 2, 1, seed=1).double(), EdgeNetwork(representative, 2, 1, seed=2).double()
    pairs = dict(zip(correspondence(representative)[1], correspondence(cell)[1]))
    mine = dict(ours.named_parameters())
    for name, value in theirs.named_parameters():
        parts = name.split(".")
        if parts[0] == "cells":
            parts[4] = str(pairs[int(parts[4])])
        mine[".".join(parts)].data.copy_(value)
    images, labels = torch.randn(8, 3, 8, 8, dtype=torch.float64), torch.arange(8)
    logits = {}
    for net in (ours, theirs):
        optimizer = torch.optim.SGD(net.parameters(), 0.05, momentum=0.9, weight_decay=0.01, nesterov=True)
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(net(images), labels).backward()
            optimizer.step()
        logits[net] = net(images)
    torch.testing.assert_close(logits[ours], logits[theirs], rtol=0, atol=1e-8)


def test_cells_of_different_forms_differ_whatever_convolution_is_matched_with_which():
    """Generic functions stand for the convolutions; no assignment of them makes two representatives equal."""
    rng = np.random.default_rng(0)
    weights, shifts, x = rng.normal(size=(6, 3, 3)), rng.normal(size=(6, 3)), rng.normal(size=3)
    seen: dict[tuple, str] = {}
    for cell in CLASSES:
        names = read_cell(cell)
        edges = [edge for edge, name in enumerate(names) if name == "nor_conv_3x3"]
        for order in itertools.permutations(range(len(edges))):
            function = dict(zip(edges, order))
            nodes = [x, np.zeros(3), np.zeros(3), np.zeros(3)]
            for edge, (name, (target, source)) in enumerate(zip(names, EDGES)):
                if name == "nor_conv_3x3":
                    i = function[edge]
                    nodes[target] = nodes[target] + np.tanh(weights[i] @ nodes[source] + shifts[i])
                elif name == "skip_connect":
                    nodes[target] = nodes[target] + nodes[source]
            assert seen.setdefault(tuple(nodes[3].round(9)), cell) == cell


def test_what_the_published_procedure_confuses():
    """One convolution read twice, and two convolutions: one string, but not one cell."""
    shared = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|"
    two = "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|skip_connect~2|"
    assert published_string(shared, "dropped") == published_string(two, "dropped")
    assert canonical_form(shared) != canonical_form(two)
    assert canonical_form(shared).output == (1, 1) and canonical_form(two).output == (1, 2)


def test_a_convolution_of_nothing_is_something():
    """Its BatchNorm adds a learned shift."""
    shifted = "|none~0|+|none~0|none~1|+|skip_connect~0|nor_conv_3x3~1|none~2|"
    plain = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    assert canonical_form(shifted) != canonical_form(plain)
    edge, x = random_convolution(3), torch.randn(2, 2, 4, 4, dtype=torch.float64)
    shift = edge[2].bias[:, None, None]
    torch.testing.assert_close(cell_module(shifted, [edge])(x), x + shift, rtol=0, atol=1e-12)


def test_equal_poolings_are_one():
    """A pooling has no weights: the same one twice is twice that one, of zero it is zero."""
    twice = "|avg_pool_3x3~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|"
    two = "|avg_pool_3x3~0|+|avg_pool_3x3~0|none~1|+|none~0|skip_connect~1|skip_connect~2|"
    assert canonical_form(twice) == canonical_form(two)
    x = torch.randn(2, 2, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(cell_module(twice, [])(x), cell_module(two, [])(x), rtol=0, atol=1e-12)
    of_zero = "|none~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|none~1|avg_pool_3x3~2|"
    without = "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|"
    assert canonical_form(of_zero) == canonical_form(without)
    torch.testing.assert_close(cell_module(of_zero, [])(x), cell_module(without, [])(x), rtol=0, atol=0)
    assert len({canonical_form(cell) for cell in NASBENCH201}) == 5_875


def test_unknown_rule():
    with pytest.raises(NasbookError, match="did you mean 'published'"):
        published_string(CELLBENCH[0], "publish")
