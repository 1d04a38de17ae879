"""Environment of all tests and of the notebooks that nbval executes.

Kernels inherit it: runs go to a fresh folder, so that notebooks search instead of loading what an earlier
test found, and progress is off, so that no bar lands in an output.
"""

import os
import shutil
import tempfile


def pytest_configure(config):
    config.nasbook_runs = tempfile.mkdtemp(prefix="nasbook-tests-")
    os.environ["NASBOOK_RUNS"] = config.nasbook_runs
    os.environ["NASBOOK_PROGRESS"] = "off"
    os.environ.pop("NASBOOK_OUT", None)


def pytest_unconfigure(config):
    shutil.rmtree(config.nasbook_runs, ignore_errors=True)
