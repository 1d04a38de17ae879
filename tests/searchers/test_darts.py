"""DARTS's second-order step in a search: what the gradient takes from the optimizer, and that it is the real step's."""

import copy

import pytest
import torch
from tiny import begin
from torch.nn import functional as F

import nasbook as nb
from nasbook.relaxations import samplers
from nasbook.searchers import darts
from nasbook.training.bilevel import next_batch
from nasbook.training.numerics import frozen_statistics


@pytest.fixture(scope="module")
def search():
    """A search in float64 with some steps behind it, so that there is momentum; decay is large enough to count."""
    search = begin("darts", nb.datasets.load("digits"), weight_decay=0.05, unrolling="exact")
    for _ in range(3):
        search.batches = {part: next_batch(search, part) for part in ("weights", "alphas")}
        darts.weight_step(search, *search.batches["weights"])
    search.weight_optimizer.param_groups[0]["lr"] = 0.04  # the step ahead is the present one, not the first
    search.net.double()
    search.batches = {part: (images.double(), labels) for part, (images, labels) in search.batches.items()}
    return search


def gradient(search, **how):
    with frozen_statistics(search.norms):
        found, said = darts.unrolled_gradient(search, search.batches["weights"], search.batches["alphas"], **how)
    return torch.cat([one.flatten() for one in found]), said


def loss_after_a_real_step(search, alphas):
    """L_valid once PyTorch's own SGD has taken a step at these alphas, from the search's momentum buffers."""
    net = copy.deepcopy(search.net)
    optimizer = torch.optim.SGD(net.parameters(), **{
        name: search.weight_optimizer.param_groups[0][name] for name in ("lr", "momentum", "weight_decay")
    })  # fmt: skip
    for weight, original in zip(net.parameters(), search.net.parameters()):
        buffer = search.weight_optimizer.state[original]["momentum_buffer"]
        optimizer.state[weight]["momentum_buffer"] = buffer.double().clone()
    blend = {kind: samplers.softmax(alpha)[0] for kind, alpha in zip(search.alphas, alphas)}
    with frozen_statistics([one for one in net.modules() if isinstance(one, torch.nn.BatchNorm2d)]):
        images, labels = search.batches["weights"]
        optimizer.zero_grad()
        F.cross_entropy(net(images, blend), labels).backward()
        optimizer.step()
        images, labels = search.batches["alphas"]
        with torch.no_grad():
            return float(F.cross_entropy(net(images, blend), labels))


def test_the_gradient_is_that_of_the_loss_after_the_step_that_sgd_would_take(search):
    found, (loss, right) = gradient(search)
    generator, h = torch.Generator().manual_seed(0), 1e-7  # with a wider step a ReLU changes sides
    alphas = [alpha.detach().double() for alpha in search.alphas.values()]
    for _ in range(3):
        way = [torch.randn(alpha.shape, generator=generator, dtype=torch.float64) for alpha in alphas]
        ends = [loss_after_a_real_step(search, [a + sign * h * w for a, w in zip(alphas, way)]) for sign in (1, -1)]
        along = float(found @ torch.cat([one.flatten() for one in way]))
        assert (ends[0] - ends[1]) / (2 * h) == pytest.approx(along, rel=1e-5, abs=1e-8)
    assert float(loss) == pytest.approx(loss_after_a_real_step(search, alphas), abs=1e-12)
    assert 0 <= int(right) <= len(search.batches["alphas"][1])


def test_the_settings_are_the_configs_unless_replaced(search):
    exact, _ = gradient(search)
    first, _ = gradient(search, method="first-order")
    close, _ = gradient(search, method="finite-difference", radius=1e-7)
    assert (close - exact).norm() < 1e-4 * (exact - first).norm()
    for change in ({"momentum": 0.0}, {"weight_decay": 0.0}, {"xi": 0.0}):
        assert (gradient(search, **change)[0] - exact).norm() > 1e-3 * exact.norm(), change
    torch.testing.assert_close(gradient(search, xi=0.0)[0], first)


def test_the_published_radius_is_rough_with_kinks_and_good_without(search, monkeypatch):
    """What chapter 11 tells of the published radius .01."""

    def error(radius):
        exact, first = gradient(search)[0], gradient(search, method="first-order")[0]
        published, _ = gradient(search, method="finite-difference", radius=radius)
        return float((published - exact).norm() / (exact - first).norm())

    assert error(0.01) > 0.02
    monkeypatch.setattr(F, "relu", lambda x, **_: F.softplus(x, beta=10))
    monkeypatch.setattr(
        F, "max_pool2d", lambda x, size, stride, padding, *_, **__: F.avg_pool2d(x, size, stride, padding)
    )
    assert error(0.001) < 0.02 * error(0.01)


def test_second_order_is_computed_in_full_precision_where_the_search_is_in_bfloat16():
    """A difference between weights that are .01 / |gradient| apart is below what bfloat16 tells apart."""
    found = []
    for bfloat16 in (False, True):
        search = begin("darts", nb.datasets.load("digits"), unrolling="finite-difference", bfloat16=bfloat16)
        found.append(gradient(search)[0])
        coarse = search.forward(search.batches["alphas"][0], darts.paths(search)).dtype
        assert coarse == (torch.bfloat16 if bfloat16 else torch.float32)
    assert torch.equal(*found)
