"""Bringing one file over the network: resumed where it broke off, watched, and given up on in time."""

import http.client
import json
import math
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from nasbook.base.progress import reporter

UNIT = 16 * 2**20
SILENCE = 10.0
WINDOW = 20.0
NPM_LIMIT = 1800.0


class TransferError(OSError):
    """The network, or what it brought, let us down; the caller may try another way."""


def fetch(url: str, target: Path, label: str, slowest: float = 0.0) -> None:
    """Bring ``url`` to ``target``, going on from ``target.part`` if an earlier attempt left one.

    Gives up after 10 seconds of silence, or when 20 seconds bring fewer than ``slowest`` bytes a second.
    Raises TransferError; what came so far is kept for the next attempt.
    """
    part = target.with_name(target.name + ".part")
    done = part.stat().st_size if part.exists() else 0
    request = Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        with urlopen(request, timeout=SILENCE) as answer:
            _store(answer, part, label, done if answer.status == 206 else 0, slowest)
    except HTTPError as error:
        if error.code == 416 and done:
            part.unlink()
            return fetch(url, target, label, slowest)
        raise TransferError(f"its server answers {error.code} {error.reason}") from error
    except http.client.HTTPException as error:
        raise TransferError(f"its server broke off ({type(error).__name__})") from error
    except TransferError:
        raise
    except OSError as error:
        raise TransferError(_reason(error)) from error
    os.replace(part, target)


def _reason(error: OSError) -> str:
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return f"no answer in {SILENCE:.0f} seconds"
    return str(getattr(cause, "strerror", None) or cause)


def _store(answer: http.client.HTTPResponse, part: Path, label: str, done: int, slowest: float) -> None:
    """Append the body of ``answer`` to ``part``, of which ``done`` bytes are valid."""
    length = done + int(answer.headers.get("Content-Length") or 0)
    units = max(1, math.ceil(length / UNIT))
    mark, since = done, time.monotonic()
    with open(part, "ab" if done else "wb") as stream, reporter(label, units, done // UNIT) as report:
        while block := answer.read1(2**16):
            stream.write(block)
            before, done = done, done + len(block)
            if done // UNIT > before // UNIT:
                report(f"{done / 1e6:.0f} of {length / 1e6:.0f} MB")
            waited = time.monotonic() - since
            if waited > WINDOW:
                pace = (done - mark) / waited
                if pace < slowest:
                    raise TransferError(f"its server sends only {pace / 1000:.0f} kB a second")
                mark, since = done, time.monotonic()
    if done < length:
        raise TransferError(f"the connection ended after {done:,} of {length:,} bytes")


@contextmanager
def npm_package(name: str, version: str, folder: Path) -> Iterator[Path]:
    """The tarball of an npm package, in a folder inside ``folder`` that is removed afterwards.

    The small question for the version comes first, because it fails fast where there is no network.
    Raises TransferError if npm is missing, finds no network or fails.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise TransferError("the npm command is not installed")
    with TemporaryDirectory(prefix=".npm-", dir=folder) as scratch:
        _npm([npm, "view", f"{name}@{version}", "version", "--json", "--fetch-timeout=10000"], scratch, 40)
        _npm([npm, "pack", f"{name}@{version}", "--json", "--fetch-timeout=1800000"], scratch, NPM_LIMIT)
        packed = sorted(Path(scratch).glob("*.tgz"))
        if not packed:
            raise TransferError("npm reported success and packed nothing")
        yield packed[0]


def _npm(command: list[str], folder: str, limit: float) -> None:
    try:
        answer = subprocess.run(
            [*command, "--fetch-retries=0", "--loglevel=error", "--prefer-online"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=limit,
        )
    except subprocess.TimeoutExpired as error:
        raise TransferError(f"npm gave no answer in {limit:.0f} seconds") from error
    if answer.returncode:
        raise TransferError(f"npm stopped with {_npm_code(answer.stdout) or f'status {answer.returncode}'}")


def _npm_code(text: str) -> str:
    """npm's own name of its error ("ENOTFOUND"), which unlike its message names no server."""
    try:
        return str(json.loads(text)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""
