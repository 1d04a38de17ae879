"""DropBlock on skip-connections: its law, whom it befalls and when, and the gradient that it weakens."""

import numpy as np
import pytest
import torch
from tiny import begin

from nasbook.searchers import msg_das
from nasbook.spaces.darts.cells import SearchCell
from nasbook.spaces.operations import drop_block
from nasbook.training import bilevel


def exact_kept(size, side, ratio):
    """The expected share of a size x size map that DropBlock keeps, pixel by pixel: (1 - gamma)^(blocks over it)."""
    gamma = ratio / side**2 * size**2 / (size - side + 1) ** 2
    starts = range(size - side + 1)
    over = [sum(start <= place < start + side for start in starts) for place in range(size)]
    return float(np.mean([[(1 - gamma) ** (a * b) for a in over] for b in over])), gamma


def test_drop_block_keeps_what_its_law_says():
    kept, gamma = exact_kept(8, 3, 0.1)
    assert gamma == pytest.approx(0.0197531, abs=1e-7) and (1 - gamma) ** 9 == pytest.approx(0.835640, abs=1e-6)
    assert exact_kept(32, 3, 0.1)[1] == pytest.approx(0.0126420, abs=1e-6)
    ones = torch.ones(2000, 8, 8, 8)
    share = drop_block(ones, 0.1, 3, torch.Generator().manual_seed(0)).mean(dim=(1, 2, 3))
    assert 0.9 <= kept < 0.91
    assert abs(float(share.mean()) - kept) < 5 * float(share.std()) / len(share) ** 0.5


def test_drop_block_zeroes_blocks_of_each_image_and_channel_and_scales_nothing():
    x = 1 + torch.rand(6, 5, 9, 7, generator=torch.Generator().manual_seed(1))
    y = drop_block(x, 0.15, 3, torch.Generator().manual_seed(2))
    gone = y == 0
    assert torch.equal(y[~gone], x[~gone]), "what is kept is kept as it is"
    whole = torch.nn.functional.avg_pool2d(gone.float(), 3, stride=1) == 1  # (6, 5, 7, 5): corners of full blocks
    covered = torch.nn.functional.max_pool2d(torch.nn.functional.pad(whole.float(), (2, 2, 2, 2)), 3, stride=1) == 1
    assert gone.any() and torch.equal(covered, gone), "every zero lies in a whole 3x3 block inside the map"
    masks = gone.flatten(2)
    assert not torch.equal(masks[0, 0], masks[1, 0]) and not torch.equal(masks[0, 0], masks[0, 1])


def test_drop_block_of_nothing_is_the_identity_and_a_large_block_covers_the_map():
    x = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    assert torch.equal(drop_block(x, 0.0, 3, torch.Generator().manual_seed(4)), x)
    y = drop_block(torch.ones(500, 4, 2, 2), 0.25, 3, torch.Generator().manual_seed(5)).flatten(2)
    assert set(y.sum(-1).unique().tolist()) == {0.0, 4.0}
    assert abs(float(y.mean()) - 0.75) < 5 * (0.75 * 0.25 / 2000) ** 0.5


@pytest.mark.parametrize("stride", [1, 2])
def test_the_expected_gradient_of_the_skip_shrinks_by_the_kept_fraction(stride):
    """In a cell, with a loss in which all pixels weigh alike; with DropBlock's usual rescaling it would be 1."""
    cell = SearchCell(2, stride, ("skip_connect", "none"), nodes=1)
    generator = torch.Generator().manual_seed(6)
    x = torch.rand(16, 2, 8 * stride, 8 * stride, generator=generator)
    weights = torch.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)

    def disturb(name, y):
        """Ones for the skip's output, so that its slope is the share that is kept."""
        return drop_block(torch.ones_like(y), 0.1, 3, generator) if name == "skip_connect" else y

    found = []
    for _ in range(100):
        y = cell(x, x, weights, [[0], [1]], disturb)
        found.append(float(torch.autograd.grad(y.mean(), weights)[0][0, 0]))
    kept, _ = exact_kept(8, 3, 0.1)
    error = 5 * np.std(found, ddof=1) / len(found) ** 0.5
    assert abs(np.mean(found) - kept) < error < 0.02


def test_drop_block_befalls_skips_alone_while_searching_alone(digits):
    search = begin("msg_das", digits, epoch=1)
    disturb = msg_das.dropped_skips(search)
    y = torch.ones(4, 4, 8, 8)
    for name in search.config.operations:
        assert torch.equal(disturb(name, y), y) == (name != "skip_connect")
    noise = search.noise.get_state()
    bilevel.sampled_accuracy(msg_das, search, 1)
    assert torch.equal(noise, search.noise.get_state()), "the evaluation dropped blocks"


def test_blocks_are_drawn_from_a_stream_of_their_own(digits):
    """The architectures that a seed draws do not depend on what DropBlock drops."""
    states = []
    for ratios in ((), (0.3,)):
        search = begin("msg_das", digits, epoch=1, drop_ratios=ratios)
        noise = search.noise.get_state()
        msg_das.weight_step(search, *search.batches["weights"])
        assert torch.equal(search.noise.get_state(), noise) == (not ratios)
        states.append(search.draws.get_state())
    assert torch.equal(*states)


def test_the_share_that_is_dropped_rises_in_four_steps():
    paper = msg_das.Config.make(msg_das.PROFILES["paper"])
    starts = {0: 0.0, 60: 0.05, 120: 0.1, 180: 0.15}
    found = [msg_das.drop_ratio(paper, epoch) for epoch in range(240)]
    assert found == [starts[epoch - epoch % 60] for epoch in range(240)]
    assert msg_das.drop_ratio(msg_das.Config.make({"drop_ratios": ()}), 5) == 0.0
    short = msg_das.Config.make({"epochs": 6})
    assert [msg_das.drop_ratio(short, epoch) for epoch in range(6)] == [0.0, 0.0, 0.05, 0.1, 0.1, 0.15]
