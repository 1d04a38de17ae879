"""The one scorer: how a network runs when it is judged, whoever asks."""

import pytest
import torch
from tiny import begin
from torch import nn
from torch.nn import functional as F

from nasbook.datasets.augment import normalize
from nasbook.datasets.splits import split
from nasbook.searchers.enas import PROFILES, Config, loop
from nasbook.spaces.darts import grouped
from nasbook.training import bilevel
from nasbook.training.scoring import score, taken
from nasbook.trials.evaluators import SharedWeights


class Net(nn.Module):
    """A convolution, BatchNorm, dropout and a classifier; it remembers what came in and what went out."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.head = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Linear(6, 10)
        self.drop = nn.Dropout(0.5)
        self.seen = []

    def forward(self, images):
        logits = self.head(self.drop(self.norm(self.conv(images)).relu().amax(dim=(2, 3))))
        self.seen.append((images, logits))
        return logits


def sizes(net):
    return [len(images) for images, _ in net.seen]


@pytest.mark.parametrize("by_batch", [False, True])
def test_the_accuracy_and_the_loss_are_those_by_hand(digits, by_batch):
    net, positions = Net().train(), torch.arange(50, 350)
    net.norm.running_mean += 0.3
    net.head.eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    part = taken(digits, positions)
    found = score(net, part, digits, by_batch=by_batch, batch=200)
    assert sizes(net) == ([150, 150] if by_batch else [200, 100])
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    assert [module.training for module in net.modules()] == modes
    net.eval()
    net.norm.train(by_batch)
    parts = torch.arange(300).split(150)
    x = normalize(part.images, digits.mean, digits.std)
    with torch.no_grad():
        logits = torch.cat([net(x[one]) for one in parts])
    assert found.right == int((logits.argmax(1) == part.labels).sum()) and found.images == 300
    assert found.accuracy == found.right / 300
    assert found.loss == pytest.approx(float(F.cross_entropy(logits, part.labels)), rel=1e-5)
    assert not net.seen[0][1].requires_grad


def test_precision_and_layout_are_those_asked_for(digits):
    net, part = Net(), taken(digits, torch.arange(64))
    for bfloat16, channels_last in ((True, False), (False, True)):
        net.seen.clear()
        score(net, part, digits, bfloat16=bfloat16, channels_last=channels_last)
        images, logits = net.seen[0]
        assert logits.dtype == (torch.bfloat16 if bfloat16 else torch.float32)
        assert images.is_contiguous() != channels_last
        assert images.is_contiguous(memory_format=torch.channels_last) == channels_last


def test_the_modes_come_back_after_an_error(digits):
    net = Net().train()
    with pytest.raises(RuntimeError):
        score(net, taken(digits, torch.arange(8)), digits, forward=lambda images: net.head(images), by_batch=True)
    assert all(module.training for module in net.modules()) and net.norm.track_running_stats


def test_a_search_cell_groups_its_operations_while_it_is_judged(digits, monkeypatch):
    """In evaluation mode it would not, and the bits would be others."""
    search, calls, original = begin("darts", digits), [], grouped.grouped_forward
    monkeypatch.setattr(grouped, "grouped_forward", lambda cell, *rest: calls.append(cell) or original(cell, *rest))
    paths = {kind: torch.full(alpha.shape, 1 / 8) for kind, alpha in search.alphas.items()}
    bilevel.supernet_accuracy(search, lambda: paths, torch.arange(64))
    assert len(calls) == search.config.cells


def test_an_evaluator_scores_shared_weights_as_the_reward_did(digits):
    """Precision and layout too: they decide the last bits, and on a GPU bfloat16 is the default."""
    settings = {"space": "edges", "layers": 1, "batch_size": 64, "bfloat16": True, "channels_last": False, "seed": 0}
    config = Config.make(dict(PROFILES["smoke"]) | settings)
    search = loop.begin(config, digits.without_test(), split(digits.labels, config.split, 0))
    positions, seen, forward = search.parts["selection"], [], search.net.forward

    def listening(images, cell):
        seen.append((images.is_contiguous(), forward(images, cell)))
        return seen[-1][1]

    search.net.forward = listening
    same = {"batch_size": 64, "bfloat16": config.bfloat16, "channels_last": config.channels_last}
    evaluator = SharedWeights(search.net, data=digits, positions=positions, **same)
    cell = list(search.space)[700]
    assert evaluator.evaluate([cell])[0] == loop.architecture_accuracy(search, cell, positions)
    half = len(seen) // 2
    assert half and all(torch.equal(a, b) and c == d for (c, a), (d, b) in zip(seen[:half], seen[half:]))
    assert seen[0][0] and seen[0][1].dtype == torch.bfloat16
    assert evaluator.description()["bfloat16"] is True
    assert "bfloat16" not in SharedWeights(search.net, data=digits, positions=positions).description()
