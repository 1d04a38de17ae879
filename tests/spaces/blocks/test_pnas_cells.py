"""PNAS's cells: how many there are, when two are the same, and how cells of a table grow."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import nasbook as nb
from nasbook.analysis.search_costs import PUBLISHED, SearchCost, models_trained
from nasbook.spaces import tokens
from nasbook.spaces.blocks import pnas_cells
from nasbook.spaces.blocks.pnas_cells import PnasCell, PnasCells
from nasbook.spaces.edges import growing
from nasbook.spaces.edges.cells import CELLBENCH_OPERATIONS, EDGES, EdgeSpace, read_cell
from nasbook.spaces.edges.growing import GrowingCells, grown
from nasbook.spaces.edges.isomorphism import canonical_form, classes

CELLS = GrowingCells(EdgeSpace(CELLBENCH_OPERATIONS))


def renamings(blocks):
    """All ways to write the same blocks, brute force: every order in which inputs come before readers."""
    for order in permutations(range(len(blocks))):
        name = {0: 0, 1: 1} | {place + 2: new for new, place in enumerate(order, 2)}
        renamed = [tuple((op, name[source]) for op, source in blocks[place]) for place in order]
        if all(source < place + 2 for place, block in enumerate(renamed) for _, source in block):
            yield tuple(renamed)


def same(first, second):
    """Whether two cells are the same up to naming, brute force."""
    wanted = [sorted(block) for block in second]
    return any([sorted(block) for block in other] == wanted for other in renamings(first))


@st.composite
def lists_of_blocks(draw, operations=("sep_conv_3x3", "max_pool_3x3")):
    size = draw(st.integers(1, 4))
    pairs = [st.tuples(st.sampled_from(operations), st.integers(0, place + 1)) for place in range(size)]
    return tuple((draw(pair), draw(pair)) for pair in pairs)


@settings(derandomize=True, deadline=None, max_examples=80)
@given(blocks=lists_of_blocks(), data=st.data())
def test_every_way_to_write_a_cell_is_the_same_cell(blocks, data):
    other = data.draw(st.sampled_from(list(renamings(blocks))))
    turned = tuple(block[::-1] if data.draw(st.booleans()) else block for block in other)
    assert PnasCell(turned) == PnasCell(blocks)
    assert str(PnasCell(turned)) == str(PnasCell(blocks)) and hash(PnasCell(turned)) == hash(PnasCell(blocks))


@settings(derandomize=True, deadline=None, max_examples=80)
@given(first=lists_of_blocks(("skip_connect",)), second=lists_of_blocks(("skip_connect",)))
def test_cells_are_equal_exactly_if_one_is_the_other_renamed(first, second):
    assert (PnasCell(first) == PnasCell(second)) == same(first, second)
    assert same(PnasCell(first).blocks, first)


def test_reading_one_block_twice_is_not_reading_its_twin():
    twin = (("skip_connect", 0), ("skip_connect", 1))
    once = PnasCell((twin, twin, (("skip_connect", 2), ("skip_connect", 2))))
    both = PnasCell((twin, twin, (("skip_connect", 2), ("skip_connect", 3))))
    assert once != both and once.loose_ends != both.loose_ends


def test_the_published_counts():
    assert [pnas_cells.ordered_blocks(b) for b in range(1, 6)] == [256, 576, 1024, 1600, 2304]
    assert [pnas_cells.unordered_blocks(b) for b in range(1, 6)] == [136, 300, 528, 820, 1176]
    assert f"{pnas_cells.count(ordered=True):.3e}" == "5.566e+14" and f"{pnas_cells.count():.3e}" == "2.077e+13"
    assert tokens.size(PnasCells()) == pnas_cells.count(ordered=True)
    assert [len(PnasCells().additions(b)) for b in range(5)] == [136, 300, 528, 820, 1176]


def test_the_unique_cells_of_one_and_two_blocks():
    space = PnasCells()
    first = space.first()
    assert len(first) == len(set(first)) == 136
    assert len({PnasCells(1).decode(one) for one in tokens.every(PnasCells(1))}) == 136
    assert len(grown(space, first, 1)) == 31_620


@pytest.mark.parametrize("space", [PnasCells(2, ("sep_conv_3x3", "max_pool_3x3")), PnasCells(3, ("skip_connect",))])
def test_growing_reaches_every_cell_and_each_once(space):
    level = space.first()
    for blocks in range(1, space.blocks):
        level = grown(space, level, blocks)
        assert len(set(level)) == len(level)
    assert set(level) == {space.decode(one) for one in tokens.every(space)}


def test_token_lists_and_words():
    rng = np.random.default_rng(0)
    space = PnasCells()
    for _ in range(20):
        cell = space.decode(tokens.random_tokens(space, rng))
        assert space.decode(space.encode(cell)) == cell
        assert np.array(space.words(cell)).shape == (5, 4)
    cell = PnasCell(((("max_pool_3x3", 1), ("sep_conv_5x5", 0)), (("skip_connect", 2), ("avg_pool_3x3", 0))))
    assert space.words(cell) == ((1, 0, 6, 1), (0, 2, 5, 4))
    assert str(cell) == "max_pool_3x3~1+sep_conv_5x5~0 | avg_pool_3x3~0+skip_connect~2"
    assert space.names(4) == ("c_{k-2}", "c_{k-1}", "0") and space.names(6) == pnas_cells.OPERATIONS


def test_the_published_cell_and_its_network():
    published = nb.genotypes["PNASNet_5"]
    cell = PnasCell(published.normal)
    assert cell.loose_ends == (2, 3, 4, 6) and cell in {PnasCell(blocks) for blocks in renamings(published.normal)}
    # the released code joins all five blocks, and that is the network of 3.2 million weights
    whole = nb.cost(published.network(48, 9, 10))
    assert nb.cost(cell.genotype("all").network(48, 9, 10)) == whole
    assert f"{whole.parameters / 1e6:.1f}" == "3.2"
    assert nb.cost(pnas_cells.network(cell, channels=48, cells=9)).parameters < whole.parameters


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: PnasCell(()), "at least one block"),
        (lambda: PnasCell(((("skip_connect", 2), ("skip_connect", 0)),)), "unknown input of block 0 2"),
        (lambda: PnasCell(((("skip_conect", 1), ("skip_connect", 0)),)), "did you mean"),
        (lambda: PnasCell(((("skip_connect", 1),),)), r"must be two \(operation, input\)"),
        (lambda: PnasCell(((("skip_connect", 1), ("skip_connect", 0)),) * 10), "3,628,800 orders to compare"),
        (lambda: PnasCells(0), "blocks is 0"),
        (lambda: PnasCells(2, ()), "at least one operation"),
        (lambda: PnasCells(2).encode(PnasCells(1).first()[0]), "a cell of 2 blocks"),
        (lambda: PnasCells(1).first()[0].genotype("some"), "unknown join"),
        (lambda: growing.GrowingCells(EdgeSpace(("none", "nor_conv_3x3"))), "needs skip_connect"),
        (lambda: growing.check_growing(EdgeSpace(CELLBENCH_OPERATIONS)), "one that grows"),
    ],
)
def test_bad_cells_are_one_sentence(call, said):
    with pytest.raises(nb.NasbookError, match=said):
        call()


# --- cells of a table, node by node


def levels():
    first = CELLS.first()
    second = grown(CELLS, first, 1)
    return first, second, grown(CELLS, second, 2)


def test_cells_of_a_table_grow_to_all_of_it():
    first, second, third = levels()
    assert [len(first), len(second), len(third)] == [3, 18, 132]
    assert {canonical_form(cell) for cell in third} == {canonical_form(cell) for cell in classes(CELLS.space)}


def test_a_small_cell_sums_the_nodes_that_no_node_reads():
    first, second, _ = levels()
    assert "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|" in first
    for cell in second:
        names = dict(zip(EDGES, read_cell(cell)))
        assert names[3, 0] == "none" and names[3, 2] == "skip_connect"
        assert names[3, 1] == ("skip_connect" if names[2, 1] == "none" else "none")


def test_small_cells_that_are_one_grow_alike():
    """Whatever two nodes hold, some string that stands for them grows to the same cells."""
    _, second, _ = levels()
    reached = {frozenset(canonical_form(one) for one in CELLS.extensions(cell, 2)) for cell in second}
    for decided in product(CELLBENCH_OPERATIONS, repeat=3):
        edges = "|{}~0|+|{}~0|{}~1|+".format(*decided)
        forms = {canonical_form(f"{edges}|{a}~0|{b}~1|{c}~2|") for a, b, c in product(CELLBENCH_OPERATIONS, repeat=3)}
        assert forms in reached


def test_the_words_of_a_cell_are_the_same_for_all_its_names_and_decide_it():
    first, second, third = levels()
    assert all(len(CELLS.words(cell)) == 1 for cell in first)
    assert {len(CELLS.words(cell)) for cell in second} == {1, 2}
    for level in (first, second, third):
        assert len({CELLS.words(cell) for cell in level}) == len(level)
    assert CELLS.words(first[2]) == ((2, 3, 3),)


# --- what searches cost


def test_the_published_costs():
    assert models_trained() == 136 + 4 * 256 == 1160
    billions = {name: round(one.total / 1e9, 3) for name, one in PUBLISHED.items()}
    assert billions == {
        "PNASNet-5": 1.044,
        "NASNet-A": 21.375,
        "Hier-EA": 35.84,
        "AmoebaNet-B": 63.45,
        "AmoebaNet-A": 25.3,
    }
    assert SearchCost(3, 5).total == 15 and SearchCost(3, 5, 2, 7).total == 29
    assert PUBLISHED["PNASNet-5"].examples == 900_000
