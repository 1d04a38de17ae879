"""``nasbook doctor``: right on a bare machine, and right about each thing that can be broken."""

import socket
import sys
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from nasbook.base import machine
from nasbook.base.errors import NasbookError
from nasbook.book import doctor
from nasbook.book.cli import main


def test_a_bare_machine_is_fine(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("NASBOOK_DATA", "/nonexistent")
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["Python", "torch", "device", "CPU", "drawing", "data", "kernel"]
    assert all(line.split()[1] == "fine:" for line in lines)
    assert "CPU" in lines[2] and "pygraphviz" in lines[4] and "nasbook data get cifar10" in lines[5]
    assert torch.backends.cpu.get_cpu_capability() in lines[3] and "safe" in lines[3]


def test_the_cpus_level_is_named_with_the_limit_of_onednn(monkeypatch):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert doctor.processor().startswith(f"{torch.backends.cpu.get_cpu_capability()}, oneDNN up to AVX2; safe")
    assert "oneDNN up to AVX2" in machine.device_name(torch.device("cpu"))


def test_wrong_gradients_of_convolutions_are_a_fault(monkeypatch):
    right = functional.conv2d

    def wrong(x, weight, *rest):
        return right(x, weight * 1.001 if weight.dtype == torch.float32 else weight, *rest)

    monkeypatch.setattr(functional, "conv2d", wrong)
    with pytest.raises(doctor.Fault, match="gradients of convolutions are off by"):
        doctor.processor()


def test_no_network_is_no_fault(monkeypatch, capsys, tmp_path):
    asked = []

    def refuse(*arguments, **options):
        asked.append(arguments)
        raise OSError("the network is unreachable")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("NASBOOK_DATA", str(tmp_path))
    assert main(["doctor"]) == 0, capsys.readouterr().out
    assert not asked


def test_one_broken_check_hides_no_other(monkeypatch, capsys):
    def fault():
        raise doctor.Fault("gone: put it back")

    def broken():
        raise ZeroDivisionError("in the check itself")

    monkeypatch.setattr(doctor, "CHECKS", {"a": fault, "b": broken, "c": lambda: "all right"})
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "a        mend: gone: put it back"
    assert "mend:" in lines[1] and "ZeroDivisionError: in the check itself" in lines[1]
    assert lines[2] == "c        fine: all right"


def test_old_python(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 4))
    with pytest.raises(doctor.Fault, match=r"Python 3\.10\.4 is too old"):
        doctor.python()


def test_old_or_mismatched_torch(monkeypatch):
    monkeypatch.setattr(doctor, "version", lambda name: "2.9.1+cpu")
    with pytest.raises(doctor.Fault, match=r"2\.9\.1\+cpu is too old: pip install"):
        doctor.torch()
    monkeypatch.setattr(doctor, "version", lambda name: "2.14.1")
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(doctor.Fault, match="do not load"):
        doctor.torch()


def test_a_device_that_is_not_there(monkeypatch):
    monkeypatch.setenv("NASBOOK_DEVICE", "tpu9")
    with pytest.raises(NasbookError, match="tpu9"):
        doctor.device()


def test_a_device_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(doctor.Fault, match=r"does not load .*: pip install --upgrade 'torch>=2\.11' torchvision$"):
        doctor.device()


@pytest.fixture
def render(monkeypatch):
    from nasbook.drawing.parts import render

    render._render.cache_clear()
    yield render
    render._render.cache_clear()


FIX = "pip install 'pygraphviz>=2.0.4'"


def test_no_graphviz(monkeypatch, render):
    monkeypatch.setattr(render, "engines", dict)
    with pytest.raises(doctor.Fault) as caught:
        doctor.drawing()
    assert str(caught.value).endswith(f"neither dot nor pygraphviz is installed: {FIX}")
    assert "nasbook doctor" not in str(caught.value)


def test_a_graphviz_that_draws_nothing(monkeypatch, render):
    monkeypatch.setattr(render, "engines", lambda: {"pygraphviz": "?"})
    monkeypatch.setattr(render, "_by_wheel", lambda sources, form: (b"",))
    with pytest.raises(doctor.Fault) as caught:
        doctor.drawing()
    assert str(caught.value) == f"pygraphviz answered without a picture: {FIX}"


def test_the_engine_that_drew_is_named(monkeypatch, render):
    def broken(sources, form):
        raise OSError("broken installation")

    monkeypatch.setattr(render, "engines", lambda: {"dot": "/usr/bin/dot", "pygraphviz": "?"})
    monkeypatch.setattr(render, "_by_dot", lambda sources, form: (b"<svg/>",))
    assert doctor.drawing() == "cells are drawn by the dot program"
    render._render.cache_clear()
    monkeypatch.setattr(render, "_by_dot", broken)
    assert doctor.drawing() == "cells are drawn by the Graphviz in pygraphviz's wheel"


def test_a_foreign_or_missing_kernel(monkeypatch):
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    def spec(argv):
        monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", lambda self, name: SimpleNamespace(argv=[argv]))

    spec("python")
    assert "this environment" in doctor.kernel()
    spec(sys.executable)
    assert "this environment" in doctor.kernel()
    spec("/nonexistent/bin/python")
    with pytest.raises(doctor.Fault, match="not there"):
        doctor.kernel()
    spec("/bin/sh")
    with pytest.raises(doctor.Fault, match="another environment"):
        doctor.kernel()

    def none(self, name):
        raise NoSuchKernel(name)

    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", none)
    with pytest.raises(doctor.Fault, match="ipykernel install --sys-prefix"):
        doctor.kernel()
