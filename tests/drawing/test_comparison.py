"""Pictures that compare runs: every seed is said and shown, and no dot hides another."""

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from nasbook.base.errors import NasbookError
from nasbook.drawing.figures import comparison
from nasbook.drawing.figures.comparison import seeds_picture


def test_a_comparison_says_and_shows_every_seed():
    groups = {"found": [0.40, 0.44, 0.48], "random": [0.30, 0.34]}
    shown = seeds_picture(groups, "test accuracy", chance=0.1)
    assert shown.sentence.startswith("test accuracy: found: 44.0% (n = 3, 95% interval 34.1% to 53.9%); random: 32.0%")
    (axes,) = shown.graph.axes
    dots = [line.get_xydata() for line in axes.get_lines() if line.get_marker() == "o"]
    assert [dot[:, 0].tolist() for dot in dots] == list(groups.values())
    assert [text.get_text() for text in axes.get_yticklabels()] == list(groups)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["chance, 10%"]
    assert Image.open(io.BytesIO(shown.png)).width == 880
    assert seeds_picture(groups, "test accuracy").graph.axes[0].get_legend() is None


def test_a_true_value_has_a_line_of_its_own():
    axes = seeds_picture({"S1": [0.37, 0.38]}, "share", chance=0.5, exact=0.375).graph.axes[0]
    lines = {line.get_label(): line for line in axes.get_lines() if not line.get_label().startswith("_")}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(lines) == ["chance, 50%", "exact, 37.5%"]
    assert [{*line.get_xdata()} for line in lines.values()] == [{0.5}, {0.375}]
    assert len({line.get_linestyle() for line in lines.values()}) == 2


@pytest.mark.parametrize("values", [[0.5] * 20, np.random.default_rng(0).normal(0.5, 0.1, 50), [0.2, 0.9]])
def test_no_dot_hides_another(values):
    wide = comparison.APART * np.ptp(values)
    heights = comparison.stacked(values, wide)
    assert (abs(heights) <= 0.4).all() and (heights == comparison.stacked(values, wide)).all()
    dots = sorted(zip(heights, values))
    assert all(b[1] - a[1] >= wide and b != a for a, b in pairwise(dots) if a[0] == b[0])
    if np.min(np.diff(np.sort(values))) > wide:
        assert not heights.any()


def test_one_value_is_no_group():
    with pytest.raises(NasbookError, match="at least two"):
        seeds_picture({"found": [0.4, 0.5], "random": [0.3]}, "test accuracy")
