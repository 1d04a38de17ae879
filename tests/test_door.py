"""What meets a newcomer: an installation by uv or pip, a map of chapters that are there, and metadata that agree."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import nasbook
from nasbook.book import chapters
from nasbook.book.running import notebook_files

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PINS = [
    line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
]


def prose(path):
    return "\n\n".join(cell.source for cell in notebook_files.read(path).cells if cell.cell_type == "markdown")


def program(path, *lines):
    path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def install(tmp_path):
    """``install(uv=, pip_has_uv=)``: what ``make`` asks of uv and of pip, in order; both only note it here.

    ``uv`` says what the uv on PATH does: None (there is none), "works" or "fails".
    """
    if shutil.which("make") is None or os.name != "posix":
        pytest.skip("needs make and a POSIX shell")
    log, on_path, binaries = tmp_path / "log", tmp_path / "path", tmp_path / "bin"
    on_path.mkdir()
    binaries.mkdir()
    for name in ("make", "sh", "touch", "test", "cp", "echo"):
        (on_path / name).symlink_to(shutil.which(name))
    says = f'echo "uv $*" >> {log}'

    def install(uv=None, pip_has_uv=True):
        if uv:
            program(on_path / "uv", says, "exit 0" if uv == "works" else "exit 2")
        program(tmp_path / "new-uv", says)
        brings = f"cp {tmp_path / 'new-uv'} {binaries / 'uv'}" if pip_has_uv else "exit 1"
        asked_for_uv = f'case "$*" in *" uv") {brings};; esac'
        program(binaries / "python", f'echo "pip $*" >> {log}', asked_for_uv, "exit 0")
        ready = tmp_path / "ready"
        done = subprocess.run(
            [on_path / "make", ready, f"READY={ready}", f"BIN={binaries}", f"PYTHON={sys.executable}"],
            cwd=ROOT, env={"PATH": str(on_path)}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0 and ready.exists(), done.stdout + done.stderr
        calls = log.read_text(encoding="utf-8").splitlines()
        assert all("-c constraints.txt" in call for call in calls)
        return [(call.split()[0], call.split()[-1]) for call in calls]

    return install


def test_make_takes_the_uv_that_is_there(install):
    assert install("works") == [("uv", ".[test]")]


def test_make_gets_uv_by_pip_where_there_is_none(install):
    assert install() == [("pip", "uv"), ("uv", ".[test]")]
    assert any(line.startswith("uv==") for line in PINS)


def test_make_falls_back_to_pip_where_uv_fails(install):
    assert install("fails") == [("uv", ".[test]"), ("pip", ".[test]")]


def test_make_falls_back_to_pip_where_uv_cannot_be_had(install):
    assert install(pip_has_uv=False) == [("pip", "uv"), ("pip", ".[test]")]


def test_uv_run_reads_the_tested_versions():
    assert PYPROJECT["tool"]["uv"]["constraint-dependencies"] == PINS


def test_uv_run_finds_the_command_in_a_checkout():
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    if uv is None:
        pytest.skip("uv is not installed")
    done = subprocess.run(
        [uv, "run", "--no-sync", "--offline", "nasbook", "--version"], cwd=ROOT,
        env={**os.environ, "UV_PROJECT_ENVIRONMENT": sys.prefix}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout == f"nasbook {PROJECT['version']}\n", done.stderr
    assert "warning" not in done.stderr, done.stderr


def test_the_widgets_that_vs_code_does_not_show_are_left_out():
    asked = next(text for text in PROJECT["dependencies"] if text.startswith("ipywidgets"))
    assert "!=8.1.9" in asked and "ipywidgets==8.1.9" not in PINS


def test_every_python_of_the_classifiers_is_tested():
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert named[0] == PROJECT["requires-python"].removeprefix(">=")
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    for job in jobs.values():
        assert job["strategy"]["matrix"]["python"] == named


def test_a_weekly_workflow_tests_the_newest_releases():
    flow = yaml.safe_load((ROOT / ".github/workflows/newest.yml").read_text(encoding="utf-8"))
    # YAML 1.1 reads the key "on" as true
    assert re.fullmatch(r"\d+ \d+ \* \* \d", flow[True]["schedule"][0]["cron"])
    job = flow["jobs"]["make"]
    steps = [step.get("run", "") for step in job["steps"]]
    assert any("make" in step and step.endswith("TESTED=") for step in steps) and "make test" in steps[-1]
    assert job["env"]["UV_NO_CONFIG"] == "1" and "--pre" in job["strategy"]["matrix"]["torch"]


def test_the_version_is_one():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0" and citation["license"] == PROJECT["license"]
    assert all(citation[key] for key in ("message", "title", "authors"))
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\d+\.\d+\.\d+)", changes, flags=re.MULTILINE)[1]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    quoted = re.search(r"^> The nasbook authors.* Version (\S+)\.$", readme, flags=re.MULTILINE)[1]
    assert {citation["version"], newest, quoted, nasbook.__version__} == {PROJECT["version"]}
    assert citation["title"] in readme


def test_every_name_on_the_face_leads_somewhere():
    assert {"arena", "benchmarks", "search", "train"} <= set(nasbook.__all__) <= set(dir(nasbook))
    for name in nasbook.__all__:
        assert getattr(nasbook, name) is not None, name


def test_type_checkers_are_told_that_the_package_is_typed():
    assert (ROOT / "nasbook" / "py.typed").exists()
    assert "py.typed" in PYPROJECT["tool"]["setuptools"]["package-data"]["nasbook"]


def test_the_list_of_chapters_is_the_folder_of_notebooks():
    assert list(chapters.CHAPTERS) == [path.stem for path in NOTEBOOKS]
    covered = [number for numbers, _ in chapters.PARTS.values() for number in numbers]
    assert covered == list(range(1, 23))


def test_the_readme_and_notebook_00_show_the_list_of_chapters():
    again = "run `python -m nasbook.book.chapters`"
    assert chapters.readme_table() + "\n\n" in (ROOT / "README.md").read_text(encoding="utf-8"), again
    assert chapters.map_table() + "\n\n" in prose(ROOT / "notebooks" / "00_start_here.ipynb"), again


def test_writing_the_tables_replaces_old_rows(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    for name in ("README.md", "notebooks/00_start_here.ipynb"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "09_enas" in text
        (tmp_path / name).write_text(text.replace("09_enas.ipynb", "99_gone.ipynb"), encoding="utf-8")
    monkeypatch.setattr(chapters, "repository", lambda: tmp_path)
    chapters.main()
    for name in ("README.md", "notebooks/00_start_here.ipynb"):
        assert (tmp_path / name).read_text(encoding="utf-8") == (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_between_notebooks_lead_somewhere(path):
    links = [link for link in re.findall(r"\]\(([^)#\s]+)\)", prose(path)) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_notebook_00_sends_beginners_to_01_and_practitioners_to_11():
    text = prose(ROOT / "notebooks" / "00_start_here.ipynb")
    map_, next_ = text.split("## The map")[1].split("## Your machine")[0], text.split("## Where to go next")[1]
    for part in (map_.split(chapters.map_table())[1], next_):
        assert re.search(r"[Nn]ew to the subject.*?\]\(01_markov_chains\.ipynb\)", part)
        assert re.search(r"to search.*?\]\(11_darts\.ipynb\)", part)


def test_chapters_of_unwritten_parts_have_no_row(monkeypatch):
    monkeypatch.setattr(chapters, "CHAPTERS", {"17_cells": ("Recurrent cells", "they remember")})
    question = chapters.PARTS["IV Judging"][1]
    rows = [f"| IV Judging | [17 Recurrent cells](17_cells.ipynb) | {question} |"]
    assert chapters.map_table().splitlines()[2:] == rows
    assert chapters.readme_table().splitlines()[2:] == [
        "| 17 | [Recurrent cells](notebooks/17_cells.ipynb) | they remember |"
    ]
