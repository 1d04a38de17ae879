"""Operations: sizes, shapes, what they leave alone, and which of them drop-path drops."""

import pytest
import torch
from torch import nn

import nasbook as nb
from nasbook.spaces.names import CELL_OPERATIONS
from nasbook.spaces.operations import OPERATIONS, FactorizedReduce, Zero, drop_path_masks, make_operation


@pytest.mark.parametrize(
    ("name", "stride", "expected"),
    [
        ("none", 1, 0), ("skip_connect", 1, 0), ("skip_connect", 2, 288), ("max_pool_3x3", 1, 0),
        ("avg_pool_3x3", 2, 0), ("sep_conv_3x3", 1, 864), ("sep_conv_5x5", 2, 1376), ("sep_conv_7x7", 1, 2144),
        ("dil_conv_3x3", 1, 432), ("dil_conv_5x5", 1, 688), ("conv_7x1_1x7", 1, 3616),
        ("conv_3x3", 1, 2336), ("conv_1x1", 2, 288),
    ],
)  # fmt: skip
def test_operation_sizes_at_16_channels(name, stride, expected):
    operation = make_operation(name, 16, stride, searching=False)
    assert sum(p.numel() for p in operation.parameters()) == expected


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("shape", [(8, 8), (7, 9), (1, 5)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("searching", [True, False])
def test_operations_keep_channels_and_divide_sizes_rounding_up(name, shape, stride, searching):
    x = torch.randn(2, 4, *shape)
    y = make_operation(name, 4, stride, searching=searching)(x)
    assert y.shape == (2, 4, *(-(-n // stride) for n in shape))


def test_convolutions_have_no_bias_and_no_scale_while_searching():
    for name in OPERATIONS:
        for module in make_operation(name, 4, 2, searching=True).modules():
            if isinstance(module, nn.Conv2d):
                assert module.bias is None
            if isinstance(module, nn.BatchNorm2d):
                assert not module.affine and module.eps == 1e-5 and module.momentum == 0.1
    assert any(isinstance(m, nn.BatchNorm2d) for m in make_operation("max_pool_3x3", 4, 1, searching=True).modules())
    assert not any(
        isinstance(m, nn.BatchNorm2d) for m in make_operation("max_pool_3x3", 4, 1, searching=False).modules()
    )


def test_operations_do_not_write_into_their_input():
    x = torch.randn(2, 4, 8, 8)
    before = x.clone()
    for name in OPERATIONS:
        make_operation(name, 4, 1, searching=True)(x)
        make_operation(name, 4, 2, searching=True)(x)
    assert torch.equal(x, before)


def test_none_stops_a_nan():
    x = torch.full((1, 2, 4, 4), float("nan"))
    assert torch.equal(Zero(2)(x), torch.zeros(1, 2, 2, 2))


def test_average_pooling_does_not_count_the_padding():
    y = make_operation("avg_pool_3x3", 1, 1, searching=False)(torch.ones(1, 1, 4, 4))
    assert torch.equal(y, torch.ones(1, 1, 4, 4))


def test_factorized_reduce_sees_every_pixel_and_shifts_by_one():
    reduce = FactorizedReduce(1, 2, affine=False).eval()
    for convolution in (reduce.even, reduce.odd):
        nn.init.ones_(convolution.weight)
    x = torch.arange(1.0, 17.0).reshape(1, 1, 4, 4)
    y = reduce(x) * (1 + reduce.norm.eps) ** 0.5
    torch.testing.assert_close(y[0, 0], torch.tensor([[1.0, 3.0], [9.0, 11.0]]))
    torch.testing.assert_close(y[0, 1], torch.tensor([[6.0, 8.0], [14.0, 16.0]]))


def test_separable_convolution_strides_once_and_dilation_reaches_five():
    def strides(op):
        return [m.stride for m in op.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]

    assert strides(make_operation("sep_conv_5x5", 4, 2, searching=True)) == [(2, 2), (1, 1)]
    dilated = make_operation("dil_conv_3x3", 1, 1, searching=False).eval()
    for convolution in (m for m in dilated.modules() if isinstance(m, nn.Conv2d)):
        nn.init.ones_(convolution.weight)
    x = torch.zeros(1, 1, 7, 7)
    x[0, 0, 3, 3] = 1
    assert {tuple(i) for i in dilated(x)[0, 0].nonzero().tolist()} == {(i, j) for i in (1, 3, 5) for j in (1, 3, 5)}


def test_every_named_operation_can_be_made():
    assert tuple(OPERATIONS) == CELL_OPERATIONS


def test_drop_path_masks_whole_operations_and_never_the_identity():
    genotype = nb.Genotype([[("skip_connect", 0), ("sep_conv_3x3", 1)]], [2], None)
    net = genotype.network(4, 3, 10).eval()
    assert net.drops == 1
    x = torch.randn(3, 3, 8, 8)
    kept = net(x, torch.ones(1, 3))
    torch.testing.assert_close(kept, net(x))
    dropped = net(x, torch.tensor([[1.0, 0.0, 1.0]]))
    assert torch.allclose(dropped[[0, 2]], kept[[0, 2]])
    assert not torch.allclose(dropped[1], kept[1])


def test_drop_path_masks_keep_the_expectation():
    generator = torch.Generator().manual_seed(0)
    masks = drop_path_masks(100, 1000, 0.2, generator, torch.device("cpu"))
    assert set(masks.unique().tolist()) == {0.0, 1.25}
    kept = (masks > 0).double().mean().item()
    assert abs(kept - 0.8) < 4 * (0.8 * 0.2 / 1e5) ** 0.5
    assert drop_path_masks(3, 2, 0.0, generator, torch.device("cpu")) is None
