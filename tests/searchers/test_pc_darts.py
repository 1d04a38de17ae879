"""PC-DARTS: partial channels and edge weights against the printed formula, the frozen epochs, the derivation."""

import numpy as np
import pytest
import torch
from tiny import TINY, begin
from torch.nn import functional as F

import nasbook as nb
from nasbook.relaxations import samplers
from nasbook.searchers import darts, pc_darts
from nasbook.spaces.darts.grouped import GroupedCell
from nasbook.spaces.darts.networks import CellSupernet
from nasbook.spaces.darts.partial import shuffle
from nasbook.spaces.names import CELL_OPERATIONS, DARTS_OPERATIONS, cell_edges
from nasbook.training import bilevel

LAYOUTS = {"nchw": torch.contiguous_format, "channels_last": torch.channels_last}


def test_the_super_net_has_299578_weights():
    assert nb.cost(CellSupernet(16, 8, 10, channel_share=4)).parameters == 299_578


def test_paper_profile_is_the_published_protocol():
    config = pc_darts.Config.make(pc_darts.PROFILES["paper"])
    published = dict(alpha_betas=(0.5, 0.999), epochs=50, batch_size=256, channels=16, cells=8, nodes=4, weight_lr=0.1,
                     weight_lr_end=0.0, momentum=0.9, weight_decay=3e-4, clip=5.0, alpha_lr=6e-4, alpha_decay=1e-3,
                     alpha_deviation=1e-3, channel_share=4, order=("alphas", "weights"))  # fmt: skip
    assert {name: getattr(config, name) for name in published} == published
    assert [config.steps_in(epoch) for epoch in range(15)] == [("weights",)] * 15
    assert [config.steps_in(epoch) for epoch in range(15, 50)] == [("alphas", "weights")] * 35


@pytest.mark.parametrize("layout", LAYOUTS)
def test_shuffle_interleaves_the_groups(layout):
    x = torch.arange(6.0)[None, :, None, None].expand(2, 6, 3, 5).contiguous(memory_format=LAYOUTS[layout])
    y = shuffle(x, 2)
    assert y[0, :, 0, 0].tolist() == [0, 3, 1, 4, 2, 5] and torch.equal(y, y[:1, :, :1, :1].expand_as(y))
    assert y.is_contiguous(memory_format=LAYOUTS[layout])
    x = torch.randn(2, 16, 3, 5).contiguous(memory_format=LAYOUTS[layout])
    assert not torch.equal(shuffle(x, 4), x) and torch.equal(shuffle(shuffle(x, 4), 4), x)
    assert torch.equal(shuffle(x, 4), F.channel_shuffle(x, 4))


def test_edge_weights_are_a_softmax_for_each_node():
    beta = torch.tensor([1.0, 3.0, 1.0, 1.0, 2.0]).log()
    torch.testing.assert_close(pc_darts.edge_weights(beta, (2, 3)), torch.tensor([0.25, 0.75, 0.25, 0.25, 0.5]))
    node = torch.tensor([n for n, _ in cell_edges(4)])
    found = pc_darts.edge_weights(torch.randn(14, generator=torch.Generator().manual_seed(0)), (2, 3, 4, 5))
    torch.testing.assert_close(torch.stack([found[node == n].sum() for n in range(2, 6)]), torch.ones(4))


def published_cell(cell, far, near, p, beta_weights, share):
    """The released code, edge by edge: mix the first channels, pool the others, shuffle, weigh the edge."""
    states = [far, near]
    for node in range(2, 2 + len({n for n, _ in cell.ends})):
        edges = [edge for edge, (n, _) in enumerate(cell.ends) if n == node]
        total = 0
        for edge in edges:
            x = states[cell.ends[edge][1]]
            first, others = x[:, : x.shape[1] // share], x[:, x.shape[1] // share :]
            mixed = sum(p[edge, op] * operation(first) for op, operation in enumerate(cell.edges[edge]))
            if mixed.shape[2] != x.shape[2]:
                others = F.max_pool2d(others, 2, 2)
            total = total + beta_weights[edge] * F.channel_shuffle(torch.cat([mixed, others], dim=1), share)
        states.append(total)
    return torch.cat(states[2:], dim=1)


@pytest.mark.parametrize("share", [2, 4])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_cell_is_the_published_one_edge_by_edge(stride, grouped, share):
    """Values and the gradients of alphas, betas, inputs and weights."""
    torch.manual_seed(stride)
    cell = GroupedCell(8, stride, DARTS_OPERATIONS, 3, grouped=grouped, channel_share=share).double()
    far, near = (torch.randn(2, 8, 6, 6, dtype=torch.float64, requires_grad=True) for _ in range(2))
    alpha = torch.randn(9, 8, dtype=torch.float64, requires_grad=True)
    beta = torch.randn(9, dtype=torch.float64, requires_grad=True)
    p, weight = samplers.softmax(alpha)[0], pc_darts.edge_weights(beta, (2, 3, 4))
    found = []
    for y in (
        cell(far, near, weight[:, None] * p, [list(range(8))] * 9),
        published_cell(cell, far, near, p, weight, share),
    ):
        loss = (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)).sum()
        wanted = [alpha, beta, far, near, *cell.parameters()]
        found.append([y, *torch.autograd.grad(loss, wanted, retain_graph=True)])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("stride", "size"), [(1, (7, 9)), (2, (8, 8)), (2, (7, 9))])
def test_grouped_cells_equal_plain_ones_on_partial_channels(stride, size, layout):
    torch.manual_seed(0)
    cell = GroupedCell(8, stride, CELL_OPERATIONS, 3, channel_share=4).double().to(memory_format=LAYOUTS[layout])
    inputs = torch.randn(2, 2, 8, *size, dtype=torch.float64)
    far, near = (x.contiguous(memory_format=LAYOUTS[layout]).requires_grad_() for x in inputs)
    weights = torch.randn(9, len(CELL_OPERATIONS), dtype=torch.float64, requires_grad=True)
    found = []
    for grouped in (False, True):
        cell.grouped = grouped
        y = cell(far, near, weights, [list(range(len(CELL_OPERATIONS)))] * 9)
        loss = (y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view(y.shape)).sum()
        found.append([y, *torch.autograd.grad(loss, [far, near, weights, *cell.parameters()])])
    assert found[0][0].shape == (2, 24, *(-(-side // stride) for side in size))
    for plain, wide in zip(*found, strict=True):
        torch.testing.assert_close(wide, plain, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("grouped", [False, True])
def test_the_bypass_carries_the_rows_weight(grouped):
    """With `none` alone the node is what went round: its first channels, before the shuffle, are zero."""
    cell = GroupedCell(8, 1, ("none",), 1, grouped=grouped, channel_share=4)
    far, near = torch.randn(2, 2, 8, 5, 5, generator=torch.Generator().manual_seed(0))
    y = cell(far, near, torch.tensor([[0.25], [0.75]]), [[0], [0]])
    expected = 0.25 * far + 0.75 * near
    expected[:, :2] = 0
    torch.testing.assert_close(y, shuffle(expected, 4))


def test_all_channels_and_equal_betas_give_darts_divided_by_the_number_of_edges(digits):
    search = begin("pc_darts", digits, channel_share=1, alpha_deviation=0.5)
    for beta in search.betas.values():
        beta.data.zero_()
    inputs = torch.tensor([2.0, 2.0, 3.0, 3.0, 3.0])[:, None]
    plain = darts.paths(search)
    for kind, path in pc_darts.paths(search).items():
        torch.testing.assert_close(path, plain[kind] / inputs)
    images, _ = search.batches["alphas"]
    same = begin("darts", digits, order=("alphas", "weights"))
    assert torch.equal(search.forward(images, plain), same.forward(images, plain))


def test_alphas_and_betas_rest_in_the_first_epochs_and_the_held_out_part_is_not_drawn(digits, tmp_path, monkeypatch):
    asked = []

    def next_batch(search, part):
        asked.append((search.epoch, part))
        return original(search, part)

    original = bilevel.next_batch
    monkeypatch.setattr(bilevel, "next_batch", next_batch)
    run = nb.search("pc_darts", data=digits, out=tmp_path, **TINY | {"epochs": 4, "frozen": 0.5, "batch_size": 128})
    for logits in (run.alphas, run.betas):
        assert np.array_equal(logits[0], logits[1]) and np.array_equal(logits[0], logits[2])
        assert (logits[2] != logits[3]).all() and (logits[3] != logits[4]).all()
    assert run.betas.shape == (5, 2, 5) and run.betas.dtype == np.float32
    assert {epoch for epoch, part in asked if part == "alphas"} == {2, 3}
    assert {epoch for epoch, part in asked if part == "weights"} == {0, 1, 2, 3}
    assert set(run.trace.query("split == 'alphas'")["step"]) == {3, 4}
    assert set(run.trace.query("split == 'weights'")["step"]) == {1, 2, 3, 4}


def test_an_architecture_step_follows_the_gradient_of_alphas_and_betas(digits):
    """Against central differences of the loss in float64, one logit of each kind of cell."""
    search = begin("pc_darts", digits)
    search.net.double()
    for logits in search.architecture:
        logits.data = logits.data.double()
    images, labels = search.batches["alphas"]

    def loss():
        with torch.no_grad():
            return float(F.cross_entropy(search.net(images.double(), pc_darts.paths(search)), labels))

    slopes = []
    for logits in search.architecture:
        at = logits.data.view(-1)
        at[3] += 1e-5
        up = loss()
        at[3] -= 2e-5
        slopes.append((up - loss()) / 2e-5)
        at[3] += 1e-5
    pc_darts.architecture_step(search, images.double(), labels)
    found = [float(logits.grad.view(-1)[3]) for logits in search.architecture]
    assert found == pytest.approx(slopes, rel=1e-4, abs=1e-9) and min(map(abs, found)) > 1e-6


def test_betas_are_no_weights_and_have_the_settings_of_the_alphas(digits):
    search = begin("pc_darts", digits)
    (group,) = search.alpha_optimizer.param_groups
    assert {id(p) for p in group["params"]} == {id(p) for p in [*search.alphas.values(), *search.betas.values()]}
    weights = {id(p) for group in search.weight_optimizer.param_groups for p in group["params"]}
    assert weights == {id(p) for p in search.net.parameters()}
    assert {kind: tuple(beta.shape) for kind, beta in search.betas.items()} == {"normal": (5,), "reduce": (5,)}
    assert torch.equal(search.alphas["normal"], begin("darts", digits).alphas["normal"])


def test_the_cell_is_derived_from_the_product_of_both_weights(digits):
    """Worked by hand. The second node's best probabilities are .6, .5 and .4, its edges weigh .1, .3 and .6: the
    products are .06, .15 and .24, so inputs 0 and c_{k-1} stay; DARTS would keep c_{k-2} and c_{k-1}."""
    operations = ("none", "skip_connect", "sep_conv_3x3")
    search = begin("pc_darts", digits, operations=operations, fixed_reduction=True)
    law = torch.tensor([[0.8, 0.15, 0.05], [0.3, 0.3, 0.4], [0.2, 0.2, 0.6], [0.4, 0.5, 0.1], [0.45, 0.4, 0.15]])
    search.alphas["normal"].data = law.log() + 3.0
    search.betas["normal"].data = torch.tensor([0.9, 0.1, 0.1, 0.3, 0.6]).log() - 2.0
    genotype, margins = pc_darts.derive(search)
    assert genotype.normal == (
        (("skip_connect", 0), ("sep_conv_3x3", 1)),
        (("skip_connect", 2), ("skip_connect", 1)),
    )
    edge = margins[margins["decision"] == "edge"].iloc[0]
    assert (edge["node"], edge["chosen"], edge["runner_up"]) == (1, "c_{k-1}", "c_{k-2}")
    assert [edge["probability"], edge["runner_up_probability"]] == pytest.approx([0.15, 0.06])
    assert darts.derive(search)[0].normal[1] == (("sep_conv_3x3", 0), ("skip_connect", 1))


def test_runs_without_edge_weights_say_so(digits, tmp_path):
    run = nb.search("gdas", data=digits, out=tmp_path, **TINY | {"epochs": 1, "batch_size": 256})
    with pytest.raises(nb.NasbookError, match="gdas does not weigh the edges"):
        _ = run.betas


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: pc_darts.Config.make({"channels": 6}), "divisible by 4: try 8"),
        (lambda: pc_darts.Config.make({"channels": 8, "channel_share": 3}), "divisible by 3: try 9"),
        (lambda: pc_darts.Config.make({"channel_share": 0}), "channel_share"),
        (lambda: CellSupernet(6, 3, 10, channel_share=4), "divisible by 4"),
        (lambda: CellSupernet(8, 3, 10, channel_share=0), "at least 1"),
        (lambda: CellSupernet(8, 3, 10, channel_share=True), "at least 1"),
    ],
)
def test_channels_that_cannot_be_shared_out_are_refused(make, said):
    with pytest.raises(nb.NasbookError, match=said):
        make()


@pytest.mark.parametrize(("epochs", "frozen"), [(1, 0.9), (2, 0.8)])
def test_a_search_that_leaves_no_epoch_to_the_alphas_is_refused(epochs, frozen):
    with pytest.raises(nb.NasbookError, match="leaves none of"):
        pc_darts.Config.make({"epochs": epochs, "frozen": frozen})
