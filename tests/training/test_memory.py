"""The counter of what autograd keeps, on graphs whose bytes are counted by hand, and on the steps of three methods."""

import numpy as np
import pytest
import torch
from tiny import begin

from nasbook.searchers import darts, gdas, msg_das
from nasbook.training.memory import SavedBytes, peak_bytes

FLOAT = 4


def test_a_product_keeps_its_two_factors_until_it_is_gone():
    a, b = torch.ones(100, requires_grad=True), torch.ones(100, requires_grad=True)
    with SavedBytes() as saved:
        y = a * b
        assert saved.now == saved.peak == 200 * FLOAT
        del y
        assert (saved.now, saved.peak) == (0, 200 * FLOAT)


def test_a_backward_pass_frees_what_it_walked():
    a = torch.ones(100, requires_grad=True)
    with SavedBytes() as saved:
        for _ in range(3):
            (a * a).sum().backward()
            assert (saved.now, saved.peak) == (0, 100 * FLOAT)


def test_an_operation_that_keeps_its_own_output_is_counted_and_let_go():
    a = torch.zeros(100, requires_grad=True)
    with SavedBytes() as saved:
        y = a.exp()
        assert saved.now == 100 * FLOAT
        y.sum().backward()
        assert torch.equal(a.grad, torch.ones(100))
        del y
    assert saved.now == 0


def test_a_storage_counts_once_and_whole():
    a = torch.ones(100, requires_grad=True)
    x = torch.ones(1000)
    with SavedBytes() as saved:
        y = a * x[:100] + (a * x[100:200])
        assert saved.now == 1000 * FLOAT
        del y
    assert saved.now == 0


def test_what_was_there_before_does_not_count():
    a, b = torch.ones(100, requires_grad=True), torch.ones(100, requires_grad=True)
    with SavedBytes([a]) as saved:
        assert (a * b).requires_grad and saved.peak == 100 * FLOAT


def test_nothing_is_counted_outside_and_an_error_inside_passes():
    a = torch.ones(100, requires_grad=True)
    with pytest.raises(ZeroDivisionError), SavedBytes() as saved:
        raise ZeroDivisionError
    y = a * a
    assert saved.peak == 0 and y.requires_grad


def test_the_peak_of_some_work_leaves_out_the_nets_own_weights():
    net, x = torch.nn.Linear(10, 20, bias=False), torch.ones(3, 10, requires_grad=True)
    assert peak_bytes(lambda: net(x).exp().sum().backward(), net) == (30 + 60) * FLOAT
    assert peak_bytes(lambda: net(x).exp().sum().backward(), torch.nn.Identity()) == (30 + 60 + 200) * FLOAT


def peak(method, search, step):
    """The most bytes that autograd keeps in one step."""
    return peak_bytes(lambda: getattr(method, step)(search, *search.batches["weights"]), search.net)


@pytest.mark.parametrize("step", ["weight_step", "architecture_step"])
def test_the_memory_of_two_sub_graphs_is_that_of_one(digits, step):
    """Bytes that autograd keeps at the peak of a step, mean over 20 draws, with teacher and DropBlock running."""
    batch = {"batch_size": 8}
    ours, theirs = begin("msg_das", digits, epoch=1, **batch), begin("gdas", digits, **batch)
    dense = begin("darts", digits, unrolling="first-order", **batch)
    for cell in dense.net.cells:
        cell.grouped = False
    assert msg_das.guidance_weight(ours) > 0 and msg_das.dropped_skips(ours) is not None
    two = np.mean([peak(msg_das, ours, step) for _ in range(20)])
    one = np.mean([peak(gdas, theirs, step) for _ in range(20)])
    assert one <= two < 1.25 * one
    assert two < peak(darts, dense, step) / 4
