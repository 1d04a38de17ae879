"""From a sentence to a network: the compilation rules of Zoph & Le, 2017, arXiv 1611.01578, section 3.3.

A layer that reads several others gets them side by side in depth, the smaller ones padded with zeros to the largest.
A layer that reads nothing gets the image. What nobody reads goes to the classifier.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.spaces.darts.stacks import check_training_memory
from nasbook.spaces.layers.skip_layers import SkipStack
from nasbook.spaces.operations import convolution


class SkipNetwork(nn.Module):
    """The network of ``stack``: convolution without bias, BatchNorm and ReLU in each layer.

    Then the mean over all pixels of the loose ends and a linear classifier. ``pools`` are layers whose output is
    halved by a 2x2 max-pooling. ``seed`` of the initial weights. Where the paper does not say how: a convolution
    keeps the size but for its stride (rounded up), and padding is shared between both sides, right and below
    getting the odd pixel. Raises NasbookError for what is no stack, and a pool that is no layer.
    """

    def __init__(
        self, stack: SkipStack, channels: int = 3, classes: int = 10, pools: Sequence[int] = (), *, seed: int = 0
    ) -> None:
        super().__init__()
        if not isinstance(stack, SkipStack):
            raise NasbookError(f"the network needs a SkipStack, not {stack!r}")
        for value, name, least in ((channels, "channels", 1), (classes, "classes", 2)):
            checks.whole(value, name, least)
        strays = set(pools) - set(range(1, len(stack.layers) + 1))
        if strays:
            raise NasbookError(f"pools has {min(strays)}; the layers are 1 to {len(stack.layers)}")
        self.stack, self.pools = stack, frozenset(pools)
        self.layers = nn.ModuleList()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            for layer in stack.layers:
                read = sum(stack.layers[number - 1].filters for number in layer.inputs) or channels
                height, width = layer.filter
                check_training_memory(read * layer.filters * height * width, 1, f"the layer {layer}")
                first = convolution(read, layer.filters, layer.filter, layer.stride)
                self.layers.append(nn.Sequential(first, nn.BatchNorm2d(layer.filters), nn.ReLU()))
            self.classifier = nn.Linear(sum(stack.layers[number - 1].filters for number in stack.loose_ends), classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, C, H, W)."""
        outputs: dict[int, Tensor] = {}
        for number, (layer, module) in enumerate(zip(self.stack.layers, self.layers), 1):
            found = module(side_by_side([outputs[one] for one in layer.inputs]) if layer.inputs else x)
            outputs[number] = F.max_pool2d(found, 2, ceil_mode=True) if number in self.pools else found
        features = side_by_side([outputs[number] for number in self.stack.loose_ends])
        return self.classifier(features.mean(dim=(2, 3)))  # (B, F, H, W) -> (B, F) -> (B, classes)


def side_by_side(images: Sequence[Tensor]) -> Tensor:
    """(B, C_i, H_i, W_i) each to (B, sum C_i, max H, max W): padded with zeros to the largest, joined in depth."""
    height, width = (max(image.shape[side] for image in images) for side in (2, 3))
    padded = []
    for image in images:
        down, right = height - image.shape[2], width - image.shape[3]
        padded.append(F.pad(image, (right // 2, right - right // 2, down // 2, down - down // 2)))
    return torch.cat(padded, dim=1)


def build(stack: SkipStack, seed: int) -> SkipNetwork:
    """The network of ``stack`` for colour images of ten classes: what the evaluator ``Training`` asks for."""
    return SkipNetwork(stack, seed=seed)
