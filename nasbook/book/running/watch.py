"""What the terminal shows while a notebook runs, and what a signal does to it."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_LOOK_SECONDS = 0.25
_SILENCE_SECONDS = 10.0


class Watch(threading.Thread):
    """Prints each new line of the progress file, and after ten silent seconds which cell is running.

    ``cell``: "cell 3: run = nb.search(...)", set by the runner. ``kernel``: process id, or None while
    there is none. ``peak_memory``: largest resident size of the kernel seen so far, in bytes.
    """

    def __init__(self, log: Path):
        super().__init__(name="watch", daemon=True)
        self.log = log
        self.cell = "starting the kernel"
        self.kernel: int | None = None
        self.peak_memory = 0
        self._read = log.stat().st_size if log.exists() else 0
        self._begun = self._last_sign = time.monotonic()
        self._over = threading.Event()

    def run(self) -> None:
        """Look until ``stop`` is called, then once more."""
        while not self._over.wait(_LOOK_SECONDS):
            self._look()
        self._look()

    def stop(self) -> None:
        """Print what is left and end the thread."""
        self._over.set()
        self.join()

    def _look(self) -> None:
        for line in self._new_lines():
            self._say(line)
        if time.monotonic() - self._last_sign > _SILENCE_SECONDS:
            self._say(f"  {time.monotonic() - self._begun:.0f} s, {self.cell}")
        if kernel := self.kernel:
            with suppress(psutil.NoSuchProcess):  # where it has ended there is nothing left to measure
                self.peak_memory = max(self.peak_memory, psutil.Process(kernel).memory_info().rss)

    def _new_lines(self) -> list[str]:
        if not self.log.exists():
            return []
        with open(self.log, "rb") as stream:
            stream.seek(self._read)
            # a line that is still being written waits for its end
            whole = stream.read().rpartition(b"\n")[0]
        self._read += len(whole) + 1 if whole else 0
        return whole.decode("utf-8", "replace").splitlines()

    def _say(self, line: str) -> None:
        print(line, flush=True)
        self._last_sign = time.monotonic()


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM; ``status`` is the exit status that the shell expects for it."""

    def __init__(self, number: int):
        super().__init__(number)
        self.status = 128 + number


@contextmanager
def stop_on_signal(kill: Callable[[], None]) -> Iterator[None]:
    """Inside the block, the first SIGINT or SIGTERM calls ``kill`` and raises Stopped, a second exits.

    That holds until the process ends, so that no impatient Ctrl-C meets a half-done clean-up.
    Signals reach the main thread only; in any other thread the block changes nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen = False

    def handler(number: int, frame: object) -> None:
        nonlocal seen
        kill()
        if seen:
            os._exit(128 + number)
        seen = True
        print("nasbook: stopped; the same command again continues where it can", file=sys.stderr, flush=True)
        raise Stopped(number)

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            if not seen:
                signal.signal(number, old)
