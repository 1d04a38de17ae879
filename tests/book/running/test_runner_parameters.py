"""Parameters of ``nasbook run``: read in the light of their defaults, refused before a kernel starts."""

from functools import partial

import pytest
import small_notebooks
from small_notebooks import PARAMETERS, refused

from nasbook.base.errors import NasbookError
from nasbook.book.running import runner


@pytest.fixture
def notebook(tmp_path):
    """``notebook(*sources)``: the path of a notebook with a parameters cell and one cell for each source."""
    return partial(small_notebooks.write, tmp_path)


def test_parameter_values_are_read_in_the_light_of_their_defaults(notebook, tmp_path):
    pairs = ["SEED=3", "RATE=1e-3", 'OVERRIDES={"epochs": 2, "fast": true}', "NAME=gdas=x", "TITLE=3", "ANY=[1]"]
    given = runner.parse_parameters([*pairs, "OTHER=no literal", "NOTHING="], "lesson")
    more = '\nNAME = ""\nTITLE = "x"\nNOTHING = "x"\nANY = None\nOTHER = None'
    path = notebook("1", parameters=PARAMETERS + more)
    assert runner.prepare(str(path), given, str(tmp_path / "out"), None, False).parameters == {
        "PROFILE": "lesson",
        "SEED": 3,
        "RATE": 1e-3,
        "OVERRIDES": {"epochs": 2, "fast": True},
        "NAME": "gdas=x",
        "TITLE": "3",
        "ANY": [1],
        "OTHER": "no literal",
        "NOTHING": "",
    }


@pytest.mark.parametrize("pairs", [["SEED"], ["=3"], ["SEED=1", "SEED=2"], ["PROFILE=smoke"]])
def test_broken_pairs_are_refused(pairs):
    with pytest.raises(NasbookError):
        runner.parse_parameters(pairs, "smoke")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["-p", "SEEED=1"], "did you mean 'SEED'?"),
        (["-p", "SEED=x"], "where int belongs"),
        (["-p", "SEED=1.5"], "where int belongs"),
        (["-p", "SEED=True"], "where int belongs"),
        (["-p", "SEED=99999999999999999999"], "it must be an integer from 0 to 2**63 - 1"),
        (["-p", "SEED=-1"], "seed is -1"),
        (["-p", "OVERRIDES=[1]"], "where dict belongs"),
        (["--profile", "smok"], "did you mean 'smoke'?"),
        (["--store", "-p", "SEED=1"], "--store"),
        (["--cell-timeout", "0"], "at least 1 second"),
    ],
)
def test_bad_parameters_are_refused_before_a_kernel_starts(notebook, tmp_path, capsys, options, says):
    assert says in refused(capsys, notebook("1"), *options, out=tmp_path / "out")


def test_whole_numbers_pass_for_floats(notebook, tmp_path):
    request = runner.prepare(str(notebook("1")), {"RATE": "1"}, str(tmp_path / "out"), None, False)
    assert request.parameters["RATE"] == 1
    assert request.changed == {"RATE": 1}
    assert request.cell_seconds == runner.CELL_SECONDS["smoke"]


def test_changed_settings_are_another_folder(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("NASBOOK_RUNS", str(tmp_path))

    def folder(**given):
        return runner.prepare(str(notebook("1")), given, None, None, False).out

    assert folder() == folder(OVERRIDES="{}") == tmp_path / "90_tiny-smoke-0"
    assert folder(OVERRIDES="{'a': 1, 'b': 2}") == folder(OVERRIDES='{"b": 2, "a": 1}')
    assert len({folder(), folder(SEED="1"), folder(OVERRIDES="{'a': 1}"), folder(OVERRIDES="{'a': 2}")}) == 4
    plain = notebook("1", parameters="OVERRIDES = 3")
    assert runner.prepare(str(plain), {}, None, None, False).out == tmp_path / "90_tiny-smoke-0"


def test_a_notebook_needs_exactly_one_parameters_cell(notebook, tmp_path, capsys):
    for copies in (0, 2):
        assert f"has {copies} cells tagged" in refused(capsys, notebook(copies=copies), out=tmp_path / "out")


@pytest.mark.parametrize("source", ["SEED = 1 + x", "SEED += 1", "import os", "SEED ="])
def test_a_parameters_cell_holds_literals_only(notebook, tmp_path, capsys, source):
    assert "a name and a literal" in refused(capsys, notebook(parameters=source), out=tmp_path / "out")
