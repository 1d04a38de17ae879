"""One-shot methods where the truth is known: search the cells of a table, and look up what was found.

    python benchmarks/arena.py --table cellbench

Every method searches the six edges with the same network, batches and images, once for each seed, for as many epochs as
cost about the same processor time. The trained super-net then judges every cell of the table (of NAS-Bench-201 a
sample), which gives the rank correlation of its scores with the truth. ``-signs`` are controls: the same search with a
random sign for each alpha's gradient, so that its entropy falls without a signal. Alphas of DARTS are kept with the
largest eigenvalue of their Hessian, by which its collapse can be seen coming.

Whatever stops it, the same command goes on where it was, in ``--work``; ``--out`` gets a table, the alphas after each
epoch, their trace, and a manifest. Seconds are the processor's; of a search that was stopped, those of its last part.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from background import in_order, with_random_signs, work_through
from scipy.stats import kendalltau

import nasbook as nb
from nasbook.base import machine
from nasbook.base.config import profile_values
from nasbook.base.errors import exit_with
from nasbook.base.files import repository, write_atomically
from nasbook.datasets.augment import normalize
from nasbook.datasets.images import ImageData
from nasbook.searchers import METHODS
from nasbook.searchers.restored import evaluator, shared_accuracy, trained_search
from nasbook.spaces.edges.cells import CELLBENCH_OPERATIONS, NASBENCH201_OPERATIONS
from nasbook.training import bilevel
from nasbook.training.curvature import largest_eigenvalue
from nasbook.trials.tables import Table, cellbench

DATA, SIZE = "cifar10-sample", 16
NETWORK = {"space": "edges", "channels": 8, "cells": 2, "batch_size": 64, "padding": 2}
SEARCH = {**NETWORK, "split": (0.45, 0.45, 0.1), "weight_lr": 0.05, "alpha_lr": None, "alpha_decay": 0.0, "threads": 1}
ENAS = {"space": "edges", "channels": 8, "layers": 2, "batch_size": 64, "padding": 2, "split": (0.45, 0.45, 0.1)}
ENAS |= {"keep": 1.0, "auxiliary_weight": 0.0, "candidates": 10, "threads": 1}
OPERATIONS = {"cellbench": CELLBENCH_OPERATIONS, "nasbench201": NASBENCH201_OPERATIONS}
EPOCHS = {"darts": 18, "snas": 14, "gdas": 70, "data": 24, "msg_das": 12, "pc_darts": 18, "rsws": 30, "enas": 24}
SIGNS = "-signs"
CONTROLS = ("darts" + SIGNS, "gdas" + SIGNS)
SAMPLE = 100
COLUMNS = ["method", "seed", "budget", "truth", "regret", "rank", "cell", "entropy", "tau", "seconds"]


class Found(NamedTuple):
    """One search: its row of the table, alphas (snapshots, E, O), and its trace."""

    row: dict[str, Any]
    alphas: np.ndarray
    trace: pd.DataFrame


def main() -> int:
    """Parse the command line, run what is missing, write the results after every search."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", choices=OPERATIONS, default="cellbench")
    parser.add_argument("--out", type=Path, default=repository() / "results" / "arena")
    parser.add_argument("--work", type=Path, default=repository() / "runs" / "arena")
    parser.add_argument("--methods", nargs="+", choices=[*EPOCHS, *CONTROLS], default=[*EPOCHS, *CONTROLS])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(20)))
    parser.add_argument("--workers", type=int, default=2, help="processes, one thread each")
    args = parser.parse_args()
    tasks = {
        (method, seed): (args.table, method, seed, args.work / args.table / f"{method}-{seed}")
        for seed in args.seeds
        for method in args.methods
    }
    known: dict[tuple[str, int], Found] = {}

    def done(name: tuple[str, int], found: Found) -> None:
        known[name] = found
        print(f"{name[0]} seed {name[1]}: regret {100 * found.row['regret']:.2f} points", flush=True)
        write(args.out, args.table, in_order(sorted(tasks, key=order), known))

    return work_through(tasks, searched, done, args.workers)


def order(name: tuple[str, int]) -> tuple[int, int]:
    """Methods in the order of this file, then seeds."""
    return [*EPOCHS, *CONTROLS].index(name[0]), name[1]


def searched(table_name: str, method: str, seed: int, folder: Path) -> Found:
    """Search, or load what was searched; judge cells with the shared weights; look the found cell up."""
    data = nb.datasets.load(DATA, size=SIZE)
    table = nb.benchmarks.load(table_name)
    noted, begun = folder / "noted.json", time.process_time()
    aside: list[float] = []
    run = search(method, OPERATIONS[table_name], seed, data, folder, aside)
    if not noted.exists():
        seconds = time.process_time() - begun - sum(aside)
        write_atomically(noted, json.dumps({"seconds": seconds, "tau": agreement(run, data, table)}))
    told = json.loads(noted.read_text(encoding="utf-8"))
    truth, best = table.accuracy(run.genotype, "test"), table.best("test").accuracy
    gradient = method != "enas"
    row = {
        "method": method,
        "seed": seed,
        "budget": round(told["seconds"] / mean_training(), 2),
        "truth": truth,
        "regret": best - truth,
        "rank": table.rank(run.genotype, "test"),
        "cell": run.genotype,
        "entropy": run.last("search", "entropy_normal") if gradient else None,
        "tau": told["tau"],
        "seconds": round(told["seconds"], 1),
    }
    return Found(row, run.alphas[:, 0] if gradient else np.empty(0), run.trace)


def search(method: str, operations: tuple[str, ...], seed: int, data: ImageData, folder: Path, aside: list) -> nb.Run:
    """The run of one search; a control, and the eigenvalues of DARTS, take a method that does a little more.

    ``aside`` takes the seconds that are not the search's own."""
    name = method.removesuffix(SIGNS)
    if name == "enas":
        settings = {**ENAS, "operations": operations, "epochs": EPOCHS[name]}
        return nb.search(name, data=data, profile="smoke", seed=seed, out=folder, figures=False, **settings)
    module = import_module(METHODS[name])
    settings = profile_values(module.PROFILES, "lesson", seed) | SEARCH
    config = module.Config.make(settings | {"operations": operations, "epochs": EPOCHS[name]})
    how = dict(vars(module))
    if method.endswith(SIGNS):
        how["architecture_step"] = with_random_signs(module.architecture_step)
    if name == "darts":
        how["derive"] = with_eigenvalue(module.derive, aside)
    return bilevel.run_search(SimpleNamespace(**how), name, config, data, "lesson", folder, figures=False)


def with_eigenvalue(derive, aside: list[float]):
    """A derivation that also notes the largest eigenvalue, on 128 held-out images, once after each epoch."""

    def noted(search):
        epoch = search.step // search.per_epoch
        known = {step for step, split, _, _ in search.record.rows if split == "hessian"}
        if search.step % search.per_epoch == 0 and epoch and epoch not in known:
            begun = time.process_time()
            data, positions = search.data, search.parts["alphas"][:128]
            images = normalize(data.images[positions], data.mean, data.std)
            largest = largest_eigenvalue(search, images, data.labels[positions])
            search.record.add(epoch, "hessian", eigenvalue=largest)
            aside.append(time.process_time() - begun)
        return derive(search)

    return noted


def agreement(run: nb.Run, data: ImageData, table: Table) -> float:
    """Kendall's tau-b between the accuracy of cells with the shared weights and their truth."""
    cells = list(cellbench.groups()) if table.name == cellbench.NAME else sample(table)
    if run.config["method"] == "enas":
        scores = evaluator(run, data).evaluate(cells)
    else:
        search = trained_search(run, data)
        scores = [shared_accuracy(search, cell) for cell in cells]
    return float(kendalltau(scores, [table.accuracy(cell, "test") for cell in cells]).statistic)


def sample(table: Table) -> list[str]:
    """The same cells of a large table for every search."""
    places = np.random.default_rng(0).choice(len(table.space), SAMPLE, replace=False)
    return [table.space[int(place)] for place in places]


def mean_training() -> float:
    """Seconds that one training of cellbench took, the mean over all: what a budget of 1 is."""
    table = nb.benchmarks.load("cellbench")
    return float(np.mean([table.seconds(cell) for cell in table.trained]))


def write(out: Path, table_name: str, found: list[Found]) -> None:
    """The table, the alphas by method and seed, the traces, and the manifest."""
    out.mkdir(parents=True, exist_ok=True)
    rows = pd.DataFrame([one.row for one in found], columns=COLUMNS)
    write_atomically(out / f"{table_name}.csv", rows.to_csv(index=False, float_format="%.6g"))
    traces = [one.trace.assign(method=one.row["method"], seed=one.row["seed"]) for one in found]
    kept = pd.concat(traces)[lambda rows: rows["quantity"].isin(KEPT)]
    columns = ["method", "seed", "step", "quantity", "value"]
    write_atomically(out / f"{table_name}-trace.csv", kept[columns].to_csv(index=False, float_format="%.5g"))
    alphas = {f"{one.row['method']}-{one.row['seed']}": one.alphas for one in found if one.alphas.size}
    np.savez_compressed(out / f"{table_name}-alphas.npz", operations=OPERATIONS[table_name], **alphas)
    facts = {
        "command": f"python benchmarks/arena.py --table {table_name}",
        "data": f"{DATA}, {SIZE} pixels",
        "search": SEARCH,
        "enas": ENAS,
        "epochs": EPOCHS,
        "seconds_of_a_training": round(mean_training(), 2),
        **machine.provenance(nb.device()),
    }
    write_atomically(out / f"{table_name}.json", json.dumps(facts, indent=1, sort_keys=True) + "\n")


KEPT = ("entropy_normal", "skips_normal", "eigenvalue", "gradient", "decay")
"""What of the traces is kept, beside the held-out accuracy of the table."""


if __name__ == "__main__":
    try:
        sys.exit(main())
    except nb.NasbookError as error:
        sys.exit(exit_with(error))
