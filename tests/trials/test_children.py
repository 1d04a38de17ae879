"""Evaluators that train and that share weights: splits, seeds, failures, BatchNorm, and nothing of the test part."""

import numpy as np
import pytest
import torch
from torch import nn

import nasbook as nb
from nasbook import trials
from nasbook.datasets.splits import split
from nasbook.spaces.tokens import Product
from nasbook.trials import children
from nasbook.trials.evaluators import SharedWeights, Training
from nasbook.trials.ledger import Ledger

SPACE = Product((("4", "8", "0"), ("relu", "tanh")))
QUICK = {"epochs": 2, "padding": 1, "threads": 1}


def build(architecture, seed):
    """A small convolution; width 0 is an architecture that PyTorch refuses, width 8 with tanh takes no images."""
    width, name = architecture
    if width == "0":
        raise nb.NasbookError("a convolution needs at least one channel")
    torch.manual_seed(seed)  # the network's own initial weights, in this test only
    inputs = 5 if architecture == ("8", "tanh") else 3
    activation = {"relu": nn.ReLU, "tanh": nn.Tanh}[name]()
    layers = [nn.Conv2d(inputs, int(width), 3), nn.BatchNorm2d(int(width)), activation, nn.AdaptiveAvgPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4 * int(width), 10))


@pytest.fixture(scope="module")
def trained(digits):
    evaluator = Training(build, data=digits, **QUICK)
    spent = Ledger(evaluator, seed=1)
    spent.evaluate([("4", "relu"), ("4", "relu"), ("0", "relu"), ("8", "tanh"), ("4", "tanh")])
    return spent


def test_children_learn_and_take_time(trained):
    scores = [row.score for row in trained.rows]
    assert scores[0] > 0.3 and scores[4] > 0.3  # chance is 10%
    assert scores[0] != scores[1]  # each evaluation has a seed of its own
    assert all(row.seconds > 0 for row in trained.rows)


def test_children_that_cannot_be_built_earn_nothing_and_say_why(trained):
    assert trained.rows[2].failure == "no network can be built: a convolution needs at least one channel"
    assert trained.rows[3].failure.startswith("no network can be built: the network cannot take images of 8 pixels")
    assert trained.rows[2].score == trained.rows[3].score == 0.0


def test_the_same_seed_gives_the_same_score(trained, digits):
    again = Ledger(Training(build, data=digits, **QUICK), seed=1)
    assert again.evaluate([("4", "relu")])[0] == trained.rows[0].score


def test_a_child_sees_weights_and_alphas_and_is_judged_on_the_selection(digits, monkeypatch):
    evaluator, seen, judged = Training(build, data=digits, split=(0.3, 0.3, 0.2), split_seed=4, **QUICK), set(), []
    parts = split(digits.labels, (0.3, 0.3, 0.2), 4)
    original, accuracy = children.train_step, children.accuracy

    def train_step(training, config, data, epoch):
        seen.update(training.sampler.indices.tolist())
        return original(training, config, data, epoch)

    def watched(net, images, labels, data, config):
        judged.append(images)
        return accuracy(net, images, labels, data, config)

    monkeypatch.setattr(children, "train_step", train_step)
    monkeypatch.setattr(children, "accuracy", watched)
    evaluator.judge(("4", "relu"), 0)
    assert seen == set(parts["weights"].tolist()) | set(parts["alphas"].tolist())
    assert len(judged) == 1 and torch.equal(judged[0], digits.images[parts["selection"]])


def test_the_test_part_is_not_there(digits):
    evaluator = Training(build, data=digits, **QUICK)
    with pytest.raises(nb.NasbookError, match="served only by the final evaluation"):
        evaluator.data.test()


def test_a_child_is_trained_along_a_cosine_and_its_seed_decides_order_and_augmentation(digits, monkeypatch):
    seen = []

    def train_step(training, config, data, epoch):
        group = training.optimizer.param_groups[0]
        settings = group["lr"], group["momentum"], group["weight_decay"]
        seen.append((epoch, settings, training.sampler.next().tolist(), training.draws.initial_seed()))
        return torch.zeros(()), torch.zeros(())

    monkeypatch.setattr(children, "train_step", train_step)
    evaluator = Training(build, data=digits, **{**QUICK, "epochs": 3, "lr": 0.2, "lr_end": 0.02, "weight_decay": 0.01})
    for seed in (0, 0, 1):
        evaluator.judge(("4", "relu"), seed)
    one, same, other = np.split(np.array(seen, dtype=object), 3)
    assert one.tolist() == same.tolist() and one[0, 2] != other[0, 2] and one[0, 3] != other[0, 3]
    for epoch, settings, _, _ in one:
        wanted = 0.02 + 0.18 * (1 + np.cos(np.pi * epoch / 3)) / 2
        assert settings == pytest.approx((wanted, 0.9, 0.01))
    assert {epoch for epoch, *_ in one} == {0, 1, 2}


@pytest.mark.parametrize(("epochs", "last"), [(4, 1), (4, 3), (2, 5)])
def test_the_score_is_the_best_of_the_last_epochs(digits, monkeypatch, epochs, last):
    given = iter([0.9, 0.2, 0.6, 0.5])
    monkeypatch.setattr(children, "accuracy", lambda *_: next(given))
    monkeypatch.setattr(children, "train_step", lambda *_: (torch.zeros(()), torch.zeros(())))
    evaluator = Training(build, data=digits, best_of_last=last, **{**QUICK, "epochs": epochs})
    looks = min(last, epochs)
    assert evaluator.judge(("4", "relu"), 0).score == max([0.9, 0.2, 0.6, 0.5][:looks])
    assert len(list(given)) == 4 - looks


def test_a_child_that_diverges_fails(digits):
    spent = Ledger(Training(build, data=digits, **{**QUICK, "lr": 1e30, "clip": 1e30}))
    spent.evaluate([("4", "relu")])
    assert spent.rows[0].failure in ("its loss in epoch 1 is nan", "its loss in epoch 1 is inf")
    assert spent.rows[0].score == 0.0 and spent.rows[0].seconds > 0


def test_a_child_too_large_for_the_device_fails(digits, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(children, "train_step", full)
    spent = Ledger(Training(build, data=digits, **QUICK))
    spent.evaluate([("4", "relu")])
    assert spent.rows[0].failure == "it needs more memory than cpu has"


def test_a_search_trains_its_children(digits, tmp_path):
    run = trials.run(
        "random_search", space=SPACE, evaluator=Training(build, data=digits, **{**QUICK, "epochs": 1}), out=tmp_path,
        evaluations=4, seed=2,
    )  # fmt: skip
    described = run.config["evaluator"]
    assert described["build"].endswith("test_children.build") and described["data_checksum"] == digits.checksum
    assert run.manifest["device"].startswith("CPU")
    assert described["epochs"] == 1 and described["split"] == [0.45, 0.45, 0.1] and "seed" not in described
    assert run.found["score"] == run.evaluations["score"].max() > 0.1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"build": 3}, "function is 3"),
        ({"data": "digits"}, "data is a str"),
        ({"profile": "smok"}, "did you mean 'smoke'"),
        ({"epoch": 3}, "did you mean 'epochs'"),
        ({"seed": 3}, "a child's seed is that of its evaluation"),
        ({"split": (0.9, 0.9, 0.1)}, "fractions"),
        ({"best_of_last": 0}, "best_of_last is 0"),
        ({"batch_size": 5000}, "batch_size is 5000, and a child has 1,"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(digits, change, said):
    call = {"build": build, "data": digits, **QUICK, **change}
    with pytest.raises(nb.NasbookError, match=said):
        Training(call.pop("build"), **call)


# --- shared weights


class Super(nn.Module):
    """Two paths, a or b, with BatchNorm and dropout behind them."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.paths = nn.ModuleDict({name: nn.Conv2d(3, 6, 3) for name in "ab"})
        self.norm, self.drop, self.head = nn.BatchNorm2d(6), nn.Dropout(0.5), nn.Linear(6, 10)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)
        self.head.bias.data.zero_()

    def forward(self, images, architecture):
        return self.head(self.drop(self.norm(self.paths[architecture](images)).relu().amax(dim=(2, 3))))


def test_shared_weights_are_judged_by_batch_statistics_without_dropout_and_nothing_moves(digits):
    net = Super().train()
    net.head.eval()  # modes of parts are kept as they were found
    net.norm.running_mean += 5.0  # running statistics that would spoil the score
    before = {name: value.clone() for name, value in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    positions = torch.arange(100, 400)
    evaluator = SharedWeights(net, data=digits, positions=positions, batch_size=150)
    scores = evaluator.evaluate(["a", "b", "a"])
    assert scores[0] == scores[2] != scores[1]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert [module.training for module in net.modules()] == modes
    assert all(parameter.grad is None for parameter in net.parameters())
    right = 0
    mean, std = (torch.tensor(one).view(1, 3, 1, 1) * 255 for one in (digits.mean, digits.std))
    for chosen in positions.split(150):
        x = net.paths["a"]((digits.images[chosen].float() - mean) / std)
        x = (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
        x = x * net.norm.weight.view(1, -1, 1, 1) + net.norm.bias.view(1, -1, 1, 1)
        right += (net.head(x.relu().amax((2, 3))).argmax(1) == digits.labels[chosen]).sum().item()
    assert abs(scores[0] - right / 300) <= 1 / 300


def test_shared_weights_see_the_given_images_only(digits):
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = []

        def forward(self, images, architecture):
            self.seen.append(len(images))
            return torch.zeros(len(images), 10)

    net, zero = Counting(), digits.labels == 0
    positions = zero.nonzero()[:, 0][:30]
    assert SharedWeights(net, data=digits, positions=positions, batch_size=8).evaluate(["x"]).tolist() == [1.0]
    assert sum(net.seen) == 30 and max(net.seen) <= 8
    assert SharedWeights(net, data=digits, positions=(~zero).nonzero()[:, 0][:9]).evaluate(["x"]).tolist() == [0.0]


def test_shared_weights_refuse_no_image(digits):
    with pytest.raises(nb.NasbookError, match="at least one image"):
        SharedWeights(Super(), data=digits, positions=torch.arange(0))
    described = SharedWeights(Super(), data=digits, positions=torch.arange(9), name="mine").description()
    assert described["name"] == "mine" and described["images"] == 9 and described["data"] == "digits"
    assert np.isfinite(described["batch_size"])


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.9, True), (0.0, False)])
def test_the_momentum_of_a_child_is_nesterovs(digits, monkeypatch, momentum, nesterov):
    groups, step = [], children.train_step

    def watched(training, *rest):
        groups.append(training.optimizer.param_groups[0])
        return step(training, *rest)

    monkeypatch.setattr(children, "train_step", watched)
    Ledger(Training(build, data=digits, momentum=momentum, **QUICK | {"epochs": 1}), seed=1).evaluate([("4", "relu")])
    assert {(group["momentum"], group["nesterov"]) for group in groups} == {(momentum, nesterov)}
