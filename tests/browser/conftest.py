"""JupyterLab in Chromium: ``lab(path)`` opens a copy of a notebook and drives it as a reader would.

Without Chromium or Playwright the tests are skipped; with ``NASBOOK_BROWSER=required`` they fail.
One server and one browser for the whole test session. Screenshots go to ``artefacts/browser/NAME`` (or below
``$NASBOOK_ARTEFACTS``), for people to look at.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ENABLE = "to enable the browser tests: apt-get install chromium, pip install playwright"
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none", "scrollPastEnd": False},
}
"""No question about news over the notebook; all cells rendered, no empty page behind the last one."""

TOKEN = "nasbook"
START_SECONDS = 120
VIEW = {"width": 1280, "height": 900}
SHOWN_ERROR = ".jp-RenderedText[data-mime-type*='error'], .jupyter-widgets-error-widget"
EXECUTION_STATE = """() => {
  const panel = window.jupyterapp.shell.currentWidget;
  const cells = panel.content.model.sharedModel.toJSON().cells.filter(c => c.cell_type === 'code');
  return {
    kernel: panel.sessionContext.session?.kernel?.status ?? 'none',
    counts: cells.map(c => c.execution_count),
    errors: cells.flatMap(c => c.outputs).filter(o => o.output_type === 'error')
                 .map(o => o.ename + ': ' + o.evalue),
  };
}"""


def artefacts(name: str) -> Path:
    """An empty folder for the pictures of one test."""
    root = os.environ.get("NASBOOK_ARTEFACTS") or Path(__file__).parents[2] / "artefacts"
    folder = Path(root) / "browser" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


class OpenNotebook:
    """A notebook in JupyterLab; ``page`` is Playwright's."""

    def __init__(self, page, name: str):
        self.page = page
        self.name = name
        self.folder = artefacts(name)
        self.pictures = 0

    def state(self) -> dict:
        """``kernel`` status, execution ``counts`` of the code cells, ``errors`` among their outputs."""
        return self.page.evaluate(EXECUTION_STATE)

    def wait(self, what: str, holds, seconds: float) -> None:
        """Wait until ``holds(state)``; fail with a picture after ``seconds``."""
        deadline = time.monotonic() + seconds
        while not holds(state := self.state()):
            if time.monotonic() > deadline:
                self.screenshot("too-late")
                pytest.fail(f"{self.name}: {what} took longer than {seconds} s: {state}")
            self.page.wait_for_timeout(200)

    def run_all(self, seconds: float = 300) -> None:
        """Run all cells and wait for the last one; fail on any error, in a cell or in a widget."""
        self.page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        self.wait(
            "running all cells",
            lambda s: s["errors"] or (all(s["counts"]) and s["kernel"] == "idle"),
            seconds,
        )
        if errors := self.state()["errors"]:
            self.screenshot("error")
            pytest.fail(f"{self.name}: {errors}")
        for position in self.each_view():
            shown = self.page.locator(SHOWN_ERROR)
            if shown.count():
                self.screenshot("error")
                pytest.fail(f"{self.name}, {position} px down, shows an error: {shown.first.inner_text()}")

    def each_view(self):
        """Scroll from top to bottom by most of a screen; yields the position in pixels at each stop."""
        body = self.page.locator(".jp-NotebookPanel .jp-WindowedPanel-outer").first
        position = 0
        while True:
            body.evaluate("(node, to) => node.scrollTo(0, to)", position)
            self.page.wait_for_timeout(400)
            yield position
            reached, height, total = body.evaluate("n => [n.scrollTop, n.clientHeight, n.scrollHeight]")
            if reached + height >= total - 2:
                return
            position = reached + 0.85 * height

    def screenshot(self, name: str = "") -> Path:
        """A picture of what is on the screen now."""
        self.pictures += 1
        path = self.folder / f"{self.pictures:02d}{'-' * bool(name)}{name}.png"
        self.page.screenshot(path=path)
        return path

    def screenshots(self) -> list[Path]:
        """Pictures of the whole notebook, one for each screenful."""
        return [self.screenshot() for _ in self.each_view()]

    def show(self, selector: str):
        """Scroll until an element is there and on the screen; fail if there is none in the whole notebook."""
        for _ in self.each_view():
            found = self.page.locator(selector)
            if found.count():
                found.first.scroll_into_view_if_needed()
                self.page.wait_for_timeout(200)
                return found
        self.screenshot("missing")
        pytest.fail(f"{self.name}: nothing in the notebook matches {selector}")

    def slider(self, index: int = 0):
        """The slider number ``index`` on the screen where the first slider of the notebook is."""
        return self.show(".jp-OutputArea [role=slider]").nth(index)

    def move(self, slider, key: str = "ArrowRight", times: int = 1) -> None:
        """Move a slider by keyboard, and fail if its value does not follow."""
        before = slider.get_attribute("aria-valuenow")
        slider.focus()
        for _ in range(times):
            slider.press(key)
        self.page.wait_for_timeout(600)
        assert slider.get_attribute("aria-valuenow") != before, f"{self.name}: the slider stayed at {before}"

    def changes(self, selector: str, act, seconds: float = 5) -> tuple[str, str]:
        """HTML of an element before and after ``act()``; fails if it is the same."""
        element = self.page.locator(selector).first
        before = element.inner_html()
        act()
        deadline = time.monotonic() + seconds
        while (after := element.inner_html()) == before:
            if time.monotonic() > deadline:
                self.screenshot("unchanged")
                pytest.fail(f"{self.name}: {selector} did not change")
            self.page.wait_for_timeout(100)
        return before, after


@pytest.fixture(scope="session")
def chromium():
    """Debian's Chromium under Playwright."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None or importlib.util.find_spec("playwright") is None:
        required = os.environ.get("NASBOOK_BROWSER") == "required"
        (pytest.fail if required else pytest.skip)(ENABLE)
    from playwright import sync_api

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """(address, root folder) of a JupyterLab with no settings but its own."""
    home = tmp_path_factory.mktemp("lab")
    root = home / "notebooks"
    root.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = home / "jupyterlab_settings_dir" / "@jupyterlab"
    for name, values in SETTINGS.items():
        path = settings / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR")
    environment = os.environ | {name: str(home / name.lower()) for name in names}
    environment |= {
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    environment |= {"NASBOOK_RUNS": str(home / "runs")}
    # readers get the bar, so the browser does
    environment.pop("NASBOOK_PROGRESS", None)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--expose-app-in-browser"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={TOKEN}"]
    command += [
        f"--ServerApp.root_dir={root}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
    ]
    with open(home / "server.log", "wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/api/status?token={TOKEN}", process, home / "server.log")
        yield address, root
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, OSError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"JupyterLab did not start ({error}): {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.3)


@pytest.fixture
def lab(chromium, server):
    """``lab(path)``: a copy of the notebook, opened, with an idle kernel."""
    address, root = server
    opened = []

    def open_notebook(path: Path) -> OpenNotebook:
        shutil.copy(path, root / path.name)
        context = chromium.new_context(viewport=VIEW)
        opened.append(context)
        page = context.new_page()
        page.goto(f"{address}/lab/tree/{path.name}?reset&token={TOKEN}")
        page.wait_for_function("window.jupyterapp?.shell.currentWidget?.sessionContext?.isReady", timeout=90_000)
        notebook = OpenNotebook(page, path.stem)
        notebook.wait("starting the kernel", lambda s: s["kernel"] == "idle", 60)
        page.evaluate("window.jupyterapp.shell.collapseLeft()")
        return notebook

    yield open_notebook
    for context in opened:
        for page in context.pages:
            page.evaluate("window.jupyterapp.shell.currentWidget?.sessionContext?.shutdown()")
        context.close()
