"""A search by controller that is killed at any moment ends, byte for byte, as one that never was."""

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
from nasbook.trials.evaluators import Lookup

SCRIPT = """
import sys, time
import numpy as np
import nasbook as nb
from nasbook.trials.interface import ChildFailed, Evaluator, Outcome
from nasbook.spaces.layers.skip_layers import SkipLayers

class Slow(Evaluator):
    "A noisy score; every seventh child fails; each says how long it took."
    def judge(self, architecture, seed):
        time.sleep(0.02)
        rng = np.random.default_rng(seed)
        if rng.integers(7) == 0:
            raise ChildFailed("unlucky, said the seed", seconds=1.5)
        share = sum(layer.filter == (3, 3) for layer in architecture.layers) / 9
        return Outcome(share + rng.random() / 10, rng.random())
    def description(self):
        return {"kind": "slow"}

nb.trials.run(
    "nas_rl", space=SkipLayers(5, (1, 3), (1, 3), (4, 8)), evaluator=Slow(), seed=3, out=sys.argv[1], evaluations=150,
    replicas=3, children=4, latency=0.2, clock="seconds", depth_start=3, depth_every=60, units=12,
)
"""


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder)],
        env={**os.environ, "NASBOOK_PROGRESS": "off", "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def rows_in(folder):
    path = folder / "evaluations.csv"
    return max(0, path.read_bytes().count(b"\n") - 1) if path.exists() else 0


@pytest.mark.slow
def test_a_search_killed_at_random_moments_ends_as_an_unbroken_one(tmp_path):
    """SIGKILL, three times, after some evaluations of each process; the end must be the same byte for byte."""
    unbroken, broken, rng = tmp_path / "unbroken", tmp_path / "broken", random.Random(1)
    process = start(unbroken)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    seen = [0]
    for _ in range(3):
        process = start(broken)
        until, deadline = seen[-1] + rng.randint(5, 30), time.monotonic() + 120
        while process.poll() is None and rows_in(broken) < until and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(rng.random() * 0.05)
        assert process.poll() is None, "the search was too quick to be killed in its middle"
        process.send_signal(signal.SIGKILL)
        process.communicate()
        seen.append(rows_in(broken))
    assert seen == sorted(seen) and seen[1] > 0 and seen[-1] < 150
    assert not (broken / "trace.csv").exists() and not Run.load(broken).finished
    process = start(broken)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    for name in ("config.json", "evaluations.csv", "trace.csv", "best.json"):
        assert (broken / name).read_bytes() == (unbroken / name).read_bytes(), name
    trace = Run.load(broken).trace
    assert {"reward", "baseline", "entropy", "staleness", "clock", "score", "best"} == set(trace["quantity"])
    assert trace.query("quantity == 'staleness'")["value"].max() > 0


class Stop(BaseException):
    pass


@pytest.mark.parametrize("scheme", [{}, {"synchronous": True}, {"clip": 0.2, "epochs": 2, "latency": 0.5}])
@pytest.mark.parametrize("stop", [0, 1, 11, 12, 13, 39])
def test_a_search_stopped_at_an_evaluation_continues_bit_for_bit(tmp_path, scheme, stop):
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
        settings = {"evaluations": 40, "replicas": 3, "children": 4, "units": 8, **scheme}
        return trials.run("nas_rl", space=table.space, evaluator=evaluator, out=folder, seed=1, **settings)

    counted = Counted(table)
    counted.left, asked[:] = stop, []
    with pytest.raises(Stop):
        run(tmp_path / "broken", counted)
    counted.left, asked[:] = 10**9, []
    whole = run(tmp_path / "whole", Lookup(table))
    again = run(tmp_path / "broken", counted)
    assert len(asked) == 40 - stop
    assert whole.evaluations.equals(again.evaluations) and whole.trace.equals(again.trace)
    assert whole.found == again.found
