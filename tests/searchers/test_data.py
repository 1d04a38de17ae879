"""DATA: the codes of a search, and what each option of the official code changes."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
import torch
from scipy import stats
from tiny import TINY
from torch.nn import functional as F

import nasbook as nb
from nasbook.datasets.splits import split
from nasbook.relaxations import samplers
from nasbook.relaxations.derivation import probable_code_rule
from nasbook.searchers import data, gdas
from nasbook.spaces.names import DARTS_OPERATIONS, cell_edges
from nasbook.training import bilevel, state

OPS = ("skip_connect", "max_pool_3x3", "sep_conv_3x3")


def begin(digits, method=data, **overrides):
    config = method.Config.make(TINY | overrides)
    search = state.start(config, digits, split(digits.labels, config.split, config.seed))
    search.net.train()
    search.tau = 2.0
    return search


def alpha_gradients(search, method=data):
    method.architecture_step(search, *bilevel.next_batch(search, "alphas"))
    return {kind: alpha.grad.clone() for kind, alpha in search.alphas.items()}


def enumerated(p, draws):
    """The law of the union, from all sequences of draws."""
    law = Counter()
    for sequence in itertools.product(range(len(p)), repeat=draws):
        law[frozenset(sequence)] += math.prod(p[i] for i in sequence)
    return law


def test_one_draw_is_gdas_bit_for_bit_through_whole_steps(digits):
    """Same noise, temperature and optimizers: weights, alphas and running statistics stay equal over two steps."""
    equal = {"alpha_decay": 1e-3, "order": ("weights", "alphas")}
    searches = [begin(digits, method, **settings, **equal) for method, settings in ((gdas, {}), (data, {"draws": 1}))]
    for search, method in zip(searches, (gdas, data)):
        for _ in range(2):
            results = [
                method.weight_step(search, *bilevel.next_batch(search, "weights")),
                method.architecture_step(search, *bilevel.next_batch(search, "alphas")),
            ]
        search.totals = {"results": results}
    one, other = searches
    assert all(torch.equal(a, b) for x, y in zip(one.totals["results"], other.totals["results"]) for a, b in zip(x, y))
    assert all(torch.equal(one.alphas[kind], other.alphas[kind]) for kind in one.alphas)
    assert not torch.equal(one.alphas["normal"], begin(digits, data).alphas["normal"])
    for name, value in one.net.state_dict().items():
        assert torch.equal(value, other.net.state_dict()[name]), name


def test_an_edge_runs_between_one_and_m_operations_and_as_many_as_the_law_says(digits):
    """In the search itself: counted by hooks, inclusion 1 - (1 - p)^M on each of the edges; sums by the trace."""
    draws, rounds = 4, 60
    search = begin(digits, draws=draws)
    with torch.no_grad():
        for alpha in search.alphas.values():
            alpha.copy_(torch.linspace(-1, 1, 8))
    included, images = Counter(), torch.zeros(2, 3, 8, 8)
    cells = [cell for cell in search.net.cells if hasattr(cell, "edges")]
    for c, cell in enumerate(cells):
        for e, edge in enumerate(cell.edges):
            for o, operation in enumerate(edge):
                operation.register_forward_hook(lambda *_, at=(c, e, o): included.update([at]))
    for _ in range(rounds):
        before = included.copy()
        with torch.no_grad():
            search.forward(images, data.paths(search))
        ran = included - before
        edges = Counter((c, e) for c, e, _ in ran)
        assert len(edges) == 3 * 5 and all(1 <= number <= draws for number in edges.values())
        assert set(ran.values()) == {1} and sum(ran.values()) == search.net.executed
        kinds = [{(e, o) for c, e, o in ran if c == cell} for cell in range(3)]
        same = {kind: [k for k, name in zip(kinds, search.net.sequence) if name == kind] for kind in search.alphas}
        assert all(one == several[0] for several in same.values() for one in several), "one code a kind of cell"
    p = torch.linspace(-1, 1, 8).softmax(0).numpy()
    expected = 1 - (1 - p) ** draws
    first = [search.net.sequence.index(kind) for kind in search.alphas]
    n = rounds * len(first) * 5
    seen = np.array([sum(included[c, e, o] for c in first for e in range(5)) for o in range(8)]) / n
    z = (seen - expected) / np.sqrt(expected * (1 - expected) / n)
    assert np.abs(z).max() < stats.norm.ppf(1 - 1e-4 / 16)
    assert search.totals["executed"] == sum(included.values())


def test_the_codes_of_a_search_follow_their_law_and_every_code_is_reached(digits):
    draws, rounds = 2, 4000
    search = begin(digits, draws=draws, operations=("none", *OPS), nodes=1)
    p = np.array([0.4, 0.3, 0.2, 0.1])
    with torch.no_grad():
        for alpha in search.alphas.values():
            alpha.copy_(torch.tensor(p).log())
    found = Counter()
    for _ in range(rounds):
        for code in torch.cat(list(data.paths(search).values())):
            found[tuple(code.nonzero()[:, 0].tolist())] += 1
    law = {tuple(sorted(code)): chance for code, chance in enumerated(p, draws).items()}
    assert set(found) == set(law) and len(law) == math.comb(4, 1) + math.comb(4, 2)
    n = rounds * 4
    chi_square = sum((found[code] - n * chance) ** 2 / (n * chance) for code, chance in law.items())
    assert chi_square < stats.chi2.ppf(1 - 1e-4, len(law) - 1)


def test_the_two_steps_draw_two_architectures(digits):
    search, seen = begin(digits, draws=3), []
    forward = search.net.forward
    search.net.forward = lambda x, paths=None, **options: seen.append(paths) or forward(x, paths, **options)
    data.weight_step(search, *bilevel.next_batch(search, "weights"))
    data.architecture_step(search, *bilevel.next_batch(search, "alphas"))
    assert not any(path.requires_grad for path in seen[0].values())
    assert all(path.requires_grad for path in seen[1].values())
    assert any(not torch.equal(seen[0][kind], seen[1][kind]) for kind in search.alphas)


def test_operations_outside_the_code_keep_their_bits(digits):
    search = begin(digits, draws=2)
    images, labels = bilevel.next_batch(search, "weights")
    generator = search.draws.get_state()
    drawn = data.paths(search)
    search.draws.set_state(generator)
    before = {name: p.detach().clone() for name, p in search.net.named_parameters()}
    data.weight_step(search, images, labels)
    for c, (cell, kind) in enumerate(zip(search.net.cells, search.net.sequence)):
        for e, edge in enumerate(cell.edges):
            for o, operation in enumerate(edge):
                for name, p in operation.named_parameters():
                    same = torch.equal(before[f"cells.{c}.edges.{e}.{o}.{name}"], p)
                    assert same == (drawn[kind][e, o] == 0) == (p.grad is None)


def test_the_temperature_falls_from_5_towards_1_and_the_alphas_move_first():
    config = data.Config.make({})
    assert [data.temperature(config, epoch) for epoch in (0, 50, 100)] == [5.0, 3.0, 1.0]
    assert config.order == ("alphas", "weights") and config.alpha_decay == 0.0
    assert (config.epochs, config.batch_size, config.channels, config.cells, config.draws) == (100, 64, 16, 8, 7)


def test_defaults_are_the_papers_form(digits):
    search = begin(digits, draws=3)
    config = search.config
    assert (config.probability, config.normalize, config.estimator, config.code_weight) == (
        "softmax", False, "executed", 0.0)  # fmt: skip
    for path in data.paths(search).values():
        assert set(path.unique().tolist()) == {0.0, 1.0}


def test_relu_probabilities(digits):
    """p = relu(alpha) / sum: an operation below zero is never drawn; alphas begin at 1, as in the code."""
    search = begin(digits, draws=3, probability="relu")
    assert all(abs(float(alpha.detach().mean()) - 1) < 0.01 for alpha in search.alphas.values())
    assert begin(digits, probability="relu", alpha_mean=0.5).config.alpha_mean == 0.5
    assert begin(digits).config.alpha_mean == 0.0
    alpha = torch.tensor([[3.0, 1.0, -2.0, 0.0]])
    p = torch.softmax(data.logits(alpha, search.config), -1)
    assert p[0].tolist() == pytest.approx([0.75, 0.25, 0, 0], abs=1e-6)
    assert torch.equal(data.logits(alpha, begin(digits).config), alpha)
    alpha = torch.tensor([[3.0, 1.0]], requires_grad=True)
    torch.softmax(data.logits(alpha, search.config), -1)[0, 0].backward()
    assert alpha.grad[0].tolist() == pytest.approx([1 / 16, -3 / 16])
    with torch.no_grad():
        search.alphas["normal"][:, :6] = -1.0
    assert not data.paths(search)["normal"][:, :6].any()
    genotype, _ = data.derive(search)
    assert {name for node in genotype.normal for name, _ in node} <= set(DARTS_OPERATIONS[6:])


def test_the_cell_is_derived_from_the_law_that_was_searched(digits, monkeypatch):
    search, laws = begin(digits, draws=3, probability="relu"), {}
    alpha = torch.linspace(-1, 6, 8).expand(5, 8)
    search.alphas["normal"].data = alpha.clone()
    monkeypatch.setattr(search.space, "probable_code", lambda found, *_: laws.update(found))
    data.derive(search)
    p = alpha.relu().double()
    torch.testing.assert_close(torch.tensor(laws["normal"]), p / p.sum(-1, keepdim=True), rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(("probability", "p"), [("relu", [0.75, 0.25, 0.0]), ("softmax", [0.8756, 0.1185, 0.0059])])
def test_the_distance_to_the_code_is_that_of_the_law_that_is_drawn_from(digits, probability, p):
    search = begin(digits, probability=probability, operations=OPS, fixed_reduction=True)
    search.alphas["normal"].data = torch.tensor([3.0, 1.0, -2.0]).expand(5, 3).clone()
    code = torch.tensor([[1.0, 0.0, 1.0]]).expand(5, 3)
    right = (1 - p[0] + p[1] + 1 - p[2]) / 3
    assert float(data.distance(search, {"normal": code}).detach()) == pytest.approx(right, abs=1e-4)


def test_an_edge_whose_relu_is_zero_everywhere_is_uniform_not_nan(digits):
    search = begin(digits, probability="relu")
    p = torch.softmax(data.logits(torch.full((1, 4), -1.0), search.config), -1)
    assert p[0].tolist() == pytest.approx([0.25] * 4)


def test_normalize_gives_the_mean_of_the_drawn_operations_and_its_gradient(digits):
    search = begin(digits, draws=4, normalize=True)
    generator = search.draws.get_state()
    found = data.paths(search)["normal"]
    search.draws.set_state(generator)
    code = samplers.ensemble(search.alphas["normal"], search.tau, draws=4, generator=search.draws)[0]
    assert torch.equal(found, code / code.sum(-1, keepdim=True)) and (code.sum(-1) > 1).any()
    torch.testing.assert_close(found.sum(-1), torch.ones(5))
    (gradient,) = torch.autograd.grad(found.sum(), search.alphas["normal"])
    assert gradient.abs().max() < 1e-6, "the weights of an edge sum to one whatever alpha is"
    assert torch.autograd.grad(code.sum(), search.alphas["normal"])[0].abs().max() > 1e-3


def test_the_full_estimator_runs_all_and_hears_operations_of_weight_zero(digits):
    """Logits at -100 are never drawn and, at a high temperature, still have a slope through their own output."""
    gradients = {}
    for estimator, runs in (("executed", None), ("full", 3 * 5 * 8)):
        search = begin(digits, draws=2, estimator=estimator)
        gradients[estimator] = alpha_gradients(search)
        assert search.net.executed == runs or (runs is None and search.net.executed <= 3 * 5 * 2)
        data.weight_step(search, *bilevel.next_batch(search, "weights"))
        assert search.net.executed <= 3 * 5 * 2, "weights train the drawn operations in both forms"
    assert any(not torch.allclose(gradients["executed"][kind], gradients["full"][kind]) for kind in search.alphas)


def test_the_code_weight_pulls_probabilities_to_the_code(digits):
    """Its gradient is that of the mean distance between p and the drawn code, which is a constant, added once."""
    plain, pulled = begin(digits, draws=3), begin(digits, draws=3, code_weight=0.1)
    generator = plain.draws.get_state()
    drawn = {kind: path.detach() for kind, path in data.paths(plain).items()}
    plain.draws.set_state(generator)
    expected = {}
    for kind, alpha in plain.alphas.items():
        copy = alpha.detach().clone().requires_grad_()
        (0.1 * (copy.softmax(-1) - drawn[kind]).abs().mean()).backward()
        expected[kind] = copy.grad
    without, with_pull = alpha_gradients(plain), alpha_gradients(pulled)
    for kind, extra in expected.items():
        torch.testing.assert_close(with_pull[kind] - without[kind], extra, atol=1e-7, rtol=1e-4)
        copy = plain.alphas[kind].detach().clone().requires_grad_()
        F.l1_loss(copy.softmax(-1), drawn[kind]).backward()
        assert (copy.grad * drawn[kind]).sum() < 0, "less distance where the drawn operations grow likelier"


def test_the_reported_loss_leaves_the_pull_out(digits):
    plain, pulled = begin(digits, draws=3), begin(digits, draws=3, code_weight=0.1)
    losses = [data.architecture_step(search, *bilevel.next_batch(search, "alphas"))[0] for search in (plain, pulled)]
    assert torch.equal(*losses)


def test_a_step_of_a_deviating_search_moves_the_alphas_alone(digits):
    search = begin(digits, probability="relu", normalize=True, estimator="full", code_weight=0.1, draws=2)
    before = {name: value.clone() for name, value in search.net.state_dict().items()}
    alphas = {kind: alpha.detach().clone() for kind, alpha in search.alphas.items()}
    assert all(gradient.isfinite().all() for gradient in alpha_gradients(search).values())
    assert all(torch.equal(before[name], value) for name, value in search.net.state_dict().items())
    assert all(not torch.equal(alphas[kind], alpha) for kind, alpha in search.alphas.items())


@pytest.mark.parametrize("per", ["node", "edge"])
def test_the_search_derives_as_it_is_told(digits, per):
    search = begin(digits, derive_per=per, draws=3)
    genotype, margins = data.derive(search)
    laws = {kind: alpha.detach().double().softmax(-1).numpy() for kind, alpha in search.alphas.items()}
    expected, table = probable_code_rule(laws, DARTS_OPERATIONS, 2, draws=3, per=per)
    assert genotype == expected and margins["chosen"].tolist() == table["chosen"].tolist()
    assert len(margins) == 2 * (2 if per == "node" else len(cell_edges(2)))


@pytest.mark.parametrize(
    ("setting", "said"),
    [({"draws": 0}, "draws"), ({"probability": "sigmoid"}, "probability"), ({"derive_per": "cell"}, "derive_per")],
)
def test_settings_that_cannot_be_are_refused(setting, said):
    with pytest.raises(nb.NasbookError, match=said):
        data.Config.make(setting)
