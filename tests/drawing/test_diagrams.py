"""Diagrams of Markov models: each probability and name is there once, nothing overlaps, nothing is cut off."""

import json
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter

import numpy as np
import pytest
from svg_texts import SVG, names, written

from nasbook.base.errors import NasbookError
from nasbook.decisions import examples
from nasbook.drawing.figures import diagrams
from nasbook.drawing.figures.layouts import chance
from nasbook.drawing.parts import render

TWO = np.array([[0.5, 0.5], [0.3, 0.7]])
SWAP = np.array([[0.1, 0.9], [0.9, 0.1]])
SEEN = np.array([[0.75, 0.25], [0.25, 0.75]])
PAYS = np.array([[10.0, 0.0], [10.0, 0.0]])


def some(rng, shape, nonzero):
    """Random rows with ``nonzero`` entries that differ in their first three digits, as a rule."""
    rows = np.zeros(shape)
    for row in rows.reshape(-1, shape[-1]):
        row[rng.choice(shape[-1], nonzero, replace=False)] = rng.dirichlet(np.full(nonzero, 5.0))
    return rows


def walk(count):
    steps = np.zeros((count, count))
    for place in range(count):
        steps[place, max(place - 1, 0)] += 0.4
        steps[place, min(place + 1, count - 1)] += 0.6
    return steps


def models():
    """(name, picture, probabilities that must be written) of models of 1 to 12 states."""
    rng = np.random.default_rng(0)
    for count, nonzero in ((1, 1), (2, 2), (3, 3), (4, 2), (4, 4), (5, 5), (8, 2), (8, 5), (12, 2), (12, 3)):
        steps = some(rng, (count, count), nonzero)
        rewards = rng.normal(size=count) * 10
        yield f"chain {count}, {nonzero}", diagrams.chain_picture(steps, rewards, names(count)), [steps]
    yield "walk 12", diagrams.chain_picture(walk(12), None, names(12)), [walk(12)]
    for count, shown in ((1, 2), (2, 2), (2, 3), (4, 3), (8, 2), (12, 5)):
        steps, seen = some(rng, (count, count), min(count, 2)), some(rng, (count, shown), shown)
        prior = rng.dirichlet(np.ones(count))
        picture = diagrams.hmm_picture(prior, steps, seen, names(count), names(shown, "O"))
        yield f"hmm {count}, {shown}", picture, [steps, seen]
    for count, actions in ((2, 2), (4, 3), (8, 2), (12, 2)):
        steps, rewards = some(rng, (actions, count, count), 2), rng.normal(size=(actions, count))
        acts = names(actions, "act ")
        yield f"mdp {count}, {actions}", diagrams.mdp_picture(steps, rewards, names(count), acts), [steps]
        seen = some(rng, (count, 3), 2)
        both = np.broadcast_to(seen, (actions, count, 3))
        picture = diagrams.pomdp_picture(steps, both, rewards, names(count), acts, names(3, "O"))
        yield f"pomdp {count}, {actions}", picture, [steps, seen]


MODELS = {name: (picture, written) for name, picture, written in models()}


def plates(texts):
    return Counter(text for text in texts if re.fullmatch(r"[<>]?\.\d+|1|0", text))


def nodes(graph):
    """(x, y, half width, half height, circle?) of each node, as it was put on the board."""
    pattern = r'pos="([-\d.]+),([-\d.]+)"'
    found = []
    for line in graph.body:
        if (at := re.search(pattern, line)) and "->" not in line:
            half = [float(re.search(rf"{side}=([\d.]+)", line)[1]) * 36 for side in ("width", "height")]
            found.append((float(at[1]), float(at[2]), *half, "shape=circle" in line))
    return found


@pytest.mark.parametrize("name", MODELS)
def test_each_possible_move_is_drawn_and_named_and_no_other(name):
    picture, probabilities = MODELS[name]
    values = np.concatenate([one.ravel() for one in probabilities])
    shown = picture.svg.partition("<title>")[2]
    assert plates(written(picture.svg)) == Counter(chance(value) for value in values[values > 0])
    heads = len(re.findall(r"<polygon", shown)) - len(re.findall(r'<polygon fill="white"', shown))
    assert heads == np.count_nonzero(values)


@pytest.mark.parametrize("name", MODELS)
def test_no_circle_square_box_or_number_overlaps_another(name):
    put = nodes(MODELS[name][0].graph)
    for index, (x, y, wide, tall, round_) in enumerate(put):
        for other_x, other_y, other_wide, other_tall, other_round in put[:index]:
            across, down = abs(x - other_x), abs(y - other_y)
            if round_ and other_round:
                assert np.hypot(across, down) >= wide + other_wide
            else:
                assert across >= 0.9 * (wide + other_wide) - 0.1 or down >= 0.9 * (tall + other_tall) - 0.1


@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_cut_off_and_text_stays_eleven_pixels_on_nine_hundred(name):
    root = ElementTree.fromstring(MODELS[name][0].svg)
    left, top, wide, tall = map(float, root.attrib["viewBox"].split())
    shift = [
        float(v)
        for v in re.search(r"translate\(([-\d.]+) ([-\d.]+)\)", root.find(f"{SVG}g").attrib["transform"]).groups()
    ]
    for path in root.iter(f"{SVG}path"):
        points = np.array(re.findall(r"(-?[\d.]+),(-?[\d.]+)", path.attrib["d"]), dtype=float) + shift
        first, second, third, last = points[:4]
        t = np.linspace(0, 1, 20)[:, None]
        curve = (1 - t) ** 3 * first + 3 * t * (1 - t) ** 2 * second + 3 * t**2 * (1 - t) * third + t**3 * last
        assert (curve >= [left, top]).all() and (curve <= [left + wide, top + tall]).all()
    for words in root.iter(f"{SVG}text"):
        size = float(words.attrib["font-size"])
        half = {"middle": 0.3, "start": 0.0}[words.attrib["text-anchor"]] * size * len(words.text)
        x = float(words.attrib["x"]) + shift[0]
        assert left <= x - half and x + half <= left + wide, words.text
        assert size * 4 / 3 * min(1, 900 / (wide * 4 / 3)) >= 11, words.text


def on_a_ring(name):
    steps = MODELS[name][1][0]
    return name.startswith(("chain", "walk", "hmm 2")) and np.count_nonzero(steps) <= max(16, 3 * len(steps))


@pytest.mark.parametrize("name", list(filter(on_a_ring, MODELS)))
def test_a_loop_leaves_its_circle(name):
    picture, (steps, *_) = MODELS[name]
    put = nodes(picture.graph)
    circles = [np.array(node[:2]) for node in put if node[4]]
    ends = [line for line in picture.graph.body if "->" in line]
    loops = [line for line in ends if len(set(re.match(r"\s*(\w+) -> (\w+)", line).groups())) == 1]
    assert len(loops) == np.count_nonzero(np.diag(steps))
    for line in loops:
        middle = np.array(re.findall(r" ([-\d.]+),([-\d.]+)", line), dtype=float)[1:3].mean(axis=0)
        assert min(np.hypot(*(circle - middle)) for circle in circles) > put[0][2] + 30


def test_two_states_are_said_in_full():
    chain = diagrams.chain_picture(TWO, PAYS[0], names(2))
    assert chain.sentence == ("Markov chain of 2 states: S1 to S1 .5, S2 .5; S2 to S1 .3, S2 .7; rewards: S1 10, S2 0")
    hmm = diagrams.hmm_picture([0.5, 0.5], TWO, SEEN, names(2), names(2, "O"))
    assert hmm.sentence == (
        "Hidden Markov model of 2 states and 2 observations: starts in S1 .5, S2 .5; S1 to S1 .5, S2 .5; "
        "S2 to S1 .3, S2 .7; S1 shows O1 .75, O2 .25; S2 shows O1 .25, O2 .75"
    )
    mdp = diagrams.mdp_picture([TWO, SWAP], PAYS, names(2), ("a0", "a1"))
    assert mdp.sentence == (
        "Markov decision process of 2 states and 2 actions: S1 by a0 to S1 .5, S2 .5; S1 by a1 to S1 .1, S2 .9; "
        "S2 by a0 to S1 .3, S2 .7; S2 by a1 to S1 .9, S2 .1; rewards: S1 10, S2 0"
    )


def test_larger_models_say_what_is_likeliest_and_what_absorbs():
    steps = walk(12)
    steps[0] = np.eye(12)[0]
    sentence = diagrams.chain_picture(steps, np.arange(12.0), names(12)).sentence
    assert sentence == (
        "Markov chain of 12 states: 23 of 144 transitions are possible, the likeliest change of state is "
        "S2 to S3 .6; absorbing: S1; rewards from 0 to 11"
    )
    still = diagrams.chain_picture(np.eye(9), None, names(9)).sentence
    assert still == "Markov chain of 9 states: 9 of 81 transitions are possible; 9 states are absorbing"
    prior = np.full(12, 1 / 12)
    hmm = diagrams.hmm_picture(prior, walk(12), np.full((12, 2), 0.5), names(12), names(2, "O")).sentence
    assert "starts in one of 12 states; " in hmm and hmm.endswith("the likeliest observation is O1 in S1, .5")
    flat = np.full((2, 12), -1.0)
    assert diagrams.mdp_picture([walk(12)] * 2, flat, names(12), ("a", "b")).sentence.endswith("every reward is -1")


def test_the_sentence_stands_below_the_picture_too():
    picture = diagrams.chain_picture(TWO, PAYS[0], names(2))
    assert " ".join(written(picture.svg)).startswith(picture.sentence)
    assert picture.graph.source.count("labelloc=b") == 1
    assert picture._repr_mimebundle_()[0] == {"text/plain": picture.sentence, "image/svg+xml": picture.svg}


def test_rewards_stand_with_what_they_depend_on():
    same = written(diagrams.mdp_picture([TWO, SWAP], PAYS, names(2), ("a0", "a1")).svg)
    assert (same.count("reward 10"), same.count("reward 0"), same.count("a0"), same.count("a1")) == (1, 1, 2, 2)
    tiger = examples.tiger().draw()
    shown = written(tiger.svg)
    assert (shown.count("reward -1"), shown.count("reward -100"), shown.count("reward 10")) == (2, 2, 2)
    assert "rewards: listen -1 in tiger left, -1 in tiger right; open left -100 in tiger left" in tiger.sentence
    assert "reward" not in " ".join(written(diagrams.chain_picture(TWO, None, names(2)).svg))


def test_observations_are_dashed_and_say_after_which_action():
    shown = written(examples.tiger().draw().svg)
    assert (shown.count("listen: .85"), shown.count("listen: .15"), shown.count("else: .5")) == (2, 2, 4)
    assert examples.tiger().draw().sentence.endswith("observations tell states apart after listen")
    for name, (picture, _) in MODELS.items():
        assert ("stroke-dasharray" in picture.svg) == name.startswith(("hmm", "pomdp")), name
    two, three = np.stack([SEEN, SEEN[::-1]]), np.stack([SEEN, SEEN[::-1], np.full((2, 2), 0.5), [[0.6, 0.4], [1, 0]]])
    assert diagrams._by_action(two[:, 0, 0], ("a", "b")) == ["a: .75", "b: .25"]
    assert diagrams._by_action(three[:, 0, 0], tuple("abcd")) == [".25 to .75"]


def test_many_states_or_lines_are_a_heat_map_with_the_same_sentence():
    thirteen = diagrams.chain_picture(walk(13), None, names(13))
    assert thirteen.svg is None and thirteen.png.startswith(b"\x89PNG") and "13 states" in thirteen.sentence
    assert np.array_equal(thirteen.graph.axes[0].get_images()[0].get_array(), walk(13))
    full = np.full((9, 9), 1 / 9)
    assert diagrams.chain_picture(full, None, names(9)).svg is None
    assert diagrams.hmm_picture(full[0], full, full, names(9), names(9, "O")).svg is None
    many = diagrams.mdp_picture([walk(13)] * 8, np.zeros((8, 13)), names(13), names(8, "a"))
    assert many.sentence.endswith("(the first 6 of 8 actions are shown)")
    assert [axes.get_title() for axes in many.graph.axes[:6]] == list(names(6, "a"))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1"),
        (0.75, ".75"),
        (1 / 3, ".333"),
        (0.0001, "<.001"),
        (0.9999, ">.999"),
        (0.0005, ".001"),
        (0.1, ".1"),
    ],
)
def test_probabilities_are_written_as_the_book_writes_them(value, text):
    assert chance(value) == text


def test_any_name_is_drawn():
    odd = ('a <b> & "c"', "back\\slash é")
    shown = " ".join(written(diagrams.mdp_picture([TWO, SWAP], PAYS, odd, ("<0>", "\\n")).svg))
    for word in ("<b>", "&", '"c"', "back\\slash", "é", "<0>", "\\n"):
        assert word in shown, word


def test_every_model_draws_itself():
    for build in (examples.two_state_chain, examples.two_state_hmm, examples.two_state_mdp, examples.two_state_pomdp):
        model = build()
        bundle = model._repr_mimebundle_()
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        assert data["image/svg+xml"] == model.draw().svg and data["text/plain"] == model.draw().sentence
        assert {"S1", "S2"} <= set(written(model.draw().svg))


def test_without_any_graphviz_the_sentence_stands_alone(monkeypatch, tmp_path):
    render._render.cache_clear()
    monkeypatch.setattr(render, "engines", dict)
    alone = diagrams.chain_picture(np.eye(1), None, ("alone",))
    assert "nasbook doctor" in " ".join(written(alone.svg)) and alone.sentence in " ".join(written(alone.svg))
    assert alone.save(tmp_path / "alone.svg").exists()
    with pytest.raises(NasbookError, match="nasbook doctor"):
        alone.save(tmp_path / "alone.png")
    render._render.cache_clear()


def test_the_places_are_those_that_were_asked_for():
    """Graphviz only draws: its own layout of the picture has the circles where they were put."""
    import pygraphviz

    graph = diagrams.chain_picture(TWO, None, names(2)).graph
    layout = json.loads(pygraphviz.AGraph(string=graph.source).draw(format="json", prog="dot"))
    drawn = [[float(v) for v in node["pos"].split(",")] for node in layout["objects"]]
    asked = [node[:2] for node in nodes(graph)]
    assert np.allclose(np.subtract(drawn, drawn[0]), np.subtract(asked, asked[0]), atol=0.1)
    assert render.svg(graph.source, "the same") == render.svg(graph.source, "the same")


def test_names_with_backslashes_and_control_characters_are_drawn_as_they_are():
    picture = diagrams.chain_picture(TWO, None, ("a\\N", "b\x01"))
    shown = [text.text for text in ElementTree.fromstring(picture.svg).iter(f"{SVG}text")]
    assert "a\\N" in shown and "b\N{REPLACEMENT CHARACTER}" in shown
    assert any("a\\N to a\\N .5" in text for text in shown)


def test_a_heat_map_does_not_fit_into_the_chart():
    class Model:
        def __init__(self, count):
            self.count = count

        def draw(self):
            return diagrams.chain_picture(walk(self.count), None, names(self.count))

    with pytest.raises(NasbookError, match="the MDP is too large for the chart"):
        diagrams.four_models_picture(Model(2), Model(2), Model(20), Model(2))
