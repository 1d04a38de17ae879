"""Run folders that an earlier nasbook wrote (commit f7ba356) load as they are, and say what they do not have."""

import json
import shutil
from pathlib import Path

import pytest

import nasbook as nb
from nasbook.searchers.restored import architecture, evaluator, shared_accuracy, trained_search

OLD = Path(__file__).parent / "old_runs"


@pytest.fixture
def gdas(tmp_path):
    """A copy, because a run that is shown or continued may write into its folder."""
    return nb.Run.load(shutil.copytree(OLD / "gdas", tmp_path / "gdas"))


@pytest.fixture
def trial(tmp_path):
    return nb.Run.load(shutil.copytree(OLD / "random_search", tmp_path / "random_search"))


def test_an_old_search_with_alphas_has_all_that_it_had(gdas, digits):
    assert type(gdas) is nb.Run and gdas.finished and gdas.manifest["commit"].startswith("f7ba356")
    assert gdas.alphas.shape == (3, 2, 5, 3) and gdas.steps.tolist() == [0, 1, 2]
    assert gdas.kinds == ("normal", "reduce") and gdas.operations == ("skip_connect", "avg_pool_3x3", "none")
    assert gdas.genotypes[-1] == gdas.genotype and len(gdas.margins) and len(gdas.costs) == 2
    assert gdas.last("weights", "loss") > 0 and len(gdas.save_figures()) > 1
    assert "image/png" in gdas._repr_mimebundle_()[0] and gdas.explore().slider.max == 2
    assert 0 <= shared_accuracy(trained_search(gdas, digits), gdas.genotype) <= 1


def test_an_old_search_is_loaded_by_the_call_that_made_it(gdas, digits):
    settings = {name: gdas.config[name] for name in ("epochs", "batch_size", "channels", "cells", "nodes", "padding")}
    settings |= {"operations": tuple(gdas.config["operations"]), "split": (0.4, 0.4, 0.2), "fixed_reduction": False}
    before = {path.name: path.read_bytes() for path in gdas.folder.iterdir() if path.is_file()}
    again = nb.search("gdas", data=digits, out=gdas.folder, **settings)
    assert again.genotype == gdas.genotype
    assert {name: (gdas.folder / name).read_bytes() for name in before} == before


def test_an_old_trial_has_all_that_it_had(trial):
    assert type(trial) is nb.Run and trial.finished and len(trial.evaluations) == 5
    assert trial.best == trial.found["architecture"] in set(trial.evaluations["architecture"])
    assert trial._repr_mimebundle_()[0]["text/plain"].startswith("random_search: 5 evaluations")
    assert [path.name for path in trial.save_figures()] == ["search.svg"]
    table = nb.benchmarks.load("cellbench")
    settings = {"space": table.space, "evaluator": nb.evaluators.Lookup(table), "evaluations": 5}
    again = nb.trials.run("random_search", out=trial.folder, **settings)
    assert again.evaluations.equals(trial.evaluations)


@pytest.mark.parametrize("name", ["evaluations", "found", "best", "candidates", "betas"])
def test_a_search_with_alphas_says_what_it_has_instead(gdas, name):
    with pytest.raises(nb.NasbookError, match=r"has no (evaluations\.csv|best\.json|candidates\.csv|betas)"):
        getattr(gdas, name)


@pytest.mark.parametrize("name", ["alphas", "betas", "steps", "kinds", "operations", "genotype", "genotypes", "margins",
                                  "costs", "candidates"])  # fmt: skip
def test_a_trial_says_what_it_has_instead(trial, name):
    with pytest.raises(nb.NasbookError, match=r"which has no \w+\.\w+, but \.evaluations and \.best$"):
        getattr(trial, name)


def test_what_no_weights_can_come_back_from_is_refused(gdas, trial, digits):
    for call in (trial.explore, trial.story):
        with pytest.raises(nb.NasbookError, match="search without a super-net"):
            call()
    for call in (lambda: trained_search(trial, digits), lambda: evaluator(trial, digits)):
        with pytest.raises(nb.NasbookError, match=r"no finished search|no shared weights"):
            call()
    with pytest.raises(nb.NasbookError, match="no shared weights that judge any architecture"):
        evaluator(gdas, digits)
    with pytest.raises(nb.NasbookError, match=r"has no candidates\.csv, but \.alphas and \.genotype"):
        architecture(gdas)


def test_a_folder_without_a_setting_of_today_is_refused_in_one_sentence(gdas, digits):
    config = gdas.folder / "config.json"
    values = json.loads(config.read_text())
    del values["estimator"]
    config.write_text(json.dumps(values))
    with pytest.raises(nb.NasbookError, match="by a version of nasbook that had no setting estimator"):
        trained_search(nb.Run.load(gdas.folder), digits)
