"""The backup microscope: value iteration on a grid, sweep by sweep, and one cell's backup with its numbers.

``trace`` computes what the frames share; ``paths_picture`` draws walks on a grid.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from nasbook.decisions.mdps import best_actions
from nasbook.decisions.worlds import grid_world, slippery_grid
from nasbook.drawing.figures.against import LOOKS as LINES
from nasbook.drawing.parts import style, svg
from nasbook.drawing.parts.picture import Picture, panels
from nasbook.drawing.parts.shell import Frame, Shell, choice, slider, steps

WIDTH, HEIGHT = 900, 410
TOP, LEFT, MAP_WIDTH, MAP_HEIGHT, PANEL = 46, 12, 440, 340, 476
UP, DOWN, WALL, CLIFF = (0, 114, 178), (213, 94, 0), "#4D4D4D", "#FBE3D3"
MOVES = {"up": (0, -1), "right": (1, 0), "down": (0, 1), "left": (-1, 0)}
WORDS = {"S": "start", "G": "goal", "T": "trap", "C": "cliff"}


class Trace(NamedTuple):
    """A grid and the values of its states after 0, 1, ... sweeps.

    ``layout``: rows of letters; ``cells``: (row, column) of each state; ``transitions``, ``rewards``: (A, S, S) with
    the actions of ``MOVES``; ``values``: (sweeps + 1, S).
    """

    layout: tuple[str, ...]
    cells: tuple[tuple[int, int], ...]
    transitions: np.ndarray
    rewards: np.ndarray
    gamma: float
    slip: float
    values: np.ndarray

    def q(self, sweep: int) -> np.ndarray:
        """(S, A): what sweep ``sweep`` (from 1) took the largest of."""
        gains = self.rewards + self.gamma * self.values[sweep - 1]  # (A, S, S) + (S,) -> (A, S, S)
        return (self.transitions * gains).sum(axis=2).T  # (A, S, S) -> (S, A)

    def terminal(self) -> np.ndarray:
        """(S,): whether the cell is a goal or a trap."""
        return np.array([self.layout[row][column] in "GT" for row, column in self.cells])


def trace(layout: Sequence[str], rewards: Mapping[str, float], gamma: float, slip: float, sweeps: int) -> Trace:
    """Value iteration from zero on ``decisions.grid_world(layout, gamma, rewards=rewards, slip=slip)``."""
    world = grid_world(layout, gamma, rewards=rewards, slip=slip)
    values = [np.zeros(len(world.cells))]
    for _ in range(sweeps):
        values.append(world.mdp.backup(values[-1]))
    paid = world.mdp.transition_rewards()
    return Trace(world.layout, world.cells, world.mdp.transitions, paid, world.mdp.gamma, slip, np.array(values))


def render(seen: Trace, sweep: int, state: int) -> Frame:
    """The values after ``sweep`` sweeps with the action that each backup chose, and the backup of ``state``."""
    values, terminal = seen.values[sweep], seen.terminal()
    q = seen.q(sweep) if sweep else None
    best = best_actions(q) if sweep else None
    title = f"{sweep} sweep{'s' * (sweep != 1)} at gamma {seen.gamma:g}, slip {seen.slip:g}"
    parts = [svg.text(LEFT, 28, f"Values after {title}", 14)]
    parts += _map(seen, values, best, terminal, state)
    if sweep and not terminal[state]:
        parts += _panel(seen, sweep, state, q[state], best[state])
    else:
        why = "Every value begins at 0." if not sweep else "The episode ends here: no backup."
        parts.append(svg.text(PANEL, TOP + 20, why, 13))
    row, column = seen.cells[state]
    said = f"After {title} the cell in row {row + 1}, column {column + 1} is worth {_number(values[state])}"
    if terminal[state]:
        said += ", because the reward of a cell that ends the episode is paid on entering it"
    if sweep and not terminal[state]:
        change = np.abs(values - seen.values[sweep - 1])[~terminal]
        moved = f"the last sweep changed {(change > 0.005).sum()} of {change.size} values by more than .005"
        bound = change.max() * seen.gamma / (1 - seen.gamma)
        said += f" and its backup chose {list(MOVES)[best[state]]}; {moved}"
        said += f", the most by {_number(change.max())}"
        if bound <= np.ptp(seen.values):
            said += f", so no value is further than {_number(bound)} from its limit"
    return Frame(svg.page(WIDTH, HEIGHT, f"{said}.", parts), f"{said}.")


def explore(
    layout: Sequence[str] | None = None,
    rewards: Mapping[str, float] | None = None,
    *,
    gamma: float = 0.9,
    slip: float = 0.2,
    sweeps: int = 30,
) -> Shell:
    """The widget: discount, slip, cell and sweep move. Without a layout, Russell and Norvig's 4 x 3 grid."""
    if layout is None:
        layout, rewards = slippery_grid().layout, {".": -0.04, "G": 0.96, "T": -1.04}
    traced = lru_cache(maxsize=64)(lambda gamma, slip: trace(layout, rewards, gamma, slip, sweeps))
    first = traced(gamma, slip)
    promising = int((first.values[1] - 1e9 * first.terminal()).argmax())
    names = [(f"row {row + 1}, column {column + 1}", state) for state, (row, column) in enumerate(first.cells)]
    controls = {
        "gamma": slider("discount", gamma, 0, 0.99),
        "slip": slider("slip", slip, 0, 1, 0.05),
        "state": choice("cell", names, promising),
        "sweep": steps("sweeps", 3, 0, sweeps),
    }
    return Shell(lambda gamma, slip, state, sweep: render(traced(gamma, slip), sweep, state), controls, HEIGHT)


def paths_picture(layout: Sequence[str], paths: Mapping[str, Sequence[tuple[int, int]]]) -> Picture:
    """Walks over a grid, at most three, each a list of (row, column), drawn side by side within the cells.

    The sentence says how many steps each takes.
    """
    from matplotlib.patches import Rectangle

    fills = {"#": WALL, "C": CLIFF, "G": "#D9ECF7", "T": CLIFF}
    with panels(8, 0.8 + 8 * 0.85 * len(layout) / len(layout[0])) as (figure, axes):
        for row, line in enumerate(layout):
            for column, letter in enumerate(line):
                corner = column - 0.5, row - 0.5
                fill = fills.get(letter, "white")
                axes.add_patch(Rectangle(corner, 1, 1, facecolor=fill, edgecolor=style.QUIET, linewidth=0.8))
                axes.text(column, row + 0.38, WORDS.get(letter, ""), ha="center", fontsize=9)
        for place, ((name, path), (colour, dash, marker)) in enumerate(zip(paths.items(), LINES)):
            shift = 0.14 * (place - (len(paths) - 1) / 2)
            rows, columns = np.array(path, dtype=float).T + shift  # (steps, 2) -> (2, steps)
            axes.plot(columns, rows, dash, color=colour, marker=marker, label=name)
        ends = {"xlim": (-0.5, len(layout[0]) - 0.5), "ylim": (len(layout) - 0.5, -0.5)}
        axes.set(**ends, aspect="equal", xticks=[], yticks=[])
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=len(paths))
    said = "; ".join(f"{name}: {len(path) - 1} steps" for name, path in paths.items())
    return Picture.of_figure(figure, f"From the start, {said}.")


def _map(seen: Trace, values: np.ndarray, best, terminal: np.ndarray, chosen: int) -> list[str]:
    rows, columns = len(seen.layout), len(seen.layout[0])
    side = min(MAP_WIDTH / columns, MAP_HEIGHT / rows)
    parts = [
        svg.rect(LEFT + side * column, TOP + side * row, side, side, WALL if letter == "#" else CLIFF, letter)
        for row, line in enumerate(seen.layout)
        for column, letter in enumerate(line)
        if letter in "#C"
    ]
    scale = np.abs(seen.values).max() or 1
    size = max(11, min(15, side / 4.5))
    for state, (row, column) in enumerate(seen.cells):
        x, y = LEFT + side * column, TOP + side * row
        parts.append(svg.rect(x, y, side, side, _shade(values[state] / scale), stroke="#666666"))
        word = WORDS.get(seen.layout[row][column], "")
        parts.append(svg.text(x + 4, y + 13, word if side >= 40 else word[:1].upper(), 11))
        if side >= 40:
            lowered = 0.5 if terminal[state] else 0.62
            parts.append(svg.text(x + side / 2, y + side * lowered, _number(values[state]), size, "middle"))
        if best is not None and not terminal[state]:
            right, down = list(MOVES.values())[best[state]]
            centre, reach = (x + side / 2, y + side * 0.82), side * 0.12
            tail, tip = ((centre[0] + s * right * reach, centre[1] + s * down * reach) for s in (-1, 1))
            parts.append(svg.arrow(*tail, *tip, width=2))
    entering = "A cell that ends the episode is worth 0: its reward is paid on entering."
    parts.append(svg.text(LEFT, TOP + side * rows + 17, entering, 11))
    row, column = seen.cells[chosen]
    inner = side - 3
    ring = f"M{LEFT + side * column + 1.5:.1f} {TOP + side * row + 1.5:.1f}h{inner:.1f}v{inner:.1f}h{-inner:.1f}z"
    return [*parts, svg.path(ring, width=3.5)]


def _panel(seen: Trace, sweep: int, state: int, q: np.ndarray, best: int) -> list[str]:
    row, column = seen.cells[state]
    before = seen.values[sweep - 1]
    parts = [
        svg.text(PANEL, 28, f"Backup number {sweep} of row {row + 1}, column {column + 1}", 14),
        svg.text(PANEL, TOP + 14, "each action: sum of probability × (reward + gamma × value before)", 12),
    ]
    scale = np.abs(q).max() or 1
    for action, name in enumerate(MOVES):
        y = TOP + 46 + 72 * action
        mark = " \N{BLACK LEFT-POINTING TRIANGLE} the largest" if action == best else ""
        colour = "#0072B2" if action == best else "#B5B5B5"
        zero, reach = PANEL + 300, 90 * q[action] / scale
        parts += [
            svg.text(PANEL, y, f"{name} = {_number(q[action])}{mark}", 13),
            svg.rect(min(zero, zero + reach), y - 11, abs(reach), 13, colour),
            svg.line(zero, y - 14, zero, y + 5, style.QUIET),
            *(svg.text(PANEL, y + 18 + 15 * n, line, 11) for n, line in enumerate(_terms(seen, before, action, state))),
        ]
    total = f"new value = max = {_number(q.max())}; before this sweep {_number(before[state])}"
    return [*parts, svg.text(PANEL, TOP + 46 + 72 * len(MOVES), total, 13)]


def _terms(seen: Trace, before: np.ndarray, action: int, state: int) -> list[str]:
    """The sum in lines of two terms, which is what the panel has room for."""
    terms = [
        f"{seen.transitions[action, state, t]:.3g} × ({_number(seen.rewards[action, state, t])}"
        f" + {seen.gamma:.3g} × {_number(before[t])})"
        for t in np.flatnonzero(seen.transitions[action, state])
    ]
    return [("+ " if first else "") + " + ".join(terms[first : first + 2]) for first in range(0, len(terms), 2)]


def _number(value: float) -> str:
    return f"{value:z.2f}".replace("-", "\N{MINUS SIGN}")


def _shade(share: float) -> str:
    return style.tint(UP if share > 0 else DOWN, 0.65 * abs(share))
