"""``nasbook run`` stopped from outside, a port that is taken, and a cell that is silent for long."""

import os
import signal
import subprocess
import sys
import time
from functools import partial

import psutil
import pytest
import small_notebooks
from small_notebooks import record

from nasbook.base.errors import NasbookError
from nasbook.book.running import execution


@pytest.fixture
def notebook(tmp_path):
    """``notebook(*sources)``: the path of a notebook with a parameters cell and one cell for each source."""
    return partial(small_notebooks.write, tmp_path)


BUSY = {
    "python": "while True: pass",
    "sleep": "import time; time.sleep(600)",
    # one call into C that never gives the interpreter lock away
    "lock held": "sum(iter(int, 1))",
}


@pytest.fixture
def busy(notebook, tmp_path):
    """``busy(what)``: a `nasbook run` in its own process group whose kernel is in the middle of ``what``."""
    started = []

    def start(what):
        mark = tmp_path / "mark"
        path = notebook(f"import os, pathlib; pathlib.Path({str(mark)!r}).write_text(str(os.getpid()))\n{BUSY[what]}")
        command = [sys.executable, "-m", "nasbook.book.cli", "run", str(path), "--out", str(tmp_path / "out")]
        process = subprocess.Popen(
            command, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        deadline = time.monotonic() + 60
        while not (mark.exists() and mark.read_text(encoding="utf-8")):
            assert process.poll() is None and time.monotonic() < deadline, "the cell never began"
            time.sleep(0.05)
        time.sleep(0.3)
        kernel = psutil.Process(int(mark.read_text(encoding="utf-8")))
        started.append(kernel)
        return process, kernel

    yield start
    for process in started:
        if isinstance(process, subprocess.Popen) or process.is_running():
            process.kill()


def gone(process, seconds=5):
    """Whether a process that is not our child ends within ``seconds``."""
    deadline = time.monotonic() + seconds
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.skipif(os.name != "posix", reason="process groups are a POSIX matter")
@pytest.mark.parametrize("what", BUSY if sys.platform == "linux" else ["python", "sleep"])
def test_sigkill_of_the_process_group_takes_the_kernel_along(busy, what):
    process, kernel = busy(what)
    assert kernel.is_running()
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(5)
    assert gone(kernel)


@pytest.mark.skipif(os.name != "posix", reason="signals are a POSIX matter")
@pytest.mark.parametrize(
    ("signals", "status"),
    [((signal.SIGINT,), 130), ((signal.SIGINT, signal.SIGINT), 130), ((signal.SIGTERM,), 143)],
)
def test_ctrl_c_and_sigterm_end_quietly(busy, signals, status, tmp_path):
    process, kernel = busy("lock held")
    for number in signals:
        process.send_signal(number)
    _, error = process.communicate(timeout=20)
    assert process.returncode == status
    assert gone(kernel)
    assert error == "nasbook: stopped; the same command again continues where it can\n"
    if len(signals) == 1:
        assert record(tmp_path / "out")["status"] == "stopped"


def test_a_taken_port_is_tried_again(tmp_path, monkeypatch):
    attempts = []

    def papermill(source, target, parameters, seconds, watch, log):
        attempts.append(1)
        log.write(b"zmq.error.ZMQError: Address already in use")
        log.flush()
        if len(attempts) == 1:
            raise execution._NoKernel

    monkeypatch.setattr(execution, "_papermill", papermill)
    execution.execute(tmp_path / "a", tmp_path / "b", {}, None, execution.Watch(tmp_path / "progress.log"))
    assert len(attempts) == 2

    def broken(source, target, parameters, seconds, watch, log):
        log.write(b"ImportError: no zmq")
        raise execution._NoKernel

    monkeypatch.setattr(execution, "_papermill", broken)
    with pytest.raises(NasbookError, match=r"did not start \(ImportError: no zmq\)"):
        execution.execute(tmp_path / "a", tmp_path / "b", {}, None, execution.Watch(tmp_path / "progress.log"))


def test_silence_is_broken_by_the_running_cell(tmp_path, monkeypatch, capsys):
    from nasbook.book.running import watch

    monkeypatch.setattr(watch, "_SILENCE_SECONDS", 0.0)
    monkeypatch.setattr(watch, "_LOOK_SECONDS", 0.01)
    (tmp_path / "progress.log").write_text("an old line\n")
    follower = watch.Watch(tmp_path / "progress.log")
    follower.cell = "cell 3: run = nb.search()"
    follower.start()
    with open(tmp_path / "progress.log", "a") as log:
        log.write("epoch 1\nepo")
    follower.stop()
    said = capsys.readouterr().out
    assert "cell 3: run = nb.search()" in said
    assert "epoch 1\n" in said and "epo\n" not in said and "old" not in said
