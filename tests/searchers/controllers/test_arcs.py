"""ENAS's controllers: probabilities, gradients by enumeration, skip penalty, entropies, baseline order."""

import numpy as np
import pytest
import torch

from nasbook.base.errors import NasbookError
from nasbook.decisions.gradients import MovingAverage
from nasbook.decisions.policies import every_list
from nasbook.searchers.controllers import CellController, LayerController
from nasbook.searchers.controllers.arcs import mean_of_chosen, skip_log_chances, skip_penalty, squash
from nasbook.searchers.enas import Config
from nasbook.spaces.blocks.micro_cells import micro_space
from nasbook.spaces.edges.cells import EdgeSpace
from nasbook.spaces.layers.macro_layers import MacroLayers

WIDE = {"bound": 1.0, "units": 8}


def controllers():
    lean = {"bias": 2.0, "prior": 0.25}
    yield "micro", CellController(micro_space(1), **lean, **WIDE)
    yield "macro", LayerController(MacroLayers(3, ("conv_3x3", "avg_pool_3x3")), **WIDE)
    yield "edges", LayerController(EdgeSpace(("none", "skip_connect")), temperature=2.0, **WIDE)


CONTROLLERS = dict(controllers())


@pytest.mark.parametrize("prior", [0.0, 0.25])
def test_probabilities_of_all_micro_cells_of_two_blocks_sum_to_one(prior):
    space = micro_space(2, reduction=False)
    lists = every_list(space.choices)
    chances = np.exp(CellController(space, bias=1.0, prior=prior, **WIDE).log_probabilities(lists))
    assert len(lists) == 22_500 and abs(chances.sum() - 1) < 1e-9
    assert chances.max() > 3 * chances.min()


@pytest.mark.parametrize("name", CONTROLLERS)
def test_probabilities_of_all_lists_sum_to_one_and_are_those_of_the_draws(name):
    controller = CONTROLLERS[name]
    lists = every_list(controller.choices)
    chances = np.exp(controller.log_probabilities(lists))
    assert abs(chances.sum() - 1) < 1e-9
    drawn = controller.draw(20_000, np.random.default_rng(0))
    place = np.ravel_multi_index(drawn.tokens.T, controller.choices)
    assert np.array_equal(drawn.log_probabilities, controller.log_probabilities(drawn.tokens))
    likely = chances > 1e-3
    found = np.bincount(place, minlength=len(lists))[likely] / len(place)
    assert (abs(found - chances[likely]) < 5 * (chances[likely] / len(place)) ** 0.5).all()


@pytest.mark.parametrize("name", CONTROLLERS)
def test_reinforce_is_the_gradient_of_the_mean_reward(name):
    """The enumerated E[R grad log p] against differences of J itself, and draws within five standard errors of it."""
    controller = CONTROLLERS[name]
    lists = every_list(controller.choices)
    rewards = np.random.default_rng(1).random(len(lists))
    before = controller.vector
    chances = np.exp(controller.log_probabilities(lists))
    exact = controller.gradient(lists, len(lists) * chances * rewards)
    towards = np.random.default_rng(2).standard_normal((3, len(before)))

    def mean_reward(vector):
        controller.load(vector)
        return float(np.exp(controller.log_probabilities(lists)) @ rewards)

    for direction in towards:
        slope = (mean_reward(before + 1e-5 * direction) - mean_reward(before - 1e-5 * direction)) / 2e-5
        assert abs(slope - exact @ direction) < 1e-7 * max(1, abs(slope))
    controller.load(before)
    rng = np.random.default_rng(3)
    batches = []
    for _ in range(50):
        tokens = controller.sample(200, rng)
        place = np.ravel_multi_index(tokens.T, controller.choices)
        batches.append(controller.gradient(tokens, rewards[place] - 0.5) @ towards.T)
    error = np.std(batches, axis=0, ddof=1) / len(batches) ** 0.5
    assert (abs(np.mean(batches, axis=0) - towards @ exact) < 5 * error).all()


@pytest.mark.parametrize("name", CONTROLLERS)
def test_full_entropy_is_that_of_the_distribution(name):
    controller = CONTROLLERS[name]
    lists = every_list(controller.choices)
    log_chances = controller.log_probabilities(lists)
    exact = -(np.exp(log_chances) * log_chances).sum()
    assert abs(np.exp(log_chances) @ controller.entropies(lists) - exact) < 1e-9


def test_the_codes_entropy_counts_the_drawn_answer_alone():
    space = MacroLayers(2, ("conv_3x3", "avg_pool_3x3"))
    full, quirk = (LayerController(space, entropy=kind, **WIDE) for kind in ("full", "sampled"))
    tokens = np.array([[0, 1, 1]])
    (_, first, _), (_, second, _), (_, skip, _) = full._forced(tokens)
    wanted = -sum(float(p.detach().exp() * p.detach()) for p in (first[0, 0, 0], second[0, 0, 1], skip[0, 0, 1]))
    assert abs(quirk.entropies(tokens)[0] - wanted) < 1e-12 < full.entropies(tokens)[0] - wanted


def test_a_skip_is_drawn_with_sigmoid_of_two_q_after_temperature_and_tanh():
    space = MacroLayers(2, ("conv_3x3", "avg_pool_3x3"))
    controller = LayerController(space, temperature=1.7, tanh_constant=1.5, bound=2.0, units=5).requires_grad_(False)
    one = controller.start[None]
    memory = (torch.zeros(1, 5).double(),) * 2
    memory = first = controller.cell(one, memory)
    memory = controller.cell(controller.embeddings[0].weight[[0]], memory)
    anchor = memory[0]
    memory = controller.cell(one, memory)
    memory = controller.cell(controller.embeddings[0].weight[[1]], memory)
    q = controller.attention(torch.tanh(controller.key(anchor) + controller.query(memory[0])))
    bounded = 1.5 * torch.tanh(q / 1.7)
    given = {tuple(t): p for t, p in zip(every_list((2, 2, 2)), controller.log_probabilities(every_list((2, 2, 2))))}
    ratio = float(np.exp(given[0, 1, 1]) / (np.exp(given[0, 1, 1]) + np.exp(given[0, 1, 0])))
    assert abs(ratio - float(torch.sigmoid(2 * bounded).detach())) < 1e-12
    head = controller.heads[0](first[0])
    start = float(torch.log_softmax(1.5 * torch.tanh(head / 1.7), dim=1)[0, 0])
    assert abs(np.log(sum(np.exp(p) for t, p in given.items() if t[0] == 0)) - start) < 1e-12


def chance_of(logits, taken):
    return float(torch.log_softmax(logits, dim=-1)[taken])


@torch.no_grad()
def macro_by_hand(c, tokens, layers, temperature, bound):
    """Log-probability of one list, step by step as the released macro controller goes."""
    tokens, total = list(tokens), 0.0
    memory = (torch.zeros(1, c.units).double(),) * 2
    x, anchors = c.start[None], []
    for layer in range(layers):
        memory = c.cell(x, memory)
        operation, *bits = [tokens.pop(0) for _ in range(1 + layer)]
        total += chance_of(bound * torch.tanh(c.heads[0].weight @ memory[0][0] / temperature), operation)
        memory = c.cell(c.embeddings[0].weight[[operation]], memory)
        x = c.start[None]
        for earlier, bit in zip(anchors, bits):
            mixed = torch.tanh(c.key.weight @ earlier + c.query.weight @ memory[0][0])
            q = (c.attention.weight @ mixed)[0]
            total += chance_of(bound * torch.tanh(torch.stack([-q, q]) / temperature), bit)
        if layer:
            chosen = [earlier for earlier, bit in zip(anchors, bits) if bit]
            x = sum(chosen, torch.zeros(c.units).double())[None] / (1 + sum(bits))
        anchors.append(memory[0][0])
    return total


@torch.no_grad()
def micro_by_hand(c, tokens, cells, nodes, bound, reduce, prior):
    """The same of the released micro controller; a block is input, input, operation, operation here."""
    tokens, total = list(tokens), 0.0
    memory = (torch.zeros(1, c.units).double(),) * 2
    for cell in range(cells):
        keys, vectors = [], [torch.zeros(1, c.units).double()] * 2
        for _ in range(2):
            memory = c.cell(c.start[None], memory)
            keys.append(c.key.weight @ memory[0][0])
        for _ in range(nodes):
            x = c.start[None]
            for _ in range(2):
                memory = c.cell(x, memory)
                q = [c.attention.weight[0] @ torch.tanh(key + c.query.weight @ memory[0][0]) for key in keys]
                total += chance_of(bound * torch.tanh(torch.stack(q)), tokens[0])
                x = vectors[tokens.pop(0)]
            for _ in range(2):
                memory = c.cell(x, memory)
                logits = bound / reduce * torch.tanh(c.head.weight @ memory[0][0] + c.head.bias)
                lean = torch.tensor([prior, prior, -prior, -prior, -prior]).double()
                total += chance_of(logits + lean * (cell == 0), tokens[0])
                x = c.embedding.weight[[tokens.pop(0)]]
            memory = c.cell(x, memory)
            keys.append(c.key.weight @ memory[0][0])
            vectors.append(memory[0])
    return total


def test_both_controllers_go_step_by_step_as_the_released_ones():
    rng = np.random.default_rng(0)
    macro = LayerController(MacroLayers(4), temperature=1.7, tanh_constant=1.5, units=6, bound=1.5)
    for tokens in macro.sample(5, rng):
        right = macro_by_hand(macro, tokens.tolist(), 4, 1.7, 1.5)
        assert abs(macro.log_probabilities(tokens[None])[0] - right) < 1e-10
    micro = CellController(micro_space(3), tanh_constant=1.1, units=6, bound=1.5, bias=0.3, prior=0.25)
    for tokens in micro.sample(5, rng):
        right = micro_by_hand(micro, tokens.tolist(), 2, 3, 1.1, 2.5, 0.25)
        assert abs(micro.log_probabilities(tokens[None])[0] - right) < 1e-10


def test_the_controllers_begin_small_without_lstm_biases_and_step_without_momentum():
    for controller in (LayerController(MacroLayers(3)), CellController(micro_space(2))):
        first = controller.vector
        names = dict(controller.named_parameters())
        assert abs(first).max() <= 0.1 and abs(first).max() > 0.099 and not any("bias_" in name for name in names)
        assert names["cell.weight_hh"].shape == (256, 64) and names["start"].shape == (64,)
        tokens = controller.sample(2, np.random.default_rng(0))
        slope = controller.gradient(tokens, [1.0, -2.0])
        controller.ascend(tokens, [1.0, -2.0], learning_rate=0.01)
        assert np.allclose(controller.vector - first, 0.01 * slope / (abs(slope) + 1e-3), atol=1e-12)
        before = controller.vector
        controller.ascend(tokens, [0.0, 0.0], learning_rate=0.01)
        assert np.array_equal(controller.vector, before)


@pytest.mark.parametrize(
    "q, code, true",
    [(0.0, 0.020411, 0.020411), (0.5, 0.100364, 0.225041), (1.0, 0.225041, 0.502624), (-0.5, 0.001058, 0.037669)],
)
def test_the_skip_penalty_and_the_codes(q, code, true):
    log_chances = skip_log_chances(torch.tensor(q, dtype=torch.float64))
    assert abs(float(log_chances[1].exp()) - 1 / (1 + np.exp(-2 * q))) < 1e-12
    assert abs(float(skip_penalty(log_chances, 0.4, "code")) - code) < 5e-7
    assert abs(float(skip_penalty(log_chances, 0.4)) - true) < 5e-7


def test_the_skip_penalty_pulls_the_chances_to_the_target():
    """Without rewards the controller climbs down the penalty: all its skips end near .4; without weight they stay."""
    space = MacroLayers(4, ("conv_3x3", "avg_pool_3x3"))
    controller = LayerController(space, skip_weight=0.8, units=16, seed=1)
    rng = np.random.default_rng(0)
    for _ in range(100):
        controller.ascend(controller.sample(4, rng), np.zeros(4), learning_rate=0.005)
    found = controller._forced(controller.sample(50, rng))
    chances = torch.cat([chance.exp()[:, :, 1].flatten() for step, chance, _ in found if step.anchor])
    assert len(chances) == 300 and float((chances.detach() - 0.4).abs().max()) < 0.05
    tokens = controller.sample(4, rng)
    by_hand = [skip_penalty(chance).sum(dim=1) for step, chance, _ in controller._forced(tokens) if step.anchor]
    assert torch.allclose(controller.penalties(tokens), sum(by_hand) / 3)


def test_no_skip_gives_the_zero_vector_and_two_their_sum_over_three():
    states = torch.randn(2, 3, 4, dtype=torch.float64)
    mixed = mean_of_chosen(states, torch.tensor([[0, 0, 0], [1, 0, 1]]))
    assert torch.equal(mixed[0], torch.zeros(4, dtype=torch.float64))
    assert torch.allclose(mixed[1], (states[1, 0] + states[1, 2]) / 3)


def test_the_baseline_takes_the_reward_in_first():
    assert Config().baseline_order == "fold_first" and Config().decay == 0.99
    baseline = MovingAverage(Config().decay, order=Config().baseline_order)
    assert abs(baseline([1.0])[0] - 0.99) < 1e-12 and abs(baseline.value - 0.01) < 1e-12


def test_the_released_lean_saturates_the_operations_and_ours_does_not():
    """Biases of 10 go into the tanh: the learned part has almost no gradient; off by default."""
    space = micro_space(2)
    tokens = CellController(space).sample(50, np.random.default_rng(0))
    slopes = {}
    for name, lean in (("released", {"bias": 10.0, "prior": 0.25}), ("ours", {})):
        controller = CellController(space, **lean)
        names = [name for name, p in controller.named_parameters() for _ in range(p.numel())]
        gradient = controller.gradient(tokens, np.random.default_rng(1).standard_normal(50))
        slopes[name] = abs(gradient[[one == "head.bias" for one in names]][:2]).max()
    assert slopes["released"] < 1e-6 < 1e-3 < slopes["ours"]
    lean = CellController(space, bias=10.0, prior=0.25)
    first = [chance.exp()[0, 0] for step, chance, _ in lean._forced(tokens[:1]) if step.kind == "operation"]
    normal, reduce = (float(first[place][:2].detach().sum()) for place in (0, 4))
    low, high = 0.44 * np.tanh(10), 0.25
    wanted = [2 * np.exp(low + a) / (2 * np.exp(low + a) + 3 * np.exp(-a)) for a in (high, 0.0)]
    assert abs(normal - wanted[0]) < 0.05 and abs(reduce - wanted[1]) < 0.05


def test_squash_divides_before_it_bounds():
    assert abs(float(squash(torch.tensor(3.0).double(), 5.0, 2.5)) - 2.5 * np.tanh(0.6)) < 1e-12
    assert float(squash(torch.tensor(3.0), 5.0, None)) == pytest.approx(0.6)


@pytest.mark.parametrize(
    "build, said",
    [
        (lambda: LayerController(MacroLayers(2), entropy="half"), "entropy"),
        (lambda: LayerController(MacroLayers(2), penalty="codes"), "code"),
        (lambda: CellController(EdgeSpace()), "micro_space"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(build, said):
    with pytest.raises(NasbookError, match=said):
        build()
