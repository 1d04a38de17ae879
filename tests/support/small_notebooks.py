"""A notebook with a parameters cell, run as ``nasbook run`` does, and what is said and recorded of it."""

import json

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from nasbook.book.cli import main

PARAMETERS = 'PROFILE = "smoke"\nSEED = 0\nOVERRIDES = {}\nRATE = 0.5'
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def write(folder, *sources, parameters=PARAMETERS, copies=1, kernel=KERNEL):
    """The path of a notebook in ``folder`` with a parameters cell and one cell for each source."""
    book = new_notebook(metadata={"kernelspec": kernel})
    cells = [new_code_cell(parameters, metadata={"tags": ["parameters"]}) for _ in range(copies)]
    book.cells = [new_markdown_cell("# A notebook"), *cells, *map(new_code_cell, sources)]
    place = folder / "my notebooks é"
    place.mkdir(exist_ok=True)
    nbformat.write(book, place / "90_tiny.ipynb")
    return place / "90_tiny.ipynb"


def run(path, *options, out):
    return main(["run", str(path), "--out", str(out), *options])


def record(folder):
    """What the manifest of a run folder says of the notebook."""
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["notebook"]


def refused(capsys, path, *options, out):
    """The one sentence with which the runner refuses; no kernel may have been started."""
    assert run(path, *options, out=out) == 2
    error = capsys.readouterr().err
    assert error.startswith("nasbook: ") and error.count("\n") == 1
    assert not (out / ".kernel.log").exists()
    return error
