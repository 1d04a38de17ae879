"""``nasbook run``: parameters, provenance, failures of every kind, and no kernel left behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from nasbook import execution, notebook_files, runner
from nasbook.cli import main
from nasbook.errors import NasbookError

PARAMETERS = 'PROFILE = "smoke"\nSEED = 0\nOVERRIDES = {}\nRATE = 0.5'
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


@pytest.fixture
def notebook(tmp_path):
    """``notebook(*sources)``: the path of a notebook with a parameters cell and one cell for each source."""

    def make(*sources, parameters=PARAMETERS, copies=1, kernel=KERNEL):
        book = new_notebook(metadata={"kernelspec": kernel})
        cells = [new_code_cell(parameters, metadata={"tags": ["parameters"]}) for _ in range(copies)]
        book.cells = [new_markdown_cell("# A notebook"), *cells, *map(new_code_cell, sources)]
        folder = tmp_path / "my notebooks é"
        folder.mkdir(exist_ok=True)
        nbformat.write(book, folder / "90_tiny.ipynb")
        return folder / "90_tiny.ipynb"

    return make


def run(path, *options, out):
    return main(["run", str(path), "--out", str(out), *options])


def record(folder):
    """What the manifest of a run folder says of the notebook."""
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["notebook"]


def refused(capsys, path, *options, out):
    """The one sentence with which the runner refuses; no kernel may have been started."""
    assert run(path, *options, out=out) == 2
    error = capsys.readouterr().err
    assert error.startswith("nasbook: ") and error.count("\n") == 1
    assert not (out / ".kernel.log").exists()
    return error


def test_parameter_values_are_read_in_the_light_of_their_defaults(notebook, tmp_path):
    pairs = ["SEED=3", "RATE=1e-3", 'OVERRIDES={"epochs": 2, "fast": true}', "NAME=gdas=x", "TITLE=3", "ANY=[1]"]
    given = runner.parse_parameters([*pairs, "OTHER=no literal", "NOTHING="], "lesson")
    more = '\nNAME = ""\nTITLE = "x"\nNOTHING = "x"\nANY = None\nOTHER = None'
    path = notebook("1", parameters=PARAMETERS + more)
    assert runner.prepare(str(path), given, str(tmp_path / "out"), None, False).parameters == {
        "PROFILE": "lesson",
        "SEED": 3,
        "RATE": 1e-3,
        "OVERRIDES": {"epochs": 2, "fast": True},
        "NAME": "gdas=x",
        "TITLE": "3",
        "ANY": [1],
        "OTHER": "no literal",
        "NOTHING": "",
    }


@pytest.mark.parametrize("pairs", [["SEED"], ["=3"], ["SEED=1", "SEED=2"], ["PROFILE=smoke"]])
def test_broken_pairs_are_refused(pairs):
    with pytest.raises(NasbookError):
        runner.parse_parameters(pairs, "smoke")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["-p", "SEEED=1"], "did you mean 'SEED'?"),
        (["-p", "SEED=x"], "where int belongs"),
        (["-p", "SEED=1.5"], "where int belongs"),
        (["-p", "SEED=True"], "where int belongs"),
        (["-p", "OVERRIDES=[1]"], "where dict belongs"),
        (["--profile", "smok"], "did you mean 'smoke'?"),
        (["--store", "-p", "SEED=1"], "--store"),
        (["--cell-timeout", "0"], "at least 1 second"),
    ],
)
def test_bad_parameters_are_refused_before_a_kernel_starts(notebook, tmp_path, capsys, options, says):
    assert says in refused(capsys, notebook("1"), *options, out=tmp_path / "out")


def test_whole_numbers_pass_for_floats(notebook, tmp_path):
    request = runner.prepare(str(notebook("1")), {"RATE": "1"}, str(tmp_path / "out"), None, False)
    assert request.parameters["RATE"] == 1
    assert request.changed == {"RATE": 1}
    assert request.cell_seconds == runner.CELL_SECONDS["smoke"]


def test_changed_settings_are_another_folder(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("NASBOOK_RUNS", str(tmp_path))

    def folder(**given):
        return runner.prepare(str(notebook("1")), given, None, None, False).out

    assert folder() == folder(OVERRIDES="{}") == tmp_path / "90_tiny-smoke-0"
    assert folder(OVERRIDES="{'a': 1, 'b': 2}") == folder(OVERRIDES='{"b": 2, "a": 1}')
    assert len({folder(), folder(SEED="1"), folder(OVERRIDES="{'a': 1}"), folder(OVERRIDES="{'a': 2}")}) == 4
    plain = notebook("1", parameters="OVERRIDES = 3")
    assert runner.prepare(str(plain), {}, None, None, False).out == tmp_path / "90_tiny-smoke-0"


def test_a_notebook_needs_exactly_one_parameters_cell(notebook, tmp_path, capsys):
    for copies in (0, 2):
        assert f"has {copies} cells tagged" in refused(capsys, notebook(copies=copies), out=tmp_path / "out")


@pytest.mark.parametrize("source", ["SEED = 1 + x", "SEED += 1", "import os", "SEED ="])
def test_a_parameters_cell_holds_literals_only(notebook, tmp_path, capsys, source):
    assert "a name and a literal" in refused(capsys, notebook(parameters=source), out=tmp_path / "out")


def test_missing_and_damaged_notebooks(notebook, tmp_path, capsys, monkeypatch):
    path = notebook("1")
    monkeypatch.setattr(notebook_files, "repository", lambda: tmp_path)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "14_gdas.ipynb").write_text(path.read_text(encoding="utf-8"))
    for name in ("14_gdas", "14", "14_gdas.ipynb"):
        assert notebook_files.find(name) == tmp_path / "notebooks" / "14_gdas.ipynb"
    assert notebook_files.find(str(path)) == path
    assert "did you mean '14_gdas'?" in refused(capsys, "14_gads", out=tmp_path / "out")
    path.write_text(path.read_text(encoding="utf-8")[:100])
    assert "cannot read the notebook" in refused(capsys, path, out=tmp_path / "out")


def test_a_missing_kernel_is_one_sentence(notebook, tmp_path, capsys, monkeypatch):
    path = notebook("1", kernel={**KERNEL, "name": "conda-env-x"})
    assert "'conda-env-x'" in refused(capsys, path, out=tmp_path / "out")
    monkeypatch.setattr(runner.importlib.util, "find_spec", lambda name: None)
    assert "pip install ipykernel" in refused(capsys, notebook("1"), out=tmp_path / "out")


def test_a_notebook_that_names_no_kernel_runs(notebook, tmp_path):
    path = notebook("6 * 7")
    book = nbformat.read(path, as_version=4)
    del book.metadata["kernelspec"]
    nbformat.write(book, path)
    assert run(path, out=tmp_path / "out") == 0
    stored = nbformat.read(tmp_path / "out" / "notebook.ipynb", as_version=4)
    assert stored.cells[-1].outputs[0].data["text/plain"] == "42" and stored.metadata.kernelspec == KERNEL


def test_a_run_is_executed_in_its_folder_recorded_and_stored(notebook, tmp_path, monkeypatch, capsys):
    path = notebook(
        "import os, pathlib\n"
        "with open(os.environ['NASBOOK_PROGRESS'].removeprefix('file:'), 'a') as log:\n"
        "    log.write('search  1/1  loss 2.30\\n')",
        "print(pathlib.Path.cwd().name, SEED, PROFILE, OVERRIDES, os.environ['NASBOOK_OUT'][-7:])",
        "import ipywidgets\nipywidgets.IntSlider()",
    )
    before = path.read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["run", str(path), "-p", "SEED=3", "-p", 'OVERRIDES={"a": 1}', "--out", "out {x}"]) == 0
    out = tmp_path / "out {x}"
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("running 90_tiny (profile smoke, seed 3")
    assert said[1] == "search  1/1  loss 2.30"
    assert said[-1].split() == ["run", "folder:", "out", "{x}"]

    text = (out / "notebook.ipynb").read_text(encoding="utf-8")
    book = nbformat.reads(text, as_version=4)
    nbformat.validate(book)
    assert [c.execution_count for c in book.cells[1:]] == [1, 2, 3, 4, 5]
    assert book.cells[4].outputs[0].text == "my notebooks é 3 smoke {'a': 1} out {x}\n"
    assert "papermill" not in text and "model_id" not in text and "widget-state" not in text
    assert str(tmp_path) not in text
    assert text == notebook_files.text(notebook_files.normalised(book))

    noted = record(out)
    assert noted["name"] == "90_tiny" and noted["status"] == "finished"
    assert noted["parameters"] == {"PROFILE": "smoke", "SEED": 3, "OVERRIDES": {"a": 1}, "RATE": 0.5}
    assert noted["seeds"] == [3] and noted["wall_seconds"] > 0 and noted["peak_memory_bytes"] > 1e7
    assert {"commit", "versions", "device", "started", "profile"} <= set(noted)
    assert path.read_text(encoding="utf-8") == before

    error = refused_again(capsys, path, out, "-p", "SEED=4")
    assert "SEED (3 there, 4 here)" in error and "OVERRIDES" in error
    other = path.with_name("91_other.ipynb")
    path.rename(other)
    assert "a run of 90_tiny, not of 91_other" in refused_again(capsys, other, out)


def test_what_failed_before_its_first_checkpoint_may_be_corrected(notebook, tmp_path, capsys):
    path = notebook("from nasbook.errors import NasbookError\nif SEED == 7:\n    raise NasbookError('seed is 7')")
    out = tmp_path / "out"
    assert run(path, "-p", "SEED=7", out=out) == 2
    assert capsys.readouterr().err == "nasbook: seed is 7\n"
    (out / "seed-0").mkdir()
    (out / "seed-0" / "checkpoint.pt").write_bytes(b"")
    assert "SEED (7 there, 8 here)" in refused_again(capsys, path, out, "-p", "SEED=8")
    (out / "seed-0" / "checkpoint.pt").unlink()
    assert run(path, "-p", "SEED=8", out=out) == 0
    assert record(out)["parameters"]["SEED"] == 8
    assert "SEED (8 there, 9 here)" in refused_again(capsys, path, out, "-p", "SEED=9")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.json", "{}"),
        ("config.json", '{"format": "esm"}'),
        ("config.json", '{"format": true}'),
        ("config.json", "[1]"),
        ("config.json", "not JSON"),
        ("notebook.ipynb", "{}"),
        ("manifest.json", '{"notebook": "mine"}'),
    ],
)
def test_a_folder_of_somebody_else_is_refused_and_untouched(notebook, tmp_path, capsys, name, text):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text(text, encoding="utf-8")
    assert name in refused(capsys, notebook("1"), out=out)
    assert [path.name for path in out.iterdir()] == [name]
    assert (out / name).read_text(encoding="utf-8") == text


def test_a_folder_of_a_reader_is_taken(notebook, tmp_path):
    """What ``nb.search`` leaves where nobody called ``nasbook run`` is a run all the same."""
    (tmp_path / "config.json").write_text('{"format": 1}', encoding="utf-8")
    (tmp_path / "manifest.json").write_text('{"status": "finished"}', encoding="utf-8")
    assert runner.prepare(str(notebook("1")), {}, str(tmp_path), None, False).out == tmp_path


def refused_again(capsys, path, out, *options):
    assert run(path, *options, out=out) == 2
    return capsys.readouterr().err


def test_store_keeps_outputs_in_the_notebook_itself(notebook, tmp_path, monkeypatch, capsys):
    path = notebook("6 * 7")
    before = nbformat.read(path, as_version=4)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    assert main(["run", str(path), "--store"]) == 0
    assert not list((tmp_path / "temporary").glob("nasbook-*"))
    assert "kept the outputs in" in capsys.readouterr().out
    after = nbformat.read(path, as_version=4)
    assert [c.source for c in after.cells] == [c.source for c in before.cells]
    assert [c.id for c in after.cells] == [c.id for c in before.cells]
    assert after.cells[-1].outputs[0].data["text/plain"] == "42"
    assert after.metadata.kernelspec == KERNEL


def test_cell_errors_fail_and_leave_the_executed_part(notebook, tmp_path, capsys):
    path = notebook("print('before')", "1 / 0", "print('after')")
    before = path.read_text(encoding="utf-8")
    assert run(path, "--store", out=tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "cell 4: 1 / 0 raised ZeroDivisionError: division by zero" in error
    book = nbformat.read(tmp_path / "out" / "notebook.ipynb", as_version=4)
    assert [len(c.get("outputs", [])) for c in book.cells] == [0, 0, 1, 1, 0]
    assert path.read_text(encoding="utf-8") == before
    assert record(tmp_path / "out")["status"] == "failed"


def test_a_nasbook_error_in_a_cell_is_its_sentence(notebook, tmp_path, capsys):
    path = notebook("from nasbook.errors import NasbookError\nraise NasbookError('channels is 7')")
    assert run(path, out=tmp_path / "out") == 2
    assert capsys.readouterr().err == "nasbook: channels is 7\n"


def test_errors_hidden_in_widgets_fail(notebook, tmp_path, capsys):
    path = notebook("from ipywidgets import interact\ninteract(lambda x: 1 / 0, x=1);")
    assert run(path, out=tmp_path / "out") == 1
    assert "widget's callback raised ZeroDivisionError" in capsys.readouterr().err
    assert "widget-state" not in (tmp_path / "out" / "notebook.ipynb").read_text(encoding="utf-8")


def test_a_cell_that_hangs_and_a_kernel_that_dies(notebook, tmp_path, capsys):
    assert run(notebook("import time\ntime.sleep(60)"), "--cell-timeout", "1", out=tmp_path / "a") == 1
    assert "cell 3: import time ran longer than 1 s" in capsys.readouterr().err
    assert run(notebook("import os\nos._exit(3)"), out=tmp_path / "b") == 1
    assert "cell 3: import os took the kernel down" in capsys.readouterr().err
    assert not kernels()


def test_leaving_early_is_no_success(notebook, tmp_path, capsys):
    assert run(notebook("raise SystemExit(0)", "1"), out=tmp_path / "out") == 1
    assert "stopped before cell 4" in capsys.readouterr().err


def test_one_process_for_one_folder(notebook, tmp_path, capsys):
    from filelock import FileLock

    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".notebook.lock"):
        assert "another `nasbook run`" in refused(capsys, notebook("1"), out=tmp_path / "out")
    (tmp_path / "file").write_text("in the way")
    assert "choose another --out" in refused(capsys, notebook("1"), out=tmp_path / "file")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "in the way"


def kernels():
    """Kernels that a runner started and that are still there."""
    found = []
    for process in psutil.process_iter():
        try:
            if "nasbook.kernel" in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except psutil.Error:
            # it ended while it was looked at
            continue
    return found


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
        command = [sys.executable, "-m", "nasbook.cli", "run", str(path), "--out", str(tmp_path / "out")]
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
    from nasbook import watch

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
