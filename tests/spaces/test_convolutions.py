"""No convolution of the package writes past its memory or computes wrong gradients, at any level of the processor."""

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import nasbook as nb
from nasbook.spaces.blocks.micro_cells import OFFICIAL_MICRO_CELLS
from nasbook.spaces.blocks.micro_networks import MicroNetwork, MicroSupernet
from nasbook.spaces.darts.networks import CellSupernet
from nasbook.spaces.edges.networks import EdgeNetwork, EdgeSupernet
from nasbook.spaces.layers.macro_layers import OFFICIAL_MACRO_ARC
from nasbook.spaces.layers.macro_networks import MacroNetwork, MacroSupernet
from nasbook.spaces.layers.skip_layers import Layer, SkipStack
from nasbook.spaces.layers.skip_networks import SkipNetwork
from nasbook.spaces.names import DARTS_OPERATIONS
from nasbook.spaces.operations import OPERATIONS, FactorizedReduce, StridedPointwise, convolution, every
from nasbook.training.numerics import check_convolutions
from nasbook.trials import evaluators

SUPPORT = Path(__file__).parents[1] / "support"
LEVELS = {"narrow": {"ONEDNN_MAX_CPU_ISA": "AVX2"}, "own": {}}
NARROW = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def guard(tmp_path_factory):
    """Environment in which memory ends at a guarded page; empty where there is no C compiler or no Linux."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        return {}
    library = tmp_path_factory.mktemp("guard") / "guard.so"
    subprocess.run([compiler, "-O2", "-fPIC", "-shared", SUPPORT / "guard.c", "-o", library, "-ldl"], check=True)
    return {"LD_PRELOAD": str(library)}


def sweep(environment, *arguments):
    command = [sys.executable, str(SUPPORT / "convolution_sweep.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_every_gradient_is_that_of_float64(level, guard):
    done = sweep({**LEVELS[level], **(guard if level == "narrow" else {})})
    assert done.returncode == 0, done.stderr[-500:]
    found = json.loads(done.stdout)
    assert found["compared"] > 5000 and found["worst"] < 1e-5 and found["hits"] == 0, found


def test_the_sweep_sees_what_the_plain_strided_kernel_does_to_memory(guard):
    if not guard or platform.machine() != "x86_64":
        pytest.skip("needs a C compiler, Linux and an x86 processor")
    done = sweep({**LEVELS["narrow"], **guard}, "plain")
    sound = "this PyTorch's own strided 1x1 convolution is sound: StridedPointwise can go"
    assert done.returncode != 0 or json.loads(done.stdout)["hits"], sound


SEARCHES = """
import sys, nasbook as nb
data = nb.datasets.load("digits")
for name in [*nb.searchers.METHODS, "enas", "enas macro", "enas edges", "darts exact", "gdas fixed"]:
    method, _, how = name.partition(" ")
    more = {"exact": {"unrolling": how}, "fixed": {"fixed_reduction": True}, "": {}}.get(how, {"space": how})
    run = nb.search(method, data=data, out=f"{sys.argv[1]}/{name}", figures=False, epochs=1, channels=4, **more)
    print(name, run.finished)
"""


@pytest.mark.slow
def test_a_smoke_search_of_each_method_ends_on_the_narrow_kernels(tmp_path):
    done = subprocess.run([sys.executable, "-c", SEARCHES, tmp_path], capture_output=True, text=True, env=NARROW)
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.count("True") == len(nb.searchers.METHODS) + 5, done.stdout


def networks():
    yield CellSupernet(4, 3, 10, operations=DARTS_OPERATIONS)
    yield CellSupernet(8, 3, 10, operations=tuple(OPERATIONS), fixed_reduction=True)
    for cell in nb.genotypes.values():
        yield cell.network(8, 3, 10)
        yield cell.network(8, 3, 10, stem="imagenet", auxiliary=True)
    yield EdgeNetwork("|nor_conv_1x1~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|", 4, 1)
    yield EdgeSupernet(channels=4, cells=1)
    yield MacroSupernet(4, 6)
    yield MacroNetwork(OFFICIAL_MACRO_ARC, 4)
    yield MicroSupernet(4, 3, auxiliary=True)
    yield MicroNetwork(OFFICIAL_MICRO_CELLS, 4, 3, auxiliary=True)
    yield SkipNetwork(SkipStack((Layer((1, 1), 4, (), (2, 3)), Layer((3, 1), 4, (1,), (2, 2)))))


def test_every_strided_1x1_convolution_of_every_network_reads_its_pixels_first():
    seen = 0
    for net in networks():
        for name, layer in net.named_modules():
            if isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.stride != (1, 1):
                assert type(layer) is StridedPointwise, (type(net).__name__, name)
                seen += 1
    assert seen > 50


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize(("size", "stride"), [((8, 8), (2, 2)), ((7, 9), (2, 2)), ((9, 8), (3, 1)), ((5, 5), (1, 2))])
def test_it_is_the_strided_convolution_to_the_bit_of_its_output(size, stride, layout):
    ours = convolution(8, 6, (1, 1), stride).to(memory_format=layout)
    x = torch.randn(2, 8, *size, generator=torch.Generator().manual_seed(0)).contiguous(memory_format=layout)
    with torch.no_grad():
        theirs = nn.functional.conv2d(x.double(), ours.weight.double(), stride=stride)
        assert ours(x).shape == theirs.shape and torch.allclose(ours(x).double(), theirs, rtol=0, atol=1e-6)
        assert ours(x).is_contiguous(memory_format=layout)


def test_the_odd_half_begins_one_pixel_later():
    x = torch.arange(36.0).view(1, 1, 6, 6)
    assert every((2, 2), x, 1)[0, 0].tolist() == [[7, 9, 11], [19, 21, 23], [31, 33, 35]]
    last = x.contiguous(memory_format=torch.channels_last)
    assert torch.equal(every((2, 2), last, 1), every((2, 2), x, 1))
    reduce = FactorizedReduce(1, 2, affine=False)
    reduce.norm, reduce.even.weight.data[:], reduce.odd.weight.data[:] = nn.Identity(), 1.0, 1.0
    assert torch.equal(reduce(x)[0, 1], every((2, 2), x, 1)[0, 0])


class Plain(nn.Module):
    def __init__(self, channels=4, stride=2, groups=1):
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 3, padding=1)
        self.shortcut = nn.Conv2d(channels, 8, 1, stride=stride, groups=groups)
        self.classifier = nn.Linear(8, 10)

    def forward(self, x):
        return self.classifier(self.shortcut(self.stem(x)).mean(dim=(2, 3)))


@pytest.mark.parametrize("net", [Plain(2), Plain(7), Plain(4, (1, 2))])
def test_a_network_that_would_corrupt_memory_is_refused(net):
    with pytest.raises(nb.NasbookError, match="'shortcut' is a 1x1 convolution of stride"):
        check_convolutions(net, torch.device("cpu"), None)


def test_it_is_refused_before_it_trains(digits, tmp_path):
    with pytest.raises(
        nb.NasbookError, match=r"'shortcut' is a 1x1 convolution of stride 2 on 4 channels.*channels_last"
    ):
        nb.train(Plain(), data=digits, out=tmp_path / "a", epochs=1)
    assert not (tmp_path / "a").exists()
    judge = evaluators.Training(lambda architecture, seed: Plain(), data=digits, epochs=1).judge
    with pytest.raises(evaluators.ChildFailed, match="1x1 convolution of stride 2"):
        judge("one", 0)


@pytest.mark.parametrize(
    ("net", "settings"), [(Plain(8), {}), (Plain(4, 1), {}), (Plain(4, 2, 2), {}), (Plain(), {"channels_last": False})]
)
def test_sound_networks_train(digits, tmp_path, net, settings):
    assert nb.train(net, data=digits, out=tmp_path / "b", epochs=1, **settings).finished
