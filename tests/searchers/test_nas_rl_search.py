"""A search by controller as a whole: failures, the find, the curriculum, what it learns, and what it must not touch."""

import numpy as np
import pytest
import torch
from rl import TABLE, played, value
from torch.nn import functional as F

from nasbook import NasbookError, trials
from nasbook.searchers import nas_rl
from nasbook.searchers.controllers import Controller
from nasbook.spaces.layers.skip_layers import SkipLayers
from nasbook.spaces.layers.skip_networks import build
from nasbook.spaces.tokens import Product
from nasbook.trials.evaluators import ChildFailed, Function, Lookup


def test_a_failed_child_earns_nothing_and_the_search_goes_on():
    def fails(architecture):
        if architecture[0] == "a":
            raise ChildFailed("it begins with a")
        return value(architecture)

    table, trace, found = played(evaluator=Function(fails, "fails"), evaluations=200, replicas=1, synchronous=True)
    failed = table["failure"] != ""
    assert failed.any() and (table["score"][failed] == 0).all()
    assert len(table) == 200 and not found.failure
    first = np.where(failed[:4], 0, table["score"][:4]) ** 3
    assert trace.query("quantity == 'reward'")["value"].iloc[0] == pytest.approx(first.mean())
    assert failed[:40].mean() > failed[-40:].mean()


def test_what_is_found_is_the_best_child_seen():
    table, _, found = played(evaluator=Lookup(TABLE, seed=None), evaluations=40)
    assert found.score == table["score"].max() and found.architecture == table["architecture"][table["score"].idxmax()]


def test_the_depth_grows_with_the_number_of_children():
    space = SkipLayers(6, (1, 3), (1, 3), (4, 8))
    table, _, _ = played(
        space,
        Function(lambda stack: len(stack.layers) / 10, "depth"),
        depth_start=2,
        depth_step=2,
        depth_every=10,
        children=5,
        replicas=4,  # they draw their first twenty together, and the depth grows among them
        evaluations=80,
    )
    depths = [len(text.split()) for text in table["architecture"]]
    assert depths == [2] * 10 + [4] * 10 + [6] * 60
    paper = nas_rl.Config()
    assert (paper.depth_start, paper.depth_step, paper.depth_every) == (6, 2, 1600)


def test_the_controller_learns_what_is_rewarded():
    """METHODS section 1, test (f) on sentences with skips: more 3x3 filters than chance writes, at smoke size."""
    space = SkipLayers(3, (1, 3), (1, 3), (4, 8))

    def share(stack):
        return sum(layer.filter == (3, 3) for layer in stack.layers) / 3

    table, _, _ = played(space, Function(share, "share"), evaluations=400, replicas=2, depth_start=3)
    assert table["score"][:40].mean() < 0.5 and table["score"][-40:].mean() > 0.9


def test_neither_side_sees_the_others_weights(monkeypatch):
    """While a child trains no parameter of the controller moves or gets a gradient, and the reverse."""
    controllers, nets, checked = [], [], []

    class Spied(Controller):
        def __init__(self, *args, **settings):
            super().__init__(*args, **settings)
            controllers.append(self)

        def gradient(self, tokens, weights):
            before = [p.detach().clone() for net in nets for p in net.parameters()]
            found = super().gradient(tokens, weights)
            after = [p for net in nets for p in net.parameters()]
            assert all(torch.equal(a, b) and b.grad is None for a, b in zip(before, after))
            assert np.abs(found).max() > 0
            checked.append("controller")
            return found

    def judge(stack):
        (controller,) = controllers
        before, net = controller.vector, build(stack, 0)
        images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        loss = F.cross_entropy(net(images), torch.arange(4))
        loss.backward()
        assert all(p.grad is not None for p in net.parameters())
        torch.optim.SGD(net.parameters(), 0.1).step()
        net.zero_grad(set_to_none=True)
        assert np.array_equal(before, controller.vector) and all(p.grad is None for p in controller.parameters())
        nets.append(net)
        checked.append("child")
        return 1 / (1 + float(loss.detach()))

    monkeypatch.setattr(nas_rl, "Controller", Spied)
    played(SkipLayers(2, (1, 3), (3,), (4, 8)), Function(judge, "judge"), evaluations=16, replicas=2)
    assert checked.count("child") == 16 and checked.count("controller") >= 2


def test_the_same_seed_is_the_same_search_and_another_is_not():
    one, same, other = (played(seed=seed, latency=0.2) for seed in (1, 1, 2))
    assert one[0].equals(same[0]) and one[1].equals(same[1]) and not one[0].equals(other[0])


def test_the_profiles_hold_the_published_settings():
    config = {name: nas_rl.Config.make(values) for name, values in nas_rl.PROFILES.items()}
    paper, ptb, nasnet = (config[name] for name in ("paper", "penn_treebank", "nasnet"))
    assert (paper.evaluations, paper.replicas, paper.shards, paper.children) == (12_800, 100, 20, 8)
    assert (paper.units, paper.controller_layers, paper.bound, paper.learning_rate) == (35, 2, 0.08, 6e-4)
    assert (ptb.replicas, ptb.shards, ptb.children, ptb.accumulate, ptb.learning_rate) == (400, 20, 1, 10, 5e-4)
    assert (nasnet.units, nasnet.controller_layers, nasnet.bound, nasnet.learning_rate) == (100, 1, 0.1, 3.5e-4)
    assert (nasnet.children, nasnet.entropy_weight, nasnet.decay, nasnet.clip) == (20, 1e-5, 0.95, 0.2)
    assert (paper.reward, ptb.reward, nasnet.reward) == ("cubed", "plain", "plain") and nasnet.evaluations == 20_000


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epochs": 2}, "need a clip"),
        ({"synchronous": True, "accumulate": 2}, "leave accumulate at 1"),
        ({"replicas": 0}, "replicas"),
        ({"reward": "squared"}, "reward"),
        ({"clock": "wall"}, "clock"),
        ({"childern": 3}, "children"),
    ],
)
def test_bad_settings_get_one_sentence(settings, said):
    with pytest.raises(NasbookError, match=said):
        trials.play(nas_rl, space=Product((("a", "b"),)), evaluator=Function(len), **settings)
