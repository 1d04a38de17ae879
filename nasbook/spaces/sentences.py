"""How a controller speaks an architecture: token lists cut into steps, and what each step decides.

A controller takes one step of its recurrent network for each token, but for an anchor point, where one step answers
several questions of yes or no (Zoph & Le, 2017, arXiv 1611.01578, section 3.3).
"""

from __future__ import annotations

from dataclasses import dataclass

from nasbook.base.errors import NasbookError
from nasbook.spaces.tokens import TokenSpace, check_space


@dataclass(frozen=True)
class Step:
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


def steps_of(space: TokenSpace) -> tuple[Step, ...]:
    """The steps in which ``space`` is spoken: its own ``steps``, or one for each token.

    Then decisions between the same names are of the same kind. Raises NasbookError for steps that leave out, repeat
    or disorder a decision, for an anchor that does not ask about each earlier one, and for a kind whose decisions do
    not have equally many alternatives.
    """
    check_space(space)
    if not hasattr(space, "steps"):
        return tuple(Step(", ".join(space.names(t)), t, (t,)) for t in range(len(space.choices)))
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
