"""Stacks of convolutions whose layers choose their inputs among all earlier ones (Zoph & Le, 2017, arXiv 1611.01578).

An architecture is a sentence: for each layer the filter's height and width, its strides if they are searched, the
number of filters, and from the second layer on one anchor point, a yes or no for each earlier layer. The network
that a sentence describes is in ``skip_networks``. Plain data, no torch.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.spaces.forms import loose_ends
from nasbook.spaces.sentences import Question, Spoken
from nasbook.spaces.tokens import Tokens, check_tokens


@dataclass(frozen=True)
class Layer:
    """A convolution: its filter and strides in pixels as (height, width), its filters, the layers it reads (from 1).

    Without ``inputs`` it reads the image.
    """

    filter: tuple[int, int]
    filters: int
    inputs: tuple[int, ...] = ()
    stride: tuple[int, int] = (1, 1)

    def __str__(self) -> str:
        stride = "" if self.stride == (1, 1) else f"/{self.stride[0]}x{self.stride[1]}"
        inputs = "<" + ",".join(map(str, self.inputs)) if self.inputs else ""
        return f"{self.filter[0]}x{self.filter[1]}x{self.filters}{stride}{inputs}"


@dataclass(frozen=True)
class SkipStack:
    """Layers in order. Written ``3x3x24 5x3x36 1x7x48<1,2``: the third reads the first two, these the image.

    Raises NasbookError for no layer, a filter or stride that is no positive number (filters' sides must be odd), and
    a layer that reads a later one.
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if not self.layers:
            raise NasbookError("a stack needs at least one layer")
        for number, layer in enumerate(self.layers, 1):
            for value in (*layer.filter, *layer.stride, layer.filters):
                checks.whole(value, f"a number of layer {number}", 1)
            if not all(side % 2 for side in layer.filter):
                raise NasbookError(f"layer {number} has the filter {layer.filter}: its sides must be odd")
            if list(layer.inputs) != sorted(set(layer.inputs) & set(range(1, number))):
                raise NasbookError(
                    f"layer {number} reads {layer.inputs}: its inputs are earlier layers, from 1, in order, each once"
                )

    @classmethod
    def read(cls, text: str) -> SkipStack:
        """The stack that ``str`` writes so. Raises NasbookError for any other text."""
        layers = []
        for word in text.split():
            found = re.fullmatch(r"(\d+)x(\d+)x(\d+)(?:/(\d+)x(\d+))?(?:<(\d+(?:,\d+)*))?", word)
            if not found:
                raise NasbookError(f"{word!r} is no layer such as 3x3x24 or 5x3x36/2x1<1,2")
            height, width, filters, down, right, inputs = found.groups()
            stride = (int(down or 1), int(right or 1))
            read = tuple(map(int, inputs.split(","))) if inputs else ()
            layers.append(Layer((int(height), int(width)), int(filters), read, stride))
        return cls(tuple(layers))

    @property
    def loose_ends(self) -> tuple[int, ...]:
        """The layers that no layer reads, the last one always among them; they go to the classifier."""
        return loose_ends([layer.inputs for layer in self.layers], first=1)

    def __str__(self) -> str:
        return " ".join(map(str, self.layers))


@dataclass(frozen=True)
class SkipLayers(Spoken):
    """All stacks of ``layers`` layers: (heights x widths x strides^2 x filters)^L 2^(L (L - 1) / 2) of them.

    ``strides`` (1,) leaves strides out of the sentence. The defaults are the paper's first space, 5e58 stacks.
    """

    layers: int = 15
    heights: tuple[int, ...] = (1, 3, 5, 7)
    widths: tuple[int, ...] = (1, 3, 5, 7)
    filters: tuple[int, ...] = (24, 36, 48, 64)
    strides: tuple[int, ...] = (1,)

    def __post_init__(self) -> None:
        checks.whole(self.layers, "layers", 1)
        for what in ("heights", "widths", "filters", "strides"):
            values = getattr(self, what)
            if not isinstance(values, list | tuple) or not values:
                raise NasbookError(f"{what} must list the numbers to choose from, not {values!r}")
            values = tuple(checks.whole(value, what, 1) for value in values)
            if len(set(values)) < len(values):
                raise NasbookError(f"{what} lists a number twice: {values}")
            if what in ("heights", "widths") and not all(value % 2 for value in values):
                raise NasbookError(f"{what} are {values}: the sides of filters must be odd")
            object.__setattr__(self, what, values)

    def with_layers(self, layers: int) -> SkipLayers:
        """The same space at another depth; a list of it begins every list of a deeper one."""
        return dataclasses.replace(self, layers=layers)

    @cached_property
    def _decisions(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        """Kind and alternatives of each decision but the anchors', of one layer."""
        strided = (("stride height", self.strides), ("stride width", self.strides)) if self.strides != (1,) else ()
        return (("height", self.heights), ("width", self.widths), *strided, ("filters", self.filters))

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """For each layer its numbers, and the anchor point."""
        numbers = tuple((kind, tuple(map(str, values))) for kind, values in self._decisions)
        return (*numbers, ("anchor", ())) * self.layers

    def decode(self, tokens: Sequence[int]) -> SkipStack:
        """The stack of a token list (T,)."""
        given, layers, numbers, values = check_tokens(self, tokens), [], {}, dict(self._decisions)
        for step in self.steps:
            if not step.anchor:
                numbers[step.kind] = values[step.kind][given[step.start]]
                continue
            inputs = tuple(place for place, position in enumerate(step.positions, 1) if given[position])
            stride = (numbers.get("stride height", 1), numbers.get("stride width", 1))
            layers.append(Layer((numbers["height"], numbers["width"]), numbers["filters"], inputs, stride))
        return SkipStack(tuple(layers))

    def encode(self, architecture: SkipStack) -> Tokens:
        """The token list of a stack. Raises NasbookError for one that is not in this space."""
        if not isinstance(architecture, SkipStack) or len(architecture.layers) != self.layers:
            raise NasbookError(f"an architecture here is a stack of {self.layers} layers, not {architecture}")
        tokens: list[int] = []
        for number, layer in enumerate(architecture.layers, 1):
            given = dict(height=layer.filter[0], width=layer.filter[1], filters=layer.filters)
            given |= {"stride height": layer.stride[0], "stride width": layer.stride[1]}
            if self.strides == (1,) and layer.stride != (1, 1):
                raise NasbookError(f"layer {number} has the stride {layer.stride}, and this space has none")
            for kind, values in self._decisions:
                if given[kind] not in values:
                    raise NasbookError(f"layer {number} has {kind} {given[kind]}; this space has {values}")
                tokens.append(values.index(given[kind]))
            tokens += [int(earlier in layer.inputs) for earlier in range(1, number)]
        return tuple(tokens)
