"""Run folders as files: locks, formats, full disks, names, leftovers, sections of a manifest."""

import json
import os
import subprocess
import sys

import pytest
import torch

import nasbook as nb
from nasbook.runs import writer as writing
from nasbook.runs.folder import update_manifest
from nasbook.runs.record import Record
from nasbook.runs.run import Run
from nasbook.runs.writer import RunWriter


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
    monkeypatch.setattr(writing.time, "monotonic", lambda: clock["now"])
    with RunWriter(tmp_path, {"a": 1}) as writer:
        writer._save_seconds = 0.1
        clock["now"] = 4.9
        assert not writer.due()
        clock["now"] = 5.0
        assert writer.due()


def test_two_processes_never_write_one_folder(tmp_path):
    with RunWriter(tmp_path, {"a": 1}):
        code = (
            "import sys\nfrom nasbook.runs.writer import RunWriter\nfrom nasbook.base.errors import NasbookError\n"
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


def test_leftovers_of_a_killed_write_are_cleared(tmp_path):
    (tmp_path / ".checkpoint.next.pt.123.tmp").write_bytes(b"half")
    with RunWriter(tmp_path, {"a": 1}):
        pass
    assert not list(tmp_path.glob(".*.tmp"))


def test_an_unfinished_run_shows_itself(tmp_path):
    with RunWriter(tmp_path, {"method": "gdas", "seed": 1}):
        pass
    run = Run.load(tmp_path)
    assert not run.finished and "unfinished" in repr(run)
    assert run._repr_mimebundle_()["text/plain"] == repr(run)


def test_a_training_says_that_it_has_no_alphas(tmp_path):
    run = nb.train(nb.genotypes["GDAS_F1"].network(4, 3, 10), data=nb.datasets.load("digits"), out=tmp_path, epochs=1)
    for attribute in ("alphas", "genotype", "margins", "kinds", "explore"):
        with pytest.raises(nb.NasbookError, match="holds a training"):
            value = getattr(run, attribute)
            value()
