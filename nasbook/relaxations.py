"""Relaxations: from architecture parameters to paths, the one function in which one-shot methods differ.

    alpha (E, O): logits of O operations on each of E edges   ->   paths (P, E, O): P paths of weights

Pure functions. A super-net runs an operation only where its weight is not zero, so a dense relaxation costs O
times what a one-hot relaxation costs. Noise comes from the generator that is passed in and is drawn once a call.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nasbook.errors import NasbookError


def softmax(alpha: Tensor, tau: float = 1.0) -> Tensor:
    """Every operation with its probability: softmax(alpha / tau), (E, O) -> (1, E, O).

    DARTS (Liu et al., 2019, arXiv 1806.09055, equation 2), there with tau = 1.
    Raises NasbookError unless alpha is a floating (E, O) tensor without NaN and tau is positive.
    """
    _check(alpha, tau)
    return torch.softmax(alpha / tau, dim=-1).unsqueeze(0)  # (E, O) -> (1, E, O)


def one_hot(alpha: Tensor, tau: float, *, generator: torch.Generator | None = None) -> Tensor:
    """One operation an edge, drawn by the Gumbel-max trick, with a straight-through gradient: (E, O) -> (1, E, O).

    Forward: the one-hot vector of argmax(alpha + g), g = Gumbel(0, 1); zeros are exactly 0. Its law is
    softmax(alpha) at every tau. Backward: the gradient of softmax((alpha + g) / tau).
    GDAS (Dong & Yang, 2019, arXiv 1910.04465, equations 5 to 7).
    Raises NasbookError unless alpha is a floating (E, O) tensor without NaN and tau is positive.
    """
    _check(alpha, tau)
    noisy = alpha + gumbel(alpha, generator)
    soft = torch.softmax(noisy / tau, dim=-1)
    chosen = noisy.detach().argmax(dim=-1, keepdim=True)  # (E, O) -> (E, 1)
    hard = torch.zeros_like(soft).scatter_(-1, chosen, 1.0)
    return (hard - soft.detach() + soft).unsqueeze(0)  # (E, O) -> (1, E, O)


def gumbel(alpha: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Standard Gumbel noise of alpha's shape: -log E with E ~ Exponential(1), finite always.

    Drawn on the generator's device, so that the stream does not depend on where alpha lies.
    """
    device = alpha.device if generator is None else generator.device
    exponential = torch.empty(alpha.shape, dtype=alpha.dtype, device=device).exponential_(generator=generator)
    return -exponential.clamp_min_(torch.finfo(alpha.dtype).tiny).log_().to(alpha.device)


def _check(alpha: Tensor, tau: float) -> None:
    if not isinstance(alpha, Tensor) or alpha.dim() != 2 or not alpha.is_floating_point() or 0 in alpha.shape:
        got = f"{tuple(alpha.shape)} of {alpha.dtype}" if isinstance(alpha, Tensor) else type(alpha).__name__
        raise NasbookError(f"alpha is {got}; it must be a floating tensor of shape (edges, operations)")
    if isinstance(tau, str) or not tau > 0:
        raise NasbookError(f"tau is {tau!r}; a temperature must be a positive number")
    logits = alpha.detach()
    bad = (~(logits < float("inf"))).any(dim=-1)  # NaN or +inf; -inf switches an operation off
    bad |= ~(logits > -float("inf")).any(dim=-1)  # (E, O) -> (E,)
    if bad.any():
        edge = int(bad.to(torch.uint8).argmax())
        raise NasbookError(
            f"alpha of edge {edge} is {alpha[edge].tolist()}; each edge needs a finite logit and may hold "
            "neither NaN nor +inf"
        )
