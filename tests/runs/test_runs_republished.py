"""What a finished run says and does if one of its files was deleted, or edited by hand."""

import json
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
    with pytest.raises(nb.NasbookError, match=r"has lost its trace.csv: run the same command again$"):
        _ = nb.Run.load(tmp_path / "run").trace
    (tmp_path / "run" / "checkpoint.pt").unlink()
    with pytest.raises(nb.NasbookError, match=r"has lost its trace.csv: delete the folder and run again$"):
        _ = nb.Run.load(tmp_path / "run").trace


@pytest.fixture(scope="module")
def search(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search") / "run"
    CALLS["gdas"](digits, folder)
    return folder


@pytest.mark.parametrize(
    ("name", "old", "new", "attribute"),
    [
        ("trace.csv", ",loss,", ",loss,much", "trace"),
        ("trace.csv", "\n1,", "\nfirst,", "trace"),
        ("costs.csv", "\n1,", "\n1,soon", "costs"),
        ("margins.csv", "normal,", "normal,node ", "margins"),
    ],
)
def test_words_where_numbers_belong_are_one_sentence(search, digits, tmp_path, name, old, new, attribute):
    shutil.copytree(search, tmp_path / "run")
    path = tmp_path / "run" / name
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(nb.NasbookError, match=f"{name} is damaged .*: delete it and run the same command") as caught:
        getattr(nb.Run.load(tmp_path / "run"), attribute)
    assert "\n" not in str(caught.value)
    path.unlink()
    CALLS["gdas"](digits, tmp_path / "run")
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(("method", "setting"), [("enas", "controller_steps"), ("train", "initial_weights")])
def test_a_config_of_another_method_is_one_sentence(search, tmp_path, method, setting):
    shutil.copytree(search, tmp_path / "run")
    config = json.loads((search / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "run" / "config.json").write_text(json.dumps(config | {"method": method}), encoding="utf-8")
    with pytest.raises(nb.NasbookError, match=f"says the method '{method}' and lacks its setting '{setting}'"):
        nb.Run.load(tmp_path / "run")
