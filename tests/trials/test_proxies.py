"""Zero-cost proxies: values by hand on nets of a few weights, and as evaluators."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import nasbook as nb
from nasbook.spaces.edges.cells import CELLBENCH_OPERATIONS, EdgeSpace, count
from nasbook.spaces.edges.networks import EdgeNetwork
from nasbook.trials.interface import ChildFailed
from nasbook.trials.proxies import EPSILON, PROXIES, Proxy, grad_norm, jacob_cov, parameters, snip, synflow

NOTHING, LABELS = torch.zeros(1, 1, 1, 1), torch.zeros(1, dtype=torch.int64)
CELL = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|none~0|avg_pool_3x3~1|nor_conv_1x1~2|"


def linear(*rows):
    """A linear layer with these weights, (outputs, inputs), and no bias."""
    layer = nn.Linear(len(rows[0]), len(rows), bias=False)
    layer.weight = nn.Parameter(torch.tensor(rows))
    return layer


def chain(*layers):
    return nn.Sequential(nn.Flatten(), *layers)


def small(cell, seed):
    return EdgeNetwork(cell, 8, 1, 10, seed=seed)


# --- by hand


def test_two_weights_by_hand():
    """Logits (a x, b x) with a = 0.5, b = -2, x = 2, label 0: p = 1 / (1 + e^5) of the other class, and
    dL/da = -p x, dL/db = p x."""
    net, image = chain(linear([0.5], [-2.0])), torch.full((1, 1, 1, 1), 2.0)
    p = 1 / (1 + math.exp(5))
    assert grad_norm(net, image, LABELS) == pytest.approx(2 * p * math.sqrt(2), rel=1e-5)
    assert snip(net, image, LABELS) == pytest.approx(2 * p * (0.5 + 2), rel=1e-5)
    assert synflow(net, image, LABELS) == 2.5
    assert parameters(net, image, LABELS) == 2.0


def test_the_loss_is_the_mean_over_the_batch():
    net, image = chain(linear([0.5], [-2.0])), torch.full((1, 1, 1, 1), 2.0)
    images, labels = image.expand(3, 1, 1, 1), LABELS.expand(3)
    assert snip(net, images, labels) == pytest.approx(snip(net, image, LABELS))
    assert grad_norm(net, images, labels) == pytest.approx(grad_norm(net, image, LABELS))


def test_norms_of_layers_are_added():
    """Logits (v u x, 0) with u = 3, v = 1, x = 1, label 1: p = e^3 / (1 + e^3), dL/du = p v, dL/dv = (p u, -p u)."""
    net, image = chain(linear([3.0]), linear([1.0], [0.0])), torch.ones(1, 1, 1, 1)
    p = math.exp(3) / (1 + math.exp(3))
    assert grad_norm(net, image, LABELS + 1) == pytest.approx(p * 1 + p * 3 * math.sqrt(2), rel=1e-5)
    assert snip(net, image, LABELS + 1) == pytest.approx(p * 3 + p * 3, rel=1e-5)


def test_synflow_of_a_chain_is_its_paths_once_a_layer():
    """|2 (-3)| + |2 4| = 14 from each of two layers; a third with the weights -1 and 5 has 6 + 40 = 46."""
    net = chain(linear([2.0]), nn.ReLU(), linear([-3.0], [4.0]))
    assert synflow(net, NOTHING, LABELS) == 28.0
    assert synflow(chain(*net[1:], nn.ReLU(), linear([-1.0, 5.0])), NOTHING, LABELS) == 3 * 46.0


def test_biases_are_no_synapses():
    layer = nn.Linear(1, 1)
    layer.weight, layer.bias = nn.Parameter(torch.tensor([[2.0]])), nn.Parameter(torch.tensor([-9.0]))
    assert synflow(chain(layer), NOTHING, LABELS) == 2.0
    assert synflow(chain(layer, linear([1.0])), NOTHING, LABELS) == 2.0 + 11.0, "what flows on is |-9| + 2"


def test_synflow_does_not_leave_float64():
    """25 layers of 1e10 have a flow of 1e250; float32 ends at 1e38."""
    long = chain(*(linear([1e10]) for _ in range(25)))
    assert synflow(long, NOTHING, LABELS) == pytest.approx(25e250, rel=1e-6)


def test_jacobian_by_hand():
    """Two images, each of which drives one unit: rows (1, -1, 0) and (1, 1, -2), whose correlation is 0. In a linear
    net all rows are the same: the correlations are 1, the eigenvalues 2 and 0."""
    units = linear([1.0, -1.0, 0.0], [1.0, 1.0, -2.0])
    images, k = torch.tensor([[1.0, -1.0, 0.0], [1.0, 1.0, -2.0]]).view(2, 3, 1, 1), EPSILON
    assert jacob_cov(chain(units, nn.ReLU()), images, LABELS) == pytest.approx(1 / (math.log1p(k) + 1 / (1 + k)))
    same = 2 / (math.log(2 + k) + 1 / (2 + k) + math.log(k) + 1 / k)
    assert jacob_cov(chain(units), images, LABELS) == pytest.approx(same, rel=1e-6)
    assert EPSILON == 1e-5


def test_a_net_that_does_not_see_the_image_has_no_jacobian():
    with pytest.raises(ChildFailed, match="do not depend on the image"):
        jacob_cov(chain(linear([0.0, 0.0, 0.0])), torch.ones(2, 3, 1, 1), LABELS)


# --- against the released code's way, on a network with BatchNorm


@pytest.fixture(scope="module")
def batch():
    data = nb.datasets.load("cifar10-sample", size=16)
    return Proxy("snip", small, data=data, batch_size=16).batch


def gradients_by_backward(net, images, labels):
    """All layers in training mode, .backward(), and what it leaves in .grad."""
    net.train().zero_grad()
    nn.functional.cross_entropy(net(images), labels).backward()
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    return [(layer.weight.detach(), torch.zeros(()) if layer.weight.grad is None else layer.weight.grad)
            for layer in layers]  # fmt: skip


def test_grad_norm_and_snip_are_those_of_a_plain_backward(batch):
    found = gradients_by_backward(small(CELL, 3), *batch)
    assert grad_norm(small(CELL, 3), *batch) == pytest.approx(sum(float(g.norm()) for _, g in found), rel=1e-4)
    assert snip(small(CELL, 3), *batch) == pytest.approx(sum(float((w * g).abs().sum()) for w, g in found), rel=1e-4)


def test_synflow_is_that_of_the_net_without_batch_norm(batch):
    """As released by Abdelfattah et al.: no BatchNorm. With it each layer's factor is (1 + 1e-5)^-1/2."""
    net = small(CELL, 3)
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    net.double()
    for tensor in net.state_dict().values():
        tensor.abs_()
    net(torch.ones(1, 3, 16, 16, dtype=torch.float64)).sum().backward()
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    weights = [layer.weight for layer in layers if layer.weight.grad is not None]
    whole = sum((weight * weight.grad).abs().sum().item() for weight in weights)
    assert synflow(small(CELL, 3), *batch) == pytest.approx(whole, rel=3e-4) and whole > 1


def test_jacob_cov_is_in_the_order_of_the_released_score(batch):
    for seed in range(3):
        images = batch[0].clone().requires_grad_()
        net = small(CELL, seed).train()
        logits = net(images)
        logits.backward(torch.ones_like(logits))
        values = np.linalg.eigvalsh(np.corrcoef(images.grad.reshape(16, -1).double().numpy()))
        released = -np.sum(np.log(values + 1e-5) + 1.0 / (values + 1e-5))
        assert jacob_cov(small(CELL, seed), *batch) == pytest.approx(-16 / released, rel=1e-3)


# --- what they depend on, and what they leave alone


def test_synflow_sees_no_data_and_the_others_do(batch):
    net, other = small(CELL, 0), (batch[0].flip(0) * 0.5, batch[1])
    for name, proxy in PROXIES.items():
        same = proxy(net, *batch) == proxy(net, *other)
        assert same == (name in ("parameters", "multiply_adds", "synflow")), name


def test_signs_of_weights_do_not_matter_to_synflow(batch):
    net, turned = small(CELL, 0), small(CELL, 0)
    with torch.no_grad():
        for weight in turned.parameters():
            weight.neg_()
    assert synflow(net, *batch) == synflow(turned, *batch)


@pytest.mark.parametrize("name", PROXIES)
def test_a_net_is_left_as_it_was(name, batch):
    net, fresh = small(CELL, 0).train(), small(CELL, 0).state_dict()
    PROXIES[name](net, *batch)
    assert all(torch.equal(value, fresh[key]) for key, value in net.state_dict().items())
    assert all(module.training for module in net.modules()) and all(p.grad is None for p in net.parameters())


@pytest.mark.parametrize("name", PROXIES)
def test_frozen_weights_count_too(name, batch):
    assert PROXIES[name](small(CELL, 0).requires_grad_(False), *batch) == PROXIES[name](small(CELL, 0), *batch)


@pytest.mark.parametrize("name", ["grad_norm", "snip", "jacob_cov"])
def test_dropout_draws_nothing(name, batch):
    before = torch.get_rng_state()
    net = nn.Sequential(small(CELL, 0), nn.Dropout(0.5))
    assert PROXIES[name](net, *batch) == PROXIES[name](small(CELL, 0), *batch)
    torch.set_rng_state(before)
    PROXIES[name](net, *batch)
    assert torch.equal(torch.get_rng_state(), before)


# --- as evaluators


@pytest.fixture(scope="module")
def data():
    return nb.datasets.load("cifar10-sample", size=16)


def test_a_proxy_shows_all_networks_the_same_training_images(data):
    proxy = Proxy("snip", small, data=data, batch_size=16, seed=2)
    images, labels = proxy.batch
    assert images.shape == (16, 3, 16, 16) and labels.shape == (16,)
    scaled = data.images / 255
    known = (scaled - torch.tensor(data.mean).view(1, 3, 1, 1)) / torch.tensor(data.std).view(1, 3, 1, 1)
    places = [int((known - image).abs().flatten(1).amax(dim=1).argmin()) for image in images]  # (N, 3, H, W) -> (N,)
    assert torch.allclose(known[places], images, atol=1e-5) and torch.equal(data.labels[places], labels)
    assert len(set(places)) == 16
    again, other = (Proxy("snip", small, data=data, batch_size=16, seed=seed).batch[0] for seed in (2, 3))
    assert torch.equal(images, again) and not torch.equal(images, other)
    assert not proxy.data.has_test


@pytest.mark.parametrize("name", PROXIES)
def test_the_score_is_the_proxy_of_the_net_that_the_seed_makes(name, data):
    proxy = Proxy(name, small, data=data, batch_size=8)
    assert proxy.judge(CELL, 5).score == PROXIES[name](small(CELL, 5), *proxy.batch) > 0
    assert proxy.judge(CELL, 5).seconds > 0


def test_counts_are_those_of_the_closed_form(data):
    known = count(CELL, 8, 1, 10, 16)
    assert Proxy("parameters", small, data=data).evaluate([CELL]) == [known.parameters]
    assert Proxy("multiply_adds", small, data=data).evaluate([CELL]) == [known.multiply_adds]


def test_a_search_by_proxy(data, tmp_path):
    space = EdgeSpace(CELLBENCH_OPERATIONS)
    proxy = Proxy("parameters", small, data=data)
    run = nb.search("local_search", space=space, evaluator=proxy, out=tmp_path, evaluations=60, seed=1)
    assert run.best == space[-1], "six 3x3 convolutions have the most weights, and each one more has more"
    assert run.config["evaluator"]["name"] == "parameters" and run.config["evaluator"]["batch_seed"] == 0


def test_what_cannot_be_judged_earns_nothing_and_says_why(data):
    from nasbook.trials.ledger import Ledger

    empty = EdgeSpace()[0]
    assert set(empty.split("|")) >= {"none~0", "none~1", "none~2"}
    ledger = Ledger(Proxy("jacob_cov", small, data=data, batch_size=8))
    assert ledger.evaluate([empty, "no cell"]).tolist() == [0.0, 0.0]
    assert ledger.rows[0].failure.startswith("its logits do not depend on the image")
    assert ledger.rows[1].failure.startswith("no network can be built: 'no cell' is no cell of the form")
    assert ledger.rows[0].seconds > 0


def test_descriptions_tell_proxies_apart(data):
    made = [
        Proxy("snip", small, data=data), Proxy("synflow", small, data=data), Proxy("snip", small, data=data, seed=1),
        Proxy("snip", small, data=data, batch_size=8), Proxy("snip", partial(small, seed=0), data=data),
    ]  # fmt: skip
    texts = [str(one.description()) for one in made]
    assert len(set(texts)) == len(texts) and Proxy("snip", small, data=data).description() == made[0].description()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "synflows"}, "unknown proxy 'synflows': valid are parameters.*did you mean 'synflow'"),
        ({"name": None}, "unknown proxy None"),
        ({"build": 3}, "function is 3"),
        ({"data": "cifar10"}, "."),
        ({"batch_size": 1}, "batch_size is 1: it must be a whole number of at least 2"),
        ({"batch_size": 10**6}, "batch_size is 1000000, and cifar10-sample has 4,000 training images"),
        ({"batch_size": 2.0}, "batch_size is 2.0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**63}, "seed is 9223372036854775808"),
    ],
)
def test_bad_input_is_one_sentence(data, change, said):
    given = {"name": "snip", "build": small, "data": data} | change
    with pytest.raises(nb.NasbookError, match=said) as caught:
        Proxy(given.pop("name"), given.pop("build"), **given)
    assert "\n" not in str(caught.value)
