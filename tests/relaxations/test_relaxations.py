"""Relaxations against enumeration, closed forms and their laws. Seeds are fixed; p-limit 1e-4."""

import math

import pytest
import torch
from scipy import integrate, stats

import nasbook as nb
from nasbook.relaxations import samplers


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_softmax_is_softmax_with_a_temperature():
    alpha = torch.log(torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]))
    torch.testing.assert_close(samplers.softmax(alpha), alpha.exp()[None])
    cold = samplers.softmax(alpha, 0.5)[0]
    torch.testing.assert_close(cold[0], torch.tensor([0.25, 0.09, 0.04]) / 0.38)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("p", "tau", "seed"),
    [
        ((0.5, 0.3, 0.2), 10.0, 0),
        ((0.7, 0.1, 0.1, 0.1), 0.1, 1),
        ((0.37, 0.05, 0.3, 0.28), 1.0, 2),
        ((0.9, 0.1), 3.0, 3),
    ],
)
def test_gumbel_max_law(p, tau, seed, dtype):
    """Of every sampler: the largest weight of its first path, or of its only draw, is operation k's with p_k."""
    expected = 50_000 * torch.tensor(p)
    alpha = torch.log(torch.tensor([p], dtype=dtype)).repeat(50_000, 1) + 1.5
    drawn = samplers.one_hot(alpha, tau, generator=generator(seed))[0].argmax(-1)
    counts = drawn.bincount(minlength=len(p))
    assert float(((counts - expected) ** 2 / expected).sum()) < stats.chi2.ppf(1 - 1e-4, len(p) - 1)
    for others in (
        samplers.concrete(alpha, tau, generator=generator(seed)),
        samplers.ensemble(alpha, tau, draws=1, generator=generator(seed)),
        samplers.top_k(alpha, tau, k=2, generator=generator(seed)),
    ):
        assert torch.equal(others[0].argmax(-1), drawn)


def test_the_law_does_not_depend_on_an_added_constant_or_on_tau():
    alpha = torch.randn(14, 8, generator=generator(1), dtype=torch.float64)
    draw = [
        samplers.one_hot(a, tau, generator=generator(2))[0].argmax(-1)
        for a, tau in ((alpha, 1.0), (alpha + 3.0, 1.0), (alpha, 0.01), (alpha, 100.0))
    ]
    assert all(torch.equal(draw[0], other) for other in draw[1:])


SAMPLERS = {
    "concrete": samplers.concrete,
    "one_hot": samplers.one_hot,
    "ensemble": lambda alpha, tau, generator=None: samplers.ensemble(alpha, tau, draws=3, generator=generator),
    "top_k": lambda alpha, tau, generator=None: samplers.top_k(alpha, tau, k=2, generator=generator),
}
every_sampler = pytest.mark.parametrize("sample", SAMPLERS.values(), ids=SAMPLERS)


def test_forward_is_exactly_one_hot():
    alpha = torch.randn(1000, 8, generator=generator(3), requires_grad=True)
    for tau in (10.0, 1.0, 0.1, 1e-6):
        h = samplers.one_hot(alpha, tau, generator=generator(4))
        assert h.shape == (1, 1000, 8) and h.requires_grad
        assert int((h == 0).sum()) == 7000 and int((h == 1).sum()) == 1000
        assert torch.equal(h.sum(-1), torch.ones(1, 1000))


def test_soft_sample_has_the_same_argmax():
    """The straight-through gradient is that of the soft sample, whose largest entry is the chosen one."""
    alpha = torch.randn(1, 6, generator=generator(5), dtype=torch.float64, requires_grad=True)
    for tau in (0.2, 1.0, 5.0):
        noise = samplers.gumbel(alpha, generator(6))
        soft = torch.softmax((alpha + noise) / tau, -1)
        hard = samplers.one_hot(alpha, tau, generator=generator(6))[0]
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
    sample = samplers.concrete(alpha, tau, generator=generator(7))[0, :, 0]
    assert abs(float(sample.mean()) - exact) < 4 * float(sample.std()) / math.sqrt(200_000)


@pytest.mark.parametrize(("tau", "expected"), [(1.0, 1 / 6), (10.0, 0.024799)])
def test_straight_through_gradient(tau, expected):
    """K = 2, alpha = 0, loss h_1: E[s(1 - s)]/tau in full, exactly half of it through executed operations only.

    SNAS's pathwise gradient is the same number, and there it is the true gradient of the mean weight.
    """
    n = 200_000
    full = torch.zeros(n, 2, dtype=torch.float64, requires_grad=True)
    h = samplers.one_hot(full, tau, generator=generator(8))[0]
    gradient = torch.autograd.grad(h[:, 0].sum(), full)[0][:, 0]
    assert abs(float(gradient.mean()) - expected) < 4 * float(gradient.std()) / math.sqrt(n) + 1e-6
    executed = torch.where(h.detach()[:, 0] > 0.5, gradient, torch.zeros_like(gradient))
    assert abs(float(executed.mean()) - expected / 2) < 4 * float(executed.std()) / math.sqrt(n) + 1e-6
    z = samplers.concrete(full, tau, generator=generator(8))[0]
    torch.testing.assert_close(torch.autograd.grad(z[:, 0].sum(), full)[0][:, 0], gradient)


def test_gradient_of_the_sum_is_zero_and_the_jacobian_is_the_softmaxs():
    alpha = torch.randn(3, 5, generator=generator(9), dtype=torch.float64, requires_grad=True)
    h = samplers.one_hot(alpha, 0.7, generator=generator(10))
    total = torch.autograd.grad(h.sum(), alpha, retain_graph=True)[0]
    assert total.abs().max() < 1e-12
    soft = torch.softmax((alpha + samplers.gumbel(alpha, generator(10))) / 0.7, -1)[0].detach()
    rows = torch.stack([torch.autograd.grad(h[0, 0, i], alpha, retain_graph=True)[0][0] for i in range(5)])
    torch.testing.assert_close(rows, (torch.diag(soft) - torch.outer(soft, soft)) / 0.7)


def test_jacobian_by_hand(monkeypatch):
    """Without noise each soft sample is p = (.5, .3, .2), and top_k's second path has (.6, .4) left."""
    monkeypatch.setattr(samplers, "gumbel", lambda alpha, generator: torch.zeros_like(alpha))
    alpha = torch.log(torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64)).requires_grad_()
    first = torch.tensor([[0.25, -0.15, -0.1], [-0.15, 0.21, -0.06], [-0.1, -0.06, 0.16]]).double()
    second = torch.tensor([[0, 0, 0], [0, 0.24, -0.24], [0, -0.24, 0.24]]).double()
    k_paths = samplers.top_k(alpha, 1.0, k=2)
    for path, expected in (
        (samplers.softmax(alpha)[0], first),
        (samplers.concrete(alpha, 1.0)[0], first),
        (samplers.one_hot(alpha, 1.0)[0], first),
        (samplers.ensemble(alpha, 1.0, draws=4)[0], first),
        (k_paths[0], first),
        (k_paths[1], second),
    ):
        rows = [torch.autograd.grad(weight, alpha, retain_graph=True)[0][0] for weight in path[0]]
        torch.testing.assert_close(torch.stack(rows), expected)


def test_concrete_is_the_softmax_of_the_noisy_logits():
    alpha = torch.randn(5, 7, generator=generator(7), dtype=torch.float64, requires_grad=True)
    noise = samplers.gumbel(alpha, generator(8))
    for tau in (0.3, 1.0, 8.0):
        z = samplers.concrete(alpha, tau, generator=generator(8))
        assert z.shape == (1, 5, 7)
        torch.testing.assert_close(z[0], torch.softmax((alpha + noise) / tau, -1))
    cold = samplers.concrete(alpha, 1e-9, generator=generator(8))
    assert torch.equal(cold, samplers.one_hot(alpha, 1.0, generator=generator(8)))


@every_sampler
def test_draws_come_from_the_generator_alone(sample):
    alpha = torch.zeros(20, 4)
    state = torch.random.get_rng_state()
    drawing = generator(0)
    a, after = sample(alpha, 1.0, generator=drawing), sample(alpha, 1.0, generator=drawing)
    b = sample(alpha, 1.0, generator=generator(0))
    c = sample(alpha, 1.0, generator=generator(1))
    assert torch.equal(a, b) and not torch.equal(a, c) and not torch.equal(a, after)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not torch.equal(sample(alpha, 1.0), sample(alpha, 1.0))


@every_sampler
def test_edges_draw_independently(sample):
    h = sample(torch.zeros(2, 3).repeat(10_000, 1), 1.0, generator=generator(11))[-1]
    pairs = (h[:, 0] > 0.4).reshape(-1, 2)
    joint = torch.tensor([[((pairs[:, 0] == i) & (pairs[:, 1] == j)).sum() for j in (0, 1)] for i in (0, 1)])
    assert stats.chi2_contingency(joint.numpy()).pvalue > 1e-4


@every_sampler
@pytest.mark.parametrize("off", [-math.inf, torch.finfo(torch.float32).min])
def test_a_switched_off_operation_is_never_drawn(sample, off):
    alpha = torch.tensor([[0.0, off, 0.0]]).repeat(1000, 1).requires_grad_()
    for tau in (1.0, 0.1, 1e-6):
        h = sample(alpha, tau, generator=generator(12))
        assert float(h[..., 1].detach().abs().max()) == 0
        assert torch.isfinite(torch.autograd.grad(h[..., 0].sum(), alpha)[0]).all()


@every_sampler
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_samples_keep_the_dtype_and_ask_for_gradients_as_alpha_does(sample, dtype):
    for wants in (False, True):
        alpha = torch.randn(1, 2, generator=generator(13)).to(dtype).requires_grad_(wants)
        h = sample(alpha, 0.5, generator=generator(14))
        assert h.dtype == dtype and h.requires_grad == wants and h.shape[1:] == (1, 2)


@every_sampler
def test_equal_scores_are_told_apart(sample, monkeypatch):
    monkeypatch.setattr(samplers, "gumbel", lambda alpha, generator: torch.zeros_like(alpha))
    h = sample(torch.zeros(5, 4, requires_grad=True), 1.0)
    assert torch.equal(h.sum(-1), torch.ones(len(h), 5)) and torch.isfinite(h).all()


def test_noise_is_finite_even_where_the_exponential_underflows(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "exponential_", lambda self, generator=None: self.zero_())
    for dtype in (torch.float32, torch.float64):
        assert torch.isfinite(samplers.gumbel(torch.zeros(2, 3, dtype=dtype), generator(13))).all()


@pytest.mark.parametrize(
    ("alpha", "tau", "said"),
    [
        (torch.zeros(3), 1.0, r"\(3,\)"),
        (torch.zeros(1, 2, 3), 1.0, r"\(1, 2, 3\)"),
        (torch.zeros(2, 3, dtype=torch.int64), 1.0, "int64"),
        ([[0.0, 1.0]], 1.0, "list"),
        (torch.zeros(2, 3), 0.0, "tau is 0.0"),
        (torch.zeros(2, 3), float("nan"), "tau is nan"),
        (torch.zeros(2, 3), float("inf"), "tau is inf"),
        (torch.tensor([[0.0, 0.0], [0.0, float("nan")]]), 1.0, "edge 1"),
        (torch.tensor([[0.0, float("inf")]]), 1.0, "edge 0"),
        (torch.tensor([[0.0, 0.0], [-float("inf"), -float("inf")]]), 1.0, "edge 1 .*finite logit"),
    ],
)
def test_bad_input_is_refused_at_the_door(alpha, tau, said):
    for relaxation in (samplers.softmax, *SAMPLERS.values()):
        with pytest.raises(nb.NasbookError, match=said):
            relaxation(alpha, tau)


@pytest.mark.parametrize("code", [None, 0, (0.0,), "ab"])
def test_what_is_no_code_is_refused(code):
    with pytest.raises(nb.NasbookError, match="distinct operations"):
        samplers.code_probability([0.5, 0.5], code, 2)
