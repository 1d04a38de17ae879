"""``nasbook run``: provenance, folders, failures of every kind, and no kernel left behind."""

import tempfile
from functools import partial

import nbformat
import psutil
import pytest
import small_notebooks
from small_notebooks import KERNEL, record, refused, run

from nasbook.book.cli import main
from nasbook.book.running import notebook_files, runner


@pytest.fixture
def notebook(tmp_path):
    """``notebook(*sources)``: the path of a notebook with a parameters cell and one cell for each source."""
    return partial(small_notebooks.write, tmp_path)


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


def test_the_device_is_the_one_that_the_search_noted_in_this_run(notebook, tmp_path):
    """A later run in the same folder may be on another machine, so the old note does not count there."""
    path = notebook(
        "import os, pathlib\nfrom nasbook.runs import update_manifest\n"
        "update_manifest(pathlib.Path(os.environ['NASBOOK_OUT']), device='the device of the search')"
    )
    out = tmp_path / "out"
    assert run(path, out=out) == 0 and record(out)["device"] == "the device of the search"
    assert run(path, out=out) == 0 and record(out)["device"] != "the device of the search"


def test_what_failed_before_its_first_checkpoint_may_be_corrected(notebook, tmp_path, capsys):
    path = notebook("from nasbook.base.errors import NasbookError\nif SEED == 7:\n    raise NasbookError('seed is 7')")
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
    path = notebook("from nasbook.base.errors import NasbookError\nraise NasbookError('channels is 7')")
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
    assert not kernels(tmp_path)


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


def kernels(folder):
    """Kernels at work in ``folder`` that are still there; other tests may run kernels of their own meanwhile."""
    found = []
    for process in psutil.process_iter():
        try:
            if "nasbook.book.running.kernel" in process.cmdline() and process.cwd().startswith(str(folder)):
                found.append(process.pid)
        except psutil.Error:
            # it ended while it was looked at
            continue
    return found
