"""The backup microscope: numbers of a frame against the model, every control, speed, refusals."""

import re
import time
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from nasbook.book.widgets import backups
from nasbook.decisions import slippery_grid
from nasbook.decisions.worlds import CLIFF, SLIPPERY

PAYS = {".": -0.04, "G": 0.96, "T": -1.04}


@pytest.fixture
def seen():
    return backups.trace(SLIPPERY, PAYS, 0.9, 0.2, 30)


def words(frame):
    """The visible texts of a frame's SVG, in order."""
    texts = ElementTree.fromstring(frame.svg).iter("{http://www.w3.org/2000/svg}text")
    return [text.text for text in texts if text.text]


def test_the_trace_is_value_iteration(seen):
    mdp = slippery_grid(0.9).mdp
    values = np.zeros(len(mdp.states))
    for row in seen.values:
        np.testing.assert_allclose(row, values, atol=1e-12)
        values = mdp.backup(values)
    np.testing.assert_allclose(seen.q(7), mdp.q_values(seen.values[6]), atol=1e-12)


@pytest.mark.parametrize("sweep", [1, 2, 5, 30])
def test_the_line_that_is_shown_is_the_backup(seen, sweep):
    number = {cell: state for state, cell in enumerate(seen.cells)}
    for cell in ((0, 2), (2, 0), (1, 2)):
        frame = backups.render(seen, sweep, number[cell])
        q = seen.q(sweep)[number[cell]]
        shown = [word.replace("\N{MINUS SIGN}", "-") for word in words(frame)]
        for name, value in zip(backups.MOVES, q):
            place = next(i for i, word in enumerate(shown) if word.startswith(f"{name} = "))
            assert float(shown[place].split()[2]) == pytest.approx(value, abs=0.00501)
            lines = [word for word in shown[place + 1 : place + 3] if "×" in word]
            by_hand = eval(" ".join(lines).replace("×", "*"))
            assert by_hand == pytest.approx(value, abs=0.011)
        marked = [word.split()[0] for word in shown if "the largest" in word]
        assert marked == [list(backups.MOVES)[q.round(12).argmax()]]
        assert f"new value = max = {q.max():z.2f}" in " ".join(shown)


def test_the_arrows_point_where_the_backup_went(seen):
    frame = backups.render(seen, 30, 0)
    policy = slippery_grid(0.9).mdp.policy_iteration().policy
    heads = re.findall(r'<polyline points="([^"]*)" fill="#1A1A1A"', frame.svg)
    alive = [s for s, ends in enumerate(seen.terminal()) if not ends]
    assert len(heads) == len(alive) == 9
    for points, state in zip(heads, alive):
        tip, *back = np.array([pair.split(",") for pair in points.split()], dtype=float)
        direction = np.sign(np.round(tip - np.mean(back, axis=0)))
        assert tuple(direction) == list(backups.MOVES.values())[policy[state]]


def test_before_the_first_sweep_and_at_the_goal_there_is_no_backup(seen):
    before = backups.render(seen, 0, 2)
    assert "Every value begins at 0." in words(before) and "<polyline" not in before.svg
    goal = backups.render(seen, 5, seen.cells.index((0, 3)))
    assert "worth 0.00, because the reward" in goal.sentence and any("no backup" in word for word in words(goal))


def test_the_sentence_is_computed_from_the_trace(seen):
    said = backups.render(seen, 3, seen.cells.index((0, 2))).sentence
    change = np.abs(seen.values[3] - seen.values[2]).max()
    assert "3 sweeps at gamma 0.9, slip 0.2 the cell in row 1, column 3 is worth 0.87" in said
    assert said.endswith(f"the last sweep changed 9 of 9 values by more than .005, the most by {change:.2f}.")


def test_the_bound_is_told_as_soon_as_it_says_something(seen):
    exact = slippery_grid(0.9).mdp.policy_iteration().values
    told = []
    for sweep in range(1, 31):
        bound = 9 * np.abs(seen.values[sweep] - seen.values[sweep - 1]).max()
        said = backups.render(seen, sweep, 0).sentence
        told.append(f"no value is further than {bound:.2f} from its limit" in said)
        assert told[-1] == ("further" in said) == (bound <= np.ptp(seen.values))
        assert np.abs(seen.values[sweep] - exact).max() <= bound
    assert not told[2] and told[-1]


def test_higher_values_are_bluer_and_lower_ones_redder():
    assert backups._shade(0) == "#FFFFFF"
    red = [int(backups._shade(share)[1:3], 16) for share in (0.2, 0.6, 1)]
    blue = [int(backups._shade(-share)[5:7], 16) for share in (0.2, 0.6, 1)]
    assert red == sorted(red, reverse=True) and blue == sorted(blue, reverse=True)


def test_each_control_moves_the_frame():
    widget = backups.explore()
    frames, shown = [widget.now()], widget._repr_mimebundle_()
    assert shown["image/svg+xml"] == frames[0].svg and shown["text/plain"] == frames[0].sentence
    for name, value in {"gamma": 0.5, "slip": 0.6, "state": 0, "sweep": 9}.items():
        widget.controls[name].value = value
        frames.append(widget.now())
    assert len({frame.svg for frame in frames}) == len({frame.sentence for frame in frames}) == 5
    assert not widget.errors.outputs


def test_it_shows_a_readers_own_grid():
    widget = backups.explore(CLIFF, {".": -1, "C": -100}, gamma=0.95, slip=0.0, sweeps=20)
    widget.controls["sweep"].value = 20
    widget.controls["state"].value = 36
    assert "row 4, column 1" in widget.now().sentence and "chose up" in widget.now().sentence
    small = [float(size) for size in re.findall(r'<text[^>]*font-size="([\d.]+)"', widget.now().svg)]
    assert min(small) >= 11


def test_a_frame_takes_less_than_fifty_milliseconds():
    times = []
    for sweep in range(1, 21):
        start = time.perf_counter()
        backups.render(backups.trace(SLIPPERY, PAYS, 0.9, 0.2, 30), sweep, 2)
        times.append(time.perf_counter() - start)
    assert np.median(times) < 0.05


def test_a_picture_of_paths_says_how_long_they_are():
    edge = [(3, 0), *((2, column) for column in range(12)), (3, 11)]
    picture = backups.paths_picture(CLIFF, {"edge": edge, "stay": [(3, 0)]})
    assert repr(picture) == "From the start, edge: 13 steps; stay: 0 steps."
    assert picture.png.startswith(b"\x89PNG")
