"""A reader at the controls of the widgets of a notebook in JupyterLab (tests/browser)."""

import pytest

WIDGET = ".jp-OutputArea-output:has(.widget-html-content svg)"
PLAY = ".widget-play button"


def every_widget_follows(notebook, least: int) -> None:
    """Move each slider, choose another option in each menu, tick or clear each box and press play in every widget: its
    frame must follow.

    There must be at least ``least`` widgets.
    """
    found = notebook.page.locator(WIDGET).count()
    assert found >= least, f"{notebook.name} has {found} widgets"
    for place in range(found):
        every_control_moves(notebook, f"{WIDGET} >> nth={place}")


def every_control_moves(notebook, widget: str) -> None:
    """Do so with the widget of a selector."""
    frame = f"{widget} >> .widget-html-content"
    notebook.page.locator(frame).first.scroll_into_view_if_needed()
    notebook.screenshot("before")
    assert "<svg" in notebook.page.locator(frame).first.inner_html()
    sliders = notebook.page.locator(f"{widget} >> [role=slider]")
    for place in range(sliders.count()):
        slider = sliders.nth(place)
        at_the_end = slider.get_attribute("aria-valuenow") == slider.get_attribute("aria-valuemax")
        key = "ArrowLeft" if at_the_end else "ArrowRight"
        notebook.changes(frame, lambda slider=slider, key=key: notebook.move(slider, key, times=10))
        notebook.screenshot(f"slider-{place}")
    menus = notebook.page.locator(f"{widget} >> select")
    for place in range(menus.count()):
        menu_matters(notebook, frame, menus.nth(place), menus.first)
        notebook.screenshot(f"menu-{place}")
    boxes = notebook.page.locator(f"{widget} >> input[type=checkbox]")
    for place in range(boxes.count()):
        boxes.nth(place).focus()
        notebook.changes(frame, lambda: notebook.page.keyboard.press("Space"))
        notebook.screenshot(f"box-{place}")
    if notebook.page.locator(f"{widget} >> {PLAY}").count():
        button = notebook.page.locator(f"{widget} >> {PLAY}").first
        button.focus()
        notebook.changes(frame, lambda: notebook.page.keyboard.press("Enter"))
        button.press("Enter")
        notebook.screenshot("played")


def menu_matters(notebook, frame: str, menu, first) -> None:
    """Choose another option of ``menu``, if need be under each option of the ``first`` menu: a threshold is switched
    off where another rule is chosen. Fails if the frame never changes.
    """
    shown = notebook.page.locator(frame).first
    for choice in range(-1, first.locator("option").count()):
        if choice >= 0:
            first.select_option(index=choice)
            notebook.page.wait_for_timeout(1500)
        if menu.is_disabled():
            continue
        before = shown.inner_html()
        menu.select_option(index=0 if menu.evaluate("node => node.selectedIndex") else 1)
        for _ in range(30):
            if shown.inner_html() != before:
                return
            notebook.page.wait_for_timeout(100)
    notebook.screenshot("unchanged")
    pytest.fail(f"{notebook.name}: no choice in a menu changed {frame}")
