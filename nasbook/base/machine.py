"""The machine a run is made on: device, versions, commit, peak memory. Torch is imported only where it is used."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from nasbook.base.errors import NasbookError
from nasbook.base.files import repository

if TYPE_CHECKING:
    import torch


def device() -> torch.device:
    """The first CUDA device if there is one, else the CPU; ``$NASBOOK_DEVICE`` decides where it is set.

    Raises NasbookError if that names no device of this machine.
    """
    import torch

    name = os.environ.get("NASBOOK_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(name)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise NasbookError(
            f"NASBOOK_DEVICE is {name!r}, which this machine does not offer; unset it, or say 'cpu'"
        ) from error
    return chosen


def processor() -> str:
    """The widest registers that PyTorch and oneDNN use on this CPU, such as "AVX512" or "AVX512, oneDNN up to AVX2"."""
    import torch

    limit = os.environ.get("ONEDNN_MAX_CPU_ISA")
    return torch.backends.cpu.get_cpu_capability() + (f", oneDNN up to {limit}" if limit else "")


def device_name(chosen: torch.device) -> str:
    """What the device calls itself, for manifests."""
    import torch

    if chosen.type == "cuda":
        return torch.cuda.get_device_name(chosen)
    return f"CPU, {torch.get_num_threads()} threads ({platform.machine()}, {processor()})"


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on."""
    found = {"python": platform.python_version()}
    for package in ("nasbook", "torch", "torchvision", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def commit() -> str | None:
    """The commit of the checkout, with "+changes" if files differ from it; None outside a git checkout."""
    try:
        git = ["git", "-C", str(repository())]
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10)
        dirty = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, timeout=30)
    except (NasbookError, OSError, subprocess.TimeoutExpired):
        return None
    if head.returncode:
        return None
    return head.stdout.strip() + ("+changes" if dirty.stdout.strip() else "")


def peak_memory(chosen: torch.device) -> int:
    """Peak memory in bytes: allocated on a CUDA device, else of this process."""
    import torch

    if chosen.type == "cuda":
        return torch.cuda.max_memory_allocated(chosen)
    import psutil

    info = psutil.Process().memory_info()
    peak = getattr(info, "peak_wset", None)
    if peak is None:
        import resource
        import sys

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return int(peak)


def check_memory(needed: int, what: str) -> None:
    """Raise NasbookError if ``what`` would need more than all memory of this machine; ``needed`` in bytes."""
    import psutil

    limit = psutil.virtual_memory().total
    if needed > limit:
        # whole numbers, since the sizes that are asked for may exceed what a float can hold
        raise NasbookError(
            f"{what} would need about {needed // 2**30:,} GiB of memory, and this machine has "
            f"{limit // 2**30:,} GiB: choose smaller sizes"
        )


def provenance(chosen: torch.device) -> dict:
    """Who made a result, and on which day (UTC): date, commit, versions and device."""
    today = datetime.now(UTC).date().isoformat()
    return {"date": today, "commit": commit(), "versions": versions(), "device": device_name(chosen)}
