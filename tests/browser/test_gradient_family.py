"""The gradient family as a reader meets it: each notebook runs, each control of each widget moves its frame."""

from pathlib import Path

import pytest
from controls import every_widget_follows

pytestmark = pytest.mark.browser

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
WIDGETS = {"11_darts": 3, "13_gumbel": 2, "15_data": 2, "16_msg_das": 1}
"""At least so many widgets does each notebook hold."""


@pytest.mark.parametrize("name", WIDGETS)
def test_it_runs_and_its_widgets_follow_their_controls(lab, name):
    page = lab(NOTEBOOKS / f"{name}.ipynb")
    page.run_all(600)
    assert len(page.screenshots()) > 3
    every_widget_follows(page, WIDGETS[name])
