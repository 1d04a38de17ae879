"""Part I as a reader meets it: each notebook runs, each control of each widget moves its frame."""

from pathlib import Path

import pytest

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

WIDGET = ".jp-OutputArea-output:has(.widget-html-content svg)"


@pytest.mark.parametrize("name", WIDGETS)
def test_it_runs_and_its_widgets_follow_their_controls(lab, name):
    page = lab(NOTEBOOKS / f"{name}.ipynb")
    page.run_all(300)
    assert len(page.screenshots()) > 3
    if WIDGETS[name]:
        page.show(WIDGET)
    widgets = page.page.locator(WIDGET).count()
    assert widgets >= WIDGETS[name]
    for place in range(widgets):
        every_control_moves(page, f"{WIDGET} >> nth={place}")


def every_control_moves(page, widget):
    """Move each slider and choose another option in each menu; the frame must change each time."""
    frame = f"{widget} >> .widget-html-content"
    page.page.locator(frame).first.scroll_into_view_if_needed()
    page.screenshot("before")
    assert "<svg" in page.page.locator(frame).first.inner_html()
    sliders = page.page.locator(f"{widget} >> [role=slider]")
    for place in range(sliders.count()):
        slider = sliders.nth(place)
        at_the_end = slider.get_attribute("aria-valuenow") == slider.get_attribute("aria-valuemax")
        key = "ArrowLeft" if at_the_end else "ArrowRight"
        page.changes(frame, lambda slider=slider, key=key: page.move(slider, key, times=10))
        page.screenshot(f"slider-{place}")
    menus = page.page.locator(f"{widget} >> select")
    for place in range(menus.count()):
        menu = menus.nth(place)
        other = 0 if menu.evaluate("node => node.selectedIndex") else 1
        page.changes(frame, lambda menu=menu, other=other: menu.select_option(index=other))
        page.screenshot(f"menu-{place}")
