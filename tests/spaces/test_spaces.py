"""Cells, networks and their exact sizes."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import nasbook as nb
from nasbook.spaces.darts.cells import FixedReductionCell, SearchCell
from nasbook.spaces.darts.networks import CellSupernet
from nasbook.spaces.names import cell_edges
from nasbook.spaces.operations import OPERATIONS

PUBLISHED = json.loads((Path(__file__).parents[1] / "support" / "published_counts.json").read_text())


def size(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_counts(name):
    genotype, counts = nb.genotypes[name], PUBLISHED[name]
    net = genotype.network(36, 20, 10, auxiliary=True)
    found = nb.cost(net)
    assert found.parameters == counts["cifar10_C36_L20"]
    assert found.multiply_adds == counts["cifar10_multadds"]
    assert size(net.auxiliary_head) == counts["cifar10_aux"]
    assert nb.cost(genotype.network(36, 20, 100)).parameters == counts["cifar100_C36_L20"]
    assert nb.cost(genotype.network(16, 8, 10)).parameters == counts["cifar10_C16_L8"]
    assert nb.cost(genotype.network(8, 5, 10)).parameters == counts["cifar10_C8_L5"]
    large = genotype.network(48, 14, 1000, auxiliary=True, stem="imagenet")
    found = nb.cost(large, (3, 224, 224))
    assert found.parameters == counts["imagenet_C48_L14"]
    assert found.multiply_adds == counts["imagenet_multadds_conv_fc"]
    assert size(large.auxiliary_head) == counts["imagenet_aux_no_bn768"]


def test_published_counts_outside_the_table():
    """GDAS_F1 at C = 52 on ImageNet, NASNet_A at C = 32 and 33, the millions printed in papers."""
    found = nb.cost(nb.genotypes["GDAS_F1"].network(52, 14, 1000, stem="imagenet"), (3, 224, 224))
    assert (found.parameters, round(found.multiply_adds / 1e6, 2)) == (4_430_386, 496.73)
    assert nb.cost(nb.genotypes["NASNet_A"].network(33, 20, 10)).parameters == 3_245_989
    assert nb.cost(nb.genotypes["NASNet_A"].network(32, 20, 10)).parameters == 3_061_738
    large = nb.cost(nb.genotypes["GDAS_V1"].network(50, 14, 1000, stem="imagenet"), (3, 224, 224))
    assert (round(large.parameters / 1e6, 1), round(large.multiply_adds / 1e6)) == (5.3, 581)
    assert round(nb.cost(nb.genotypes["SNAS_aggressive"].network(36, 20, 10)).parameters / 1e6, 1) == 2.3
    for name, millions in [("GDAS_V1", 3.4), ("GDAS_GF", 3.0), ("GDAS_FG", 2.9), ("PDARTS", 3.4),
                           ("SNAS_moderate", 2.8), ("AmoebaNet_A", 3.1)]:  # fmt: skip
        assert round(nb.cost(nb.genotypes[name].network(36, 20, 10)).parameters / 1e6, 1) == millions, name


def test_supernet_counts():
    assert size(CellSupernet(16, 8, 10)) == 1_930_618
    assert size(CellSupernet(24, 8, 10)) == 3_998_194
    assert size(CellSupernet(16, 8, 10, fixed_reduction=True)) == 1_340_410
    assert nb.cost(CellSupernet(16, 8, 10)).parameters == 1_930_618


def test_cost_counts_by_hand():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1, groups=1), nn.Flatten(), nn.Linear(4 * 16, 5))
    assert nb.cost(net, (3, 8, 8)).multiply_adds == 4 * 16 * 27 + 64 * 5
    assert nb.cost(net, (3, 8, 8)).parameters == 3 * 4 * 9 + 4 + 64 * 5 + 5


@pytest.mark.parametrize("shape", [(3, 32), (3, 0, 32), (1, 32, 32), "32"])
def test_cost_refuses_shapes_the_network_cannot_take(shape):
    with pytest.raises(nb.NasbookError):
        nb.cost(nb.genotypes["DARTS_V1"].network(8, 5, 10), shape)


def test_edges_in_darts_order():
    assert cell_edges(2) == ((2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
    assert len(cell_edges(4)) == 14


def test_a_one_hot_path_equals_the_genotypes_cell():
    """The super-net with the weights of a genotype's operations computes what the derived cell computes."""
    torch.manual_seed(0)
    ops = tuple(name for name in OPERATIONS if "pool" not in name)
    cell = SearchCell(4, 2, ops, nodes=2).eval()
    path = torch.zeros(5, len(ops))
    genotype = [[("sep_conv_3x3", 0), ("dil_conv_5x5", 1)], [("skip_connect", 1), ("conv_7x1_1x7", 2)]]
    far, near = torch.randn(2, 2, 4, 8, 8)
    states = [far, near]
    for node, pairs in enumerate(genotype):
        total = 0
        for name, source in pairs:
            edge = cell_edges(2).index((node + 2, source))
            path[edge, ops.index(name)] = 1
            total = total + cell.edges[edge][ops.index(name)](states[source])
        states.append(total)
    active = [[op for op, w in enumerate(row) if w != 0] for row in path.tolist()]
    torch.testing.assert_close(cell(far, near, path, active), torch.cat(states[2:], 1), rtol=0, atol=0)


def test_supernet_is_linear_in_the_paths_of_the_last_cells_edges():
    """Mixing weights multiply outputs: the dense mixture of one edge is the weighted sum of its one-hot outputs."""
    torch.manual_seed(0)
    cell = SearchCell(4, 1, ("skip_connect", "sep_conv_3x3"), nodes=1).double().eval()
    far, near = torch.randn(2, 2, 4, 6, 6, dtype=torch.float64)
    mix = torch.tensor([[0.3, 0.7], [0.9, 0.1]], dtype=torch.float64)
    whole = cell(far, near, mix, [[0, 1], [0, 1]])
    parts = sum(mix[e, o] * cell.edges[e][o](x) for e, x in ((0, far), (1, near)) for o in range(2))
    torch.testing.assert_close(whole, parts)


def test_what_a_relaxation_returns_is_a_path():
    net = CellSupernet(4, 3, 10, nodes=2).eval()
    x = torch.randn(2, 3, 8, 8)
    path = nb.relaxations.softmax(torch.randn(5, 8))
    assert path.shape == (1, 5, 8)
    assert torch.equal(net(x, {k: path for k in net.searched}), net(x, {k: path[0] for k in net.searched}))


def test_which_operations_run_is_read_once_for_each_kind(monkeypatch):
    """Nothing else in a forward may wait for the device: no .item(), one .tolist() for each searched kind."""
    reads = []
    for name in ("item", "tolist", "numpy", "__bool__", "__float__", "__int__"):
        original = getattr(torch.Tensor, name)
        monkeypatch.setattr(torch.Tensor, name, lambda self, *a, _f=original, _n=name: reads.append(_n) or _f(self, *a))
    net = CellSupernet(4, 8, 10, nodes=2)
    reads.clear()
    net(torch.randn(2, 3, 16, 16), net.uniform_paths())
    assert reads == ["tolist", "tolist"]


def test_cost_leaves_the_auxiliary_head_out_wherever_it_sits():
    net = nb.genotypes["DARTS_V2"].network(8, 5, 10, auxiliary=True)
    assert nb.cost(nn.Sequential(net)).parameters == nb.cost(net).parameters == 37_018
    with pytest.raises(nb.NasbookError, match=r"genotype\.network"):
        nb.cost(nb.genotypes["DARTS_V2"])


def test_nasnet_a_with_its_own_concat_has_the_published_size():
    """An input may stand in the concat of a normal cell: 3.3M parameters with 32 channels."""
    cell = nb.genotypes["NASNet_A"]
    official = nb.Genotype(cell.normal, (0, 2, 3, 4, 5, 6), cell.reduce, (3, 4, 5, 6))
    assert round(nb.cost(official.network(32, 20, 10)).parameters / 1e6, 1) == 3.3
    assert nb.Genotype.parse(str(official)) == official


def test_a_node_without_active_operations_is_zero():
    cell = SearchCell(4, 2, ("skip_connect",), nodes=1)
    y = cell(torch.randn(2, 4, 7, 9), torch.randn(2, 4, 7, 9), torch.zeros(2, 1), [[], []])
    assert torch.equal(y, torch.zeros(2, 4, 4, 5))


def test_paths_of_wrong_shape_or_kind_are_refused():
    net = CellSupernet(4, 3, 10, nodes=2)
    paths = net.uniform_paths()
    with pytest.raises(nb.NasbookError, match="no 'reduce'"):
        net(torch.randn(2, 3, 8, 8), {"normal": paths["normal"]})
    with pytest.raises(nb.NasbookError, match=r"shape \(4, 8\)"):
        net(torch.randn(2, 3, 8, 8), paths | {"normal": torch.ones(4, 8)})


def test_one_path_for_each_cell_of_a_kind():
    torch.manual_seed(0)
    net = CellSupernet(4, 4, 10, nodes=1, operations=("skip_connect", "sep_conv_3x3")).eval()
    assert net.sequence == ["normal", "reduce", "reduce", "normal"]
    x = torch.randn(2, 3, 8, 8)
    one = torch.eye(2)
    shared = net(x, {"normal": one, "reduce": one})
    repeated = net(x, {"normal": one.expand(2, 2, 2), "reduce": one})
    changed = net(x, {"normal": torch.stack([one, one.flip(1)]), "reduce": one})
    assert torch.equal(shared, repeated)
    assert not torch.allclose(shared, changed)


def test_fixed_reduction_cell():
    cell = FixedReductionCell(16, affine=True)
    y = cell(torch.randn(2, 16, 9, 8), torch.randn(2, 16, 9, 8))
    assert y.shape == (2, 64, 5, 4)
    assert [m.groups for m in cell.modules() if isinstance(m, nn.Conv2d)] == [8, 8, 1, 8, 8, 1]


@pytest.mark.parametrize(("cells", "positions"), [(20, [6, 13]), (8, [2, 5]), (14, [4, 9]), (5, [1, 3]), (3, [1, 2])])
def test_reductions_stand_at_one_and_two_thirds(cells, positions):
    net = nb.genotypes["DARTS_V2"].network(2, cells, 10)
    assert [i for i, kind in enumerate(net.sequence) if kind == "reduce"] == positions


@pytest.mark.parametrize("size_", [32, 31, 8, 9])
def test_networks_take_odd_sizes(size_):
    for name in ("DARTS_V2", "GDAS_F1", "AmoebaNet_A", "SNAS_aggressive", "DATA_M7"):
        assert nb.genotypes[name].network(4, 4, 7).eval()(torch.randn(2, 3, size_, size_)).shape == (2, 7)


def test_initial_weights_come_from_the_seed_alone():
    before = torch.random.get_rng_state()
    a, b, c = (nb.genotypes["DARTS_V1"].network(4, 3, 10, seed=s).state_dict() for s in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert not torch.equal(a["classifier.weight"], c["classifier.weight"])


def test_auxiliary_head_reads_the_last_reduction():
    net = nb.genotypes["DARTS_V2"].network(4, 5, 10, auxiliary=True)
    logits, auxiliary = net.forward_auxiliary(torch.randn(2, 3, 32, 32))
    assert logits.shape == auxiliary.shape == (2, 10)
    assert net.auxiliary_head.features[2].in_channels == 4 * 4 * 4
    with pytest.raises(nb.NasbookError, match="feature maps of 8 pixels and got 4"):
        net.forward_auxiliary(torch.randn(2, 3, 16, 16))


@pytest.mark.parametrize(
    ("sizes", "said"),
    [((16, 2, 10), "cells is 2"), ((16, 5, 1), "classes is 1"),
     ((16.0, 5, 10), "channels is 16.0"), ((True, 5, 10), "channels is True"), ((0, 5, 10), "channels is 0")],
)  # fmt: skip
def test_impossible_sizes_are_refused(sizes, said):
    with pytest.raises(nb.NasbookError, match=said):
        nb.genotypes["DARTS_V2"].network(*sizes)
    with pytest.raises(nb.NasbookError, match=said):
        CellSupernet(*sizes)


def test_channels_that_a_stem_or_cell_cannot_divide_are_refused():
    assert nb.genotypes["DARTS_V2"].network(7, 3, 10)(torch.randn(2, 3, 8, 8)).shape == (2, 10)
    with pytest.raises(nb.NasbookError, match=r"divisible by 2: try 8"):
        nb.genotypes["DARTS_V2"].network(7, 3, 10, stem="imagenet")
    with pytest.raises(nb.NasbookError, match="divisible by 4: try 8"):
        nb.genotypes["GDAS_F1"].network(7, 3, 10)
    with pytest.raises(nb.NasbookError, match="divisible by 4: try 8"):
        CellSupernet(6, 3, 10, fixed_reduction=True)


def test_unknown_stem_is_refused():
    with pytest.raises(nb.NasbookError, match="did you mean 'imagenet'"):
        nb.genotypes["DARTS_V2"].network(4, 5, 10, stem="imagnet")
