"""Worlds to act in: grids drawn as text.

The cliff is example 6.6 of Sutton and Barto, Reinforcement Learning (2nd edition, 2018), which Gymnasium has as
``CliffWalking-v1``; the actions have Gymnasium's order. The slippery grid has the motion of Russell and Norvig,
Artificial Intelligence: A Modern Approach, section 17.1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nasbook.base import checks
from nasbook.base.errors import NasbookError, one_of
from nasbook.decisions.environments import MDPEnv
from nasbook.decisions.mdps import MDP

MOVES = {"up": (-1, 0), "right": (0, 1), "down": (1, 0), "left": (0, -1)}
"""Actions of a grid and their steps (rows, columns); the ways that one slips are its neighbours in this circle."""

LETTERS = {
    ".": "free",
    "S": "start",
    "G": "goal: the episode ends",
    "T": "trap: the episode ends",
    "C": "cliff: back to the start",
    "#": "wall",
}

CELLS = 5_500
"""Largest number of states of a grid: its dense transitions, (A, S, S) in float64, take 1 GB."""

CLIFF = ("............", "............", "............", "SCCCCCCCCCCG")
SLIPPERY = ("...G", ".#.T", "S...")


@dataclass(frozen=True, eq=False)
class GridWorld:
    """A grid as ``mdp``, with what a drawing needs: ``layout`` (rows of letters) and the ``start`` state.

    ``cells[s]`` is the (row, column) of state s, from 0; walls and cliffs are no states.
    """

    mdp: MDP
    layout: tuple[str, ...]
    cells: tuple[tuple[int, int], ...]
    start: int

    def to_gymnasium(self, horizon: int | None = None) -> MDPEnv:
        """The environment that begins in ``.start``."""
        return self.mdp.to_gymnasium(horizon, self.start)

    def greedy_path(self, policy, steps: int = 100) -> tuple[list[int], float]:
        """States from the start on under ``policy``, each step the likeliest one, and the sum of rewards.

        It ends in a terminal state or after ``steps`` steps. Raises NasbookError as ``MDP.probabilities`` does.
        """
        chosen = self.mdp.probabilities(policy).argmax(axis=1)  # (S, A) -> (S,)
        rewards, path, total = self.mdp.transition_rewards(), [self.start], 0.0
        while not self.mdp.terminal[path[-1]] and len(path) <= steps:
            action = chosen[path[-1]]
            state = int(self.mdp.transitions[action, path[-1]].argmax())
            total += float(rewards[action, path[-1], state])
            path.append(state)
        return path, total


def grid_world(
    layout: Sequence[str], gamma: float = 0.9, *, rewards: Mapping[str, float] | None = None, slip: float = 0.0
) -> GridWorld:
    """A grid of cells with the letters of ``LETTERS``: exactly one S, at least one G or T.

    ``rewards``: what a step is paid, by the letter of the cell that it enters; a letter that is not named is paid
    as "." (default -1). A step against a wall or the rim stays, and is paid as a step onto a free cell. With
    probability ``slip`` a step goes to one side, half to each. Raises NasbookError for anything that is no grid.
    """
    grid = _layout(layout)
    pays = _pays(rewards)
    slip = checks.share(slip, "slip")
    where = {(r, c): letter for r, line in enumerate(grid) for c, letter in enumerate(line)}
    cells = tuple(cell for cell, letter in where.items() if letter not in "#C")
    if len(cells) > CELLS:
        raise NasbookError(f"a grid of {len(cells):,} cells does not fit: its transitions are dense, at most {CELLS:,}")
    number = {cell: state for state, cell in enumerate(cells)}
    start = next(state for cell, state in number.items() if where[cell] == "S")
    steps = list(MOVES.values())
    transitions = np.zeros((len(steps), len(cells), len(cells)))
    paid = np.zeros_like(transitions)
    ways = ((0, 1 - slip), (1, slip / 2), (-1, slip / 2))
    for cell, state in number.items():
        if where[cell] in "GT":
            transitions[:, state, state] = 1
            continue
        for action in range(len(steps)):
            for turn, probability in ways:
                down, across = steps[(action + turn) % len(steps)]
                entered = cell[0] + down, cell[1] + across
                if where.get(entered, "#") == "#":
                    entered = cell
                letter = where[entered]
                into = start if letter == "C" else number[entered]
                gained = probability * pays.get(letter, pays["."])
                transitions[action, state, into] += probability
                paid[action, state, into] += gained
    # Several ways into one cell may be paid differently: their mean is what the pair (s, t) is paid.
    np.divide(paid, transitions, out=paid, where=transitions > 0)
    names = [f"row {r + 1}, column {c + 1}" for r, c in cells]
    return GridWorld(MDP(transitions, paid, gamma, states=names, actions=tuple(MOVES)), grid, cells, start)


def cliff_walking(gamma: float = 0.99) -> GridWorld:
    """The 4 x 12 cliff: -1 a step, -100 and back to the start for a step over the edge; the goal ends it."""
    return grid_world(CLIFF, gamma, rewards={".": -1, "C": -100})


def slippery_grid(gamma: float = 0.9, slip: float = 0.2) -> GridWorld:
    """Russell and Norvig's 4 x 3 grid: -.04 a step, and +1 in the goal, -1 in the trap, which both end it."""
    return grid_world(SLIPPERY, gamma, rewards={".": -0.04, "G": 0.96, "T": -1.04}, slip=slip)


def _layout(layout: Sequence[str]) -> tuple[str, ...]:
    rows = layout.split() if isinstance(layout, str) else layout
    grid = tuple(rows) if np.iterable(rows) else ()
    if not grid or not all(isinstance(line, str) and line and len(line) == len(grid[0]) for line in grid):
        raise NasbookError(f"a layout is rows of letters, all of one length, not {layout!r}")
    letters = "".join(grid)
    for letter in letters:
        one_of(letter, LETTERS, "letter in a layout")
    if letters.count("S") != 1 or not set(letters) & set("GT"):
        raise NasbookError(f"a layout has exactly one S and at least one G or T; this one has {letters.count('S')} S")
    return grid


def _pays(rewards: Mapping[str, float] | None) -> dict[str, float]:
    if rewards is not None and not isinstance(rewards, Mapping):
        raise NasbookError(f"rewards must be a mapping such as {{'G': 1}}, from letters to numbers, not {rewards!r}")
    payable = [letter for letter in LETTERS if letter not in "#S"]
    given = {one_of(letter, payable, "letter in rewards"): paid for letter, paid in (rewards or {}).items()}
    return {".": -1.0} | {letter: checks.number(paid, f"rewards[{letter!r}]") for letter, paid in given.items()}
