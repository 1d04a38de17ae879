"""A cell as a picture: inputs left, output right, each edge coloured, dashed and named by its operation."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nasbook.base.errors import NasbookError
from nasbook.drawing.parts import describe, render, style
from nasbook.drawing.parts.describe import Kinds, Nodes, check_cell
from nasbook.drawing.parts.picture import Picture, bundle

if TYPE_CHECKING:
    import graphviz

INPUTS = ("c\u2096\u208b\u2082", "c\u2096\u208b\u2081")
OUTPUT = "c\u2096"
Changed = Collection[tuple[int, str, int]]


def cell_graph(nodes: Nodes, concat: Sequence[int], name: str = "normal", changed: Changed = ()) -> graphviz.Digraph:
    """One cell as a ``graphviz.Digraph``.

    ``nodes``: for each intermediate node its pairs (operation, input index); input 0 is c_{k-2}, 1 is
    c_{k-1}, i + 2 is node i (numbered from 0, as in the pictures of Liu et al. 2019, DARTS).
    ``concat``: indices, in the same numbering, of what the output concatenates. ``changed``: triples
    (node, operation, input) to mark. Raises NasbookError for a cell that is none.
    """
    return genotype_graph({name: (nodes, concat)}, {name: changed})


def genotype_graph(kinds: Kinds, changed: Mapping[str, Changed] | None = None, caption: str = "") -> graphviz.Digraph:
    """Every cell of a genotype in one ``graphviz.Digraph``, one above another.

    ``kinds``: {"normal": (nodes, concat), "reduce": (nodes, concat)}; a cell that is missing is fixed and
    not drawn. ``changed``: what to mark, by cell name. ``caption``: a sentence to stand below.
    Raises NasbookError as ``cell_graph`` does.
    """
    import graphviz

    if not kinds:
        raise NasbookError("a genotype without cells cannot be drawn: give at least the normal cell")
    for nodes, concat in kinds.values():
        check_cell(nodes, concat)
    # gaps shrink with the cell's depth, so that labels stay 9 pt on 6.5 inches
    depth = max(describe.depth(nodes, concat) for nodes, concat in kinds.values())
    gap = {4: 0.26}.get(depth, 0.38 if depth < 4 else 0.22)
    page = {"bgcolor": "white", "fontsize": "12", "margin": "0", "nodesep": "0.12", "pad": "0.1"}
    graph = graphviz.Digraph()
    graph.attr(**page, rankdir="LR", remincross="false", ranksep=str(gap), **style.TEXT)
    graph.attr("node", fontsize="14", color=style.INK, **style.TEXT)
    graph.attr("edge", arrowsize="0.55")
    if caption:
        graph.attr(label=textwrap.fill(caption, 68).replace("\n", "\\l") + "\\l", labelloc="b", labeljust="l")
    for name, (nodes, concat) in reversed(kinds.items()):
        with graph.subgraph(name=f"cluster_{name}") as part:
            part.attr(label=f"{name} cell", labelloc="t", labeljust="l", color="white", fontsize="14")
            _add_cell(part, nodes, concat, name, (changed or {}).get(name, ()))
    return graph


def draw(kinds: Any, changed: Mapping[str, Changed] | None = None, complete: bool = True) -> Picture:
    """The cells of a genotype as a Picture that shows itself in a notebook, carries its sentence, and has ``save``.

    ``kinds``: the cells by kind, or what has them as ``.kinds``, as a Genotype does. The sentence also stands
    below the cells, since no front end shows the text beside an image. ``complete``: whether ``kinds`` are all
    cells there are, so that a missing reduction cell is the fixed one. Raises NasbookError if the cells are
    malformed or no Graphviz works.
    """
    kinds = getattr(kinds, "kinds", kinds)
    sentence = describe.genotype_sentence(kinds, complete)
    graph = genotype_graph(kinds, changed, sentence)
    return Picture(sentence=sentence, graph=graph, svg=render.svg(graph.source, sentence))


def genotype_mimebundle(kinds: Kinds) -> dict[str, str]:
    """What ``Genotype._repr_mimebundle_`` returns: SVG and sentence; the sentence alone without Graphviz."""
    return bundle(describe.genotype_sentence(kinds), lambda: draw(kinds))[0]


def _add_cell(graph: graphviz.Digraph, nodes: Nodes, concat: Sequence[int], name: str, changed: Changed) -> None:
    identity = [f"{name}_{index}" for index in range(len(nodes) + 2)]
    box = {"shape": "box", "style": "rounded,filled", "fillcolor": "#EDEDED", "fontsize": "17"}
    box |= {"height": "0.36", "width": "0.6", "margin": "0.06,0.03"}
    with graph.subgraph() as inputs:
        inputs.attr(rank="same")
        for index, label in enumerate(INPUTS):
            inputs.node(identity[index], label=label, **box)
        inputs.edge(identity[1], identity[0], style="invis")
    for index in range(len(nodes)):
        graph.node(identity[index + 2], label=str(index), shape="circle", width="0.4", fixedsize="true")
    graph.node(f"{name}_out", label=OUTPUT, **box)
    for index, node in enumerate(nodes):
        for place, (operation, source) in enumerate(node):
            ends, marked = (identity[source], identity[index + 2]), (index, operation, source) in changed
            _add_operation(graph, ends, f"{ends[1]}_{place}", style.look(operation), marked)
    for index in sorted(set(concat)):
        graph.edge(identity[index], f"{name}_out", color=style.QUIET, penwidth="0.8", arrowhead="none")


def _add_operation(graph: graphviz.Digraph, ends: tuple[str, str], plate: str, look: style.Look, marked: bool) -> None:
    """An edge in two halves with its name on a plate between them: a label beside a curve can be taken for
    its neighbour's, one that the curve runs through cannot."""
    line = {"color": look.colour, "style": look.dash, "penwidth": str(look.width)}
    mark = {"fillcolor": "#FFF2B3", "style": "filled", "penwidth": "1.2"} if marked else {"penwidth": "0"}
    size = {"height": "0", "width": "0", "margin": "0.04,0.02", "fontsize": "13"}
    graph.node(plate, label=look.label, shape="box", color=look.ink, fontcolor=look.ink, **size, **mark)
    graph.edge(ends[0], f"{plate}:w", arrowhead="none", **line)
    graph.edge(f"{plate}:e", ends[1], arrowhead=look.head, **line)
