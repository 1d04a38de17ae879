"""Steps of GDAS: what runs, what learns, what stays untouched."""

import pytest
import torch
from tiny import TINY
from torch import nn

from nasbook.datasets.splits import split
from nasbook.searchers import gdas
from nasbook.training import bilevel, state
from nasbook.training.numerics import stream


def begin(digits, **overrides):
    config = gdas.Config.make(TINY | overrides)
    search = state.start(config, digits, split(digits.labels, config.split, config.seed))
    search.net.train()
    search.tau = 1.0
    return search


def batch(search, digits, part="weights"):
    return bilevel.next_batch(search, part)


def bits(tensors):
    return {name: t.detach().clone() for name, t in tensors}


def changed(before, tensors):
    return {name for name, t in tensors if not torch.equal(before[name], t)}


def drawn_operations(search):
    """The (cell, edge, operation) indices that the next forward will run."""
    state = search.draws.get_state()
    paths = gdas.paths(search)
    search.draws.set_state(state)
    return {
        (cell, edge, int(op))
        for cell, kind in enumerate(search.net.sequence)
        for edge, op in enumerate(paths[kind].argmax(-1))
    }


def operations(net):
    return {
        (c, e, o): op
        for c, cell in enumerate(net.cells)
        for e, edge in enumerate(cell.edges)
        for o, op in enumerate(edge)
    }


def test_each_forward_runs_one_operation_an_edge_14_a_cell(digits):
    search = begin(digits, nodes=4)
    calls = []
    for key, op in operations(search.net).items():
        op.register_forward_hook(lambda *_, key=key: calls.append(key))
    for step in (gdas.weight_step, gdas.architecture_step):
        calls.clear()
        expected = drawn_operations(search)
        step(search, *batch(search, digits))
        assert len(calls) == 14 * 3
        assert set(calls) == expected


def test_unsampled_operations_have_no_gradient_and_keep_their_bits(digits):
    search = begin(digits)
    for _ in range(3):
        images, labels = batch(search, digits)
        ran = drawn_operations(search)
        before = bits(search.net.named_parameters())
        gdas.weight_step(search, images, labels)
        for key, op in operations(search.net).items():
            for name, p in op.named_parameters():
                full = f"cells.{key[0]}.edges.{key[1]}.{key[2]}.{name}"
                if key in ran:
                    assert p.grad is not None and not torch.equal(before[full], p), full
                else:
                    assert p.grad is None and torch.equal(before[full], p), full


def test_a_weight_step_leaves_the_alphas_alone(digits):
    search = begin(digits)
    before = bits(search.alphas.items())
    gdas.weight_step(search, *batch(search, digits))
    assert not changed(before, search.alphas.items())
    assert all(alpha.grad is None for alpha in search.alphas.values())


def test_an_architecture_step_moves_alphas_only(digits):
    search = begin(digits)
    gdas.weight_step(search, *batch(search, digits))
    weights, buffers = bits(search.net.named_parameters()), bits(search.net.named_buffers())
    gradients = [p.grad if p.grad is None else p.grad.clone() for p in search.net.parameters()]
    before = bits(search.alphas.items())
    gdas.architecture_step(search, *batch(search, digits, "alphas"))
    assert changed(before, search.alphas.items()) == {"normal", "reduce"}
    assert not changed(weights, search.net.named_parameters())
    assert not changed(buffers, search.net.named_buffers()), "running statistics moved"
    for p, g in zip(search.net.parameters(), gradients):
        assert (p.grad is None) if g is None else torch.equal(p.grad, g)
    assert all(m.track_running_stats for m in search.net.modules() if isinstance(m, nn.BatchNorm2d))


def test_a_weight_step_does_move_running_statistics(digits):
    search = begin(digits)
    buffers = bits(search.net.named_buffers())
    gdas.weight_step(search, *batch(search, digits))
    assert any("running_mean" in name for name in changed(buffers, search.net.named_buffers()))


def test_the_optimizers_share_nothing_and_leave_nothing_out(digits):
    search = begin(digits)
    weights = {id(p) for group in search.weight_optimizer.param_groups for p in group["params"]}
    alphas = {id(p) for group in search.alpha_optimizer.param_groups for p in group["params"]}
    assert weights == {id(p) for p in search.net.parameters()}
    assert alphas == {id(a) for a in search.alphas.values()}
    assert not weights & alphas


def test_each_kind_of_cell_begins_at_logits_of_its_own(digits):
    search = begin(digits, nodes=4, alpha_mean=0.5, alpha_deviation=0.1)
    normal, reduce = (alpha.detach() for alpha in search.alphas.values())
    assert not torch.isclose(normal, reduce).any()
    for alpha in (normal, reduce):  # 112 numbers each
        assert abs(float(alpha.mean()) - 0.5) < 5 * 0.1 / 112**0.5 and 0.07 < float(alpha.std()) < 0.14


def test_no_two_purposes_share_a_stream(digits):
    """Architectures, images, disturbances and the order of each part are drawn from generators that differ."""
    search = begin(digits)
    generators = [search.draws, search.augmentation, search.noise, *(one.generator for one in search.samplers.values())]
    assert len({tuple(one.get_state().tolist()) for one in generators}) == len(generators) == 5


def test_a_batch_is_drawn_from_the_streams_of_order_and_images_alone(digits):
    search = begin(digits)
    states = [one.get_state() for one in (search.draws, search.noise, search.augmentation)]
    batch(search, digits)
    after = [one.get_state() for one in (search.draws, search.noise, search.augmentation)]
    assert [torch.equal(old, new) for old, new in zip(states, after)] == [True, True, False]


def test_alphas_that_a_draw_of_none_cuts_off_get_a_zero_gradient(digits, monkeypatch):
    """Where every edge of a later cell draws `none`, nothing before that cell reaches the loss."""
    search = begin(digits, nodes=1)
    nothing = torch.zeros(2, 8)
    nothing[:, 0] = 1

    def paths(search):
        return {kind: nothing + 0 * alpha for kind, alpha in search.alphas.items()}

    monkeypatch.setattr(gdas, "paths", paths)
    gdas.architecture_step(search, *batch(search, digits, "alphas"))
    for alpha in search.alphas.values():
        assert torch.equal(alpha.grad, torch.zeros(2, 8))


def test_the_optimizers_follow_the_config(digits):
    search = begin(digits, momentum=0.7, weight_decay=0.01, alpha_lr=0.5, alpha_betas=(0.3, 0.9), alpha_decay=0.02)
    weights, alphas = search.weight_optimizer.param_groups[0], search.alpha_optimizer.param_groups[0]
    assert (weights["momentum"], weights["weight_decay"], weights["nesterov"]) == (0.7, 0.01, False)
    assert (alphas["lr"], alphas["betas"], alphas["weight_decay"]) == (0.5, (0.3, 0.9), 0.02)


class Scale(nn.Module):
    """An operation whose output is a known multiple of its input."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def scaled_cell():
    """A one-node cell with operations x -> 2x, -x, 5x on both edges."""
    from nasbook.spaces.darts.cells import SearchCell

    cell = SearchCell(2, 1, ("skip_connect", "sep_conv_3x3", "dil_conv_3x3"), nodes=1).double()
    for edge in cell.edges:
        for op, factor in enumerate((2.0, -1.0, 5.0)):
            edge[op] = Scale(factor)
    return cell


def test_idle_operations_move_only_with_legacy_zero_gradients(digits):
    """Drawn once, then idle: with gradients None they rest; with zero gradients momentum and decay move them."""
    for legacy in (False, True):
        search = begin(digits, legacy_zero_grad=legacy)
        first = drawn_operations(search)
        gdas.weight_step(search, *batch(search, digits))
        second = drawn_operations(search)
        before = bits(search.net.named_parameters())
        gdas.weight_step(search, *batch(search, digits))
        moved = changed(before, search.net.named_parameters())
        idle = {f"cells.{c}.edges.{e}.{o}." for c, e, o in first - second}
        never = {f"cells.{c}.edges.{e}.{o}." for c, e, o in set(operations(search.net)) - first - second}
        weights = {n for n in before if n.startswith(tuple(idle))}
        assert weights and (weights <= moved if legacy else not weights & moved)
        assert not {n for n in moved if n.startswith(tuple(never))}


def test_the_gradient_of_the_weights_is_clipped_to_the_configs_norm(digits):
    for clip in (1e-3, 1e6):
        search = begin(digits, clip=clip)
        gdas.weight_step(search, *batch(search, digits))
        norm = torch.stack([p.grad.norm() for p in search.net.parameters() if p.grad is not None]).norm()
        assert (abs(float(norm) / clip - 1) < 1e-3) if clip < 1 else (1e-2 < float(norm) < clip)


@pytest.mark.parametrize("tau", [0.3, 1.0, 10.0])
def test_alpha_gradients_are_those_of_the_formula(tau):
    """dL/da_j = c_k h_k (delta_kj - h_j)/tau through the executed k; summed over k for full straight-through."""
    from nasbook.relaxations import samplers

    cell = scaled_cell()
    far, near = torch.randn(2, 3, 2, 4, 4, dtype=torch.float64, generator=stream(0, "x"))
    direction = torch.randn(3, 2, 4, 4, dtype=torch.float64, generator=stream(0, "d"))
    for seed in range(5):
        alpha = torch.randn(2, 3, dtype=torch.float64, generator=stream(seed, "a")).requires_grad_()
        h = samplers.one_hot(alpha, tau, generator=stream(seed, "g"))[0]
        noise = samplers.gumbel(alpha, stream(seed, "g"))
        soft = torch.softmax((alpha + noise) / tau, -1).detach()
        chosen = soft.argmax(-1).tolist()
        for active in ([[k] for k in chosen], [[0, 1, 2]] * 2):
            loss = (cell(far, near, h, active) * direction).sum()
            found = torch.autograd.grad(loss, alpha, retain_graph=True)[0]
            for edge, x in enumerate((far, near)):
                expected = torch.zeros(3, dtype=torch.float64)
                for k in active[edge]:
                    c = float((direction * cell.edges[edge][k](x)).sum())
                    unit = torch.eye(3, dtype=torch.float64)[k]
                    expected += c * soft[edge, k] * (unit - soft[edge]) / tau
                torch.testing.assert_close(found[edge], expected)


def test_the_full_estimator_runs_everything_and_gives_another_gradient(digits):
    moved = {}
    for estimator in ("executed", "full"):
        search = begin(digits, estimator=estimator)
        calls = []
        for op in operations(search.net).values():
            op.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        gdas.architecture_step(search, *batch(search, digits, "alphas"))
        moved[estimator] = search.alphas["normal"].grad.clone(), len(calls)
    assert moved["executed"][1] == 5 * 3 and moved["full"][1] == 5 * 3 * 8
    assert not torch.allclose(moved["executed"][0], moved["full"][0])


def test_weight_and_architecture_steps_draw_independently(digits):
    search = begin(digits)
    first, second = gdas.paths(search), gdas.paths(search)
    assert not torch.equal(first["normal"].round(), second["normal"].round())


def test_one_draw_for_each_cell_on_request(digits):
    search = begin(digits, cells=8, sample_per="cell", nodes=4)
    paths = gdas.paths(search)
    assert paths["normal"].shape == (6, 14, 8) and paths["reduce"].shape == (2, 14, 8)
    assert len({tuple(p.argmax(-1).tolist()) for p in paths["normal"]}) > 1
    gdas.architecture_step(search, *batch(search, digits, "alphas"))


def test_a_space_of_one_operation_is_a_plain_network(digits):
    search = begin(digits, operations=("skip_connect",))
    images, _ = batch(search, digits)
    paths = gdas.paths(search)
    assert all(torch.equal(p, torch.ones(5, 1)) for p in paths.values())
    torch.testing.assert_close(search.net(images, paths), search.net(images))


def test_evaluating_changes_nothing(digits):
    search = begin(digits)
    before = bits(search.net.state_dict().items())
    draws, augmentation = search.draws.get_state(), search.augmentation.get_state()
    bilevel.sampled_accuracy(gdas, search, 1)
    assert not changed(before, search.net.state_dict().items())
    assert torch.equal(draws, search.draws.get_state())
    assert torch.equal(augmentation, search.augmentation.get_state())


def test_the_evaluation_judges_every_selection_image_once_and_no_other(digits, monkeypatch):
    search, asked = begin(digits), []
    monkeypatch.setattr(bilevel, "supernet_accuracy", lambda search, paths, positions: asked.append(positions) or 0.5)
    assert bilevel.sampled_accuracy(gdas, search, 1) == 0.5
    assert torch.equal(asked[0].sort().values, search.parts["selection"])
