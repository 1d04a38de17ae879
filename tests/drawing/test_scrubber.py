"""The scrubber: what is prepared, and what its frames show, mark and say."""

import time
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from stories import EDGE, KINDS, OPERATIONS, PAGES, STORIES, SVG, codes, words

from nasbook.base.errors import NasbookError
from nasbook.drawing.scrubber import frames as scrubber
from nasbook.drawing.scrubber.story import label, prepare, sentence, when
from nasbook.relaxations.derivation import darts_rule


@pytest.fixture
def moved():
    """A search in which, at epoch 2, the normal cell's node 0 swaps a skip for a pooling, and nothing else moves."""
    alphas = np.zeros((5, 2, 2, 8))
    alphas[:, :, :, 3] = 1
    alphas[2:, 0, 0, 1] = 2
    found = [darts_rule(dict(zip(KINDS, one)), OPERATIONS, 1)[0].kinds for one in alphas]
    return prepare(alphas, range(5), KINDS, OPERATIONS, found)


# What is prepared


def test_a_story_holds_softmax_entropy_and_skips():
    alphas = np.random.default_rng(0).normal(size=(2, 1, 2, 3))
    operations = ("none", "skip_connect", "sep_conv_3x3")
    cell = {"normal": ([[("skip_connect", 0), ("skip_connect", 1)]], (2,))}
    other = {"normal": ([[("sep_conv_3x3", 0), ("skip_connect", 1)]], (2,))}
    story = prepare(alphas, (0, 4), ("normal",), operations, [cell, other])
    p = np.exp(alphas) / np.exp(alphas).sum(-1, keepdims=True)
    assert np.allclose(story.chance, p, atol=1e-14)
    assert np.allclose(story.entropy, -(p * np.log(p)).sum(-1).mean(-1), atol=1e-14)
    assert story.skips.tolist() == [[2], [1]]
    assert story.kept[1, "normal"] == {(0, "sep_conv_3x3"), (1, "skip_connect")}
    # two names in the first row when sep_conv_3x3 takes the place of skip_connect
    assert story.busiest.tolist() == [2, 1]


def test_changes_are_those_since_the_snapshot_before(moved):
    assert moved.changes(2, "normal") == ({(0, "max_pool_3x3")}, {(0, "skip_connect")})
    for epoch in (0, 1, 3, 4):
        assert moved.changes(epoch, "normal") == (frozenset(), frozenset())
    assert moved.changes(2, "reduce") == (frozenset(), frozenset())
    assert moved.changes(9, "normal") == (frozenset(), frozenset())


def test_between_two_snapshots_the_earlier_one_stays():
    story = STORIES["sparse"]
    assert [story.at(epoch) for epoch in (0, 4, 5, 9, 10, 400, 900)] == [0, 0, 1, 1, 2, 80, 80]
    assert story.changes(5, "normal") != story.changes(6, "normal") == (frozenset(), frozenset())
    assert when(story, 7) == "epoch 5 of 400" and when(story, 401) == "ended at epoch 400"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"alphas": np.zeros((2, 1, 3, 1))}, "a cell of 3 edges cannot be drawn"),
        ({"alphas": np.full((2, 1, 2, 1), np.nan)}, "not finite numbers from epoch 0 on"),
    ],
)
def test_what_is_no_search_is_one_sentence(change, said):
    cell = {"normal": ([[("skip_connect", 0)]], (2,))}
    given = {"alphas": np.zeros((2, 1, 2, 1)), "steps": (0, 1), "kinds": ("normal",)}
    given |= {"operations": ("skip_connect",), "genotypes": [cell, cell]}
    with pytest.raises(NasbookError, match=said):
        prepare(**given | change)


def test_fifty_epochs_are_prepared_in_less_than_a_second():
    random = np.random.default_rng(0)
    alphas = random.normal(size=(51, 2, 14, 8))
    found = [codes(dict(zip(KINDS, alphas[0])), OPERATIONS, 4)[0].kinds] * 51
    start = time.process_time()
    prepare(alphas, range(51), KINDS, OPERATIONS, found)
    assert time.process_time() - start < 1, "15 milliseconds on an idle machine"


# What a frame shows


def test_a_frame_shows_its_epoch_and_no_other():
    stories = PAGES["darts"]
    shown = [scrubber.render(stories, epoch, "reduce", EDGE) for epoch in range(7)]
    for epoch, frame in enumerate(shown):
        root = ElementTree.fromstring(frame.svg)
        assert root.attrib["aria-label"] == frame.sentence == sentence(stories[0], epoch, "reduce", EDGE)
        assert f"darts, seed 0: reduce cell, epoch {epoch} of 6" in words(frame.svg)
        for edge, name in ((13, "3 &lt;- 2"), (0, "0 &lt;- c_{k-2}")):
            assert f"skip_connect on {name}: {stories[0].chance[epoch, 1, edge, 3]:.3f}" in frame.svg
        for place, operation in enumerate(OPERATIONS):
            assert f"{stories[0].chance[epoch, 1, 3, place]:.3f} {label(operation)}" in words(frame.svg)
        for row, kind in enumerate(KINDS):
            assert f"{kind}: {stories[0].entropy[epoch, row]:.3f}" in words(frame.svg)
            assert f"{kind}: {stories[0].skips[epoch, row]:.0f}" in words(frame.svg)
    assert len({frame.svg for frame in shown}) == 7
    assert scrubber.render(stories, 3, "reduce", EDGE) == shown[3]


def test_what_changed_is_marked_in_words_and_signs(moved):
    quiet, loud = (scrubber.render([moved], epoch, "normal", "0 <- c_{k-1}") for epoch in (1, 2))
    assert "+ max 3x3" in words(loud.svg) and "\u2212 skip" in words(loud.svg)
    assert words(loud.svg).count("\u00d7") == 1 and loud.svg.count('r="5.6"') == 1
    assert "new: max_pool_3x3 on 0 <- c_{k-2}; gone: skip_connect on 0 <- c_{k-2};" in loud.sentence
    assert "nothing changed in it" in quiet.sentence and "nothing changed" not in loud.sentence
    for sign in ("+ max 3x3", "\u2212 skip", "\u00d7"):
        assert sign not in words(quiet.svg)
    # the row of an unchanged skip names it without a sign, in both frames
    assert "skip" in words(quiet.svg) and "skip" in words(loud.svg)


def test_equal_probabilities_have_no_leader(moved):
    alike = sentence(STORIES["start"], 0, "normal", EDGE)
    assert "largest probability 0.125 (all alike)" in alike and alike.endswith(f"on {EDGE} nothing leads")
    told = sentence(moved, 2, "normal", "0 <- c_{k-2}")
    law = np.exp([0, 2, 0, 1, 0, 0, 0, 0])
    largest = f"{law[1] / law.sum():.3f}"
    assert f"largest probability {largest} (max_pool_3x3 on 0 <- c_{{k-2}})" in told
    assert told.endswith(f"on 0 <- c_{{k-2}} max_pool_3x3 leads with {largest}")


def test_every_operation_of_a_cell_is_named_in_its_row():
    for name in ("data", "snas"):
        story = STORIES[name]
        last = story.steps[-1]
        svg = scrubber.render([story], last, "normal", EDGE).svg
        plates = [node.text for node in ElementTree.fromstring(svg).iter(f"{SVG}text") if float(node.get("x")) > 600]
        new, gone = story.changes(last, "normal")
        for edge, operation in story.kept[len(story.steps) - 1, "normal"]:
            assert ("+ " * ((edge, operation) in new) + label(operation)) in plates
        assert sum(text.startswith("+ ") for text in plates) == len(new)
        assert sum(text.startswith("\u2212 ") for text in plates) == len(gone)
    assert max(len(STORIES["data"].named(edge, STORIES["data"].kept[50, "normal"])) for edge in range(14)) > 3
    assert len(STORIES["snas"].kept[20, "normal"]) > 8


def test_the_cursor_stands_at_the_epoch_in_every_panel():
    stories = PAGES["darts"]
    places = []
    for epoch in (0, 3, 6):
        root = ElementTree.fromstring(scrubber.render(stories, epoch, "normal", EDGE).svg)
        places.append([float(x.get("x1")) for x in root.iter(f"{SVG}line") if x.get("stroke-dasharray") == "4 2"])
    start, middle, end = map(np.array, places)
    assert len(start) == 3 and np.allclose(middle, (start + end) / 2, atol=0.1) and (end - start > 100).all()


def test_the_area_is_the_law_of_the_edge():
    story = STORIES["darts"]
    root = ElementTree.fromstring(scrubber.render([story], 2, "normal", EDGE).svg)
    bands = [node for node in root.iter(f"{SVG}polyline") if node.get("opacity") == "0.85"]
    # (operations, points around, 2), the lower rim from left to right, then the upper one back
    rims = np.array([[list(map(float, pair.split(","))) for pair in band.get("points").split()] for band in bands])
    tall = (rims[:, :7, 1] - rims[:, 13:6:-1, 1]).T
    assert np.allclose(tall / tall.sum(axis=1, keepdims=True), story.chance[:, 0, 3], atol=0.003)


def test_a_search_of_one_snapshot_has_an_area_too():
    root = ElementTree.fromstring(scrubber.render(PAGES["start"], 0, "normal", EDGE).svg)
    bands = [node.get("points").split() for node in root.iter(f"{SVG}polyline") if node.get("opacity") == "0.85"]
    assert len(bands) == 8
    for points in bands:
        xs, ys = np.array([pair.split(",") for pair in points], dtype=float).T
        assert np.ptp(xs) > 100 and np.ptp(ys) > 10


def test_two_runs_share_epochs_and_colours():
    short, long = STORIES["small"], STORIES["darts"]
    frame = scrubber.render([short, long], 5, "normal", "3 <- 2")
    assert "gdas, seed 2: normal cell, ended at epoch 3" in words(frame.svg)
    assert "darts, seed 0: normal cell, epoch 5 of 6" in words(frame.svg)
    assert "no edge 3 \u2190 2 in this cell" in words(frame.svg)
    assert frame.sentence == ". ".join(sentence(story, 5, "normal", "3 <- 2") for story in (short, long))
    assert f"gdas, seed 2: {short.entropy[-1, 0]:.3f}" in words(frame.svg)
    farthest = max(abs(story.chance - 1 / 8).max() for story in (short, long))
    assert f"full colour {farthest:.3f} away" in frame.svg


def test_a_kind_that_one_run_does_not_search_is_said():
    frame = scrubber.render(PAGES["one fixed"], 4, "reduce", EDGE)
    assert "its reduce cell is fixed, not searched" in words(frame.svg)
    assert frame.sentence.endswith("gdas, seed 3: the reduce cell is not searched")
    assert scrubber.kinds(PAGES["fixed"]) == ["normal"] and scrubber.kinds(PAGES["one fixed"]) == ["normal", "reduce"]


def test_the_edge_shown_first_is_the_most_decided_one():
    story = STORIES["darts"]
    edge = story.edges.index(scrubber.telling_edge([story]))
    assert story.chance[-1, 0, edge].max() == story.chance[-1, 0].max()
