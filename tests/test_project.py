"""The project as its user meets it: requirements that agree, and a README whose commands run."""

import json
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from nasbook.book import cli
from nasbook.book.running import runner

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
REQUIRED = [Requirement(text) for text in PROJECT["dependencies"]]
TEST = [Requirement(text) for text in PROJECT["optional-dependencies"]["test"]]
CONDA_NAMES = {"torch": "pytorch", "graphviz": "python-graphviz", "matplotlib": "matplotlib-base"}
CARD = {"torch", "torchvision", "jupyterlab", "matplotlib", "seaborn", "ipywidgets", "graphviz", "nbval", "papermill"}


def constraints():
    lines = [
        line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
    ]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def test_no_file_is_longer_than_three_hundred_lines():
    files = [path for folder in ("nasbook", "tests", "benchmarks", "data") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 300
    long = {str(path.relative_to(ROOT)) for path in files if len(path.read_text(encoding="utf-8").splitlines()) > 300}
    assert not long


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
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line), line


def test_the_conda_environment_asks_for_the_same():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert [c for c in environment["channels"] if c != "nodefaults"] == ["conda-forge"]
    lines = [line for line in environment["dependencies"] if isinstance(line, str)]
    asked = {r.name: r for r in map(Requirement, lines)}
    assert {"pip": ["-e ."]} in environment["dependencies"]
    # conda's graphviz brings dot; `-e .` brings the wheel of pygraphviz, which carries its own Graphviz
    assert {"python-graphviz", "graphviz"} <= set(asked) and "pygraphviz" not in asked
    assert str(asked["python"].specifier) == PROJECT["requires-python"]
    # the browser tests skip without playwright, whose browsers conda does not bring
    for requirement in [r for r in REQUIRED + TEST if r.name not in ("playwright", "pygraphviz")]:
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


LINES = [shlex.split(command)[1:] for command in commands() if command.startswith(".venv/bin/nasbook")]
SMOKE = [words for words in LINES if words[0] == "run" and "smoke" in words]
LARGER = [words for words in LINES if words[0] == "run" and "smoke" not in words]


def nasbook(words, folder):
    done = subprocess.run(
        [sys.executable, "-m", "nasbook", *words], cwd=folder, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("words", [words for words in LINES if words[0] != "run"], ids=" ".join)
def test_nasbook_commands_of_the_readme_run(words, tmp_path):
    assert nasbook(words, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("words", SMOKE, ids=" ".join)
def test_smoke_runs_of_the_readme_end_with_a_cell_and_its_folder(words, tmp_path):
    said = nasbook(words, tmp_path)
    out = tmp_path / words[words.index("--out") + 1]
    assert "Genotype(normal=[(" in said and f"run folder: {out.relative_to(tmp_path)}" in said
    assert json.loads((out / "manifest.json").read_text(encoding="utf-8"))["notebook"]["status"] == "finished"


@pytest.mark.parametrize("words", LARGER, ids=" ".join)
def test_larger_runs_of_the_readme_are_ready_to_start(words, tmp_path):
    arguments = cli._parse(words)
    given = runner.parse_parameters(arguments.parameters, arguments.profile)
    request = runner.prepare(arguments.name, given, str(tmp_path / arguments.out), None, store=False)
    assert {name: str(request.parameters[name]) for name in given} == given


def test_the_readme_shows_a_smoke_run_and_a_larger_one():
    assert SMOKE and LARGER


@pytest.mark.slow
def test_make_run_of_the_readme(tmp_path):
    """``make run`` as written, with this environment in place of .venv: it installs nothing a second time,
    takes less than a minute and leaves the checkout as it was.

    The minute is the processor's: by the clock it would measure what else the machine is doing."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed; the README gives the way without it")
    ready = tmp_path / "ready"
    ready.touch()
    binaries = Path(sys.executable).parent
    before, used = changes(), resource.getrusage(resource.RUSAGE_CHILDREN)
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
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert spent.ru_utime + spent.ru_stime - used.ru_utime - used.ru_stime < 60
    assert changes() == before


def changes():
    """What git says has changed in the checkout; None where there is no git or no checkout."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        return None
    return subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, check=True).stdout


@pytest.mark.parametrize(("value", "status"), [("required", 1), ("", 0)])
def test_browser_tests_without_a_browser_fail_where_one_is_required(value, status, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/browser/test_00.py"],
        cwd=ROOT, env={**os.environ, "PATH": "", "NASBOOK_BROWSER": value}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == status, done.stdout
    assert ("1 error" if status else "1 skipped") in done.stdout
    assert "to enable the browser tests" in done.stdout


def test_make_targets_exist():
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for target in ("run", "test", "lab", "notebooks", "lint"):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path):
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
    environment = {**os.environ, "NASBOOK_PROGRESS": "off"}
    labels = np.arange(120) % 2
    images = np.random.default_rng(0).integers(0, 256, (120, 3, 16, 16), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "labels.npy", labels)
    for number, (image, label) in enumerate(zip(images, labels)):
        (tmp_path / "photos" / ("cat", "dog")[label]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / "photos" / ("cat", "dog")[label] / f"{number}.png")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Genotype(normal=[(")
    for name in ("gdas-0-train", "photos-train", "mine"):
        assert (tmp_path / "runs" / name / "manifest.json").exists()
    assert re.search(r"^\|\w+~0\|\S+ \d\.\d+ of at most \d\.\d+$", done.stdout, flags=re.MULTILINE)


def test_importing_the_package_is_quick_and_leaves_torch_alone():
    code = (
        "import sys, nasbook, nasbook.book.cli, nasbook.drawing, nasbook.runs, nasbook.spaces.genotypes\n"
        "nasbook.genotypes['DARTS_V2']\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False", done.stderr


def test_the_decisions_import_in_a_second_without_torch_or_drawing():
    """Every public name, in seconds of the processor, so that a busy machine does not decide."""
    code = (
        "import sys, time; begun = time.process_time(); import nasbook.decisions as d\n"
        "[getattr(d, name) for name in d.__all__]; took = time.process_time() - begun\n"
        "print(took, sorted({'torch', 'matplotlib', 'ipywidgets', 'nasbook.drawing'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    took, _, loaded = done.stdout.strip().partition(" ")
    assert float(took) < 1 and loaded == "[]", done.stderr
