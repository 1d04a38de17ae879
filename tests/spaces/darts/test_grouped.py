"""The grouped dense mixture against its oracle, the plain cell: outputs, gradients, statistics, and when it runs."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call

from nasbook.spaces.cost import cost
from nasbook.spaces.darts import grouped as quick
from nasbook.spaces.darts.grouped import GroupedCell
from nasbook.spaces.darts.networks import CellSupernet
from nasbook.spaces.names import CELL_OPERATIONS, DARTS_OPERATIONS
from nasbook.spaces.operations import FactorizedReduce
from nasbook.training.numerics import batch_norms, frozen_statistics

FORMATS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


def close(found, expected):
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def both(net, compute):
    """What ``compute(net)`` gives with plain and with grouped cells, and the statistics it leaves behind."""
    before = copy.deepcopy(net.state_dict())
    for grouped in (False, True):
        net.load_state_dict(before)
        for cell in net.modules():
            if isinstance(cell, GroupedCell):
                cell.grouped = grouped
        yield compute(net), [buffer.clone() for buffer in net.buffers()]


def compare_cells(operations, *, stride=1, nodes=2, size=(8, 8), layout="nchw", channels=4):
    torch.manual_seed(0)
    cell = GroupedCell(channels, stride, operations, nodes).double().to(memory_format=FORMATS[layout])
    inputs = torch.randn(2, 3, channels, *size, dtype=torch.float64)
    far, near = (x.contiguous(memory_format=FORMATS[layout]).requires_grad_() for x in inputs)
    weights = torch.randn(len(cell.ends), len(operations), dtype=torch.float64, requires_grad=True)
    every = [list(range(len(operations)))] * len(cell.ends)

    def compute(cell):
        y = cell(far, near, weights, every)
        wanted = [far, near, weights, *cell.parameters()]
        loss = (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)).sum()
        return y, *torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)

    (plain, statistics), (grouped, written) = both(cell, compute)
    close(grouped, plain)
    close(written, statistics)


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize("size", [(8, 8), (7, 9), (5, 6), (2, 3)])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_cell_equals_the_plain_one_at_every_size_and_stride(stride, size, layout):
    compare_cells(CELL_OPERATIONS, stride=stride, size=size, layout=layout)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("nodes", [1, 2, 3, 4])
def test_a_cell_equals_the_plain_one_with_any_number_of_nodes(nodes, stride):
    compare_cells(DARTS_OPERATIONS, stride=stride, nodes=nodes, channels=2)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", DARTS_OPERATIONS)
def test_each_operation_alone_and_twice(name, stride):
    compare_cells([name], stride=stride)
    compare_cells([name, name], stride=stride)


@pytest.mark.parametrize("seed", range(8))
def test_operations_in_any_number_and_order(seed):
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(DARTS_OPERATIONS), generator=generator).tolist()
    names = [DARTS_OPERATIONS[op] for op in order[: 2 + seed % 6]]
    compare_cells(names, stride=1 + seed % 2, size=(6, 5 + seed % 2))


class Warp(nn.Module):
    """An operation of the user's own, with a weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.7))

    def forward(self, x):
        return torch.tanh(self.weight * x)


class Scaled(nn.BatchNorm2d):
    pass


def test_operations_of_other_kinds_run_one_by_one(monkeypatch):
    from nasbook.spaces import operations

    def learned(C, stride, affine):
        return nn.Sequential(nn.ReLU(), nn.Conv2d(C, C, 1, stride), nn.BatchNorm2d(C, affine=True))

    def derived(C, stride, affine):
        return nn.Sequential(nn.ReLU(), nn.Conv2d(C, C, 1, stride, bias=False), Scaled(C, affine=False))

    own = {"warp": lambda *_: Warp(), "learned": learned, "derived": derived}
    monkeypatch.setattr(operations, "OPERATIONS", operations.OPERATIONS | own)
    compare_cells(["warp", "sep_conv_3x3", "none"])
    compare_cells(["learned", "derived", "skip_connect"], stride=2)


def test_an_operation_exchanged_on_one_edge_is_seen():
    torch.manual_seed(0)
    cell = GroupedCell(4, 1, ["sep_conv_3x3", "none"], 1).double()
    cell.edges[1][0], cell.edges[0][1] = Warp(), nn.Identity()
    far, near, weights = torch.randn(3, 4, 4, 4), torch.randn(3, 4, 4, 4), torch.rand(2, 2)
    args = (far.double(), near.double(), weights.double(), [[0, 1]] * 2)
    (plain, _), (grouped, _) = both(cell, lambda cell: [cell(*args)])
    close(grouped, plain)


@pytest.mark.parametrize("exchanged", [[0], [2], [0, 2], [0, 1, 2, 3]])
def test_a_reduction_that_does_not_rectify_is_not_taken_for_one_that_does(exchanged):
    """Edges 0 and 2 leave the farther input, 1 and 3 the nearer one: either of a group may be the other kind."""
    torch.manual_seed(0)
    cell = GroupedCell(4, 2, ["skip_connect"], 2).double()
    for edge in exchanged:
        cell.edges[edge][0] = FactorizedReduce(4, 4, affine=False, rectify=False).double()
    far, near, weights = torch.randn(3, 4, 6, 6), torch.randn(3, 4, 6, 6), torch.rand(5, 1)
    args = (far.double(), near.double(), weights.double(), [[0]] * 5)
    (plain, statistics), (grouped, written) = both(cell, lambda cell: [cell(*args)])
    close(grouped, plain)
    close(written, statistics)


@pytest.mark.parametrize("layer", ["", "0", "1", "norm"])
def test_operations_with_hooks_run_so_that_the_hooks_see_them(layer):
    torch.manual_seed(0)
    cell = GroupedCell(4, 2, DARTS_OPERATIONS, 2).double()
    x, weights = torch.randn(2, 4, 8, 8, dtype=torch.float64), torch.rand(5, 8, dtype=torch.float64)
    calls = []
    for edge in cell.edges:
        for operation in edge:
            hooked = dict(operation.named_children()).get(layer, operation)
            hooked.register_forward_hook(lambda *_: calls.append(1))
    (plain, _), (grouped, _) = both(cell, lambda cell: [cell(x, x, weights, [list(range(8))] * 5)])
    close(grouped, plain)
    assert len(calls) == 2 * 5 * 8


@pytest.mark.parametrize("name", ["max_pool_3x3", "sep_conv_3x3", "skip_connect"])
def test_a_batch_norm_in_evaluation_mode_is_used_as_it_is(name):
    torch.manual_seed(0)
    cell = GroupedCell(4, 2, [name], 1).double()
    for norm in batch_norms(cell):
        norm.eval()
    x = torch.randn(2, 4, 8, 8, dtype=torch.float64)
    (plain, _), (grouped, _) = both(cell, lambda cell: [cell(x, x, torch.ones(2, 1), [[0]] * 2)])
    close(grouped, plain)


def dense(net, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        kind: torch.randn(path.shape, generator=generator, dtype=torch.float64).requires_grad_()
        for kind, path in net.uniform_paths().items()
    }


@pytest.mark.parametrize("layout", FORMATS)
@pytest.mark.parametrize(("size", "fixed"), [(16, False), (13, False), (12, True)])
def test_a_supernet_equals_the_plain_one(size, fixed, layout):
    net = CellSupernet(4, 6, 10, nodes=2, fixed_reduction=fixed).double().to(memory_format=FORMATS[layout])
    x = torch.randn(4, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    alphas = dense(net)

    def compute(net):
        logits = net(x, {kind: alpha.softmax(dim=-1) for kind, alpha in alphas.items()})
        return logits, *torch.autograd.grad(logits.square().sum(), [*alphas.values(), *net.parameters()])

    (plain, statistics), (grouped, written) = both(net, compute)
    close(grouped, plain)
    close(written, statistics)


def test_hessian_vector_products_equal_the_plain_ones():
    """d/d(alpha, w) of grad_w L . v, on a normal and on reduction cells: what second-order DARTS needs."""
    net = CellSupernet(2, 3, 5, nodes=2).double()
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, 3, 8, 8, dtype=torch.float64, generator=generator)
    alphas, weights = dense(net), list(net.parameters())
    v = [torch.randn(w.shape, dtype=w.dtype, generator=generator) for w in weights]

    def compute(net):
        logits = net(x, {kind: alpha.softmax(dim=-1) for kind, alpha in alphas.items()})
        first = torch.autograd.grad(logits.logsumexp(dim=1).sum() - logits[:, 0].sum(), weights, create_graph=True)
        along = sum((g * direction).sum() for g, direction in zip(first, v))
        second = torch.autograd.grad(along, [*alphas.values(), *weights], allow_unused=True, materialize_grads=True)
        scale = max(float(h.detach().abs().max()) for h in second)
        assert scale > 1e-3
        return [h / scale for h in second]

    (plain, _), (grouped, _) = both(net, compute)
    close(grouped, plain)


def test_frozen_statistics_stay_and_single_ones_may_be_frozen():
    cell = GroupedCell(4, 2, DARTS_OPERATIONS, 2, grouped=True)
    every = (torch.rand(5, 8), [list(range(8))] * 5)
    before = copy.deepcopy(cell.state_dict())
    with frozen_statistics(batch_norms(cell)):
        cell(torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8), *every)
    assert all(torch.equal(value, before[name]) for name, value in cell.state_dict().items())
    with frozen_statistics(batch_norms(cell.edges[3])):
        cell(torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8), *every)
    after = cell.state_dict()
    moved = {name for name, buffer in cell.named_buffers() if not torch.equal(after[name], before[name])}
    assert moved == {name for name, _ in cell.named_buffers() if not name.startswith("edges.3.")}


def test_grouped_runs_where_all_operations_run_in_training_mode(monkeypatch):
    calls = []
    monkeypatch.setattr(quick, "grouped_forward", lambda cell, far, *_: calls.append(cell) or far.new_zeros(2, 8, 8, 8))
    cell = GroupedCell(4, 1, ["skip_connect", "sep_conv_3x3"], 2, grouped=True)
    x, weights = torch.randn(2, 4, 8, 8), torch.rand(5, 2)
    every, some = [[0, 1]] * 5, [[0, 1]] * 4 + [[1]]
    cell(x, x, weights, some)
    cell.eval()(x, x, weights, every)
    cell.train().grouped = False
    cell(x, x, weights, every)
    assert not calls
    cell.grouped = True
    cell(x, x, weights, every)
    assert len(calls) == 1
    assert not any(c.grouped for c in CellSupernet(4, 3, 10).cells)
    assert all(c.grouped for c in CellSupernet(4, 3, 10, grouped=True).cells)


def test_the_checkpoint_and_the_cost_are_those_of_the_plain_network():
    plain, grouped = CellSupernet(4, 3, 10), CellSupernet(4, 3, 10, grouped=True)
    assert list(plain.state_dict()) == list(grouped.state_dict())
    assert cost(plain) == cost(grouped)


def test_weights_that_functional_call_puts_in_are_used():
    net = CellSupernet(2, 3, 5, nodes=1).double()
    x = torch.randn(3, 3, 8, 8, dtype=torch.float64)
    other = {name: (2 * p).detach().requires_grad_() for name, p in net.named_parameters()}

    def compute(net):
        logits = functional_call(net, other, (x, dense(net)))
        return logits, *torch.autograd.grad(logits.square().sum(), list(other.values()))

    (plain, _), (grouped, _) = both(net, compute)
    close(grouped, plain)


def test_bfloat16_autocast_keeps_the_plain_dtype_and_stays_near():
    torch.manual_seed(0)
    cell = GroupedCell(8, 1, DARTS_OPERATIONS, 2)
    far, near, weights = *torch.randn(2, 4, 8, 8, 8).bfloat16(), torch.rand(5, 8)
    with torch.autocast("cpu", torch.bfloat16):
        (plain, _), (grouped, _) = both(cell, lambda cell: cell(far, near, weights, [list(range(8))] * 5))
    assert plain.dtype == grouped.dtype == torch.bfloat16
    assert (plain.float() - grouped.float()).norm() < 0.02 * plain.float().norm()


def test_a_network_in_half_precision_throughout_runs():
    net = CellSupernet(4, 3, 10, nodes=1, grouped=True).bfloat16()
    assert net(torch.randn(2, 3, 8, 8).bfloat16()).dtype == torch.bfloat16
