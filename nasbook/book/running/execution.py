"""A notebook through papermill, in a kernel that works in its folder and dies with this process."""

import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil
from nbformat import NotebookNode

from nasbook.base.errors import NasbookError
from nasbook.book.running import notebook_files
from nasbook.book.running.watch import Watch, stop_on_signal

_START_SECONDS = 120
_MESSAGE_SECONDS = 60
_ATTEMPTS = 2
_TAKEN_PORT = "Address already in use"


class NotebookFailed(Exception):
    """A cell failed: the notebook is wrong, not the command that ran it. The command line exits with 1."""


class _NoKernel(Exception):
    """The kernel did not come up; no cell has run."""


def execute(source: Path, target: Path, parameters: dict, cell_seconds: int | None, watch: Watch) -> None:
    """Execute ``source`` with ``parameters`` injected, writing to ``target`` after each cell.

    ``watch`` learns which cell is running and in which process; the folder of ``target`` becomes
    ``$NASBOOK_OUT``. Raises NasbookError if the kernel does not start or a cell raises one,
    NotebookFailed if a cell raises anything else, exceeds ``cell_seconds`` or takes the kernel down,
    and Stopped on a signal.
    """
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    log = target.with_name(".kernel.log")
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with open(log, "wb") as stream, stop_on_signal(lambda: kill(watch.kernel)):
                try:
                    return _papermill(source, target, parameters, cell_seconds, watch, stream)
                finally:
                    kill(watch.kernel)
                    watch.kernel = None
        except _NoKernel as error:
            # Jupyter picks free ports some time before the kernel binds them
            if attempt < _ATTEMPTS and _TAKEN_PORT in log.read_text(errors="replace"):
                continue
            raise NasbookError(f"the kernel did not start{_last_words(log)}: run `nasbook doctor`") from error
        except CellTimeoutError as error:
            said = f"{watch.cell} ran longer than {cell_seconds} s (--cell-timeout sets the limit)"
            raise NotebookFailed(said) from error
        except DeadKernelError as error:
            said = f"{watch.cell} took the kernel down{_last_words(log)}; out of memory is the usual cause"
            raise NotebookFailed(said) from error


def _papermill(source: Path, target: Path, parameters: dict, cell_seconds: int | None, watch: Watch, log: IO) -> None:
    import papermill
    from papermill.exceptions import PapermillExecutionError

    # what papermill warns about has been refused or decided before
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    begun = []  # the notebook, as soon as its kernel is up

    def on_cell_start(cell: NotebookNode, cell_index: int) -> None:
        watch.cell = f"cell {cell_index + 1}: {notebook_files.excerpt(cell.source)}"

    try:
        papermill.execute_notebook(
            _no_placeholders(source),
            _no_placeholders(target),
            parameters,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            start_timeout=_START_SECONDS,
            execution_timeout=cell_seconds,
            iopub_timeout=_MESSAGE_SECONDS,
            kernel_manager_class=_manager_class(target.parent, watch, log),
            # papermill's own `cwd` would move this whole process
            resources={"metadata": {"path": str(source.parent)}},
            on_notebook_start=lambda notebook: begun.append(notebook),
            on_cell_start=on_cell_start,
        )
    except PapermillExecutionError as error:
        if error.ename == "NasbookError":
            raise NasbookError(error.evalue) from error
        raise NotebookFailed(f"{watch.cell} raised {error.ename}: {_first_line(error.evalue)}") from error
    except RuntimeError as error:
        if begun:
            raise
        raise _NoKernel from error


def _manager_class(out: Path, watch: Watch, log: IO) -> type:
    """A Jupyter kernel manager that starts this package's ``kernel`` with this interpreter and our environment."""
    from jupyter_client.manager import AsyncKernelManager

    environment = os.environ | {
        "NASBOOK_OUT": str(out),
        "NASBOOK_PARENT": str(os.getpid()),
        "NASBOOK_PROGRESS": f"file:{watch.log}",
    }

    class Manager(AsyncKernelManager):
        async def start_kernel(self, **options):
            # a kernelspec may name another environment's interpreter
            self.kernel_spec.argv = [sys.executable, "-m", "nasbook.book.running.kernel", "-f", "{connection_file}"]
            await super().start_kernel(env=environment, stdout=log, stderr=log, **options)
            watch.kernel = self.provisioner.pid

    return Manager


def _no_placeholders(path: Path) -> str:
    """The path as papermill wants it, which fills in ``{name}`` in paths."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _last_words(log: Path) -> str:
    """What the kernel said last, in parentheses; its warnings about its own transport do not count."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    telling = [line.strip() for line in lines if line.strip() and "WARNING" not in line]
    return f" ({telling[-1]})" if telling else ""


def _first_line(message: str) -> str:
    return message.strip().splitlines()[0] if message.strip() else "no message"


def silent_failure(executed: NotebookNode) -> NotebookFailed | None:
    """The failure that papermill calls a success: an error inside a widget, or cells that never ran."""
    hidden = notebook_files.hidden_errors(executed)
    if hidden:
        return NotebookFailed(f"a widget's callback raised {_first_line(hidden[0])}")
    for position, cell in enumerate(executed.cells):
        if cell.cell_type == "code" and cell.source.strip() and cell.execution_count is None:
            return NotebookFailed(f"the run stopped before cell {position + 1}: {notebook_files.excerpt(cell.source)}")
    return None


def kill(kernel: int | None) -> None:
    """Kill the kernel and its children at once; what a search has to keep lies in its checkpoint."""
    if kernel is None:
        return
    with suppress(psutil.NoSuchProcess):  # it may have gone by itself
        process = psutil.Process(kernel)
        for member in [*process.children(recursive=True), process]:
            member.kill()
