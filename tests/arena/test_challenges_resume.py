"""The open arena in a folder: a challenge that was left or killed at any moment goes on, and pays nothing twice."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from counted import cell, counted_table
from filelock import FileLock

import nasbook as nb
from nasbook.runs.journal import read
from nasbook.trials.ledger import BudgetSpent

ORDER = [3, 1, 4, 1, 5, 2, 6, 5]
"""Skips of the cells that are proposed, with repetitions."""

FILES = ("config.json", "evaluations.csv", "trace.csv", "best.json")


def start(folder, table=None, **settings):
    settings = {"budget": len(ORDER), "seed": 3, **settings}
    return nb.arena.open(table or counted_table(told=0.1), out=folder, **settings)


def play(arena, order=ORDER):
    return [arena.propose(cell(skips)) for skips in order]


@pytest.fixture
def whole(tmp_path):
    """The folder and the scores of a challenge that nobody interrupted."""
    arena = start(tmp_path / "whole")
    return tmp_path / "whole", play(arena), arena


@pytest.mark.parametrize("done", range(len(ORDER) + 1))
def test_one_who_remembers_goes_on_where_it_was_left(whole, tmp_path, done):
    _, scores, unbroken = whole
    with start(tmp_path / "run") as arena:
        play(arena, ORDER[:done])
    again = start(tmp_path / "run")
    assert again.spent == done and again.remaining == len(ORDER) - done
    assert again.history["score"].tolist() == scores[:done]
    if 0 < done < len(ORDER):
        assert ORDER[done] != ORDER[0]
        assert play(again, ORDER[done:]) == scores[done:]
    if done:
        assert again.spent == len(ORDER) and again.summary() == unbroken.summary()
        for name in FILES:
            assert (tmp_path / "run" / name).read_bytes() == (whole[0] / name).read_bytes(), name


@pytest.mark.parametrize("done", range(len(ORDER) + 1))
def test_one_who_begins_again_is_answered_from_the_journal(whole, tmp_path, done):
    _, scores, unbroken = whole
    with start(tmp_path / "run") as arena:
        play(arena, ORDER[:done])
    again = start(tmp_path / "run")
    assert again.ahead == done
    assert play(again) == scores
    assert again.spent == len(ORDER) and again.ahead == 0 and again.summary() == unbroken.summary()
    for name in FILES:
        assert (tmp_path / "run" / name).read_bytes() == (whole[0] / name).read_bytes(), name


def test_what_departs_from_the_journal_goes_on_behind_it(tmp_path):
    with start(tmp_path) as arena:
        play(arena, [3, 1, 4])
    with start(tmp_path) as again:
        assert play(again, [3]) and (again.spent, again.ahead) == (3, 2)
        play(again, [2])
        assert (again.spent, again.ahead) == (4, 0)
        play(again, [1])
        assert (again.spent, again.ahead) == (5, 0)
    assert [row.architecture.count("skip") for row in read(tmp_path / "evaluations.csv")] == [3, 1, 4, 2, 1]


def test_a_bad_proposal_does_not_depart_from_the_journal(tmp_path):
    with start(tmp_path) as arena:
        scores = play(arena, [3, 1])
    again = start(tmp_path)
    with pytest.raises(nb.arena.NoCell):
        again.propose("nonsense")
    assert play(again, [3, 1]) == scores and again.spent == 2


def test_each_score_is_in_the_journal_before_it_is_told(tmp_path):
    arena = start(tmp_path)
    for number, skips in enumerate(ORDER, 1):
        score = arena.propose(cell(skips))
        assert [row.score for row in read(tmp_path / "evaluations.csv")][-1] == score
        assert len(read(tmp_path / "evaluations.csv")) == number


def test_a_finished_challenge_is_a_run_and_is_only_read(whole):
    folder, scores, _ = whole
    run = nb.Run.load(folder)
    assert run.finished and run.evaluations["score"].tolist() == scores and run.best == whole[2].best.architecture
    assert run.last("search", "best") == max(scores) and "ask-and-tell" in repr(run)
    assert run._repr_mimebundle_()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    again = start(folder)
    assert play(again) == scores
    with pytest.raises(BudgetSpent):
        again.propose(cell(0))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_killed_between_the_last_score_and_the_end_it_ends_when_opened(whole, tmp_path):
    with start(tmp_path / "run") as arena:
        play(arena, ORDER[:-1])
    lines = (whole[0] / "evaluations.csv").read_text().splitlines(keepends=True)
    (tmp_path / "run" / "evaluations.csv").write_text("".join(lines))
    assert not nb.Run.load(tmp_path / "run").finished
    start(tmp_path / "run")
    for name in FILES:
        assert (tmp_path / "run" / name).read_bytes() == (whole[0] / name).read_bytes(), name
    assert nb.Run.load(tmp_path / "run").finished


def test_half_a_line_is_scored_again(whole, tmp_path, capfd):
    with start(tmp_path / "run") as arena:
        play(arena, ORDER[:4])
    path = tmp_path / "run" / "evaluations.csv"
    path.write_bytes(path.read_bytes()[:-5])
    again = start(tmp_path / "run")
    assert again.spent == 3 and play(again) == whole[1]
    assert "half a line" in capfd.readouterr().err


def test_a_full_disk_loses_nothing_and_the_folder_goes_on(whole, tmp_path):
    resource = pytest.importorskip("resource")
    limits, path = resource.getrlimit(resource.RLIMIT_FSIZE), tmp_path / "run" / "evaluations.csv"
    arena = start(tmp_path / "run")
    play(arena, ORDER[:3])
    before = path.read_bytes()
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 9, limits[1]))
        with pytest.raises(nb.NasbookError, match=r"cannot write .*; free space"):
            arena.propose(cell(ORDER[3]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    with pytest.raises(nb.NasbookError, match="this arena was closed"):
        arena.propose(cell(ORDER[3]))
    assert arena.spent == 3 and path.read_bytes().startswith(before)
    assert play(start(tmp_path / "run"), ORDER[3:]) == whole[1][3:]
    assert path.read_bytes() == (whole[0] / "evaluations.csv").read_bytes()


# --- whose folder it is


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"budget": 9}, "budget: 8 there, 9 now"),
        ({"seed": 4}, "seed: 3 there, 4 now"),
        (
            {"told": "the truth"},
            "evaluator: 'counted table, valid .* drawn anew each time' there, 'counted table, test",
        ),
        ({"judged": {"seed": 1}}, "judged: 'test accuracy after 4 epochs, mean over trainings' there, .*, seed 1' now"),
        ({"table": counted_table(told=0.1, name="another")}, "evaluator: 'counted table, .* there, 'another, "),
        ({"table": counted_table(told=0.2)}, "scores: '[0-9a-f]{64}' there"),
    ],
    ids=["budget", "seed", "told", "judged", "table", "scores"],
)
def test_a_folder_of_another_challenge_is_refused(tmp_path, other, says):
    with start(tmp_path) as arena:
        play(arena, [1])
    before = (tmp_path / "evaluations.csv").read_bytes()
    with pytest.raises(nb.NasbookError, match=says) as caught:
        start(tmp_path, **other)
    assert "choose another folder" in str(caught.value) and (tmp_path / "evaluations.csv").read_bytes() == before


def test_a_folder_of_a_search_is_refused(tmp_path):
    table = counted_table()
    nb.trials.run("random_search", space=table.space, evaluator=nb.evaluators.Lookup(table), out=tmp_path)
    with pytest.raises(nb.NasbookError, match="method: 'random_search' there, 'ask-and-tell' now"):
        start(tmp_path, table)


def test_a_folder_that_another_process_writes_is_refused(tmp_path):
    start(tmp_path).close()
    with FileLock(tmp_path / ".lock"), pytest.raises(nb.NasbookError, match="another process is writing"):
        start(tmp_path)


def test_a_notebooks_cell_that_is_run_again_opens_its_folder_again(tmp_path):
    first = start(tmp_path)
    play(first, [3])
    second = start(tmp_path / ".." / tmp_path.name)
    assert second.spent == 1 and play(second, [2]) and second.spent == 2
    with pytest.raises(nb.NasbookError, match="its folder opened again"):
        play(first, [1])
    assert len(read(tmp_path / "evaluations.csv")) == 2


@pytest.mark.parametrize("damage", ["stranger", "more", "fewer", "word", "gone"])
def test_a_damaged_journal_is_refused(whole, tmp_path, damage):
    folder = whole[0]
    path = folder / "evaluations.csv"
    lines = path.read_text().splitlines(keepends=True)
    if damage == "stranger":
        path.write_text("".join(lines).replace("skip_connect", "nor_conv_3x3"))
    elif damage == "more":
        path.write_text("".join([*lines, lines[-1].replace("7,", "8,", 1)]))
    elif damage == "fewer":
        path.write_text("".join(lines[:-1]))
    elif damage == "word":
        path.write_text("".join(lines).replace("0.", "x", 1))
    else:
        path.unlink()
    says = {"word": "is damaged in line", "gone": "cannot read"}.get(damage, "does not hold what was scored here")
    with pytest.raises(nb.NasbookError, match=says):
        start(folder)


# --- SIGKILL

SCRIPT = """
import sys, time
import numpy as np
import nasbook as nb
rng = np.random.default_rng(2)
arena = nb.arena.open("cellbench", budget=60, seed=1, out=sys.argv[1])
for _ in range(60):
    score = arena.propose(rng.integers(3, size=6))
    rng = np.random.default_rng(int(score * 1e9))  # what comes next depends on what was told
    time.sleep(0.01)
"""


def begin(folder):
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder)], stderr=subprocess.PIPE, text=True)


def rows_in(folder):
    path = folder / "evaluations.csv"
    return max(0, path.read_bytes().count(b"\n") - 1) if path.exists() else 0


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_program_killed_at_random_moments_ends_as_an_unbroken_one(tmp_path):
    process = begin(tmp_path / "unbroken")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    seen, rng = [0], random.Random(0)
    for _ in range(3):
        process = begin(tmp_path / "broken")
        until, deadline = seen[-1] + rng.randint(3, 15), time.monotonic() + 60
        while process.poll() is None and rows_in(tmp_path / "broken") < until and time.monotonic() < deadline:
            time.sleep(0.002)
        assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        seen.append(rows_in(tmp_path / "broken"))
    assert seen == sorted(seen) and seen[1] > 0 and seen[-1] < 60
    process = begin(tmp_path / "broken")
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    for name in FILES:
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "unbroken" / name).read_bytes(), name
    assert len(set(read(tmp_path / "broken" / "evaluations.csv"))) == 60
