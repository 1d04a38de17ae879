"""The widget shell: controls move the frame, an error is seen, and a still remains without a kernel."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import ipywidgets
import pytest

from nasbook.drawing.parts import svg
from nasbook.drawing.parts.shell import CAPTION, Frame, Shell, choice, slider, steps

SVG = "{http://www.w3.org/2000/svg}"


def render(share, count, way):
    if count == 4:
        raise ValueError(f"no frame {count}")
    sentence = f"{way}: {count} of {share:.2f} & <more>"
    return Frame(svg.page(90, 30, sentence, [svg.text(5, 15, sentence)]), sentence)


@pytest.fixture
def shell():
    controls = {
        "share": slider("share", 0.5, 0, 1),
        "count": steps("count", 1, 0, 5),
        "way": choice("way", ["left", "right"]),
    }
    return Shell(render, controls, 30)


@pytest.mark.parametrize(
    ("control", "value", "said"),
    [("share", 0.25, "left: 1 of 0.25"), ("count", 3, "left: 3 of 0.50"), ("way", "right", "right: 1 of 0.50")],
)
def test_each_control_changes_the_frame(shell, control, value, said):
    assert "left: 1 of 0.50" in shell.frame.value
    shell.controls[control].value = value
    assert said in shell.frame.value and "left: 1 of 0.50" not in shell.frame.value
    assert shell.now().sentence.startswith(said)


def test_the_sentence_stands_below_its_picture_and_is_no_markup(shell):
    picture, _, sentence = shell.frame.value.partition('<p aria-live="polite"')
    assert picture.startswith("<svg") and sentence.endswith(">left: 1 of 0.50 &amp; &lt;more&gt;</p>")


def test_without_a_kernel_the_picture_and_its_sentence_remain(shell):
    shell.controls["count"].value = 2
    bundle = shell._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert (bundle["image/svg+xml"], bundle["text/plain"]) == render(0.5, 2, "left")


def test_an_error_in_a_callback_is_raised_outside_a_kernel(shell):
    with pytest.raises(ValueError, match="no frame 4"):
        shell.controls["count"].value = 4


def test_an_error_in_a_callback_is_shown_in_a_kernel(tmp_path):
    """In a kernel the widget's own output catches it: there it must stand, name and words."""
    import nbformat
    from nbclient import NotebookClient

    code = (
        "import sys\n"
        f"sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
        "from test_shell import render\n"
        "from nasbook.drawing.parts.shell import Shell, steps\n"
        "names = ('share', 'count', 'way')\n"
        "shell = Shell(render, {name: steps(name, 1, 0, 5) for name in names}, 30)\n"
        "shell.controls['count'].value = 4\n"
        "shell.controls['count'].value = 2\n"
        "shell"
    )
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    done = NotebookClient(book, timeout=60, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    states = done.metadata["widgets"]["application/vnd.jupyter.widget-state+json"]["state"].values()
    shown = [output for state in states for output in state["state"].get("outputs", ())]
    assert [(output["ename"], output["evalue"]) for output in shown] == [("ValueError", "no frame 4")]


def test_the_frame_has_a_fixed_height_and_every_control_is_in_the_row(shell):
    row, hold, errors = shell.children
    assert hold.layout.height == f"{30 + CAPTION}px" and hold.children == (shell.frame,)
    assert row.children == tuple(shell.controls.values()) and errors is shell.errors
    play = ipywidgets.Play()
    assert Shell(lambda: Frame("<svg/>", "still"), {}, 30, extra=(play,)).children[0].children == (play,)


def test_controls_report_while_they_are_dragged_and_hold_their_descriptions():
    for control in (slider("discount gamma", 0.9, 0, 0.99), steps("sweeps", 3, 0, 20)):
        assert control.continuous_update
        assert int(control.style.description_width.removesuffix("px")) >= 7 * len(control.description)
    assert choice("way", [("to the left", -1), ("to the right", 1)]).value == -1
    assert choice("way", ["left", "right"], "right").value == "right"


def test_pieces_of_svg_are_well_formed_whatever_they_hold():
    parts = [
        svg.text(1, 2, "a < b & c", 11, "end", "#123456", 30),
        svg.rect(1, 2, 3, 4, "white", "a < b", stroke="black", width=2, dash="3 2", opacity=0.5),
        svg.circle(1, 2, 3),
        svg.line(1, 2, 3, 4, width=1),
        svg.polyline([(1, 2), (3, 4)], "black", dash="1 1"),
        svg.arrow(0, 0, 10, 0),
        svg.path("M 0 0 L 1 1"),
    ]
    root = ElementTree.fromstring(svg.page(90, 30, 'say "a < b"', parts))
    assert root.attrib["aria-label"] == root.find(f"{SVG}title").text == 'say "a < b"'
    words = root.find(f"{SVG}text")
    assert words.text == "a < b & c" and words.attrib["transform"] == "rotate(30 1.0 2.0)"
    box = root.findall(f"{SVG}rect")[1]
    assert (box.attrib["width"], box.attrib["stroke-width"], box.attrib["stroke-dasharray"]) == ("3.0", "2", "3 2")
    assert box.find(f"{SVG}title").text == "a < b"


def test_an_arrow_ends_at_its_tip_and_one_without_length_is_nothing():
    shaft, head = ElementTree.fromstring(f"<g>{svg.arrow(0, 0, 10, 0, head=4)}</g>")
    assert (shaft.attrib["x1"], shaft.attrib["x2"]) == ("0.0", "6.0")
    assert head.attrib["points"].split()[0] == "10.0,0.0"
    assert svg.arrow(3, 3, 3, 3) == ""


def test_frames_need_neither_matplotlib_nor_torch():
    code = (
        "import sys\nfrom nasbook.drawing.parts import shell, svg\n"
        "assert not {'torch', 'matplotlib', 'graphviz'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
