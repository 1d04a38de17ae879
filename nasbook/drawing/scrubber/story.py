"""What the scrubber knows of a search: plain arrays, and the cells that its snapshots stand for."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nasbook.base.errors import NasbookError
from nasbook.drawing.figures import cells
from nasbook.drawing.parts import describe, style
from nasbook.drawing.parts.describe import Kinds
from nasbook.spaces.names import state_name

Pairs = frozenset[tuple[int, str]]
"""(edge, operation) that a cell keeps."""

ALIKE = 1e-9
"""Probabilities that differ by less are said to be equal."""


@dataclass(frozen=True)
class Story:
    """One search, ready to be drawn; made by ``prepare``.

    ``chance`` (snapshots, kinds, edges, operations) probabilities; ``entropy`` (snapshots, kinds) mean nats per
    edge; ``skips`` (snapshots, kinds) skip_connects in the cell derived then; ``kept`` what that cell keeps and
    ``outputs`` what its output concatenates, by (snapshot, kind); ``busiest`` (edges,) the most operations that a
    frame ever names on an edge; ``letters`` the length of the longest name; ``farthest`` the largest distance of a
    probability from uniform.
    """

    name: str
    steps: tuple[int, ...]
    kinds: tuple[str, ...]
    operations: tuple[str, ...]
    ends: tuple[tuple[int, int], ...]
    chance: np.ndarray
    entropy: np.ndarray
    skips: np.ndarray
    kept: Mapping[tuple[int, str], Pairs]
    outputs: Mapping[tuple[int, str], tuple[int, ...]]
    busiest: np.ndarray
    letters: int
    farthest: float

    @cached_property
    def edges(self) -> tuple[str, ...]:
        """A name for each edge, such as "0 <- c_{k-2}"."""
        return tuple(describe.edge_names(len(self.ends)))

    @property
    def states(self) -> int:
        """Inputs and nodes of a cell."""
        return self.ends[-1][0] + 3

    def at(self, epoch: int) -> int:
        """The last snapshot that was taken by ``epoch``, else the first."""
        return max(bisect_right(self.steps, epoch) - 1, 0)

    def changes(self, epoch: int, kind: str) -> tuple[Pairs, Pairs]:
        """(new, gone): how the derived cell of ``epoch`` differs from that of the snapshot before.

        Both are empty where ``epoch`` has no snapshot of its own, such as after the end of a search.
        """
        index = self.at(epoch)
        if not index or self.steps[index] != epoch:
            return frozenset(), frozenset()
        before, now = self.kept[index - 1, kind], self.kept[index, kind]
        return now - before, before - now

    def named(self, edge: int, pairs: Pairs) -> list[str]:
        """The operations of ``pairs`` on ``edge``, in the order in which the alphas store them."""
        rank = {operation: place for place, operation in enumerate(self.operations)}
        here = [name for place, name in pairs if place == edge]
        return sorted(here, key=lambda name: (rank.get(name, len(rank)), name))


def prepare(
    alphas: np.ndarray,
    steps: Sequence[int],
    kinds: Sequence[str],
    operations: Sequence[str],
    genotypes: Sequence[Kinds],
    name: str = "",
) -> Story:
    """Compute what every frame needs, in milliseconds.

    ``alphas`` (snapshots, cell kinds, edges, operations); ``steps`` the epoch of each snapshot, increasing;
    ``genotypes`` the cells derived at each; ``name`` what to call this search.
    Raises NasbookError if the alphas diverged or their edges are not those of a cell of DARTS.
    """
    describe.check_alphas(alphas, steps, kinds, operations)
    ends = describe.edge_ends(np.shape(alphas)[2])
    if not ends:
        raise NasbookError(f"a cell of {np.shape(alphas)[2]} edges cannot be drawn: n nodes have n (n + 3) / 2 edges")
    kept, outputs, skips = {}, {}, np.zeros((len(steps), len(kinds)))
    busiest = np.ones(len(ends), dtype=int)
    for row, kind in enumerate(kinds):
        for index, found in enumerate(genotypes):
            nodes, concat = found[kind]
            kept[index, kind] = frozenset(
                (ends.index((node, source)), operation)
                for node, pairs in enumerate(nodes)
                for operation, source in pairs
            )
            outputs[index, kind] = tuple(sorted(set(concat)))
            skips[index, row] = sum(operation == "skip_connect" for node in nodes for operation, _ in node)
            shown = kept[index, kind] | kept[max(index - 1, 0), kind]
            # (edges named in this frame) -> (edges,)
            busiest = np.maximum(busiest, np.bincount([place for place, _ in shown], minlength=len(ends)))
    chance = describe.probabilities(alphas)
    named = {*operations} | {operation for pairs in kept.values() for _, operation in pairs}
    return Story(
        name=name,
        steps=tuple(map(int, steps)),
        kinds=tuple(kinds),
        operations=tuple(operations),
        ends=tuple(ends),
        chance=chance,
        # (snapshots, kinds, edges) -> (snapshots, kinds)
        entropy=describe.entropy(alphas).mean(axis=-1),
        skips=skips,
        kept=kept,
        outputs=outputs,
        busiest=busiest,
        letters=max(len(label(operation)) for operation in named),
        farthest=float(np.abs(chance - 1 / len(operations)).max()),
    )


def sentence(story: Story, epoch: int, kind: str, edge: str) -> str:
    """What a frame says of one run: entropy, largest probability, skips, changes, and the chosen edge."""
    who = f"{story.name}: " * bool(story.name)
    if kind not in story.kinds:
        return f"{who}the {kind} cell is not searched"
    index, row = story.at(epoch), story.kinds.index(kind)
    chance, skips = story.chance[index, row], int(story.skips[index, row])
    best, operation = np.unravel_index(int(chance.argmax()), chance.shape)
    where = "all alike" if np.ptp(chance) < ALIKE else f"{story.operations[operation]} on {story.edges[best]}"
    parts = [
        f"{who}{kind} cell, {when(story, epoch)}: entropy {story.entropy[index, row]:.3f} of at most "
        f"{np.log(len(story.operations)):.3f} nats per edge",
        f"largest probability {chance.max():.3f} ({where})",
        f"{skips} skip{'s' * (skips != 1)} in the derived cell",
    ]
    new, gone = story.changes(epoch, kind)
    parts += [f"{word}: {_listed(story, pairs)}" for word, pairs in (("new", new), ("gone", gone)) if pairs]
    if index and not new | gone:
        parts.append("nothing changed in it")
    if edge in story.edges:
        law = chance[story.edges.index(edge)]
        leads = f"{story.operations[law.argmax()]} leads with {law.max():.3f}"
        parts.append(f"on {edge} {'nothing leads' if np.ptp(law) < ALIKE else leads}")
    else:
        parts.append(f"no edge {edge}")
    return "; ".join(parts)


def when(story: Story, epoch: int) -> str:
    """The epoch that a run shows, of how many."""
    now, last = story.steps[story.at(epoch)], story.steps[-1]
    return f"ended at epoch {last}" if epoch > last else f"epoch {now} of {last}"


def label(operation: str) -> str:
    """What a frame calls ``operation``: on one line, of at most eleven letters."""
    words = " ".join(style.look(operation).label.split())
    return words if len(words) <= 11 else f"{words[:10]}\u2026"


def pretty(edge: str) -> str:
    """The name of an edge in print: "0 <- c_{k-2}" with an arrow and a true index."""
    for plain, written in zip((state_name(0), state_name(1)), cells.INPUTS):
        edge = edge.replace(plain, written)
    return edge.replace("<-", "\u2190")


def _listed(story: Story, pairs: Pairs, most: int = 3) -> str:
    words = [f"{name} on {edge}" for place, edge in enumerate(story.edges) for name in story.named(place, pairs)]
    return ", ".join(words[:most]) + f" and {len(words) - most} more" * (len(words) > most)
