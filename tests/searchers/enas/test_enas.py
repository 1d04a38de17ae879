"""The search with shared weights: what a step changes, what a run writes, how it continues bit for bit."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

import nasbook as nb
from nasbook.base.errors import NasbookError
from nasbook.datasets.splits import split
from nasbook.runs.run import Run
from nasbook.runs.writer import RunWriter
from nasbook.searchers.enas import PROFILES, Config, dropout, loop
from nasbook.searchers.restored import architecture, evaluator, rankings, trained_search

SMALL = {"epochs": 2, "batch_size": 64, "controller_steps": 3, "aggregates": 2, "padding": 1, "candidates": 3}
SPACES = {
    "micro": {"space": "micro", "nodes": 1, "keep": 0.9},
    "macro": {"space": "macro", "layers": 3},
    "edges": {"space": "edges", "layers": 1},
    "legacy": {"space": "edges", "layers": 1, "legacy_zero_grad": True},
}


def settings(space):
    return SMALL | SPACES[space]


def start(space, digits, **more):
    config = Config.make(dict(PROFILES["smoke"]) | settings(space) | {"seed": 0} | more)
    return loop.begin(config, digits.without_test(), split(digits.labels, config.split, 0))


def everything(search):
    """Name to tensor: weights, running statistics, momentum, the controller, and the gradients of the weights."""
    found = {f"net {name}": value.clone() for name, value in search.net.state_dict().items()}
    buffers = search.weight_optimizer.state_dict()["state"]
    found |= {f"momentum {i}": one["momentum_buffer"].clone() for i, one in buffers.items() if one}
    found |= {f"grad {name}": p.grad.clone() for name, p in search.net.named_parameters() if p.grad is not None}
    adam = search.controller.optimizer
    return found | {"controller": torch.tensor(search.controller.vector), "adam": torch.tensor(adam.mean)}


def moved(search, step):
    before = everything(search)
    step(search)
    after = everything(search)
    names = before.keys() | after.keys()
    same = {name for name in before.keys() & after.keys() if torch.equal(before[name], after[name])}
    return {name.split()[0] for name in names - same}


@pytest.mark.parametrize("space", SPACES)
def test_controller_and_weights_never_touch_each_other(digits, space):
    search = start(space, digits)
    assert moved(search, loop.weight_step) == {"net", "momentum", "grad"}
    assert moved(search, loop.controller_step) == {"controller", "adam"}
    assert all(parameter.grad is None for parameter in search.controller.parameters())
    kept = [parameter for parameter in search.net.parameters() if parameter.grad is None]
    assert kept and search.controller.vector.any()


def test_the_reward_is_measured_on_the_controllers_images_and_the_candidates_on_the_selections(digits, monkeypatch):
    search = start("edges", digits)
    asked = []
    original = loop.architecture_accuracy

    def accuracy(one, architecture, positions):
        asked.append(set(positions.tolist()))
        return original(one, architecture, positions)

    monkeypatch.setattr(loop, "architecture_accuracy", accuracy)
    loop.weight_step(search)
    loop.controller_step(search)
    rewards, asked[:] = list(asked), []
    found = loop.derive(search, 1)
    parts = {name: set(positions.tolist()) for name, positions in search.parts.items()}
    assert len(rewards) == 2 and all(one <= parts["alphas"] and len(one) == 64 for one in rewards)
    assert rewards[0] != rewards[1]
    assert len(asked) == 3 and all(one == parts["selection"] for one in asked)
    assert not parts["weights"] & (parts["alphas"] | parts["selection"])
    assert found["accuracy"].is_monotonic_decreasing


def test_rewards_have_the_entropy_and_the_baseline_goes_one_by_one(digits, monkeypatch):
    search = start("macro", digits, entropy_weight=0.5, decay=0.99, skip_weight=0.0)
    scores = iter([0.2, 0.6])
    monkeypatch.setattr(loop, "architecture_accuracy", lambda *_: next(scores))
    drawn = search.controller.draw(2, search.draws("architecture 0"))
    given = {}
    monkeypatch.setattr(
        search.controller, "ascend", lambda tokens, gains, learning_rate: given.update(t=tokens, g=gains)
    )
    loop.controller_step(search)
    rewards = np.array([0.2, 0.6]) + 0.5 * drawn.entropies
    first = 0.01 * rewards[0]
    second = 0.99 * first + 0.01 * rewards[1]
    assert np.array_equal(given["t"], drawn.tokens) and search.baseline.value == pytest.approx(second)
    assert given["g"] == pytest.approx([rewards[0] - first, rewards[1] - second])


def test_judging_changes_no_statistics_and_uses_those_of_the_batch(digits):
    search = start("micro", digits, keep=1.0)
    architecture = search.space.decode([0] * len(search.space.choices))
    before = {name: value.clone() for name, value in search.net.state_dict().items()}
    positions = search.parts["selection"][:64]
    found = loop.architecture_accuracy(search, architecture, positions)
    assert all(torch.equal(before[name], value) for name, value in search.net.state_dict().items())
    from nasbook.datasets.augment import normalize

    images = normalize(search.data.images[positions], search.data.mean, search.data.std)
    right = (search.net(images, architecture).argmax(dim=1) == search.data.labels[positions]).float().mean()
    assert found == pytest.approx(float(right))


def test_the_controller_finds_what_is_rewarded(digits, monkeypatch):
    """Reward: the share of edges that are 3x3 convolutions. 60 steps of ours, and the mean reward is above .9."""
    search = start("edges", digits, aggregates=10, controller_lr=0.05, entropy_weight=0.0)
    monkeypatch.setattr(loop, "architecture_accuracy", lambda one, cell, positions: cell.count("nor_conv_3x3") / 6)
    for search.step in range(60):
        loop.controller_step(search)
    cells = [search.space.decode(t) for t in search.controller.sample(50, np.random.default_rng(0)).tolist()]
    assert np.mean([cell.count("nor_conv_3x3") / 6 for cell in cells]) > 0.9


def test_the_second_classifiers_loss_is_added_with_its_weight():
    """At twice the weight the head's gradient doubles, and the stem's moves as far again."""
    data = nb.datasets.load("cifar10-sample", size=32)
    found = []
    for weight in (0.2, 0.4, 0.8):
        search = start("micro", data, auxiliary_weight=weight, batch_size=8, nodes=1, clip=1e9)
        loss, _ = loop.weight_step(search)
        named = {name: p.grad for name, p in search.net.named_parameters() if p.grad is not None}
        found.append((named["auxiliary_head.classifier.weight"], named["stem.0.weight"], loss))
    (head, stem, loss), (double, further, same), (_, far, _) = found
    assert head.any() and torch.allclose(double, 2 * head) and loss == same
    assert torch.allclose(far - further, 2 * (further - stem), atol=1e-5) and not torch.allclose(stem, far)


def test_the_learning_rate_begins_again_and_each_gradient_is_clipped_by_itself():
    config = Config()
    rates = [loop.rate(config, epoch) for epoch in range(150)]
    assert [epoch for epoch, one in enumerate(rates) if one == 0.05] == [0, 10, 30, 70]
    assert rates[9] < 0.002 and rates[20] == pytest.approx((0.05 + 0.0005) / 2)
    net = torch.nn.ModuleList([torch.nn.Linear(3, 1, bias=False) for _ in range(3)])
    for layer, length in zip(net, (10.0, 1.0, None)):
        layer.weight.grad = None if length is None else torch.tensor([[0.6, 0.0, 0.8]]) * length
    loop.clip_each(net, 5.0)
    assert [round(float(layer.weight.grad.norm()), 4) for layer in net[:2]] == [5.0, 1.0]


@pytest.mark.parametrize("legacy", [False, True])
def test_idle_weights_move_only_with_legacy_zero_gradients(digits, monkeypatch, legacy):
    """First the cell of convolutions, so that they have momentum; then the cell of skips."""
    search = start("edges", digits, legacy_zero_grad=legacy)
    cells = iter([np.full((1, 6), 2), np.full((1, 6), 1)])
    monkeypatch.setattr(search.controller, "sample", lambda count, rng: next(cells))
    loop.weight_step(search)
    before = {name: p.detach().clone() for name, p in search.net.named_parameters() if ".edges." in name}
    loop.weight_step(search)
    assert before and all(
        torch.equal(p, before[name]) is not legacy for name, p in search.net.named_parameters() if name in before
    )


def test_dropout_keeps_the_mean():
    drop = dropout(0.8, torch.Generator().manual_seed(0))
    found = drop("classifier", torch.ones(400, 100))
    assert set(found.unique().tolist()) == {0.0, 1.25} and abs(float(found.mean()) - 1) < 5 * 0.5 / 200
    assert dropout(1.0, torch.Generator()) is None


def assert_same(one, other):
    assert one.trace.equals(other.trace) and one.candidates.equals(other.candidates)
    assert one.best == other.best
    left, right = (torch.load(run.folder / "checkpoint.pt", weights_only=True) for run in (one, other))
    assert all(torch.equal(left["net"][name], right["net"][name]) for name in left["net"])
    assert torch.equal(left["controller"], right["controller"]) and left["baseline"] == right["baseline"]


@pytest.mark.parametrize("space", SPACES)
def test_a_search_stopped_at_odd_steps_continues_bit_for_bit(digits, tmp_path, monkeypatch, space):
    """Between two batches of weights, before the controller, between two of its steps, at the end of an epoch."""
    whole = nb.search("enas", data=digits, out=tmp_path / "whole", **settings(space))
    originals = loop.weight_step, loop.controller_step
    left = 0

    class Stop(BaseException):
        pass

    def counted(original):
        def step(search):
            nonlocal left
            left -= 1
            if left < 0:
                raise Stop
            return original(search)

        return step

    monkeypatch.setattr(loop, "weight_step", counted(originals[0]))
    monkeypatch.setattr(loop, "controller_step", counted(originals[1]))
    monkeypatch.setattr(RunWriter, "due", lambda self: True)
    for left in (1, 7, 2, 2):  # noqa: B007
        with pytest.raises(Stop):
            nb.search("enas", data=digits, out=tmp_path / "broken", **settings(space))
    left = 10**9
    assert_same(nb.search("enas", data=digits, out=tmp_path / "broken", **settings(space)), whole)


SCRIPT = """
import sys
import nasbook as nb
nb.search("enas", data=nb.datasets.load("digits"), out=sys.argv[1], seed=3, **SETTINGS)
"""


def launch(folder):
    return subprocess.Popen(
        [sys.executable, "-c", f"SETTINGS = {settings('macro') | {'epochs': 16}}{SCRIPT}", str(folder)],
        env={**os.environ, "NASBOOK_PROGRESS": "off", "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_search_killed_at_random_moments_ends_as_an_unbroken_one(tmp_path):
    rng, kills = random.Random(0), 0
    mark = tmp_path / "broken" / "checkpoint.pt"
    while kills < 2:
        process = launch(tmp_path / "broken")
        before = mark.stat().st_mtime_ns if mark.exists() else 0
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if mark.exists() and mark.stat().st_mtime_ns != before:
                break
            time.sleep(0.005)
        time.sleep(rng.random() * 0.2)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += 1
    assert kills == 2, "the search was too quick to be killed in its middle"
    for folder in ("broken", "whole"):
        process = launch(tmp_path / folder)
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    assert_same(*(Run.load(tmp_path / folder) for folder in ("broken", "whole")))


def test_a_run_shows_itself_and_judges_other_architectures(digits, tmp_path):
    run = nb.search("enas", data=digits, out=tmp_path, **settings("edges"))
    assert run.finished and architecture(run) == run.best and len(run.candidates) == 3
    shown = run._repr_mimebundle_()
    assert "candidates reach" in (shown[0] if isinstance(shown, tuple) else shown)["text/plain"]
    judge = evaluator(run, digits)
    scores = judge.evaluate(list(trained_search(run, digits).space)[:3])
    assert scores.shape == (3,) and (scores >= 0).all() and (scores <= 1).all()
    names = list(map(str, list(trained_search(run, digits).space)[:3]))
    blank = nb.search("enas", data=digits, out=tmp_path / "blank", **settings("edges") | {"controller_steps": 0})
    table = rankings([run, blank], digits, names)
    assert table[names].to_numpy()[0].tolist() == scores.tolist()
    assert table["architecture"].tolist() == [run.best, blank.best]
    assert table["entropy"][0] == run.last("controller", "entropy") and np.isnan(table["entropy"][1])
    assert table["candidates"][1] == blank.last("selection", "accuracy")
    with pytest.raises(NasbookError, match="other data"):
        evaluator(run, nb.datasets.load("cifar10-sample", size=16))
    with pytest.raises(NasbookError, match="controller"):
        print(run.alphas)


def test_a_micro_run_has_its_genotype_and_all_profiles_are_valid(digits, tmp_path):
    run = nb.search("enas", data=digits, out=tmp_path, **settings("micro") | {"epochs": 1, "controller_steps": 0})
    assert run.genotype == architecture(run) and "controller" not in set(run.trace["split"])
    for profile in PROFILES.values():
        Config.make(dict(profile) | {"seed": 0})
    published = {"epochs": (150, 310), "batch_size": (160, 128), "channels": (20, 36), "layers": (6, 12)}
    published |= {"weight_lr": (0.05, 0.05), "weight_lr_end": (0.0005, 0.0005), "restart": (10, 10), "clip": (5, 5)}
    published |= {"weight_decay": (1e-4, 2.5e-4), "keep": (0.9, 0.9), "momentum": (0.9, 0.9), "restart_growth": (2, 2)}
    published |= {"controller_lr": (0.0035, 0.001), "controller_steps": (30, 50), "aggregates": (10, 20)}
    published |= {"tanh_constant": (1.1, 1.5), "entropy_weight": (1e-4, 1e-4), "units": (64, 64), "bound": (0.1, 0.1)}
    published |= {"skip_weight": (0.8, 0.8), "skip_target": (0.4, 0.4), "candidates": (10, 10)}
    for place, profile in enumerate(("paper", "macro")):
        config = Config.make(dict(PROFILES[profile]))
        assert {name: getattr(config, name) for name in published} == {n: v[place] for n, v in published.items()}
    with pytest.raises(NasbookError, match="no dropout"):
        Config.make({"space": "edges"})
    with pytest.raises(NasbookError, match="no second classifier"):
        Config.make({"space": "macro"})
    with pytest.raises(NasbookError, match="images of 32 pixels"):
        start("micro", digits, auxiliary_weight=0.4)
