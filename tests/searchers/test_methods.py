"""Every one-shot method in the one frame: what a step changes, what a search writes, and how it continues."""

import multiprocessing
import re
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module

import numpy as np
import pytest
import torch
from tiny import TINY, begin as begin_method, smoke_search

import nasbook as nb
from nasbook.runs.writer import RunWriter
from nasbook.searchers import METHODS
from nasbook.training import bilevel
from nasbook.training.numerics import frozen_statistics

VARIANTS = {name: {} for name in METHODS} | {
    "darts finite-difference": {"unrolling": "finite-difference"},
    "darts exact": {"unrolling": "exact"},
    "gdas legacy": {"legacy_zero_grad": True},
}
OPERATION = r"cells\.\d+\.edges\.\d+\.\d+"
TWO_LEVELS = [name for name in VARIANTS if name.split()[0] not in ("snas", "rsws")]


def module_of(variant):
    return import_module(METHODS[variant.split()[0]])


def settings(variant):
    plain = {"unrolling": "first-order"} if variant == "darts" else {}
    quick = {"candidates": 4, "finalists": 2} if variant == "rsws" else {}
    return TINY | plain | quick | VARIANTS[variant]


def begin(variant, digits):
    # without decay: what has no gradient does not move
    return begin_method(variant.split()[0], digits, **settings(variant) | {"alpha_decay": 0.0})


def everything(search):
    """Name to tensor: weights, buffers, alphas, betas, momentum."""
    found = {f"net {name}": value for name, value in search.net.state_dict().items()}
    found |= {f"alpha {kind}": alpha.detach() for kind, alpha in search.alphas.items()}
    found |= {f"beta {kind}": beta.detach() for kind, beta in search.betas.items()}
    buffers = search.weight_optimizer.state_dict()["state"]
    return found | {f"momentum {i}": one["momentum_buffer"] for i, one in buffers.items()}


def moved(search, step):
    before = {name: value.clone() for name, value in everything(search).items()}
    step()
    after = everything(search)
    found = {name for name in after if name not in before or not torch.equal(before[name], after[name])}
    for part in ("alpha", "beta"):  # both kinds of cell or none
        assert len([name for name in found if name.startswith(f"{part} ")]) in (0, 2)
    return {name.split()[0] for name in found}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_weight_step_moves_weights_and_only_snas_moves_alphas_with_them(digits, variant):
    search = begin(variant, digits)
    found = moved(search, lambda: module_of(variant).weight_step(search, *search.batches["weights"]))
    assert found == ({"net", "momentum", "alpha"} if variant == "snas" else {"net", "momentum"})
    assert all((logits.grad is None) == (variant != "snas") for logits in search.architecture)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_weight_step_moves_every_weight_of_what_ran_and_no_other(digits, variant):
    """Statistics too; the rest keeps its bits and has no gradient."""
    search, ran = begin(variant, digits), set()
    for name, module in search.net.named_modules():
        if re.fullmatch(OPERATION, name):
            module.register_forward_hook(lambda *_, name=name: ran.add(name))
    before = {name: value.clone() for name, value in search.net.state_dict().items()}
    module_of(variant).weight_step(search, *search.batches["weights"])
    assert len(ran) == search.totals["executed"]  # sub-graphs share no operation
    gradients = {name: p.grad is not None for name, p in search.net.named_parameters()}
    for name, value in search.net.state_dict().items():
        inside = re.match(OPERATION, name)
        expected = inside is None or inside[0] in ran
        assert torch.equal(value, before[name]) != expected, name
        assert gradients.get(name, expected) == expected, name


@pytest.mark.parametrize("variant", TWO_LEVELS)
def test_an_architecture_step_moves_alphas_and_nothing_else_by_a_bit(digits, variant):
    """Weights, running statistics and momentum stay; so do the gradients that the weights had."""
    search = begin(variant, digits)
    module_of(variant).weight_step(search, *search.batches["weights"])
    gradients = [None if p.grad is None else p.grad.clone() for p in search.net.parameters()]
    found = moved(search, lambda: module_of(variant).architecture_step(search, *search.batches["alphas"]))
    assert found == ({"alpha", "beta"} if variant == "pc_darts" else {"alpha"})
    for p, g in zip(search.net.parameters(), gradients):
        assert (p.grad is None) if g is None else torch.equal(p.grad, g)


def test_a_second_order_step_looks_ahead_on_the_training_batch_and_judges_on_the_held_out_one(digits):
    search = begin("darts exact", digits)
    darts = module_of("darts exact")
    darts.weight_step(search, *search.batches["weights"])
    train, valid = search.batches["weights"], search.batches["alphas"]
    with frozen_statistics(search.norms):
        right, wrong = (darts.unrolled_gradient(search, first, valid)[0] for first in (train, valid))
    darts.architecture_step(search, *valid)
    for alpha, gradient, other in zip(search.alphas.values(), right, wrong):
        assert torch.equal(alpha.grad, gradient) and not torch.allclose(gradient, other, rtol=1e-3)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_search_stopped_at_odd_steps_continues_bit_for_bit(digits, tmp_path, monkeypatch, variant):
    method = variant.split()[0]
    whole = nb.search(method, data=digits, out=tmp_path / "whole", **settings(variant))
    original, left = bilevel.next_batch, 0

    class Stop(BaseException):
        pass

    def next_batch(search, part):
        nonlocal left
        left -= part == "weights"
        if left < 0:
            raise Stop
        return original(search, part)

    monkeypatch.setattr(bilevel, "next_batch", next_batch)
    monkeypatch.setattr(RunWriter, "due", lambda self: True)
    for left in (1, 7, 17):  # noqa: B007
        with pytest.raises(Stop):
            nb.search(method, data=digits, out=tmp_path / "broken", **settings(variant))
    left = 10**9
    broken = nb.search(method, data=digits, out=tmp_path / "broken", **settings(variant))
    assert broken.trace.equals(whole.trace) and broken.margins.equals(whole.margins)
    assert method != "pc_darts" or np.array_equal(broken.betas, whole.betas)
    assert np.array_equal(broken.alphas, whole.alphas) and str(broken.genotype) == str(whole.genotype)
    nets = [torch.load(run.folder / "checkpoint.pt", weights_only=True)["net"] for run in (whole, broken)]
    assert all(torch.equal(nets[0][name], nets[1][name]) for name in nets[0])


def test_all_methods_write_the_same_quantities(digits, tmp_path):
    """Any two runs overlay; a method without a second level or a temperature lacks their curves alone."""
    found = {}
    for method in METHODS:
        run = nb.search(
            method, data=digits, out=tmp_path / method, **settings(method) | {"epochs": 1, "batch_size": 256}
        )
        said = set(zip(run.trace["split"], run.trace["quantity"]))
        found[method] = {(split, quantity) for split, quantity in said if split != "alphas"}
        assert (("alphas", "loss") in said) == (method in TWO_LEVELS)
        assert (("alphas", "gradient") in said) == (method != "rsws")
        assert run.costs["step"].tolist() == [1] and (run.costs[["seconds", "peak_memory_bytes"]] > 0).all(axis=None)
        assert run.alphas.shape == (2, 2, 5, 8)
        assert method != "pc_darts" or run.betas.shape == (2, 2, 5)
    cooled = {method for method, quantities in found.items() if ("search", "temperature") in quantities}
    assert cooled == {"snas", "gdas", "data", "msg_das"}
    assert len({frozenset(quantities - {("search", "temperature")}) for quantities in found.values()}) == 1


# cells, edges, operations: a dense step runs 3 * 5 * 8 twice, once a level
EXECUTED = {
    "darts": (240, 240),
    "pc_darts": (240, 240),
    "snas": (120, 120),
    "gdas": (30, 30),
    "data": (30, 210),
    "rsws": (12, 12),
}


@pytest.mark.parametrize("method", EXECUTED)
def test_a_step_runs_as_many_operations_as_its_paths_have(digits, tmp_path, method):
    run = nb.search(method, data=digits, out=tmp_path, **settings(method) | {"epochs": 1})
    low, high = EXECUTED[method]
    assert low <= run.last("search", "executed") <= high


def test_msg_das_runs_its_sub_graphs_and_its_teacher(digits, tmp_path):
    """K sub-graphs a step of 15 operations each; from the second epoch on the teacher's 120 too."""
    run = nb.search("msg_das", data=digits, out=tmp_path, **TINY | {"subgraphs": 3})
    executed = run.trace.query("quantity == 'executed'")["value"].tolist()
    assert executed == [2 * 3 * 15, 2 * (3 * 15 + 120)]


@pytest.fixture(scope="module")
def learned(request, tmp_path_factory):
    """The smoke searches of the tests that were selected, each in a process of one thread, two at a time."""
    folder = tmp_path_factory.mktemp("learned")
    asked = [item.callspec.params for item in request.session.items if "learned" in getattr(item, "fixturenames", ())]
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        yield {
            (one["method"], one["seed"]): pool.submit(
                smoke_search, **one, out=folder / f"{one['method']}-{one['seed']}"
            )
            for one in asked
        }


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("method", [name for name in METHODS if name != "gdas"])
def test_the_smoke_search_learns(learned, method, seed):
    """Held-out accuracy after the last epoch is above chance by five standard errors."""
    accuracy, n = learned[method, seed].result()
    chance = 0.1
    assert accuracy > chance + 5 * (chance * (1 - chance) / n) ** 0.5
