"""ENAS's networks and settings where its released code (melodyguan/enas, src/cifar10) has other habits than DARTS's."""

import pytest
import torch
from torch import nn

from nasbook.searchers.enas import PROFILES, Config, controller_of, space_of
from nasbook.spaces.blocks.micro_cells import OFFICIAL_MICRO_CELLS
from nasbook.spaces.blocks.micro_networks import MicroNetwork, MicroSupernet, second_classifier
from nasbook.spaces.darts.stacks import AuxiliaryHead
from nasbook.spaces.layers.macro_layers import MacroArc
from nasbook.spaces.layers.macro_networks import MacroNetwork, MacroSupernet
from nasbook.spaces.operations import FactorizedReduce

NETWORKS = {
    "macro shared": lambda: MacroSupernet(4, 3),
    "macro final": lambda: MacroNetwork(MacroArc.read("0; 3 1; 4 0 1"), 4),
    "micro shared": lambda: MicroSupernet(4, 3),
    "micro final": lambda: MicroNetwork(OFFICIAL_MICRO_CELLS, 4, 3, auxiliary=True),
    "DARTS": lambda: OFFICIAL_MICRO_CELLS.network(4, 5, 10, auxiliary=True),
}
HALVINGS = {
    "macro shared": {"reductions": 3},
    "macro final": {"reductions": 3},
    "micro shared": {"reductions": 2, "inputs": 2},
    "micro final": {"cells": 2, "inputs": 2},
    "DARTS": {"cells": 2, "inputs": 2},
}
"""How many factorised reductions each network has in which of its parts."""


def images(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def sees_negatives(reduction):
    """Whether it is odd, f(-x) = -f(x), with the statistics of a new BatchNorm; else it must be blind to them."""
    x = images(2, reduction.even.in_channels, 5, 6)
    f = reduction.eval()
    odd, blind = torch.equal(f(-x), -f(x)), torch.equal(f(x), f(x.clamp(min=0)))
    assert odd != blind and f(x).abs().max() > 0
    return odd


@pytest.mark.parametrize("name", NETWORKS)
def test_negative_values_pass_every_halving_but_that_of_a_farther_input(name):
    """``_factorized_reduction`` has no ReLU, and ``_maybe_calibrate_size`` puts one in front of it."""
    found = {}
    for key, module in NETWORKS[name]().named_modules():
        if isinstance(module, FactorizedReduce):
            found.setdefault(key.split(".")[0], []).append(sees_negatives(module))
    assert {part: len(each) for part, each in found.items()} == HALVINGS[name]
    for part, each in found.items():
        assert set(each) == {name != "DARTS" and part != "inputs"}, part


def test_a_reduction_without_relu_is_two_convolutions_of_the_pixels_as_they_are():
    reduction = FactorizedReduce(1, 2, True, rectify=False).eval()
    for convolution in (reduction.even, reduction.odd):
        nn.init.ones_(convolution.weight)
    x = -torch.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    y = reduction(x) * (1 + reduction.norm.eps) ** 0.5
    torch.testing.assert_close(y[0, 0], torch.tensor([[-1.0, -3.0], [-7.0, -9.0]]))
    torch.testing.assert_close(y[0, 1], torch.tensor([[-5.0, 0.0], [0.0, 0.0]]))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_epsilon_is_1e_3_behind_the_convolutions_of_shared_macro_layers_alone(name):
    """``batch_norm_with_mask`` has 1e-3, ``batch_norm`` 1e-5; both keep .9 of their moving averages."""
    norms = {key: m for key, m in NETWORKS[name]().named_modules() if isinstance(m, nn.BatchNorm2d)}
    wide = {f"layers.{layer}.branches.{branch}.4" for layer in range(3) for branch in range(4)}
    assert {key for key, norm in norms.items() if norm.eps == 1e-3} == (wide if name == "macro shared" else set())
    assert {norm.eps for norm in norms.values()} <= {1e-3, 1e-5} and {n.momentum for n in norms.values()} == {0.1}


def test_the_second_classifier_keeps_four_pixels_and_takes_their_mean():
    """Its 2x2 convolution is "SAME": a tap that reaches below or to the right of the 2x2 pixels finds zeros."""
    head, seen = second_classifier(6, 10).eval(), {}
    convolution = next(m for m in head.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (2, 2))
    norms = [m for m in head.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.constant_(norm.bias, 0.5)  # else zeros in front of a BatchNorm would be zeros behind it
    norms[1].register_forward_pre_hook(lambda module, given: seen.update(convolved=given[0]))
    first = next(m for m in head.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1))
    x = images(3, 6, 8, 8)
    logits = head(x)
    pooled = torch.stack([x.relu()[:, :, i : i + 5, j : j + 5].mean(dim=(2, 3)) for i in (0, 3) for j in (0, 3)], dim=2)
    scale = (1 + 1e-5) ** -0.5
    pixels = (torch.einsum("oi,bip->bop", first.weight[:, :, 0, 0], pooled) * scale + 0.5).relu().reshape(3, 128, 2, 2)
    expected = torch.zeros(3, 768, 2, 2)
    for i, j, down, right in torch.cartesian_prod(*[torch.arange(2)] * 4).tolist():
        if i + down < 2 and j + right < 2:
            expected[:, :, i, j] += pixels[:, :, i + down, j + right] @ convolution.weight[:, :, down, right].T
    torch.testing.assert_close(seen["convolved"], expected, rtol=1e-4, atol=1e-5)
    features = (expected * scale + 0.5).relu().mean(dim=(2, 3))
    torch.testing.assert_close(logits, features @ head.classifier.weight.T, rtol=1e-4, atol=1e-5)
    assert sum(p.numel() for p in second_classifier(720, 10).parameters()) == 494_848


def test_the_auxiliary_head_of_darts_leaves_one_pixel():
    assert AuxiliaryHead(6, 10, "cifar").features(images(3, 6, 8, 8)).shape == (3, 768, 1, 1)


def test_drop_path_leaves_a_halving_identity_alone():
    """Of the 10 operations of an official cell, 2 in the normal and 1 of stride 2 in the reduction are identities."""
    assert [cell.drops for cell in NETWORKS["micro final"]().cells] == [8, 9, 8, 9, 8]
    assert [cell.drops for cell in NETWORKS["DARTS"]().cells] == [8, 10, 8, 10, 8]


@pytest.mark.parametrize("profile, bias, prior", [("paper", 10.0, 0.25), ("smoke", 0.0, 0.0), ("lesson", 0.0, 0.0)])
def test_the_released_lean_towards_separable_convolutions_is_that_of_the_paper_profile(profile, bias, prior):
    config = Config.make(dict(PROFILES[profile]) | {"seed": 0})
    controller = controller_of(config, space_of(config), 0)
    assert controller.head.bias.tolist() == [bias, bias, 0.0, 0.0, 0.0]
    assert controller.prior.tolist() == [prior, prior, -prior, -prior, -prior]


def test_under_the_released_lean_the_first_operations_are_as_likely_as_by_hand():
    """Normal cell: separable e^(.44 + .25) against e^(-.25), the others' logits being small; reduction: e^.44."""
    config = Config.make({"seed": 0})
    controller = controller_of(config, space_of(config), 0)
    found = {}
    for step, log_chance, _ in controller.unroll(lambda step, log_chance: torch.zeros(1, 1, dtype=torch.long), 1):
        if step.kind == "operation":
            found.setdefault(step.start < 20, []).append(log_chance[0, 0].exp()[:2].sum())
    for normal, chances in found.items():
        lean = torch.tensor(0.44 + (0.5 if normal else 0.0)).double().exp()
        expected = (2 * lean / (2 * lean + 3)).expand(10)
        torch.testing.assert_close(torch.stack(chances).detach(), expected, rtol=0, atol=0.02)
