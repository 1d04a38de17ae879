"""A notebook as a file: found by name, read, brought to the one normal form, searched for hidden errors."""

import ast
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from nasbook.base.errors import NasbookError, one_of
from nasbook.base.files import repository

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"file_extension": ".py", "mimetype": "text/x-python", "name": "python", "pygments_lexer": "ipython3"}
CELL_METADATA = ("jupyter", "tags")
INJECTED = "injected-parameters"
_WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
_ERROR_MARK = "papermill-error-cell-tag"


def find(name: str) -> Path:
    """The notebook called ``name``: its path, its name with or without ``.ipynb``, or its number.

    Raises NasbookError naming the nearest notebook if there is none.
    """
    path = Path(name)
    if path.suffix == ".ipynb" and path.is_file():
        return path.resolve()
    notebooks = {path.stem: path for path in sorted((repository() / "notebooks").glob("*.ipynb"))}
    wanted = path.name.removesuffix(".ipynb")
    if wanted.isdigit():
        wanted = next((stem for stem in notebooks if stem.startswith(f"{int(wanted):02d}_")), wanted)
    return notebooks[one_of(wanted, notebooks, "notebook")]


def read(path: Path) -> NotebookNode:
    """The notebook in ``path``, as nbformat 4. Raises NasbookError if it is not one."""
    try:
        return nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
    except (OSError, ValueError, nbformat.ValidationError) as error:
        reason = str(error).splitlines()[0]
        raise NasbookError(f"cannot read the notebook {path}: {reason}; restore it with git") from error


def tagged(notebook: NotebookNode, tag: str) -> list[int]:
    """Positions of the cells that carry ``tag``."""
    return [i for i, cell in enumerate(notebook.cells) if tag in cell.metadata.get("tags", [])]


def defaults(notebook: NotebookNode, name: str) -> dict:
    """Names and default values in the cell tagged ``parameters``.

    Raises NasbookError unless there is exactly one such cell and it holds only ``NAME = literal``.
    """
    cells = tagged(notebook, "parameters")
    if len(cells) != 1:
        raise NasbookError(
            f"{name} has {len(cells)} cells tagged 'parameters' where exactly one belongs, "
            "so it cannot be run with parameters: tag one cell"
        )
    values = {}
    try:
        for statement in ast.parse(notebook.cells[cells[0]].source).body:
            if not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
                raise ValueError(f"line {statement.lineno} is no assignment to a name")
            values[statement.targets[0].id] = ast.literal_eval(statement.value)
    except (SyntaxError, ValueError) as error:
        raise NasbookError(
            f"the parameters cell of {name} may hold only lines like SEED = 0 (a name and a literal): {error}"
        ) from error
    return values


def hidden_errors(notebook: NotebookNode) -> list[str]:
    """``Name: message`` of every error that a widget's callback left in the widget state.

    Papermill stores such errors in the notebook's metadata and calls the run a success.
    """
    widgets = notebook.metadata.get("widgets", {})
    models = [model for kind in widgets.values() for model in kind.get("state", {}).values()]
    outputs = [output for model in models for output in model.get("state", {}).get("outputs", ())]
    return [f"{o['ename']}: {o['evalue']}" for o in outputs if o.get("output_type") == "error"]


def normalised(notebook: NotebookNode) -> NotebookNode:
    """A copy that holds nothing which differs from run to run or from machine to machine without need.

    Widget state and views, papermill's and Jupyter's times and paths, the Python version and empty tag lists go, and
    what one stream printed is one output; sources, outputs, execution counts, cell ids and tags stay. A view without
    its state hides the still picture beside it, so both go.
    """
    from nbconvert.preprocessors import CoalesceStreamsPreprocessor

    book = nbformat.from_dict(notebook)
    book.nbformat, book.nbformat_minor = 4, 5
    book.metadata = nbformat.from_dict({"kernelspec": KERNELSPEC, "language_info": LANGUAGE})
    book.cells = [cell for cell in book.cells if _ERROR_MARK not in cell.metadata.get("tags", [])]
    join = CoalesceStreamsPreprocessor()
    for position, cell in enumerate(book.cells):
        cell, _ = join.preprocess_cell(cell, {}, position)
        injected = INJECTED in cell.metadata.get("tags", [])
        cell["id"] = INJECTED if injected else cell.get("id") or f"cell-{position:02d}"
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in CELL_METADATA and v}
        for output in cell.get("outputs", []):
            if output.get("data", {}).pop(_WIDGET_VIEW, None) and not output.data:
                output.data = {"text/plain": "a widget: run the cell to see it"}
    return book


def text(notebook: NotebookNode) -> str:
    """The notebook as the book stores it: indent 1, sorted keys, one newline at the end."""
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def excerpt(source: str, width: int = 60) -> str:
    """The first telling line of a cell's source, for a message."""
    line = next((line.strip() for line in source.splitlines() if re.search(r"\w", line)), "")
    return line if len(line) <= width else line[: width - 3] + "..."
