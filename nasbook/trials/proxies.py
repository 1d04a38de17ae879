"""Zero-cost proxies: what a network that was never trained says about itself, from one batch of images at most.

As evaluators of architectures: Abdelfattah, Mehrotra, Dudziak & Lane, "Zero-Cost Proxies for Lightweight NAS", ICLR
2021, arXiv 2101.08134, section 3.2, in the form of their released code. A score stands for the whole network: what the
pruning papers say of a weight is summed over the weights of convolutions and linear layers. Networks are judged in
evaluation mode, so that dropout draws nothing, and BatchNorm normalises by the batch.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Hashable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbook.base import checks
from nasbook.base.config import checked_seed
from nasbook.base.errors import NasbookError, one_of
from nasbook.datasets.augment import normalize
from nasbook.datasets.images import check_data
from nasbook.spaces.cost import cost, count_parameters
from nasbook.training.numerics import batch_norms, repeatable, stream
from nasbook.training.scoring import taken
from nasbook.trials.children import build_child
from nasbook.trials.evaluators import Function, function_name
from nasbook.trials.interface import ChildFailed, Evaluator, Outcome

if TYPE_CHECKING:
    from nasbook.datasets.images import ImageData

EPSILON = 1e-5
"""Added to the eigenvalues of :func:`jacob_cov`, as in its authors' code."""


def parameters(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The number of weights, without an auxiliary head."""
    return float(count_parameters(net))


def multiply_adds(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Those of convolutions and linear layers, for one image (3, H, W)."""
    return float(cost(net, tuple(images.shape[1:])).multiply_adds)


def grad_norm(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The norm of the gradient, layer by layer:

        sum over layers l of ||dL/dw_l||_2

    L is the mean cross-entropy of images (B, 3, H, W) with labels (B,).
    """
    return float(sum(slope.norm() for _, slope in loss_slopes(net, images, labels)))


def snip(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """How much the loss heeds the weights (Lee, Ajanthan & Torr, ICLR 2019, arXiv 1810.02340, equation 4, which divides
    by the sum that this is):

        sum of |w dL/dw|
    """
    return float(sum((weight * slope).abs().sum() for weight, slope in loss_slopes(net, images, labels)))


def synflow(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Synaptic flow (Tanaka, Kunin, Yamins & Ganguli, NeurIPS 2020, arXiv 2006.05467, equation 3):

        sum of w dR/dw,  R the sum of the logits of one image of ones, all parameters in absolute value

    In a net of linear layers and ReLUs this is, for each layer, the sum over all paths of the product of their weights.
    It sees no data, and computes in float64, because products over many layers leave float32. BatchNorm stands still,
    with the mean 0 and the variance 1 of a fresh net: if it normalised by the batch, R would not change with the scale
    of the weights before it, and by Euler's theorem each of these layers would have exactly 0. (The authors' released
    code evaluates in this mode; Abdelfattah et al. leave BatchNorm out, which differs by its factor (1 + 1e-5)^-1/2.)
    """
    flowing = copy.deepcopy(net).requires_grad_().double().eval()
    with torch.no_grad():
        for parameter in flowing.parameters():
            parameter.abs_()
    ones = torch.ones(1, *images.shape[1:], dtype=torch.float64, device=images.device)  # (1, 3, H, W)
    weights = layer_weights(flowing)
    flows = zip(weights, slopes(flowing(ones).sum(), weights))
    return float(sum((weight.detach() * slope).sum() for weight, slope in flows))


def jacob_cov(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """How differently the net answers to different images (Mellor, Turner, Storkey & Crowley, "Neural Architecture
    Search without Training", arXiv 2006.04647, version 1):

        J_b = d(sum of logits) / d image_b,  v = eigenvalues of the correlations between the rows of J,
        B / sum over b of (log(v_b + k) + 1 / (v_b + k)),  k = 1e-5

    The authors' score is minus that sum, which is never above -B; its reciprocal, in (0, 1], is in the same order, and
    no score here may be negative. 1 is reached where no two images are correlated. Raises ChildFailed if the logits of
    an image do not depend on it.
    """
    judged = by_batch(net)
    given = images.clone().requires_grad_()
    (jacobian,) = slopes(judged(given).sum(), [given])  # (B, 3, H, W)
    correlations = torch.corrcoef(jacobian.flatten(1).double())  # (B, 3, H, W) -> (B, 3HW) -> (B, B)
    if not correlations.isfinite().all():
        raise ChildFailed("its logits do not depend on the image, so that no correlation is defined")
    shifted = torch.linalg.eigvalsh(correlations) + EPSILON  # (B, B) -> (B,)
    return len(images) / float((shifted.log() + 1 / shifted).sum())


def loss_slopes(net: nn.Module, images: Tensor, labels: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Each layer's weight and dL/dw, of the same shape; gradients stop here."""
    judged = by_batch(net)
    weights = layer_weights(judged)
    found = slopes(F.cross_entropy(judged(images), labels), weights)
    return [(weight.detach(), slope) for weight, slope in zip(weights, found)]


def slopes(value: Tensor, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    """d ``value`` / d each of ``inputs``, in their shapes; 0 for those that it does not depend on."""
    return torch.autograd.grad(value, inputs, allow_unused=True, materialize_grads=True)


def by_batch(net: nn.Module) -> nn.Module:
    """A copy in evaluation mode, nothing frozen, whose BatchNorms normalise by the batch."""
    judged = copy.deepcopy(net).requires_grad_().eval()
    for norm in batch_norms(judged):
        norm.train()
    return judged


def layer_weights(net: nn.Module) -> list[Tensor]:
    """The weights of its convolutions and linear layers, without their biases."""
    return [layer.weight for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]


PROXIES: Mapping[str, Callable[[nn.Module, Tensor, Tensor], float]] = {
    proxy.__name__: proxy for proxy in (parameters, multiply_adds, grad_norm, snip, synflow, jacob_cov)
}
"""Name to proxy(net, images (B, 3, H, W), labels (B,)), a number that is not negative; the net stays as it is."""


class Proxy(Evaluator):
    """Judge each architecture by a number that its untrained network gives at once, one of :data:`PROXIES`.

    ``build(architecture, seed)`` makes the network with fresh weights, which the evaluation's seed decides. All are
    shown the same ``batch_size`` images of the training part of ``data``, drawn by ``seed``; the test part is not
    touched. A network that cannot be built, or of which the proxy is not defined or not finite, is a failed child.
    Raises NasbookError for an unknown proxy and for a batch of less than two or more than all images.
    """

    def __init__(
        self,
        name: str,
        build: Callable[[Hashable, int], nn.Module],
        *,
        data: ImageData,
        batch_size: int = 64,
        seed: int = 0,
    ) -> None:
        check_data(data)
        self.name, self.build = one_of(name, PROXIES, "proxy"), Function(build).function
        self.data, self.seed = data.without_test(), checked_seed(seed)
        self.batch_size = checks.whole(batch_size, "batch_size", 2)
        if self.batch_size > len(data):
            raise NasbookError(f"batch_size is {self.batch_size}, and {data.name} has {len(data):,} training images")

    @cached_property
    def batch(self) -> tuple[Tensor, Tensor]:
        """The images that all networks are shown, (B, 3, H, W) normalised, and their labels (B,)."""
        order = torch.randperm(len(self.data), generator=stream(self.seed, "proxy"))  # (N,)
        images, labels = taken(self.data, order[: self.batch_size])
        return normalize(images, self.data.mean, self.data.std), labels

    def judge(self, architecture: Hashable, seed: int) -> Outcome:
        """The proxy of a fresh network. Seconds are those of the clock."""
        begun = time.monotonic()
        try:
            # with one thread sums have one order; so the number does not depend on the machine's number of cores
            with repeatable(self.data.device, 1):
                net = build_child(self.build, architecture, seed, self.data, channels_last=False)
                score = PROXIES[self.name](net, *self.batch)
        except ChildFailed as failed:
            raise ChildFailed(str(failed), time.monotonic() - begun) from failed
        return Outcome(score, time.monotonic() - begun)

    def description(self) -> dict[str, Any]:
        """Which proxy, how a network is built, and which images it is shown."""
        named = {"kind": "proxy", "name": self.name, "build": function_name(self.build)}
        return {**named, **self.data.description(), "batch_size": self.batch_size, "batch_seed": self.seed}
