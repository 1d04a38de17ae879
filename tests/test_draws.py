"""What the sampling methods draw, each kind of cell for itself."""

from importlib import import_module

import numpy as np
import pytest
import torch
from scipy import stats
from tiny import begin

from nasbook.searchers import METHODS

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
