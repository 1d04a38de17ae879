"""ENAS's spaces and networks: counts, official arcs, shared tensors, idle weights."""

import pytest
import torch
from torch.nn import functional as F

from nasbook.base.errors import NasbookError
from nasbook.spaces.blocks.micro_cells import (
    MICRO_OPERATIONS,
    OFFICIAL_MICRO_CELLS,
    micro_space,
    paper_count,
    read_micro,
)
from nasbook.spaces.blocks.micro_networks import MicroNetwork, MicroSupernet, micro_sequence
from nasbook.spaces.cost import count_parameters
from nasbook.spaces.layers.macro_layers import MACRO_OPERATIONS, OFFICIAL_MACRO_ARC, MacroArc, MacroLayers
from nasbook.spaces.layers.macro_networks import MacroNetwork, MacroSupernet, macro_pools, shared_branch
from nasbook.spaces.tokens import size

IMAGES = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(4)


def test_the_spaces_are_as_large_as_they_are():
    assert size(MacroLayers()) == 6**12 * 2**66 and f"{size(MacroLayers()):.3e}" == "1.606e+29"
    assert size(micro_space(reduction=False)) == 5_062_500_000_000
    assert size(micro_space()) == 5_062_500_000_000**2
    assert paper_count() == 600**4 == 129_600_000_000


def test_the_official_arcs_load():
    cells = OFFICIAL_MICRO_CELLS
    assert cells.normal_concat == (2, 3, 4, 5, 6) and cells.reduce_concat == (2, 4, 5, 6)
    assert cells.normal[0] == (("avg_pool_3x3", 0), ("sep_conv_3x3", 0))
    assert cells.reduce[2] == (("sep_conv_5x5", 1), ("sep_conv_5x5", 3))
    space = micro_space()
    assert space.decode(space.encode(cells)) == cells
    arc = OFFICIAL_MACRO_ARC
    bits = [bit for row in arc.skips for bit in row]
    assert len(arc.operations) == 24 and len(bits) == 276 and f"{arc.skip_rate:.1%}" == "35.5%"
    assert MacroArc.read(str(arc)) == arc and set(arc.operations) == {0, 1, 2, 3}
    space = MacroLayers(24)
    assert space.decode(space.encode(arc)) == arc and arc.skips[3] == (0, 0, 1)


def test_the_official_micro_network_has_3_894_372_parameters():
    with torch.device("meta"):
        assert count_parameters(MicroNetwork(OFFICIAL_MICRO_CELLS)) == 3_894_372
    assert micro_sequence(15).count("reduce") == 2 and [
        i for i, k in enumerate(micro_sequence(15)) if k == "reduce"
    ] == [
        5,
        11,
    ]
    assert macro_pools(12) == (3, 7)


def test_the_second_classifier_of_the_official_micro_network_has_494_848_parameters():
    with torch.device("meta"):
        net = MicroNetwork(OFFICIAL_MICRO_CELLS, auxiliary=True)
    assert sum(p.numel() for p in net.auxiliary_head.parameters()) == 494_848
    assert count_parameters(net) == 3_894_372 and net.auxiliary_position == 12


def test_the_second_classifier_reads_the_cell_after_the_last_reduction():
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    final = MicroNetwork(OFFICIAL_MICRO_CELLS, 4, 3, auxiliary=True).eval()
    shared = MicroSupernet(4, 3, auxiliary=True).eval()
    for net, given in ((final, (images,)), (shared, (images, OFFICIAL_MICRO_CELLS))):
        seen = {}
        position = net.sequence.index("reduce", 2) + 1
        net.cells[position].register_forward_hook(lambda module, _, out, seen=seen: seen.update(out=out))
        logits, second = net.forward_auxiliary(*given)
        assert torch.equal(logits, net(*given)) and torch.equal(second, net.auxiliary_head(seen["out"]))
        assert second.shape == (2, 10) and net.auxiliary_head.classifier.bias is None
    for plain, given in (
        (MicroNetwork(OFFICIAL_MICRO_CELLS, 4, 3), ()),
        (MicroSupernet(4, 3), (OFFICIAL_MICRO_CELLS,)),
    ):
        assert plain.forward_auxiliary(images, *given)[1] is None


def test_paths_are_dropped_the_oftener_the_deeper(digits, monkeypatch, tmp_path):
    """A training of two epochs at drop-path .8: in the second the share .4 of the way, times (layer + 1) / layers."""
    import nasbook as nb

    net = MicroNetwork(OFFICIAL_MICRO_CELLS, 4, 3)
    shares, start = [], 0
    for place, cell in enumerate(net.cells):
        shares += [(place + 1) / 5] * cell.drops
        start += cell.drops
    assert net.drops == start == len(net.drop_shares) and torch.allclose(net.drop_shares, torch.tensor(shares))
    given, original = [], net.forward_auxiliary

    def listening(images, keep=None):
        given.append(keep)
        return original(images, keep)

    monkeypatch.setattr(net, "forward_auxiliary", listening)
    nb.train(net, data=digits, out=tmp_path, epochs=2, batch_size=240, drop_path=0.8, padding=1)
    assert given[1] is None and given[-1] is not None
    masks = torch.cat([keep for keep in given if keep is not None], dim=1)  # (drops, n)
    chance = 0.4 * net.drop_shares
    assert ((masks == 0).float().mean(dim=1) - chance).abs().max() < 5 * 0.5 / masks.shape[1] ** 0.5
    assert torch.allclose(masks.max(dim=1).values, 1 / (1 - chance))


def test_a_dropped_path_is_absent_from_its_sum():
    net = MicroNetwork(OFFICIAL_MICRO_CELLS, 4, 3).eval()
    everything = torch.ones(net.drops, len(IMAGES))
    assert torch.equal(net(IMAGES, everything), net(IMAGES))
    for row in (0, net.drops - 1):
        keep = everything.clone()
        keep[row, 0] = 0
        changed = (net(IMAGES, keep) != net(IMAGES)).any(dim=1)
        assert changed.tolist() == [True, False, False, False]


def test_a_small_macro_network_counted_by_hand():
    """Layers: 3x3; separable 5x5 that skips to the first; pooling that skips to the second; channels 4, 8, 16."""
    net = MacroNetwork(MacroArc.read("0; 3 1; 4 0 1"), channels=4)
    stem = 27 * 4 + 8
    first = (16 + 8) + (9 * 16 + 8)
    halves_of_first = 4 * 8 + 16
    second = (64 + 16) + (25 * 8 + 64 + 16) + (2 * 64 + 16)
    halves_of_both = 2 * (8 * 16 + 32)
    third = (256 + 32) + (2 * 256 + 32)
    assert macro_pools(3) == (0, 1)
    assert count_parameters(net) == stem + first + halves_of_first + second + halves_of_both + third + 160


def micro(text, reduce=None):
    return read_micro(text, reduce or text)


def used(net, *architecture):
    """Names of the parameters that take part in an architecture."""
    net.zero_grad(set_to_none=True)
    F.cross_entropy(net(IMAGES, *architecture), LABELS).backward()
    return {name for name, parameter in net.named_parameters() if parameter.grad is not None}


PAIRS = {
    "micro": (
        lambda: MicroSupernet(4, 3, nodes=2),
        # block 0 in common; block 1 reads state 0 with another operation
        micro("0 0 1 4 0 1 2 2"),
        micro("0 0 1 4 0 0 2 2"),
        ("cells.0.edges.0.0.0.0.",),
        ("cells.0.edges.1.0.0.1.", "cells.0.edges.1.0.0.0."),
    ),
    "macro": (
        lambda: MacroSupernet(4, 3),
        MacroArc.read("0; 1 0; 2 1 0"),
        MacroArc.read("0; 3 0; 2 0 1"),
        ("layers.0.branches.0.", "layers.2.branches.2.", "layers.2.norm."),
        ("layers.1.branches.1.", "layers.1.branches.3."),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_two_arcs_with_the_same_operation_on_the_same_edge_share_its_tensors(name):
    build, one, other, common, apart = PAIRS[name]
    net = build()
    first, second = used(net, one), used(net, other)
    for prefix in common:
        assert any(key.startswith(prefix) for key in first & second)
    for prefix, mine, theirs in zip(apart, (first, second), (second, first)):
        assert any(key.startswith(prefix) for key in mine) and not any(key.startswith(prefix) for key in theirs)
    everything = {key for key, _ in net.named_parameters()}
    assert first < everything and second < everything


def test_both_sides_of_a_block_have_weights_of_their_own():
    taking_part = used(MicroSupernet(4, 3, nodes=2), micro("0 0 0 0 2 4 2 4"))
    for side in (0, 1):
        assert any(key.startswith(f"cells.0.edges.0.{side}.0.0.") for key in taking_part)


@pytest.mark.parametrize("name", PAIRS)
def test_training_one_arc_changes_the_output_of_another_and_leaves_absent_weights(name):
    build, one, other, *_ = PAIRS[name]
    net = build().train()
    before, weights = net(IMAGES, other).detach(), {k: p.detach().clone() for k, p in net.named_parameters()}
    taking_part = used(net, one)
    torch.optim.SGD(net.parameters(), 0.1, momentum=0.9, weight_decay=0.1).step()
    assert not torch.allclose(net(IMAGES, other), before, atol=1e-3)
    for key, parameter in net.named_parameters():
        assert key in taking_part or torch.equal(parameter, weights[key])


def test_a_cell_alone_is_what_the_shared_network_computes_with_its_weights():
    """The sum of both sides, and a 1x1 convolution of the loose ends with the kernels of just these."""
    net = MicroSupernet(4, 3, nodes=3).train()
    cell = net.cells[0]
    far, near = torch.randn(2, 2, 4, 5, 5, generator=torch.Generator().manual_seed(1))
    nodes = micro("0 4 1 4 2 4 0 4 0 4 0 4").normal
    two, three, four = far + near, (far + near) + far, 2 * far
    joined = torch.relu(torch.cat([three, four], dim=1))
    kernel = torch.cat([cell.kernels[1], cell.kernels[2]], dim=1)
    assert torch.allclose(cell(far, near, nodes), cell.norm(F.conv2d(joined, kernel)), atol=1e-6)
    assert not torch.equal(two, three)


@pytest.mark.parametrize("shared", [True, False])
def test_a_cell_reads_the_two_before_it_and_the_classifier_the_last(shared):
    """By what went through: far and near into their inputs, these into the cell, in this order."""
    net = (MicroSupernet(4, 3) if shared else MicroNetwork(OFFICIAL_MICRO_CELLS, 4, 3)).eval()
    read, cells, halved = {}, {}, []
    for place, (sides, cell) in enumerate(zip(net.inputs, net.cells)):
        for side, module in enumerate(sides):
            module.register_forward_hook(lambda m, x, out, key=(place, side): read.update({key: (x[0], out)}))
        cell.register_forward_hook(lambda m, x, out, place=place: cells.update({place: (x, out)}))
    for module in net.reductions if shared else ():
        module.register_forward_hook(lambda m, x, out: halved.append((x[0], out)))
    logits = net(IMAGES, OFFICIAL_MICRO_CELLS) if shared else net(IMAGES)
    halves = iter(halved)
    for place, kind in enumerate(net.sequence):
        near = cells[place - 1][1] if place else read[0, 0][0]
        if shared and kind == "reduce":
            before, near_and_small = next(halves)
            assert before is near
            near = near_and_small
        assert read[place, 1][0] is near and (place == 0 or read[place, 0][0] is read[place - 1, 1][0])
        given = cells[place][0]
        assert given[0] is read[place, 0][1] and given[1] is read[place, 1][1]
        assert not shared or given[2] == OFFICIAL_MICRO_CELLS.kinds[kind][0]
        assert cells[place][1].shape[-1] == 8 // 2 ** net.sequence[: place + 1].count("reduce")
    features = cells[len(net.cells) - 1][1].relu().mean(dim=(2, 3))
    assert torch.equal(logits, net.classifier(features))


def test_a_skip_adds_the_output_of_its_layer_before_the_norm():
    net = MacroSupernet(4, 6).train()
    arc = MacroArc.read("4; 5 0; 5 1 0; 5 0 0 0; 5 0 0 0 0; 5 0 0 0 0 0")
    seen = {}
    for place in (0, 1, 2):
        net.layers[place].register_forward_hook(lambda m, given, out, place=place: seen.update({place: (given, out)}))
    net(IMAGES, arc)
    (x, operation, skipped), out = seen[2]
    halved = net.reductions["1"]
    assert operation == 5 and len(skipped) == 1
    assert torch.equal(skipped[0], halved[0](seen[0][1])) and torch.equal(x, halved[1](seen[1][1]))
    assert torch.allclose(out, net.layers[2].norm(net.layers[2].branches[5](x) + skipped[0]))


@pytest.mark.parametrize("name", MACRO_OPERATIONS)
def test_every_macro_operation_can_be_trained_alone(name):
    """The released final network builds a plain convolution for a separable one, and nothing for a pooling."""
    place = MACRO_OPERATIONS.index(name)
    net = MacroNetwork(MacroArc((place,) * 3, ((), (1,), (0, 1))), channels=4)
    depthwise = [m for m in net.layers[2].operation.modules() if getattr(m, "groups", 1) > 1]
    assert net(IMAGES).shape == (4, 10) and bool(depthwise) == name.startswith("sep")


def test_a_pooling_counts_no_padding():
    ones = torch.ones(1, 2, 4, 4)
    assert all(torch.equal(shared_branch(f"{kind}_pool_3x3", 2)[-1](ones), ones) for kind in ("avg", "max"))


@pytest.mark.parametrize(
    "wrong, said",
    [
        (lambda: MacroArc.read("0; 1"), "skip bits"),
        (lambda: MacroArc.read("a; 1 0"), "no arc"),
        (lambda: MacroArc.read(""), "at least one layer"),
        (lambda: read_micro("0 5 0 0", "0 0 0 0"), "operation"),
        (lambda: read_micro("0 0 2 0", "0 0 0 0"), "input"),
        (lambda: read_micro("0 0 0", "0 0 0 0"), "four whole numbers"),
        (lambda: MicroSupernet(4, 3, nodes=2)(IMAGES, OFFICIAL_MICRO_CELLS), "2 blocks"),
        (lambda: MacroSupernet(4, 3)(IMAGES, OFFICIAL_MACRO_ARC), "3 layers"),
        (lambda: MacroSupernet(5, 3), "try 6"),
        (lambda: MacroLayers(3, ("conv_9x9",)), "operation"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(wrong, said):
    with pytest.raises(NasbookError, match=said):
        wrong()


def test_the_orders_of_operations_are_the_released_ones():
    assert MICRO_OPERATIONS == ("sep_conv_3x3", "sep_conv_5x5", "avg_pool_3x3", "max_pool_3x3", "skip_connect")
    assert MACRO_OPERATIONS[:2] == ("conv_3x3", "sep_conv_3x3") and MACRO_OPERATIONS[4:] == (
        "avg_pool_3x3",
        "max_pool_3x3",
    )
