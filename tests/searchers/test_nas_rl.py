"""NAS with RL: asynchronous, synchronous and plain REINFORCE are one where they must be; staleness is counted."""

import numpy as np
import pytest
from rl import TABLE, played, value

from nasbook.decisions.gradients import MovingAverage, reinforce
from nasbook.searchers import nas_rl
from nasbook.searchers.controllers import Controller
from nasbook.trials.interface import Evaluator, Outcome


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
    """Delayed pushes only take time."""
    one, other = [], []
    sync = played(keep=one, replicas=1, synchronous=True, evaluations=48)
    prompt = played(replicas=1, evaluations=48)
    late = played(keep=other, replicas=1, evaluations=48, latency=0.3)
    assert sync[0].equals(prompt[0]) and sync[1].equals(prompt[1]) and sync[0].equals(late[0])
    clocked, delayed = (trace["quantity"] == "clock" for trace in (sync[1], late[1]))
    assert sync[1][~clocked].equals(late[1][~delayed])
    assert late[1][delayed]["value"].iloc[0] > sync[1][clocked]["value"].iloc[0]
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
    and B's third push, drawn at 2, finds one, A's. If they wait for each other, rounds last 3, 1 and 9.
    """
    asked = {"replicas": 2, "clock": "seconds", "evaluations": 24}
    _, trace, _ = played(evaluator=Paced([3, 1, 1, 1, 9, 9]), **asked)
    assert staleness(trace)[:4] == [0.0, 0.0, 2.0, 1.0]
    assert trace.query("quantity == 'clock'")["value"].tolist()[:4] == [1, 2, 3, 3]
    _, trace, _ = played(evaluator=Paced([3, 1, 1, 1, 9, 9]), synchronous=True, **asked)
    assert trace.query("quantity == 'clock'")["value"].tolist() == [3, 3, 4, 4, 13, 13]


def test_the_staleness_of_ppo_is_that_of_its_first_push():
    """Alone, a replica finds the parameters that it drew from; its later pushes follow moves of its own."""
    _, trace, _ = played(replicas=1, clip=0.2, epochs=3, evaluations=40)
    assert set(staleness(trace)) == {0.0} and len(staleness(trace)) >= 9


@pytest.mark.parametrize("synchronous", [False, True])
def test_a_replica_waits_for_the_longest_of_its_children_which_are_trained_side_by_side(synchronous):
    class Longer(Paced):
        def judge(self, architecture, seed):
            self.asked += 1
            return Outcome(value(architecture), float(self.asked % 4))

    _, trace, _ = played(evaluator=Longer([]), replicas=1, synchronous=synchronous, clock="seconds", evaluations=12)
    assert trace.query("quantity == 'clock'")["value"].tolist()[:2] == [3, 6]


def test_a_drawn_training_lasts_from_half_to_one_and_a_half():
    _, trace, _ = played(replicas=1, children=1, evaluations=400)
    lasts = np.diff(trace.query("quantity == 'clock'")["value"], prepend=0)
    assert lasts.min() >= 0.5 and lasts.max() <= 1.5 and lasts.min() < 0.55 and lasts.max() > 1.45


def test_a_push_that_travels_arrives_shard_by_shard(monkeypatch):
    """With latency, a replica may draw from shards of different versions; without it never with one gradient each."""
    torn = []
    pull = nas_rl.Scheme.pull

    def spy(self, pending=0):
        torn.append(len(set(self.server.versions.tolist())) > 1)
        return pull(self, pending)

    monkeypatch.setattr(nas_rl.Scheme, "pull", spy)
    played(latency=2.0, replicas=4, evaluations=120)
    assert any(torn)
    torn.clear()
    played(replicas=4, evaluations=120)
    assert not any(torn)


def test_stale_gradients_are_those_of_the_parameters_that_drew(monkeypatch):
    seen = []
    gradient = nas_rl.Scheme.gradient

    def spy(self, replica):
        found = gradient(self, replica)
        self.controller.load(replica.vector)
        seen.append(np.array_equal(found, self.controller.gradient(replica.drawn.tokens, replica.gains)))
        return found

    monkeypatch.setattr(nas_rl.Scheme, "gradient", spy)
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
