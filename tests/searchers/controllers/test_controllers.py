"""The LSTM controller as a policy: against a NumPy LSTM, enumeration, autograd and its own samples."""

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from nasbook import NasbookError
from nasbook.decisions.gradients import reinforce
from nasbook.searchers.controllers import Adam, Controller, ParameterServer
from nasbook.spaces.blocks.nasnet_cells import NasnetCells
from nasbook.spaces.edges.cells import CELLBENCH_OPERATIONS, EdgeSpace
from nasbook.spaces.layers.skip_layers import SkipLayers
from nasbook.spaces.recurrent.trees import RecurrentTrees
from nasbook.spaces.tokens import Product, every

TINY = SkipLayers(2, (1, 3), (3,), (4, 8))
"""4 x 4 x 2 architectures, METHODS section 1, test (c)."""


def lists_of(space):
    return np.array(list(every(space)))


def small(space=TINY, **settings):
    return Controller(space, **{"units": 4, "bound": 0.8, "seed": 1} | settings)


def rewards_of(lists, seed=0):
    return np.random.default_rng(seed).random(len(lists))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(controller, tokens):
    """Log-probability and entropy of one list of a space of SkipLayers, by a NumPy LSTM from its equations."""
    weights = {name: p.detach().numpy() for name, p in controller.named_parameters()}
    hidden = [(np.zeros(controller.units), np.zeros(controller.units)) for _ in controller.cells]
    x, anchors, total, entropy = weights["start"], [], 0.0, 0.0
    for step in controller.steps:
        for layer in range(len(controller.cells)):
            h, c = hidden[layer]
            gates = weights[f"cells.{layer}.weight_ih"] @ x + weights[f"cells.{layer}.bias_ih"]
            gates = gates + weights[f"cells.{layer}.weight_hh"] @ h + weights[f"cells.{layer}.bias_hh"]
            i, f, g, o = np.split(gates, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            x = sigmoid(o) * np.tanh(c)
            hidden[layer] = x, c
        if step.anchor:
            h, chosen = x, []
            for position, earlier in zip(step.positions, anchors):
                mixed = np.tanh(weights["previous.weight"] @ earlier + weights["current.weight"] @ h)
                yes = sigmoid(weights["attention.weight"][0] @ mixed / controller.temperature)
                total += np.log(yes if tokens[position] else 1 - yes)
                entropy -= yes * np.log(yes) + (1 - yes) * np.log(1 - yes)
                chosen += [earlier] if tokens[position] else []
            anchors.append(h)
            x = sum(chosen, np.zeros(controller.units)) / (1 + len(chosen))
            continue
        place = controller.kinds[step.kind]
        logits = weights[f"heads.{place}.weight"] @ x + weights[f"heads.{place}.bias"]
        chance = np.exp(logits / controller.temperature)
        chance /= chance.sum()
        total += np.log(chance[tokens[step.start]])
        entropy -= (chance * np.log(chance)).sum()
        x = weights[f"embeddings.{place}.weight"][tokens[step.start]]
    return total, entropy


@pytest.mark.parametrize("settings", [{}, {"layers": 1}, {"layers": 3, "temperature": 2.5}])
def test_it_is_the_lstm_of_its_equations(settings):
    space = SkipLayers(4, (1, 3, 5), (1, 3), (4, 8))
    controller = small(space, units=5, **settings)
    tokens = controller.sample(6, np.random.default_rng(0))
    wanted = np.array([by_hand(controller, one) for one in tokens])
    np.testing.assert_allclose(controller.log_probabilities(tokens), wanted[:, 0], rtol=1e-10)
    np.testing.assert_allclose(controller.entropies(tokens), wanted[:, 1], rtol=1e-10)


def one_block():
    """The first block of NASNet's normal cell: beginnings of its lists, 2 x 2 x 13 x 13 x 2 of them."""
    return np.array(list(itertools.product(range(2), range(2), range(13), range(13), range(2))))


@pytest.mark.parametrize(
    ("space", "lists"),
    [
        (TINY, lists_of(TINY)),
        (SkipLayers(3, (1, 3), (3,), (4, 8)), lists_of(SkipLayers(3, (1, 3), (3,), (4, 8)))),
        (EdgeSpace(CELLBENCH_OPERATIONS), lists_of(EdgeSpace(CELLBENCH_OPERATIONS))),
        (RecurrentTrees(2), lists_of(RecurrentTrees(2))),
        (NasnetCells(), one_block()),
    ],
    ids=["skips of 2", "skips of 3", "cellbench", "trees", "NASNet"],
)
def test_probabilities_over_all_architectures_sum_to_one(space, lists):
    controller = small(space)
    assert np.exp(controller.log_probabilities(lists)).sum() == pytest.approx(1, abs=1e-12)
    entropy = -(np.exp(controller.log_probabilities(lists)) * controller.log_probabilities(lists)).sum()
    chain = (np.exp(controller.log_probabilities(lists)) * controller.entropies(lists)).sum()
    assert chain == pytest.approx(entropy, abs=1e-10)


def test_samples_follow_the_probabilities():
    controller, lists = small(), lists_of(TINY)
    drawn = controller.draw(4000, np.random.default_rng(0))
    order = {tuple(one): place for place, one in enumerate(lists.tolist())}
    counts = np.bincount([order[tuple(one)] for one in drawn.tokens.tolist()], minlength=32)
    assert stats.chisquare(counts, 4000 * np.exp(controller.log_probabilities(lists))).pvalue > 1e-4
    np.testing.assert_allclose(drawn.log_probabilities, controller.log_probabilities(drawn.tokens), atol=1e-12)
    np.testing.assert_allclose(drawn.entropies, controller.entropies(drawn.tokens), atol=1e-12)


def test_the_same_generator_draws_the_same_lists():
    one, other = small(), small()
    draws = [c.sample(7, np.random.default_rng(5)) for c in (one, other)]
    np.testing.assert_array_equal(*draws)
    assert not np.array_equal(one.vector, small(seed=2).vector)


def scores(controller, lists):
    """(n, P): gradient of each list's log-probability."""
    return np.stack([controller.gradient(one[None], [1.0]) for one in lists])


def test_the_enumerated_policy_gradient_is_that_of_autograd():
    controller, lists = small(), lists_of(TINY)
    rewards = rewards_of(lists)
    chance = np.exp(controller.log_probabilities(lists))
    enumerated = (chance * rewards) @ scores(controller, lists)
    mean = (controller.log_chances(lists).exp() * torch.tensor(rewards)).sum()
    slopes = torch.autograd.grad(mean, list(controller.parameters()), allow_unused=True)
    wanted = [torch.zeros_like(p) if g is None else g for p, g in zip(controller.parameters(), slopes)]
    np.testing.assert_allclose(enumerated, torch.cat([g.flatten() for g in wanted]).numpy(), atol=1e-14)


def test_the_gradient_is_the_slope_of_the_mean_reward():
    """Central differences, which know nothing of autograd."""
    controller, lists = small(), lists_of(TINY)
    rewards, vector = rewards_of(lists), controller.vector
    weights = len(lists) * np.exp(controller.log_probabilities(lists)) * rewards
    gradient = controller.gradient(lists, weights)

    def value(at):
        controller.load(at)
        return np.exp(controller.log_probabilities(lists)) @ rewards

    for place in np.random.default_rng(0).choice(len(vector), 40, replace=False):
        unit = 1e-5 * (np.arange(len(vector)) == place)
        slope = (value(vector + unit) - value(vector - unit)) / 2e-5
        assert gradient[place] == pytest.approx(slope, abs=1e-9)


@pytest.mark.parametrize("baseline", [0.0, 0.5])
def test_sampled_reinforce_is_within_five_standard_errors(baseline):
    controller, lists = small(), lists_of(TINY)
    rewards, each = rewards_of(lists), scores(controller, lists)
    exact = (np.exp(controller.log_probabilities(lists)) * rewards) @ each
    order = {tuple(one): place for place, one in enumerate(lists.tolist())}
    drawn = controller.sample(20_000, np.random.default_rng(3))
    places = np.array([order[tuple(one)] for one in drawn.tolist()])
    terms = each[places] * (rewards[places] - baseline)[:, None]  # (n, P)
    error = terms.std(axis=0, ddof=1) / len(terms) ** 0.5
    assert (np.abs(terms.mean(axis=0) - exact) <= 5 * error + 1e-15).all()
    batch = controller.gradient(drawn[:500], rewards[places[:500]] - baseline)
    np.testing.assert_allclose(batch, terms[:500].mean(axis=0), atol=1e-13)


def test_a_beginning_has_the_probability_of_a_shallower_controller():
    deep, shallow = (small(SkipLayers(layers, (1, 3), (3,), (4, 8))) for layers in (4, 2))
    np.testing.assert_array_equal(deep.vector, shallow.vector)
    lists = lists_of(TINY)
    np.testing.assert_array_equal(deep.log_probabilities(lists), shallow.log_probabilities(lists))
    drawn = [c.sample(9, np.random.default_rng(0), length=7) for c in (deep, shallow)]
    np.testing.assert_array_equal(*drawn)


def test_a_temperature_flattens_the_policy():
    lists = lists_of(TINY)
    cold, warm, hot = (small(temperature=t).entropies(lists).mean() for t in (0.2, 1.0, 50.0))
    assert cold < warm < hot < 5 * np.log(2) + 1e-12
    assert hot == pytest.approx(np.log(32), abs=1e-3)


def test_it_is_a_policy_that_reinforce_trains():
    """METHODS section 1, test (f): the number of 3x3 layers as reward; P(optimal) > .9 within 500 updates."""
    space = Product((("1x1", "3x3", "5x5"),) * 4)
    controller = Controller(space, units=16, seed=0)
    reward = lambda tokens: (tokens == 1).sum(axis=1) / 4  # noqa: E731
    reinforce(controller, reward, steps=400, batch=8, learning_rate=0.01, baseline=0.5, rng=np.random.default_rng(0))
    assert np.exp(controller.log_probabilities(np.array([[1, 1, 1, 1]])))[0] > 0.9


def test_ppo_climbs_too():
    controller, lists = small(units=8, bound=0.1), lists_of(TINY)
    rewards = (lists[:, 0] + lists[:, 6]) / 2
    order = {tuple(one): place for place, one in enumerate(lists.tolist())}
    before = np.exp(controller.log_probabilities(lists)) @ rewards
    settings = {"clip": 0.2, "epochs": 4, "learning_rate": 0.01, "baseline": 0.5, "entropy_weight": 1e-5}
    reinforce(
        controller,
        lambda tokens: rewards[[order[tuple(one)] for one in tokens.tolist()]],
        steps=60,
        batch=20,
        rng=np.random.default_rng(0),
        **settings,
    )
    assert before < 0.6 and np.exp(controller.log_probabilities(lists)) @ rewards > 0.9


def test_the_published_sizes_and_ranges():
    zoph, nasnet = Controller(SkipLayers()), Controller(NasnetCells(), units=100, layers=1, bound=0.1)
    lstm = 2 * 4 * (35 * 35 * 2 + 2 * 35)
    heads = 3 * (35 * 4 + 4 + 4 * 35)
    assert len(zoph.vector) == 35 + lstm + heads + 2 * 35**2 + 35
    for controller, bound in ((zoph, 0.08), (nasnet, 0.1)):
        assert 0.99 * bound < np.abs(controller.vector).max() <= bound
        assert stats.kstest(controller.vector, stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-4


# --- the server


def test_adam_is_that_of_torch():
    rng, parameter = np.random.default_rng(0), torch.nn.Parameter(torch.zeros(7, dtype=torch.float64))
    theirs = torch.optim.Adam([parameter], lr=0.03, maximize=True)
    ours, vector = Adam(7), np.zeros(7)
    for _ in range(30):
        gradient = rng.normal(size=7)
        vector = vector + ours.step(gradient, 0.03)
        parameter.grad = torch.tensor(gradient)
        theirs.step()
    np.testing.assert_allclose(vector, parameter.detach().numpy(), rtol=1e-9)


@pytest.mark.parametrize("shards", [1, 2, 5, 13, 40])
def test_shards_change_no_bit(shards):
    rng = np.random.default_rng(1)
    start, gradients = rng.normal(size=37), rng.normal(size=(6, 37))
    whole, parted = (ParameterServer(start, shards=s, learning_rate=0.1) for s in (1, shards))
    for gradient in gradients:
        whole.push(gradient)
        parted.push(gradient)
    np.testing.assert_array_equal(whole.vector, parted.vector)
    assert parted.versions.tolist() == [6] * shards and whole.versions.tolist() == [6]


def test_gradients_are_gathered_before_a_shard_moves():
    rng = np.random.default_rng(1)
    gradients = rng.normal(size=(7, 6))
    gathered = ParameterServer(np.zeros(6), shards=2, accumulate=3, learning_rate=0.1)
    means = ParameterServer(np.zeros(6), learning_rate=0.1)
    for gradient in gradients:
        gathered.push(gradient)
    for part in (gradients[:3], gradients[3:6]):
        means.push(part.mean(axis=0))
    np.testing.assert_allclose(gathered.vector, means.vector, rtol=1e-12)
    assert gathered.versions.tolist() == [2, 2]


def test_a_pull_is_a_copy():
    server = ParameterServer(np.zeros(4), shards=2, learning_rate=0.1)
    vector, versions = server.pull()
    server.receive(1, np.ones(2))
    assert vector.tolist() == [0] * 4 and versions.tolist() == [0, 0]
    assert server.versions.tolist() == [0, 1] and server.vector[:2].tolist() == [0, 0] and (server.vector[2:] > 0).all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: small(units=0), "units is 0"),
        (lambda: small(layers=0), "layers is 0"),
        (lambda: small(temperature=0.0), "temperature"),
        (lambda: small(bound=-1.0), "bound"),
        (lambda: small().sample(0, np.random.default_rng(0)), "count is 0"),
        (lambda: small().sample(2, 0), "must be a generator"),
        (lambda: small().sample(2, np.random.default_rng(0), length=8), "no step ends after 8"),
        (lambda: small(SkipLayers(3)).sample(2, np.random.default_rng(0), length=11), "no step ends after 11"),
        (lambda: small().log_probabilities(np.array([[0, 0, 0, 0, 0, 0, 2]])), r"tokens\[0, 6\] is 2"),
        (lambda: small().log_probabilities(np.array([0, 0])), "token lists must be"),
        (lambda: small().gradient(lists_of(TINY)[:3], [1.0]), "weights"),
        (lambda: small().load(np.zeros(3)), "parameters"),
        (lambda: small().load(small().vector * np.nan), "parameters"),
        (lambda: ParameterServer(np.zeros(3), shards=0, learning_rate=0.1), "shards is 0"),
        (lambda: ParameterServer(np.zeros(3), learning_rate=0.0), "learning_rate"),
        (lambda: Controller(object()), "without choices"),
    ],
)
def test_bad_input_gets_one_sentence(call, said):
    with pytest.raises(NasbookError, match=said):
        call()
