"""The steps of a one-shot search: along which gradient weights and alphas move, and what a step leaves alone.

The ``weight_step`` and ``architecture_step`` of a method with alphas end in one of these; ENAS has steps of its own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from nasbook.training.scoring import correct
from nasbook.training.state import Search


def descend_weights(search: Search, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """One step of the weight optimizer on the cross-entropy of ``logits`` (B, classes) and ``labels`` (B,).

    Returns (loss, number correct), detached scalars. Weights that took no part keep ``grad is None`` and are not
    touched, not even by decay or momentum.
    """
    loss = F.cross_entropy(logits.float(), labels)
    clear_weights(search)
    loss.backward()
    move_weights(search)
    return loss.detach(), correct(logits, labels)


def clear_weights(search: Search) -> None:
    """Forget the gradients of the weights: those that take no part next have none, or zero with the legacy setting."""
    search.weight_optimizer.zero_grad(set_to_none=not search.config.legacy_zero_grad)


def move_weights(search: Search) -> None:
    """One step of the weight optimizer along the gradients that are there, clipped to the config's norm."""
    torch.nn.utils.clip_grad_norm_(search.weight_optimizer.param_groups[0]["params"], search.config.clip)
    search.weight_optimizer.step()


def descend_alphas(
    search: Search, logits: Tensor, labels: Tensor, penalty: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The same for the architecture optimizer, on the cross-entropy plus the scalar ``penalty``.

    Only the gradients of the architecture are computed.
    """
    loss = F.cross_entropy(logits.float(), labels)
    total = loss if penalty is None else loss + penalty
    # A cell that drew only `none` cuts off what lies before it; cut-off alphas have gradient zero.
    move_alphas(search, torch.autograd.grad(total, search.architecture, allow_unused=True, materialize_grads=True))
    return loss.detach(), correct(logits, labels)


def descend_both(
    search: Search, logits: Tensor, labels: Tensor, penalty: Tensor, alpha_clip: float
) -> tuple[Tensor, Tensor]:
    """One step of both optimizers, by one backward pass, on the cross-entropy plus ``penalty``; the norm of the
    architecture's gradient is at most ``alpha_clip``. Takes and returns the same as :func:`descend_alphas`."""
    loss = F.cross_entropy(logits.float(), labels)
    clear_weights(search)
    search.alpha_optimizer.zero_grad(set_to_none=True)
    (loss + penalty).backward()
    torch.nn.utils.clip_grad_norm_(search.architecture, alpha_clip)
    step_alphas(search)
    move_weights(search)
    return loss.detach(), correct(logits, labels)


def back_propagate(
    objectives: Iterable[Callable[[], tuple[Tensor, Tensor, Tensor]]], inputs: Sequence[Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """Add the gradient of each objective, one after the other, to ``inputs`` (None: to all that it depends on).

    An objective gives what is minimised, the loss to report and the number correct, all scalars. Returns the means of
    the last two.
    """
    told = []
    for objective in objectives:
        total, *said = objective()
        total.backward(inputs=inputs)
        # gone before the next one is made: a pass into `inputs` alone frees the tensors on its way and no others
        del total
        told.append(said)
    losses, right = map(torch.stack, zip(*told))  # (K,) each
    return losses.mean(), right.float().mean()


def move_alphas_behind(search: Search, paths: Mapping[str, Tensor], leaves: Mapping[str, Tensor]) -> None:
    """One step of the architecture optimizer along the gradients that ``leaves``, detached ``paths``, have received.

    The sampler's small graph, from the alphas to the paths, is walked once.
    """
    # A cell that drew only `none` cuts off what lies before it; cut-off paths have gradient zero.
    slopes = [torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves.values()]
    move_alphas(search, torch.autograd.grad(list(paths.values()), search.architecture, slopes))


def move_alphas(search: Search, gradients: Sequence[Tensor]) -> None:
    """One step of the architecture optimizer along ``gradients``, one for each of ``search.architecture``."""
    for logits, gradient in zip(search.architecture, gradients, strict=True):
        logits.grad = gradient
    step_alphas(search)


def step_alphas(search: Search) -> None:
    """One step of the architecture optimizer along the gradients that are there, whose mean size enters the sums."""
    size = torch.cat([logits.grad.flatten() for logits in search.architecture]).abs().mean()
    search.totals["alpha gradient"] = search.totals.get("alpha gradient", 0) + size
    search.alpha_optimizer.step()
