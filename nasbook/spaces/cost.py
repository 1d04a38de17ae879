"""What a network costs: parameters and multiply-adds, counted on shapes alone."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn

from nasbook.errors import NasbookError
from nasbook.spaces.networks import AuxiliaryHead


@dataclass(frozen=True)
class Cost:
    """``parameters``: weights without the auxiliary head. ``multiply_adds``: of convolutions and linear layers,
    for one image (published tables call them FLOPs)."""

    parameters: int
    multiply_adds: int

    def __str__(self) -> str:
        return f"{self.parameters:,} parameters, {self.multiply_adds:,} multiply-adds an image"


def cost(net: nn.Module, input_shape: tuple[int, int, int] = (3, 32, 32)) -> Cost:
    """Count ``net`` on one image of ``input_shape`` (channels, height, width).

    Runs a copy on PyTorch's meta device: shapes only, no arithmetic and no activation memory. A super-net counts
    with all its operations. Raises NasbookError if the network cannot take that shape.
    """
    if not isinstance(net, nn.Module):
        raise NasbookError(f"cost counts a network, and got a {type(net).__name__}: call genotype.network(...) first")
    shaped = isinstance(input_shape, tuple | list) and len(input_shape) == 3
    if not shaped or not all(isinstance(n, int) and n > 0 for n in input_shape):
        raise NasbookError(
            f"input_shape is {input_shape!r}; it must be three positive integers (channels, height, width)"
        )
    total = 0

    def count(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Linear):
            total += output.numel() * module.in_features
        else:
            total += output.numel() * module.weight[0].numel()

    blank = copy.deepcopy(net).to("meta").eval()
    for module in blank.modules():
        module._forward_hooks.clear()
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    try:
        with torch.no_grad():
            blank(torch.empty(1, *input_shape, device="meta"))
    except RuntimeError as error:
        raise NasbookError(f"the network cannot run on one image of shape {tuple(input_shape)}: {error}") from error
    return Cost(count_parameters(net), total)


def count_parameters(net: nn.Module) -> int:
    """Weights of ``net`` without its auxiliary head, as published tables count them."""
    heads = [module for module in net.modules() if isinstance(module, AuxiliaryHead)]
    aside = {id(p) for head in heads for p in head.parameters()}
    return sum(p.numel() for p in net.parameters() if id(p) not in aside)
