"""Part I as a reader meets it: each notebook runs, each control of each widget moves its frame."""

from pathlib import Path

import pytest
from controls import every_widget_follows

pytestmark = pytest.mark.browser

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
WIDGETS = {
    "01_markov_chains": 1,
    "02_hidden_markov_models": 0,
    "03_markov_decision_processes": 1,
    "04_pomdps": 1,
    "05_bandits": 1,
    "06_policy_gradients": 1,
}
"""At least so many widgets does each notebook hold."""


@pytest.mark.parametrize("name", WIDGETS)
def test_it_runs_and_its_widgets_follow_their_controls(lab, name):
    page = lab(NOTEBOOKS / f"{name}.ipynb")
    page.run_all(300)
    assert len(page.screenshots()) > 3
    every_widget_follows(page, WIDGETS[name])
