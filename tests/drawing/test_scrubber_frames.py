"""Every frame of the scrubber is whole, legible, quick and small; its widget follows every control."""

import re
import statistics
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import ImageFont
from stories import EDGE, PAGES, STORIES, SVG, frames, states, words
from tiny import TINY

import nasbook as nb
from nasbook.base.errors import NasbookError
from nasbook.drawing.scrubber import frames as scrubber
from nasbook.drawing.scrubber.story import label, sentence, when


@cache
def length(text, size):
    """Pixels of ``text`` in DejaVu Sans, the widest of the fonts that a frame asks for."""
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size).getlength(text)


def extent(node):
    """(left, right, baseline) of a text."""
    wide = length(node.text, float(node.get("font-size")))
    left = float(node.get("x")) - {"end": wide, "middle": wide / 2}.get(node.get("text-anchor"), 0)
    return left, left + wide, float(node.get("y"))


# How every frame is


@pytest.mark.parametrize("page", PAGES)
def test_every_frame_is_whole_and_legible(page):
    stories = PAGES[page]
    for svg, said in frames(stories, most=3):
        root = ElementTree.fromstring(svg)
        assert (root.get("width"), float(root.get("height"))) == ("900", scrubber.height(stories))
        assert not re.search(r"\b(nan|inf|None)\b", svg) and "nan" not in said
        for node in root.iter(f"{SVG}text"):
            assert float(node.get("font-size")) >= 11
            left, right, y = extent(node)
            assert left >= 0 and (right <= 900 or node.get("transform")), node.text
            assert 10 < y < scrubber.height(stories)


@pytest.mark.parametrize("page", PAGES)
def test_no_words_of_a_frame_overlap(page):
    for svg, _ in list(frames(PAGES[page], most=3))[::5]:
        boxes = []
        for node in ElementTree.fromstring(svg).iter(f"{SVG}text"):
            if node.text == "\u00d7" or node.get("transform"):
                continue
            boxes.append((*extent(node), node.text))
        for place, (left, right, y, text) in enumerate(boxes):
            for other in boxes[place + 1 :]:
                assert right <= other[0] or other[1] <= left or abs(y - other[2]) >= 10, (text, other[3])


@pytest.mark.parametrize("page", ["darts", "sparse", "two methods"])
def test_a_frame_takes_less_than_fifty_milliseconds(page):
    seconds = []
    for state in states(PAGES[page], most=9):
        start = time.process_time()
        scrubber.render(*state)
        seconds.append(time.process_time() - start)
    assert statistics.median(seconds) < 0.05, "2 to 5 milliseconds on an idle machine"


@pytest.mark.parametrize("page", PAGES)
def test_the_still_is_small_and_shows_start_middle_and_end(page):
    stories = PAGES[page]
    first, last = scrubber.span(stories)
    frame = scrubber.still(stories, "normal", scrubber.telling_edge(stories))
    assert len(frame.svg.encode()) < 100_000
    ElementTree.fromstring(frame.svg)
    headings = [text for text in words(frame.svg) if re.search(r"normal cell, (epoch|ended)", text)]
    assert headings[-1].endswith(when(stories[-1], last))
    if page in ("darts", "small", "fixed"):
        assert [text.rpartition(", ")[2] for text in headings] == [
            when(stories[0], epoch) for epoch in (first, (first + last) // 2, last)
        ]
    if page == "start":
        assert headings == ["normal cell, epoch 0 of 0"]


def test_a_still_too_large_leaves_out_the_middle_then_the_start():
    stories = PAGES["darts"]
    whole = len(scrubber.still(stories, "normal", EDGE).svg)
    for most, epochs in ((whole, (0, 3, 6)), (whole - 1, (0, 6)), (1, (6,))):
        frame = scrubber.still(stories, "normal", EDGE, most=most)
        assert frame.sentence == ". ".join(sentence(stories[0], epoch, "normal", EDGE) for epoch in epochs)


# The widget


def test_the_widget_follows_every_control_and_leaves_a_still():
    from nasbook.drawing.scrubber.widget import explore

    shell = explore(STORIES["darts"])
    assert "epoch 6 of 6" in shell.frame.value
    shell.slider.value = 2
    assert "epoch 2 of 6" in shell.frame.value and 'aria-live="polite"' in shell.frame.value
    shell.menus["kind"].value = "reduce"
    assert "reduce cell, epoch 2 of 6" in shell.frame.value
    shell.menus["edge"].value = "3 <- 1"
    assert "softmax(alpha) on 3 \u2190 1, reduce cell" in shell.frame.value
    bundle = shell._repr_mimebundle_()
    still = scrubber.still([STORIES["darts"]], "reduce", "3 <- 1")
    assert (bundle["image/svg+xml"], bundle["text/plain"]) == still
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_two_searches_make_one_widget_over_all_their_epochs():
    from nasbook.drawing.scrubber.widget import explore

    shell = explore(*PAGES["two sizes"])
    assert (shell.slider.min, shell.slider.max, shell.play.max) == (0, 6, 6)
    assert len(shell.menus["edge"].options) == 14
    for epoch in range(7):
        shell.slider.value = epoch
        assert f"normal cell, {when(STORIES['small'], epoch)}" in shell.frame.value
    for count in (0, 3):
        with pytest.raises(NasbookError, match=f"it got {count}"):
            explore(*[STORIES["darts"]] * count)


def test_a_run_is_explored_alone_and_beside_another(tmp_path):
    digits = nb.datasets.load("digits")
    run = nb.search("gdas", data=digits, out=tmp_path / "a", **TINY)
    other = nb.search("gdas", data=digits, out=tmp_path / "b", **TINY | {"fixed_reduction": True, "epochs": 1})
    (story,) = run.explore().stories
    assert (story.name, story.steps, story.kinds) == ("gdas, seed 0", (0, 1, 2), ("normal", "reduce"))
    assert np.allclose(story.chance.sum(axis=-1), 1) and story.chance.shape == run.alphas.shape
    assert {name for _, name in story.kept[2, "normal"]} == {name for node in run.genotype.normal for name, _ in node}
    beside = run.explore(other)
    assert [one.name for one in beside.stories] == ["gdas, seed 0 (left)", "gdas, seed 0 (right)"]
    beside.menus["kind"].value = "reduce"
    assert "its reduce cell is fixed, not searched" in beside.frame.value
    with pytest.raises(NasbookError, match="beside another run, not a str"):
        run.explore("runs/b")


def test_a_menu_of_one_choice_is_not_shown():
    from nasbook.drawing.scrubber.widget import explore

    shell = explore(STORIES["fixed"])
    assert [*shell.controls] == ["epoch", "edge"] and "normal cell, epoch 8 of 8" in shell.frame.value
    shell.slider.value = 1
    assert "normal cell, epoch 1 of 8" in shell.frame.value


def test_a_long_search_plays_in_a_quarter_of_a_minute():
    from nasbook.drawing.scrubber.widget import explore

    assert explore(STORIES["darts"]).play.interval == 400
    assert explore(STORIES["sparse"]).play.interval == 60


def test_the_widget_swallows_no_error(monkeypatch):
    from nasbook.drawing.scrubber.widget import explore

    shell = explore(STORIES["darts"])
    monkeypatch.setattr(scrubber, "render", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        shell.slider.value = 1


def test_operations_of_a_readers_own_are_named_shortly():
    assert label("my_own_long_operation") == "my own lon\u2026" and label("sep_conv_3x3") == "sep 3x3"
    unnamed = replace(STORIES["few"], operations=("skip_connect", "other"))
    assert unnamed.named(0, frozenset({(0, "strange"), (0, "other"), (1, "skip_connect")})) == ["other", "strange"]
