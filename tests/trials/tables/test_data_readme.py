"""data/README.md says of the table of truth what its protocol says and, once the table is there, what came out."""

from pathlib import Path

import numpy as np
import pytest

import nasbook as nb
from nasbook.trials.tables import cellbench
from nasbook.trials.tables.rows import Protocol

README = (Path(__file__).parents[3] / "data" / "README.md").read_text(encoding="utf-8")
TEXT = " ".join(README.split("## cellbench")[1].split("\n# ")[0].split())
SEEDS = 3


def outcome(table):
    """What the README has to say of a complete table."""
    hours = sum(table.seconds(cell) for cell in table.trained) * len(table.seeds) / 3600
    spread, tested = table.variances("test"), [table.accuracy(cell, "test") for cell in table.trained]
    return (
        f"{hours:.1f} hours of training on one processor in all. Test accuracy after the last epoch, mean over seeds: "
        f"{max(tested):.1%} for the best cell, {np.median(tested):.1%} for the median cell. Standard deviation between "
        f"cells {spread.cells**0.5:.1%}, between the seeds of one cell {spread.seeds**0.5:.1%}."
    )


def test_the_numbers_of_the_protocol():
    protocol, cells = Protocol(), len(cellbench.groups())
    counts = " and ".join((", ".join(map(str, protocol.counts[:-1])), str(protocol.counts[-1])))
    for said in (
        f"{len(cellbench.SPACE)} strings, which are {cells} different cells",
        f"each cell is trained with {SEEDS} seeds, {SEEDS * cells} rows",
        f"after {counts} epochs",
        f"Images of {protocol.size}x{protocol.size} pixels",
        f"a network of {protocol.channels} channels with {protocol.cells} cells in each of three stages",
        f"{protocol.counts[-1]} epochs in batches of {protocol.batch_size}",
        f"Nesterov momentum {protocol.momentum} and weight decay {protocol.weight_decay}",
        f"falling from {protocol.lr} to 0",
        f"a border of {protocol.padding} pixels",
        f'"valid" are {protocol.held_out} images',
    ):
        assert said in TEXT, said


@pytest.mark.skipif(not (cellbench.folder() / "manifest.json").exists(), reason="the table is not in this checkout")
def test_what_came_out():
    table, found = nb.benchmarks.load("cellbench"), cellbench.read(cellbench.folder())
    assert not table.missing and found.protocol == Protocol() and found.seeds == SEEDS
    assert outcome(table) in TEXT, f"data/README.md must say: {outcome(table)}"
