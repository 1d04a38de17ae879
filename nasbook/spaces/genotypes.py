"""What a search finds: a genotype, the discrete description of a cell, and the catalogue of published ones.

The text form is the one that DARTS (Liu et al., 2019, arXiv 1806.09055) printed first and that its
descendants print: ``Genotype(normal=[('sep_conv_3x3', 1), ...], normal_concat=range(2, 6), ...)``.
"""

from __future__ import annotations

import ast
import io
import json
import tokenize
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any

from nasbook.base.errors import NasbookError, one_of
from nasbook.base.shown import Shown
from nasbook.spaces.names import CELL_OPERATIONS, Node

FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")

NUMPY = ("int32", "int64", "float32", "float64", "str_")
"""The numbers and texts that NumPy 2 prints as calls, such as ``np.int64(1)``."""


@dataclass(frozen=True, eq=False)
class Genotype(Shown):
    """A normal and a reduction cell, each a list of nodes, each node a list of (operation, input).

    Node ``i`` of the list is graph node ``i + 2``; inputs 0 and 1 are the outputs of the two cells before. A node
    sums its operations' outputs and may hold any number of them; a flat list of pairs is read as two for each node.
    The cell's output concatenates the graph nodes of its ``concat`` (None: all but the inputs); a normal cell may
    list an input there too, as NASNet-A's does. ``reduce=None`` stands for GDAS's fixed reduction cell.

    Two genotypes are equal if they differ only in the order in which nodes list their inputs.
    Raises NasbookError for an unknown operation or an input that the node cannot have.
    """

    normal: tuple[Node, ...]
    normal_concat: tuple[int, ...] | None = None
    reduce: tuple[Node, ...] | None = None
    reduce_concat: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        for kind in ("normal", "reduce"):
            nodes, concat = getattr(self, kind), getattr(self, f"{kind}_concat")
            if kind == "normal" or nodes is not None:
                nodes = _nodes(nodes, kind)
            object.__setattr__(self, kind, nodes)
            count = 4 if nodes is None else len(nodes)  # GDAS's fixed cell joins four outputs
            object.__setattr__(self, f"{kind}_concat", _concat(concat, kind, count))

    @property
    def kinds(self) -> dict[str, tuple[tuple[Node, ...], tuple[int, ...]]]:
        """The searched cells: kind to (nodes, concat); "reduce" is absent if the reduction cell is fixed."""
        cells = {"normal": (self.normal, self.normal_concat)}
        if self.reduce is not None:
            cells["reduce"] = (self.reduce, self.reduce_concat)
        return cells

    @cached_property
    def _identity(self) -> tuple:
        cells = self.kinds.values()
        return tuple((tuple(map(tuple, map(sorted, nodes))), concat) for nodes, concat in cells)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Genotype) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def __str__(self) -> str:
        parts = []
        for kind in ("normal", "reduce"):
            nodes, concat = getattr(self, kind), getattr(self, f"{kind}_concat")
            parts += [f"{kind}={_nodes_text(nodes)}", f"{kind}_concat={_concat_text(concat)}"]
        return f"Genotype({', '.join(parts)})"

    __repr__ = __str__

    @classmethod
    def parse(cls, text: str) -> Genotype:
        """Read the community's text, without evaluating it.

        Accepts the flat form with two pairs a node, nested lists with any number, ``range(a, b)``, keyword or
        positional arguments, pairs that carry a weight as third entry (it is dropped), and anything before and
        after ``Genotype(...)`` (a log prefix, an assignment). Raises NasbookError with what is wrong.
        """
        start = text.find("Genotype(") if isinstance(text, str) else -1
        if start < 0:
            raise NasbookError(f"no 'Genotype(...)' in {_shorten(repr(text))}")
        try:
            text = _call(text[start:])
            call = ast.parse(text, mode="eval").body
        except (SyntaxError, tokenize.TokenError, ValueError, RecursionError, MemoryError) as error:
            raise NasbookError(f"cannot read the genotype {_shorten(text[start:])!r}: {error}") from error
        if len(call.args) > len(FIELDS):
            raise NasbookError(f"a Genotype has {len(FIELDS)} arguments ({', '.join(FIELDS)}), got {len(call.args)}")
        values = {field: _literal(node) for field, node in zip(FIELDS, call.args)}
        for keyword in call.keywords:
            name = one_of(keyword.arg or "**", FIELDS, "genotype field")
            if name in values:
                raise NasbookError(f"the genotype gives {name} twice")
            values[name] = _literal(keyword.value)
        if "normal" not in values:
            raise NasbookError("the genotype has no 'normal' cell")
        return cls(**values)

    def to_json(self) -> str:
        """The genotype as JSON text, one line a cell; read it back with :meth:`from_json`."""
        rows = [f"  {json.dumps(field)}: {json.dumps(getattr(self, field))}" for field in FIELDS]
        return "{\n" + ",\n".join(rows) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> Genotype:
        """The genotype in a JSON text. Raises NasbookError if it is not one."""
        try:
            values = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise NasbookError(f"cannot read the genotype's JSON: {error}") from error
        if not isinstance(values, dict) or "normal" not in values:
            raise NasbookError(f"the JSON holds no genotype: {_shorten(str(text))!r}")
        for name in values:
            one_of(name, FIELDS, "genotype field")
        return cls(**values)

    def network(
        self, channels: int, cells: int, classes: int, auxiliary: bool = False, stem: str = "cifar", seed: int = 0
    ):
        """The stand-alone network of this cell: :class:`nasbook.spaces.darts.networks.CellNetwork`.

        ``channels`` of the first cells, doubled at each of the two reductions; ``stem`` "cifar" (32 pixels) or
        "imagenet" (224 pixels); ``seed`` of the initial weights. Raises NasbookError for impossible sizes.
        """
        from nasbook.spaces.darts.networks import CellNetwork

        net = CellNetwork(self.kinds, channels, cells, classes, auxiliary=auxiliary, stem=stem, seed=seed)
        net.description = {"genotype": str(self), **net.description}
        return net

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return self._drawn("genotype", self.kinds)


def _shorten(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _call(text: str) -> str:
    """``text`` up to the bracket that closes its first one. Raises SyntaxError if none does.

    Python's own tokens tell a bracket from one in a comment or a string.
    """
    lines, depth = io.StringIO(text).readlines(), 0
    for token in tokenize.generate_tokens(iter(lines).__next__):
        depth += (token.string == "(") - (token.string == ")")
        if token.string == ")" and depth == 0:
            row, column = token.end
            return "".join(lines[: row - 1]) + lines[row - 1][:column]
    raise SyntaxError("its first bracket is never closed")


def _literal(node: ast.expr) -> Any:
    """The value of a literal, of ``range`` or ``list`` with literal arguments, and of NumPy's ``np.int64(1)``."""
    try:
        match node:
            case ast.Tuple() | ast.List():
                return [_literal(part) for part in node.elts]
            case ast.Call(func=ast.Name(id="range"), keywords=[]):
                return range(*map(_literal, node.args))
            case ast.Call(func=ast.Name(id="list"), args=[inner], keywords=[]):
                return _literal(inner)
            case ast.Call(func=ast.Attribute(ast.Name("np" | "numpy"), kind), args=[inner]) if kind in NUMPY:
                return ast.literal_eval(inner)
        return ast.literal_eval(node)
    except NasbookError:
        raise
    except (ValueError, TypeError) as error:
        raise NasbookError(f"the genotype holds {_shorten(ast.unparse(node))!r}, which is no literal") from error


def _is_pair(entry: object) -> bool:
    """Whether ``entry`` is (operation, input) or (operation, input, weight)."""
    return isinstance(entry, tuple | list) and len(entry) in (2, 3) and isinstance(entry[0], str)


def _nodes(nodes: object, kind: str) -> tuple[Node, ...]:
    """``nodes`` as tuples, each operation and input checked; a flat list of pairs has two for each node."""
    if not isinstance(nodes, tuple | list):
        raise NasbookError(f"the {kind} cell is {nodes!r}; it must be a list of nodes")
    if not nodes:
        raise NasbookError(f"the {kind} cell is []; it must be a list of at least one node")
    if all(map(_is_pair, nodes)):
        if len(nodes) % 2:
            raise NasbookError(f"the {kind} cell lists {len(nodes)} pairs; the flat form has two for each node")
        nodes = [nodes[i : i + 2] for i in range(0, len(nodes), 2)]
    checked = []
    for index, node in enumerate(nodes):
        where = f"node {index + 2} of the {kind} cell"
        if not isinstance(node, tuple | list) or not node or not all(map(_is_pair, node)):
            raise NasbookError(f"{where} is {_shorten(repr(node))}; it must be a list of (operation, input) pairs")
        pairs = []
        for name, source, *_ in node:
            one_of(name, CELL_OPERATIONS, "operation")
            if isinstance(source, bool) or not isinstance(source, Integral) or not 0 <= source < index + 2:
                raise NasbookError(f"{where} reads input {source!r}; its inputs are the integers 0 to {index + 1}")
            pairs.append((str(name), int(source)))
        checked.append(tuple(pairs))
    return tuple(checked)


def _concat(concat: object, kind: str, nodes: int) -> tuple[int, ...]:
    """``concat`` as a tuple of distinct nodes of a cell with ``nodes`` intermediate ones; all of these for None."""
    if concat is None:
        return tuple(range(2, nodes + 2))
    valid = isinstance(concat, tuple | list | range) and bool(concat)
    # One more than there are nodes is wrong already, and a range may be too long to be listed.
    members = tuple(concat[: nodes + 3]) if valid else ()
    # In a reduction cell the inputs are twice as large as the nodes and cannot stand beside them.
    first = 0 if kind == "normal" else 2
    last = nodes + 1
    whole = all(isinstance(m, Integral) and not isinstance(m, bool) and first <= m <= last for m in members)
    if not valid or not whole or len(set(members)) < len(members):
        given = _shorten(repr(concat))
        raise NasbookError(f"{kind}_concat is {given}; it must list some of the nodes {first} to {last}, each once")
    return tuple(map(int, members))


def _nodes_text(nodes: tuple[Node, ...] | None) -> str:
    if nodes is None:
        return "None"
    if all(len(node) == 2 for node in nodes):
        return str([pair for node in nodes for pair in node])
    return str([list(node) for node in nodes])


def _concat_text(concat: tuple[int, ...]) -> str:
    first, last = concat[0], concat[-1]
    return f"range({first}, {last + 1})" if concat == tuple(range(first, last + 1)) else str(list(concat))


class Catalogue(dict[str, Genotype]):
    """Published cells by name, e.g. ``nb.genotypes["DARTS_V2"]``; an unknown name raises NasbookError."""

    def __missing__(self, name: str) -> str:
        return one_of(name, self, "genotype")

    def __repr__(self) -> str:
        return f"{len(self)} published cells: {', '.join(self)}"


_rows = json.loads(Path(__file__).with_name("catalogue.json").read_text(encoding="utf-8"))
catalogue = Catalogue((name, Genotype(**row)) for name, row in _rows.items())
