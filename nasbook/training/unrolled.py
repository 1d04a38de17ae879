"""The gradient of the validation loss in the architecture, through one virtual step of the weights.

DARTS (Liu et al., 2019, arXiv 1806.09055, equations 6 to 8):

    w' = w - xi (momentum v + grad_w L_train(w, alpha) + decay w)
    g  = grad_alpha L_valid(w', alpha) - xi grad2_{alpha, w} L_train(w, alpha) grad_{w'} L_valid(w', alpha)

The paper prints w' without momentum and decay; the released code has both, and so has this file. Neither
depends on alpha, so the second term keeps its form. Clipping, which a real step may have, is in neither.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from numbers import Real

import torch
from torch import Tensor

from nasbook.base.errors import NasbookError, one_of

Loss = Callable[[list[Tensor], list[Tensor]], Tensor]
METHODS = ("exact", "finite-difference", "first-order")


@torch.enable_grad()
def architecture_gradient(
    train_loss: Loss,
    valid_loss: Loss,
    weights: Sequence[Tensor],
    alphas: Sequence[Tensor],
    *,
    xi: float,
    momentum: float = 0.0,
    velocity: Sequence[Tensor | None] | None = None,
    weight_decay: float = 0.0,
    method: str = "exact",
    radius: float = 0.01,
) -> list[Tensor]:
    """One gradient for each of ``alphas``, of its shape, detached; nothing that was passed in is changed.

    ``train_loss`` and ``valid_loss`` map (weights, alphas), two lists of tensors, to a scalar. ``xi``: step of
    the virtual update, DARTS's learning rate. ``velocity``: SGD's momentum buffers, None (or None entries)
    where there are none yet.

    ``method`` "exact" differentiates through the virtual step (double backward). "finite-difference" is
    DARTS's: the second term by a central difference over ``radius`` / |grad_{w'} L_valid|, one norm over all
    weights; it costs two more gradients of the training loss and no second graph. "first-order" is
    grad_alpha L_valid(w, alpha), whatever ``xi``.

    Random numbers that ``train_loss`` takes from PyTorch's global generators, as dropout does, are the same
    in each of its evaluations. A BatchNorm inside the losses should be frozen by the caller.

    Raises NasbookError for an unknown method, a step or radius that is no such, weights, alphas and buffers that are
    none or do not fit, a loss that is no scalar, and a training loss that does not depend on the weights it is given.
    """
    one_of(method, METHODS, "method")
    weights, alphas = _tensors(weights, "weights"), _tensors(alphas, "alphas")
    velocity = [None] * len(weights) if velocity is None else velocity
    if not isinstance(velocity, Iterable):
        raise NasbookError(f"velocity is {velocity!r}; it must hold a tensor or None for each weight")
    velocity = list(velocity)
    _check(weights, velocity, xi, momentum, weight_decay, radius)
    alphas = [alpha.detach().requires_grad_() for alpha in alphas]
    weights = [weight.detach() for weight in weights]
    if method == "first-order":
        return _gradients(_scalar(valid_loss(weights, alphas)), alphas)
    with torch.no_grad():  # the part of the virtual step that does not depend on alpha
        constant = [weight_decay * w + (0 if v is None else momentum * v) for w, v in zip(weights, velocity)]
    weights = [weight.requires_grad_() for weight in weights]
    draws = _random_state()
    exact = method == "exact"
    loss = _scalar(train_loss(weights, alphas))
    slopes = _gradients(loss, weights, create_graph=exact, demanded=True)
    virtual = [w - xi * (g + c) for w, g, c in zip(weights, slopes, constant)]
    if exact:
        return _gradients(_scalar(valid_loss(virtual, alphas)), alphas)
    virtual = [w.detach().requires_grad_() for w in virtual]
    found = _gradients(_scalar(valid_loss(virtual, alphas)), [*alphas, *virtual])
    direct, direction = found[: len(alphas)], found[len(alphas) :]
    length = math.sqrt(sum(float(v.square().sum()) for v in direction))
    if length == 0 or xi == 0:
        return direct
    step = radius / length
    sides = []
    for sign in (1, -1):
        moved = [w.detach() + sign * step * v for w, v in zip(weights, direction)]
        if all(torch.equal(there, w) for there, w in zip(moved, weights)):
            raise NasbookError(f"radius is {radius!r}, which in {weights[0].dtype} moves no weight: enlarge it")
        with _replayed(draws):
            sides.append(_gradients(_scalar(train_loss(moved, alphas)), alphas))
    return [d - xi * (above - below) / (2 * step) for d, above, below in zip(direct, *sides)]


def _gradients(
    loss: Tensor, inputs: Sequence[Tensor], create_graph: bool = False, demanded: bool = False
) -> list[Tensor]:
    """Zeros for what the loss does not depend on, such as weights of operations that did not run.

    Raises NasbookError if a gradient is ``demanded`` and the loss depends on no input at all.
    """
    found = [None] * len(inputs)
    if loss.requires_grad:
        found = torch.autograd.grad(loss, inputs, create_graph=create_graph, allow_unused=True)
    if demanded and all(slope is None for slope in found):
        raise NasbookError("the training loss does not depend on the weights that it is given: has it used others?")
    return [torch.zeros_like(one) if slope is None else slope for one, slope in zip(inputs, found)]


def _scalar(loss: Tensor) -> Tensor:
    if not isinstance(loss, Tensor) or loss.dim():
        got = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise NasbookError(f"a loss returned {got}; it must return a scalar tensor")
    return loss


def _tensors(given: Sequence[Tensor], what: str) -> list[Tensor]:
    """``given`` as a list. Raises NasbookError unless it holds floating tensors, and at least one."""
    found = list(given) if isinstance(given, Iterable) else []
    if not found or not all(isinstance(one, Tensor) and one.is_floating_point() for one in found):
        raise NasbookError(f"{what} must be floating tensors in a list, one at least, such as list(net.parameters())")
    return found


def _check(
    weights: list[Tensor], velocity: list[Tensor | None], xi: float, momentum: float, decay: float, radius: float
) -> None:
    for name, value in (("xi", xi), ("momentum", momentum), ("weight_decay", decay)):
        if not _is_number(value) or value < 0:
            raise NasbookError(f"{name} is {value!r}; it must be a finite number of at least 0")
    if not _is_number(radius) or radius <= 0:
        raise NasbookError(f"radius is {radius!r}; it must be a finite number above 0")
    if torch.is_inference_mode_enabled():
        raise NasbookError("there are no gradients in torch.inference_mode(): leave it first")
    if len(velocity) != len(weights):
        raise NasbookError(f"there are {len(weights)} weights and {len(velocity)} momentum buffers: give one for each")
    if not all(isinstance(buffer, Tensor | None) for buffer in velocity):
        raise NasbookError("velocity must hold a tensor or None for each weight")
    for place, (weight, buffer) in enumerate(zip(weights, velocity)):
        if buffer is not None and buffer.shape != weight.shape:
            raise NasbookError(
                f"momentum buffer {place} has the shape {tuple(buffer.shape)}, its weight {tuple(weight.shape)}"
            )


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _random_state() -> list[Tensor]:
    """Of the CPU's and of each CUDA device's global generator."""
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else ())]


@contextmanager
def _replayed(state: Sequence[Tensor]) -> Iterator[None]:
    """Inside, random numbers begin again at ``state``; afterwards they go on as if nothing had been drawn."""
    with torch.random.fork_rng(devices=range(len(state) - 1)):
        torch.set_rng_state(state[0])
        for device, one in enumerate(state[1:]):
            torch.cuda.set_rng_state(one, device)
        yield
