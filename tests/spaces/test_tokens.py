"""Token spaces: counting, drawing and mutating, against enumeration."""

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st
from scipy import stats

import nasbook as nb
from nasbook.spaces import tokens
from nasbook.spaces.edges.cells import EdgeSpace
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.tokens import Genotypes, Product

SMALL = Product((("a", "b"), ("c",), ("d", "e", "f")))
TWO_NODES = Genotypes(("skip_connect", "sep_conv_3x3"), nodes=2, reduction=False)
DISTINCT = Genotypes(("skip_connect", "sep_conv_3x3"), nodes=2, reduction=False, distinct=True)
SPACES = [SMALL, TWO_NODES, DISTINCT, EdgeSpace(("none", "skip_connect"))]


@pytest.mark.parametrize("space", SPACES)
def test_encode_undoes_decode_on_every_list(space):
    lists = list(tokens.every(space))
    assert len(set(lists)) == len(lists)
    assert all(space.encode(space.decode(one)) == one for one in lists)


def test_sizes_are_products_and_every_gives_all_of_them():
    assert list(tokens.every(SMALL)) == list(itertools.product(range(2), range(1), range(3)))
    assert tokens.size(SMALL) == 6
    # inputs 2 x 2 and 3 x 3, operations 2 each
    assert tokens.size(TWO_NODES) == len(list(tokens.every(TWO_NODES))) == (2 * 2 * 4) * (3 * 3 * 4)
    # ordered pairs of different inputs: 2 x 1 and 3 x 2
    assert len(list(tokens.every(DISTINCT))) == (2 * 4) * (6 * 4)
    assert all(a != b for one in tokens.every(DISTINCT) for (_, a), (_, b) in DISTINCT.decode(one).normal)
    # each cell: inputs (2 x 3 x 4 x 5) squared, eight operations
    assert tokens.size(Genotypes()) == (120**2 * 7**8) ** 2


def chi_square(counts, cells):
    assert set(counts) <= set(cells)
    return stats.chisquare([counts[cell] for cell in cells]).pvalue


@pytest.mark.parametrize("space", [SMALL, DISTINCT])
def test_random_lists_are_uniform_over_the_valid_ones(space):
    rng, every = np.random.default_rng(0), list(tokens.every(space))
    counts = Counter(tokens.random_tokens(space, rng) for _ in range(40 * len(every)))
    assert chi_square(counts, every) > 1e-4


@pytest.mark.parametrize("space", SPACES)
@settings(derandomize=True, deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6))
def test_a_mutation_changes_exactly_one_gene_and_stays_valid(space, seed):
    rng = np.random.default_rng(seed)
    parent = tokens.random_tokens(space, rng)
    child = tokens.mutate(space, parent, rng)
    assert tokens.distance(parent, child) == 1
    assert tokens.is_valid(space, child) and all(0 <= t < n for t, n in zip(child, space.choices))
    assert child in tokens.neighbours(space, parent)


def test_mutations_of_a_space_without_groups_are_uniform_over_decision_then_alternative():
    rng, parent = np.random.default_rng(1), (0, 0, 1)
    counts = Counter(tokens.mutate(SMALL, parent, rng) for _ in range(4000))
    # the second decision has no alternative, so the first and the third are chosen half the time each
    expected = {(1, 0, 1): 2000, (0, 0, 0): 1000, (0, 0, 2): 1000}
    assert set(counts) == set(expected)
    assert stats.chisquare([counts[one] for one in expected], list(expected.values())).pvalue > 1e-4


def test_mutations_of_a_cell_choose_cell_and_kind_first():
    """Real et al.: the cell, then hidden state or operation, each with probability one half."""
    space = Genotypes(("skip_connect", "sep_conv_3x3"), nodes=2)
    groups = {position: group for group, members in enumerate(space.genes) for position in members}
    assert sorted(groups) == list(range(len(space.choices))) and len(space.genes) == 4
    rng, parent = np.random.default_rng(2), (0,) * 16
    changed = (tokens.mutate(space, parent, rng) for _ in range(4000))
    counts = Counter(groups[int(np.flatnonzero(child)[0])] for child in changed)
    assert chi_square(counts, range(4)) > 1e-4


@pytest.mark.parametrize("space", SPACES)
def test_neighbours_are_the_valid_lists_at_distance_one(space):
    every = list(tokens.every(space))
    for parent in every[:: max(1, len(every) // 7)]:
        assert sorted(tokens.neighbours(space, parent)) == [o for o in every if tokens.distance(o, parent) == 1]


def test_mutated_cells_have_inputs_before_their_node_and_can_be_built():
    rng, space = np.random.default_rng(3), Genotypes(nodes=3, loose_ends=True)
    parent = tokens.random_tokens(space, rng)
    for _ in range(200):
        parent = tokens.mutate(space, parent, rng)
        genotype = space.decode(parent)  # Genotype refuses an input that is not before its node
        assert space.encode(genotype) == parent and Genotype.parse(str(genotype)) == genotype
        for nodes, concat in genotype.kinds.values():
            read = {source for node in nodes for _, source in node}
            assert set(concat) == {2, 3, 4} - read
    assert space.decode(parent).network(4, 3, 10)(torch.zeros(2, 3, 8, 8)).shape == (2, 10)


def test_loose_ends_differ_from_all_nodes():
    space = Genotypes(("skip_connect",), nodes=2, reduction=False, loose_ends=True)
    assert space.decode((0, 1, 0, 0, 0, 2, 0, 0)).normal_concat == (3,)
    assert space.decode((0, 1, 0, 0, 0, 1, 0, 0)).normal_concat == (2, 3)
    with pytest.raises(nb.NasbookError, match=r"concatenates \(2, 3\)"):
        space.encode(Genotype((("skip_connect", 0), ("skip_connect", 1), ("skip_connect", 0), ("skip_connect", 2))))


def test_names_say_what_each_token_means():
    assert SMALL.names(2) == ("d", "e", "f")
    assert TWO_NODES.names(4) == ("c_{k-2}", "c_{k-1}", "0") and TWO_NODES.names(6) == TWO_NODES.operations


class Nothing:
    choices, names, decode, encode = (2, 2), None, None, None

    def valid(self, tokens):
        return False


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Product(()), "alternatives must list"),
        (lambda: Product((("a", "a"),)), "alternative names must be 2 different"),
        (lambda: Product("ab"), "alternatives must list"),
        (lambda: Genotypes(("conv",)), "unknown operation 'conv'"),
        (lambda: Genotypes(("skip_connect",) * 2), "different"),
        (lambda: Genotypes(7), "operations must list"),
        (lambda: Genotypes(nodes=0), "nodes is 0"),
        (lambda: SMALL.decode((0, 0)), "written with 3 tokens, not"),
        (lambda: SMALL.decode(3), "written with 3 tokens, not 3"),
        (lambda: SMALL.decode((0, 1, 0)), "unknown token of decision 1 1: valid are 0 to 0"),
        (lambda: SMALL.decode((0, 0, 1.5)), "token of decision 2"),
        (lambda: SMALL.encode(("a", "c", "x")), "unknown alternative of decision 2 'x'"),
        (lambda: SMALL.encode("acd"), "3 names"),
        (lambda: SMALL.names(3), "unknown position 3"),
        (lambda: DISTINCT.decode((0,) * 8), "stand for no architecture"),
        (lambda: TWO_NODES.encode(nb.genotypes["DARTS_V2"]), "holds no cell with the node"),
        (lambda: Genotypes().encode("x"), "does not hold 'x'"),
        (lambda: tokens.check_space(3), "int without choices"),
        (lambda: tokens.random_tokens(SMALL, 0), "rng is 0"),
        (lambda: tokens.mutate(Product((("a",),)), (0,), np.random.default_rng(0)), "no change of one token"),
        (lambda: tokens.distance((0,), (0, 1)), "1 and 2 tokens"),
    ],
)
def test_bad_input_is_one_sentence(call, said):
    with pytest.raises(nb.NasbookError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_a_space_without_a_valid_list_is_one_sentence(monkeypatch):
    monkeypatch.setattr(tokens, "TRIES", 50)
    with pytest.raises(nb.NasbookError, match="50 random lists held no architecture"):
        tokens.random_tokens(Nothing(), np.random.default_rng(0))
