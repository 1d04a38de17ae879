"""Relaxations against enumeration, closed forms and their laws. Seeds are fixed; p-limit 1e-4."""

import math

import pytest
import torch
from scipy import integrate, stats

import nasbook as nb
from nasbook import relaxations


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_softmax_is_softmax_with_a_temperature():
    alpha = torch.log(torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]))
    torch.testing.assert_close(relaxations.softmax(alpha), alpha.exp()[None])
    cold = relaxations.softmax(alpha, 0.5)[0]
    torch.testing.assert_close(cold[0], torch.tensor([0.25, 0.09, 0.04]) / 0.38)


def test_gumbel_max_law():
    for p, tau, seed in [((0.5, 0.3, 0.2), 10.0, 0), ((0.7, 0.1, 0.1, 0.1), 0.1, 1)]:
        alpha = torch.log(torch.tensor([p], dtype=torch.float64)).repeat(50_000, 1)
        drawn = relaxations.one_hot(alpha, tau, generator=generator(seed))[0].round()
        counts = drawn.sum(0)
        chi2 = float(((counts - 50_000 * torch.tensor(p)) ** 2 / (50_000 * torch.tensor(p))).sum())
        assert chi2 < stats.chi2.ppf(1 - 1e-4, len(p) - 1)


def test_the_law_does_not_depend_on_an_added_constant_or_on_tau():
    alpha = torch.randn(14, 8, generator=generator(1), dtype=torch.float64)
    draw = [
        relaxations.one_hot(a, tau, generator=generator(2))[0].argmax(-1)
        for a, tau in ((alpha, 1.0), (alpha + 3.0, 1.0), (alpha, 0.01), (alpha, 100.0))
    ]
    assert all(torch.equal(draw[0], other) for other in draw[1:])


def test_forward_is_exactly_one_hot():
    alpha = torch.randn(1000, 8, generator=generator(3), requires_grad=True)
    for tau in (10.0, 1.0, 0.1):
        h = relaxations.one_hot(alpha, tau, generator=generator(4))
        assert h.shape == (1, 1000, 8) and h.requires_grad
        assert int((h == 0).sum()) == 7000
        torch.testing.assert_close(h.sum(-1), torch.ones(1, 1000), rtol=0, atol=1e-6)


def test_soft_sample_has_the_same_argmax():
    """The straight-through gradient is that of the soft sample, whose largest entry is the chosen one."""
    alpha = torch.randn(1, 6, generator=generator(5), dtype=torch.float64, requires_grad=True)
    for tau in (0.2, 1.0, 5.0):
        noise = relaxations.gumbel(alpha, generator(6))
        soft = torch.softmax((alpha + noise) / tau, -1)
        hard = relaxations.one_hot(alpha, tau, generator=generator(6))[0]
        assert torch.equal(hard.argmax(-1), soft.argmax(-1))
        weights = torch.arange(6.0, dtype=torch.float64)
        a = torch.autograd.grad((hard * weights).sum(), alpha)[0]
        b = torch.autograd.grad((soft * weights).sum(), alpha)[0]
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(("tau", "expected"), [(1.0, 0.613706), (10.0, 0.517183)])
def test_the_mean_soft_sample_is_not_the_probability(tau, expected):
    """K = 2, logit difference log 2: the mean is k(k - 1 - ln k)/(k - 1)^2 at tau 1, by quadrature elsewhere."""

    def soft_times_density(x):
        return 1 / (1 + math.exp(-(math.log(2) + x) / tau)) * stats.logistic.pdf(x)

    exact = integrate.quad(soft_times_density, -40, 40)[0]
    assert exact == pytest.approx(expected, abs=1e-6)
    alpha = torch.tensor([[math.log(2.0), 0.0]], dtype=torch.float64).repeat(200_000, 1)
    noise = relaxations.gumbel(alpha, generator(7))
    sample = torch.softmax((alpha + noise) / tau, -1)[:, 0]
    assert abs(float(sample.mean()) - exact) < 4 * float(sample.std()) / math.sqrt(200_000)


@pytest.mark.parametrize(("tau", "expected"), [(1.0, 1 / 6), (10.0, 0.024799)])
def test_straight_through_gradient(tau, expected):
    """K = 2, alpha = 0, loss h_1: E[s(1 - s)]/tau in full, exactly half of it through executed operations only."""
    n = 200_000
    full = torch.zeros(n, 2, dtype=torch.float64, requires_grad=True)
    h = relaxations.one_hot(full, tau, generator=generator(8))[0]
    gradient = torch.autograd.grad(h[:, 0].sum(), full)[0][:, 0]
    assert abs(float(gradient.mean()) - expected) < 4 * float(gradient.std()) / math.sqrt(n) + 1e-6
    executed = torch.where(h.detach()[:, 0] > 0.5, gradient, torch.zeros_like(gradient))
    assert abs(float(executed.mean()) - expected / 2) < 4 * float(executed.std()) / math.sqrt(n) + 1e-6


def test_gradient_of_the_sum_is_zero_and_the_jacobian_is_the_softmaxs():
    alpha = torch.randn(3, 5, generator=generator(9), dtype=torch.float64, requires_grad=True)
    h = relaxations.one_hot(alpha, 0.7, generator=generator(10))
    total = torch.autograd.grad(h.sum(), alpha, retain_graph=True)[0]
    assert total.abs().max() < 1e-12
    soft = torch.softmax((alpha + relaxations.gumbel(alpha, generator(10))) / 0.7, -1)[0].detach()
    rows = torch.stack([torch.autograd.grad(h[0, 0, i], alpha, retain_graph=True)[0][0] for i in range(5)])
    torch.testing.assert_close(rows, (torch.diag(soft) - torch.outer(soft, soft)) / 0.7)


def test_jacobian_by_hand():
    alpha = torch.log(torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64)).requires_grad_()
    p = relaxations.softmax(alpha)[0, 0]
    rows = torch.stack([torch.autograd.grad(p[i], alpha, retain_graph=True)[0][0] for i in range(3)])
    expected = torch.tensor([[0.25, -0.15, -0.1], [-0.15, 0.21, -0.06], [-0.1, -0.06, 0.16]])
    torch.testing.assert_close(rows, expected.double())


def test_draws_come_from_the_generator_alone():
    alpha = torch.zeros(20, 4)
    state = torch.random.get_rng_state()
    a = relaxations.one_hot(alpha, 1.0, generator=generator(0))
    b = relaxations.one_hot(alpha, 1.0, generator=generator(0))
    c = relaxations.one_hot(alpha, 1.0, generator=generator(1))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not torch.equal(relaxations.one_hot(alpha, 1.0), relaxations.one_hot(alpha, 1.0))


def test_edges_draw_independently():
    h = relaxations.one_hot(torch.zeros(2, 2).repeat(10_000, 1), 1.0, generator=generator(11))[0].round()
    pairs = h[:, 0].reshape(-1, 2)
    joint = torch.tensor([[((pairs[:, 0] == i) & (pairs[:, 1] == j)).sum() for j in (0, 1)] for i in (0, 1)])
    assert stats.chi2_contingency(joint.numpy()).pvalue > 1e-4


def test_a_switched_off_operation_is_never_drawn():
    alpha = torch.tensor([[0.0, -math.inf, 0.0]]).repeat(1000, 1).requires_grad_()
    h = relaxations.one_hot(alpha, 1.0, generator=generator(12))
    assert float(h[..., 1].sum()) == 0
    gradient = torch.autograd.grad(h[..., 0].sum(), alpha)[0]
    assert torch.isfinite(gradient).all()


def test_noise_is_finite_even_where_the_exponential_underflows(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "exponential_", lambda self, generator=None: self.zero_())
    for dtype in (torch.float32, torch.float64):
        assert torch.isfinite(relaxations.gumbel(torch.zeros(2, 3, dtype=dtype), generator(13))).all()


@pytest.mark.parametrize(
    ("alpha", "tau", "said"),
    [
        (torch.zeros(3), 1.0, r"\(3,\)"),
        (torch.zeros(1, 2, 3), 1.0, r"\(1, 2, 3\)"),
        (torch.zeros(2, 3, dtype=torch.int64), 1.0, "int64"),
        ([[0.0, 1.0]], 1.0, "list"),
        (torch.zeros(2, 3), 0.0, "tau is 0.0"),
        (torch.zeros(2, 3), "1", "tau is '1'"),
        (torch.zeros(2, 3), float("nan"), "tau is nan"),
        (torch.tensor([[0.0, 0.0], [0.0, float("nan")]]), 1.0, "edge 1"),
        (torch.tensor([[0.0, float("inf")]]), 1.0, "edge 0"),
        (torch.tensor([[0.0, 0.0], [-float("inf"), -float("inf")]]), 1.0, "edge 1 .*finite logit"),
    ],
)
def test_bad_input_is_refused_at_the_door(alpha, tau, said):
    for relaxation in (relaxations.softmax, relaxations.one_hot):
        with pytest.raises(nb.NasbookError, match=said):
            relaxation(alpha, tau)
