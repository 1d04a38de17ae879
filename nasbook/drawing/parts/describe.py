"""Sentences computed from data: what a picture says, for readers who cannot see it and for tests."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import TYPE_CHECKING

import numpy as np

from nasbook.base.errors import NasbookError
from nasbook.spaces.names import cell_edges, state_name

if TYPE_CHECKING:
    import pandas as pd

Nodes = Sequence[Sequence[tuple[str, int]]]
Kinds = Mapping[str, tuple[Nodes, Sequence[int]]]
TRACE = ("step", "split", "quantity", "value")


def check_cell(nodes: Nodes, concat: Sequence[int]) -> None:
    """Raise NasbookError unless every input and every concat index exists where it is used."""
    if not nodes:
        raise NasbookError("a cell needs at least one node, and this one has none")
    for index, node in enumerate(nodes):
        for pair in node:
            if len(pair) != 2 or not isinstance(pair[0], str) or not isinstance(pair[1], Integral):
                raise NasbookError(f"node {index} holds {pair!r} where a pair (operation name, input index) belongs")
            if not 0 <= pair[1] < index + 2:
                raise NasbookError(
                    f"node {index} reads input {pair[1]}, which comes after it: valid are 0 to {index + 1} "
                    "(0 is c_{k-2}, 1 is c_{k-1}, 2 is node 0)"
                )
    wrong = [index for index in concat if not 0 <= index < len(nodes) + 2]
    if wrong or not len(concat):
        raise NasbookError(f"the output concatenates {list(concat)}: give one or more of 0 to {len(nodes) + 1}")


def depth(nodes: Nodes, concat: Sequence[int]) -> int:
    """Operations on the longest path from an input to the output; an edge ``none`` carries nothing."""
    longest: list[float] = [0, 0]
    for node in nodes:
        paths = [longest[source] + 1 for operation, source in node if operation != "none"]
        longest.append(max(paths, default=-math.inf))
    return int(max(0, *(longest[index] for index in concat)))


def cell_sentence(nodes: Nodes, concat: Sequence[int], name: str = "normal") -> str:
    """One sentence on a cell: which operations, how many of each, how deep.

    Raises NasbookError if the cell is malformed.
    """
    check_cell(nodes, concat)
    count = Counter(operation for node in nodes for operation, _ in node)
    total = count.total()
    (first, most), *others = sorted(count.items(), key=lambda item: (-item[1], item[0])) or [("none", 0)]
    verb = "edge is" if total == 1 else "edges are"
    words = [f"{most} of {total} {verb} {first}", *(f"{number} {operation}" for operation, number in others)]
    steps = depth(nodes, concat)
    return f"{name} cell: {', '.join(words)}; longest path from an input {steps} operation{'s' * (steps != 1)}"


def genotype_sentence(kinds: Kinds, complete: bool = True) -> str:
    """The sentences of all cells; if they are ``complete``, a missing reduction cell is GDAS's fixed one."""
    parts = [cell_sentence(nodes, concat, name) for name, (nodes, concat) in kinds.items()]
    if complete and "reduce" not in kinds:
        parts.append("reduce cell: fixed (GDAS FRC)")
    return "; ".join(parts)


def edge_ends(count: int) -> list[tuple[int, int]] | None:
    """(node, input) of each of ``count`` edges of a DARTS cell, node by node; None if none has so many."""
    # n nodes have 2 + 3 + ... + (n + 1) = n (n + 3) / 2 edges
    nodes = (math.isqrt(9 + 8 * count) - 3) // 2
    ends = [(node - 2, source) for node, source in cell_edges(nodes)]
    return ends if len(ends) == count else None


def edge_names(count: int) -> list[str]:
    """A name for each edge, such as "0 <- c_{k-2}" (node 0 reads c_{k-2})."""
    ends = edge_ends(count)
    if ends is None:
        return [f"edge {index}" for index in range(count)]
    return [f"{node} <- {state_name(source)}" for node, source in ends]


def series(trace: pd.DataFrame, quantity: str, split: str) -> pd.Series:
    """One curve of a trace: values by step, sorted; empty if the trace does not hold it."""
    rows = trace[(trace["quantity"] == quantity) & (trace["split"] == split)].sort_values("step")
    return rows.set_index("step")["value"]


def check_trace(trace: pd.DataFrame) -> None:
    """Raise NasbookError unless ``trace`` has the columns of a trace."""
    missing = [name for name in TRACE if name not in trace.columns]
    if missing:
        raise NasbookError(f"this trace has no column {missing[0]!r}: a trace has {', '.join(TRACE)}")


def trace_sentence(trace: pd.DataFrame) -> str:
    """What the curves say: of a search its accuracy, entropy of the alphas and skips; of a training its
    accuracies on the test and training parts.

    A search's accuracy is that of the most independent split there is: selection, else alphas, else weights.
    ``trace``: columns step, split, quantity, value. Raises NasbookError if one is missing.
    """
    check_trace(trace)
    steps = int(trace["step"].max()) if len(trace) else 0
    said = [_training_part] if "train" in set(trace["split"]) else [_accuracy_part, _kinds_part]
    parts = [part for part in (say(trace) for say in (*said, _broken_part)) if part]
    epochs = f"After {steps} epoch{'s' * (steps != 1)}"
    return f"{epochs}: {'; '.join(parts) or 'nothing was recorded'}"


def probabilities(alphas: np.ndarray) -> np.ndarray:
    """softmax over the last axis, in float64; ``alphas`` (..., operations)."""
    values = np.asarray(alphas, dtype=np.float64)
    exponential = np.exp(values - values.max(axis=-1, keepdims=True))
    return exponential / exponential.sum(axis=-1, keepdims=True)


def entropy(alphas: np.ndarray) -> np.ndarray:
    """Entropy of softmax(alphas) in nats, without the last axis; ``alphas`` (..., operations)."""
    chance = probabilities(alphas)
    # (..., operations) -> (...)
    return -(chance * np.log(np.maximum(chance, np.finfo(np.float64).tiny))).sum(axis=-1)


def check_alphas(alphas: np.ndarray, steps: Sequence[int], kinds: Sequence[str], operations: Sequence[str]) -> None:
    """Raise NasbookError unless ``alphas`` is finite and (len(steps), len(kinds), edges, len(operations))."""
    wanted = (len(steps), len(kinds), len(operations))
    shape = np.shape(alphas)
    if len(shape) != 4 or not shape[0] or not shape[2] or (shape[0], shape[1], shape[3]) != wanted:
        raise NasbookError(
            f"alphas have shape {shape}: with {wanted[0]} steps, {wanted[1]} cell kinds and {wanted[2]} "
            f"operations they must be ({wanted[0]}, {wanted[1]}, edges, {wanted[2]})"
        )
    # (snapshots, kinds, edges, operations) -> (snapshots)
    broken = np.flatnonzero(~np.isfinite(alphas).all(axis=(1, 2, 3)))
    if len(broken):
        raise NasbookError(f"alphas are not finite numbers from epoch {steps[broken[0]]} on: the search diverged")


def alphas_sentence(alphas: np.ndarray, steps: Sequence[int], kinds: Sequence[str], operations: Sequence[str]) -> str:
    """How far the alphas moved from uniform, per cell kind, and which (edge, operation) leads.

    ``alphas`` (snapshots, cell kinds, edges, operations). Raises NasbookError if the shapes do not agree.
    """
    check_alphas(alphas, steps, kinds, operations)
    names = edge_names(np.shape(alphas)[2])
    # (snapshots, kinds, edges, operations) -> (kinds, edges, operations)
    last = probabilities(np.asarray(alphas)[-1])
    parts = []
    for kind, chance in zip(kinds, last):
        edge, operation = np.unravel_index(int(chance.argmax()), chance.shape)
        parts.append(
            f"{kind} cell: largest {chance.max():.3f} ({operations[operation]} on {names[edge]}), "
            f"smallest {chance.min():.3f}"
        )
    uniform = 1 / len(operations)
    return f"Probabilities at epoch {steps[-1]} (uniform would be {uniform:.3f}): {'; '.join(parts)}"


def _accuracy_part(trace: pd.DataFrame) -> str:
    for split in ("selection", "alphas", "weights"):
        values = series(trace, "accuracy", split).dropna()
        if len(values) == 1:
            return f"accuracy on the {split} split {values.iloc[0]:.1%}"
        if len(values):
            first, last = values.iloc[0], values.iloc[-1]
            verb = "rose" if last > first else "fell" if last < first else "stayed"
            return f"accuracy on the {split} split {verb} from {first:.1%} to {last:.1%}"
    return ""


def _training_part(trace: pd.DataFrame) -> str:
    splits = (("test", "test"), ("train", "training"))
    last = {name: series(trace, "accuracy", split).dropna().iloc[-1:] for split, name in splits}
    return "; ".join(f"{name} accuracy {value:.1%}" for name, values in last.items() for value in values)


def _kinds_part(trace: pd.DataFrame) -> str:
    """Of each kind of cell, where its entropy began and ended and how many skips it has."""
    entropies = [f"{kind} {values[0]:.3f} -> {values[-1]:.3f}" for kind, values in _by_kind(trace, "entropy_")]
    skips = [f"{values[-1]:.0f} in the {kind} cell" for kind, values in _by_kind(trace, "skips_")]
    named = (("entropy of the alphas in nats per edge", entropies), ("skip connections", skips))
    return "; ".join(f"{what}: {', '.join(parts)}" for what, parts in named if parts)


def _broken_part(trace: pd.DataFrame) -> str:
    broken = trace[~np.isfinite(trace["value"].astype(float))]
    if not len(broken):
        return ""
    first = broken.sort_values("step").iloc[0]
    return f"{first['quantity']} of {first['split']} is not a finite number from epoch {int(first['step'])} on"


def _by_kind(trace: pd.DataFrame, prefix: str) -> list[tuple[str, np.ndarray]]:
    found = sorted(name for name in trace["quantity"].unique() if name.startswith(prefix))
    return [(name.removeprefix(prefix), series(trace, name, "search").to_numpy()) for name in found]
