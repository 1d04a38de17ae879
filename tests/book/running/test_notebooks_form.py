"""Every notebook of the book has the book's form; and every check of the form can fail."""

import copy
import json
import pkgutil
import re
from pathlib import Path

import notebook_form as form
import pytest

import nasbook as nb
from nasbook.book.running import notebook_files

NOTEBOOKS = sorted((Path(__file__).parents[3] / "notebooks").glob("*.ipynb"))
ALL_BYTES = 6_000_000


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.mark.parametrize("check", form.CHECKS, ids=lambda check: check.__name__)
def test_a_notebook_has_the_form(path, check):
    assert check(json.loads(path.read_text(encoding="utf-8"))) == []


def test_a_notebook_has_its_headings_and_its_file(path):
    text = path.read_text(encoding="utf-8")
    assert form.FILE_NAME.fullmatch(path.name)
    assert form.headings(json.loads(text), form.START_FORM if path.stem.startswith("00_") else form.FORM) == []
    assert form.file(text) == []


def test_stored_listings_are_the_code_of_today(path):
    """What ``nb.source`` printed when the notebook was stored; a reader without a kernel sees nothing else."""
    cells = form.code_cells(json.loads(path.read_text(encoding="utf-8")))
    names = {}
    exec(form.source(cells[0]), names)
    for cell in cells:
        if shown := re.fullmatch(r"nb\.source\((.+)\)", form.source(cell).strip()):
            stored = "".join(cell["outputs"][0]["data"]["text/plain"])
            assert stored == repr(nb.source(eval(shown[1], names))), "run `make notebooks`"


MODULE = re.compile(
    r"`((?:nasbook|base|runs|spaces|searchers|training|relaxations|drawing|trials|analysis|decisions)\.[\w.]+)`"
)


def test_modules_that_the_prose_names_are_where_it_says(path):
    prose = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "markdown"]
    for name in MODULE.findall("\n".join(form.source(cell) for cell in prose)):
        assert pkgutil.resolve_name(f"nasbook.{name.removeprefix('nasbook.')}"), name


def test_all_notebooks_together_stay_small():
    assert NOTEBOOKS
    assert sum(path.stat().st_size for path in NOTEBOOKS) <= ALL_BYTES


def code(source, count, *, outputs=(), tags=()):
    return {
        "cell_type": "code",
        "execution_count": count,
        "id": f"code-{count}",
        "metadata": {"tags": list(tags)} if tags else {},
        "outputs": list(outputs),
        "source": source.splitlines(keepends=True),
    }


def prose(text, name):
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text.splitlines(keepends=True)}


def stream(text, name="stdout"):
    return {"name": name, "output_type": "stream", "text": text.splitlines(keepends=True)}


def shown(**kinds):
    data = {k.replace("_", "/"): v if "png" in k else v.splitlines(keepends=True) for k, v in kinds.items()}
    return {"data": data, "metadata": {}, "output_type": "display_data"}


def good():
    """A notebook in which no check finds anything."""
    chapters = [prose(f"## {name}\n\nText.", f"h{i}") for i, name in enumerate(form.FORM)]
    chapters[2] = prose("## Mathematics: one line\n\nInline $x$.\n\n$$\n\\begin{aligned} x \\end{aligned}\n$$", "h2")
    pixels = shown(text_plain="5 of 8 edges choose skip", image_png="iVBORw0/home/x/0x7fffffff")
    svg = shown(text_plain="loss falls to 2.1", text_html='<svg d="M10 h 5 s 3"><path/></svg> 5 of 8')
    cells = [
        prose("# A title", "title"),
        code("import ast\nimport nasbook as nb", 1),
        code('PROFILE = "smoke"\nSEED = 0\nOVERRIDES = {}', 2, tags=["parameters"]),
        code('data = (PROFILE, f"{SEED}/of/ten")', 3),
        code("for _ in ast.walk(data): pass\ndata[0]", 4, outputs=[pixels, stream("epoch 3 of 5: 1/2\n")]),
        code("_, rest = data", 5, outputs=[svg]),
        *chapters,
        prose("```\n# no title\n$$ no formula\n```", "fence"),
        prose("More.", "more"),
    ]
    meta = {"kernelspec": form.KERNELSPEC, "language_info": notebook_files.LANGUAGE}
    return {"cells": cells, "metadata": meta, "nbformat": 4, "nbformat_minor": 5}


def as_text(book):
    return json.dumps(book, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def test_a_good_notebook_passes():
    book = good()
    assert [check(book) for check in form.CHECKS] == [[]] * len(form.CHECKS)
    assert form.headings(book) == []
    assert form.file(as_text(book)) == []
    assert form.FILE_NAME.fullmatch("14_gdas.ipynb") and form.FILE_NAME.fullmatch("00_start_here.ipynb")
    assert not form.FILE_NAME.fullmatch("14-gdas.ipynb") and not form.FILE_NAME.fullmatch("gdas.ipynb")


def says(position, source):
    return lambda book: book["cells"][position].update(source=source)


def prints(*new):
    return lambda book: book["cells"][4].update(outputs=list(new))


def meta(**more):
    return lambda book: book["metadata"].update(more)


def cell_meta(position, **more):
    return lambda book: book["cells"][position]["metadata"].update(more)


VIEW = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "a slider"}
SPOILED = [
    (form.plain_python, says(5, "%matplotlib inline")),
    (form.plain_python, says(5, "!pip install x")),
    (form.plain_python, says(5, "import os  # noqa")),
    (form.parameters, cell_meta(2, tags=[])),
    (form.parameters, cell_meta(3, tags=["parameters"])),
    (form.parameters, cell_meta(3, tags=["injected-parameters"])),
    (form.parameters, says(2, 'PROFILE = "lesson"\nSEED = 0\nOVERRIDES = {}')),
    (form.parameters, says(2, 'PROFILE = "smoke"\nSEED = 0')),
    (form.parameters, says(2, 'PROFILE = "smoke"\nSEED = 0\nOVERRIDES = {}\nN = 2 * SEED')),
    (form.parameters, says(3, "data = 1")),
    (form.imports, says(4, "def f():\n    import os")),
    (form.imports, says(4, "from os import path")),
    (form.imports, says(1, "import ast\nx = 1")),
    (form.names, says(4, "data = 2")),
    (form.names, says(4, "def nb(): pass")),
    (form.names, says(4, "(a, data), b = ((1, 2), 3)")),
    (form.names, says(4, "for _ in rest:\n    data = 2")),
    (form.names, says(4, "with rest as x:\n    if x:\n        data = 2")),
    (form.names, says(4, "try:\n    pass\nexcept ValueError:\n    data = 2")),
    (form.paths, says(4, "open('../data/x')")),
    (form.paths, says(4, "open('data/x')")),
    (form.paths, says(4, "open('/etc/x')")),
    (form.paths, says(4, "open(f'runs/{data}')")),
    (form.metadata, meta(kernelspec={**form.KERNELSPEC, "name": "conda-env-x"})),
    (form.metadata, meta(kernelspec={**form.KERNELSPEC, "display_name": "Python 3 (ipykernel)"})),
    (form.metadata, meta(widgets={})),
    (form.metadata, meta(papermill={})),
    (form.metadata, cell_meta(4, execution={"iopub.execute_input": ""})),
    (form.metadata, prints({"data": VIEW, "metadata": {}, "output_type": "display_data"})),
    (form.executed, lambda book: book["cells"][4].update(execution_count=None)),
    (form.executed, lambda book: book["cells"][4].update(execution_count=9)),
    (form.executed, prints({"ename": "E", "evalue": "", "output_type": "error", "traceback": []})),
    (form.executed, prints(stream("UserWarning", "stderr"))),
    (form.leftovers, prints(stream("<object at 0x7f3a12bc>"))),
    (form.leftovers, prints(stream("2026-11-22 10:00"))),
    (form.leftovers, prints(stream("took 00:01:02"))),
    (form.leftovers, prints(stream("  0%|          | 0/5"))),
    (form.leftovers, prints(stream("done in 3.2 s"))),
    (form.leftovers, prints(stream("12ms a step"))),
    (form.leftovers, prints(stream("saved in /home/me/runs/x"))),
    (form.leftovers, prints(stream("C:\\Users\\me"))),
    (form.leftovers, prints(shown(text_html="<b>4 seconds</b>"))),
    (form.leftovers, prints(shown(**{"image_svg+xml": "<dc:date>2026-11-22T10:00</dc:date>"}))),
    (form.pictures, prints(shown(image_png="x", text_plain="<Figure size 640x480 with 1 Axes>"))),
    (form.pictures, prints(shown(image_png="x"))),
    (form.headings, lambda book: book["cells"].pop(8)),
    (form.headings, says(7, "## Idea\n\n## An extra one")),
    (form.headings, says(6, "## Idea")),
    (form.headings, says(0, "no title")),
    (form.mathematics, says(0, "\\begin{align}x\\end{align}")),
    (form.mathematics, says(0, "$x \\label{a}$")),
    (form.mathematics, says(0, "$\\newcommand{\\a}{b}$")),
    (form.mathematics, says(0, "text $$x$$ text")),
    (form.mathematics, says(0, "$$\nx")),
    (form.mathematics, says(0, "text\n$$\nx\n$$")),
    (form.mathematics, says(0, "$$\nx\n$$\ntext")),
    (form.lengths, lambda book: book["cells"].pop()),
    (form.lengths, lambda book: book["cells"].extend([prose("x", "x")] * 16)),
    (form.lengths, says(4, "x\n" * 16)),
    (form.lengths, says(0, "word " * 2600)),
    (form.lengths, says(4, " ")),
]


@pytest.mark.parametrize(("check", "spoil"), SPOILED, ids=[f"{c.__name__}-{i}" for i, (c, _) in enumerate(SPOILED)])
def test_every_check_can_fail(check, spoil):
    book = good()
    assert check(book) == []
    spoil(book)
    assert check(book)


def test_every_check_is_shown_to_fail():
    assert {check for check, _ in SPOILED} == {*form.CHECKS, form.headings}


def test_the_file_check_can_fail():
    book = good()
    assert form.file(json.dumps(book, indent=2, sort_keys=True) + "\n")
    assert form.file(as_text(book).rstrip("\n"))
    twice = copy.deepcopy(book)
    twice["cells"][1]["id"] = twice["cells"][2]["id"]
    assert form.file(as_text(twice))
    versioned = copy.deepcopy(book)
    versioned["metadata"]["language_info"] = {**notebook_files.LANGUAGE, "version": "3.11.2"}
    assert form.file(as_text(versioned))
    book["cells"][0]["source"] = ["x" * form.BYTES]
    assert form.file(as_text(book))
