"""Discretise it: the frames say and show what the prepared data hold; the rules behind it against their sources."""

import re
import time
from statistics import median

import numpy as np
import pytest

from nasbook.book.widgets import discretise
from nasbook.relaxations.derivation import darts_rule, every_edge_rule, probable_code_rule
from nasbook.relaxations.rules import RULES, THRESHOLD, Setting, discretisations
from nasbook.spaces.names import DARTS_OPERATIONS, cell_edges

OPS = ("none", "skip_connect", "sep_conv_3x3")
DARTS, SNAS, _, NODE, EDGE = RULES
THRESHOLDS = (0.1, 0.3)


def laws(nodes, operations=8, seed=0):
    rng = np.random.default_rng(seed)
    return {kind: rng.dirichlet(np.full(operations, 2.0), size=len(cell_edges(nodes))) for kind in ("normal", "reduce")}


def kinds(cells):
    return {key: {kind: nodes for kind, (nodes, _) in cell.kinds.items()} for key, cell in cells.items()}


def story_of(nodes, **changed):
    law = laws(nodes)
    cells = kinds(discretisations(law, DARTS_OPERATIONS, nodes, draws=4, thresholds=THRESHOLDS))
    accuracy = {key: 0.2 + 0.01 * place for place, key in enumerate(cells)}
    facts = {"searched": 0.35, "guess": 0.1, "images": 287}
    return discretise.prepare(law, DARTS_OPERATIONS, cells, accuracy, **facts | changed)


@pytest.fixture(scope="module", params=[2, 4])
def story(request):
    return story_of(request.param)


# ---- rules


@pytest.mark.parametrize("seed", range(3))
def test_rules_are_those_of_the_methods(seed):
    law = laws(4, seed=seed)
    found = discretisations(law, DARTS_OPERATIONS, 4, draws=5, thresholds=(0.2,))
    logits = {kind: np.log(p) for kind, p in law.items()}
    assert found[DARTS, 0.2, True] == darts_rule(logits, DARTS_OPERATIONS, 4)[0]
    assert found[SNAS, 0.2, False] == every_edge_rule(logits, DARTS_OPERATIONS, 4)[0]
    assert found[NODE, 0.2, False] == probable_code_rule(law, DARTS_OPERATIONS, 4, draws=5)[0]
    assert found[EDGE, 0.2, False] == probable_code_rule(law, DARTS_OPERATIONS, 4, draws=5, per="edge")[0]
    given = {kind: p[:, 1:] / p[:, 1:].sum(axis=1, keepdims=True) for kind, p in law.items()}
    assert found[NODE, 0.2, True] == probable_code_rule(given, DARTS_OPERATIONS[1:], 4, draws=5)[0]
    assert all(len(node) == i + 2 for i, node in enumerate(found[SNAS, 0.2, True].normal))


def test_what_none_does_where_it_competes():
    law = {
        "normal": np.array([[0.6, 0.3, 0.1], [0.1, 0.5, 0.4], [0.2, 0.45, 0.35], [0.5, 0.1, 0.4], [0.9, 0.05, 0.05]])
    }
    found = discretisations(law, OPS, 2, draws=3, thresholds=(0.35, 0.95))
    skip, sep = OPS[1:]
    assert found[DARTS, 0.35, False].normal == (((skip, 1),), ((skip, 0),))
    assert found[DARTS, 0.35, True].normal == (((skip, 1), (skip, 0)), ((skip, 0), (sep, 1)))
    assert found[THRESHOLD, 0.35, False].normal == (((skip, 1), (sep, 1)), ((skip, 0), (sep, 0)))
    assert found[THRESHOLD, 0.35, True].normal == (((skip, 1), (sep, 1)), ((skip, 0), (sep, 0), (sep, 1)))
    assert found[THRESHOLD, 0.95, True].normal == ((("none", 0),), (("none", 0),)), "a node of nothing is zero"
    assert found[DARTS, 0.35, False].reduce is None


def test_two_edges_are_the_two_strongest_of_those_that_none_has_left():
    law = laws(4, seed=7)
    law["normal"][[5, 11], 0] = 2.0
    law = {kind: p / p.sum(axis=1, keepdims=True) for kind, p in law.items()}
    found = discretisations(law, DARTS_OPERATIONS, 4, draws=4, thresholds=(0.2,))[DARTS, 0.2, False]
    for index, node in enumerate(found.normal):
        rows = [(edge, source) for edge, (target, source) in enumerate(cell_edges(4)) if target == index + 2]
        strength = {source: law["normal"][edge].max() for edge, source in rows if law["normal"][edge].argmax() > 0}
        assert {source for _, source in node} == set(sorted(strength, key=strength.get)[-2:])
        assert all(law["normal"][edge].argmax() == DARTS_OPERATIONS.index(name) for name, source in node
                   for edge, other in rows if other == source)  # fmt: skip


def test_every_setting_is_there_once_and_thresholds_matter_to_one_rule():
    found = discretisations(laws(2), DARTS_OPERATIONS, 2, draws=4, thresholds=THRESHOLDS)
    assert set(found) == {Setting(rule, t, none) for rule in RULES for t in THRESHOLDS for none in (False, True)}
    differ = {rule for rule in RULES for none in (False, True) if found[rule, 0.1, none] != found[rule, 0.3, none]}
    assert differ == {THRESHOLD}


# ---- frames


def settings_of(story):
    return [(*key, kind) for key in story.cells for kind in story.chance]


def test_every_frame_is_drawn_in_time_on_its_page_and_legibly(story):
    seconds = []
    for setting in settings_of(story):
        start = time.perf_counter()
        frame = discretise.render(story, *setting)
        seconds.append(time.perf_counter() - start)
        assert "nan" not in frame.svg and f'height="{story.height}"' in frame.svg
        assert min(map(float, re.findall(r'font-size="([\d.]+)"', frame.svg))) >= 11
        for x, y, wide, tall in re.findall(
            r'<rect x="([\d.-]+)" y="([\d.-]+)" width="([\d.]+)" height="([\d.]+)"', frame.svg
        ):
            assert 0 <= float(x) <= float(x) + float(wide) <= discretise.WIDTH
            assert 0 <= float(y) <= float(y) + float(tall) <= story.height
        for d in re.findall(r' d="M ([^"]+)"', frame.svg):
            x1, y1, _, cy, x2, y2 = map(float, re.findall(r"-?[\d.]+", d))
            assert discretise.CELL < x1 < x2 < discretise.WIDTH and y1 == y2
            assert 26 < (y1 + cy) / 2 < story.middle, "the arc's peak lies between the title and the bars"
    assert median(seconds) < 0.05


def test_the_sentence_and_the_picture_hold_what_was_kept(story):
    for rule, threshold, exclude, kind in settings_of(story):
        frame = discretise.render(story, rule, threshold, exclude, kind)
        nodes = story.cells[rule, threshold, exclude][kind]
        kept = [(i, *pair) for i, node in enumerate(nodes) for pair in node if pair[0] != "none"]
        edges = {(i, source) for i, _, source in kept}
        total = len(story.edges)
        assert f"keeps {len(kept)} of {8 * total} operations on {len(edges)} of {total} edges" in frame.sentence
        after = story.accuracy[rule, threshold, exclude]
        assert f"right on {after:.1%} of 287 images, {abs(after - 0.35):.1%}" in frame.sentence
        assert ("below" if after < 0.35 else "above") in frame.sentence
        assert frame.svg.count("<path") == len(kept) + total - len(edges)
        assert frame.svg.count(f'stroke="{discretise.LOST}" stroke-width="1.2"') == total - len(edges)


def test_a_node_of_nothing_is_drawn_as_lost():
    law = {"normal": np.full((2, 3), 1 / 3)}
    cells = {("a", 0.5, none): {"normal": (((("none", 0)),),)} for none in (False, True)}
    story = discretise.prepare(law, OPS, cells, dict.fromkeys(cells, 0.1), searched=0.5, guess=0.1, images=10)
    frame = discretise.render(story, "a", 0.5, True, "normal")
    assert "keeps 0 of 6 operations on 0 of 2 edges" in frame.sentence
    assert frame.svg.count(f'stroke="{discretise.LOST}" stroke-width="2"') == 1


def test_the_widget_shows_the_frame_of_its_controls():
    story = story_of(2)
    widget = discretise.explore(story)
    assert set(widget.controls) == {"rule", "threshold", "exclude_none", "kind"}
    before = widget.now().sentence
    for name, value in {"rule": THRESHOLD, "threshold": 0.1, "exclude_none": False, "kind": "reduce"}.items():
        widget.controls[name].value = value
        assert widget.now().sentence != before
        before = widget.now().sentence
        assert before.split(";")[0] in widget.frame.value
    assert widget.errors.outputs == ()


def test_the_menu_of_thresholds_is_off_where_no_threshold_cuts():
    story = story_of(2)
    widget = discretise.explore(story)
    menu = widget.controls["threshold"]
    assert widget.controls["rule"].value == DARTS and menu.disabled
    for rule in (*RULES, *reversed(RULES)):
        widget.controls["rule"].value = rule
        assert menu.disabled == (rule != THRESHOLD)
        seen = set()
        for value in THRESHOLDS:
            menu.value = value
            seen.add(tuple(re.findall("<path[^>]+", widget.now().svg)))  # the arcs: what the cell keeps
        assert (len(seen) == 1) == menu.disabled
