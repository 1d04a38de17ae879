"""SNAS: the temperature, the penalty by counting, its pull to the cheap, one backward pass for both, drop-path."""

import math

import pytest
import torch
from tiny import begin

import nasbook as nb
from nasbook.relaxations import samplers
from nasbook.searchers import snas
from nasbook.spaces.cost import operation_costs
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.names import DARTS_OPERATIONS, cell_edges
from nasbook.training import bilevel


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_temperature_falls_linearly_from_1_to_three_hundredths():
    config = snas.Config.make({})
    assert snas.temperature(config, 0) == 1.0
    assert snas.temperature(config, 150) == pytest.approx(0.03)
    assert snas.temperature(config, 75) == pytest.approx(0.515)
    assert snas.temperature(config, 149) == pytest.approx(0.0364666667)


def test_paper_profile_is_the_published_protocol():
    config = snas.Config.make(snas.PROFILES["paper"])
    published = dict(epochs=150, batch_size=64, channels=16, cells=8, nodes=4, weight_lr=0.025, weight_lr_end=0.001,
                     weight_decay=3e-4, clip=5.0, alpha_lr=3e-4, alpha_betas=(0.5, 0.999), alpha_decay=1e-3,
                     alpha_mean=1.0, alpha_deviation=0.01, alpha_clip=10.0, drop_path=0.3, resource_weight=0.01,
                     order=("weights",))  # fmt: skip
    assert {name: getattr(config, name) for name in published} == published


def test_all_operations_run_and_learn_although_their_weights_round_to_zero(digits):
    """At the temperature of the last epochs a quarter of float32's softmax is exactly 0; SNAS is dense all the same."""
    search = begin("snas", digits, drop_path=0.0)
    search.tau = 0.03
    snas.weight_step(search, *search.batches["weights"])
    zeros = sum(int((path == 0).sum()) for path in snas.paths(search).values())
    assert zeros > 0 and search.totals["executed"] == 3 * 5 * 8
    assert all(weight.grad is not None for weight in search.net.parameters())


def test_a_soft_sample_becomes_one_hot_as_tau_falls(digits):
    search = begin("snas", digits)
    warm = snas.paths(search)["normal"]
    assert (warm > 0).all() and warm.shape == (5, 8)
    search.tau = 1e-4
    for path in snas.paths(search).values():
        assert torch.equal(path.detach().round(decimals=3).sort(dim=-1).values, torch.eye(8)[[7] * 5])


def test_the_mean_pathwise_gradient_is_that_of_the_mean_sample():
    """Two operations at tau 1: E[z_1] = k (k - 1 - ln k) / (k - 1)^2 with k = e^d, d the difference of the logits."""

    def mean(d):
        k = math.exp(d)
        return k * (k - 1 - d) / (k - 1) ** 2

    n, d = 200_000, math.log(2)
    alpha = torch.tensor([[d, 0.0]], dtype=torch.float64).repeat(n, 1).requires_grad_()
    z = samplers.concrete(alpha, 1.0, generator=generator())[0]
    (slopes,) = torch.autograd.grad(z[:, 0].sum(), alpha)
    found, error = slopes[:, 0].mean(), slopes[:, 0].std() / math.sqrt(n)
    assert abs(found - (mean(d + 1e-5) - mean(d - 1e-5)) / 2e-5) < 4 * error
    assert error < 5e-4


def one_hot_paths(seed):
    draws = generator(seed)
    return {kind: torch.eye(8)[torch.randint(8, (5,), generator=draws)] for kind in ("normal", "reduce")}


def genotype_of(paths):
    """Every edge with its operation, written down without the searcher's own rule."""
    cells = {}
    for kind, path in paths.items():
        nodes = {2: [], 3: []}
        for (node, source), op in zip(cell_edges(2), path.argmax(dim=-1).tolist()):
            nodes[node].append((DARTS_OPERATIONS[op], source))
        cells[kind] = tuple(map(tuple, nodes.values()))
    return Genotype(cells["normal"], reduce=cells["reduce"])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("resource", ["parameters", "multiply_adds"])
def test_the_penalty_of_a_one_hot_sample_is_the_count_of_its_network(digits, resource, seed):
    """Counted by nb.cost on the derived network, less the same network whose edges cost nothing."""
    search = begin("snas", digits, resource=resource)
    shape = tuple(digits.images.shape[1:])
    whole = sum(float(table.sum()) for table in operation_costs(search.net, resource, shape).values())
    paths = one_hot_paths(seed)

    def count(paths):
        return getattr(nb.cost(genotype_of(paths).network(4, 3, 10), input_shape=shape), resource)

    free = {kind: torch.eye(8)[[DARTS_OPERATIONS.index("none")] * 5] for kind in paths}
    assert float(snas.penalty(search, paths)) * whole == pytest.approx(count(paths) - count(free), rel=1e-6)
    assert count(paths) > count(free) == count({k: torch.eye(8)[[1] * 5] for k in paths})


def test_the_penalty_is_a_share_and_linear_in_the_sample(digits):
    search = begin("snas", digits)
    first, second = one_hot_paths(0), one_hot_paths(1)
    mixed = {kind: 0.25 * first[kind] + 0.75 * second[kind] for kind in first}
    assert float(snas.penalty(search, {kind: torch.ones(5, 8) for kind in first})) == pytest.approx(1)
    assert float(snas.penalty(search, {kind: torch.zeros(5, 8) for kind in first})) == 0
    ends = [float(snas.penalty(search, paths)) for paths in (first, second)]
    assert float(snas.penalty(search, mixed)) == pytest.approx(0.25 * ends[0] + 0.75 * ends[1])


def speechless(search, monkeypatch):
    """Make the logits the classifier's bias, whatever the sample: the loss says nothing about the architecture."""
    monkeypatch.setattr(search, "forward", lambda images, *_, **__: search.net.classifier.bias.expand(len(images), 10))


@pytest.mark.parametrize("resource", ["parameters", "multiply_adds"])
def test_with_a_constant_loss_every_edge_comes_to_its_cheapest_operation(digits, monkeypatch, resource):
    settings = {"alpha_lr": 0.05, "alpha_decay": 0.0, "resource_weight": 1.0, "resource": resource}
    search = begin("snas", digits, operations=("none", "sep_conv_5x5", "dil_conv_3x3"), **settings)
    speechless(search, monkeypatch)
    images, labels = search.batches["weights"]
    before = {kind: samplers.softmax(alpha.detach())[0] for kind, alpha in search.alphas.items()}
    for _ in range(150):
        snas.weight_step(search, images, labels)
    costs = operation_costs(search.net, resource, tuple(digits.images.shape[1:]))
    for kind, alpha in search.alphas.items():
        after = samplers.softmax(alpha.detach())[0]
        assert ((after * costs[kind]).sum(-1) < 0.5 * (before[kind] * costs[kind]).sum(-1)).all()
        assert torch.equal(after.argmax(-1), costs[kind].argmin(-1)) and (after.argmax(-1) == 0).all()


@pytest.mark.parametrize("weight", [0.0, 0.5, 2.0])
def test_the_penalty_joins_the_gradient_with_its_weight_and_not_the_loss_that_is_told(digits, monkeypatch, weight):
    search = begin("snas", digits, resource_weight=weight, alpha_clip=1e9)
    speechless(search, monkeypatch)
    state = search.draws.get_state()
    drawn = snas.paths(search)
    expected = torch.autograd.grad(weight * snas.penalty(search, drawn), list(search.alphas.values()))
    search.draws.set_state(state)
    images, labels = search.batches["weights"]
    told = torch.nn.functional.cross_entropy(search.net.classifier.bias.detach().expand(32, 10), labels)
    loss, _ = snas.weight_step(search, images, labels)
    torch.testing.assert_close(loss, told)
    for alpha, gradient in zip(search.alphas.values(), expected):
        torch.testing.assert_close(alpha.grad, gradient)


def test_one_backward_pass_moves_weights_and_alphas_alike(digits, monkeypatch):
    """Both gradients are those of one loss at one sample: compared with autograd on the same draw and weights."""
    search = begin("snas", digits, alpha_clip=1e9, clip=1e9, drop_path=0.0)
    images, labels = search.batches["weights"]
    parameters = dict(search.net.named_parameters())
    state = search.draws.get_state()
    drawn = snas.paths(search)
    loss = torch.nn.functional.cross_entropy(search.forward(images, drawn), labels)
    whole = loss + search.config.resource_weight * snas.penalty(search, drawn)
    expected = torch.autograd.grad(whole, [*search.alphas.values(), *parameters.values()])
    search.draws.set_state(state)
    calls, backward = [], torch.Tensor.backward
    monkeypatch.setattr(torch.Tensor, "backward", lambda self, *a, **k: calls.append(self) or backward(self, *a, **k))
    search.totals.clear()
    for parameter in (*search.alphas.values(), *parameters.values()):
        parameter.grad = torch.ones_like(parameter)  # of a step before, to be forgotten
    snas.weight_step(search, images, labels)
    assert len(calls) == 1 and search.totals["executed"] == 3 * 5 * 8
    for parameter, gradient in zip([*search.alphas.values(), *parameters.values()], expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_the_architectures_gradient_is_clipped_to_its_own_norm(digits):
    search = begin("snas", digits, alpha_clip=1e-4, clip=2e-3)
    snas.weight_step(search, *search.batches["weights"])
    norm = torch.nn.utils.get_total_norm
    assert float(norm([alpha.grad for alpha in search.alphas.values()])) == pytest.approx(1e-4, rel=1e-3)
    weights = [p.grad for p in search.net.parameters() if p.grad is not None]
    assert float(norm(weights)) == pytest.approx(2e-3, rel=1e-3)


def test_weights_and_alphas_move_by_what_clipping_leaves(digits):
    """With plain descent of rate 1 a first step is as long as the norm that is allowed."""
    search = begin("snas", digits, alpha_clip=1e-3, clip=2e-3)
    parts = {"alpha_optimizer": search.architecture, "weight_optimizer": list(search.net.parameters())}
    before = {name: [one.detach().clone() for one in part] for name, part in parts.items()}
    for name, part in parts.items():
        setattr(search, name, torch.optim.SGD(part, 1.0))
    snas.weight_step(search, *search.batches["weights"])
    for name, limit in (("alpha_optimizer", 1e-3), ("weight_optimizer", 2e-3)):
        went = [(one.detach() - old).double() for one, old in zip(parts[name], before[name])]
        assert float(torch.nn.utils.get_total_norm(went)) == pytest.approx(limit, rel=1e-3)


def test_there_is_no_held_out_part_for_the_architecture(digits):
    """Weights and alphas learn from the images of both training parts, never from those that are kept to select."""
    search = begin("snas", digits)
    (sampler,) = search.samplers.values()
    seen = torch.cat([sampler.next() for _ in range(2 * sampler.per_epoch)]).unique()
    assert not set(seen.tolist()) & set(search.parts["selection"].tolist())
    assert set(sampler.indices.tolist()) == {*search.parts["weights"].tolist(), *search.parts["alphas"].tolist()}
    assert set(search.batches) == {"weights"} == set(search.config.steps_in(0))
    with pytest.raises(KeyError):
        bilevel.next_batch(search, "alphas")


def test_drop_path_silences_operations_but_not_the_identity(digits):
    search = begin("snas", digits, drop_path=0.3)
    disturb = snas.dropped_paths(search)
    y = torch.full((20_000, 2, 3, 3), 7.0)
    assert disturb("skip_connect", y) is y
    out = disturb("sep_conv_3x3", y)
    kept = out[:, 0, 0, 0] != 0
    assert torch.equal(out, torch.where(kept[:, None, None, None], y * torch.tensor(1 / 0.7), 0.0))
    assert abs(float(kept.double().mean()) - 0.7) < 4 * math.sqrt(0.21 / 20_000)
    assert not torch.equal(disturb("max_pool_3x3", y) != 0, out != 0)


def test_drop_path_draws_from_a_stream_of_its_own(digits):
    """The architectures that a seed draws do not depend on it; where nothing drops, nothing disturbs."""
    states = []
    for ratio in (0.0, 0.3):
        search = begin("snas", digits, drop_path=ratio)
        noise = search.noise.get_state()
        assert (snas.dropped_paths(search) is None) == (ratio == 0)
        snas.weight_step(search, *search.batches["weights"])
        assert torch.equal(search.noise.get_state(), noise) == (ratio == 0)
        states.append(search.draws.get_state())
    assert torch.equal(*states)


def test_none_may_win_and_all_other_edges_stay(digits):
    search = begin("snas", digits)
    chosen = torch.tensor([0, 0, 3, 0, 4])
    for alpha in search.alphas.values():
        alpha.data = 5 * torch.eye(8)[chosen]
    genotype, margins = snas.derive(search)
    assert genotype.normal == genotype.reduce == ((("none", 0),), (("skip_connect", 0), ("sep_conv_3x3", 2)))
    assert len(margins) == 10 and (margins["margin"] > 0.8).all()


def test_a_space_in_which_nothing_costs_anything_has_no_penalty(digits):
    search = begin("snas", digits, fixed_reduction=True, operations=("none", "skip_connect"))
    drawn = snas.paths(search)
    assert snas.penalty(search, drawn).item() == 0.0
    snas.weight_step(search, *search.batches["weights"])
    assert all(torch.isfinite(alpha).all() for alpha in search.alphas.values())
