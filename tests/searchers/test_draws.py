"""What the sampling methods draw: each kind of cell for itself, and nothing else from the same stream."""

from importlib import import_module

import numpy as np
import pytest
import torch
from scipy import stats
from tiny import begin

from nasbook.searchers import METHODS, msg_das

DRAWING = {
    "gdas": {},
    "gdas cell": {"sample_per": "cell"},
    "snas": {},
    "data": {"draws": 2},
    "msg_das": {},
    "rsws": {},
}


@pytest.mark.parametrize("variant", DRAWING)
def test_normal_and_reduction_cell_draw_independently(digits, variant):
    """The likeliest of three operations on an edge of the first cell of each kind, where all logits are zero."""
    method, rounds = variant.split()[0], 600
    three = ("skip_connect", "max_pool_3x3", "sep_conv_3x3")
    search = begin(method, digits, nodes=1, operations=three, alpha_deviation=0.0, **DRAWING[variant])
    together = np.zeros((3, 3))
    for _ in range(rounds):
        with torch.no_grad():
            drawn = import_module(METHODS[method]).paths(search)
        normal, reduce = (path.reshape(-1, 2, 3)[0].argmax(dim=-1) for path in drawn.values())
        np.add.at(together, (normal.numpy(), reduce.numpy()), 1)
    assert together.sum() == 2 * rounds and stats.chi2_contingency(together).pvalue > 1e-4


def test_blocks_of_skips_drop_from_a_stream_of_their_own(digits):
    """The sub-graphs that a seed draws do not depend on it; where nothing drops, nothing is drawn."""
    states = []
    for ratios in ((), (0.3,)):
        search = begin("msg_das", digits, subgraphs=8, drop_ratios=ratios)
        noise = search.noise.get_state()
        msg_das.weight_step(search, *search.batches["weights"])
        assert torch.equal(search.noise.get_state(), noise) == (not ratios)
        states.append(search.draws.get_state())
    assert torch.equal(*states)
