"""The mixed-operation mixer: its blend against softmax, its frames against their data."""

import re
import time
from statistics import median

import numpy as np
import pytest
import torch

from nasbook.book.widgets import mixer
from nasbook.book.widgets.mixer import mix, prepare, render
from nasbook.relaxations import samplers
from nasbook.relaxations.derivation import darts_rule
from nasbook.spaces.names import DARTS_OPERATIONS

RNG = np.random.default_rng(0)
IMAGE = RNG.random((6, 6, 3))
OUTPUTS = RNG.standard_normal((8, 2, 5, 4))
OUTPUTS[DARTS_OPERATIONS.index("none")] = 0
ALPHAS = np.array([0.5, -0.2, 0.1, 0.3, 0.2, 0.0, -0.5, 0.25])


@pytest.fixture(scope="module")
def story():
    return prepare(IMAGE, OUTPUTS, DARTS_OPERATIONS)


@pytest.mark.parametrize("sharpness", [0.0, 1.0, 7.5])
def test_the_blend_is_that_of_the_relaxation(story, sharpness):
    found = mix(story, ALPHAS, sharpness)
    p = samplers.softmax(sharpness * torch.tensor(ALPHAS)[None])[0, 0].numpy()
    np.testing.assert_allclose(found.weights, p, atol=1e-12)
    np.testing.assert_allclose(found.blend, sum(p[o] * OUTPUTS[o] for o in range(8)), atol=1e-12)
    kept = OUTPUTS[3]
    assert found.gap == pytest.approx(np.sqrt(((found.blend - kept) ** 2).sum() / (kept**2).sum()))


def test_the_kept_operation_is_that_of_the_derivation(story):
    """none leads here, and is no candidate."""
    genotype, _ = darts_rule({"normal": np.stack([ALPHAS, ALPHAS])}, DARTS_OPERATIONS, 1)
    found = mix(story, ALPHAS)
    assert {name for name, _ in genotype.normal[0]} == {DARTS_OPERATIONS[found.chosen]} == {"skip_connect"}
    assert found.weights.argmax() == 0
    said = render(story, ALPHAS).sentence
    assert f"none weighs more, {found.weights[0]:.3f}, but cannot be chosen" in said
    assert "cannot be chosen" not in render(story, ALPHAS - np.eye(8)[0]).sentence
    assert "cannot be chosen" not in render(story, ALPHAS, 0.0).sentence, "all weigh the same"


def test_sharpening_closes_the_gap_unless_none_leads(story):
    without = ALPHAS - 2 * np.eye(8)[0]
    gaps = [mix(story, without, sharpness).gap for sharpness in (1, 5, 20, 400)]
    assert gaps == sorted(gaps, reverse=True) and gaps[-1] < 1e-6
    assert mix(story, ALPHAS, 400).gap == pytest.approx(1.0)  # the blend is nothing
    assert mix(story, without, 0.0).chosen == mix(story, without).chosen, "level weights do not change the best"


def test_huge_logits_overflow_nothing(story):
    assert mix(story, 1e4 * ALPHAS, 20).weights[0] == 1.0


def test_the_sentence_says_what_the_data_hold(story):
    found, said = mix(story, ALPHAS, 3.0), render(story, ALPHAS, 3.0).sentence
    weight = found.weights[found.chosen]
    numbers = [float(one) for one in re.findall(r"(?<!\w)\d+(?:\.\d+)?", said)]
    assert numbers == pytest.approx([weight, 1 - weight, found.weights[0], round(100 * found.gap)], abs=6e-4)
    assert said.startswith("The edge would keep skip_connect")


def test_every_frame_is_drawn_in_time_within_its_page_and_legibly():
    big = prepare(RNG.random((32, 32, 3)), RNG.standard_normal((8, 3, 16, 16)), DARTS_OPERATIONS)
    seconds = []
    for _ in range(25):
        alphas, sharpness = RNG.uniform(-3, 3, 8), RNG.uniform(0, 20)
        start = time.perf_counter()
        frame = render(big, alphas, sharpness)
        seconds.append(time.perf_counter() - start)
        assert frame == render(big, alphas, sharpness)
        assert min(map(float, re.findall(r'font-size="([\d.]+)"', frame.svg))) >= 11
        assert "nan" not in frame.svg
        maps = re.findall(r"<g transform.+?</g>", frame.svg)
        assert len(maps) == 12
        for x, y, wide in (one[1:] for part in maps for one in rectangles(part)):
            assert 0 <= x < x + wide <= mixer.WIDTH and 0 <= y < mixer.HEIGHT
        assert frame.svg.count('stroke-width="3.5"') == 1, "the kept one is framed"
    assert median(seconds) < 0.05


def rectangles(drawn):
    """The (colour, x, y, width) of every rectangle in a map's paths, on the page."""
    (move,) = re.findall(r'<g transform="translate\(([\d.]+) ([\d.]+)\) scale\(([\d.]+) ([\d.]+)\)">', drawn)
    left, top, wide, tall = map(float, move)
    found = []
    for d, colour in re.findall(r'<path d="([^"]+)" fill="(#\w+)"', drawn):
        for one in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3(?=M|$)", d):
            x, y, across = map(int, one)
            found.append((colour, left + wide * x, top + tall * y, wide * across))
    return found


def test_a_map_has_the_sign_and_strength_of_its_numbers_in_their_places():
    values = np.array([[1.0, 1.0, 0.0], [0.0, -0.5, 2.0]])
    full, half = "#0072B2", "#EAAE80"
    found = rectangles(mixer._map(values, 1.0, 10.0, 20.0, 30.0))
    assert sorted(found) == sorted([(full, 10.0, 20.0, 20.0), (full, 30.0, 35.0, 10.0), (half, 20.0, 35.0, 10.0)])


def test_a_picture_has_the_colours_of_its_pixels_in_their_places():
    image = np.array([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]])
    found = rectangles(mixer._picture(image, 0.0, 0.0, 2.0))
    expected = [("#F00", 0, 0, 1), ("#0F0", 1, 0, 1), ("#FFF", 0, 1, 1), ("#000", 1, 1, 1)]
    assert sorted(found) == sorted(expected)


def test_the_maps_above_are_the_blend_the_kept_and_their_difference(story):
    frame, found = render(story, ALPHAS, 2.0), mix(story, ALPHAS, 2.0)
    kept = OUTPUTS[found.chosen, 0]
    for values, x in ((found.blend[0], 225), (kept, 465), (kept - found.blend[0], 705)):
        assert mixer._map(values, story.reach, x, mixer.LOW, mixer.BIG) in frame.svg
    bars = re.findall(r'height="([\d.]+)" fill="[^"]+"><title>(\w+): ([\d.]+)', frame.svg)
    assert [name for _, name, _ in bars] == list(DARTS_OPERATIONS)
    for (tall, _, share), weight in zip(bars, found.weights):
        assert float(share) == pytest.approx(weight, abs=6e-4)
        assert float(tall) == pytest.approx(34 * weight, abs=0.06)


def test_the_widget_shows_the_frame_of_its_controls(story):
    widget = mixer.explore(story, ALPHAS)
    assert set(widget.controls) == {*DARTS_OPERATIONS, "sharpness"}
    assert widget.now() == render(story, ALPHAS)
    frames = [render(story, ALPHAS), render(story, ALPHAS, 20)]
    left = widget._repr_mimebundle_()
    assert left["text/plain"] == f"{frames[0].sentence} {frames[1].sentence}"
    assert f'height="{2 * mixer.HEIGHT}"' in left["image/svg+xml"]
    before = widget.now().sentence
    for name, value in {"none": -2.0, "dil_conv_5x5": 2.0, "sharpness": 4.0}.items():
        widget.controls[name].value = value
        assert widget.now().sentence != before
        assert widget.now().sentence in widget.frame.value
        before = widget.now().sentence
    expected = ALPHAS.copy()
    expected[[0, 7]] = -2.0, 2.0
    assert widget.now() == render(story, expected, 4.0)
    assert mixer.explore(story).now() == render(story, np.zeros(8))
    assert widget.errors.outputs == ()


def test_fewer_operations_have_fewer_maps():
    story = prepare(IMAGE, OUTPUTS[3:6], DARTS_OPERATIONS[3:6])
    frame = render(story, [0.0, 1.0, 0.5])
    assert len(re.findall("<title>sep|<title>skip", frame.svg)) == 3
    assert "would keep sep_conv_3x3" in frame.sentence
