"""What a space of token lists is, and how a controller speaks one: token lists cut into steps.

A controller takes one step of its recurrent network for each token, but for an anchor point, where one step answers
several questions of yes or no (Zoph & Le, 2017, arXiv 1611.01578, section 3.3).
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from nasbook.base import checks
from nasbook.base.errors import NasbookError

Tokens = tuple[int, ...]


class TokenSpace(Protocol):
    """T decisions and what they mean. An architecture is hashable, and its str() names it in one line.

    Two more attributes are used where a space has them: ``valid(tokens)``, False for a list that stands for no
    architecture; and ``genes``, groups of positions of which a mutation first chooses one.
    """

    choices: tuple[int, ...]

    def names(self, position: int) -> tuple[str, ...]:
        """What the alternatives of the decision at ``position`` are called."""

    def decode(self, tokens: Sequence[int]) -> Hashable:
        """The architecture that ``tokens`` (T,) stand for."""

    def encode(self, architecture: Hashable) -> Tokens:
        """Tokens that ``decode`` turns into ``architecture``. Raises NasbookError for one of another space."""


@dataclass(frozen=True)
class Slot:
    """One step of a controller: it decides ``positions`` of the token list, which begin at ``start``.

    Steps of one ``kind`` share a head and an embedding. With ``anchor`` the positions, none for the first anchor, say
    which of the earlier anchors are chosen, 0 for no and 1 for yes.
    """

    kind: str
    start: int
    positions: tuple[int, ...]
    anchor: bool = False

    @property
    def end(self) -> int:
        """How many tokens there are after this step."""
        return self.start + len(self.positions)


Question = tuple[str, tuple[str, ...]]
"""The kind of a decision and the names of its alternatives; no names: an anchor, which has no and yes."""


class Spoken:
    """A token space that declares its ``questions`` in order; choices, names and steps are derived from them."""

    questions: tuple[Question, ...]

    @cached_property
    def steps(self) -> tuple[Slot, ...]:
        """How a controller speaks it: a step for each question."""
        steps, start, anchors = [], 0, 0
        for kind, names in self.questions:
            asked = 1 if names else anchors
            steps.append(Slot(kind, start, tuple(range(start, start + asked)), anchor=not names))
            start, anchors = start + asked, anchors + (not names)
        return tuple(steps)

    @cached_property
    def _names(self) -> tuple[tuple[str, ...], ...]:
        asked = zip(self.questions, self.steps)
        return tuple(names or ("no", "yes") for (_, names), step in asked for _ in step.positions)

    @cached_property
    def choices(self) -> tuple[int, ...]:
        """Alternatives of each decision, (T,)."""
        return tuple(map(len, self._names))

    def names(self, position: int) -> tuple[str, ...]:
        """What the alternatives of the decision at ``position`` are called; those of an anchor are no and yes."""
        return self._names[checks.index(position, len(self._names), "position")]


def check_space(space: TokenSpace) -> TokenSpace:
    """``space`` if it has what a searcher needs. Raises NasbookError otherwise."""
    missing = [name for name in ("choices", "names", "decode", "encode") if not hasattr(space, name)]
    if missing:
        raise NasbookError(
            f"the space is a {type(space).__name__} without {missing[0]}: a space has choices, names, decode and encode"
        )
    checks.sizes_of(space.choices)
    return space


def steps_of(space: TokenSpace) -> tuple[Slot, ...]:
    """The steps in which ``space`` is spoken: its own ``steps``, or one for each token.

    Then decisions between the same names are of the same kind. Raises NasbookError for steps that leave out, repeat
    or disorder a decision, for an anchor that does not ask about each earlier one, and for a kind whose decisions do
    not have equally many alternatives.
    """
    check_space(space)
    if not hasattr(space, "steps"):
        return tuple(Slot(", ".join(space.names(t)), t, (t,)) for t in range(len(space.choices)))
    steps, position, anchors, sizes = tuple(space.steps), 0, 0, {}
    for step in steps:
        asked = anchors if step.anchor else 1
        if step.positions != tuple(range(position, position + asked)) or step.start != position:
            raise NasbookError(f"the steps of {space} do not go through its decisions in order: {step}")
        for place in step.positions:
            if sizes.setdefault(step.kind, space.choices[place]) != space.choices[place]:
                raise NasbookError(f"decisions of the kind {step.kind!r} have different numbers of alternatives")
        if step.anchor and any(space.choices[place] != 2 for place in step.positions):
            raise NasbookError(f"an anchor answers no or yes, and in {space} it has other alternatives")
        position, anchors = step.end, anchors + step.anchor
    if position != len(space.choices):
        raise NasbookError(f"the steps of {space} end after {position} of its {len(space.choices)} decisions")
    return steps
