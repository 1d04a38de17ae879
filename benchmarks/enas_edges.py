"""ENAS on the cells of the tables of truth, over seeds: what it derives, and how its weights score every cell.

    python benchmarks/enas_edges.py

Searches with the settings of chapter 09 on the shipped sample of CIFAR-10, once for each seed with a controller that
learns and once with one that stays as it is. A row of the table is a search: the cell that it derived, the entropy of
its controller in nats, the mean held-out accuracy of its candidates, and the accuracy of every cell with its shared
weights. What the cells are worth is not in it: a table of truth says that.

Whatever stops it, the same command goes on where it was, in ``--work``; ``--out`` gets the table and a manifest.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pandas as pd

import nasbook as nb
from nasbook.base import machine
from nasbook.base.files import repository, write_atomically
from nasbook.searchers.restored import rankings
from nasbook.spaces.edges.cells import CELLBENCH_OPERATIONS, EdgeSpace
from nasbook.spaces.edges.isomorphism import classes

DATA = {"name": "cifar10-sample", "size": 16}
SETTINGS = {"profile": "smoke", "space": "edges", "channels": 8, "batch_size": 64, "split": [0.5, 0.4, 0.08]}
SETTINGS |= {"layers": 1, "epochs": 6, "controller_steps": 6, "candidates": 4}
SETTINGS |= {"padding": 2, "keep": 1.0, "auxiliary_weight": 0.0}
CONTROLLERS = {"learns": {}, "stays": {"controller_steps": 0}}


def main() -> None:
    """Parse the command line, run what is missing, write the table after each seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=repository() / "results" / "enas_edges")
    parser.add_argument("--work", type=Path, default=repository() / "runs" / "enas_edges")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(20)))
    args = parser.parse_args()
    data, rows = nb.datasets.load(DATA["name"], size=DATA["size"]), []
    cells = list(classes(EdgeSpace(CELLBENCH_OPERATIONS)))
    args.out.mkdir(parents=True, exist_ok=True)
    for seed in args.seeds:
        for controller, changed in CONTROLLERS.items():
            folder = args.work / f"{controller}-{seed}"
            run = nb.search("enas", data=data, seed=seed, out=folder, **SETTINGS | changed)
            found = rankings([run], data, cells)
            found.insert(0, "controller", controller)
            rows.append(found)
            print(f"{controller} seed {seed}: candidates {found['candidates'][0]:.1%}", flush=True)
        write_atomically(args.out / "table.csv", pd.concat(rows).to_csv(index=False, float_format="%.6g"))
        facts = {
            "command": "python benchmarks/enas_edges.py",
            **data.description(),
            "seeds": args.seeds[: len(rows) // 2],
        }
        facts |= {"search": SETTINGS, **machine.provenance(data.device)}
        write_atomically(args.out / "manifest.json", json.dumps(facts, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()
