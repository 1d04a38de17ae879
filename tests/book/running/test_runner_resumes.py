"""`nasbook run` killed in the middle of a search, and started again, ends as if nothing had happened."""

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import numpy as np
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook

SETTINGS = {"epochs": 12, "cells": 3, "channels": 4, "nodes": 2, "batch_size": 256, "padding": 1}
SOURCES = (
    "import nasbook as nb",
    'data = nb.datasets.load("digits")\nfolder = nb.run_folder("90_tiny", PROFILE, SEED)',
    'run = nb.search("gdas", data=data, profile=PROFILE, seed=SEED, out=folder, **OVERRIDES)',
)


@pytest.fixture
def command(tmp_path):
    """The words of `nasbook run` on a notebook with a small search, but for its --out."""
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    cells = [
        new_code_cell('PROFILE = "smoke"\nSEED = 0\nOVERRIDES = {}', metadata={"tags": ["parameters"]}),
        *map(new_code_cell, SOURCES),
    ]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), tmp_path / "90_tiny.ipynb")
    words = [sys.executable, "-m", "nasbook.book.cli", "run", str(tmp_path / "90_tiny.ipynb")]
    return [*words, "-p", f"OVERRIDES={SETTINGS}", "--out"]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="process groups are a POSIX matter")
def test_a_killed_run_continues_and_ends_the_same(command, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run([*command, str(whole)], check=True, capture_output=True)

    process = subprocess.Popen([*command, str(broken)], start_new_session=True, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if "/12  " in line and (broken / "checkpoint.pt").exists():
            break
    children = psutil.Process(process.pid).children(recursive=True)
    assert children and "  12/12  " not in line
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    psutil.wait_procs(children, timeout=5)
    time.sleep(0.1)
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert json.loads((broken / "manifest.json").read_text(encoding="utf-8"))["status"] == "running"
    assert json.loads((broken / "manifest.json").read_text(encoding="utf-8"))["notebook"]["status"] == "running"

    second = subprocess.run([*command, str(broken)], check=True, capture_output=True, text=True)
    assert "  12/12  " in second.stdout
    assert "Genotype(normal=" in second.stdout
    for name in ("genotype.json", "trace.csv", "margins.csv", "config.json"):
        assert (broken / name).read_text(encoding="utf-8") == (whole / name).read_text(encoding="utf-8"), name
    with np.load(whole / "alphas.npz") as one, np.load(broken / "alphas.npz") as two:
        assert all(np.array_equal(one[key], two[key]) for key in one.files)
