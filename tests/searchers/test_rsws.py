"""Random search with weight sharing: the law of its architectures, how they are ranked, and what it leaves alone."""

import itertools
from collections import Counter

import pytest
import torch
from scipy import stats
from tiny import begin

from nasbook.base.errors import NasbookError
from nasbook.searchers import rsws
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.names import DARTS_OPERATIONS, cell_edges
from nasbook.training.spaces import DartsCells


def uniform(counts, outcomes):
    """A chi-square test against the uniform law on ``outcomes``; nothing else may occur."""
    assert set(counts) <= set(outcomes)
    return len(outcomes) == 1 or stats.chisquare([counts[outcome] for outcome in outcomes]).pvalue > 1e-4


def test_paper_profile_is_the_published_protocol():
    config = rsws.Config.make(rsws.PROFILES["paper"])
    published = dict(epochs=150, batch_size=64, channels=24, cells=8, nodes=4, weight_lr=0.025, weight_lr_end=0.001,
                     weight_decay=3e-4, clip=1.0, candidates=1000, candidate_images=640, finalists=10,
                     order=("weights",))  # fmt: skip
    assert {name: getattr(config, name) for name in published} == published


def test_one_half_of_the_images_trains_and_the_other_judges(digits):
    search = begin("rsws", digits, split=rsws.Config().split)
    trained, judged = search.samplers["weights"].indices, search.parts["selection"]
    assert abs(len(trained) - len(judged)) <= 20 and len(trained) + len(judged) == len(search.data)
    assert not set(trained.tolist()) & set(judged.tolist())


@pytest.fixture(scope="module")
def paths():
    cells, draws = DartsCells(rsws.Config.make({})), torch.Generator().manual_seed(0)
    return torch.stack([cells.random_path(draws) for _ in range(6_000)])


@pytest.mark.parametrize("node", range(2, 6))
def test_each_node_has_two_distinct_inputs_every_pair_alike(paths, node):
    incoming = [edge for edge, (target, _) in enumerate(cell_edges(4)) if target == node]
    used = paths[:, incoming].sum(dim=-1)
    assert set(used.unique().tolist()) <= {0.0, 1.0} and (used.sum(dim=-1) == 2).all()
    pairs = Counter(tuple(torch.nonzero(row).flatten().tolist()) for row in used)
    assert uniform(pairs, list(itertools.combinations(range(node), 2)))


@pytest.mark.parametrize("node", range(2, 6))
def test_both_operations_are_uniform_over_all_eight_and_independent(paths, node):
    incoming = [edge for edge, (target, _) in enumerate(cell_edges(4)) if target == node]
    ops = [tuple(torch.nonzero(path)[:, 1].tolist()) for path in paths[:, incoming]]
    assert uniform(Counter(ops), list(itertools.product(range(8), repeat=2)))


def test_nodes_and_kinds_of_cell_draw_independently(digits):
    search = begin("rsws", digits, nodes=2)
    found = Counter()
    for _ in range(3_000):
        drawn = rsws.paths(search)
        assert set(drawn) == {"normal", "reduce"}
        ops = [int(torch.nonzero(path[edges])[0, 1]) // 4 for path in drawn.values() for edges in ([0, 1], [2, 3, 4])]
        found[tuple(ops)] += 1
    assert uniform(found, list(itertools.product(range(2), repeat=4)))


def test_a_step_runs_the_drawn_operations_and_leaves_the_alphas_out(digits):
    search = begin("rsws", digits)
    state = search.draws.get_state()
    drawn = rsws.paths(search)
    search.draws.set_state(state)
    expected = Counter()
    for kind in search.net.sequence:
        expected.update((kind, edge, op) for edge, op in torch.nonzero(drawn[kind]).tolist())
    calls = Counter()
    for kind, cell in zip(search.net.sequence, search.net.cells):
        for edge, operations in enumerate(cell.edges):
            for op, module in enumerate(operations):
                module.register_forward_hook(lambda *_, key=(kind, edge, op): calls.update([key]))
    rsws.weight_step(search, *search.batches["weights"])
    assert calls == expected and sum(calls.values()) == 3 * 2 * 2
    assert search.totals["executed"] == 12
    assert all(alpha.grad is None and (alpha == 0).all() for alpha in search.alphas.values())


def ranking(search, monkeypatch, epoch):
    """Derive at ``epoch`` with scores from a table: what was asked, in rounds, and what came out."""
    rounds = []

    def accuracy(search, paths, positions):
        one = {kind: path.clone() for kind, path in paths().items()}
        if not rounds or not torch.equal(rounds[-1][0], positions):
            rounds.append((positions, []))
        key = sum(int(torch.nonzero(path).prod(dim=0).sum()) + int(torch.nonzero(path).sum()) for path in one.values())
        score = key * (0, 7, 59)[len(rounds)] % 101 / 101  # another order in the second round
        rounds[-1][1].append((one, score))
        return score

    monkeypatch.setattr(rsws, "supernet_accuracy", accuracy)
    monkeypatch.setattr(type(search), "epoch", epoch)
    return rounds, *rsws.derive(search)


def test_many_are_ranked_on_a_few_images_and_the_best_of_them_on_all(digits, monkeypatch):
    search = begin("rsws", digits, candidates=40, finalists=5, candidate_images=50)
    rounds, genotype, margins = ranking(search, monkeypatch, search.config.epochs)
    (few, first), (all_images, second) = rounds
    selection = search.parts["selection"]
    assert len(few) == 50 == len(few.unique()) and set(few.tolist()) <= set(selection.tolist())
    assert len(all_images) == len(selection) and set(all_images.tolist()) == set(selection.tolist())
    assert len(first) == 40 and len({str(search.space.read(one)) for one, _ in first}) > 30
    assert not any(torch.equal(one["normal"], one["reduce"]) for one, _ in first)
    chosen = sorted(first, key=lambda pair: -pair[1])[:5]
    assert [str(one) for one, _ in second] == [str(one) for one, _ in chosen]
    best, runner_up = sorted(second, key=lambda pair: -pair[1])[:2]
    assert best[1] > runner_up[1] and best is not second[0]
    assert genotype == search.space.read(best[0])
    (row,) = margins.to_dict("records")
    assert (row["probability"], row["runner_up_probability"]) == (best[1], runner_up[1])
    assert row["chosen"] == str(genotype) and row["margin"] == best[1] - runner_up[1]


def test_before_the_end_a_glance_is_enough_and_no_draw_of_the_search_is_used(digits, monkeypatch):
    search = begin("rsws", digits, candidates=40, glances=3)
    state = search.draws.get_state()
    (_, first), _ = ranking(search, monkeypatch, 1)[0]
    assert len(first) == 3 and torch.equal(search.draws.get_state(), state)
    assert str(ranking(search, monkeypatch, 1)[0][0][1]) == str(first)
    assert str(ranking(search, monkeypatch, 0)[0][0][1]) != str(first)


def test_candidates_are_scored_with_the_shared_weights_and_change_nothing(digits):
    search = begin("rsws", digits, candidates=3, finalists=2)
    rsws.weight_step(search, *search.batches["weights"])
    before = {name: value.clone() for name, value in search.net.state_dict().items()}
    executed = search.totals["executed"]
    _, margins = rsws.derive(search)
    assert all(torch.equal(value, before[name]) for name, value in search.net.state_dict().items())
    assert search.totals["executed"] == executed
    n = len(search.parts["selection"])
    assert (margins[["probability", "runner_up_probability"]] * n % 1 < 1e-6).all(axis=None)
    for parameter in search.net.classifier.parameters():
        parameter.data.zero_()
    search.net.classifier.bias.data[3] = 1.0
    threes = float((digits.labels[search.parts["selection"]] == 3).double().mean())
    assert rsws.derive(search)[1]["probability"].tolist() == pytest.approx([threes])


def test_a_path_of_zeros_and_ones_is_written_down_as_it_is():
    config = rsws.Config.make({"nodes": 2, "channels": 4, "cells": 3})
    path = torch.zeros(5, 8)
    path[0, 0] = path[1, 7] = path[2, 3] = path[4, 3] = 1
    expected = ((("none", 0), ("dil_conv_5x5", 1)), (("skip_connect", 0), ("skip_connect", 2)))
    assert DartsCells(config).read({"normal": path, "reduce": path}) == Genotype(expected, reduce=expected)
    assert DARTS_OPERATIONS[7] == "dil_conv_5x5"


def test_more_finalists_than_candidates_are_refused():
    with pytest.raises(NasbookError, match="finalists is 5, but there are 4"):
        rsws.Config.make({"candidates": 4, "finalists": 5})
