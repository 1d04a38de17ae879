"""The gradient family side by side: search with every method, train what was found alike, write one table.

    python benchmarks/gradient_family.py

Every method searches at its lesson profile on the shipped sample of CIFAR-10 at 16 pixels, once for each seed; every
cell that was found is trained from scratch in the same network, with the same seed and settings, and tested once.
Two rows need no gradient: ``random`` trains one random cell, ``random_search`` the best of a few that were trained
briefly and judged on the images that all searches keep for selection (Li & Talwalkar, 2019, arXiv 1902.07638).

Whatever stops it, the same command goes on where it was, in ``--work``; ``--out`` gets the table, a manifest, and
of each run everything but the weights.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import multiprocessing.connection
import os
import shutil
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pandas as pd

import nasbook as nb
from nasbook.base import machine
from nasbook.base.errors import exit_with
from nasbook.base.files import repository, write_atomically
from nasbook.datasets.images import ImageData
from nasbook.datasets.splits import split
from nasbook.searchers import METHODS
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.sampling import random_genotype

DATA, SIZE = "cifar10-sample", 16
NETWORK = {"channels": 8, "cells": 5}
TRAINING = {"profile": "smoke", "epochs": 10, "threads": 1}
SPLIT = (0.45, 0.45, 0.1)
CANDIDATES, CANDIDATE_EPOCHS = 4, 3
KEPT = ("config.json", "manifest.json", "trace.csv", "costs.csv", "alphas.npz", "genotype.json", "margins.csv")
COLUMNS = [
    "method",
    "seed",
    "search_seconds",
    "train_seconds",
    "parameters",
    "multiply_adds",
    "skips",
    "test_error",
    "genotype",
]


def main() -> int:
    """Parse the command line, run what is missing, write the table after every finished row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=repository() / "results" / "gradient_family")
    parser.add_argument("--work", type=Path, default=repository() / "runs" / "gradient_family")
    parser.add_argument("--methods", nargs="+", choices=[*METHODS, *BASELINES], default=[*METHODS, *BASELINES])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--workers", type=int, default=2, help="processes, one thread each")
    args = parser.parse_args()
    if args.workers < 1:
        parser.error(f"--workers is {args.workers}; it must be a whole number from 1")
    tasks = [(method, seed, args.work / f"{method}-{seed}") for seed in args.seeds for method in args.methods]
    failed = 0
    pool = ProcessPoolExecutor(args.workers, multiprocessing.get_context("spawn"), end_with_parent)
    try:
        waiting = {pool.submit(row, *task): task for task in tasks}
        for done in as_completed(waiting):
            method, seed, folder = waiting[done]
            try:
                found = done.result()
            except nb.NasbookError as error:
                failed += 1
                print(f"{method} seed {seed}: {error}", file=sys.stderr, flush=True)
                continue
            for run in sorted(folder.glob("*/config.json")):
                keep(run.parent, args.out / f"{method}-{seed}" / run.parent.name)
            write_row(args.out, found)
            print(f"{method} seed {seed}: test error {found['test_error']:.1%}", flush=True)
    except (KeyboardInterrupt, BrokenProcessPool):
        failed += 1
        print("stopped; what is finished is kept: run the same command again to go on", file=sys.stderr)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
    return int(failed > 0)


def end_with_parent() -> None:
    """Let no worker outlive a killed command: the next one would find its folder in use. Ctrl-C is the parent's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        multiprocessing.connection.wait([multiprocessing.parent_process().sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def row(method: str, seed: int, folder: Path) -> dict:
    """Search, train what was found, and say what came out: one row of the table."""
    data = nb.datasets.load(DATA, size=SIZE)
    if method in BASELINES:
        genotype, seconds = BASELINES[method](data, seed, folder)
    else:
        run = nb.search(method, data=data, profile="lesson", seed=seed, out=folder / "search", threads=1)
        genotype, seconds = run.genotype, float(run.costs["seconds"].sum())
    net = genotype.network(classes=len(data.classes), seed=seed, **NETWORK)
    cost = nb.cost(net, input_shape=(3, SIZE, SIZE))
    trained = nb.train(net, data=data, seed=seed, out=folder / "train", **TRAINING)
    found = [
        method,
        seed,
        round(seconds, 1),
        trained.manifest["wall_seconds"],
        cost.parameters,
        cost.multiply_adds,
        sum(op == "skip_connect" for node in genotype.normal for op, _ in node),
        round(1 - trained.last("test", "accuracy"), 6),
        str(genotype),
    ]
    return dict(zip(COLUMNS, found))


def random_cell(data: ImageData, seed: int, folder: Path) -> tuple[Genotype, float]:
    """One random cell, which took no search."""
    return random_genotype(np.random.default_rng([seed, 0])), 0.0


def random_search(data: ImageData, seed: int, folder: Path) -> tuple[Genotype, float]:
    """The best of a few random cells after a short training, and the seconds that these trainings took."""
    draws, parts = np.random.default_rng([seed, 1]), split(data.labels, SPLIT, seed)
    trained = parts["weights"].tolist() + parts["alphas"].tolist()
    judged = ImageData.from_arrays(
        f"{data.name}, selection",
        data.images[trained],
        data.labels[trained],
        data.classes,
        data.images[parts["selection"]],
        data.labels[parts["selection"]],
        data.mean,
        data.std,
    )
    best, highest, seconds = None, -1.0, 0.0
    for candidate in range(CANDIDATES):
        genotype = random_genotype(draws)
        net = genotype.network(classes=len(data.classes), seed=seed, **NETWORK)
        settings = TRAINING | {"epochs": CANDIDATE_EPOCHS}
        run = nb.train(net, data=judged, seed=seed, out=folder / f"candidate-{candidate}", **settings)
        seconds += run.manifest["wall_seconds"]
        if run.last("test", "accuracy") > highest:
            best, highest = genotype, run.last("test", "accuracy")
    return best, seconds


BASELINES = {"random": random_cell, "random_search": random_search}


def keep(run: Path, place: Path) -> None:
    """Copy what a finished run leaves behind, but for its weights."""
    place.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        if (run / name).exists():
            shutil.copyfile(run / name, place / name)


def write_row(out: Path, found: dict) -> None:
    """Put one row into ``out/table.csv`` in place of an older one of the same method and seed; renew the manifest."""
    path = out / "table.csv"
    rows = pd.read_csv(path).to_dict("records") if path.exists() else []
    rows = [old for old in rows if (old["method"], old["seed"]) != (found["method"], found["seed"])] + [found]
    order = [*METHODS, *BASELINES]
    rows.sort(key=lambda one: (order.index(one["method"]), one["seed"]))
    write_atomically(path, pd.DataFrame(rows, columns=COLUMNS).to_csv(index=False))
    manifest = {
        "command": "python benchmarks/gradient_family.py",
        "data": f"{DATA}, {SIZE} pixels",
        "network": NETWORK,
        "training": TRAINING,
        "candidates": {"count": CANDIDATES, "epochs": CANDIDATE_EPOCHS},
        **machine.provenance(nb.device()),
    }
    write_atomically(out / "manifest.json", json.dumps(manifest, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except nb.NasbookError as error:
        sys.exit(exit_with(error))
