"""What an optimist believes: each arm's interval, round by round, and the arm that it makes him pull next."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nasbook.drawing.parts import axes, shell, style, svg

WIDTH, LEFT, RIGHT, TOP, ROW = 900, 140, 660, 60, 34
PULLS = 720
LOW, HIGH = -0.5, 1.5
"""Ends of the axis; a bar that goes on is cut there, with an arrow. Rewards themselves lie in [0, 1]."""
_x = axes.scale(LOW, HIGH, LEFT, RIGHT, clip=True)
KEY = "bar: mean and bound; arrow: it goes on; green field: possible rewards, 0 to 1; tick: true mean"


class Game(NamedTuple):
    """``arms`` (T,) as they were pulled; before each round and at the end, (T + 1, K), the ``means`` that the
    policy estimates and the ``halves``, how far above its mean each bound lies (infinite: not pulled yet)."""

    arms: np.ndarray
    means: np.ndarray
    halves: np.ndarray


def render(game: Game, truth: np.ndarray, names: Sequence[str], round: int, policy: str = "policy") -> shell.Frame:
    """The intervals before round number ``round`` + 1; ``truth`` (K,) are the arms' true means."""
    rounds, arms = len(game.arms), len(names)
    means, halves = game.means[round], game.halves[round]
    pulls = np.bincount(game.arms[:round], minlength=arms)
    chosen = int(game.arms[round]) if round < rounds else None
    said = sentence(game, truth, names, round, policy)
    low, bottom = TOP - 8, TOP + ROW * arms
    parts = [
        svg.text(8, 22, f"{policy} after {round} of {rounds} rounds", size=15),
        svg.text(LEFT, 42, KEY, size=12),
        svg.text(PULLS, 42, "pulls", size=12),
        svg.rect(_x(0), low, _x(1) - _x(0), bottom - low, "#EEF3E6"),
        *axes.columns(_x, np.arange(LOW, HIGH + 0.1, 0.25), bottom, low, size=11),
    ]
    for arm, name in enumerate(names):
        parts += _row(arm, name, means[arm], halves[arm], truth[arm], arm == chosen)
        length = 130 * pulls[arm] / max(rounds, 1)
        y = TOP + ROW * arm + ROW / 2
        parts += [svg.rect(PULLS, y - 7, length, 14, style.QUIET), svg.text(PULLS + length + 5, y + 4, str(pulls[arm]))]
    return shell.Frame(svg.page(WIDTH, height(arms), said, parts), said)


def sentence(game: Game, truth: np.ndarray, names: Sequence[str], round: int, policy: str) -> str:
    """What the frame says: the arm pulled next and why, the arm pulled most, how many true means lie inside."""
    means, halves = game.means[round], game.halves[round]
    inside = int((np.abs(truth - means) <= halves).sum())
    when = f"{policy} after {round} of {len(game.arms)} rounds"
    parts = [f"{when}: {inside} of {len(names)} true means lie inside the bars"]
    if round:
        pulls = np.bincount(game.arms[:round], minlength=len(names))
        times = "once" if pulls.max() == 1 else f"{pulls.max()} times"
        parts.append(f"most pulled is {names[pulls.argmax()]}, {times}")
    if round < len(game.arms):
        arm = int(game.arms[round])
        why = f"bound {means[arm] + halves[arm]:.3f}" if np.isfinite(halves[arm]) else "never pulled so far"
        parts.append(f"next is {names[arm]}, {why}")
    return "; ".join(parts)


def explore(games: Mapping[str, Game], truth: np.ndarray, names: Sequence[str], round: int = 0) -> shell.Shell:
    """The widget: a policy to choose and a round to move to. All games have the same number of rounds."""
    rounds = len(next(iter(games.values())).arms)
    controls = {"policy": shell.choice("policy", list(games)), "round": shell.steps("round", round, 0, rounds)}
    return shell.Shell(
        lambda policy, round: render(games[policy], truth, names, round, policy), controls, height(len(names))
    )


def height(arms: int) -> int:
    """Height of a frame, in pixels."""
    return TOP + ROW * arms + 28


def _row(arm: int, name: str, mean: float, half: float, truth: float, chosen: bool) -> list[str]:
    y = TOP + ROW * arm + ROW / 2
    colour = "#D55E00" if chosen else "#0072B2"
    known = bool(np.isfinite(half))
    start, end = (_x(mean - half), _x(mean + half)) if known else (LEFT, RIGHT)
    parts = [svg.text(LEFT - 16, y + 4, name, anchor="end")]
    parts.append(svg.rect(start, y - 8, end - start, 16, "none" if not known else colour, stroke=colour, opacity=0.45))
    if not known or mean - half < LOW:
        parts.append(svg.arrow(start + 14, y, start - 10, y, colour))
    if not known or mean + half > HIGH:
        parts.append(svg.arrow(end - 14, y, end + 10, y, colour))
    if known:
        parts.append(svg.circle(_x(mean), y, 4, colour))
    parts.append(svg.line(_x(truth), y - 12, _x(truth), y + 12, style.INK, width=2))
    if chosen:
        parts.append(svg.text(end + 14, y + 4, "next", ink="#A84A00"))
    return parts
