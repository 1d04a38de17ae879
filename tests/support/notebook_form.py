"""The form of the book's notebooks, as checks that return what is wrong: an empty list is a pass.

Each check takes the notebook as the dictionary that its JSON holds. One form for all notebooks.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter

import nbformat

from nasbook.book.running import notebook_files

FORM = (
    "Question",
    "Idea",
    "Mathematics",
    "Code",
    "By hand",
    "Picture",
    "Result",
    "Differences",
    "Summary",
    "Questions",
    "Exercises",
    "References",
)
"""Level-two headings of a chapter, all, in this order; a heading may go on: "Result: 3 seeds"."""

START_FORM = (
    "What this book is",
    "The map",
    "Your machine",
    "The first search",
    "The cell",
    "Reading the picture",
    "Where to go next",
)
"""Level-two headings of notebook 00."""

FILE_NAME = re.compile(r"\d\d(_[a-z0-9]+)+\.ipynb")
KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
CELLS = range(20, 36)
CODE_LINES = 15
WORDS = 2500
BYTES = 300_000

LEFTOVERS = {
    "an address": re.compile(r"\b0x[0-9a-fA-F]{6,}"),
    "a time stamp": re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\b\d\d:\d\d:\d\d\b"),
    "a frozen bar": re.compile(r"\d%\||[█▏▎▍▌▋▊▉]|\d ?it/s"),
}
PROSE_LEFTOVERS = {
    "a duration": re.compile(r"\b\d+(\.\d+)? ?(ns|us|µs|ms|s|secs?|seconds?|min|minutes?|h|hours?)\b"),
    "an absolute path": re.compile(r"(?<![\w.~/:<])/(?:[\w.-]+/)+[\w.-]+|\b[A-Za-z]:\\"),
}
RELATIVE_PATH = re.compile(r"\.{1,2}/|~|/\w|(data|runs|results|notebooks|figures)/")


def source(cell: dict) -> str:
    return "".join(cell["source"])


def code_cells(book: dict) -> list[dict]:
    return [cell for cell in book["cells"] if cell["cell_type"] == "code"]


def markdown(book: dict) -> list[str]:
    return [source(cell) for cell in book["cells"] if cell["cell_type"] == "markdown"]


def outputs(book: dict) -> list[dict]:
    return [output for cell in code_cells(book) for output in cell["outputs"]]


def tree(cell: dict) -> list[ast.stmt]:
    return ast.parse(source(cell)).body


def plain_python(book: dict) -> list[str]:
    """Code cells are Python: no magics, no shell, nothing that ruff must be told to overlook."""
    wrong = []
    for cell in code_cells(book):
        try:
            tree(cell)
        except SyntaxError as error:
            wrong.append(f"{source(cell)!r} is no plain Python: {error}")
        if "noqa" in source(cell):
            wrong.append(f"{source(cell)!r} silences ruff")
    return wrong


def parameters(book: dict) -> list[str]:
    """Imports first, then one cell of literal PROFILE, SEED, OVERRIDES, then the derived values."""
    cells = code_cells(book)
    tagged = [i for i, cell in enumerate(cells) if "parameters" in cell["metadata"].get("tags", [])]
    if tagged != [1]:
        return [f"the second code cell, and no other, is tagged parameters; tagged are {tagged}"]
    if any("injected-parameters" in cell["metadata"].get("tags", []) for cell in cells):
        return ["a cell that papermill injected was stored"]
    wrong, values = [], {}
    for statement in tree(cells[1]):
        try:
            values[statement.targets[0].id] = ast.literal_eval(statement.value)
        except (AttributeError, ValueError):
            wrong.append(f"the parameters cell holds more than NAME = literal: {ast.unparse(statement)}")
    for name, default in {"PROFILE": "smoke", "SEED": 0, "OVERRIDES": {}}.items():
        if values.get(name) != default:
            wrong.append(f"the parameters cell sets {name} = {values.get(name)!r} instead of {default!r}")
    after = source(cells[2]) if len(cells) > 2 else ""
    if not {node.id for node in ast.walk(ast.parse(after)) if isinstance(node, ast.Name)} & set(values):
        wrong.append("the cell after the parameters derives nothing from them")
    return wrong


def imports(book: dict) -> list[str]:
    """All imports stand in the first code cell, and it holds nothing else."""
    wrong = []
    for position, cell in enumerate(code_cells(book)):
        for statement in ast.walk(ast.parse(source(cell))):
            if isinstance(statement, ast.Import | ast.ImportFrom) and position:
                wrong.append(f"an import outside the first code cell: {ast.unparse(statement)}")
        if not position:
            others = [s for s in tree(cell) if not isinstance(s, ast.Import | ast.ImportFrom)]
            wrong += [f"the first code cell holds more than imports: {ast.unparse(s)}" for s in others]
    return wrong


def bound(statement: ast.stmt) -> set[str]:
    """Names that a top-level statement binds, also inside its blocks.

    What a loop or a ``with`` itself names, and an underscore, is nobody's meaning.
    """
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.split(".")[0] for alias in statement.names}
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        names = [n for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
        return {n.id for n in names if isinstance(n.ctx, ast.Store) and not n.id.startswith("_")}
    blocks = [getattr(statement, part, []) for part in ("body", "orelse", "finalbody")]
    blocks += [handler.body for handler in getattr(statement, "handlers", [])]
    return set().union(*(bound(inner) for block in blocks for inner in block))


def names(book: dict) -> list[str]:
    """No name is bound in two cells, so that a cell that is run again sees what the reader saw."""
    count = Counter()
    for cell in code_cells(book):
        count.update(set().union(*map(bound, tree(cell))))
    return [f"{name} is bound in {times} cells" for name, times in count.items() if times > 1]


def paths(book: dict) -> list[str]:
    """No string is a path: the package knows where data and runs lie."""
    nodes = [node for cell in code_cells(book) for node in ast.walk(ast.parse(source(cell)))]
    inside = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values[1:]}
    strings = [node.value for node in nodes if isinstance(node, ast.Constant) and id(node) not in inside]
    return [f"{s!r} is a path: ask the package" for s in strings if isinstance(s, str) and RELATIVE_PATH.match(s)]


def metadata(book: dict) -> list[str]:
    """The kernel is "python3" and "Python 3"; no widget state, no times, no other keys."""
    wrong = []
    if book["metadata"].get("kernelspec") != KERNELSPEC:
        wrong.append(f"the kernelspec is {book['metadata'].get('kernelspec')} instead of {KERNELSPEC}")
    wrong += [f"metadata {key!r}" for key in book["metadata"] if key not in ("kernelspec", "language_info")]
    for cell in book["cells"]:
        wrong += [f"cell metadata {key!r}" for key in cell["metadata"] if key not in ("tags", "jupyter")]
    wrong += ["a widget view" for o in outputs(book) if any("widget-view" in kind for kind in o.get("data", {}))]
    return wrong


def executed(book: dict) -> list[str]:
    """Run once from top to bottom in a fresh kernel, without an error and without a warning."""
    counts = [cell["execution_count"] for cell in code_cells(book)]
    wrong = [] if counts == list(range(1, len(counts) + 1)) else [f"the execution counts are {counts}"]
    wrong += [f"a stored error: {o['ename']}" for o in outputs(book) if o["output_type"] == "error"]
    wrong += [f"on stderr: {''.join(o['text'])!r}" for o in outputs(book) if o.get("name") == "stderr"]
    return wrong


def texts(output: dict) -> dict[str, str]:
    """The textual parts of an output, by kind; pixels are left out."""
    parts = {"stream": output.get("text", ""), **output.get("data", {})}
    return {k: "".join(v) for k, v in parts.items() if isinstance(v, str | list) and not re.match("image/(png|jp)", k)}


def leftovers(book: dict) -> list[str]:
    """Outputs hold nothing that the machine or the clock decides. Markup and SVG are searched for less."""
    wrong = []
    for output in outputs(book):
        for kind, text in texts(output).items():
            searched = LEFTOVERS if "svg" in kind else LEFTOVERS | PROSE_LEFTOVERS
            prose = re.sub(r"<[^>]*>", " ", text) if kind == "text/html" else text
            for what, pattern in searched.items():
                if found := pattern.search(prose):
                    wrong.append(f"{what} in an output: {found.group()!r}")
    return wrong


def pictures(book: dict) -> list[str]:
    """Every picture has a sentence as text/plain, for screen readers and for nbval."""
    wrong = []
    for output in outputs(book):
        data = output.get("data", {})
        sentence = "".join(data.get("text/plain", "")).strip()
        if any(kind.startswith("image/") for kind in data) and (sentence.startswith("<") or " " not in sentence):
            wrong.append(f"a picture whose text is {sentence!r} instead of a sentence")
    return wrong


def headings(book: dict, form: tuple[str, ...] = FORM) -> list[str]:
    """One title, then the headings of ``form`` in their order; "Result: n seeds" counts as "Result"."""
    text = re.sub(r"^```.*?^```", "", "\n\n".join(markdown(book)), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^# (.+)$", text, flags=re.MULTILINE)
    found = re.findall(r"^## (.+?)\s*$", text, flags=re.MULTILINE)
    fits = len(found) == len(form) and all(re.match(rf"{re.escape(f)}\b", h) for f, h in zip(form, found))
    wrong = [] if len(titles) == 1 else [f"the notebook has the titles {titles}, one belongs"]
    return wrong if fits else [*wrong, f"the headings are {found}, the form is {list(form)}"]


def mathematics(book: dict) -> list[str]:
    """What GitHub renders: $$ alone on its line between empty lines, aligned inside, no labels, no macros."""
    wrong = []
    for text in markdown(book):
        text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        forbidden = r"\\begin\{(?:align|equation|eqnarray|gather)\*?\}|\\label|\\(?:re)?newcommand|\\def\b|\\\(|\\\["
        wrong += [f"{found} in a formula" for found in re.findall(forbidden, text)]
        lines = [line.strip() for line in text.splitlines()]
        fences = [i for i, line in enumerate(lines) if "$$" in line]
        wrong += [f"$$ is not alone on its line: {lines[i]!r}" for i in fences if lines[i] != "$$"]
        if len(fences) % 2:
            wrong.append("an opening $$ without its closing one")
        edges = [i - 1 for i in fences[::2]] + [i + 1 for i in fences[1::2]]
        wrong += ["no empty line beside a $$" for i in edges if 0 <= i < len(lines) and lines[i]]
    return wrong


def lengths(book: dict) -> list[str]:
    """20 to 35 cells, none empty, code cells of at most 15 lines, at most 2,500 words in all."""
    wrong = [] if len(book["cells"]) in CELLS else [f"{len(book['cells'])} cells"]
    wrong += [f"a code cell of {n} lines" for c in code_cells(book) if (n := len(source(c).splitlines())) > CODE_LINES]
    wrong += ["an empty cell" for cell in book["cells"] if not source(cell).strip()]
    words = sum(len(text.split()) for text in markdown(book))
    return wrong if words <= WORDS else [*wrong, f"{words} words"]


def file(text: str) -> list[str]:
    """The normal form (indent 1, sorted keys, unique ids) within the size limit."""
    book = json.loads(text)
    wrong = [] if len(text.encode()) <= BYTES else [f"{len(text.encode())} bytes, at most {BYTES}"]
    ids = Counter(cell.get("id") for cell in book["cells"])
    wrong += [f"{times} cells have the id {name!r}" for name, times in ids.items() if times > 1 or name is None]
    if text != json.dumps(book, indent=1, sort_keys=True, ensure_ascii=False) + "\n":
        wrong.append("not in the normal form: run `make notebooks`")
    elif not wrong and text != notebook_files.text(notebook_files.normalised(nbformat.reads(text, as_version=4))):
        wrong.append("holds what the runner would strip: run `make notebooks`")
    return wrong


CHECKS = (
    plain_python,
    parameters,
    imports,
    names,
    paths,
    metadata,
    executed,
    leftovers,
    pictures,
    mathematics,
    lengths,
)
