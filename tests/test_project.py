"""The project as its user meets it: requirements that agree, and a README whose commands run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from nasbook import runner

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
README = (ROOT / "README.md").read_text()
REQUIRED = [Requirement(text) for text in PROJECT["dependencies"]]
TEST = [Requirement(text) for text in PROJECT["optional-dependencies"]["test"]]
CONDA_NAMES = {"torch": "pytorch", "graphviz": "python-graphviz", "matplotlib": "matplotlib-base"}
CARD = {"torch", "torchvision", "jupyterlab", "matplotlib", "seaborn", "ipywidgets", "graphviz", "nbval", "papermill"}


def constraints():
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def test_every_requirement_has_a_tested_version_within_its_range():
    pinned = constraints()
    assert {r.name for r in REQUIRED} >= CARD
    for requirement in REQUIRED + TEST:
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} does not admit {version}"
        assert not any(clause.operator == "==" for clause in requirement.specifier)
    assert (pinned["torch"], pinned["torchvision"]) == ("2.14.1", "0.29.1")
    assert not Requirement("torch>=2.11").specifier.contains("2.10.9")
    assert next(r for r in REQUIRED if r.name == "torch").specifier == Requirement("torch>=2.11").specifier


def test_constraints_hold_names_and_versions_only():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line), line


def test_the_conda_environment_asks_for_the_same():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert [c for c in environment["channels"] if c != "nodefaults"] == ["conda-forge"]
    lines = [line for line in environment["dependencies"] if isinstance(line, str)]
    asked = {r.name: r for r in map(Requirement, lines)}
    assert {"pip": ["-e ."]} in environment["dependencies"]
    assert {"python-graphviz", "graphviz"} <= set(asked)
    assert str(asked["python"].specifier) == PROJECT["requires-python"]
    # the browser tests skip without playwright, whose browsers conda does not bring
    for requirement in [*REQUIRED, *(r for r in TEST if r.name != "playwright")]:
        name = CONDA_NAMES.get(requirement.name, requirement.name)
        assert asked[name].specifier == requirement.specifier, name


def test_the_tested_set_is_what_runs_here():
    import torch

    assert torch.__version__.split("+")[0] == constraints()["torch"] or os.environ.get("CI") is None


def commands():
    blocks = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


def test_the_readme_names_its_two_commands_first():
    assert commands()[:2] == ["make run", "make test"]
    assert README.index("![") < README.index("```bash")


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", README))))
def test_links_of_the_readme_lead_somewhere(link):
    assert (ROOT / link).exists()


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith(".venv/bin/nasbook")])
def test_nasbook_commands_of_the_readme_run(command, tmp_path):
    words = shlex.split(command)[1:]
    if words[0] == "run":
        arguments = dict(zip(words[2::2], words[3::2]))
        given = runner.parse_parameters([arguments["-p"]], arguments["--profile"])
        request = runner.prepare(words[1], given, str(tmp_path / arguments["--out"]), None, store=False)
        assert request.parameters == {"OVERRIDES": {}, **given}
        return
    done = subprocess.run([sys.executable, "-m", "nasbook.cli", *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.slow
def test_make_run_of_the_readme(tmp_path):
    """``make run`` as written, with this environment in place of .venv: it installs nothing a second time."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed; the README gives the way without it")
    ready = tmp_path / "ready"
    ready.touch()
    binaries = Path(sys.executable).parent
    done = subprocess.run(
        ["make", "run", f"BIN={binaries}", f"READY={ready}", f"RUNS={tmp_path / 'runs'}"],
        cwd=ROOT, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Installing" not in done.stdout
    assert "Genotype(normal=[(" in done.stdout
    folder = tmp_path / "runs" / "00_start_here"
    for name in ("notebook.ipynb", "genotype.json", "figures/cell_normal.png", "manifest.json", "trace.csv"):
        assert (folder / name).stat().st_size > 0, name


def test_make_targets_exist():
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for target in ("run", "test", "lab", "notebooks", "lint"):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    environment = {**os.environ, "NASBOOK_PROGRESS": "off"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Genotype(normal=[(")
    assert (tmp_path / "runs" / "gdas-0-train" / "manifest.json").exists()


def test_importing_the_package_is_quick_and_leaves_torch_alone():
    code = (
        "import sys, nasbook, nasbook.cli, nasbook.drawing, nasbook.runs, nasbook.spaces.genotypes\n"
        "nasbook.genotypes['DARTS_V2']\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr
