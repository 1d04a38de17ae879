"""Notebook 00 as a reader meets it: in JupyterLab, from the first cell to the moved slider."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "00_start_here.ipynb"
FRAME = ".jp-OutputArea-output:has([role=slider]) .widget-html-content"


def test_00_runs_draws_its_cell_and_follows_the_slider(lab):
    page = lab(NOTEBOOK)
    page.run_all(300)
    page.screenshots()

    picture = page.show(".jp-RenderedSVG img, .jp-RenderedSVG svg").first
    size = picture.bounding_box()
    assert size["width"] > 200 and size["height"] > 50

    slider = page.slider()
    page.screenshot("slider-at-the-end")
    before, after = page.changes(FRAME, lambda: page.move(slider, "Home"))
    assert "<svg" in before and "<svg" in after
    page.screenshot("slider-at-the-start")
