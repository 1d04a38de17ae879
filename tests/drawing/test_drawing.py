"""Pictures: what they say, that they can be told apart, and that they come out wherever pip has been."""

import json
import os
import stat
import statistics
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import pytest

from nasbook.base.errors import NasbookError
from nasbook.drawing.figures import cells
from nasbook.drawing.parts import describe, render, style
from nasbook.spaces.genotypes import catalogue
from nasbook.spaces.names import CELL_OPERATIONS, DARTS_OPERATIONS

OPERATIONS = DARTS_OPERATIONS
PLAIN = ((("conv_3x3", 0), ("conv_1x1", 1)), (("conv_7x1_1x7", 0), ("sep_conv_7x7", 2)))
DARTS = catalogue["DARTS_V2"].kinds
NORMAL, REDUCE = DARTS["normal"][0], DARTS["reduce"][0]
NASNET = (
    (("sep_conv_5x5", 1), ("sep_conv_3x3", 0)),
    (("sep_conv_5x5", 0), ("sep_conv_3x3", 0)),
    (("avg_pool_3x3", 1), ("skip_connect", 0)),
    (("avg_pool_3x3", 0), ("avg_pool_3x3", 0)),
    (("sep_conv_3x3", 1), ("skip_connect", 1)),
)
CHAIN = ((("sep_conv_3x3", 0), ("none", 1)), *((("dil_conv_5x5", node + 2),) for node in range(4)))
SOME_CELLS = {
    "darts": (NORMAL, (2, 3, 4, 5)),
    "nasnet, twice the same pair": (NASNET, (2, 3, 4, 5, 6)),
    "partial concat": (NASNET, (4, 6)),
    "plain convolutions": (PLAIN, (2, 3)),
    "chain of five": (CHAIN, (6,)),
    "thirteen edges": (tuple(tuple((name, 0) for name in OPERATIONS[:3]) for _ in range(4)), (2, 5)),
    "an unknown operation": (((("my_own_conv", 0), ("skip_connect", 1)),), (2,)),
}


@pytest.fixture
def fresh():
    render._render.cache_clear()
    yield
    render._render.cache_clear()


# What is said


def test_a_cell_says_its_operations_and_depth():
    assert describe.cell_sentence(NORMAL, (2, 3, 4, 5)) == (
        "normal cell: 5 of 8 edges are sep_conv_3x3, 2 skip_connect, 1 dil_conv_3x3; "
        "longest path from an input 2 operations"
    )
    assert "longest path from an input 5 operations" in describe.cell_sentence(CHAIN, (6,))
    assert describe.genotype_sentence({"normal": DARTS["normal"]}).endswith("reduce cell: fixed (GDAS FRC)")


def test_an_edge_none_and_a_node_left_out_do_not_deepen_a_cell():
    dead = ((("none", 0), ("none", 1)), (("sep_conv_3x3", 2), ("skip_connect", 0)))
    assert describe.depth(dead, (2, 3)) == 1
    assert describe.depth(dead, (2,)) == 0
    assert describe.depth(CHAIN, (2,)) == 1


def test_the_order_within_a_node_changes_no_sentence():
    turned = tuple(tuple(reversed(node)) for node in NORMAL)
    assert describe.cell_sentence(turned, (2, 3)) == describe.cell_sentence(NORMAL, (2, 3))


# How an operation looks


def test_no_two_operations_look_alike_even_in_grey():
    looks = list(style.LOOKS.values())
    for attribute in ("label", "colour"):
        assert len({getattr(look, attribute) for look in looks}) == len(looks), attribute
    assert len({(look.dash, look.width, look.head) for look in looks}) == len(looks)


def test_every_operation_of_the_package_has_a_look():
    assert set(CELL_OPERATIONS) == set(style.LOOKS)


def test_names_of_operations_have_the_contrast_that_small_text_needs():
    def luminance(colour):
        channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for name, look in style.LOOKS.items():
        assert 1.05 / (luminance(look.ink) + 0.05) >= 4.5, name


# Cells


@pytest.mark.parametrize("name", SOME_CELLS)
def test_every_edge_of_a_cell_is_drawn_with_its_name_colour_and_dash(name):
    nodes, concat = SOME_CELLS[name]
    svg = cells.draw({"normal": (nodes, concat)}).svg
    root = ElementTree.fromstring(svg)
    written = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    edges = [operation for node in nodes for operation, _ in node]
    for operation in set(edges):
        first = style.look(operation).label.split("\n")[0]
        assert sum(text == first for text in written) == edges.count(operation), operation
        assert svg.count(f'stroke="{style.look(operation).colour.lower()}"') >= 2, operation
    assert ("stroke-dasharray" in svg) == any(style.look(operation).dash != "solid" for operation in edges)
    assert written.count("0") == 1 and written.count(str(len(nodes) - 1)) == 1


@pytest.mark.parametrize("name", SOME_CELLS)
def test_inputs_lie_left_the_output_right_and_labels_stay_nine_points_in_print(name):
    nodes, concat = SOME_CELLS[name]
    layout = json.loads(_json_layout(cells.cell_graph(nodes, concat)))
    place = {
        node["name"]: [float(number) for number in node["pos"].split(",")]
        for node in layout["objects"]
        if "pos" in node
    }
    width = float(layout["bb"].split(",")[2])
    assert max(place["normal_0"][0], place["normal_1"][0]) < min(place[f"normal_{i + 2}"][0] for i in range(len(nodes)))
    assert place["normal_out"][0] == max(x for x, _ in place.values())
    assert place["normal_0"][1] > place["normal_1"][1], "c_{k-2} stands above c_{k-1}"
    assert 13 * min(1, 6.5 * 72 / width) >= 9, width
    boxes = [
        (*place[node["name"]], float(node["width"]) * 36, float(node["height"]) * 36)
        for node in layout["objects"]
        if "pos" in node
    ]
    for index, (x, y, half_wide, half_tall) in enumerate(boxes):
        for other_x, other_y, other_wide, other_tall in boxes[:index]:
            apart = abs(x - other_x) >= half_wide + other_wide or abs(y - other_y) >= half_tall + other_tall
            assert apart, "two labels overlap"


def _json_layout(graph):
    import pygraphviz

    return pygraphviz.AGraph(string=graph.source).draw(format="json", prog="dot")


def test_the_svg_stands_alone():
    picture_ = cells.draw(DARTS)
    root = ElementTree.fromstring(picture_.svg)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == picture_.sentence == root.find("{http://www.w3.org/2000/svg}title").text
    assert picture_.svg.count("<title>") == 1
    for unwanted in ("<!--", "<?xml", ' id="', "href"):
        assert unwanted not in picture_.svg
    assert 'fill="white"' in picture_.svg
    assert float(root.attrib["width"].removesuffix("pt")) * 4 / 3 <= 900
    assert len(picture_.svg) < 40_000


def test_what_changed_is_marked_and_nothing_else():
    plain = cells.cell_graph(NORMAL, (2, 3, 4, 5)).source
    marked = cells.cell_graph(NORMAL, (2, 3, 4, 5), changed={(3, "dil_conv_3x3", 2)}).source
    assert plain.count("#FFF2B3") == 0 and marked.count("#FFF2B3") == 1
    (line,) = [line for line in marked.splitlines() if "#FFF2B3" in line]
    assert "dil 3x3" in line


@pytest.mark.parametrize(
    ("nodes", "concat", "said"),
    [
        ((), (2,), "at least one node"),
        (((("skip_connect", 2),),), (2,), "node 0 reads input 2"),
        (((("skip_connect", -1),),), (2,), "node 0 reads input -1"),
        ((((0, "skip_connect"),),), (2,), "a pair (operation name, input index)"),
        (((("skip_connect", 0),),), (3,), "concatenates [3]: give one or more of 0 to 2"),
        (((("skip_connect", 0),),), (), "concatenates []"),
    ],
)
def test_a_malformed_cell_is_refused_in_one_sentence(nodes, concat, said):
    with pytest.raises(NasbookError) as caught:
        cells.cell_graph(nodes, concat)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_a_genotype_shows_both_cells_and_its_sentence():
    bundle = cells.genotype_mimebundle(DARTS)
    assert bundle["text/plain"] == describe.genotype_sentence(DARTS)
    assert "normal cell" in bundle["image/svg+xml"] and "reduce cell" in bundle["image/svg+xml"]


@pytest.mark.parametrize(("suffix", "magic"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_pictures_are_saved_by_suffix(tmp_path, suffix, magic):
    graph = cells.draw(DARTS).save(tmp_path / f"a b é.{suffix}")
    assert graph.read_bytes().startswith(magic)


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(NasbookError, match="unknown picture format 'jpg': valid are svg, png, pdf"):
        cells.draw(DARTS).save(tmp_path / "cell.jpg")


# Who draws


def fake_dot(folder, body):
    """A ``dot`` that is a Python script with ``body``."""
    path = folder / "dot"
    path.write_text(f"#!{sys.executable}\nimport sys, time\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


DRAWN = '<?xml?><!-- x --><svg width="9pt" height="9pt" viewBox="0 0 9 9"></svg>'
FAKE = f"sys.stdin.read(); sys.stdout.write({DRAWN!r})"
needs_scripts = pytest.mark.skipif(os.name == "nt", reason="a script named dot runs on POSIX only")


@needs_scripts
def test_dot_comes_first(tmp_path, monkeypatch, fresh):
    fake_dot(tmp_path, FAKE)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert list(render.engines()) == ["dot", "pygraphviz"]
    assert 'width="9pt"' in cells.draw(DARTS).svg


@needs_scripts
@pytest.mark.parametrize("body", ["sys.exit('broken installation')", "time.sleep(60)"])
def test_a_dot_that_fails_or_hangs_gives_way_to_the_wheel(tmp_path, monkeypatch, fresh, body):
    fake_dot(tmp_path, body)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(render, "SECONDS", 2.0)
    if "sleep" in body:
        monkeypatch.setattr(render, "_by_wheel", lambda sources, form: (b"<svg/>",))
        assert render.render("digraph{a}") == b"<svg/>"
    else:
        assert b"<svg" in render.render("digraph{a}")


def test_an_old_pygraphviz_without_its_version_is_an_engine(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "pygraphviz", SimpleNamespace())
    assert render.engines() == {"pygraphviz": "?"}


def test_without_any_graphviz_a_genotype_still_says_its_sentence(monkeypatch, fresh):
    monkeypatch.setattr(render, "engines", dict)
    bundle = cells.genotype_mimebundle(DARTS)
    assert list(bundle) == ["text/plain"]
    assert bundle["text/plain"].startswith(describe.genotype_sentence(DARTS))
    assert "neither dot nor pygraphviz is installed" in bundle["text/plain"]
    assert "nasbook doctor" in bundle["text/plain"]


def test_text_that_is_no_dot_is_one_sentence(fresh):
    with pytest.raises(NasbookError, match="no Graphviz can draw this") as caught:
        render.render("digraph {")
    assert "\n" not in str(caught.value)


def test_drawing_is_quick(fresh, monkeypatch):
    monkeypatch.setenv("PATH", "")
    seconds = []
    for index in range(3):
        graph = cells.cell_graph(NORMAL, (2, 3, 4, 5), name=f"cell{index}")
        start = time.perf_counter()
        render.render(graph.source)
        seconds.append(time.perf_counter() - start)
    assert statistics.median(seconds) < 3.0, "0.1 seconds on an idle machine"


def test_drawing_imports_neither_torch_nor_matplotlib():
    code = (
        "import sys\n"
        "from nasbook.drawing.figures import cells, gallery, traces\n"
        "from nasbook.drawing.parts import source\n"
        "from nasbook.drawing.scrubber import frames\n"
        "heavy = {'torch', 'matplotlib', 'ipywidgets', 'nasbook.runs', 'nasbook.searchers.darts'}\n"
        "assert not heavy & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )
