"""NAS with RL: asynchronous, synchronous and plain REINFORCE are one where they must be; staleness is counted."""

import types

import numpy as np
import pytest
import torch
from tables import TinyTable
from torch.nn import functional as F

from nasbook import NasbookError, trials
from nasbook.controllers import Controller
from nasbook.decisions.gradients import MovingAverage, reinforce
from nasbook.evaluators import ChildFailed, Evaluator, Function, Lookup, Outcome
from nasbook.searchers import nas_rl
from nasbook.spaces.skip_layers import SkipLayers
from nasbook.spaces.skip_networks import build
from nasbook.spaces.tokens import Product

TABLE = TinyTable()
SMALL = {"units": 8, "children": 4, "learning_rate": 0.02, "decay": 0.8}


def value(architecture):
    """A deterministic score of the tiny table's architectures, between 0 and 1."""
    return (1 + sum("abcd".index(name) for name in architecture)) / 10


def played(space=TABLE.space, evaluator=None, keep=None, **settings):
    """The ledger's table and the trace; ``keep`` gets the Search object."""
    settings = {"evaluations": 60, "replicas": 3, "shards": 4, **SMALL, **settings}
    method = nas_rl
    if keep is not None:

        def search(trial):
            keep.append(nas_rl.Search(trial))
            (nas_rl.synchronous if trial.config.synchronous else nas_rl.asynchronous)(keep[0])

        method = types.SimpleNamespace(Config=nas_rl.Config, PROFILES=nas_rl.PROFILES, search=search)
    trial, found = trials.play(method, space=space, evaluator=evaluator or Function(value, "value"), **settings)
    return trial.ledger.table(), trial.record.trace(), found


def plain_reinforce(evaluations, seed=0, reward=lambda score: score**3, **more):
    """The same search by ``decisions.gradients.reinforce``: the controller's last parameters, its lists, rewards."""
    rng = np.random.default_rng(seed)
    controller = Controller(TABLE.space, units=8, seed=int(rng.integers(2**63)))
    decode = TABLE.space.decode
    history = reinforce(
        controller,
        lambda tokens: np.array([reward(value(decode(one))) for one in tokens.tolist()]),
        steps=evaluations // 4,
        batch=4,
        learning_rate=0.02,
        baseline=MovingAverage(0.8),
        rng=rng,
        **more,
    )
    return controller.vector, [str(decode(one)) for batch in history.tokens.tolist() for one in batch], history


@pytest.mark.parametrize("ppo", [{}, {"clip": 0.2, "epochs": 3, "entropy_weight": 0.01}])
@pytest.mark.parametrize(
    "scheme", [{"synchronous": True}, {"shards": 1}, {"shards": 7}, {"latency": 0.4}, {"clock": "seconds"}]
)
def test_with_one_replica_every_scheme_is_reinforce_bit_for_bit(scheme, ppo):
    keep = []
    table, _, _ = played(keep=keep, evaluations=40, replicas=1, **scheme, **ppo)
    vector, lists, _ = plain_reinforce(40, **ppo)
    assert table["architecture"].tolist() == lists
    np.testing.assert_array_equal(keep[0].server.vector, vector)


def test_with_one_replica_the_traces_and_parameters_of_both_schemes_are_equal():
    one, other = [], []
    sync = played(keep=one, replicas=1, synchronous=True, evaluations=48)
    free = played(keep=other, replicas=1, evaluations=48, latency=0.3)
    assert sync[0].equals(free[0]) and sync[1].equals(free[1])
    assert (sync[1].query("quantity == 'staleness'")["value"] == 0).all()
    np.testing.assert_array_equal(one[0].server.vector, other[0].server.vector)


def test_rewards_are_cubed_and_the_gradient_is_their_mean_over_the_children():
    """The first push by hand: 1/m sum of (R^3 - b) grad log P, b = 0, through Adam's first step."""
    keep = []
    _, trace, _ = played(keep=keep, replicas=1, synchronous=True, evaluations=8)
    rng = np.random.default_rng(0)
    controller = Controller(TABLE.space, units=8, seed=int(rng.integers(2**63)))
    tokens = controller.sample(4, rng)
    rewards = np.array([value(TABLE.space.decode(one)) for one in tokens.tolist()]) ** 3
    each = np.stack([controller.gradient(one[None], [1.0]) for one in tokens])
    gradient = (rewards[:, None] * each).mean(axis=0)
    step = 0.02 * gradient / (np.abs(gradient) + 1e-8)
    moved = plain_reinforce(4)[0]
    np.testing.assert_allclose(moved, controller.vector + step, rtol=1e-9, atol=1e-12)
    assert trace.query("quantity == 'reward'")["value"].iloc[0] == pytest.approx(rewards.mean())
    assert trace.query("quantity == 'baseline'")["value"].iloc[0] == pytest.approx(0.2 * rewards.mean())
    plain, _, _ = played(replicas=1, reward="plain", evaluations=40)
    assert plain["architecture"].tolist() == plain_reinforce(40, reward=lambda score: score)[1]


def test_synchronous_replicas_move_by_the_mean_of_their_gradients():
    """Three replicas of four children draw as one of twelve; the baseline is folded replica by replica."""
    keep = []
    played(keep=keep, synchronous=True, evaluations=12)
    rng = np.random.default_rng(0)
    controller = Controller(TABLE.space, units=8, seed=int(rng.integers(2**63)))
    tokens = np.concatenate([controller.sample(4, rng) for _ in range(3)])
    rewards = np.array([value(TABLE.space.decode(one)) for one in tokens.tolist()]) ** 3
    baseline = MovingAverage(0.8)
    gains = np.concatenate([baseline(part) for part in rewards.reshape(3, 4)])
    keep.clear()
    played(keep=keep, synchronous=True, evaluations=24)
    controller.ascend(tokens, gains, learning_rate=0.02)
    np.testing.assert_allclose(keep[0].server.vector, second_step(controller, rng, baseline), atol=1e-9)


def second_step(controller, rng, baseline):
    tokens = np.concatenate([controller.sample(4, rng) for _ in range(3)])
    rewards = np.array([value(TABLE.space.decode(one)) for one in tokens.tolist()]) ** 3
    gains = np.concatenate([baseline(part) for part in rewards.reshape(3, 4)])
    controller.ascend(tokens, gains, learning_rate=0.02)
    return controller.vector


def staleness(trace):
    return trace.query("quantity == 'staleness'")["value"].tolist()


@pytest.mark.parametrize("replicas", [1, 2, 5])
def test_in_step_every_push_is_as_stale_as_there_are_other_replicas(replicas):
    """Trainings of equal length: all pull at 0; push i of the first round finds i moves, every later one K - 1."""
    _, trace, _ = played(clock="seconds", replicas=replicas, evaluations=4 * replicas * 4)
    found = staleness(trace)
    assert found[:replicas] == list(range(replicas))
    assert set(found[replicas:]) == {replicas - 1} and len(found) >= 3 * replicas


class Paced(Evaluator):
    """The k-th batch of four lasts as long as ``lasts`` says."""

    def __init__(self, lasts):
        self.lasts, self.asked = lasts, 0

    def judge(self, architecture, seed):
        seconds = self.lasts[self.asked // 4]
        self.asked += 1
        return Outcome(value(architecture), seconds if self.asked % 4 == 1 else 0.0)

    def description(self):
        return {"kind": "paced"}


def test_staleness_by_hand():
    """Two replicas; rounds in the order of their pulls last 3, 1, 1, 1, 9, ...

    A pulls at 0 and pushes at 3; B pushes at 1, 2 and 3 (A before B at 3: its event is older), so A finds 2 moves
    and B's third push, drawn at 2, finds one, A's.
    """
    _, trace, _ = played(evaluator=Paced([3, 1, 1, 1, 9, 9]), replicas=2, clock="seconds", evaluations=24)
    assert staleness(trace)[:4] == [0.0, 0.0, 2.0, 1.0]


def test_a_push_that_travels_arrives_shard_by_shard(monkeypatch):
    """With latency, a replica may draw from shards of different versions; without it never with one gradient each."""
    torn = []
    pull = nas_rl.Search.pull

    def spy(self, pending=0):
        torn.append(len(set(self.server.versions.tolist())) > 1)
        return pull(self, pending)

    monkeypatch.setattr(nas_rl.Search, "pull", spy)
    played(latency=2.0, replicas=4, evaluations=120)
    assert any(torn)
    torn.clear()
    played(replicas=4, evaluations=120)
    assert not any(torn)


def test_stale_gradients_are_those_of_the_parameters_that_drew(monkeypatch):
    seen = []
    gradient = nas_rl.Search.gradient

    def spy(self, replica):
        found = gradient(self, replica)
        self.controller.load(replica.vector)
        seen.append(np.array_equal(found, self.controller.gradient(replica.drawn.tokens, replica.gains)))
        return found

    monkeypatch.setattr(nas_rl.Search, "gradient", spy)
    _, trace, _ = played()
    assert max(staleness(trace)) > 0 and all(seen) and len(seen) > 5


def test_ppo_takes_its_ratio_against_the_parameters_of_now(monkeypatch):
    ratios = []
    weights_of = nas_rl.clipped_weights

    def spy(new, old, gains, clip):
        ratios.append(np.abs(new - old).max())
        return weights_of(new, old, gains, clip)

    monkeypatch.setattr(nas_rl, "clipped_weights", spy)
    played(clip=0.2, epochs=2, replicas=1, evaluations=40)
    assert np.allclose(ratios[::2], 0, atol=1e-12) and min(ratios[1::2]) > 1e-6
    ratios.clear()
    played(clip=0.2, epochs=1, replicas=3)
    assert max(ratios) > 1e-6, "other replicas have moved the parameters since the draw"


def test_gradients_are_accumulated_before_the_parameters_move():
    _, trace, _ = played(accumulate=3, clock="seconds", evaluations=4 * 3 * 5)
    # three pushes of a round are one move: none is stale in the first, and then those that pulled before it
    assert staleness(trace)[:9] == [0, 0, 0, 1, 1, 0, 1, 1, 0]


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
        depth_every=20,
        children=5,
        replicas=2,
        evaluations=80,
    )
    depths = [len(text.split()) for text in table["architecture"]]
    assert depths == [2] * 20 + [4] * 20 + [6] * 40
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
