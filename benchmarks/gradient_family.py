"""The gradient family side by side: search with every method, train what was found alike, write one table.

    python benchmarks/gradient_family.py

Every method searches on CIFAR-10 at 16 pixels (``nasbook data get cifar10``) until it has decided, once for each seed,
for as many epochs as cost about the same processor time. Every cell that was found is trained from scratch in the same
network, twice, and tested on the 10,000 test images. Rows that need no gradient: ``random`` trains random cells,
``random_search`` the best of a few that were trained briefly and judged on the images that all searches keep for
selection (Li & Talwalkar, 2019, arXiv 1902.07638). ``-signs`` are controls: the search of that name with a random sign
for each alpha's gradient, whose entropy falls without a signal.

Whatever stops it, the same command goes on where it was, in ``--work``; ``--out`` gets the table, a manifest, and
of each run everything but the weights.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from background import in_order, with_random_signs, work_through

import nasbook as nb
from nasbook.base import machine
from nasbook.base.config import profile_values
from nasbook.base.errors import exit_with
from nasbook.base.files import repository, write_atomically
from nasbook.datasets.images import ImageData
from nasbook.datasets.splits import split
from nasbook.searchers import METHODS
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.sampling import random_genotype
from nasbook.training import bilevel

DATA, SIZE = "cifar10", 16
SPLIT = (0.45, 0.45, 0.1)
SEARCH: dict[str, Any] = {"channels": 8, "cells": 3, "nodes": 4, "batch_size": 64, "padding": 2, "split": SPLIT}
SEARCH |= {"weight_lr": 0.05, "alpha_lr": None, "alpha_decay": 0.0, "threads": 1}
NETWORK = {"channels": 8, "cells": 5}
TRAINING = {"profile": "smoke", "epochs": 2, "batch_size": 64, "threads": 1}
TRAINED = 2
CANDIDATES, CANDIDATE_EPOCHS = 6, 1
KEPT = ("config.json", "manifest.json", "trace.csv", "costs.csv", "alphas.npz", "genotype.json", "margins.csv")
SIGNS = "-signs"


class Variant(NamedTuple):
    """A method, its epochs, and the settings that make it this variant."""

    method: str
    epochs: int
    settings: Mapping[str, Any] = MappingProxyType({})


VARIANTS = {
    "darts": Variant("darts", 2, {"unrolling": "first-order"}),
    "darts-second": Variant("darts", 1, {"unrolling": "finite-difference"}),
    "snas": Variant("snas", 2),
    "gdas": Variant("gdas", 5),
    "gdas-frc": Variant("gdas", 5, {"fixed_reduction": True}),
    "data-4": Variant("data", 2, {"draws": 4}),
    "data-7": Variant("data", 2, {"draws": 7}),
    "msg_das": Variant("msg_das", 2),
    "pc_darts": Variant("pc_darts", 3),
    "rsws": Variant("rsws", 5, {"candidates": 50}),
    "darts-signs": Variant("darts", 2, {"unrolling": "first-order"}),
    "gdas-signs": Variant("gdas", 5),
}
"""Name to what is searched."""

SEEDS = {"random": 8}
FEWEST = 4
"""How many seeds a row has unless SEEDS says otherwise."""

COLUMNS = ["method", "seed", "search_seconds", "entropy", "parameters", "multiply_adds", "skips"]
COLUMNS += ["test_error", *(f"test_error_{seed}" for seed in range(TRAINED)), "genotype"]


def main() -> int:
    """Parse the command line, run what is missing, write the table after every finished row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=repository() / "results" / "gradient_family")
    parser.add_argument("--work", type=Path, default=repository() / "runs" / "gradient_family")
    parser.add_argument("--methods", nargs="+", choices=[*VARIANTS, *BASELINES], default=[*BASELINES, *VARIANTS])
    parser.add_argument("--seeds", nargs="+", type=int, help="default: 0 to 3, of random cells 0 to 7")
    parser.add_argument("--workers", type=int, default=2, help="processes, one thread each")
    args = parser.parse_args()
    if args.workers < 1:
        parser.error(f"--workers is {args.workers}; it must be a whole number from 1")
    names = [(method, seed) for method in args.methods for seed in args.seeds or range(SEEDS.get(method, FEWEST))]
    tasks = {(method, seed): (method, seed, args.work / f"{method}-{seed}") for method, seed in by_seed(names)}

    def done(name: tuple[str, int], found: dict[str, Any]) -> None:
        method, seed = name
        for run in sorted(tasks[name][2].glob("*/config.json")):
            keep(run.parent, args.out / f"{method}-{seed}" / run.parent.name)
        write_row(args.out, found)
        print(f"{method} seed {seed}: test error {found['test_error']:.1%}", flush=True)

    return work_through(tasks, row, done, args.workers)


def by_seed(names: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """All methods with the first seed, then with the second: what is stopped early has something of each."""
    return sorted(names, key=lambda name: name[1])


def row(method: str, seed: int, folder: Path) -> dict[str, Any]:
    """Search, train what was found, and say what came out: one row of the table."""
    data, begun = nb.datasets.load(DATA, size=SIZE), time.process_time()
    if method in BASELINES:
        genotype, entropy = BASELINES[method](data, seed, folder), None
    else:
        run = search(method, seed, data, folder / "search")
        genotype, entropy = run.genotype, run.last("search", "entropy_normal")
    seconds = noted(folder / "search_seconds.json", time.process_time() - begun)
    errors = []
    for trained in range(TRAINED):
        net = genotype.network(classes=len(data.classes), seed=trained, **NETWORK)
        run = nb.train(net, data=data, seed=trained, out=folder / f"train-{trained}", **TRAINING)
        errors.append(round(1 - run.last("test", "accuracy"), 6))
    cost = nb.cost(net, input_shape=(3, SIZE, SIZE))
    skips = sum(op == "skip_connect" for node in genotype.normal for op, _ in node)
    about = [method, seed, round(seconds, 1), entropy, cost.parameters, cost.multiply_adds, skips]
    return dict(zip(COLUMNS, [*about, float(np.mean(errors)), *errors, str(genotype)]))


def search(method: str, seed: int, data: ImageData, folder: Path) -> nb.Run:
    """The run of one search; a control takes a method whose architecture step loses the signs."""
    variant = VARIANTS[method]
    module = import_module(METHODS[variant.method])
    settings = profile_values(module.PROFILES, "lesson", seed) | SEARCH | {"epochs": variant.epochs} | variant.settings
    how = dict(vars(module))
    if method.endswith(SIGNS):
        how["architecture_step"] = with_random_signs(module.architecture_step)
    config = module.Config.make(settings)
    return bilevel.run_search(SimpleNamespace(**how), variant.method, config, data, "lesson", folder, figures=False)


def noted(path: Path, seconds: float) -> float:
    """The processor seconds that the search took when it was finished, whatever they are now that it is loaded."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(seconds))
    return json.loads(path.read_text(encoding="utf-8"))


def random_cell(data: ImageData, seed: int, folder: Path) -> Genotype:
    """One random cell, which took no search."""
    return random_genotype(np.random.default_rng([seed, 0]))


def random_search(data: ImageData, seed: int, folder: Path) -> Genotype:
    """The best of a few random cells after a short training."""
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
    best, highest = None, -1.0
    for candidate in range(CANDIDATES):
        genotype = random_genotype(draws)
        net = genotype.network(classes=len(data.classes), seed=seed, **NETWORK)
        settings = TRAINING | {"epochs": CANDIDATE_EPOCHS}
        run = nb.train(net, data=judged, seed=seed, out=folder / f"candidate-{candidate}", **settings)
        if run.last("test", "accuracy") > highest:
            best, highest = genotype, run.last("test", "accuracy")
    return best


BASELINES = {"random": random_cell, "random_search": random_search}


def keep(run: Path, place: Path) -> None:
    """Copy what a finished run leaves behind, but for its weights."""
    place.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        if (run / name).exists():
            shutil.copyfile(run / name, place / name)


def write_row(out: Path, found: dict[str, Any]) -> None:
    """Put one row into ``out/table.csv`` in place of an older one of the same method and seed; renew the manifest."""
    path = out / "table.csv"
    rows = pd.read_csv(path).to_dict("records") if path.exists() else []
    known = {(old["method"], old["seed"]): old for old in [*rows, found]}
    order = sorted(known, key=lambda name: ([*VARIANTS, *BASELINES].index(name[0]), name[1]))
    write_atomically(path, pd.DataFrame(in_order(order, known), columns=COLUMNS).to_csv(index=False))
    manifest = {
        "command": "python benchmarks/gradient_family.py",
        "data": f"{DATA}, {SIZE} pixels",
        "search": SEARCH,
        "variants": {name: [one.method, one.epochs, dict(one.settings)] for name, one in VARIANTS.items()},
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
