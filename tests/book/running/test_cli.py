"""The command line: one sentence for every mistake, and the right function behind every command."""

import json
import subprocess
import sys

import pytest

from nasbook.base.errors import NasbookError
from nasbook.book import cli
from nasbook.book.cli import main
from nasbook.book.running import notebook_files


def sentence(capsys, *argv):
    assert main(list(argv)) == 2
    error = capsys.readouterr().err
    assert error.startswith("nasbook: ") and error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["rum", "14"], "did you mean 'run'?"),
        (["run", "14", "--profil", "smoke"], "did you mean '--profile'?"),
        (["run", "14", "--profil=smoke"], "did you mean '--profile'?"),
        (["run"], "NAME"),
        (["run", "14", "15"], "does not take '15'"),
        (["run", "14", "--cell-timeout", "soon"], "invalid int value: 'soon'"),
        (["run", "14", "--out"], "expected one argument"),
        (["data", "verfy", "digits"], "did you mean 'verify'?"),
        (["data", "get"], "NAME"),
        (["data"], "ACTION"),
        (["doctor", "--fix"], "unknown option"),
        (["--verson"], "did you mean '--version'?"),
        (["run", "nothing_like_it_at_all"], "unknown notebook"),
        (["data", "get", "cifar11"], "did you mean 'cifar10'?"),
    ],
)
def test_mistakes_get_one_sentence(capsys, argv, says, tmp_path, monkeypatch):
    monkeypatch.setattr(notebook_files, "repository", lambda: tmp_path)
    assert says in sentence(capsys, *argv)


@pytest.mark.parametrize("argv", [[], ["--help"], ["run", "--help"], ["data", "--help"], ["--version"]])
def test_help_is_help(capsys, argv):
    assert main(argv) == 0
    assert "nasbook" in capsys.readouterr().out


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "nasbook", "data", "lst"], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("nasbook: ") and "did you mean 'list'?" in done.stderr


def test_help_does_not_load_torch():
    code = "import sys; from nasbook.book.cli import main; main(['--help']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_ctrl_c_is_one_line(monkeypatch, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setitem(cli._COMMANDS, "doctor", interrupted)
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "nasbook: stopped\n"


def test_data_commands_reach_the_catalogue(monkeypatch, capsys):
    from nasbook.datasets import catalogue

    monkeypatch.setattr(catalogue, "get", lambda name: f"got {name}")
    monkeypatch.setattr(catalogue, "verify", lambda name: f"verified {name}")
    assert main(["data", "get", "cifar10"]) == 0
    assert main(["data", "verify", "digits"]) == 0
    assert capsys.readouterr().out == "got cifar10\nverified digits\n"

    def damaged(name):
        raise NasbookError("wrong checksum")

    monkeypatch.setattr(catalogue, "verify", damaged)
    assert sentence(capsys, "data", "verify", "digits") == "nasbook: wrong checksum\n"


def test_data_list_names_every_set_and_its_place(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("NASBOOK_DATA", str(tmp_path))
    assert main(["data", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["cifar10-sample", "ready"],
        ["cifar10", "missing"],
        ["cifar100", "missing"],
        ["digits", "ready"],
        ["cellbench", "ready"],
        ["nasbench201", "ready"],
    ]
    assert "nasbook data get cifar100" in lines[2]


def test_lab_opens_this_environments_jupyterlab(monkeypatch, tmp_path):
    notebook = tmp_path / "notebooks" / "00_start_here.ipynb"
    notebook.parent.mkdir()
    notebook.write_text("{}")
    monkeypatch.setattr(notebook_files, "repository", lambda: tmp_path)
    opened = []
    monkeypatch.setattr(cli.os, "execv", lambda program, command: opened.append(command) or sys.exit(0))
    monkeypatch.setattr(cli.subprocess, "call", lambda command: opened.append(command) or 0)
    expected = [sys.executable, "-m", "jupyterlab", str(notebook)]
    assert main(["lab"]) == 0 and main(["lab", "00_start_here"]) == 0
    assert opened == [expected, expected]


def test_the_ending_shows_the_cell_and_the_places(tmp_path, monkeypatch):
    from nasbook.spaces.genotypes import catalogue

    folder = tmp_path / "runs" / "gdas"
    (folder / "figures").mkdir(parents=True)
    (folder / "notebook.ipynb").write_text(json.dumps({}))
    (folder / "genotype.json").write_text(catalogue["DARTS_V2"].to_json())
    for suffix in ("png", "svg"):
        (folder / "figures" / f"cell_normal.{suffix}").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    lines = cli.ending(folder).splitlines()
    assert lines[0] == str(catalogue["DARTS_V2"])
    assert "skip_connect" in lines[1] and lines[1].endswith(".")
    assert [line.split()[-1] for line in lines[2:]] == [
        "runs/gdas/notebook.ipynb",
        "runs/gdas",
        "runs/gdas/figures/cell_normal.svg",
    ]


def test_the_ending_of_a_run_without_a_search(tmp_path):
    assert [line.split(":")[0] for line in cli.ending(tmp_path).splitlines()] == ["notebook", "run folder"]
