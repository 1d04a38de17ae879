"""Whole searches by GDAS: settings, order of the steps, splits, memory, and that they learn."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from tiny import TINY

import nasbook as nb
from nasbook.datasets.splits import split
from nasbook.searchers import gdas
from nasbook.spaces.darts.networks import CellSupernet
from nasbook.spaces.names import CELL_OPERATIONS
from nasbook.training import bilevel, state


def test_a_search_that_diverges_says_so_and_names_the_setting(digits, tmp_path):
    with pytest.raises(nb.NasbookError, match=r"diverge|NaN|nan"):
        nb.search("gdas", data=digits, out=tmp_path, **{**TINY, "weight_lr": 1e12, "clip": 1e12})


def test_temperature_falls_linearly_from_10_to_a_tenth():
    config = gdas.Config.make({})
    assert gdas.temperature(config, 0) == 10.0
    assert gdas.temperature(config, config.epochs) == pytest.approx(0.1)
    assert gdas.temperature(config, 120) == pytest.approx(5.05)


def test_paper_profile_is_the_published_protocol():
    config = gdas.Config.make(gdas.PROFILES["paper"])
    published = dict(alpha_betas=(0.5, 0.999), legacy_zero_grad=False,
                     epochs=240, batch_size=128, channels=16, cells=8, nodes=4, weight_lr=0.025, weight_lr_end=0.001,
                     momentum=0.9, weight_decay=3e-4, clip=5.0, alpha_lr=3e-4, alpha_decay=1e-3, alpha_deviation=1e-3,
                     tau_start=10.0, tau_end=0.1, order=("weights", "alphas"), padding=4)  # fmt: skip
    assert {name: getattr(config, name) for name in published} == published
    search = state.start(config.model_copy(update={"channels": 4, "cells": 3}), nb.datasets.load("digits"),
                        {k: torch.arange(200) for k in ("weights", "alphas")})  # fmt: skip
    assert search.alpha_optimizer.defaults["betas"] == (0.5, 0.999)
    assert not search.weight_optimizer.defaults["nesterov"]


def test_the_learning_rate_of_the_trace_is_the_one_that_was_used(digits, tmp_path):
    run = nb.search("gdas", data=digits, out=tmp_path, **{**TINY, "weight_lr": 0.025})
    used = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["weight_optimizer"]["param_groups"][0]["lr"]
    assert used == run.last("weights", "learning_rate") == pytest.approx((0.025 + 0.001) / 2)
    temperatures = run.trace.query("quantity == 'temperature'")["value"].tolist()
    assert temperatures == pytest.approx([10.0, 5.05]), "the loop counts epochs from 0"


def test_the_fixed_reduction_cell_leaves_one_kind_to_search(digits, tmp_path):
    run = nb.search("gdas", data=digits, out=tmp_path, **{**TINY, "fixed_reduction": True, "epochs": 1})
    assert run.kinds == ("normal",) and run.alphas.shape == (2, 1, 5, 8)
    assert run.genotype.reduce is None
    assert "skips_reduce" not in set(run.trace["quantity"])


def test_memory_kept_for_the_backward_pass_is_about_an_eighth_of_the_dense_mixtures():
    """Over eight convolutional operations, the mean of what single ones keep is about an eighth of what all keep."""
    names = [name for name in CELL_OPERATIONS if "conv" in name]
    net = CellSupernet(4, 3, 10, nodes=2, operations=names)
    x = torch.randn(4, 3, 16, 16)
    assert len(names) == 8

    def kept(path):
        total = 0

        def pack(tensor):
            nonlocal total
            total += tensor.numel() * tensor.element_size()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            net(x, {kind: path for kind in net.searched})
        return total

    nothing = kept(torch.zeros(5, 8))
    dense = kept(torch.full((5, 8), 1 / 8)) - nothing
    single = sum(kept(torch.eye(8)[[k] * 5]) - nothing for k in range(8)) / 8
    assert single / dense == pytest.approx(1 / 8, rel=0.1)


def test_order_of_the_updates_is_an_option(digits, tmp_path):
    seen = []

    def note(name, step):
        def noted(search, images, labels):
            seen.append(name)
            return step(search, images, labels)

        return noted

    method = SimpleNamespace(**{k: getattr(gdas, k) for k in ("temperature", "paths", "derive")})
    method.weight_step, method.architecture_step = (
        note("w", gdas.weight_step),
        note("a", gdas.architecture_step),
    )
    for order, first in ((("weights", "alphas"), "w"), (("alphas", "weights"), "a")):
        seen.clear()
        config = gdas.Config.make({**TINY, "epochs": 1, "order": order})
        bilevel.run_search(method, "gdas", config, digits, "smoke", tmp_path / first)
        assert seen[0] == first and seen.count("w") == seen.count("a") == len(seen) // 2
        assert all(a != b for a, b in pairwise(seen))


def test_the_two_steps_read_their_own_splits(digits, tmp_path, monkeypatch):
    config = gdas.Config.make({**TINY, "epochs": 1})
    parts = split(digits.labels, config.split, config.seed)
    read = {"weights": [], "alphas": []}
    original = state.Sampler.next

    def spy(self):
        chosen = original(self)
        for name in read:
            if torch.equal(self.indices, parts[name]):
                read[name].append(chosen)
        return chosen

    monkeypatch.setattr(state.Sampler, "next", spy)
    nb.search("gdas", data=digits, out=tmp_path, **{**TINY, "epochs": 1})
    for name, chosen in read.items():
        assert chosen and set(torch.cat(chosen).tolist()) <= set(parts[name].tolist())


def watched(seen):
    """GDAS, whose steps first call ``seen(part, search, labels)``."""

    def watch(part, step):
        return lambda search, images, labels: seen(part, search, labels) or step(search, images, labels)

    steps = {
        "weight_step": watch("weights", gdas.weight_step),
        "architecture_step": watch("alphas", gdas.architecture_step),
    }
    return SimpleNamespace(temperature=gdas.temperature, paths=gdas.paths, derive=gdas.derive, **steps)


def test_each_step_is_given_images_of_its_own_part(digits, tmp_path, monkeypatch):
    """The labels say which part an image is of."""
    config, names = gdas.Config.make({**TINY, "epochs": 1}), ("weights", "alphas", "selection")
    parts, labels = split(digits.labels, config.split, config.seed), digits.labels.clone()
    for place, name in enumerate(names):
        labels[parts[name]] = place
    data = replace(digits.without_test(), classes=names, labels=labels)
    monkeypatch.setattr(bilevel, "split", lambda *_: parts)
    read = {"weights": set(), "alphas": set()}
    method = watched(lambda part, search, labels: read[part].update(labels.tolist()))
    bilevel.run_search(method, "gdas", config, data, "smoke", tmp_path)
    assert read == {"weights": {0}, "alphas": {1}}


def test_every_step_of_an_epoch_has_the_epochs_temperature_and_rate(digits, tmp_path):
    config, used = gdas.Config.make(TINY), []

    def note(part, search, labels):
        used.append((search.epoch, search.tau, search.weight_optimizer.param_groups[0]["lr"]))

    bilevel.run_search(watched(note), "gdas", config, digits, "smoke", tmp_path)
    second = (config.weight_lr + config.weight_lr_end) / 2
    assert sorted(set(used)) == [pytest.approx((0, 10.0, config.weight_lr)), pytest.approx((1, 5.05, second))]


def test_a_search_never_touches_the_test_part(digits, tmp_path, monkeypatch):
    def touched(self):
        raise AssertionError("the search read the test part")

    monkeypatch.setattr(type(digits), "test", touched)
    nb.search("gdas", data=digits, out=tmp_path, **{**TINY, "epochs": 1})


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_smoke_search_learns(seed, tmp_path):
    """Held-out accuracy of sampled sub-networks is above chance by five standard errors."""
    data = nb.datasets.load("cifar10-sample", size=16)
    run = nb.search("gdas", data=data, profile="smoke", seed=seed, out=tmp_path)
    n, chance = round(0.2 * len(data)), 0.1
    error = (chance * (1 - chance) / n) ** 0.5
    assert run.last("selection", "accuracy") > chance + 5 * error
