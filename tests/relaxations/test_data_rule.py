"""DATA's derivation, the most probable code of a node or an edge, and the networks of its cells."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch

import nasbook as nb
from nasbook.relaxations.derivation import most_probable_code, probable_code_rule
from nasbook.spaces.names import DARTS_OPERATIONS

HAND = np.array([0.5, 0.3, 0.2])
OPS = ("skip_connect", "max_pool_3x3", "sep_conv_3x3")


def enumerated(p, draws):
    """The law of the union, from all sequences of draws."""
    law = Counter()
    for sequence in itertools.product(range(len(p)), repeat=draws):
        law[frozenset(sequence)] += math.prod(p[i] for i in sequence)
    return law


@pytest.mark.parametrize(("draws", "size"), [(1, 1), (2, 2), (3, 2), (4, 3), (7, 3)])
def test_the_code_of_the_hand_example(draws, size):
    code, chance, _, _ = most_probable_code(HAND, draws)
    assert code == tuple(range(size))
    assert chance == pytest.approx(enumerated(HAND, draws)[frozenset(range(size))])


def test_the_size_of_a_uniform_code_is_where_surjections_peak():
    sizes = [len(most_probable_code(np.full(12, 1 / 12), draws)[0]) for draws in range(1, 10)]
    assert sizes == [1, 2, 2, 3, 4, 5, 5, 6, 7], "at three draws sizes 2 and 3 tie: the smaller wins"
    best, chance, second, other = most_probable_code(np.full(12, 1 / 12), 3)
    assert best == (0, 1) and chance == other and len(second) in (2, 3)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("draws", [1, 2, 3, 5])
def test_code_and_runner_up_are_the_two_most_probable_of_all(seed, draws):
    p = np.random.default_rng(seed).dirichlet(np.full(5, 0.3 + seed % 3))
    law = sorted(enumerated(p, draws).values(), reverse=True)
    code, chance, second, other = most_probable_code(p, draws)
    assert [chance, other] == pytest.approx(law[:2], rel=1e-9)
    found = enumerated(p, draws)
    assert [found[frozenset(code)], found[frozenset(second)]] == pytest.approx([chance, other], rel=1e-9)
    assert list(p[list(code)]) == sorted(p, reverse=True)[: len(code)]


def test_one_outcome_has_no_runner_up():
    assert most_probable_code(np.ones(1), 3) == ((0,), 1.0, (), 0.0)


def test_each_edge_keeps_its_own_code():
    laws = {"normal": np.array([HAND, HAND[::-1], HAND, [0.98, 0.01, 0.01], [0.2, 0.3, 0.5]])}
    genotype, margins = probable_code_rule(laws, OPS, 2, draws=2, per="edge")
    skip, pool, conv = OPS
    assert genotype.normal == (
        ((skip, 0), (pool, 0), (conv, 1), (pool, 1)),
        ((skip, 0), (pool, 0), (skip, 1), (conv, 2), (pool, 2)),
    )
    assert len(margins) == 5 and set(margins["decision"].str[:21]) == {"code of the edge from"}
    first = margins.iloc[0]
    assert (first["chosen"], first["runner_up"]) == ("skip_connect from c_{k-2}, max_pool_3x3 from c_{k-2}",
                                                     "without max_pool_3x3 from c_{k-2}")  # fmt: skip
    assert (first["probability"], first["runner_up_probability"]) == pytest.approx((0.3, 0.25))


def test_each_node_takes_one_code_of_all_its_pairs():
    """Two edges share a node's draws evenly; the law of the five or six pairs follows, and its best code."""
    laws = {"normal": np.array([HAND, [0.9, 0.05, 0.05]])}
    genotype, margins = probable_code_rule(laws, OPS, 1, draws=2)
    assert genotype.normal == (((OPS[0], 1), (OPS[0], 0)),)
    joint = [0.25, 0.15, 0.1, 0.45, 0.025, 0.025]
    law = enumerated(joint, 2)
    assert margins["probability"].tolist() == pytest.approx([law[frozenset({0, 3})]])
    assert margins["margin"].tolist() == pytest.approx([law[frozenset({0, 3})] - law[frozenset({3})]])
    assert margins["runner_up"].tolist() == ["without skip_connect from c_{k-2}"]


def test_none_of_all_edges_is_one_outcome_and_is_dropped():
    ops = ("none", "skip_connect", "max_pool_3x3")
    laws = {"normal": np.array([[0.3, 0.4, 0.3], [0.3, 0.36, 0.34]])}
    genotype, margins = probable_code_rule(laws, ops, 1, draws=2)
    joint = [0.3, 0.2, 0.15, 0.18, 0.17]  # none of both edges together is the likeliest outcome
    best = max(enumerated(joint, 2).items(), key=lambda item: item[1])
    assert best[0] == frozenset({0, 1}) and margins["probability"].tolist() == pytest.approx([best[1]])
    assert genotype.normal == ((("skip_connect", 0),),)
    assert margins["chosen"].tolist() == ["none, skip_connect from c_{k-2}"]
    assert margins["runner_up"].tolist() == ["max_pool_3x3 from c_{k-1} for skip_connect from c_{k-2}"] or (
        margins["runner_up"].tolist() == ["skip_connect from c_{k-1} for skip_connect from c_{k-2}"]
    )


@pytest.mark.parametrize("per", ["node", "edge"])
def test_a_node_of_nothing_keeps_its_likeliest_operation(per):
    ops = ("none", "skip_connect", "max_pool_3x3")
    laws = {"normal": np.array([[0.9, 0.04, 0.06], [0.9, 0.03, 0.07]])}
    genotype, _ = probable_code_rule(laws, ops, 1, draws=1, per=per)
    assert genotype.normal == ((("max_pool_3x3", 1),),)


@pytest.mark.parametrize("draws", [1, 4, 7])
@pytest.mark.parametrize("per", ["node", "edge"])
def test_sizes_stay_between_one_and_the_draws(draws, per):
    rng = np.random.default_rng(draws)
    laws = {kind: rng.dirichlet(np.ones(8), size=14) for kind in ("normal", "reduce")}
    genotype, margins = probable_code_rule(laws, DARTS_OPERATIONS, 4, draws=draws, per=per)
    for nodes, _ in genotype.kinds.values():
        for node in nodes:
            groups = Counter(source for _, source in node) if per == "edge" else {"node": len(node)}
            assert all(1 <= size <= draws for size in groups.values())
            assert len(set(node)) == len(node) and all(name != "none" for name, _ in node)
    assert (margins["margin"] >= 0).all() and len(margins) == 2 * (4 if per == "node" else 14)


@pytest.mark.parametrize(
    ("laws", "settings", "said"),
    [
        (np.full((2, 3), 1 / 3), {"draws": 2, "per": "nodes"}, "did you mean"),
        (np.full((2, 3), 1 / 3), {"draws": 0}, "draws is 0"),
        (np.full((2, 3), 0.5), {"draws": 2}, "sum 1"),
        (np.full((2, 3), np.nan), {"draws": 2}, "NaN"),
    ],
)
def test_bad_input_gets_one_sentence(laws, settings, said):
    with pytest.raises(nb.NasbookError, match=said):
        probable_code_rule({"normal": laws}, OPS, 1, **settings)


def test_nodes_of_any_number_of_operations_make_a_network_and_come_back_as_text():
    pairs = [(name, source) for source in (0, 1) for name in DARTS_OPERATIONS if name != "none"]
    counts = []
    for number in range(1, len(pairs) + 1):
        genotype = nb.Genotype(normal=(tuple(pairs[:number]),), reduce=((("skip_connect", 0),),))
        assert nb.Genotype.parse(str(genotype)) == genotype == nb.Genotype.from_json(genotype.to_json())
        net = genotype.network(4, 3, 10)
        assert net(torch.zeros(2, 3, 8, 8)).shape == (2, 10)
        counts.append(nb.cost(net).parameters)
    # at stride 1 a skip and the two pools have no weights; sep k: two times C k^2 + C^2 and norms; dil k: half of it
    c = 4
    sep = {k: 2 * (c * k**2 + c**2 + 2 * c) for k in (3, 5)}
    of = {"max_pool_3x3": 0, "avg_pool_3x3": 0, "skip_connect": 0}
    of |= {f"sep_conv_{k}x{k}": sep[k] for k in (3, 5)} | {f"dil_conv_{k}x{k}": sep[k] // 2 for k in (3, 5)}
    assert np.diff(counts).tolist() == [of[name] for name, _ in pairs[1:]], "one normal cell, four channels wide"


@pytest.mark.parametrize(("name", "sizes"), [("DATA_M4", range(1, 5)), ("DATA_M7", range(1, 8))])
def test_published_cells_hold_at_most_m_operations_a_node(name, sizes):
    cells = nb.genotypes[name].kinds.values()
    assert all(len(node) in sizes for nodes, _ in cells for node in nodes)
    assert any(len(node) > 2 for nodes, _ in cells for node in nodes)
