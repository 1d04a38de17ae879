"""``nasbook doctor``: for every part of the machine that the book needs, "fine" or the exact fix.

Needs no network, no GPU and no ``dot``; what is optional is never a fault. Checks are independent: one that
breaks is itself reported and hides no other.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from nasbook.base.errors import NasbookError

_PYTHON = (3, 11)
_TORCH = (2, 11)
_TORCH_FIX = f"pip install --upgrade 'torch>={_TORCH[0]}.{_TORCH[1]}' torchvision"
_GRAPH = "digraph { a -> b }"
_GRAPHVIZ_FIX = "pip install 'pygraphviz>=2.0.4'"


class Fault(Exception):
    """What is wrong and the command that mends it."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check; ``str`` is its line."""

    part: str
    fine: bool
    text: str

    def __str__(self) -> str:
        return f"{self.part:<8} {'fine' if self.fine else 'mend'}: {self.text}"


def python() -> str:
    """The interpreter's version. Raises Fault if it is too old."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _PYTHON:
        raise Fault(f"Python {found} is too old: make a new environment with Python 3.11 or newer")
    return f"Python {found} at {sys.executable}"


def torch() -> str:
    """Versions of torch and torchvision. Raises Fault if one is missing or old, or they do not fit."""
    try:
        found = version("torch")
        if tuple(map(int, found.split("+")[0].split(".")[:2])) < _TORCH:
            raise Fault(f"torch {found} is too old: {_TORCH_FIX}")
        # importing it registers its operators, which fails if it was built for another torch
        import torchvision
    except (ImportError, RuntimeError, OSError) as error:
        raise Fault(f"torch and torchvision do not load ({error}): {_TORCH_FIX}") from error
    return f"torch {found} with torchvision {torchvision.__version__}"


def device() -> str:
    """The device that runs will use.

    Raises NasbookError if $NASBOOK_DEVICE names none of this machine, Fault if torch does not load.
    """
    from nasbook.base import machine

    try:
        chosen = machine.device()
    except ImportError as error:
        raise Fault(f"torch, which knows the devices, does not load ({error}): {_TORCH_FIX}") from error
    name = machine.device_name(chosen)
    return name if chosen.type != "cpu" else f"{name}; fine for smoke and lesson, paper wants a GPU"


def processor() -> str:
    """The CPU's level, with the gradients of a small strided convolution beside those in float64.

    Raises Fault if they differ.
    """
    import torch

    from nasbook.base import machine
    from nasbook.spaces.operations import convolution

    net = convolution(4, 4, (1, 1), (2, 2))
    x = torch.rand(32, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    found = []
    for dtype, layout in ((torch.float32, torch.channels_last), (torch.float64, torch.contiguous_format)):
        net = net.to(dtype, memory_format=layout)
        net.weight.grad = None
        net(x.to(dtype, memory_format=layout)).square().sum().backward()
        found.append(net.weight.grad.double())
    error = float((found[0] - found[1]).abs().max() / found[1].abs().max())
    if not error < 1e-5:
        raise Fault(f"{machine.processor()}: gradients of convolutions are off by {error:.1e}: {_TORCH_FIX}")
    return f"{machine.processor()}; safe: small strided convolutions have the gradients of float64"


def drawing() -> str:
    """Which Graphviz drew a picture just now. Raises Fault if none could, or if what came is no picture."""
    from nasbook.drawing.parts.render import DOCTOR, drawn

    try:
        name, picture = drawn(_GRAPH, "svg")
    except NasbookError as error:
        raise Fault(f"{str(error).removesuffix(f'; {DOCTOR}')}: {_GRAPHVIZ_FIX}") from error
    if b"<svg" not in picture:
        raise Fault(f"{name} answered without a picture: {_GRAPHVIZ_FIX}")
    by = {"dot": "the dot program", "pygraphviz": "the Graphviz in pygraphviz's wheel"}
    return f"cells are drawn by {by[name]}"


def data() -> str:
    """The shipped sample, read in full. Raises NasbookError if it is missing or damaged."""
    from nasbook.datasets import catalogue

    intact = catalogue.verify("cifar10-sample").split(", SHA-256")[0]
    ready = {row["name"]: row["ready"] for row in catalogue.listing()}
    return f"{intact}; full CIFAR-10 is {'here' if ready['cifar10'] else 'optional: nasbook data get cifar10'}"


def kernel() -> str:
    """The kernel that Jupyter starts for the notebooks. Raises Fault if there is none that fits."""
    import ipykernel
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    fix = f"{sys.executable} -m ipykernel install --sys-prefix"
    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel as error:
        raise Fault(f"Jupyter knows no kernel 'python3': {fix}") from error
    program = spec.argv[0]
    if Path(program).name != program and not Path(program).exists():
        raise Fault(f"the kernel 'python3' starts {program}, which is not there: {fix}")
    if Path(program).name != program and Path(program).absolute() != Path(sys.executable).absolute():
        raise Fault(f"the kernel 'python3' starts another environment's Python, {program}: {fix}")
    return f"'python3' is this environment's ipykernel {ipykernel.__version__}"


CHECKS: dict[str, Callable[[], str]] = {
    "Python": python,
    "torch": torch,
    "device": device,
    "CPU": processor,
    "drawing": drawing,
    "data": data,
    "kernel": kernel,
}


def examine() -> list[Finding]:
    """Run every check; an unexpected exception becomes the finding of its check."""
    findings = []
    for part, check in CHECKS.items():
        try:
            findings.append(Finding(part, True, check()))
        except (Fault, NasbookError) as error:
            findings.append(Finding(part, False, str(error)))
        except Exception as error:
            again = f"pip install --force-reinstall -e . in the repository ({type(error).__name__}: {error})"
            findings.append(Finding(part, False, again))
    return findings
