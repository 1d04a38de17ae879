"""The largest eigenvalue of the loss in the alphas, and the rule that stops a search by it."""

import numpy as np
import pytest
import torch
from tiny import begin
from torch.nn import functional as F

from nasbook.relaxations import samplers
from nasbook.training.curvature import largest_eigenvalue, stops_at
from nasbook.training.numerics import frozen_statistics


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_it_is_that_of_the_hessian_which_pytorch_computes(digits, decay):
    search = begin("darts", digits, space="edges", cells=1, alpha_decay=decay)
    images, labels = search.batches["alphas"]
    search.net.double()
    images = images.double()
    shape = search.alphas["normal"].shape
    alpha = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    search.alphas["normal"] = alpha.requires_grad_()
    before = {name: value.clone() for name, value in search.net.state_dict().items()}

    def loss(flat):
        return F.cross_entropy(search.forward(images, {"normal": samplers.softmax(flat.view(shape))[0]}), labels)

    with frozen_statistics(search.norms):
        hessian = torch.autograd.functional.hessian(loss, alpha.detach().flatten())
    expected = float(torch.linalg.eigvalsh(hessian)[-1]) + decay
    assert largest_eigenvalue(search, images, labels) == pytest.approx(expected, rel=1e-4)
    assert expected - decay > 1e-4, "there is a curvature to be found"
    assert all(torch.equal(before[name], value) for name, value in search.net.state_dict().items())
    assert search.alphas["normal"].grad is None


def test_both_kinds_of_cell_enter(digits, monkeypatch):
    search = begin("darts", digits)
    images, labels = search.batches["alphas"]
    both = largest_eigenvalue(search, images, labels)

    def alone(kind, fixed):
        alphas = begin("darts", digits).alphas
        forward, blend = search.forward, samplers.softmax(alphas[fixed])[0].detach()
        with monkeypatch.context() as patched:
            patched.setattr(search, "forward", lambda x, paths, **how: forward(x, {**paths, fixed: blend}, **how))
            patched.setattr(search, "alphas", {kind: alphas[kind]})
            return largest_eigenvalue(search, images, labels)

    # a principal submatrix has no larger eigenvalue
    assert both >= max(alone("normal", "reduce"), alone("reduce", "normal")) - 1e-6


def test_the_rule_on_a_sequence_by_hand():
    values = (1, 1, 1, 1, 1, 1, 1.2, 1.5, 1.9, 2.4, 3)
    assert stops_at(values, begin=0) == 8, "the mean of checks 4 to 8 is 1.32"
    assert stops_at(values[:8], begin=0) is None
    assert stops_at(values) == 10, "it looks from check 10 on"
    assert stops_at(np.ones(30)) is None and stops_at([]) is None
