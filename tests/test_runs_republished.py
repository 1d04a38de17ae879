"""A published file of a finished run that was deleted comes back from the checkpoint, byte for byte."""

import shutil

import pytest
from tiny import TINY

import nasbook as nb

ENAS = {"epochs": 2, "batch_size": 64, "controller_steps": 2, "aggregates": 2, "candidates": 3, "layers": 3}
CALLS = {
    "gdas": lambda data, out: nb.search("gdas", data=data, out=out, figures=False, **TINY),
    "rsws": lambda data, out: nb.search(
        "rsws", data=data, out=out, figures=False, candidates=4, finalists=2, candidate_images=32, **TINY
    ),
    "enas": lambda data, out: nb.search("enas", data=data, out=out, **ENAS),
    "enas edges": lambda data, out: nb.search("enas", data=data, out=out, space="edges", **ENAS),
    "train": lambda data, out: nb.train(
        nb.genotypes["GDAS_F1"].network(4, 3, 10), data=data, out=out, epochs=1, batch_size=128
    ),
}
FILES = {
    "gdas": {"trace.csv", "costs.csv", "alphas.npz", "genotype.json", "margins.csv"},
    "rsws": {"trace.csv", "costs.csv", "alphas.npz", "genotype.json", "margins.csv"},
    "enas": {"trace.csv", "costs.csv", "candidates.csv", "arc.json", "genotype.json"},
    "enas edges": {"trace.csv", "costs.csv", "candidates.csv", "arc.json"},
    "train": {"trace.csv"},
}


@pytest.fixture(scope="module", params=CALLS)
def finished(request, digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished") / "run"
    CALLS[request.param](digits, folder)
    return request.param, folder


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith((".", "checkpoint"))}


def test_each_file_comes_back_and_the_manifest_stays(finished, digits, tmp_path):
    name, folder = finished
    whole = contents(folder)
    assert set(whole) == FILES[name] | {"config.json", "manifest.json"}
    for number, lost in enumerate([*({one} for one in FILES[name]), FILES[name]]):
        copy = tmp_path / str(number)
        shutil.copytree(folder, copy)
        for one in lost:
            (copy / one).unlink()
        CALLS[name](digits, copy)
        assert contents(copy) == whole


def test_a_run_without_its_checkpoint_too_says_what_is_gone(finished, digits, tmp_path):
    name, folder = finished
    shutil.copytree(folder, tmp_path / "run")
    for lost in (tmp_path / "run").glob("checkpoint*"):
        lost.unlink()
    (tmp_path / "run" / "trace.csv").unlink()
    before = contents(tmp_path / "run")
    with pytest.raises(nb.NasbookError, match=r"trace.csv and checkpoint is gone: delete the folder to run again$"):
        CALLS[name](digits, tmp_path / "run")
    assert contents(tmp_path / "run") == before


def test_a_reader_is_sent_to_the_same_command(finished, tmp_path):
    _, folder = finished
    shutil.copytree(folder, tmp_path / "run")
    (tmp_path / "run" / "trace.csv").unlink()
    with pytest.raises(nb.NasbookError, match=r"no trace.csv yet: .* to write it again from the checkpoint"):
        _ = nb.Run.load(tmp_path / "run").trace
