"""Making the table: exact repetition, killing and continuing, one writer, refusals."""

import json
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest
import torch

from nasbook.base.errors import NasbookError
from nasbook.book.cli import main
from nasbook.datasets import load
from nasbook.trials.tables import build as building, cellbench
from nasbook.trials.tables.build import build
from nasbook.trials.tables.rows import FILE, Protocol, Trained, read_rows, write_row
from nasbook.trials.tables.trainings import divide, train_cell

TINY = Protocol(data="digits", size=8, channels=2, counts=(1, 2), held_out=100, padding=0)
CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"


@pytest.fixture(scope="module")
def images():
    data = load("digits")
    return data, divide(data, TINY)


def measured(row: Trained) -> dict:
    """All but the seconds, which never repeat themselves."""
    return {name: value for name, value in vars(row).items() if name != "seconds"}


def rows_of(folder):
    return read_rows(folder / FILE, TINY.counts)[0] if (folder / FILE).exists() else {}


def test_the_same_seed_gives_the_same_row_and_another_seed_another(images):
    first, again, other = (train_cell(CELL, seed, TINY, *images) for seed in (3, 3, 4))
    assert measured(first) == measured(again) != measured(other)
    assert first.seconds > 0 and len(first.valid) == len(first.test) == len(first.train_loss) == 2


def test_the_global_generator_and_thread_count_are_left_alone(images):
    torch.manual_seed(5)
    before = torch.random.get_rng_state(), torch.get_num_threads()
    first = train_cell(CELL, 0, TINY, *images)
    assert torch.equal(before[0], torch.random.get_rng_state()) and before[1] == torch.get_num_threads()
    torch.manual_seed(6)
    assert measured(train_cell(CELL, 0, TINY, *images)) == measured(first)


def test_training_learns_and_a_cell_of_nothing_cannot(images):
    longer = TINY.model_copy(update={"counts": (1, 6), "channels": 6})
    row = train_cell(CELL, 0, longer, *images)
    assert row.test[-1] > 0.6 * 359 and row.train_loss[1] < row.train_loss[0]
    nothing = train_cell("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|", 0, TINY, *images)
    assert nothing.valid == (10, 10)  # one class for all, of 100 images in ten equal classes


def test_the_counts_on_the_way_are_those_of_the_same_training(images):
    """Reading accuracy more often changes nothing."""
    fewer = train_cell(CELL, 0, TINY.model_copy(update={"counts": (2,)}), *images)
    assert train_cell(CELL, 0, TINY, *images).test[1:] == fewer.test


def test_the_parts_are_disjoint_and_the_held_out_one_is_balanced():
    data = load("cifar10-sample", size=16)
    parts = divide(data, Protocol())
    assert [len(parts[name].labels) for name in ("train", "valid", "test")] == [3600, 400, 1000]
    assert torch.bincount(parts["valid"].labels).tolist() == [40] * 10
    positions = torch.arange(len(data)).view(-1, 1, 1, 1).expand(-1, 3, 16, 16).to(torch.int32)
    numbered = type(data)(data.name, data.images, data.labels, data.classes, data.mean, data.std, data.test())
    object.__setattr__(numbered, "images", positions)
    chosen = [divide(numbered, Protocol())[name].images[:, 0, 0, 0] for name in ("train", "valid")]
    assert torch.cat(chosen).sort().values.tolist() == list(range(4000))


@pytest.mark.parametrize("held_out", [101, 1500])
def test_what_cannot_be_held_out_is_refused(images, held_out):
    with pytest.raises(NasbookError, match=f"held_out is {held_out}"):
        divide(images[0], TINY.model_copy(update={"held_out": held_out}))


def test_a_build_continues_mends_and_completes(tmp_path, monkeypatch):
    """Three trainings, then a line is altered and half a line hangs on: both are trained again, the rest is kept."""
    monkeypatch.setattr(cellbench, "wanted", lambda seeds: [k for k in WANTED if k.seed < seeds])
    assert "4 of its 6 trainings are missing" in build(tmp_path, protocol=TINY, seeds=2, workers=1, limit=2)
    before = rows_of(tmp_path)
    assert list(before) == WANTED[:2]
    lines = (tmp_path / FILE).read_text().split("\n")
    (tmp_path / FILE).write_text("\n".join([lines[0], lines[1].replace("0.", "1.", 1), lines[2], lines[1][:50]]))
    said = build(tmp_path, protocol=TINY, seeds=2, workers=1)
    after = rows_of(tmp_path)
    assert "complete, SHA-256" in said and list(after) == WANTED
    assert after[WANTED[1]] == before[WANTED[1]] and measured(after[WANTED[0]]) == measured(before[WANTED[0]])
    text = (tmp_path / FILE).read_bytes()
    assert build(tmp_path, protocol=TINY, seeds=1, workers=1) == said and (tmp_path / FILE).read_bytes() == text
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["rows"] == 6 and manifest["seeds"] == 2 and len(manifest["made_by"]) == 1
    assert manifest["images"] == {"train": 1338, "valid": 100, "test": 359}


WANTED = [key for key in cellbench.wanted(2) if key.cell in [cell for cell, _ in cellbench.wanted(1)[3:6]]]

KILLED = """
import sys
from nasbook.trials.tables.build import build
from nasbook.trials.tables.rows import Protocol
if __name__ == "__main__":
    build(sys.argv[1], protocol=Protocol(**{settings}), seeds=1, workers=2, limit=40)
"""


def test_killed_at_any_time_it_continues_and_leaves_no_worker_behind(tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(KILLED.format(settings=TINY.model_dump()))
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path / "table")])
    try:
        while process.poll() is None and len(rows_of(tmp_path / "table")) < 2:
            time.sleep(0.05)
        workers = psutil.Process(process.pid).children(recursive=True)
        assert len(workers) >= 2
        with pytest.raises(NasbookError, match="another process is building"):
            build(tmp_path / "table", protocol=TINY, seeds=1)
    finally:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive
    kept = rows_of(tmp_path / "table")
    assert "trainings are missing" in build(tmp_path / "table", protocol=TINY, seeds=1, workers=1, limit=1)
    after = rows_of(tmp_path / "table")
    assert len(after) == len(kept) + 1 and all(after[key] == row for key, row in kept.items())
    data = load("digits")
    key, row = next(iter(kept.items()))  # trained in a worker process, and the same here
    here = replace(train_cell(*key, TINY, data, divide(data, TINY)), seconds=row.seconds)
    assert write_row(key, here) == write_row(key, row)


def test_another_protocol_and_bad_numbers_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(building, "_trainings", lambda *_: iter(()))
    build(tmp_path, protocol=TINY, seeds=1)
    other = TINY.model_copy(update={"lr": 0.2})
    with pytest.raises(NasbookError, match=r"another protocol \(lr: 0.1 there, 0.2 now\)"):
        build(tmp_path, protocol=other, seeds=1)
    for bad in ({"seeds": 0}, {"workers": -1}, {"limit": 0}, {"seeds": True}):
        with pytest.raises(NasbookError, match="whole number of at least 1"):
            build(tmp_path, protocol=TINY, **bad)
    (tmp_path / "file").write_text("")
    with pytest.raises(NasbookError, match="cannot write into"):
        build(tmp_path / "file" / "table", protocol=TINY)


def test_the_command_passes_its_options_on(monkeypatch, capsys):
    asked = {}
    monkeypatch.setattr(building, "build", lambda out, **rest: asked.update(out=out, **rest) or "done")
    assert main(["bench", "build", "--out", "here", "--seeds", "5", "--limit", "7"]) == 0
    assert asked == {"out": "here", "seeds": 5, "workers": 2, "limit": 7}
    assert capsys.readouterr().out == "done\n"
    for argv, says in [(["bench", "bild"], "'build'"), (["bench"], "ACTION"), (["bench", "build", "--sed"], "--seeds")]:
        assert main(argv) == 2 and says in capsys.readouterr().err
