"""Searches by trial as a reader meets them: each notebook runs, each control of each widget moves its frame."""

from pathlib import Path

import pytest
from controls import every_widget_follows

pytestmark = pytest.mark.browser

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
WIDGETS = {"07_search_spaces": 1, "08_nas_with_rl": 1, "09_enas": 1, "10_pnas": 2}
"""At least so many widgets does each notebook hold: space counter, unrolled controller, bench, beam and arena."""


@pytest.mark.parametrize("name", WIDGETS)
def test_it_runs_and_its_widgets_follow_their_controls(lab, name):
    notebook = NOTEBOOKS / f"{name}.ipynb"
    assert notebook.exists(), f"the notebook {name} is not stored"
    page = lab(notebook)
    page.run_all(600)
    assert len(page.screenshots()) > 3
    every_widget_follows(page, WIDGETS[name])
