"""The arena: every frame says what was compared, and bad input is one sentence."""

import time
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from invented import invented, rows
from tables import TinyTable

import nasbook as nb
from nasbook.arena import contests
from nasbook.arena.contests import NOISES, RANDOM, Contest, standings
from nasbook.book.widgets import arena

TRUTH = {"a": 0.5, "b": 0.7, "c": 0.9, "d": 0.9}


# --- the frames


@pytest.fixture(scope="module")
def contest():
    finals = dict(zip((RANDOM, *"uvwxy"), np.random.default_rng(1).uniform(0, 0.05, (6, 20))))
    return invented(finals, budget=100)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("seeds", [1, 2, 20])
@pytest.mark.parametrize("budget", [1, 50, 100])
def test_every_frame_is_svg_and_says_what_it_shows(contest, noise, seeds, budget):
    for methods in ([], [RANDOM], ["u"], ["v", "u"], [RANDOM, "w"], contest.methods):
        svg, sentence = arena.render(contest, budget, noise, seeds, methods)
        ElementTree.fromstring(svg)
        assert f'height="{arena.height(contest)}"' in svg and len(sentence) < 460
        if not methods:
            assert sentence == "No method is ticked: there is nothing to compare."
            continue
        assert sentence.startswith(f"{budget} evaluations, {noise}, {'one seed' if seeds == 1 else f'{seeds} seeds'}")
        found = standings(contest, noise, methods, budget=budget, seeds=seeds)
        assert all(f"{one.method} {one.finals.mean():.2%}" in sentence for one in found)
        assert all(one.p is None or f"{one.method} (p {one.p:.3f})" in sentence for one in found)
        assert ("Nothing is compared" in sentence) == (seeds > 1 and (RANDOM not in methods or len(methods) == 1))
        dots = svg.count('stroke-width="0.7"')
        assert dots == len(found) * (2 + seeds) + sum(one.test is not None for one in found)


def test_a_curve_ends_where_the_budget_ends_at_its_mean_regret():
    contest = invented({RANDOM: [0.0, 0.002, 0.003]}, budget=3, before=0.006)
    svg, _ = arena.render(contest, 3, "the truth", 2, [RANDOM])
    # log(1 + r / .002): the top, .006, is log 4, and the mean of 0 and .002 is log 1.5
    top, bottom = arena.TOP, arena.BOTTOM
    end = bottom - np.log(1.5) / np.log(4) * (bottom - top)
    points = f"{arena.LEFT:.1f},{top:.1f} {(arena.LEFT + arena.RIGHT) / 2:.1f},{top:.1f} {arena.RIGHT:.1f},{end:.1f}"
    assert f'<polyline points="{points}" fill="none" stroke="#0072B2"' in svg


def test_a_band_is_students_interval():
    """Of .010 and .012: t with one degree of freedom, 12.7062, times .001 beside .011."""
    svg, _ = arena.render(invented({RANDOM: [0.010, 0.012]}, budget=2), 2, "the truth", 2, [RANDOM])
    high = arena.BOTTOM - np.log1p((0.011 + 0.0127062) / 0.002) / np.log1p(200) * (arena.BOTTOM - arena.TOP)
    right = f"{arena.RIGHT:.1f}"
    assert f"{right},{high:.1f} {right},{arena.BOTTOM:.1f} " in svg


def test_colours_and_forms_stay_with_their_method(contest):
    alone = arena.render(contest, 100, "the truth", 20, ["w"]).svg
    colour, dash = arena.LOOKS[3][0], arena.DASHES[3]
    assert colour in alone and f'stroke-dasharray="{dash}"' in alone and arena.LOOKS[0][0] not in alone
    assert len(set(arena.DASHES)) == len(set(arena.SHAPES)) == len(arena.LOOKS)


def test_a_frame_is_quick(contest):
    taken = []
    for _ in range(20):
        begun = time.perf_counter()
        arena.render(contest, 100, "one training", 20, contest.methods)
        taken.append(time.perf_counter() - begun)
    assert np.median(taken) < 0.05


def test_the_widget_moves_and_each_box_matters(contest):
    widget = arena.explore(contest, 50, [RANDOM, "u", "v"])
    assert not widget.errors.outputs and "u 40.00%" in widget.now().sentence
    for name, value in {"budget": 100, "noise": "the truth", "seeds": 4, "v": False, "w": True, RANDOM: False}.items():
        before = widget.now().sentence
        widget.controls[name].value = value
        assert widget.now().sentence != before and widget.now().svg in widget.frame.value
    widget.controls["u"].value = widget.controls["w"].value = False
    assert "No method is ticked" in widget.frame.value and not widget.errors.outputs


# --- refusals


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda c: arena.render(c, 0, "the truth", 3, []), "budget is 0: it must be a whole number of at least 1"),
        (lambda c: arena.render(c, 101, "the truth", 3, []), "budget is 101, and the contest was run with 100"),
        (lambda c: arena.render(c, 9, "the truth", 21, []), "seeds is 21, and the contest was run with 20"),
        (lambda c: arena.render(c, 9, "truth", 3, []), "noise 'truth'.*the truth"),
        (lambda c: arena.render(c, 9, "the truth", 3, ["evolutoin"]), "method 'evolutoin'"),
        (lambda c: contests.prepare(TinyTable(), seeds=[]), "0 seeds: a contest takes 1 to 30 different"),
        (lambda c: contests.prepare(TinyTable(), seeds=[1, 1]), "2 seeds: a contest takes 1 to 30 different"),
        (lambda c: contests.prepare(TinyTable(), seeds=range(31)), "31 seeds: a contest"),
        (lambda c: contests.prepare(TinyTable(), budget=0), "budget is 0"),
        (lambda c: c.joined("u", rows([("a", 1)])), "u takes part already"),
        (lambda c: c.joined("z", {"the truth": rows([("a", 1)])}), "z brings no evaluations that show one training"),
        (lambda c: Contest((0, 1), 3, TRUTH, 0.9, {}).joined("z", rows([("a", 1)])), "no evaluations with seed 1"),
        (lambda c: Contest((0,), 3, TRUTH, 0.9, {}).joined("z", rows([("e", 1)])), "truth of e is not known"),
        (lambda c: contests.seeds_needed([1.0]), "at least two seeds"),
    ],
)
def test_bad_input_is_one_sentence(contest, call, said):
    with pytest.raises(nb.NasbookError, match=said) as raised:
        call(contest)
    assert "\n" not in str(raised.value)
