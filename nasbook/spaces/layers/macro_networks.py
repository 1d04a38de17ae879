"""ENAS's macro networks: the one that shares its weights among all arcs, and the one of a single arc.

Pham et al., 2018, arXiv 1802.03268, section 2.3. A layer runs its operation on the layer before; what it skips to is
added in the shared network, as in the released code, and joined in depth by a 1x1 convolution in the final one. After
one and two thirds of the layers all outputs that are still wanted are halved in size.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.spaces.darts.cells import Disturbance
from nasbook.spaces.darts.stacks import check_training_memory
from nasbook.spaces.layers.macro_layers import MACRO_OPERATIONS, MacroArc
from nasbook.spaces.operations import FactorizedReduce, conv


def macro_pools(layers: int) -> tuple[int, int]:
    """The layers, from 0, behind which sizes are halved."""
    third = layers // 3
    return third - 1, 2 * third - 1


def _normal(module: nn.Module, channels: int, epsilon: float = 1e-5) -> list[nn.Module]:
    return [module, nn.BatchNorm2d(channels, eps=epsilon), nn.ReLU()]


def shared_branch(name: str, channels: int) -> nn.Sequential:
    """An operation of the shared network: a 1x1 convolution, then the operation, C channels to C.

    The BatchNorm behind the operation has the epsilon 1e-3 and all others 1e-5, as in the released code.
    """
    first = _normal(nn.Conv2d(channels, channels, 1, bias=False), channels)
    if name.endswith("pool_3x3"):
        pool = nn.MaxPool2d(3, 1, 1) if name.startswith("max") else nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        return nn.Sequential(*first, pool)
    return nn.Sequential(*first, *_normal(_convolution(name, channels), channels, 1e-3))


def _convolution(name: str, channels: int) -> nn.Module:
    side = int(name[-1])
    if not name.startswith("sep"):
        return nn.Conv2d(channels, channels, side, padding=side // 2, bias=False)
    return nn.Sequential(
        nn.Conv2d(channels, channels, side, padding=side // 2, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
    )


class _MacroStack(nn.Module):
    """What both networks share: stem, reductions, classifier; a kind brings ``layer(number, x, skipped)``."""

    def __init__(
        self,
        make_layer: Callable[[int, int], nn.Module],
        channels: int,
        layers: int,
        classes: int,
        *,
        grow: int,
        seed: int,
    ) -> None:
        super().__init__()
        for name, value, least in (("channels", channels, 2), ("layers", layers, 3), ("classes", classes, 2)):
            checks.whole(value, name, least)
        if channels % 2:
            raise NasbookError(f"channels is {channels}; reductions halve it: try {channels + 1}")
        # A layer has its operation behind a 1x1 convolution, and is halved twice, once for each reduction.
        network = f"a network of {channels} channels, {layers} layers and {classes} classes"
        check_training_memory(4 * layers * channels**2 + channels * classes, 4 * layers, network)
        self.pools = macro_pools(layers)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels))
            self.layers, self.reductions = nn.ModuleList(), nn.ModuleDict()
            for number in range(layers):
                self.layers.append(make_layer(number, channels))
                if number in self.pools:
                    wider = channels * grow
                    halves = (FactorizedReduce(channels, wider, True, rectify=False) for _ in range(number + 1))
                    self.reductions[str(number)] = nn.ModuleList(halves)
                    channels = wider
            self.classifier = nn.Linear(channels, classes, bias=False)

    def run(self, x: Tensor, arc: MacroArc, disturb: Disturbance | None = None) -> Tensor:
        """Logits (B, classes) of images (B, 3, H, W) by ``arc``."""
        x = self.stem(x)  # (B, C, H, W)
        outputs: list[Tensor] = []
        for number, (operation, bits) in enumerate(zip(arc.operations, arc.skips)):
            skipped = [output for output, bit in zip(outputs, bits) if bit]
            x = self.layers[number](x, operation, skipped)
            outputs.append(x)
            if number in self.pools:
                wanted = {j for later in arc.skips[number + 1 :] for j, bit in enumerate(later) if bit} | {number}
                halves = enumerate(self.reductions[str(number)])
                outputs = [half(outputs[j]) if j in wanted else outputs[j] for j, half in halves]
                x = outputs[-1]
        features = x.mean(dim=(2, 3))  # (B, F, H', W') -> (B, F)
        return self.classifier(features if disturb is None else disturb("classifier", features))  # (B, classes)


class SharedLayer(nn.Module):
    """Every operation of one layer, and the BatchNorm behind the sum with what is skipped to."""

    def __init__(self, operations: Sequence[str], channels: int, first: bool) -> None:
        super().__init__()
        self.branches = nn.ModuleList(shared_branch(name, channels) for name in operations)
        self.norm = nn.Identity() if first else nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, operation: int, skipped: Sequence[Tensor]) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return self.norm(sum(skipped, self.branches[operation](x)))


class MacroSupernet(_MacroStack):
    """The network that shares its weights among all arcs of ``layers`` layers over ``operations``."""

    def __init__(
        self,
        channels: int = 36,
        layers: int = 12,
        classes: int = 10,
        *,
        operations: Sequence[str] = MACRO_OPERATIONS,
        seed: int = 0,
    ) -> None:
        def make_layer(number: int, width: int) -> SharedLayer:
            return SharedLayer(operations, width, number == 0)

        super().__init__(make_layer, channels, layers, classes, grow=1, seed=seed)
        self.operations = tuple(operations)

    def forward(self, x: Tensor, arc: MacroArc, disturb: Disturbance | None = None) -> Tensor:
        """Logits (B, classes) of images (B, 3, H, W) by ``arc``; the rest of the weights stays idle.

        ``disturb`` is applied to the features (B, F) before the classifier, under the name "classifier". Raises
        NasbookError for an arc of another space.
        """
        if len(arc.operations) != len(self.layers) or max(arc.operations) >= len(self.operations):
            raise NasbookError(
                f"this network has {len(self.layers)} layers of {len(self.operations)} operations: {arc}"
            )
        return self.run(x, arc, disturb)


class FinalLayer(nn.Module):
    """One layer of a final network: its operation behind a 1x1 convolution, joined with what it skips to."""

    def __init__(self, name: str, channels: int, skips: int, first: bool) -> None:
        super().__init__()
        if name.endswith("pool_3x3"):
            self.operation = shared_branch(name, channels)
        else:
            second = (nn.ReLU(), _convolution(name, channels), nn.BatchNorm2d(channels))
            self.operation = nn.Sequential(conv(channels, channels, 1, 1, True), *second)
        self.join = None if first else conv((1 + skips) * channels, channels, 1, 1, True)

    def forward(self, x: Tensor, operation: int, skipped: Sequence[Tensor]) -> Tensor:
        """(B, C, H, W) to the same shape; ``operation`` is the layer's own already."""
        out = self.operation(x)
        return out if self.join is None else self.join(torch.cat([*skipped, out], dim=1))  # (B, (1 + skips) C, H, W)


class MacroNetwork(_MacroStack):
    """The stand-alone network of ``arc``, as it is trained: channels double at both reductions.

    Separable convolutions are separable and poolings pool, which the released code's final network does not do.
    """

    def __init__(
        self,
        arc: MacroArc,
        channels: int = 96,
        classes: int = 10,
        *,
        operations: Sequence[str] = MACRO_OPERATIONS,
        seed: int = 0,
    ) -> None:
        if max(arc.operations) >= len(operations):
            raise NasbookError(f"the arc has an operation {max(arc.operations)}, and there are {len(operations)}")

        def make_layer(number: int, width: int) -> FinalLayer:
            return FinalLayer(operations[arc.operations[number]], width, sum(arc.skips[number]), number == 0)

        super().__init__(make_layer, channels, len(arc.operations), classes, grow=2, seed=seed)
        self.arc = arc
        self.description = {"network": "ENAS macro", "arc": str(arc), "operations": list(operations)}
        self.description |= {"channels": channels, "classes": classes, "seed": seed}

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 3, H, W)."""
        return self.run(x, self.arc)
