"""How sharp the validation loss is in the alphas: the sign by which DARTS's collapse can be seen coming.

Zela et al., "Understanding and Robustifying Differentiable Architecture Search", ICLR 2020, arXiv 1909.09656: the
largest eigenvalue of the Hessian of L_val with respect to alpha grows before the derived cell becomes worse, and a
search that stops when it has grown too much keeps the better cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from nasbook.relaxations import samplers
from nasbook.training.numerics import frozen_statistics
from nasbook.training.state import Search

WINDOW, RATIO = 5, 1.3
"""The published rule compares means over so many checks, and stops above this ratio."""


def largest_eigenvalue(search: Search, images: Tensor, labels: Tensor) -> float:
    """Of the Hessian of the loss on images (B, 3, H, W), labels (B,) in all alphas together, for the blend
    softmax(alpha); the weight decay on alphas joins it, as in the released code.

    Exact: a row of the Hessian for each alpha, of which a cell of edges has 18 or 30.
    """
    alphas = list(search.alphas.values())
    with frozen_statistics(search.norms):
        blend = {kind: samplers.softmax(alpha)[0] for kind, alpha in search.alphas.items()}  # (1, E, O) -> (E, O)
        loss = F.cross_entropy(search.forward(images, blend, execute="all").float(), labels)
        slopes = torch.autograd.grad(loss, alphas, create_graph=True)
        flat = torch.cat([slope.flatten() for slope in slopes])  # (P,)
        rows = [torch.autograd.grad(value, alphas, retain_graph=True) for value in flat]
    hessian = torch.stack([torch.cat([part.flatten() for part in row]) for row in rows]).double()  # (P, P)
    largest = torch.linalg.eigvalsh((hessian + hessian.T) / 2)[-1]  # (P, P) -> (P,) -> ()
    return float(largest) + search.config.alpha_decay


def stops_at(eigenvalues: Sequence[float], begin: int = 10) -> int | None:
    """The check, counted from 0, at which the released rule stops, or None; ``begin``: it looks from there on.

    It stops at check t when the mean over the last five checks is more than 1.3 times that of the five that ended four
    checks before. The cell to keep is that of the centre of the older mean, t - 6.
    """
    for check in range(max(begin, 2 * WINDOW - 2), len(eigenvalues)):
        newer, older = (np.mean(eigenvalues[end - WINDOW + 1 : end + 1]) for end in (check, check - WINDOW + 1))
        if newer > RATIO * older:
            return check
    return None
