"""NAS-Bench-201 as a table of truth: the file if it is there, and invented ones of both forms."""

import random

import numpy as np
import pandas as pd
import pytest
import torch

import nasbook as nb
from nasbook.base.errors import NasbookError
from nasbook.spaces.edges.cells import EdgeSpace, count
from nasbook.trials.tables import nasbench201


@pytest.fixture(scope="module")
def compact():
    return nasbench201.find()


@pytest.mark.parametrize(("dataset", "best"), [("cifar10", 94.37), ("cifar100", 73.51), ("imagenet16-120", 47.31)])
def test_the_published_optima(compact, dataset, best):
    table = nb.benchmarks.load("nasbench201", compact, dataset=dataset)
    assert round(100 * table.best("test", 200).accuracy, 2) == best
    assert len(set(table.space)) == len(table.trained) == 15_625 and table.epochs == (12, 200)


def test_every_look_up_is_the_line_of_its_string(compact):
    rows = pd.read_csv(compact)
    table = nb.benchmarks.load("nasbench201", compact)
    places = [table.space.index(cell) for cell in rows["arch"]]
    for split, epochs, column in (
        ("valid", 12, "c10_valid_12"),
        ("test", 12, "c10_test_12"),
        ("test", 200, "c10_test_200"),
    ):
        np.testing.assert_allclose(100 * table.scores(split, epochs)[places], rows[column], rtol=1e-12)
    assert [tuple(table.cost(cell))[:2] for cell in rows["arch"]] == list(zip(rows["params"], rows["macs"]))
    with pytest.raises(NasbookError, match="holds no valid accuracy after 200 epochs"):
        table.scores("valid", 200)
    with pytest.raises(NasbookError, match="none, only means"):
        table.accuracy(table.space[0], "test", 12, seed=777)


def invented_accuracy(place: int, top: float) -> float:
    """Percent: the published optimum once, all else below."""
    return top if place == 4321 else 10 + place % 800 / 10 * top / 100


def write_compact(path, drop=0, top=94.37, unique=6466):
    cells = list(EdgeSpace())
    columns = {"arch": cells[drop:], "unique": [str(place % unique) for place in range(drop, len(cells))]}
    columns["macs"] = [count(cell).multiply_adds for cell in cells[drop:]]
    for name in ("c10_valid_12", "c10_test_12", "c10_test_200"):
        columns[name] = [invented_accuracy(place, top) for place in range(drop, len(cells))]
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_the_compact_form_is_found_and_checked(tmp_path, monkeypatch):
    write_compact(tmp_path / "nasbench201.csv.gz")
    table = nb.benchmarks.load("nasbench201", tmp_path)
    assert table.best("test") == (table.space[4321], pytest.approx(0.9437)) and table.seeds == ()
    assert table.seconds(table.space[0], 12) == pytest.approx(3 * 25_000 * 12 * 7_783_040 / 1e12)
    for settings, says in [
        ({"drop": 1}, "holds 15,624 architectures"),
        ({"top": 94.0}, "is 94.0%, not the published 94.37%"),
        ({"unique": 6000}, "has 6,000 unique cells"),
    ]:
        with pytest.raises(NasbookError, match=says):
            nb.benchmarks.load("nasbench201", write_compact(tmp_path / "other.csv", **settings))
    (tmp_path / "other.csv").write_text("arch,unique\n")
    packed = (tmp_path / "nasbench201.csv.gz").read_bytes()
    (tmp_path / "cut.csv.gz").write_bytes(packed[:-2000])
    (tmp_path / "flipped.csv.gz").write_bytes(packed[:5000] + b"\xff" * 40 + packed[5040:])
    (tmp_path / "table.zip").write_bytes(b"no archive")
    (tmp_path / "empty.pth").write_bytes(b"")
    holes = pd.read_csv(tmp_path / "nasbench201.csv.gz")
    holes.loc[7, "c10_test_200"] = np.nan
    holes.to_csv(tmp_path / "holes.csv", index=False)
    for name in ("other.csv", "cut.csv.gz", "flipped.csv.gz", "table.zip", "empty.pth", "holes.csv"):
        with pytest.raises(NasbookError, match="cannot read"):
            nb.benchmarks.load("nasbench201", tmp_path / name)


def test_the_official_form(tmp_path, monkeypatch):
    """The nesting of the published file, with invented numbers for 64 cells: two seeds on the valid split, one on the
    test split, NumPy's floats among Python's."""
    space = EdgeSpace(("none", "nor_conv_3x3"))
    monkeypatch.setattr(nasbench201, "SPACE", space)
    cells = random.Random(1).sample(list(space), 64)
    right = {cell: 94.37 - (space.index(cell) - 40) ** 2 / 32 for cell in cells}

    def training(part, epoch, value):
        times = {0: 1.5, 1: np.float64(2.5)}
        return {"eval_acc1es": {f"{part}@{epoch}": value, f"{part}@0": 10.0}, "train_times": times}

    def results(cell, epoch):
        return {
            ("cifar10-valid", 777): training("x-valid", epoch, np.float64(right[cell])),
            ("cifar10-valid", 888): training("x-valid", epoch, right[cell] - 4),
            ("cifar10", 777): training("ori-test", epoch, right[cell]),
            ("cifar100", 777): training("x-test", epoch, 1.0),
        }

    kinds = (("less", 11), ("full", 199))
    content = {
        "meta_archs": cells,
        "arch2infos": {
            place: {kind: {"all_results": results(cell, epoch)} for kind, epoch in kinds}
            for place, cell in enumerate(cells)
        },
        "evaluated_indexes": list(range(64)),
    }
    file = tmp_path / nasbench201.OFFICIAL[0]
    torch.save(content, file)
    table = nb.benchmarks.load("nasbench201", tmp_path)
    assert table.best("test", 200) == (space[40], pytest.approx(0.9437))
    for cell in cells[:9]:
        assert table.accuracy(cell, "valid", 200, seed=777) == pytest.approx(right[cell] / 100)
        assert table.accuracy(cell, "valid", 12) == pytest.approx(right[cell] / 100 - 0.02)
        assert table.accuracy(cell, "test", 12) == pytest.approx(right[cell] / 100)
    assert table.seeds == (777,) and table.seconds(cells[0], 12) == 4.0
    with pytest.raises(NasbookError, match="no such training"):
        table.accuracy(cells[0], "test", 200, seed=888)
    del content["arch2infos"]
    torch.save(content, file)
    with pytest.raises(NasbookError, match=r"cannot read .* as the official NAS-Bench-201 \('arch2infos'\)"):
        nb.benchmarks.load("nasbench201", file)
    file.write_bytes(b"no archive")
    with pytest.raises(NasbookError, match="cannot read"):
        nb.benchmarks.load("nasbench201", file)
