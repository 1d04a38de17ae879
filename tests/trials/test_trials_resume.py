"""A search without a super-net that is stopped at any moment ends, byte for byte, as one that never was."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from tables import TinyTable

from nasbook import trials
from nasbook.runs.run import Run
from nasbook.spaces.tokens import Product
from nasbook.trials.evaluators import Function, Lookup

SCRIPT = """
import sys, time
import numpy as np
import nasbook as nb
from nasbook.trials.interface import ChildFailed, Evaluator, Outcome
from nasbook.spaces.blocks.pnas_cells import PnasCells
from nasbook.spaces.tokens import Product

class Slow(Evaluator):
    "A noisy score, better after more epochs; every seventh child fails."
    fidelities, epochs = (1, 2, 4), 4
    def at(self, epochs, since=0):
        fewer = Slow()
        fewer.epochs = epochs
        return fewer
    def judge(self, architecture, seed):
        time.sleep(0.02)
        rng = np.random.default_rng(seed)
        if rng.integers(7) == 0:
            raise ChildFailed("unlucky, said the seed", seconds=1.5)
        return Outcome(sum(map(ord, str(architecture))) % 500 / 600 + self.epochs * rng.random() / 40, rng.random())
    def description(self):
        return {"kind": "slow"}

method, folder, batch = sys.argv[1:]
space, settings = Product((tuple("abcd"),) * 5), {}
if method in ("evolution", "random_search"):
    settings = {"batch": int(batch)}
if method == "successive_halving":
    settings = {"arms": int(batch)}
if method == "pnas":
    space = PnasCells(3, ("sep_conv_3x3", "max_pool_3x3", "skip_connect"))
    settings = {"beam": int(batch), "units": 6, "steps": 10}
nb.trials.run(method, space=space, evaluator=Slow(), seed=3, out=folder, evaluations=120, **settings)
"""


def start(method, folder, batch):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, method, str(folder), str(batch)],
        env={**os.environ, "NASBOOK_PROGRESS": "off", "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def rows_in(folder):
    path = folder / "evaluations.csv"
    return max(0, path.read_bytes().count(b"\n") - 1) if path.exists() else 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "batch"),
    [("evolution", 1), ("random_search", 5), ("pnas", 50), ("successive_halving", 10), ("hyperband", 1),
     ("local_search", 1), ("tpe", 1)],
)  # fmt: skip
def test_a_search_killed_at_random_moments_ends_as_an_unbroken_one(tmp_path, method, batch):
    """SIGKILL, three times, after some evaluations of each process; the end must be the same byte for byte.

    ``batch`` is the beam of PNAS, whose levels hold 21, 50 and 49 evaluations, and the arms of successive halving.
    """
    unbroken, broken, rng = tmp_path / "unbroken", tmp_path / "broken", random.Random(batch)
    process = start(method, unbroken, batch)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    seen = [0]
    for _ in range(3):
        process = start(method, broken, batch)
        until, deadline = seen[-1] + rng.randint(5, 30), time.monotonic() + 120
        while process.poll() is None and rows_in(broken) < until and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(rng.random() * 0.03)
        assert process.poll() is None, "the search was too quick to be killed in its middle"
        process.send_signal(signal.SIGKILL)
        process.communicate()
        seen.append(rows_in(broken))
    assert seen == sorted(seen) and seen[1] > 0 and seen[-1] < 120
    assert not (broken / "trace.csv").exists() and not Run.load(broken).finished
    process = start(method, broken, batch)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    for name in ("config.json", "evaluations.csv", "trace.csv", "best.json"):
        assert (broken / name).read_bytes() == (unbroken / name).read_bytes(), name
    assert Run.load(broken).finished and len(Run.load(broken).evaluations) == 120


class Stop(BaseException):
    pass


@pytest.mark.parametrize(("method", "batch"), [("evolution", 1), ("evolution", 4), ("random_search", 3)])
@pytest.mark.parametrize("stop", [0, 1, 9, 10, 11, 39])
def test_a_search_stopped_at_an_evaluation_continues_bit_for_bit(tmp_path, method, batch, stop):
    table, asked = TinyTable(), []

    class Counted(Lookup):
        left = 10**9

        def judge(self, architecture, seed):
            asked.append(architecture)
            if self.left == 0:
                raise Stop
            self.left -= 1
            return super().judge(architecture, seed)

    def run(folder, evaluator):
        settings = {"evaluations": 40, "batch": batch}
        return trials.run(method, space=table.space, evaluator=evaluator, out=folder, seed=1, **settings)

    counted = Counted(table, seed=None)
    counted.left, asked[:] = stop, []
    with pytest.raises(Stop):
        run(tmp_path / "broken", counted)
    counted.left, asked[:] = 10**9, []
    whole = run(tmp_path / "whole", Lookup(table, seed=None))
    again = run(tmp_path / "broken", counted)
    assert len(asked) == 40 - stop
    assert whole.evaluations.equals(again.evaluations) and whole.trace.equals(again.trace)
    assert whole.found == again.found


def test_two_processes_never_write_one_folder(tmp_path):
    def during(architecture):
        second = start("random_search", tmp_path, 1)
        _, said = second.communicate(timeout=300)
        assert second.returncode == 2 and "another process is writing" in said
        return 0.5

    space = Product((("a", "b", "c", "d"),) * 5)
    run = trials.run("random_search", space=space, evaluator=Function(during, "during"), out=tmp_path, evaluations=1)
    assert run.finished
