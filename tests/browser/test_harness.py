"""The browser harness on tiny notebooks: it sees what works, and it fails on what does not."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

pytestmark = pytest.mark.browser

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
SLIDER = """
import ipywidgets
slider = ipywidgets.IntSlider(description="epoch", max=5)
still = ipywidgets.HTML("<p class='frame'>frame 0</p>")
def draw(change):
    still.value = f"<p class='frame'>frame {change.new}</p>"
slider.observe(draw, names=["value"])
ipywidgets.VBox([slider, still])
"""
DEAD_SLIDER = SLIDER.replace("slider.observe", "(lambda *a, **k: None)")


@pytest.fixture
def notebook(tmp_path):
    def make(name, *sources):
        book = new_notebook(metadata={"kernelspec": KERNEL})
        filler = [new_markdown_cell(f"## Part {i}\n\n" + "Text.\n\n" * 12) for i in range(6)]
        book.cells = [new_markdown_cell("# Tiny"), *filler, *map(new_code_cell, sources)]
        nbformat.write(book, tmp_path / f"{name}.ipynb")
        return tmp_path / f"{name}.ipynb"

    return make


def test_a_widget_is_found_moved_and_seen_to_work(lab, notebook):
    page = lab(notebook("harness_works", "1 + 1", SLIDER))
    page.run_all(60)
    slider = page.slider()
    before, after = page.changes(".frame", lambda: page.move(slider, times=2))
    assert (before, after) == ("frame 0", "frame 2")
    pictures = page.screenshots()
    assert len(pictures) > 2
    sizes = [picture.stat().st_size for picture in pictures]
    # an empty page compresses to next to nothing
    assert min(sizes) > 0.5 * max(sizes)


def test_what_is_broken_fails(lab, notebook):
    page = lab(notebook("harness_fails", DEAD_SLIDER, "1 / 0", "2"))
    with pytest.raises(pytest.fail.Exception, match="ZeroDivisionError"):
        page.run_all(60)
    slider = page.slider()
    with pytest.raises(pytest.fail.Exception, match="did not change"):
        page.changes(".frame", lambda: page.move(slider), seconds=1)
    with pytest.raises(pytest.fail.Exception, match="nothing in the notebook"):
        page.show(".no-such-thing")
