"""How much of the searched super-net is left in the derived cell: DATA for several M, with GDAS beside it.

    python benchmarks/derivation_gap.py

Each method searches on the written digits, once for each seed. At the end the super-net is judged on its selection
images three times with the weights that it has: with architectures as the search draws them, with the cell derived
by one code a node, and with that of one code an edge (GDAS: by DARTS's rule). Then the cell that the method stands
for is trained from scratch, alike for all, and tested once. "data, M = 4, shorter" stops when it has run as many
operations as GDAS in all its epochs; "random" is a random cell, trained alike.

Whatever stops it, the same command goes on where it was, in ``--work``; ``--out`` gets the table and a manifest.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

import nasbook as nb
from nasbook.base import machine
from nasbook.base.files import repository, write_atomically
from nasbook.datasets.images import ImageData
from nasbook.relaxations.derivation import probable_code_rule
from nasbook.searchers.data import Config
from nasbook.searchers.restored import mean_sampled_accuracy, shared_accuracy, trained_search
from nasbook.spaces.genotypes import Genotype
from nasbook.spaces.sampling import random_genotype

SEARCH = {"epochs": 36, "batch_size": 32, "channels": 4, "cells": 3, "nodes": 1, "padding": 1, "threads": 1}
SEARCH |= {"split": (0.4, 0.4, 0.2), "weight_lr": 0.05, "alpha_lr": 0.01}
NETWORK = {"channels": 4, "cells": 3}
TRAINING = {"epochs": 12, "batch_size": 32, "lr": 0.1, "padding": 1, "cutout": 0, "drop_path": 0.0, "threads": 1}
MEAN_4 = 8 * (1 - (7 / 8) ** 4)
"""Operations that DATA runs on an edge at M = 4 while p is uniform over 8; GDAS runs one."""

RUNS = {
    "gdas": ("gdas", {"alpha_decay": 0.0}),
    **{f"data, M = {m}": ("data", {"draws": m}) for m in (1, 2, 4, 7)},
    "data, M = 4, shorter": ("data", {"draws": 4, "epochs": round(SEARCH["epochs"] / MEAN_4)}),
}
COLUMNS = ["name", "seed", "searched", "per_node", "per_edge", "operations_node", "operations_edge", "executed"]
COLUMNS += ["parameters", "test_accuracy", "genotype"]


def main() -> None:
    """Parse the command line, run what is missing, write the table after each row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=repository() / "results" / "derivation_gap")
    parser.add_argument("--work", type=Path, default=repository() / "runs" / "derivation_gap")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3])
    args = parser.parse_args()
    data, table = nb.datasets.load("digits"), args.out / "table.csv"
    args.out.mkdir(parents=True, exist_ok=True)
    rows = {(old[0], old[1]): old for old in pd.read_csv(table).to_numpy().tolist()} if table.exists() else {}
    for seed in args.seeds:
        for name in [*RUNS, "random"]:
            found = row(name, seed, data, args.work / f"{name.replace(', ', '-').replace(' = ', '')}-{seed}")
            rows[name, seed] = found
            write_atomically(table, pd.DataFrame(rows.values(), columns=COLUMNS).to_csv(index=False))
            print(f"{name} seed {seed}: {found[2:10]}", flush=True)
    facts = {"data": data.description(), "search": SEARCH, "network": NETWORK, "training": TRAINING}
    facts |= {
        "command": "python benchmarks/derivation_gap.py",
        "seeds": sorted({seed for _, seed in rows}),
        **machine.provenance(data.device),
    }
    write_atomically(args.out / "manifest.json", json.dumps(facts, indent=1, default=str) + "\n")


def row(name: str, seed: int, data: ImageData, folder: Path) -> list:
    """Search, judge, train: one row of the table."""
    if name == "random":
        genotype = random_genotype(np.random.default_rng([seed, 15]), nodes=SEARCH["nodes"])
        found = [np.nan] * 6
    else:
        method, changed = RUNS[name]
        run = nb.search(method, data=data, seed=seed, out=folder / "search", **SEARCH | changed)
        genotype, search = run.genotype, trained_search(run, data)
        edges = genotype
        if method == "data":
            laws = {kind: np.exp(a) / np.exp(a).sum(-1, keepdims=True) for kind, a in search.arrays().items()}
            config: Config = search.config
            edges, _ = probable_code_rule(laws, config.operations, config.nodes, draws=config.draws, per="edge")
        accuracies = [
            mean_sampled_accuracy(search, method),
            *(shared_accuracy(search, one) for one in (genotype, edges)),
        ]
        found = [*accuracies, operations(genotype), operations(edges), run.last("search", "executed")]
    net = genotype.network(classes=len(data.classes), seed=seed, **NETWORK)
    parameters = nb.cost(net, input_shape=(3, data.size, data.size)).parameters
    trained = nb.train(net, data=data, seed=seed, out=folder / "train", **TRAINING)
    return [name, seed, *found, parameters, trained.last("test", "accuracy"), str(genotype)]


def operations(genotype: Genotype) -> int:
    """How many operations the two cells hold together."""
    return sum(len(node) for nodes, _ in genotype.kinds.values() for node in nodes)


if __name__ == "__main__":
    main()
