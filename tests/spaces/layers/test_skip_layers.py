"""Sentences of convolutions and the networks they compile to; the values are those of METHODS section 1."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from nasbook import NasbookError
from nasbook.spaces.cost import cost
from nasbook.spaces.layers.skip_layers import Layer, SkipLayers, SkipStack
from nasbook.spaces.layers.skip_networks import SkipNetwork, build, side_by_side
from nasbook.spaces.sentences import Slot, steps_of
from nasbook.spaces.tokens import Product, every, mutate, random_tokens, size

TINY = SkipLayers(2, (1, 3), (3,), (4, 8))
STRIDED = SkipLayers(3, (1, 3), (1, 3), (4, 8), (1, 2, 3))


@pytest.mark.parametrize("layers", [1, 2, 3, 15])
def test_the_size_is_its_closed_form(layers):
    assert size(SkipLayers(layers)) == 64**layers * 2 ** (layers * (layers - 1) // 2)


def test_the_published_sizes():
    assert f"{size(SkipLayers()):.1e}" == "5.0e+58"
    assert size(SkipLayers(20, strides=(1, 2, 3))) == (64 * 9) ** 20 * 2**190


def test_every_list_is_another_architecture_and_comes_back():
    lists = list(every(TINY))
    found = [TINY.decode(tokens) for tokens in lists]
    assert len(set(found)) == len(set(map(str, found))) == len(lists) == 32
    assert [TINY.encode(one) for one in found] == lists


@pytest.mark.parametrize("space", [SkipLayers(), STRIDED])
def test_sentences_come_back_from_tokens_and_from_text(space):
    rng = np.random.default_rng(0)
    for _ in range(20):
        tokens = random_tokens(space, rng)
        stack = space.decode(tokens)
        assert space.encode(stack) == tokens and SkipStack.read(str(stack)) == stack
        assert str(space.decode(mutate(space, tokens, rng))) != str(stack)


def test_a_sentence_is_spoken_in_the_order_of_the_paper():
    kinds = [step.kind for step in STRIDED.steps[:12]]
    layer = ["height", "width", "stride height", "stride width", "filters", "anchor"]
    assert kinds == layer * 2
    assert [step.positions for step in STRIDED.steps if step.anchor] == [(), (10,), (16, 17)]
    assert [STRIDED.names(p) for p in (0, 2, 4, 10)] == [("1", "3"), ("1", "2", "3"), ("4", "8"), ("no", "yes")]
    tokens = (1, 0, 2, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1)
    assert str(STRIDED.decode(tokens)) == "3x1x4/3x2 1x1x8<1 1x1x4<2"


def test_a_shallower_list_begins_a_deeper_one():
    tokens = random_tokens(SkipLayers(5), np.random.default_rng(1))
    shallow = SkipLayers(5).with_layers(3)
    cut = len(shallow.choices)
    assert SkipLayers(5).choices[:cut] == shallow.choices and SkipLayers(5).steps[: 4 * 3] == shallow.steps
    assert shallow.decode(tokens[:cut]).layers == SkipLayers(5).decode(tokens).layers[:3]


@pytest.mark.parametrize(
    ("text", "ends", "parameters"),
    [("3x3x24 5x3x36 1x7x48<1,2", (3,), 23_134), ("3x3x24 5x3x36 1x7x48<1", (2, 3), 11_398)],
)
def test_the_worked_sentences_compile_to_their_exact_size(text, ends, parameters):
    stack = SkipStack.read(text)
    net = SkipNetwork(stack)
    assert stack.loose_ends == ends and cost(net).parameters == parameters
    assert net.classifier.in_features == sum(stack.layers[number - 1].filters for number in ends)
    pixels = 32 * 32 * sum(module[0].weight.numel() for module in net.layers)
    assert cost(net).multiply_adds == pixels + net.classifier.weight.numel()


def test_a_network_computes_what_its_sentence_says():
    """Against the rules written out by hand, with the same weights: inputs 1 and 2, then a loose end beside it."""
    net = SkipNetwork(SkipStack.read("3x3x4/2x2 3x1x5 1x3x6<1,2 3x3x2<1"), seed=3).eval()
    image = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))

    def layer(number, x, padding, stride=1):
        convolution, norm, _ = net.layers[number - 1]
        return norm(F.conv2d(x, convolution.weight, stride=stride, padding=padding)).relu()

    first = layer(1, image, 1, 2)  # 4x4 pixels
    second = layer(2, image, (1, 0))
    third = layer(3, torch.cat([F.pad(first, (2, 2, 2, 2)), second], dim=1), (0, 1))
    fourth = layer(4, first, 1)
    features = torch.cat([third, F.pad(fourth, (2, 2, 2, 2))], dim=1).mean(dim=(2, 3))
    wanted = features @ net.classifier.weight.T + net.classifier.bias
    torch.testing.assert_close(net(image), wanted, rtol=1e-6, atol=1e-6)


def test_smaller_images_are_padded_with_zeros_to_the_largest():
    small, tall = torch.ones(1, 2, 3, 4), torch.full((1, 1, 4, 2), 5.0)
    joined = side_by_side([small, tall])
    assert joined.shape == (1, 3, 4, 4)
    assert joined[0, :2].sum() == 24 and joined[0, 2].sum() == 40
    assert joined[0, 0].tolist() == [[1] * 4] * 3 + [[0] * 4]  # the odd row is below
    assert joined[0, 2].tolist() == [[0, 5, 5, 0]] * 4
    assert torch.equal(side_by_side([small]), small)


def test_a_layer_without_inputs_reads_the_image_only():
    net = SkipNetwork(SkipStack.read("3x3x4 3x3x5"))
    assert [module[0].in_channels for module in net.layers] == [3, 3]
    assert SkipStack.read("3x3x4 3x3x5").loose_ends == (1, 2)


def test_strides_and_pools_shrink_the_image():
    net = SkipNetwork(SkipStack.read("1x1x2/3x2 1x1x2<1 1x1x2<2"), pools=(2,)).eval()
    shapes = []
    for module in net.layers:
        module.register_forward_hook(lambda module, given, out: shapes.append(tuple(out.shape[2:])))
    net(torch.zeros(1, 3, 32, 32))
    assert shapes == [(11, 16), (11, 16), (6, 8)]


def test_the_weights_are_those_of_the_seed_and_the_streams_are_left_alone():
    stack = SkipStack.read("3x3x4 1x1x2<1")
    state = torch.random.get_rng_state()
    one, same, other = build(stack, 1), build(stack, 1), build(stack, 2)
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters()))
    assert not torch.equal(one.layers[0][0].weight, other.layers[0][0].weight)


def test_a_space_without_steps_has_one_for_each_token():
    space = Product((("a", "b"), ("c",), ("a", "b")))
    assert steps_of(space) == (Slot("a, b", 0, (0,)), Slot("c", 1, (1,)), Slot("a, b", 2, (2,)))


class Broken:
    """A space of somebody's own, with ``steps``."""

    choices = (3, 2)
    names = decode = encode = None

    def __init__(self, steps):
        self.steps = steps


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ((Slot("x", 0, (0,)),), "end after 1 of its 2"),
        ((Slot("x", 0, (1,)), Slot("x", 1, (0,))), "in order"),
        ((Slot("x", 0, (0,)), Slot("x", 1, (1,))), "different numbers of alternatives"),
        ((Slot("a", 0, (), True), Slot("a", 0, (0,), True), Slot("b", 1, (1,))), "answers no or yes"),
        ((Slot("a", 0, (0,), True), Slot("b", 1, (1,))), "in order"),
    ],
)
def test_steps_that_do_not_fit_are_refused(steps, said):
    with pytest.raises(NasbookError, match=said):
        steps_of(Broken(steps))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: SkipLayers(0), "layers is 0"),
        (lambda: SkipLayers(2, heights=(2,)), "must be odd"),
        (lambda: SkipLayers(2, filters=(4, 4)), "twice"),
        (lambda: SkipLayers(2, filters=()), "must list"),
        (lambda: TINY.decode((0, 0, 0)), "7 tokens"),
        (lambda: TINY.encode(SkipStack.read("3x3x4")), "stack of 2 layers"),
        (lambda: TINY.encode(SkipStack.read("3x3x4 5x3x4")), "height 5"),
        (lambda: TINY.encode(SkipStack.read("3x3x4/2x1 3x3x4")), "has none"),
        (lambda: SkipStack(()), "at least one"),
        (lambda: SkipStack.read("3x3"), "no layer such as"),
        (lambda: SkipStack.read("3x3x4 3x3x4<2"), "earlier layers"),
        (lambda: SkipStack((Layer((3, 3), 4), Layer((3, 3), 4, (1, 1)))), "each once"),
        (lambda: SkipStack.read("2x3x4"), "must be odd"),
        (lambda: SkipStack.read("3x3x0"), "number of layer 1"),
        (lambda: SkipNetwork("3x3x4"), "needs a SkipStack"),
        (lambda: SkipNetwork(SkipStack.read("3x3x4"), pools=(2,)), "pools has 2"),
        (lambda: SkipNetwork(SkipStack.read("3x3x4"), classes=1), "classes is 1"),
    ],
)
def test_bad_input_gets_one_sentence(call, said):
    with pytest.raises(NasbookError, match=said):
        call()
