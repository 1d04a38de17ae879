"""Run folders: continuing bit for bit, refusing what does not fit, losing nothing."""

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
from nasbook import recording
from nasbook.recording import Record, RunWriter
from nasbook.runs import Run, update_manifest

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
    from nasbook.training import search as loop

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    original, stops = loop.next_batch, iter([1, 9, 16, 10**9])
    calls = {"left": 0}

    class Stop(BaseException):
        pass

    def next_batch(search, part):
        if part == "weights":
            calls["left"] -= 1
            if calls["left"] < 0:
                raise Stop
        return original(search, part)

    monkeypatch.setattr(loop, "next_batch", next_batch)
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


def test_checkpoints_keep_the_one_before(tmp_path):
    with RunWriter(tmp_path, {"a": 1}) as writer:
        assert writer.restore() is None
        for step in (1, 2, 3):
            writer.save({"step": step})
        assert writer.restore()["step"] == 3
        assert torch.load(tmp_path / "checkpoint.previous.pt", weights_only=True)["step"] == 2
        (tmp_path / "checkpoint.pt").unlink()
        assert writer.restore()["step"] == 2


def test_a_checkpoint_is_due_when_it_costs_less_than_two_percent(tmp_path, monkeypatch):
    clock = {"now": 0.0}
    monkeypatch.setattr(recording.time, "monotonic", lambda: clock["now"])
    with RunWriter(tmp_path, {"a": 1}) as writer:
        writer._save_seconds = 0.1
        clock["now"] = 4.9
        assert not writer.due()
        clock["now"] = 5.0
        assert writer.due()


def test_a_finished_run_is_loaded_and_not_repeated(unbroken, monkeypatch):
    from nasbook.training import search as loop

    def never(*_):
        raise AssertionError("the search ran again")

    monkeypatch.setattr(loop, "alternate", never)
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


def test_two_processes_never_write_one_folder(tmp_path):
    with RunWriter(tmp_path, {"a": 1}):
        code = (
            "import sys\nfrom nasbook.recording import RunWriter\nfrom nasbook.errors import NasbookError\n"
            "try:\n    RunWriter(sys.argv[1], {'a': 1}).__enter__()\nexcept NasbookError as e:\n    print(e)"
        )
        said = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=60)
        assert "another process is writing" in said.stdout
    with RunWriter(tmp_path, {"a": 1}):
        pass


def test_a_newer_format_is_refused_everywhere(tmp_path):
    with RunWriter(tmp_path, {"a": 1}) as writer:
        writer.save({"step": 1})
        torch.save({"format": 99, "step": 1}, tmp_path / "checkpoint.pt")
        with pytest.raises(nb.NasbookError, match=r"format 99 and this nasbook reads up to 1: update nasbook"):
            writer.restore()
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"format": 99}))
    for action in (lambda: Run.load(tmp_path), lambda: RunWriter(tmp_path, {"a": 1}).__enter__()):
        with pytest.raises(nb.NasbookError, match="format 99"):
            action()


def test_a_full_disk_is_one_sentence_and_the_old_file_stays(tmp_path, monkeypatch):
    import errno

    with RunWriter(tmp_path, {"a": 1}) as writer:
        writer.save({"step": 1})

        def full(_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(nb.NasbookError, match=r"No space left on device; free space"):
            writer.save({"step": 2})
        monkeypatch.undo()
        assert writer.restore()["step"] == 1
        assert not list(tmp_path.glob(".*.tmp"))


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    file = tmp_path / "a file"
    file.write_text("kept")
    for folder in (file, file / "below"):
        with pytest.raises(nb.NasbookError, match=r"cannot write into .*choose another folder"):
            RunWriter(folder, {"a": 1}).__enter__()
    assert file.read_text() == "kept"


def test_folders_with_spaces_and_unicode_work(tmp_path):
    folder = tmp_path / "läufe und größen" / "run 1"
    with RunWriter(folder, {"a": 1}) as writer:
        writer.save({"step": 1})
        writer.publish(Record())
    assert Run.load(folder).trace.empty


def test_a_folder_without_a_run_is_one_sentence(tmp_path):
    with pytest.raises(nb.NasbookError, match=r"no run in .*config.json"):
        Run.load(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(nb.NasbookError, match="cannot read"):
        Run.load(tmp_path)


def test_an_unfinished_run_says_what_it_lacks(tmp_path):
    with RunWriter(tmp_path, {"a": 1}):
        pass
    with pytest.raises(nb.NasbookError, match=r"has no genotype.json yet: run the same command again"):
        _ = Run.load(tmp_path).genotype


def test_manifest_sections_merge(tmp_path):
    update_manifest(tmp_path, a=1, b={"c": 2})
    update_manifest(tmp_path, b={"d": 3})
    assert json.loads((tmp_path / "manifest.json").read_text()) == {"a": 1, "b": {"d": 3}}


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
    with RunWriter(unbroken.folder, json.loads((unbroken.folder / "config.json").read_text(encoding="utf-8"))) as one:
        assert one.finished and not one._lock.is_locked


def test_leftovers_of_a_killed_write_are_cleared(tmp_path):
    (tmp_path / ".checkpoint.next.pt.123.tmp").write_bytes(b"half")
    with RunWriter(tmp_path, {"a": 1}):
        pass
    assert not list(tmp_path.glob(".*.tmp"))


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


def test_an_unfinished_run_shows_itself(tmp_path):
    with RunWriter(tmp_path, {"method": "gdas", "seed": 1}):
        pass
    run = Run.load(tmp_path)
    assert not run.finished and "unfinished" in repr(run)
    assert run._repr_mimebundle_()["text/plain"] == repr(run)


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


def test_a_training_says_that_it_has_no_alphas(tmp_path):
    run = nb.train(nb.genotypes["GDAS_F1"].network(4, 3, 10), data=nb.datasets.load("digits"), out=tmp_path, epochs=1)
    for attribute in ("alphas", "genotype", "margins", "kinds", "explore"):
        with pytest.raises(nb.NasbookError, match="holds a training"):
            value = getattr(run, attribute)
            value()


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
