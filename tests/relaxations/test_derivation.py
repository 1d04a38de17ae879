"""DARTS's derivation rule on parameters made by hand."""

import numpy as np
import pytest

import nasbook as nb
from nasbook.relaxations.derivation import darts_rule
from nasbook.spaces.names import DARTS_OPERATIONS, cell_edges

OPS = ("none", "skip_connect", "sep_conv_3x3")


def logits(rows):
    return np.log(np.asarray(rows, dtype=float))


def test_each_node_keeps_its_two_most_probable_edges():
    alpha = logits(
        [
            [0.1, 0.2, 0.7],  # 2 <- 0
            [0.1, 0.5, 0.4],  # 2 <- 1
            [0.1, 0.3, 0.6],  # 3 <- 0
            [0.2, 0.35, 0.45],  # 3 <- 1
            [0.1, 0.8, 0.1],  # 3 <- 2
        ]
    )
    genotype, margins = darts_rule({"normal": alpha}, OPS, nodes=2)
    assert genotype.normal == (
        (("sep_conv_3x3", 0), ("skip_connect", 1)),
        (("skip_connect", 2), ("sep_conv_3x3", 0)),
    )
    assert genotype.reduce is None and genotype.normal_concat == (2, 3)
    edge = margins[margins["decision"] == "edge"].iloc[0]
    assert (edge["node"], edge["chosen"], edge["runner_up"]) == (1, "c_{k-2}", "c_{k-1}")
    assert edge["margin"] == pytest.approx(0.15)
    operation = margins[(margins["node"] == 0) & (margins["decision"] == "operation from c_{k-1}")].iloc[0]
    assert (operation["chosen"], operation["runner_up"]) == ("skip_connect", "sep_conv_3x3")
    assert operation["margin"] == pytest.approx(0.1)


def test_none_is_never_chosen_and_counts_in_the_denominator_only():
    alpha = logits([[0.9, 0.06, 0.04], [0.1, 0.5, 0.4], [0.9, 0.06, 0.04], [0.3, 0.3, 0.4], [0.2, 0.3, 0.5]])
    genotype, margins = darts_rule({"normal": alpha}, OPS, nodes=2)
    assert genotype.normal[0] == (("skip_connect", 1), ("skip_connect", 0))
    assert [source for _, source in genotype.normal[1]] == [2, 1]
    assert margins["probability"].min() == pytest.approx(0.06)


def test_ties_go_to_the_lower_index():
    genotype, margins = darts_rule({"normal": np.zeros((14, 8)), "reduce": np.zeros((14, 8))}, DARTS_OPERATIONS, 4)
    assert genotype.normal == tuple((("max_pool_3x3", 0), ("max_pool_3x3", 1)) for _ in range(4))
    assert genotype.reduce == genotype.normal
    assert (margins["margin"] == 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_inputs_are_distinct_and_every_decision_is_reported(seed):
    rng = np.random.default_rng(seed)
    alphas = {kind: rng.normal(size=(14, 8)) for kind in ("normal", "reduce")}
    genotype, margins = darts_rule(alphas, DARTS_OPERATIONS, 4)
    for kind, (nodes, _) in genotype.kinds.items():
        for i, node in enumerate(nodes):
            assert len({source for _, source in node}) == 2
            rows = margins[(margins["kind"] == kind) & (margins["node"] == i)]
            assert len(rows) == (2 if i == 0 else 3)
    assert (margins["margin"] >= 0).all()
    p = np.exp(alphas["normal"]) / np.exp(alphas["normal"]).sum(-1, keepdims=True)
    operation, source = genotype.normal[1][0]
    edge = cell_edges(4).index((3, source))
    assert p[edge, 1:].max() == p[edge, DARTS_OPERATIONS.index(operation)] == p[2:5, 1:].max()


def test_a_diverged_search_and_a_space_of_nothing_are_refused():
    with pytest.raises(nb.NasbookError, match="reduce cell hold NaN"):
        darts_rule({"normal": np.zeros((2, 3)), "reduce": np.full((2, 3), np.nan)}, OPS, 1)
    with pytest.raises(nb.NasbookError, match="besides none"):
        darts_rule({"normal": np.zeros((2, 1))}, ("none",), 1)
