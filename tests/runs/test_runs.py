"""Runs: continuing bit for bit, refusing what does not fit, what they leave behind."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
import torch

import nasbook as nb
from nasbook.base.files import locked
from nasbook.runs.folder import update_manifest
from nasbook.runs.run import Run
from nasbook.runs.writer import RunWriter

SCRIPT = """
import sys
import torch
import nasbook as nb
torch.set_num_threads(1)
nb.search("gdas", data=nb.datasets.load("digits"), out=sys.argv[1], seed=3, **SETTINGS)
"""
SETTINGS = {
    "epochs": 4,
    "batch_size": 32,
    "channels": 4,
    "cells": 3,
    "nodes": 2,
    "padding": 1,
    "fixed_reduction": False,
}


def start(folder, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", f"SETTINGS = {SETTINGS}{SCRIPT}", str(folder)],
        env={**os.environ, "NASBOOK_PROGRESS": "off", "OMP_NUM_THREADS": "1", **environment},
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(folder):
    process = start(folder)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return Run.load(folder), said


def assert_same(a, b):
    assert a.trace.equals(b.trace)
    assert np.array_equal(a.alphas, b.alphas)
    assert str(a.genotype) == str(b.genotype)
    assert a.margins.equals(b.margins)
    left, right = (torch.load(r.folder / "checkpoint.pt", weights_only=True)["net"] for r in (a, b))
    assert all(torch.equal(left[name], right[name]) for name in left)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    return finish(folder)[0]


@pytest.mark.slow
def test_a_search_killed_at_random_steps_ends_as_an_unbroken_one(unbroken, tmp_path, monkeypatch):
    """SIGKILL at a random moment after each new checkpoint; the continuation must not depend on where it fell."""
    kills, rng, seen = 0, random.Random(0), 0
    while kills < 4:
        process = start(tmp_path)
        mark = tmp_path / "checkpoint.pt"
        before = mark.stat().st_mtime_ns if mark.exists() else 0
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if mark.exists() and mark.stat().st_mtime_ns != before:
                break
            time.sleep(0.005)
        time.sleep(rng.random() * 0.3)
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += 1
        step = torch.load(mark, weights_only=True)["step"] if mark.exists() else 0
        assert step >= seen
        seen = step
    assert kills >= 2 and seen > 0, "the search was too quick to be killed in its middle"
    run, _ = finish(tmp_path)
    assert_same(run, unbroken)


def test_a_search_stopped_between_two_steps_of_an_epoch_continues_bit_for_bit(unbroken, tmp_path, monkeypatch):
    """The same, in one process and at exact steps: first step, mid-epoch, last step of an epoch."""
    from nasbook.training import bilevel

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    original, stops = bilevel.next_batch, iter([1, 9, 16, 10**9])
    calls = {"left": 0}

    class Stop(BaseException):
        pass

    def next_batch(search, part):
        if part == "weights":
            calls["left"] -= 1
            if calls["left"] < 0:
                raise Stop
        return original(search, part)

    monkeypatch.setattr(bilevel, "next_batch", next_batch)
    monkeypatch.setattr(RunWriter, "due", lambda self: True)
    try:
        for count in stops:
            calls["left"] = count
            try:
                run = nb.search("gdas", data=nb.datasets.load("digits"), out=tmp_path, seed=3, **SETTINGS)
            except Stop:
                continue
    finally:
        torch.set_num_threads(threads)
    assert_same(run, unbroken)


@pytest.mark.parametrize("harm", ["truncate", "flip", "empty", "text"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before_it(unbroken, tmp_path, harm, capfd):
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(unbroken.folder, folder)
    update_manifest(folder, status="running")
    path = folder / "checkpoint.pt"
    raw = bytearray(path.read_bytes())
    if harm == "truncate":
        raw = raw[: len(raw) // 2]
    elif harm == "flip":
        with zipfile.ZipFile(path) as archive:
            largest = max(archive.infolist(), key=lambda entry: entry.file_size)
        raw[largest.header_offset + largest.file_size // 2] ^= 1
    path.write_bytes({"empty": b"", "text": b"not a checkpoint"}.get(harm, bytes(raw)))
    config = json.loads((folder / "config.json").read_text())
    with RunWriter(folder, config) as writer:
        state = writer.restore()
    assert state is not None and 0 < state["step"] <= 4 * 17
    assert f"{path} is damaged; falling back" in capfd.readouterr().err


def test_without_a_whole_checkpoint_the_search_starts_again_and_ends_the_same(unbroken, tmp_path, capfd):
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(unbroken.folder, folder)
    update_manifest(folder, status="running")
    for name in ("checkpoint.pt", "checkpoint.previous.pt"):
        (folder / name).write_bytes(b"junk")
    run, said = finish(folder)
    assert "checkpoint.previous.pt is damaged; starting from the first step" in said
    assert (folder / "checkpoint.pt.damaged").read_bytes() == b"junk"
    assert_same(run, unbroken)


def test_a_finished_run_is_loaded_and_not_repeated(unbroken, monkeypatch):
    from nasbook.training import bilevel

    def never(*_):
        raise AssertionError("the search ran again")

    monkeypatch.setattr(bilevel, "alternate", never)
    before = {p.name: p.stat().st_mtime_ns for p in unbroken.folder.iterdir() if p.is_file() and p.name != ".lock"}
    run = nb.search("gdas", data=nb.datasets.load("digits"), out=unbroken.folder, seed=3, **SETTINGS)
    assert run.finished and str(run.genotype) == str(unbroken.genotype)
    after = {p.name: p.stat().st_mtime_ns for p in unbroken.folder.iterdir() if p.is_file() and p.name != ".lock"}
    assert before == after


def test_another_config_is_refused_naming_the_keys_that_differ(unbroken):
    before = (unbroken.folder / "config.json").read_bytes()
    with pytest.raises(nb.NasbookError) as caught:
        nb.search("gdas", data=nb.datasets.load("digits"), out=unbroken.folder, seed=4, **{**SETTINGS, "epochs": 5})
    assert "epochs: 4 there, 5 now; seed: 3 there, 4 now" in str(caught.value)
    assert (unbroken.folder / "config.json").read_bytes() == before


def test_other_data_are_another_config(unbroken):
    digits = nb.datasets.load("digits")
    other = nb.datasets.ImageData.from_arrays("digits", digits.images.flip(0), digits.labels.flip(0), digits.classes)
    with pytest.raises(nb.NasbookError, match="data_checksum"):
        nb.search("gdas", data=other, out=unbroken.folder, seed=3, **SETTINGS)


def test_a_folder_whose_config_is_gone_is_not_taken_over(unbroken, tmp_path):
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(unbroken.folder, folder)
    (folder / "config.json").unlink()
    with pytest.raises(nb.NasbookError, match=r"without its config.json|cannot read"):
        nb.search("gdas", data=nb.datasets.load("digits"), out=folder, seed=5, **SETTINGS)
    (folder / "manifest.json").unlink()
    with pytest.raises(nb.NasbookError, match=r"without its config.json"):
        nb.search("gdas", data=nb.datasets.load("digits"), out=folder, seed=5, **SETTINGS)
    assert not (folder / "config.json").exists()


def test_a_finished_run_is_loaded_without_writing_and_without_the_lock(unbroken):
    config = json.loads((unbroken.folder / "config.json").read_text(encoding="utf-8"))
    with RunWriter(unbroken.folder, config) as one, locked(one.folder / ".lock", "the lock is taken"):
        assert one.finished


@pytest.mark.parametrize(
    ("name", "attribute"), [("alphas.npz", "alphas"), ("trace.csv", "trace"), ("margins.csv", "margins")]
)
def test_a_damaged_file_of_a_run_is_one_sentence(unbroken, tmp_path, name, attribute):
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(unbroken.folder, folder)
    raw = (folder / name).read_bytes()
    for harm in (b"", raw[: len(raw) // 2], b"\x00" * 100):
        (folder / name).write_bytes(harm)
        with pytest.raises(nb.NasbookError, match=f"{name} is damaged"):
            getattr(Run.load(folder), attribute)


def test_checkpoints_cost_less_than_two_percent_of_a_search(tmp_path, monkeypatch):
    """Measured, not reasoned: time inside save over the time of the loop, the last save aside."""

    spent, original = [], RunWriter.save

    def save(self, state):
        begun = time.perf_counter()
        original(self, state)
        spent.append(time.perf_counter() - begun)

    monkeypatch.setattr(RunWriter, "save", save)
    begun = time.perf_counter()
    nb.search("gdas", data=nb.datasets.load("digits"), out=tmp_path, seed=3, **{**SETTINGS, "epochs": 8})
    whole = time.perf_counter() - begun
    assert sum(spent[:-1]) < 0.02 * whole + max(spent)


def test_what_a_search_leaves_behind(unbroken):
    assert unbroken.finished
    assert unbroken.kinds == ("normal", "reduce") and len(unbroken.operations) == 8
    assert unbroken.alphas.shape == (5, 2, 5, 8) and unbroken.steps.tolist() == [0, 1, 2, 3, 4]
    trace = unbroken.trace
    assert list(trace.columns) == ["step", "split", "quantity", "value"]
    assert sorted(set(trace["step"])) == [1, 2, 3, 4]
    values = {(s, q) for s, q in zip(trace["split"], trace["quantity"])}
    assert {("weights", "loss"), ("weights", "accuracy"), ("weights", "learning_rate"), ("alphas", "loss"),
            ("alphas", "accuracy"), ("selection", "accuracy"), ("search", "temperature"), ("search", "skips_normal"),
            ("search", "entropy_normal"), ("search", "parameters"), ("search", "margin_min")} <= values  # fmt: skip
    skips = sum(op == "skip_connect" for node in unbroken.genotype.normal for op, _ in node)
    assert unbroken.last("search", "skips_normal") == skips
    p = np.exp(unbroken.alphas[-1, 0].astype(float))
    p /= p.sum(-1, keepdims=True)
    assert unbroken.last("search", "entropy_normal") == pytest.approx(-(p * np.log(p)).sum(-1).mean(), abs=1e-6)
    manifest = unbroken.manifest
    for key in (
        "commit",
        "versions",
        "device",
        "data",
        "splits",
        "wall_seconds",
        "peak_memory_bytes",
        "seed",
    ):
        assert key in manifest, key
    assert manifest["versions"]["torch"] == torch.__version__.split("+")[0]
    with pytest.raises(nb.NasbookError, match=r"it has .*weights/loss"):
        unbroken.last("weights", "los")


def test_alphas_move_and_seeds_differ(unbroken, tmp_path):
    assert np.abs(unbroken.alphas[-1] - unbroken.alphas[0]).max() > 0.01
    other = nb.search("gdas", data=nb.datasets.load("digits"), out=tmp_path, seed=4, **{**SETTINGS, "epochs": 1})
    assert not np.allclose(other.alphas[0], unbroken.alphas[0])


def test_a_search_without_pictures_draws_them_when_they_are_asked_for(tmp_path):
    asked = {"data": nb.datasets.load("digits"), "out": tmp_path, **SETTINGS, "epochs": 1}
    assert nb.search("gdas", **asked, figures=False).finished and not (tmp_path / "figures").exists()
    nb.search("gdas", **asked)
    assert list((tmp_path / "figures").iterdir())
