"""The frame of searches without a super-net: what it leaves behind, methods of one's own, refusals."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from tables import TinyTable

import nasbook as nb
from nasbook import trials
from nasbook.runs.folder import update_manifest
from nasbook.runs.run import Run
from nasbook.spaces.tokens import Product
from nasbook.trials.evaluators import Function, Lookup

SPACE = Product((("a", "b", "c", "d"),) * 5)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    table = TinyTable()
    return trials.run("evolution", space=table.space, evaluator=Lookup(table), out=tmp_path_factory.mktemp("done"))


def test_what_a_search_leaves_behind(done):
    assert {path.name for path in done.folder.iterdir()} - {".lock"} == {
        "config.json", "evaluations.csv", "trace.csv", "best.json", "manifest.json"
    }  # fmt: skip
    assert done.finished and type(Run.load(done.folder)) is Run
    assert done.config["method"] == "evolution" and done.config["choices"] == [4, 4, 4]
    assert "alternatives" in done.config["space"] and done.config["evaluator"]["table"] == "tiny table"
    evaluations, trace = done.evaluations, done.trace
    assert evaluations["order"].tolist() == list(range(100)) and set(evaluations["failure"]) == {""}
    values = {name: rows["value"].to_numpy() for name, rows in trace.groupby("quantity")}
    np.testing.assert_array_equal(values["score"], evaluations["score"])
    np.testing.assert_array_equal(values["best"], np.maximum.accumulate(evaluations["score"]))
    assert len(values["parent"]) == 90
    at = int(evaluations["score"].argmax())
    assert done.best == evaluations["architecture"][at] and done.found["order"] == at
    assert done.manifest["evaluations"] == 100 and done.manifest["failures"] == 0
    assert done.manifest["seconds"] == pytest.approx(evaluations["seconds"].sum())
    assert {"commit", "versions"} <= set(done.manifest)


def test_it_shows_itself(done):
    data, about = done._repr_mimebundle_()
    assert data["text/plain"].startswith("evolution: 100 evaluations, best score 0.8") and "image/png" in data
    assert about["image/png"]["alt"] == data["text/plain"] and repr(done).startswith("Run(evolution, seed 0, finished")


def test_the_same_seed_repeats_a_search_and_another_does_not():
    def scores(seed):
        table = TinyTable()
        return trials.play("random_search", space=table.space, evaluator=Lookup(table), seed=seed)[0].ledger.rows

    assert scores(1) == scores(1) != scores(2)


def test_play_is_run_without_a_folder(done):
    table = TinyTable()
    trial, found = trials.play("evolution", space=table.space, evaluator=Lookup(table))
    assert trial.ledger.table().equals(done.evaluations) and vars(found) == done.found


def test_repeat_lists_every_evaluation_of_every_seed():
    table = TinyTable()
    settings = {"space": table.space, "evaluator": Lookup(table), "evaluations": 12}
    found = trials.repeat("random_search", seeds=[4, 9], **settings)
    assert found.groupby(["method", "seed"]).size().to_dict() == {("random_search", 4): 12, ("random_search", 9): 12}
    one = trials.play("random_search", seed=9, **settings)[0].ledger.table()
    assert found[found["seed"] == 9]["score"].tolist() == one["score"].tolist()
    with pytest.raises(nb.NasbookError, match="at least one seed"):
        trials.repeat("random_search", seeds=[], **settings)


def test_a_finished_run_is_loaded_and_not_repeated(done):
    table = TinyTable()
    evaluator = Lookup(table)
    evaluator.judge = lambda architecture, seed: pytest.fail("evaluated again")
    before = {p.name: p.stat().st_mtime_ns for p in done.folder.iterdir()}
    again = trials.run("evolution", space=table.space, evaluator=evaluator, out=done.folder)
    assert again.best == done.best
    assert before == {p.name: p.stat().st_mtime_ns for p in done.folder.iterdir()}


def mine(search, **profile):
    """A method of one's own."""

    class Config(trials.TrialConfig):
        pass

    return SimpleNamespace(Config=Config, PROFILES={"smoke": profile}, search=search, __name__="somewhere.mine")


def test_a_method_of_ones_own_with_what_it_notes_and_what_it_returns(tmp_path):
    def search(trial):
        scores = trial.evaluate([("d",) * 5, ("a",) * 5])
        trial.note(spread=scores[0] - scores[1])
        return ("a",) * 5

    evaluator = Function(lambda one: one.count("d") / 5, "share of d")
    run = trials.run(mine(search, evaluations=10), space=SPACE, evaluator=evaluator, out=tmp_path)
    assert run.config["method"] == "mine" and run.best == str(("a",) * 5) and run.found["order"] == 1
    spread = run.trace[run.trace["quantity"] == "spread"]
    assert spread[["step", "value"]].to_numpy().tolist() == [[2, 1.0]]
    assert len(run.evaluations) == 2


def test_a_method_that_returns_what_it_never_evaluated_is_refused():
    def search(trial):
        trial.evaluate([("a",) * 5])
        return ("b",) * 5

    with pytest.raises(nb.NasbookError, match="which it never evaluated"):
        trials.play(mine(search), space=SPACE, evaluator=Function(len))


def test_a_method_that_evaluates_nothing_is_one_sentence():
    with pytest.raises(nb.NasbookError, match="nothing is evaluated yet"):
        trials.play(mine(lambda trial: None), space=SPACE, evaluator=Function(len))


def test_evaluate_tokens_serves_reinforce():
    from nasbook.decisions import gradients, policies

    def search(trial):
        policy = policies.TabularPolicy.uniform(trial.space.choices)
        gradients.reinforce(
            policy, trial.evaluate_tokens, steps=1000, batch=5, learning_rate=0.5, rng=trial.rng, baseline=0.2
        )

    small = Product((("a", "b"), ("c", "d")))
    evaluator = Function(lambda one: float(one == ("b", "c")), "b and c")
    trial, found = trials.play(mine(search, evaluations=203), space=small, evaluator=evaluator)
    assert len(trial.ledger.rows) == 203 and found.score == 1.0
    last = [row.architecture for row in trial.ledger.rows[-40:]]
    assert last.count(str(("b", "c"))) > 30


def test_the_budget_in_seconds_ends_a_search():
    table = TinyTable()
    evaluator = Lookup(table, epochs=1)
    trial, _ = trials.play("random_search", space=table.space, evaluator=evaluator, seconds=50.0)
    seconds = [row.seconds for row in trial.ledger.rows]
    assert sum(seconds) >= 50 > sum(seconds[:-1])


def test_failures_are_counted_and_a_search_of_failures_only_still_ends(tmp_path, capsys, monkeypatch):
    from nasbook.trials.interface import ChildFailed

    def fail(architecture):
        raise ChildFailed("no network can be built")

    monkeypatch.setenv("NASBOOK_PROGRESS", "lines")
    run = trials.run("random_search", space=SPACE, evaluator=Function(fail, "fail"), out=tmp_path, evaluations=20)
    assert run.manifest["failures"] == 20 and run.found["failure"] == "no network can be built"
    assert "10/10  20 evaluated  best 0  20 failed" in capsys.readouterr().out
    assert run._repr_mimebundle_()[0]["text/plain"].startswith("random_search: 20 evaluations, 20 failed")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"method": "evolutoin"}, "unknown method 'evolutoin'.*did you mean 'evolution'"),
        ({"method": "gdas"}, r"gdas searches inside a super-net: call nasbook\.search\('gdas'"),
        ({"method": "enas"}, r"call nasbook\.search\('enas'"),
        ({"method": SimpleNamespace(Config=None)}, "has no PROFILES"),
        ({"profile": "smok"}, "did you mean 'smoke'"),
        ({"seed": -1}, "seed is -1"),
        ({"evaluation": 3}, "did you mean 'evaluations'"),
        ({"evaluations": 0}, "evaluations is 0"),
        ({"seconds": 0.0}, "seconds is 0"),
        ({"population": 1}, "population is 1"),
        ({"batch": 10**9}, "batch is 1000000000"),
        ({"removed": "youngest"}, "removed is 'youngest'"),
        ({"replacement": False, "sample": 11}, "a sample of 11 without replacement needs a population of as many"),
        ({"space": [2, 2]}, "list without choices"),
        ({"space": SimpleNamespace(choices=(2, 0), names=1, decode=1, encode=1)}, r"choices\[1\] is 0"),
        ({"evaluator": len}, "evaluator is a builtin"),
        ({"evaluator": Function(lambda one: 0.5)}, "a lambda has no name"),
        ({"mapper": 3}, "mapper is 3"),
    ],
)
def test_bad_calls_are_refused_in_one_sentence_before_the_folder_is_claimed(tmp_path, change, said):
    call = {"method": "evolution", "space": SPACE, "evaluator": Function(len), "out": tmp_path / "run", **change}
    with pytest.raises(nb.NasbookError, match=said) as caught:
        trials.run(call.pop("method"), **call)
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()


def test_a_search_without_a_super_net_is_told_where_it_belongs(digits):
    with pytest.raises(nb.NasbookError, match="evolution takes space= and evaluator=, and no data="):
        nb.search("evolution", data=digits)
    with pytest.raises(nb.NasbookError, match="did you mean 'random_search'"):
        nb.search("random", data=digits)


def test_another_search_is_refused_naming_what_differs(done):
    table = TinyTable()
    for change, said in (
        ({"seed": 1}, "seed: 0 there, 1 now"),
        ({"evaluator": Lookup(table, epochs=1)}, "evaluator: "),
        ({"space": SPACE}, "choices: "),
    ):
        call = {"space": table.space, "evaluator": Lookup(table), **change}
        with pytest.raises(nb.NasbookError, match=said):
            trials.run("evolution", out=done.folder, **call)


def test_a_folder_of_a_gradient_search_and_one_of_trials_do_not_mix(done, digits):
    with pytest.raises(nb.NasbookError, match="holds a run of another config"):
        nb.search("gdas", data=digits, out=done.folder)
    for attribute in ("alphas", "genotype", "margins", "costs"):
        with pytest.raises(nb.NasbookError, match="holds a search without a super-net"):
            getattr(done, attribute)


def test_an_unfinished_run_shows_what_there_is(done, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(done.folder, folder)
    for name in ("trace.csv", "best.json"):
        (folder / name).unlink()
    update_manifest(folder, status="running")
    lines = (folder / "evaluations.csv").read_bytes().splitlines(keepends=True)
    (folder / "evaluations.csv").write_bytes(b"".join(lines[:11]) + b"10,half")
    run = Run.load(folder)
    assert not run.finished and len(run.evaluations) == 10
    assert run._repr_mimebundle_()[0]["text/plain"].startswith("evolution: 10 evaluations")
    with pytest.raises(nb.NasbookError, match=r"has no best\.json yet: run the same command again"):
        _ = run.best
    (folder / "evaluations.csv").write_bytes(lines[0])
    assert Run.load(folder)._repr_mimebundle_()["text/plain"].startswith("Run(evolution, seed 0, unfinished")


def test_a_space_without_a_repr_is_named_by_its_class(tmp_path):
    class Plain:
        choices = (2, 2)

        def names(self, position):
            return ("a", "b")

        def decode(self, tokens):
            return tuple(tokens)

        encode = decode

    for _ in range(2):
        run = trials.run("random_search", space=Plain(), evaluator=Function(sum), out=tmp_path, evaluations=3)
    assert run.config["space"].endswith("Plain") and "0x" not in json.dumps(run.config)


def test_a_finished_run_whose_files_were_cut_says_so(tmp_path):
    call = {"space": SPACE, "evaluator": Function(len, "length"), "out": tmp_path, "evaluations": 5}
    trials.run("random_search", **call)
    journal = tmp_path / "evaluations.csv"
    journal.write_bytes(journal.read_bytes()[:-3])
    (tmp_path / "best.json").write_text("{}")
    run = trials.run("random_search", **call)
    with pytest.raises(nb.NasbookError, match="holds 4 of the run's 5 evaluations"):
        run.evaluations  # noqa: B018
    with pytest.raises(nb.NasbookError, match=r"best\.json is damaged"):
        run.best  # noqa: B018


def test_it_says_when_it_loads_and_when_it_ends_early(tmp_path, capsys):
    table, few = TinyTable(), {"evaluations": 100, "distinct": True}
    trials.run("random_search", space=table.space, evaluator=Lookup(table), out=tmp_path, **few)
    assert "ended by itself after 64 of at most 100 evaluations" in capsys.readouterr().err
    again = trials.run("random_search", space=table.space, evaluator=Lookup(table), out=tmp_path, **few)
    assert "finished: loaded, nothing is evaluated" in capsys.readouterr().err
    assert again.save_figures() == [tmp_path / "figures" / "search.svg"] and again.save_figures()[0].exists()


def test_a_folder_of_its_own_for_each_evaluator_and_space(tmp_path, monkeypatch):
    monkeypatch.setenv("NASBOOK_RUNS", str(tmp_path))
    table, larger = TinyTable(), Function(lambda architecture: 0.5, "a half")
    settings = [(table.space, Lookup(table)), (table.space, Lookup(table, seed=None)), (SPACE, larger)]
    for space, evaluator in settings * 2:
        trials.run("random_search", space=space, evaluator=evaluator, evaluations=2)
    assert len(list(tmp_path.iterdir())) == 3
