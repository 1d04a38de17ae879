"""ENAS's macro space: a chain of layers, each with an operation and any earlier layers besides the one before it.

Pham et al., "Efficient Neural Architecture Search via Parameter Sharing", ICML 2018, arXiv 1802.03268, section 2.3.
An arc is written as in the released code: for each layer the operation's number, then a bit for each earlier layer.
Plain data, no torch.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.spaces.sentences import Question, Spoken
from nasbook.spaces.tokens import Tokens, check_operations, check_tokens

MACRO_OPERATIONS = ("conv_3x3", "sep_conv_3x3", "conv_5x5", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3")
"""The six branches of a layer, in the order of the released code."""


@dataclass(frozen=True)
class MacroArc:
    """``operations`` (L,) by number; ``skips[i]`` a bit for each layer before layer i.

    Raises NasbookError for no layer, a number below 0, or bits that are not one for each earlier layer.
    """

    operations: tuple[int, ...]
    skips: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if not self.operations or len(self.skips) != len(self.operations):
            raise NasbookError("an arc needs at least one layer, each with an operation and its skip bits")
        for layer, (operation, bits) in enumerate(zip(self.operations, self.skips)):
            checks.whole(operation, f"operation of layer {layer}", 0)
            if len(bits) != layer or not set(bits) <= {0, 1}:
                raise NasbookError(f"layer {layer} has the skip bits {bits}: it needs {layer} of 0 and 1")

    @classmethod
    def read(cls, text: str) -> MacroArc:
        """The arc in ``text``, its layers divided by lines or semicolons. Raises NasbookError for any other text."""
        layers = [line.split() for line in re.split(r"[;\n]", text) if line.strip()]
        if not all(word.isdecimal() for layer in layers for word in layer):
            raise NasbookError(f"{text[:40]!r} is no arc such as '0; 3 0; 0 1 0'")
        return cls(tuple(int(a) for a, *_ in layers), tuple(tuple(map(int, bits)) for _, *bits in layers))

    @property
    def skip_rate(self) -> float:
        """The share of the bits that are set; 0 for a single layer."""
        bits = [bit for row in self.skips for bit in row]
        return sum(bits) / max(1, len(bits))

    def __str__(self) -> str:
        return "; ".join(" ".join(map(str, (a, *bits))) for a, bits in zip(self.operations, self.skips))


@dataclass(frozen=True)
class MacroLayers(Spoken):
    """All arcs of ``layers`` layers over ``operations``: a token list is an arc read aloud."""

    layers: int = 12
    operations: tuple[str, ...] = MACRO_OPERATIONS

    def __post_init__(self) -> None:
        checks.whole(self.layers, "layers", 1)
        object.__setattr__(self, "operations", check_operations(self.operations, MACRO_OPERATIONS))

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """For each layer its operation, and an anchor for its skips."""
        return (("operation", self.operations), ("skips", ())) * self.layers

    def decode(self, tokens: Sequence[int]) -> MacroArc:
        """The arc of (T,) tokens."""
        tokens = check_tokens(self, tokens)
        heads = [tokens[step.start] for step in self.steps if not step.anchor]
        return MacroArc(tuple(heads), tuple(tokens[step.start : step.end] for step in self.steps if step.anchor))

    def encode(self, architecture: MacroArc) -> Tokens:
        """The tokens of an arc. Raises NasbookError for one that is not in this space."""
        if not isinstance(architecture, MacroArc) or len(architecture.operations) != self.layers:
            raise NasbookError(f"an architecture here is an arc of {self.layers} layers, not {architecture}")
        pairs = zip(architecture.operations, architecture.skips)
        return check_tokens(self, [token for operation, bits in pairs for token in (operation, *bits)])


OFFICIAL_MACRO_ARC = MacroArc.read(
    "0; 3 0; 0 1 0; 2 0 0 1; 2 0 0 0 0; 3 1 1 0 1 0; 2 0 0 0 0 0 1; 2 0 1 1 0 1 1 1; 1 0 1 1 1 0 1 0 1; "
    "0 0 0 0 0 0 0 0 0 0; 2 0 0 0 0 0 1 0 0 0 0; 0 1 0 0 1 1 0 0 0 0 1 1; 2 0 1 0 0 0 0 0 1 0 1 1 0; "
    "1 0 0 1 0 0 0 1 1 1 0 1 0 1; 0 1 1 0 1 0 1 0 0 0 0 0 1 0 0; 2 0 0 1 0 0 0 0 0 0 0 1 0 1 0 1; "
    "2 0 1 0 0 0 1 0 0 1 1 1 1 0 0 1 0; 2 0 0 0 0 1 0 1 0 1 0 0 1 0 1 0 0 1; "
    "3 0 1 1 0 1 0 0 0 0 0 1 0 1 0 1 0 0 0; 3 0 1 1 0 0 0 0 0 0 0 0 0 1 1 0 0 0 0 1; "
    "0 1 0 0 1 0 1 1 0 0 0 1 0 0 0 0 0 1 1 0 0; 3 0 1 0 1 1 0 0 1 0 1 1 0 1 1 0 1 0 0 1 0 0; "
    "0 1 0 1 0 1 0 0 0 0 0 0 0 0 1 0 1 0 0 1 0 0 0; 0 1 1 0 0 0 1 1 1 0 1 0 0 0 1 0 1 0 0 1 1 0 0 0"
)
"""The 24 layers of the released script; its operations are the first four of :data:`MACRO_OPERATIONS`."""
