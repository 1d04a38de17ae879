"""Tables of truth: look-ups, what is refused, and the files that they come from."""

import json
import random
import subprocess
import sys

import numpy as np
import pytest

import nasbook as nb
from nasbook.base.errors import NasbookError
from nasbook.base.files import write_atomically
from nasbook.book.cli import main
from nasbook.spaces.edges.cells import EdgeSpace, count
from nasbook.spaces.edges.isomorphism import canonical_form
from nasbook.trials.tables import cellbench
from nasbook.trials.tables.rows import FILE, Key, Protocol, Trained, read_row, read_rows, write_row, write_rows
from nasbook.trials.tables.table import Table

COUNTS = (1, 4)
SETTINGS = {"channels": 2, "cells": 1, "size": 8}


def invented(key: Key) -> Trained:
    """A row that could be: better with more convolutions, two images a seed, three an epoch."""
    parameters, adds = count(key.cell, **SETTINGS)
    right = [40 + 20 * key.cell.count("nor_conv") + 2 * key.seed + 3 * epochs for epochs in COUNTS]
    loss = tuple(2.0 - n / 400 for n in right)
    return Trained(parameters, adds, 8.0 + key.seed, loss, loss, tuple(right), tuple(2 * n for n in right))


def write_table(folder, keys, seeds=2):
    """A table of invented rows in ``folder``; complete if ``keys`` are all of them."""
    protocol = Protocol(counts=COUNTS, channels=2, cells=1, size=8)
    rows = {key: invented(key) for key in keys}
    write_rows(folder / FILE, rows, COUNTS)
    facts = {"protocol": protocol.model_dump(mode="json"), "seeds": seeds, "classes": 10, "format": 1}
    facts["images"] = {"train": 3600, "valid": 400, "test": 1000}
    if len(rows) == len(cellbench.wanted(seeds)):
        import hashlib

        facts["sha256"] = hashlib.sha256((folder / FILE).read_bytes()).hexdigest()
    write_atomically(folder / "manifest.json", json.dumps(facts))
    return folder


@pytest.fixture
def whole(tmp_path):
    return write_table(tmp_path, cellbench.wanted(2))


@pytest.fixture
def table(whole):
    return nb.benchmarks.load("cellbench", whole)


CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|skip_connect~2|"
SAME = "|none~0|+|nor_conv_3x3~0|none~1|+|none~0|nor_conv_3x3~1|skip_connect~2|"  # and a convolution of nothing
UNUSED = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|none~1|none~2|"


def test_a_look_up_is_a_fraction_and_the_mean_over_seeds(table):
    row = [invented(Key(table.representative(CELL), seed)) for seed in (0, 1)]
    assert table.accuracy(CELL, "valid", 4, seed=1) == row[1].valid[1] / 400
    assert table.accuracy(CELL, "test", 1) == pytest.approx((row[0].test[0] + row[1].test[0]) / 2000)
    assert table.accuracy(CELL, "test") == table.accuracy(CELL, "test", 4)
    assert table.loss(CELL, "valid", 4, seed=0) == pytest.approx(row[0].valid_loss[1], abs=1e-6)
    assert (table.epochs, table.splits, table.seeds, len(table)) == ((1, 4), ("valid", "test"), (0, 1), 729)


def test_the_same_cell_under_another_name_has_the_same_accuracy_and_its_own_cost(table):
    assert (
        canonical_form(UNUSED) == canonical_form(table.representative(UNUSED))
        and table.representative(UNUSED) != UNUSED
    )
    assert table.accuracy(UNUSED, "test") == table.accuracy(table.representative(UNUSED), "test")
    mine, trained = table.cost(UNUSED), table.cost(table.representative(UNUSED))
    assert mine[:2] == count(UNUSED, **SETTINGS) and mine.parameters > trained.parameters
    assert mine.seconds == trained.seconds == 8.5
    assert table.cost(UNUSED, 1).seconds == table.seconds(UNUSED, 1) == 8.5 / 4


def test_scores_best_and_rank_agree_with_a_plain_loop(table):
    scores = table.scores("valid", 1)
    assert scores.tolist() == [table.accuracy(cell, "valid", 1) for cell in table.space]
    best = table.best("valid", 1)
    assert (
        best.architecture
        == "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    )
    assert best.accuracy == scores.max() and table.rank(best.architecture, "valid", 1) == 1
    worst = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    assert table.rank(worst, "valid", 1) == 1 + sum(score > scores.min() for score in scores)
    assert table.rank(CELL, "valid", 1, seed=0) == 1 + int(
        (table.scores("valid", 1, 0) > table.accuracy(CELL, "valid", 1, 0)).sum()
    )


def test_variances_are_those_of_the_analysis_of_variance(table):
    """A table of 2 x 2 by hand: cells (.1, .3) and (.5, .9): seeds (.02 + .08) / 2, cells .125 - .05 / 2."""
    found = small(np.array([[0.1, 0.3], [0.5, 0.9]])).variances("test")
    assert found.seeds == pytest.approx(0.05) and found.cells == pytest.approx(0.125 - 0.025)
    assert table.variances("test").seeds == pytest.approx(2 * 0.002**2)
    with pytest.raises(NasbookError, match="2 seeds of 1 complete cells"):
        small(np.array([[0.1, 0.3], [0.5, np.nan]])).variances("test")


def small(values):
    """A table of the first cells of the space, one epoch count, ``values`` (R, S)."""
    rows = np.minimum(np.arange(729), len(values) - 1)
    seconds = np.ones((len(values), 1))
    return Table(
        "small",
        cellbench.SPACE,
        trained=[cellbench.SPACE[i] for i in range(len(values))],
        epochs=(3,),
        seeds=range(values.shape[1]),
        accuracies={"test": values[:, None]},
        seconds=seconds,
        rows=rows,
        count=count,
    )


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda t: t.accuracy("|none~0|", "test", 4), "no cell of the form"),
        (lambda t: t.accuracy(CELL, "tset", 4), "did you mean 'test'?"),
        (lambda t: t.accuracy(CELL, "test", 3), "after 1, 4 epochs, not 3"),
        (lambda t: t.accuracy(CELL, "test", 4, seed=2), "holds no seed 2: it holds 0, 1"),
        (lambda t: t.loss(CELL, "test", 4), "unknown split of cellbench 'test': valid are train, valid"),
        (lambda t: t.rank(EdgeSpace()[-1], "test", 4), "unknown operation of this space 'avg_pool_3x3'"),
        (lambda t: small(np.ones((2, 2))).loss(CELL, "test"), "holds no loss"),
    ],
)
def test_what_a_table_lacks_is_said_in_one_sentence(table, call, says):
    with pytest.raises(NasbookError) as caught:
        call(table)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_table_that_is_not_complete_loads_and_says_what_is_missing(tmp_path):
    keys = cellbench.wanted(2)[:150]  # all cells with seed 0, some with seed 1
    table = nb.benchmarks.load("cellbench", write_table(tmp_path, keys))
    assert set(table.missing) == set(cellbench.wanted(2)[150:]) and "114 trainings missing" in repr(table)
    assert table.seeds == (0,)
    there, absent = keys[140].cell, keys[20].cell
    assert table.accuracy(there, "test") == pytest.approx(
        np.mean([table.accuracy(there, "test", 4, s) for s in (0, 1)])
    )
    assert table.accuracy(absent, "test") == table.accuracy(absent, "test", 4, seed=0)
    with pytest.raises(
        NasbookError, match=r"114 of its 264 trainings are missing, and `nasbook bench build --out .+` makes"
    ):
        table.accuracy(absent, "test", 4, seed=1)
    assert "114 of its 264 trainings are missing" in cellbench.verify(tmp_path)


def test_a_table_with_few_cells_answers_for_those(tmp_path):
    keys = cellbench.wanted(1)[:3]
    table = nb.benchmarks.load("cellbench", write_table(tmp_path, keys, seeds=1))
    assert np.isfinite(table.scores("test")).sum() == sum(len(cellbench.groups()[key.cell]) for key in keys)
    assert table.representative(table.best("test").architecture) in {key.cell for key in keys}
    empty = nb.benchmarks.load("cellbench", write_table(tmp_path, [], seeds=1))
    assert empty.seeds == () and "132 trainings missing" in repr(empty)
    for call in (lambda: empty.best("test"), lambda: empty.rank(CELL, "test"), lambda: empty.seconds(CELL)):
        with pytest.raises(NasbookError, match="132 of its 132"):
            call()


def test_rows_go_round(tmp_path):
    rows = {key: invented(key) for key in cellbench.wanted(1)[:5]}
    write_rows(tmp_path / FILE, rows, COUNTS)
    assert read_rows(tmp_path / FILE, COUNTS) == (rows, [])
    line = write_row(*next(iter(rows.items())))
    assert read_row(line, COUNTS) == next(iter(rows.items()))
    assert read_row(line, (1, 2, 4)) is None and read_row("", COUNTS) is None


def test_any_altered_letter_is_found(whole):
    lines = (whole / FILE).read_text().split("\n")
    rng = random.Random(0)
    for _ in range(60):
        number = rng.randrange(1, len(lines) - 1)
        line = lines[number]
        at = rng.randrange(len(line))
        altered = line[:at] + rng.choice([c for c in "0123456789.,~ne" if c != line[at]]) + line[at + 1 :]
        assert read_row(altered, COUNTS) is None
    (whole / FILE).write_text("\n".join([*lines[:7], altered, *lines[8:]]))
    for refuse in (cellbench.verify, cellbench.load):
        with pytest.raises(NasbookError, match=r"damaged in line 8; `nasbook bench build --out"):
            refuse(whole)


@pytest.mark.parametrize(
    ("alter", "says"),
    [
        (lambda lines: [*lines[:-2], lines[-2][:40]], "damaged in line 265"),
        (lambda lines: lines[:4] + lines[3:], "damaged in line 5"),
        (lambda lines: ["cell,seed", *lines[1:]], "first line"),
        (lambda lines: [lines[0], *lines[2:1:-1], lines[1], *lines[3:]], "not the checksum of its manifest"),
        (lambda lines: [*lines[:40], ""], "was complete and lacks 225 of its 264 rows"),
    ],
)
def test_cut_repeated_and_reordered_files_are_found(whole, alter, says):
    (whole / FILE).write_text("\n".join(alter((whole / FILE).read_text().split("\n"))))
    with pytest.raises(NasbookError, match=says):
        cellbench.verify(whole)


@pytest.mark.parametrize(
    "change",
    [{"valid": (401, 1)}, {"test": (-1, 1)}, {"parameters": 5}, {"multiply_adds": 5}, {"seconds": 0.0}],
)
def test_numbers_that_cannot_be_are_found_though_their_checksum_is_right(whole, change):
    rows, _ = read_rows(whole / FILE, COUNTS)
    key = Key(CELL.replace("nor_conv_3x3", "skip_connect"), 0)
    key = next(k for k in rows if k.seed == 1)
    rows[key] = Trained(**(vars(rows[key]) | change))
    write_rows(whole / FILE, rows, COUNTS)
    with pytest.raises(NasbookError, match="cannot be"):
        cellbench.verify(whole)


@pytest.mark.parametrize(
    "change", [{"seeds": 0}, {"seeds": "2"}, {"images": {}}, {"protocol": {}}, {"protocol": None}, {"classes": None},
     {"images": {"train": 3600, "valid": 800, "test": 1000}}],
)  # fmt: skip
def test_a_damaged_manifest_is_one_sentence(whole, change):
    manifest = json.loads((whole / "manifest.json").read_text())
    (whole / "manifest.json").write_text(json.dumps(manifest | change))
    with pytest.raises(NasbookError, match=r"manifest\.json is damaged"):
        cellbench.load(whole)


def test_bad_protocols_are_refused():
    for bad in ({"counts": ()}, {"counts": (2, 1)}, {"counts": (0, 1)}, {"lr": 0.0}, {"chanels": 3}):
        with pytest.raises(NasbookError):
            Protocol.make(bad)


def test_no_table_and_unknown_tables(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBOOK_DATA", str(tmp_path))
    for call, says in [
        (lambda: nb.benchmarks.load("cellbench", tmp_path), "`nasbook bench build` makes one"),
        (lambda: nb.benchmarks.load("celbench"), "did you mean 'cellbench'?"),
        (lambda: nb.benchmarks.load("cellbench", dataset="cifar100"), "CIFAR-10 alone"),
        (lambda: nb.benchmarks.load("nasbench201", tmp_path), "leave path= out"),
        (lambda: nb.benchmarks.load("nasbench201", tmp_path / "no.csv"), "leave path= out"),
        (lambda: nb.benchmarks.load("nasbench201", dataset="cifar"), "did you mean 'cifar10'?"),
    ]:
        with pytest.raises(NasbookError, match=says):
            call()


def test_tables_load_without_torch(whole):
    code = (
        f"import sys, nasbook as nb; nb.benchmarks.load('cellbench', {str(whole)!r}).best('test');"
        "nb.benchmarks.catalogue.listing(); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_the_command_line_verifies_and_lists_tables(whole, monkeypatch, capsys):
    monkeypatch.setattr(cellbench, "folder", lambda: whole)
    assert main(["data", "verify", "cellbench"]) == 0
    assert "cellbench is intact, 264 trainings of 132 cells (which have 729 names)" in capsys.readouterr().out
    assert main(["data", "list"]) == 0
    assert "cellbench       ready" in capsys.readouterr().out
    assert main(["data", "get", "cellbench"]) == 0
    (whole / FILE).write_text((whole / FILE).read_text().replace("none", "nonne", 1))
    assert main(["data", "verify", "cellbench"]) == 2
    assert "damaged in line 2" in capsys.readouterr().err
