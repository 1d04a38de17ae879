"""What a network costs: parameters and multiply-adds, counted on shapes alone."""

import copy
from dataclasses import dataclass

import torch
from torch import nn

from nasbook.base.errors import NasbookError
from nasbook.spaces.darts.stacks import AuxiliaryHead
from nasbook.spaces.operations import POOLS


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
    return Cost(count_parameters(net), sum(_multiply_adds(net, input_shape).values()))


def operation_costs(net: nn.Module, resource: str, input_shape: tuple[int, int, int]) -> dict[str, torch.Tensor]:
    """What each candidate of a super-net would add to a derived network, summed over the cells of its kind.

    ``net``: a ``CellSupernet`` or an ``EdgePaths``. Returns cell kind to (E, O) float32; a one-hot path times its
    table is the cost of the cells' operations. ``resource`` "parameters" counts the derived network's, with the scale
    and shift of BatchNorm that a super-net lacks and without the BatchNorm behind its pools; "multiply_adds" those of
    convolutions on one image of ``input_shape``.
    """
    spent = _multiply_adds(net, input_shape) if resource == "multiply_adds" else {}
    tables = {}
    for name, module in net.named_modules():
        match name.split("."):
            case ["cells", *place, "edges", edge, op]:
                kind = net.sequence[int(place[0])]
                edges = net.get_submodule(".".join(["cells", *place, "edges"]))
                table = tables.setdefault(kind, torch.zeros(len(edges), len(net.operations)))
                if resource == "multiply_adds":
                    table[int(edge), int(op)] += sum(n for where, n in spent.items() if where.startswith(f"{name}."))
                else:
                    table[int(edge), int(op)] += _parameters_when_derived(net.operations[int(op)], module)
    return tables


def _parameters_when_derived(operation: str, module: nn.Module) -> int:
    norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    learned = 0 if operation in POOLS else sum(2 * norm.num_features for norm in norms)
    return sum(p.numel() for p in module.parameters()) + learned


def _multiply_adds(net: nn.Module, input_shape: tuple[int, int, int]) -> dict[str, int]:
    """Multiply-adds of each convolution and linear layer of ``net``, by its name, for one image."""
    found: dict[str, int] = {}

    def count(name: str, module: nn.Module, output: torch.Tensor) -> None:
        each = module.in_features if isinstance(module, nn.Linear) else module.weight[0].numel()
        found[name] = found.get(name, 0) + output.numel() * each

    blank = copy.deepcopy(net).to("meta").eval()
    for name, module in blank.named_modules():
        module._forward_hooks.clear()
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(lambda module, _, output, name=name: count(name, module, output))
    try:
        with torch.no_grad():
            blank(torch.empty(1, *input_shape, device="meta"))
    except RuntimeError as error:
        raise NasbookError(f"the network cannot run on one image of shape {tuple(input_shape)}: {error}") from error
    return found


def count_parameters(net: nn.Module) -> int:
    """Weights of ``net`` without its auxiliary head, as published tables count them."""
    heads = [module for module in net.modules() if isinstance(module, AuxiliaryHead)]
    aside = {id(p) for head in heads for p in head.parameters()}
    return sum(p.numel() for p in net.parameters() if id(p) not in aside)
