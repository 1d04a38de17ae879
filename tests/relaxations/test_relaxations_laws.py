"""DATA's codes and MSG-DAS's orders: laws and gradients, against enumeration that shares no code. p-limit 1e-4."""

import itertools
import math
from collections import Counter

import pytest
import torch
from scipy import stats

import nasbook as nb
from nasbook.relaxations import samplers
from nasbook.relaxations.samplers import code_probabilities, code_probability, plackett_luce, rank_probabilities

N = 60_000
LAW = (0.5, 0.3, 0.2)
MIXED = (0.37, 0.05, 0.3, 0.28)
kinds = pytest.mark.parametrize("dtype", [torch.float32, torch.float64])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def logits(p, edges=1, dtype=torch.float64):
    """Unnormalised on purpose: a constant added to an edge's logits changes nothing."""
    return (torch.log(torch.tensor([p], dtype=dtype)) + 1.5).repeat(edges, 1)


def random_p(operations, seed):
    return torch.randn(operations, generator=generator(seed), dtype=torch.float64).softmax(-1).tolist()


def follows(outcomes, law):
    """A chi-square test of outcomes against {outcome: probability}; rare ones are taken together."""
    counts = Counter(outcomes)
    assert all(law[outcome] > 0 for outcome in counts)
    n = sum(counts.values())
    rare = [outcome for outcome in law if n * law[outcome] < 10]
    pairs = [(counts[outcome], n * law[outcome]) for outcome in law if n * law[outcome] >= 10]
    pairs.append((sum(counts[outcome] for outcome in rare), n * math.fsum(law[outcome] for outcome in rare)))
    chi2 = sum((seen - expected) ** 2 / expected for seen, expected in pairs if expected > 1)
    return chi2 < stats.chi2.ppf(1 - 1e-4, sum(expected > 1 for _, expected in pairs) - 1)


def codes_drawn(paths):
    return [tuple(row.nonzero()[:, 0].tolist()) for row in paths[0]]


def soft_of(alpha, tau, noise):
    return torch.softmax((alpha + noise) / tau, -1)


def enumerated_codes(p, draws):
    """The codes of all O^M sequences of draws."""
    law = Counter()
    for sequence in itertools.product(range(len(p)), repeat=draws):
        law[tuple(sorted(set(sequence)))] += math.prod(p[operation] for operation in sequence)
    return law


def enumerated_orders(p, k):
    """Draw with replacement and skip what was drawn before, until k differ: a Markov chain, run to its end."""
    running, law = {(): 1.0}, Counter()
    while math.fsum(running.values()) > 1e-14:
        after = Counter()
        for drawn, probability in running.items():
            for operation, weight in enumerate(p):
                longer = drawn if operation in drawn else (*drawn, operation)
                (law if len(longer) == k else after)[longer] += probability * weight
        running = after
    return law


@kinds
@pytest.mark.parametrize("tau", [0.1, 1.0, 10.0])
def test_one_draw_and_one_path_are_gdas_bit_for_bit(tau, dtype):
    alpha = torch.randn(14, 8, generator=generator(4), dtype=dtype)
    alpha[3, 5] = -math.inf
    alpha.requires_grad_()
    weight = torch.randn(14, 8, generator=generator(5), dtype=dtype)

    def sampled(relaxation, **settings):
        drawing = generator(6)
        paths = relaxation(alpha, tau, generator=drawing, **settings)
        return paths, torch.autograd.grad((paths * weight).sum(), alpha)[0], drawing.get_state()

    expected = sampled(samplers.one_hot)
    for other in (sampled(samplers.ensemble, draws=1), sampled(samplers.top_k, k=1)):
        assert all(torch.equal(a, b) for a, b in zip(expected, other))


@pytest.mark.parametrize("draws", [1, 2, 5])
@pytest.mark.parametrize(("tau", "slope"), [(1.0, 1 / 6), (10.0, 0.024799)])
def test_ensemble_straight_through_gradient(draws, tau, slope):
    """Two equal logits: the code's mean gradient is one sample's at every M, and is halved M times where not drawn."""
    alpha = torch.zeros(200_000, 2, dtype=torch.float64, requires_grad=True)
    code = samplers.ensemble(alpha, tau, draws=draws, generator=generator(11))[0, :, 0]
    gradient = torch.autograd.grad(code.sum(), alpha)[0][:, 0]
    executed = gradient * code.detach()
    for seen, expected in ((gradient, slope), (executed, slope * (1 - 0.5**draws))):
        assert abs(float(seen.mean()) - expected) < 4 * float(seen.std()) / math.sqrt(200_000) + 1e-6


@kinds
@pytest.mark.parametrize(("p", "draws", "tau", "seed"), [(LAW, 2, 1.0, 12), (LAW, 4, 5.0, 13), (MIXED, 7, 0.2, 14)])
def test_codes_follow_their_law(p, draws, tau, seed, dtype):
    paths = samplers.ensemble(logits(p, N, dtype), tau, draws=draws, generator=generator(seed))
    assert paths.shape == (1, N, len(p)) and set(paths.unique().tolist()) <= {0.0, 1.0}
    assert follows(codes_drawn(paths), enumerated_codes(p, draws))
    inclusion = 1 - (1 - torch.tensor(p, dtype=dtype)) ** draws
    z = (paths[0].mean(0) - inclusion) / torch.sqrt(inclusion * (1 - inclusion) / N)
    assert z.abs().max() < stats.norm.ppf(1 - 1e-4 / 2 / len(p))


def test_ensemble_is_the_union_of_its_samples_and_learns_from_the_first_that_attains_it():
    alpha = torch.randn(200, 4, generator=generator(15), dtype=torch.float64, requires_grad=True)
    weight = torch.randn(200, 4, generator=generator(16), dtype=torch.float64)
    draws, tau = 5, 0.7
    code = samplers.ensemble(alpha, tau, draws=draws, generator=generator(17))[0]
    soft = soft_of(alpha, tau, samplers.gumbel(torch.zeros(draws, 200, 4).double(), generator(17)))
    hard = soft.argmax(-1, keepdim=True) == torch.arange(4)
    assert torch.equal(code.bool(), hard.any(0)) and len(set(code.sum(-1).tolist())) > 2
    first = torch.zeros(200, 4, dtype=torch.int64)  # where nothing was drawn all samples attain the maximum, 0
    for draw in reversed(range(draws)):
        first[hard[draw]] = draw
    chosen = soft.gather(0, first[None])[0]
    for loss, expected in ((code * weight, chosen * weight), (code * code.detach(), chosen * code.detach())):
        gradients = [torch.autograd.grad(x.sum(), alpha, retain_graph=True)[0] for x in (loss, expected)]
        torch.testing.assert_close(*gradients)


def test_code_probabilities_by_hand():
    assert code_probabilities(LAW, 2) == pytest.approx(
        {(0,): 0.25, (1,): 0.09, (2,): 0.04, (0, 1): 0.3, (0, 2): 0.2, (1, 2): 0.12, (0, 1, 2): 0}, abs=1e-15
    )
    four = [0.0625, 0.0081, 0.0016, 0.339, 0.176, 0.0528, 0.36]
    assert list(code_probabilities(LAW, 4).values()) == pytest.approx(four)
    for draws, both in ((1, 0), (2, 0.5), (4, 0.875), (7, 0.984375)):
        assert code_probabilities([0.5, 0.5], draws) == {(0,): 0.5**draws, (1,): 0.5**draws, (0, 1): both}
    assert code_probabilities([1.0], 3) == {(0,): 1.0}


@pytest.mark.parametrize(("operations", "draws", "seed"), [(2, 12, 0), (3, 8, 1), (5, 5, 2), (7, 4, 3), (10, 3, 4)])
def test_code_probabilities_against_enumeration(operations, draws, seed):
    p = random_p(operations, seed)
    law, enumerated = code_probabilities(torch.tensor(p), draws), enumerated_codes(p, draws)
    assert len(law) == 2**operations - 1 and all(tuple(sorted(code)) == code for code in law)
    assert all(law[code] == pytest.approx(enumerated[code], rel=1e-5) for code in law)  # torch.tensor(p) is float32
    reachable = sum(math.comb(operations, size) for size in range(1, draws + 1))
    assert sum(probability > 0 for probability in law.values()) == reachable
    exact = code_probabilities(p, draws)
    assert all(exact[code] == pytest.approx(enumerated[code], rel=1e-11) for code in exact)
    assert all(code_probability(p, code[::-1], draws) == exact[code] for code in exact)


@pytest.mark.parametrize(("operations", "draws", "seed"), [(4, 1, 5), (7, 7, 6), (8, 20, 7), (10, 20, 8)])
def test_code_probabilities_sum_to_one_and_give_the_inclusion(operations, draws, seed):
    p = random_p(operations, seed)
    law = code_probabilities(p, draws)
    assert math.fsum(law.values()) == pytest.approx(1, abs=1e-12) and min(law.values()) >= 0
    for k, p_k in enumerate(p):
        inclusion = math.fsum(probability for code, probability in law.items() if k in code)
        assert inclusion == pytest.approx(1 - (1 - p_k) ** draws, abs=1e-12)
    best = [max((c for c in law if len(c) == size), key=law.get) for size in range(1, min(operations, draws) + 1)]
    top = sorted(range(operations), key=lambda k: -p[k])
    assert best == [tuple(sorted(top[: len(code)])) for code in best]


def test_uniform_codes_count_surjections():
    for operations, draws, size in ((7, 4, 3.2216), (7, 7, 4.6206), (8, 4, 3.3105), (8, 7, 4.8584)):
        law = code_probabilities([1 / operations] * operations, draws)
        assert math.fsum(len(code) * law[code] for code in law) == pytest.approx(size, abs=5e-5)
    for draws, row in ((4, [1, 14, 36, 24]), (7, [1, 126, 1806, 8400, 16800, 15120, 5040])):
        p = [1 / 8] * 8
        counts = [code_probability(p, range(size), draws) * 8**draws for size in range(1, draws + 1)]
        assert counts == pytest.approx(row)
    assert code_probability([1 / 36] * 36, range(20), 20) == pytest.approx(math.factorial(20) / 36**20)


@kinds
@pytest.mark.parametrize(
    ("p", "k", "tau", "seed"),
    [(LAW, 2, 1.0, 18), (LAW, 3, 0.1, 19), (MIXED, 3, 10.0, 20), ((0.1, 0.15, 0.2, 0.25, 0.3), 2, 1.0, 21)],
)
def test_orders_follow_plackett_luce(p, k, tau, seed, dtype):
    paths = samplers.top_k(logits(p, N, dtype), tau, k=k, generator=generator(seed))
    assert paths.shape == (k, N, len(p)) and set(paths.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(paths.sum(-1), torch.ones(k, N, dtype=dtype)) and paths.sum(0).max() == 1
    orders, law = paths.argmax(-1), enumerated_orders(p, k)
    assert follows(list(zip(*orders.tolist())), law)
    for rank in range(k):
        marginal = Counter()
        for order in law:
            marginal[order[rank]] += law[order]
        assert follows(orders[rank].tolist(), marginal)


def test_plackett_luce_by_hand():
    law = {(0, 1): 0.3, (0, 2): 0.2, (1, 0): 3 / 14, (1, 2): 6 / 70, (2, 0): 0.125, (2, 1): 0.075}
    assert plackett_luce(LAW, 2) == pytest.approx(law)
    ranks = rank_probabilities(torch.tensor(LAW), 2)
    second, inclusion = [0.3392857, 0.375, 0.2857143], [0.8392857, 0.675, 0.4857143]
    expected = torch.tensor([LAW, second], dtype=torch.float64)
    torch.testing.assert_close(ranks, expected, atol=1e-7, rtol=0)
    torch.testing.assert_close(ranks.sum(0), torch.tensor(inclusion).double(), atol=1e-7, rtol=0)
    assert plackett_luce([0.75, 0.0, 0.25], 2) == {(0, 2): 0.75, (2, 0): 0.25} | dict.fromkeys(
        [(0, 1), (1, 0), (1, 2), (2, 1)], 0.0
    )


@pytest.mark.parametrize(("operations", "k", "seed"), [(2, 2, 9), (4, 3, 10), (5, 5, 11), (10, 2, 12)])
def test_plackett_luce_against_enumeration(operations, k, seed):
    p = random_p(operations, seed)
    law, enumerated = plackett_luce(p, k), enumerated_orders(p, k)
    assert len(law) == math.perm(operations, k) == len(enumerated)
    assert all(law[order] == pytest.approx(enumerated[order], rel=1e-9) for order in law)
    ranks = rank_probabilities(p, k)
    torch.testing.assert_close(ranks.sum(1), torch.ones(k).double())
    torch.testing.assert_close(ranks[0], torch.tensor(p).double())
    if k == operations:
        torch.testing.assert_close(ranks.sum(0), torch.ones(k).double())


def test_top_k_ranks_one_noise_and_masks_without_gradient():
    """Path j holds the j-th largest of alpha + g; its gradient is the softmax's over what was left."""
    alpha = torch.randn(6, 8, generator=generator(22), dtype=torch.float64)
    alpha[2, 4] = -math.inf
    alpha.requires_grad_()
    drawing, once = generator(23), generator(23)
    paths = samplers.top_k(alpha, 0.6, k=7, generator=drawing)
    noise = samplers.gumbel(alpha, once)
    assert torch.equal(drawing.get_state(), once.get_state())
    order = (alpha + noise).argsort(-1, descending=True)[:, :7]
    assert torch.equal(paths.argmax(-1), order.T)
    for edge, path in itertools.product(range(6), range(7)):
        left = [k for k in range(8) if k not in order[edge, :path].tolist()]
        soft = torch.zeros(8, dtype=torch.float64)
        soft[left] = soft_of(alpha, 0.6, noise)[edge, left] / soft_of(alpha, 0.6, noise)[edge, left].sum()
        rows = torch.stack([torch.autograd.grad(v, alpha, retain_graph=True)[0][edge] for v in paths[path, edge]])
        torch.testing.assert_close(rows, ((torch.diag(soft) - torch.outer(soft, soft)) / 0.6).detach())
        assert rows[:, order[edge, :path]].abs().sum() == 0


@kinds
@pytest.mark.parametrize("operations", [2, 8, 10])
def test_k_equal_to_o_covers_each_operation_once(operations, dtype):
    alpha = (4 * torch.randn(300, operations, generator=generator(24))).to(dtype)
    alpha[0, 0] = torch.finfo(dtype).min  # all that is left for the last path: divided by tau it would be -inf
    alpha.requires_grad_()
    for tau in (10.0, 0.01):
        paths = samplers.top_k(alpha, tau, k=operations, generator=generator(25))
        assert torch.equal(paths.sum(0), torch.ones(300, operations, dtype=dtype))
        weight = torch.randn(paths.shape, generator=generator(26), dtype=dtype)
        assert torch.isfinite(torch.autograd.grad((paths * weight).sum(), alpha)[0]).all()


OFF = torch.tensor([[0.0, 0.0, 0.0], [0.0, -math.inf, 0.0]])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: samplers.top_k(torch.zeros(2, 3), 1.0, k=4), "k is 4, but edge 0 has 3 operations"),
        (lambda: samplers.top_k(OFF, 1.0, k=3), "k is 3, but edge 1 has 2 operations"),
        (lambda: samplers.top_k(OFF, 1.0, k=0), "k is 0"),
        (lambda: samplers.top_k(OFF, 1.0, k=2.0), "k is 2.0"),
        (lambda: samplers.top_k(OFF, 1.0, k=True), "k is True"),
        (lambda: samplers.ensemble(OFF, 1.0, draws=0), "draws is 0"),
        (lambda: samplers.ensemble(OFF, 1.0, draws="2"), "draws is '2'"),
        (lambda: code_probabilities([0.5, 0.4], 2), r"p is \[0.5, 0.4\]"),
        (lambda: code_probabilities([1.5, -0.5], 2), r"p is \[1.5, -0.5\]"),
        (lambda: code_probabilities([math.nan, 1.0], 2), r"p is \[nan, 1.0\]"),
        (lambda: code_probabilities(torch.ones(1, 1), 2), r"p is \[\[1.0\]\]"),
        (lambda: code_probabilities(0.5, 2), "p is 0.5"),
        (lambda: code_probabilities([], 2), r"p is \[\]"),
        (lambda: code_probabilities(LAW, -1), "draws is -1"),
        (lambda: code_probabilities([1 / 14] * 14, 2), "14 operations are too many"),
        (lambda: code_probability(LAW, (), 2), r"code is \(\)"),
        (lambda: code_probability(LAW, (0, 0), 2), r"code is \(0, 0\)"),
        (lambda: code_probability(LAW, (0, 3), 2), r"code is \(0, 3\).* 0 to 2"),
        (lambda: plackett_luce(LAW, 4), "k is 4, but p has 3"),
        (lambda: plackett_luce([1.0, 0.0], 2), "k is 2, but p has 1"),
        (lambda: rank_probabilities([0.1] * 20, 9), "p is"),
        (lambda: rank_probabilities([0.05] * 20, 9), "20 operations are too many"),
    ],
)
def test_impossible_draws_are_refused(call, said):
    with pytest.raises(nb.NasbookError, match=said):
        call()
    paths = samplers.top_k(OFF, 1.0, k=2, generator=generator(27))
    assert torch.equal(paths.sum((0, 2)), torch.full((2,), 2.0)) and paths[:, 1, 1].sum() == 0
