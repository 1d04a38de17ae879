"""nasbook arena: programs in any language, and people, propose cells a line each and are answered at once."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import nasbook as nb
from nasbook.book import cli, playing
from nasbook.runs.journal import read

CELLS = ["0 1 2 2 1 0", "2 2 2 2 2 2", "1 1 1 2 2 2", "2 2 2 2 2 2"]
full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
posix = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")


@pytest.fixture
def play(monkeypatch, capsys):
    """``play(lines, *options)``: exit status, lines of standard output, standard error."""

    def play(lines, *options):
        raw = lines if isinstance(lines, bytes) else "".join(f"{line}\n" for line in lines).encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
        status = cli.main(["arena", "play", *options])
        said = capsys.readouterr()
        return status, said.out.splitlines(), said.err

    return play


def begin(*options, environment=(), **settings):
    """The program behind pipes, which buffer as they usually do; killed where it does not end in a minute."""
    command = [sys.executable, "-m", "nasbook", "arena", "play", *options]
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    program = subprocess.Popen(command, env=usual | dict(environment), **{**streams, "text": True, **settings})
    watch = threading.Timer(60, program.kill)
    watch.daemon = True
    watch.start()
    return program


def ask(program, line):
    program.stdin.write(f"{line}\n")
    program.stdin.flush()
    return program.stdout.readline()


# --- answers


def test_each_proposal_is_answered_with_its_score_and_what_is_left(play):
    status, said, error = play(CELLS, "--table", "cellbench", "--budget", "4", "--seed", "7")
    arena = nb.arena.open("cellbench", budget=4, seed=7)
    assert said[:4] == [f"{arena.propose(line)!r} {left} left" for line, left in zip(CELLS, (3, 2, 1, 0))]
    assert status == 0 and error == "" and said[4:] == str(arena.summary()).splitlines()


def test_in_json_each_answer_is_an_object(play):
    status, said, error = play(["skip_conect", *CELLS], "--table", "cellbench", "--budget", "9", "--json")
    arena = nb.arena.open("cellbench", budget=9)
    bad, *answers, last = map(json.loads, said)
    assert bad.keys() == {"error", "left"} and bad["left"] == 9 and "did you mean 'skip_connect'?" in bad["error"]
    assert answers == [{"score": arena.propose(line), "left": 8 - place} for place, line in enumerate(CELLS)]
    assert last == {"summary": arena.summary().plain()} and status == 0 and error == ""


def test_nasbench201_and_a_hundred_evaluations_are_the_default(play):
    (status, said, _), table = play(["3 3 1 3 3 3"]), nb.benchmarks.load("nasbench201")
    cell = table.space.decode([3, 3, 1, 3, 3, 3])
    assert said[0] == f"{table.accuracy(cell, 'valid', 12)!r} 99 left" and status == 0
    assert f"{table.accuracy(cell, 'test', 200):.2%}, regret" in said[2]


def test_what_is_no_proposal_is_passed_over_or_refused_and_costs_nothing(play):
    raw = b"\n   \n# a word\n  # another\n\xff\xfe\n0 1\nfoo\r\n" + b"0 " * 5000 + b"\n#" + b"x" * 5000 + b"\n"
    raw += b" " * 5000 + b"2 2 2 2 2 2\n" + "é 0 0 0 0 0\n".encode() + CELLS[1].encode()
    status, said, error = play(raw, "--table", "cellbench", "--budget", "2")
    wanted = ["no UTF-8 text", "2 operations are no cell", "operation 'foo'", "more than 1,000 characters",
              "more than 1,000 characters", "unknown operation 'é'"]  # fmt: skip
    for line, words in zip(said, wanted):
        assert line.startswith("refused: ") and words in line
    assert re.fullmatch(r"0\.\d+ 1 left", said[6]) and said[7].startswith("cell") and len(said) == 11
    assert status == 0 and error == ""


def test_what_comes_after_the_budget_is_not_read(play):
    status, said, _ = play([*CELLS, "nonsense"], "--table", "cellbench", "--budget", "2")
    assert status == 0 and len(said) == 6 and said[1].endswith(" 0 left")


@pytest.mark.parametrize("lines", [[], ["# only a word"], ["nonsense"]])
def test_where_nothing_was_scored_a_sentence_says_so(play, lines):
    status, _, error = play(lines, "--table", "cellbench")
    assert status == 2 and error == "nasbook: nothing is evaluated yet, so there is no best architecture\n"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--table", "nasbench"], "did you mean 'nasbench201'?"),
        (["--budget", "0"], "budget is 0"),
        (["--budget", "many"], "invalid int value: 'many'"),
        (["--seed", "-1"], "seed is -1"),
        (["--sed", "1"], "did you mean '--seed'?"),
        (["--out", ""], "'' is no folder"),
        (["cellbench"], "does not take 'cellbench'"),
    ],
)
def test_mistakes_get_one_sentence(play, options, says):
    status, said, error = play(CELLS, *options)
    assert status == 2 and said == [] and error.startswith("nasbook: ") and error.count("\n") == 1 and says in error


def test_a_misspelt_action_gets_the_nearest(capsys):
    assert cli.main(["arena", "pley"]) == 2 and "did you mean 'play'?" in capsys.readouterr().err


def test_the_tables_are_listed_with_their_operations(capsys):
    assert cli.main(["arena", "tables"]) == 0
    said = capsys.readouterr().out
    assert "(0 none, 1 skip_connect, 2 nor_conv_1x1, 3 nor_conv_3x3, 4 avg_pool_3x3)" in said
    assert "(0 none, 1 skip_connect, 2 nor_conv_3x3)" in said
    assert "told      valid accuracy after 12 epochs, mean over trainings" in said
    assert "told      valid accuracy after 16 epochs, one training drawn anew each time" in said


# --- folders


def test_the_same_command_again_gives_the_same_answers_and_pays_nothing(play, tmp_path):
    options = ["--table", "cellbench", "--budget", "4", "--out", str(tmp_path / "run")]
    _, first, _ = play(CELLS[:2], *options)
    status, second, error = play(CELLS, *options)
    assert first[:2] == second[:2] and status == 0
    assert error.startswith(f"nasbook: {tmp_path / 'run'} holds 2 of 4 evaluations; proposals that repeat them")
    assert len(read(tmp_path / "run" / "evaluations.csv")) == 4
    assert play(CELLS, *options)[1] == second
    assert play([], *options)[1] == second[4:]
    status, said, _ = play([CELLS[1]], *options)
    assert status == 0 and said == second[4:] and len(read(tmp_path / "run" / "evaluations.csv")) == 4


def test_another_budget_is_refused(play, tmp_path):
    options = ["--table", "cellbench", "--out", str(tmp_path)]
    play(CELLS[:2], *options)
    status, _, error = play(CELLS, *options, "--budget", "4")
    assert status == 2 and "budget: 100 there, 4 now" in error


# --- programs


def shell(tmp_path, command):
    """What the command prints, with this package's ``nasbook`` on the PATH."""
    program = tmp_path / "nasbook"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m nasbook "$@"\n')
    program.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout


def examples():
    """The programs of the docstring: in awk, and in Python."""
    programs = textwrap.dedent(playing.__doc__.partition("reads its answers:\n\n")[2])
    in_awk, _, in_python = programs.partition("\n\n")
    return in_awk, in_python


@posix
def test_the_random_search_in_awk_runs(tmp_path):
    lines = shell(tmp_path, ["sh", "-c", examples()[0]]).splitlines()
    assert [line.split()[1:] for line in lines[:20]] == [[str(left), "left"] for left in range(19, -1, -1)]
    assert lines[20].startswith("cell") and "of 20" in lines[20] and len(lines) == 24


@posix
def test_the_random_search_in_python_runs(tmp_path):
    program = examples()[1]
    assert len(program.splitlines()) <= 10
    lines = shell(tmp_path, [sys.executable, "-c", program]).splitlines()
    assert lines[0].startswith("cell") and "of 20" in lines[0] and lines[3].startswith("gain")


def test_an_answer_comes_before_the_next_proposal():
    with begin("--table", "cellbench", "--budget", "3") as program:
        for line, left in zip(CELLS, "210"):
            assert ask(program, line).split()[1] == left
        assert program.stdout.readline().startswith("cell")
        program.communicate()
    assert program.returncode == 0


@posix
def test_a_killed_program_goes_on_and_pays_nothing_twice(tmp_path):
    options = ("--table", "cellbench", "--budget", "4", "--out", str(tmp_path / "run"))
    with begin(*options) as program:
        told = [ask(program, line) for line in CELLS[:3]]
        program.send_signal(signal.SIGKILL)
    with begin(*options) as program:
        again = [ask(program, line) for line in CELLS]
        program.communicate()
    assert again[:3] == told and again[3].endswith(" 0 left\n") and program.returncode == 0
    assert [row.order for row in read(tmp_path / "run" / "evaluations.csv")] == [0, 1, 2, 3]


@posix
def test_where_nobody_reads_a_sentence_says_so(tmp_path):
    with begin("--table", "cellbench", "--out", str(tmp_path / "run")) as program:
        ask(program, CELLS[0])
        program.stdout.close()
        program.stdin.write("\n".join(CELLS))
        program.stdin.close()
        said = program.stderr.read()
    assert (
        program.returncode == 2
        and said.startswith("nasbook: an answer cannot be written (Broken pipe)")
        and said.count("\n") == 1
    )
    assert len(read(tmp_path / "run" / "evaluations.csv")) >= 2


@posix
def test_a_sentence_is_said_in_any_encoding():
    with begin("--table", "cellbench", environment={"PYTHONIOENCODING": "ascii"}, text=False) as program:
        said, error = program.communicate("é 0 0 0 0 0\n0 0 0 0 0 0\n".encode())
    assert program.returncode == 0 and b"unknown operation '\\xe9'" in said and error == b""


@posix
@pytest.mark.parametrize(
    ("streams", "says"),
    [
        ("<&-", "proposals are read from standard input and answered on standard output, and one is closed"),
        (">&-", "proposals are read from standard input and answered on standard output, and one is closed"),
        pytest.param(">/dev/full", "an answer cannot be written (No space left on device)", marks=full),
    ],
)
def test_streams_that_are_closed_or_full(streams, says):
    command = f"echo {CELLS[0]} | {{ {sys.executable} -m nasbook arena play --table cellbench {streams}; }}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith(f"nasbook: {says}") and done.stderr.count("\n") == 1


@posix
def test_a_person_at_a_terminal_is_told_the_forms_and_prompted():
    import pty

    keyboard, terminal = pty.openpty()
    with begin("--table", "cellbench", "--budget", "2", stdin=terminal) as program:
        os.close(terminal)
        for line in ("2 2 2 2 2 2", "skip", "1 1 1 1 1 2"):
            os.write(keyboard, f"{line}\n".encode())
        said, error = program.stdout.read(), program.stderr.read()
    os.close(keyboard)
    lines = said.splitlines()
    assert program.returncode == 0 and len(lines) == 7 and lines[1].startswith("refused: unknown operation 'skip'")
    forms, state, prompts = error.split("\n")
    assert forms.startswith("a cell is |op~0|") and "0 of 2 evaluations are spent" in state and prompts == "> > > "


@posix
def test_ctrl_c_is_one_line_and_keeps_what_was_scored(tmp_path):
    with begin("--table", "cellbench", "--out", str(tmp_path / "run")) as program:
        ask(program, CELLS[0])
        time.sleep(0.1)
        program.send_signal(signal.SIGINT)
        said, error = program.communicate()
    assert program.returncode == 130 and error == "nasbook: stopped\n" and said == ""
    assert len(read(tmp_path / "run" / "evaluations.csv")) == 1
