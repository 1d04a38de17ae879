"""The tables of truth by name."""

from pathlib import Path

from nasbook.base.errors import NasbookError, one_of
from nasbook.trials.tables import cellbench, nasbench201
from nasbook.trials.tables.table import Table

TABLES = {
    "cellbench": "729 cells over 3 operations, trained on cifar10-sample",
    "nasbench201": "15,625 cells over 5 operations (Dong & Yang, 2020), CIFAR-10, CIFAR-100, ImageNet16-120",
}


def load(name: str, path: str | Path | None = None, *, dataset: str = "cifar10") -> Table:
    """The table ``name``: "cellbench" or "nasbench201", which both ship with the book.

    ``path``: the table's folder (cellbench), or a file or the folder that holds it (nasbench201); None: what
    ships. ``dataset`` of nasbench201: "cifar10", "cifar100" or "imagenet16-120". Raises
    NasbookError for an unknown name, an absent file, and one that is damaged or not what it should be.
    """
    if one_of(name, TABLES, "table of truth") == "cellbench":
        if dataset != "cifar10":
            raise NasbookError(f"cellbench was trained on CIFAR-10 alone, not on {dataset!r}")
        return cellbench.load(path)
    return nasbench201.load(path, dataset)


def verify(name: str) -> str:
    """Check a table in full; return one sentence. Raises NasbookError if it is absent or damaged."""
    return {"cellbench": cellbench.verify, "nasbench201": nasbench201.verify}[one_of(name, TABLES, "table of truth")]()


def get(name: str) -> str:
    """One sentence that says that the table is here. Raises NasbookError that says how to come by it if it is not."""
    return f"{name} is here, there is nothing to fetch: {verify(name)}"


def listing() -> list[dict]:
    """One dictionary a table: ``name``, ``what``, ``ready``, ``where``, as in :mod:`nasbook.datasets.catalogue`."""
    found = {"cellbench": cellbench.folder(), "nasbench201": nasbench201.find()}
    hints = {"cellbench": "nasbook bench build", "nasbench201": nasbench201.HINT}
    rows = []
    for name, what in TABLES.items():
        ready = found[name] is not None and (name != "cellbench" or (found[name] / "manifest.json").exists())
        rows.append({"name": name, "what": what, "ready": ready, "where": str(found[name]) if ready else hints[name]})
    return rows
