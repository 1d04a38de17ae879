"""Markov models as pictures: states are circles, actions small squares, observations dashed boxes.

A chain of few transitions lies on a ring; a model with actions is one step unrolled. Up to ``STATES`` states and
``LINES`` transitions are drawn, beyond that the transitions are a heat map. Where no Graphviz works, the sentence
stands alone. Plain arrays come in: A actions, S states, O observations.
"""

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nasbook.base.errors import NasbookError
from nasbook.drawing.figures import layouts
from nasbook.drawing.figures.board import Board
from nasbook.drawing.figures.layouts import Actions, Seen, chance
from nasbook.drawing.parts import render, style, svg
from nasbook.drawing.parts.picture import Picture, panels

STATES = 12
LINES = 60
UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
SAID = 8
"""Transitions or rewards up to this many are all in the sentence."""

CHART = (
    ("Markov chain", "MDP: Markov decision process"),
    ("HMM: hidden Markov model", "POMDP: partially observable MDP"),
)


def chain_picture(transitions: np.ndarray, rewards: np.ndarray | None, states: Sequence[str]) -> Picture:
    """A Markov chain: ``transitions`` (S, S), ``rewards`` (S,) or None, S names. Kemeny and Snell (1960)."""
    steps, below = np.asarray(transitions), [""] * len(states)
    sentence = f"Markov chain of {_count(states, 'state')}: {_moves({'': steps}, states)}"
    if rewards is not None:
        sentence += f"; {_paid(np.asarray(rewards)[None], states, ('',))}"  # (S,) -> (1, S)
        below = [f"reward {value:.3g}" for value in rewards]
    if not _fits(steps):
        return _heat({"": steps}, states, sentence)
    if np.count_nonzero(steps) <= max(16, 3 * len(states)):
        return _finish(layouts.ring(steps, states, below), sentence)
    return _finish(layouts.unrolled(steps[None], states, below), sentence)  # (S, S) -> (1, S, S)


def hmm_picture(
    prior: np.ndarray,
    transitions: np.ndarray,
    emissions: np.ndarray,
    states: Sequence[str],
    observation_names: Sequence[str],
) -> Picture:
    """A hidden Markov model: ``prior`` (S,), ``transitions`` (S, S), ``emissions`` (S, O), names. Rabiner (1989)."""
    steps, shown = np.asarray(transitions), np.asarray(emissions)
    sentence = (
        f"Hidden Markov model of {_count(states, 'state')} and {_count(observation_names, 'observation')}: "
        f"starts in {_listed(np.asarray(prior), states, 'states')}; {_moves({'': steps}, states)}; "
        f"{_seen_said(shown[None], states, observation_names, ('',))}"
    )
    if not _fits(steps, shown):
        return _heat({"": steps}, states, sentence)
    below = [f"start {chance(value)}" for value in prior]
    seen = _seen(shown[None], observation_names, ("",))  # (S, O) -> (1, S, O)
    if len(states) <= 2:
        return _finish(layouts.ring(steps, states, below, seen), sentence)
    return _finish(layouts.unrolled(steps[None], states, below, None, seen), sentence)


def mdp_picture(transitions: np.ndarray, rewards: np.ndarray, states: Sequence[str], actions: Sequence[str]) -> Picture:
    """An MDP: ``transitions`` (A, S, S), expected ``rewards`` (A, S), names. Puterman (1994), section 2.1."""
    return pomdp_picture(transitions, None, rewards, states, actions, ())


def pomdp_picture(
    transitions: np.ndarray,
    observations: np.ndarray | None,
    rewards: np.ndarray,
    states: Sequence[str],
    actions: Sequence[str],
    observation_names: Sequence[str],
) -> Picture:
    """A POMDP: as ``mdp_picture``, and ``observations`` (A, S', O) of the state that an action lands in.

    Kaelbling, Littman and Cassandra (1998), section 3.1. Without ``observations`` it is an MDP.
    """
    steps, paid = np.asarray(transitions), np.asarray(rewards)
    kind = "Markov decision process" if observations is None else "Partially observable Markov decision process"
    sentence = f"{kind} of {_count(states, 'state')} and {_count(actions, 'action')}"
    sentence += f": {_moves(dict(zip(actions, steps)), states)}; {_paid(paid, states, actions)}"
    shown = np.zeros(0)
    if observations is not None:
        sentence += f"; {_seen_said(np.asarray(observations), states, observation_names, actions)}"
        shown = np.max(observations, axis=0)  # (A, S, O) -> (S, O)
    if not _fits(steps, shown):
        return _heat(dict(zip(actions, steps)), states, sentence)
    same = _same(paid)
    below = [f"reward {value:.3g}" for value in paid[0]] if same else [""] * len(states)
    squares = Actions(actions, () if same else [[f"reward {value:.3g}" for value in row] for row in paid])
    seen = None if observations is None else _seen(np.asarray(observations), observation_names, actions)
    return _finish(layouts.unrolled(steps, states, below, squares, seen), sentence)


def four_models_picture(chain: Any, hmm: Any, mdp: Any, pomdp: Any) -> Picture:
    """The chart *states observable? x control over transitions?*, each field with its model, which has ``draw``.

    After the slides of G. Hollinger (2007). The picture is saved as SVG only.
    Raises NasbookError for a model that is drawn as a heat map.
    """
    pictures = [model.draw() for model in (chain, mdp, hmm, pomdp)]
    for name, picture in zip((title for titles in CHART for title in titles), pictures):
        if picture.svg is None:
            raise NasbookError(f"the {name.partition(':')[0]} is too large for the chart: it is drawn as a heat map")
    graphs = [picture.graph.copy() for picture in pictures]
    for graph in graphs:
        graph.attr(label="")
    sentence = "; ".join(
        f"{title.partition(':')[0]}: states {seen}, {control}"
        for seen, titles in zip(("seen", "hidden"), CHART)
        for control, title in zip(("no control", "control"), titles)
    )
    lefts, top, wides, tall = (66, 348), 56, (282, 548), 290
    parts = [svg.text(480, 18, "Do we have control over the transitions?", 14, "middle")]
    parts.append(svg.text(18, top + tall, "Are the states completely observable?", 14, "middle", turn=-90))
    for place, word in enumerate(("no", "yes")):
        parts.append(svg.text(lefts[place] + wides[place] / 2, 44, word, 14, "middle"))
        parts.append(svg.text(44, top + (1.5 - place) * tall, word, 14, "middle"))
    for place, raw in enumerate(render.render_all([graph.source for graph in graphs], "svg")):
        row, column = divmod(place, 2)
        x, y, wide = lefts[column], top + row * tall, wides[column]
        parts.append(svg.rect(x, y, wide, tall, "none", stroke=style.QUIET))
        parts.append(svg.text(x + 10, y + 22, CHART[row][column], 14))
        parts.append(render.nested(raw.decode("utf-8"), x + 8, y + 34, wide - 16, tall - 42))
    parts.append(svg.text(lefts[0], top + 2 * tall + 20, sentence))
    return Picture(sentence, tuple(graphs), svg.page(900, top + 2 * tall + 30, sentence, parts))


def _fits(steps: np.ndarray, *shown: np.ndarray) -> bool:
    return steps.shape[-1] <= STATES and max(map(np.count_nonzero, (steps, *shown))) <= LINES


def _finish(page: Board, sentence: str) -> Picture:
    graph = page.graph
    # Graphviz would take a name's backslash for one of its own escapes, and SVG has no control characters
    sentence = UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", sentence)
    graph.body[:] = [UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", one).replace("\\", "&#92;&#92;") for one in graph.body]
    said = textwrap.fill(sentence.replace("\\", r"\\"), 68).replace("\n", "\\l") + "\\l"
    graph.attr(label=said, labelloc="b", labeljust="l", fontsize="12")
    try:
        drawn = render.svg(graph.source, sentence)
    except NasbookError as error:
        lines = textwrap.wrap(f"{sentence} (not drawn: {error})", 120)
        drawn = svg.page(900, 20 * len(lines), sentence, [svg.text(4, 20 * n + 14, one) for n, one in enumerate(lines)])
    return Picture(sentence=sentence, graph=graph, svg=drawn)


def _heat(matrices: Mapping[str, np.ndarray], states: Sequence[str], sentence: str) -> Picture:
    """One map of probabilities for each action, six at most, rows from, columns to."""
    shown = list(matrices.items())[:6]
    columns = 2 if len(shown) in (2, 4) else min(len(shown), 3)
    rows = -(-len(shown) // columns)
    size = min(4.6 * columns, 9), 9 / columns * rows if columns > 1 else 4
    with panels(*size, rows, columns, squeeze=False) as (figure, grid):
        axes = grid.ravel()
        for panel, (name, matrix) in zip(axes, shown):
            image = panel.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
            panel.set(title=name, xlabel="to state", ylabel="from state")
            ticks = range(0, len(states), -(-len(states) // 12))
            panel.set_xticks(ticks, [states[place] for place in ticks], rotation=60, ha="right")
            panel.set_yticks(ticks, [states[place] for place in ticks])
            panel.grid(False)
        for panel in axes[len(shown) :]:
            panel.set_axis_off()
        figure.colorbar(image, ax=list(axes), label="probability")
    more = f" (the first {len(shown)} of {len(matrices)} actions are shown)" if len(shown) < len(matrices) else ""
    return Picture.of_figure(figure, sentence + more)


def _seen(observations: np.ndarray, names: Sequence[str], actions: Sequence[str]) -> Seen:
    """What is written between state and observation: one probability, or one for each group of actions."""
    by_state = np.moveaxis(observations, 0, -1)  # (A, S, O) -> (S, O, A)
    return Seen(names, [[_by_action(values, actions) for values in row] for row in by_state])


def _by_action(values: np.ndarray, actions: Sequence[str]) -> list[str]:
    if _same(values):
        return [chance(values[0])] if values[0] > 0 else []
    found = list(dict.fromkeys(values.tolist()))
    if len(found) > 3:
        return [f"{chance(min(found))} to {chance(max(found))}"]
    groups = [[name for name, one in zip(actions, values) if one == value] for value in found]
    said = [f"{group[0] if len(group) == 1 else 'else'}: {chance(value)}" for group, value in zip(groups, found)]
    if sum(len(group) > 1 for group in groups) > 1:
        said = [f"{', '.join(group)}: {chance(value)}" for group, value in zip(groups, found)]
    return sorted(said, key=lambda text: text.startswith("else"))


def _moves(matrices: Mapping[str, np.ndarray], states: Sequence[str]) -> str:
    """Where each state leads: all of it if that is little, else how much there is and what is likeliest."""
    steps = np.stack(list(matrices.values()))  # A times (S, S) -> (A, S, S)
    if np.count_nonzero(steps) <= SAID:
        rows = [(a, i) for i in range(len(states)) for a in range(len(steps))]
        return "; ".join(f"{_from(matrices, a, states[i])} to {_listed(steps[a, i], states)}" for a, i in rows)
    free = steps * ~np.eye(len(states), dtype=bool)
    a, i, j = np.unravel_index(np.argmax(free), free.shape)
    said = f"{np.count_nonzero(steps)} of {steps.size} transitions are possible"
    if free.max() > 0:
        said += ", the likeliest change of state is "
        said += f"{_from(matrices, a, states[i])} to {states[j]} {chance(free[a, i, j])}"
    stuck = [state for place, state in enumerate(states) if (steps[:, place, place] == 1).all()]
    if len(stuck) > SAID:
        return f"{said}; {len(stuck)} states are absorbing"
    return said + (f"; absorbing: {', '.join(stuck)}" if stuck else "")


def _from(matrices: Mapping[str, np.ndarray], action: int, state: str) -> str:
    name = list(matrices)[action]
    return f"{state} by {name}" if name else state


def _paid(rewards: np.ndarray, states: Sequence[str], actions: Sequence[str]) -> str:
    """Rewards (A, S): all of them if they are few, else their range."""
    if _same(rewards) and len(states) <= SAID:
        return "rewards: " + ", ".join(f"{state} {value:.3g}" for state, value in zip(states, rewards[0]))
    if rewards.size <= SAID:
        named = [
            f"{name} {', '.join(f'{v:.3g} in {s}' for s, v in zip(states, row))}" for name, row in zip(actions, rewards)
        ]
        return f"rewards: {'; '.join(named)}"
    low, high = rewards.min(), rewards.max()
    return f"every reward is {low:.3g}" if low == high else f"rewards from {low:.3g} to {high:.3g}"


def _seen_said(observations: np.ndarray, states: Sequence[str], names: Sequence[str], actions: Sequence[str]) -> str:
    if _same(observations) and np.count_nonzero(observations[0]) <= SAID:
        return "; ".join(f"{state} shows {_listed(row, names)}" for state, row in zip(states, observations[0]))
    if _same(observations):
        s, o = np.unravel_index(np.argmax(observations[0]), observations[0].shape)
        return f"the likeliest observation is {names[o]} in {states[s]}, {chance(observations[0, s, o])}"
    telling = [name for name, one in zip(actions, observations) if not _same(one)]
    return f"observations tell states apart after {', '.join(telling) if telling else 'no action'}"


def _listed(values: np.ndarray, names: Sequence[str], what: str = "") -> str:
    """The probabilities above 0 with their names; ``what``: how to call them where they are too many to list."""
    if what and np.count_nonzero(values) > SAID:
        return f"one of {np.count_nonzero(values)} {what}"
    return ", ".join(f"{name} {chance(value)}" for name, value in zip(names, values) if value > 0)


def _same(values: np.ndarray) -> bool:
    """Whether all entries along the first axis are equal."""
    return bool((values == values[0]).all())


def _count(names: Sequence[str], what: str) -> str:
    return f"{len(names)} {what}{'s' * (len(names) != 1)}"
