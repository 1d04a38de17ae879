"""Which way the arrows point: no module imports what stands above it, and none imports itself by a detour.

Every import counts, at the top of a file or in a function, for types only, or by a module's name in a string.
"""

import ast
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import nasbook

ROOT = Path(nasbook.__file__).parent

FLOORS = [
    {"base": "base"},
    {"spaces": "spaces", "decisions": "decisions", "datasets": "datasets"},
    {"relaxations": "relaxations", "analysis": "analysis"},
    {"drawing": "drawing"},
    {"runs": "runs"},
    {"training": "training"},
    {"trials": "trials"},
    {"searchers": "searchers"},
    {"arena": "arena"},
    {"book": "book __main__"},
]
"""From the ground up: the folders of each floor, and the modules of each."""

PLACES = {place: (floor, folder) for floor, folders in enumerate(FLOORS)
          for folder, places in folders.items() for place in places.split()}  # fmt: skip

DOORS = {
    ("base.shown", "drawing.pictures"): "the one door from a thing to its picture",
}
"""The arrows that point up or across, and why."""


def arrows(root=ROOT):
    """Module to the modules that it names, all without ``nasbook.``; the face of the package is none of them."""
    names = {".".join(path.relative_to(root).with_suffix("").parts): path for path in root.rglob("*.py")}
    files = {name.removesuffix("__init__").rstrip("."): path for name, path in names.items()}

    def named(node):
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            return [one if one.removeprefix("nasbook.") in files else node.module for one in whole]
        return [node.value.rstrip(".")] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []

    return {
        module: {name.removeprefix("nasbook.") for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                 for name in named(node) if name.startswith("nasbook.")} & files.keys() - {module}
        for module, path in files.items() if module
    }  # fmt: skip


def place(module):
    """Floor and folder of a module: those of the longest name in ``PLACES`` that leads to it."""
    parts = module.split(".")
    return next(PLACES[known] for n in range(len(parts), 0, -1) if (known := ".".join(parts[:n])) in PLACES)


def wrong(module, target):
    (floor, folder), (other, neighbour) = place(module), place(target)
    return other > floor or (other == floor and neighbour != folder)


def test_every_module_is_imported_without_fault():
    for module in arrows().keys() - {"__main__"}:
        import_module(f"nasbook.{module}")


def test_every_arrow_points_down():
    found = {(module, target) for module, targets in arrows().items() for target in targets if wrong(module, target)}
    assert found == DOORS.keys()


def test_no_module_imports_itself_by_a_detour():
    known = arrows()
    for module, target in DOORS:
        known[module].discard(target)
    TopologicalSorter(known).prepare()  # raises CycleError, which names the circle
