"""DARTS's architecture gradient: closed forms, brute force over the unrolled objective, and what may not change."""

import math

import pytest
import torch
from torch.nn import functional as F

from nasbook.base.errors import NasbookError
from nasbook.spaces import CellSupernet
from nasbook.training import architecture_gradient
from nasbook.training.numerics import batch_norms, frozen_statistics

DOUBLE = {"dtype": torch.float64}


def toy_train(weights, alphas):
    return (weights[0] - alphas[0]) ** 2


def toy_valid(weights, alphas):
    return alphas[0] * weights[0] - 2 * alphas[0] + 1


def toy(method="exact", **settings):
    alpha, weight = torch.tensor(2.0, **DOUBLE), torch.tensor(-2.0, **DOUBLE)
    (found,) = architecture_gradient(toy_train, toy_valid, [weight], [alpha], method=method, **settings)
    return float(found)


@pytest.mark.parametrize("method", ["exact", "finite-difference"])
@pytest.mark.parametrize(("xi", "gradient"), [(0.0, -4), (0.1, -2.8), (0.25, -1), (0.5, 2), (0.7, 4.4)])
def test_the_toy_has_the_gradient_of_its_closed_form(method, xi, gradient):
    assert toy(method, xi=xi) == pytest.approx(gradient, abs=1e-9)


def test_first_order_ignores_the_step():
    assert toy("first-order", xi=0.0) == toy("first-order", xi=0.5) == -4


@pytest.mark.parametrize("method", ["exact", "finite-difference"])
def test_momentum_and_decay_enter_the_virtual_step(method):
    w, a, xi, momentum, decay, buffer = -2.0, 2.0, 0.1, 0.9, 0.05, 3.0
    virtual = w - xi * (momentum * buffer + 2 * (w - a) + decay * w)
    # L_valid = alpha w' - 2 alpha + 1, dw'/dalpha = 2 xi
    right = virtual - 2 + a * 2 * xi
    velocity = [torch.tensor(buffer, **DOUBLE)]
    found = toy(method, xi=xi, momentum=momentum, velocity=velocity, weight_decay=decay)
    assert found == pytest.approx(right, abs=1e-9)
    missing = toy(method, xi=xi, momentum=momentum, velocity=[None], weight_decay=decay)
    assert missing == pytest.approx(right + xi * momentum * buffer, abs=1e-9)


@pytest.mark.parametrize(("xi", "point"), [(0.0, 2), (0.1, 5 / 3), (0.25, 4 / 3), (0.5, 1)])
def test_alternating_steps_settle_where_the_closed_form_says(xi, point):
    alpha, weight = torch.tensor(2.0, **DOUBLE), torch.tensor(-2.0, **DOUBLE)
    for _ in range(3000):
        alpha -= 0.05 * architecture_gradient(toy_train, toy_valid, [weight], [alpha], xi=xi)[0]
        weight -= 0.05 * 2 * (weight - alpha)
    assert (float(alpha), float(weight)) == pytest.approx((point, point), abs=1e-6)


class Small:
    """A super-net of three cells in float64 with smooth losses of (weights, alphas)."""

    def __init__(self, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.net = CellSupernet(4, 3, 3, nodes=2, seed=seed).double().train()
        self.names = [name for name, _ in self.net.named_parameters()]
        self.weights = [weight.detach().clone() for _, weight in self.net.named_parameters()]
        self.alphas = [0.5 * torch.randn(5, 8, generator=generator, **DOUBLE) for _ in range(2)]
        self.velocity = [0.1 * torch.randn(w.shape, generator=generator, **DOUBLE) for w in self.weights]
        self.batches = [
            (torch.randn(4, 3, 8, 8, generator=generator, **DOUBLE), torch.randint(3, (4,), generator=generator))
            for _ in range(2)
        ]

    def loss(self, batch):
        images, labels = self.batches[batch]

        def evaluate(weights, alphas):
            paths = dict(zip(("normal", "reduce"), (torch.softmax(alpha, dim=-1) for alpha in alphas)))
            state = dict(zip(self.names, weights))
            return F.cross_entropy(torch.func.functional_call(self.net, state, (images, paths)), labels)

        return evaluate

    def gradient(self, method="exact", **settings):
        with frozen_statistics(batch_norms(self.net)):
            found = architecture_gradient(
                self.loss(0), self.loss(1), self.weights, self.alphas, method=method, **settings
            )
        return torch.cat([one.flatten() for one in found])


SETTINGS = {"xi": 0.025, "momentum": 0.9, "weight_decay": 3e-4}


@pytest.fixture(scope="module")
def small():
    return Small()


def test_exact_equals_numerical_differentiation_of_the_unrolled_objective(small):
    found = small.gradient(velocity=small.velocity, **SETTINGS)

    def objective(alphas):
        weights = [w.clone().requires_grad_() for w in small.weights]
        slopes = torch.autograd.grad(small.loss(0)(weights, alphas), weights, materialize_grads=True, allow_unused=True)
        moved = [w - 0.025 * (0.9 * v + g + 3e-4 * w) for w, v, g in zip(weights, small.velocity, slopes)]
        with torch.no_grad():
            return float(small.loss(1)([m.detach() for m in moved], alphas))

    h = 1e-5
    generator = torch.Generator().manual_seed(1)
    with frozen_statistics(batch_norms(small.net)):
        for place in torch.randperm(len(found), generator=generator)[:12].tolist():
            sides = []
            for sign in (1, -1):
                alphas = [alpha.clone() for alpha in small.alphas]
                alphas[place // 40].view(-1)[place % 40] += sign * h
                sides.append(objective(alphas))
            assert (sides[0] - sides[1]) / (2 * h) == pytest.approx(float(found[place]), abs=1e-7)


def test_a_small_finite_difference_equals_the_exact_gradient(small):
    exact = small.gradient(velocity=small.velocity, **SETTINGS)
    close = small.gradient("finite-difference", radius=1e-6, velocity=small.velocity, **SETTINGS)
    assert float((exact - close).abs().max()) < 1e-6
    first = small.gradient("first-order", xi=0.0)
    # the comparison says something: the second-order gradient is another one
    assert float((exact - first).abs().max()) > 1e-3


def test_the_width_of_the_difference_comes_from_one_norm_over_all_weights():
    """Where L_train is alpha sum w^3 and L_valid is c . w, the difference is off by -xi (radius / |c|)^2 sum c^3."""
    weights = [torch.tensor([0.5, -1.0], **DOUBLE), torch.tensor([[2.0]], **DOUBLE)]
    ways = [torch.tensor([1.0, 2.0], **DOUBLE), torch.tensor([[2.0]], **DOUBLE)]  # |c| = 3, the sum of cubes is 17

    def train(weights, alphas):
        return alphas[0] * sum(w.pow(3).sum() for w in weights)

    def valid(weights, alphas):
        return sum((c * w).sum() for c, w in zip(ways, weights))

    found = {}
    for method in ("exact", "finite-difference"):
        (one,) = architecture_gradient(
            train, valid, weights, [torch.tensor(1.0, **DOUBLE)], xi=0.1, method=method, radius=0.6
        )
        found[method] = float(one)
    assert found["exact"] == pytest.approx(-0.1 * 3 * (0.25 * 1 + 1 * 2 + 4 * 2))
    assert found["finite-difference"] - found["exact"] == pytest.approx(-0.1 * (0.6 / 3) ** 2 * 17)


def test_nothing_passed_in_changes(small):
    before = [one.clone() for one in (*small.weights, *small.alphas, *small.net.state_dict().values())]
    for method in ("exact", "finite-difference", "first-order"):
        small.gradient(method, velocity=small.velocity, **SETTINGS)
    after = (*small.weights, *small.alphas, *small.net.state_dict().values())
    assert all(torch.equal(a, b) for a, b in zip(before, after))
    assert not any(one.requires_grad or one.grad is not None for one in (*small.weights, *small.alphas))
    assert all(parameter.grad is None for parameter in small.net.parameters())


def test_dropout_draws_the_same_masks_in_every_evaluation():
    """Other masks at the two ends of the difference would be divided by its tiny width."""
    generator = torch.Generator().manual_seed(0)
    weight, alpha = torch.randn(30, generator=generator, **DOUBLE), torch.randn(30, generator=generator, **DOUBLE)

    def train(weights, alphas):
        return (F.dropout(weights[0], 0.5) * torch.sin(alphas[0])).sum().square()

    def valid(weights, alphas):
        return (weights[0].square() * alphas[0].exp()).sum()

    found = {}
    for method in ("exact", "finite-difference"):
        torch.manual_seed(3)
        (found[method],) = architecture_gradient(train, valid, [weight], [alpha], xi=0.1, method=method, radius=1e-5)
        found[f"{method} next"] = torch.rand(1)
    assert torch.allclose(found["exact"], found["finite-difference"], rtol=1e-6, atol=1e-6)
    torch.manual_seed(3)
    torch.rand(30, **DOUBLE)
    following = [found["exact next"], found["finite-difference next"]]
    assert following[0] == following[1] != torch.rand(1, generator=torch.Generator().manual_seed(3))


def test_losses_that_do_not_depend_on_the_architecture_have_gradient_zero():
    alpha, weight = torch.zeros(3), torch.ones(2)
    for method in ("exact", "finite-difference", "first-order"):
        (found,) = architecture_gradient(
            lambda w, a: w[0].square().sum(), lambda w, a: w[0].sum(), [weight], [alpha], xi=0.1, method=method
        )
        assert torch.equal(found, alpha)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"method": "exakt"}, "did you mean 'exact'"),
        ({"xi": -1.0}, "xi is -1.0"),
        ({"xi": math.nan}, "xi is nan"),
        ({"radius": 0.0}, "radius is 0.0"),
        ({"radius": 1e-30, "method": "finite-difference"}, "moves no weight"),
        ({"xi": "1"}, "xi is '1'"),
        ({"xi": True}, "xi is True"),
        ({"momentum": math.inf}, "momentum is inf"),
        ({"velocity": [1.0]}, "a tensor or None"),
        ({"velocity": 5}, "velocity is 5"),
        ({"velocity": []}, "1 weights and 0 momentum buffers"),
        ({"velocity": [torch.ones(2)]}, "has the shape"),
    ],
)
def test_what_cannot_be_is_refused(change, said):
    with pytest.raises(NasbookError, match=said):
        toy(**({"xi": 0.1} | change))


def test_a_loss_that_is_no_scalar_is_refused():
    one = torch.ones(2)
    with pytest.raises(NasbookError, match="must return a scalar"):
        architecture_gradient(lambda w, a: w[0] * a[0], lambda w, a: w[0].sum(), [one], [one], xi=0.1)


@pytest.mark.parametrize("place", ["weights", "alphas"])
@pytest.mark.parametrize("given", [None, [], [1.0], [torch.ones(2, dtype=torch.int64)], 3])
def test_what_is_no_list_of_floating_tensors_is_refused(place, given):
    tensors = {"weights": [torch.ones(2)], "alphas": [torch.ones(2)]} | {place: given}
    with pytest.raises(NasbookError, match=f"{place} must be floating tensors"):
        architecture_gradient(toy_train, toy_valid, *tensors.values(), xi=0.1)


@pytest.mark.parametrize("method", ["exact", "finite-difference"])
def test_a_training_loss_that_uses_other_weights_is_refused(method):
    weight, alpha = torch.tensor(-2.0, **DOUBLE), torch.tensor(2.0, **DOUBLE)
    with pytest.raises(NasbookError, match="does not depend on the weights"):
        architecture_gradient(lambda w, a: (weight - a[0]) ** 2, toy_valid, [weight], [alpha], xi=0.1, method=method)


def test_it_works_without_gradients_around_it_and_with_an_iterator_of_weights():
    net, alpha = torch.nn.Linear(1, 1, bias=False).double(), torch.tensor([[2.0]], **DOUBLE)
    listed = architecture_gradient(toy_loss, toy_loss, list(net.parameters()), [alpha], xi=0.1)
    with torch.no_grad():
        found = architecture_gradient(toy_loss, toy_loss, net.parameters(), [alpha], xi=0.1)
    assert torch.equal(*listed, *found) and float(listed[0]) != 0
    with torch.inference_mode(), pytest.raises(NasbookError, match="inference_mode"):
        architecture_gradient(toy_loss, toy_loss, net.parameters(), [alpha], xi=0.1)


def toy_loss(weights, alphas):
    return ((weights[0] - alphas[0]) ** 2).sum()
