"""Recurrent cells as trees, and NASNet's cells: counts, the worked example, and an independent evaluation."""

import numpy as np
import pytest
import torch

from nasbook import NasbookError
from nasbook.spaces.blocks.nasnet_cells import Block, NasnetCell, NasnetCells
from nasbook.spaces.recurrent.cells import TreeCell
from nasbook.spaces.recurrent.trees import Node, RecurrentTree, RecurrentTrees, perplexity_reward
from nasbook.spaces.tokens import every, random_tokens, size

WORKED = RecurrentTree(
    (Node("add", "tanh"), Node("mult", "relu"), Node("mult", "sigmoid")), Node("add", "relu"), into=0, memory=1
)


def test_the_published_size():
    assert size(RecurrentTrees(8)) == 8**15 * 8 * 15 * 15
    assert f"{size(RecurrentTrees()):.1e}" == "6.3e+16"


def test_the_worked_example():
    """METHODS section 1: scalars W = (.5, -.3, .2, .7), x = 1, h = .5, c = .4."""
    cell = TreeCell(WORKED, 1, 1).double()
    with torch.no_grad():
        cell.input_maps.copy_(torch.tensor([[0.5], [0.2]]))
        cell.state_maps.copy_(torch.tensor([[-0.3], [0.7]]))
    one = torch.ones(1, 1, dtype=torch.float64)
    with torch.no_grad():
        h, c = cell(one, (0.5 * one, 0.4 * one))
    first = np.tanh(0.35)
    assert first == pytest.approx(0.336376, abs=5e-7)
    assert float(h) == pytest.approx(0.512884, abs=5e-7)
    assert float(h) == pytest.approx(1 / (1 + np.exp(-(first + 0.4) * 0.07)), abs=1e-7)
    assert float(c) == pytest.approx(0.07, abs=1e-7)


def walked(tree, cell, x, h, c):
    """The cell from its root down, in NumPy: (h, c) of the next step."""
    functions = {
        "identity": lambda v: v,
        "tanh": np.tanh,
        "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
        "relu": lambda v: np.maximum(v, 0),
    }
    units, before = cell.units, {}

    def join(node, one, other):
        return one + other if node.combination == "add" else one * other

    def value(number):
        if number < tree.leaves:
            rows = slice(number * units, (number + 1) * units)
            pair = cell.input_maps.detach().numpy()[rows] @ x, cell.state_maps.detach().numpy()[rows] @ h
        else:
            # leaves 0 to b - 1, the level above b to b + b/2 - 1, and so on: n stands over 2 (n - b) and 2 (n - b) + 1
            pair = value(2 * (number - tree.leaves)), value(2 * (number - tree.leaves) + 1)
        before[number] = join(tree.nodes[number], *pair)
        found = functions[tree.nodes[number].activation](before[number])
        return functions[tree.inject.activation](join(tree.inject, found, c)) if number == tree.into else found

    return value(2 * tree.leaves - 2), before[tree.memory]


@pytest.mark.parametrize("base", [2, 4, 8])
def test_cells_compute_their_trees(base):
    rng, space = np.random.default_rng(base), RecurrentTrees(base)
    for seed in range(5):
        tree = space.decode(random_tokens(space, rng))
        cell = TreeCell(tree, 3, 5, seed=seed).double()
        assert sum(p.numel() for p in cell.parameters()) == base * 5 * (3 + 5)
        x, h, c = rng.normal(size=3), rng.normal(size=5), rng.normal(size=5)
        found = cell(*(torch.tensor(v)[None] for v in (x,)), tuple(torch.tensor(v)[None] for v in (h, c)))
        for one, wanted in zip(found, walked(tree, cell, x, h, c)):
            np.testing.assert_allclose(one[0].detach().numpy(), wanted, rtol=1e-10, atol=1e-12)


def test_a_sequence_is_its_steps_and_starts_from_zeros():
    smooth = RecurrentTree((Node("add", "tanh"),) * 3, Node("add", "sigmoid"), into=1, memory=0)
    cell = TreeCell(smooth, 2, 3)
    x = torch.randn(4, 2, 2, generator=torch.Generator().manual_seed(0))
    state = (torch.zeros(2, 3), torch.zeros(2, 3))
    for step, found in zip(x, cell.unroll(x)):
        state = cell(step, state)
        torch.testing.assert_close(found, state[0])
    torch.testing.assert_close(cell(x[0])[0], cell.unroll(x)[0])
    cell.unroll(x).sum().backward()
    assert all(torch.isfinite(p.grad).all() and p.grad.abs().sum() > 0 for p in cell.parameters())


def test_token_lists_come_back():
    tiny = RecurrentTrees(2)
    lists = list(every(tiny))
    assert len(lists) == 8**4 * 9 == len({str(tiny.decode(tokens)) for tokens in lists})
    assert all(tiny.encode(tiny.decode(tokens)) == tokens for tokens in lists[::37])
    assert tiny.decode((0, 1, 1, 3, 1, 2, 0, 3, 0, 1)) == WORKED
    assert str(WORKED) == "add-tanh mult-relu mult-sigmoid | add-relu into 0, memory from 1"
    assert [tiny.names(p) for p in (0, 1, 8)] == [
        ("add", "mult"),
        ("identity", "tanh", "sigmoid", "relu"),
        ("0", "1", "2"),
    ]


def test_the_reward_of_a_language_model():
    assert perplexity_reward(62.4) == pytest.approx(80 / 62.4**2)
    assert perplexity_reward(4.0, 8.0) == 0.5


# --- NASNet's cells


def test_nasnets_space():
    space = NasnetCells()
    assert len(space.choices) == len(space.steps) == 50
    assert space.choices[:10] == (2, 2, 13, 13, 2, 3, 3, 13, 13, 2) and space.choices[25:30] == (2, 2, 13, 13, 2)
    one_cell = np.prod([float((n * 13) ** 2 * 2) for n in range(2, 7)])
    assert size(space) == pytest.approx(one_cell**2)
    rng = np.random.default_rng(0)
    for _ in range(10):
        tokens = random_tokens(space, rng)
        cells = space.decode(tokens)
        assert space.encode(cells) == tokens and str(cells).isprintable()
        assert 6 in cells.loose_ends("normal") and 6 in cells.loose_ends("reduction")
    assert [space.names(p) for p in (5, 4, 29)] == [("0", "1", "2"), ("add", "concat"), ("add", "concat")]


def test_loose_ends_are_the_blocks_that_nobody_reads():
    block = Block(0, 1, "identity", "conv_3x3", "add")
    cells = NasnetCell((block, block._replace(first=2), block), (block, block, block))
    assert cells.loose_ends("normal") == (3, 4) and cells.loose_ends("reduction") == (2, 3, 4)
    assert str(cells).startswith("identity~0 add conv_3x3~1; identity~2 add")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: RecurrentTrees(6), "base is 6"),
        (lambda: RecurrentTrees(1), "base is 1"),
        (lambda: RecurrentTree(WORKED.nodes[:2], WORKED.inject, 0, 0), "not 2"),
        (lambda: RecurrentTree(WORKED.nodes, WORKED.inject, 3, 0), "memory enters"),
        (lambda: RecurrentTree(WORKED.nodes, WORKED.inject, 0, -1), "gives the memory"),
        (lambda: RecurrentTree(WORKED.nodes, Node("add", "swish"), 0, 0), "unknown activation"),
        (lambda: RecurrentTrees(4).encode(WORKED), "4 leaves"),
        (lambda: TreeCell("tree", 1, 1), "needs a RecurrentTree"),
        (lambda: TreeCell(WORKED, 0, 1), "inputs is 0"),
        (lambda: perplexity_reward(0.5), "at least 1"),
        (lambda: NasnetCells(0), "blocks is 0"),
        (lambda: NasnetCells(1).encode(WORKED), "two cells of 1 blocks"),
        (lambda: NasnetCell((Block(0, 2, "identity", "identity", "add"),), ()), "state before block 0"),
        (lambda: NasnetCell((Block(0, 1, "identity", "conv", "add"),), ()), "unknown operation"),
        (lambda: NasnetCell((Block(0, 1, "identity", "identity", "mean"),), ()), "unknown combination"),
    ],
)
def test_bad_input_gets_one_sentence(call, said):
    with pytest.raises(NasbookError, match=said):
        call()
