"""Random search and regularized evolution: who is drawn, who is a parent, who dies (METHODS 10.1 and 10.3)."""

from collections import Counter, deque

import numpy as np
import pytest
from scipy import stats
from tables import TinyTable

import nasbook as nb
from nasbook import trials
from nasbook.searchers import evolution, random_search
from nasbook.searchers.evolution import Individual, best_of_sample, child_of, remove
from nasbook.spaces import tokens
from nasbook.spaces.tokens import Genotypes, Product
from nasbook.trials.evaluators import Function, Lookup

SPACE = Product((("a", "b", "c", "d"),) * 6)


def matches(architecture):
    """Our 6-gene toy: how many genes are the wanted one."""
    return sum(map(str.__eq__, architecture, "dbcadb")) / 6


def evolve(seed=0, space=SPACE, evaluator=None, **settings):
    evaluator = evaluator or Function(matches)
    return trials.play("evolution", space=space, evaluator=evaluator, seed=seed, **settings)[0]


def lives(trial):
    """Who was alive when each child was made, replayed from the trace: (child, parent, population as births)."""
    config, rows = trial.config, trial.ledger.rows
    parents = {step - 1: int(value) for step, _, name, value in trial.record.rows if name == "parent"}
    alive, found = list(range(config.population)), []
    for child in range(config.population, len(rows)):
        found.append((child, parents[child], tuple(alive)))
        alive.append(child)
        gone = min(alive) if config.removed == "oldest" else min(alive, key=lambda one: (rows[one].score, one))
        alive.remove(gone)
    return found


# --- evolution


@pytest.mark.parametrize("removed", ["oldest", "worst"])
def test_every_parent_is_alive_and_the_population_keeps_its_size(removed, monkeypatch):
    sizes = []
    original = evolution.remove

    def watched(population, rule):
        gone = original(population, rule)
        sizes.append(len(population))
        return gone

    monkeypatch.setattr(evolution, "remove", watched)
    trial = evolve(evaluations=200, population=12, sample=4, removed=removed)
    assert sizes == [12] * 188
    for _, parent, alive in lives(trial):
        assert parent in alive and len(alive) == 12


def test_the_one_removed_is_the_oldest_however_good(monkeypatch):
    """With aging nobody has children after P births, whatever its score."""
    monkeypatch.setattr(evolution, "child_of", lambda parent, trial: (0,) * 6)
    trial = evolve(evaluations=60, population=5, sample=5, replacement=False, evaluator=Function(matches))
    assert all(child - parent <= 5 for child, parent, _ in lives(trial))
    population = deque([Individual((0,), 9.0, 0), Individual((1,), 1.0, 1), Individual((2,), 5.0, 2)])
    assert remove(population, "oldest").born == 0 and [one.born for one in population] == [1, 2]
    assert remove(population, "worst").born == 1 and [one.born for one in population] == [2]


def test_of_two_equally_bad_the_older_is_removed():
    population = deque([Individual((0,), 1.0, 0), Individual((0,), 0.0, 1), Individual((0,), 0.0, 2)])
    assert remove(population, "worst").born == 1


def test_without_aging_the_population_never_loses_its_best():
    aging, elitist = (evolve(evaluations=150, population=5, sample=5, removed=rule) for rule in ("oldest", "worst"))
    assert aging.ledger.rows[:5] == elitist.ledger.rows[:5] and aging.ledger.rows != elitist.ledger.rows
    scores = [row.score for row in elitist.ledger.rows]
    assert all(max(scores[i] for i in alive) == max(scores[:child]) for child, _, alive in lives(elitist))


def test_a_sample_of_everybody_makes_the_best_the_parent():
    """Without replacement; with it, some are missed, so Algorithm 1's sample of P need not hold the best."""
    trial = evolve(evaluations=120, population=9, sample=9, replacement=False)
    scores = [row.score for row in trial.ledger.rows]
    assert all(scores[parent] == max(scores[i] for i in alive) for _, parent, alive in lives(trial))
    trial = evolve(evaluations=400, population=9, sample=9)
    scores = [row.score for row in trial.ledger.rows]
    assert any(scores[parent] < max(scores[i] for i in alive) for _, parent, alive in lives(trial))


@pytest.mark.parametrize("replacement", [True, False])
def test_the_parent_has_the_rank_that_tournaments_give(replacement):
    """With S of P drawn, P(best rank <= r) is 1 - ((P-r)/P)**S with replacement, hypergeometric without."""
    rng, size, drawn = np.random.default_rng(0), 8, 3
    config = evolution.Config(population=size, sample=drawn, replacement=replacement)
    population = [Individual((i,), float(i), i) for i in range(size)]
    counts = Counter(size - best_of_sample(population, config, rng).born for _ in range(8000))  # rank 1 is the best
    ranks = np.arange(size + 1)
    missed = ((size - ranks) / size) ** drawn
    if not replacement:
        missed = stats.hypergeom.pmf(0, size, ranks, drawn)
    expected = 8000 * -np.diff(missed)
    possible = expected > 0
    assert sum(counts[r + 1] for r in np.flatnonzero(possible)) == 8000
    seen = [counts[r + 1] for r in np.flatnonzero(possible)]
    assert stats.chisquare(seen, expected[possible]).pvalue > 1e-4


def test_children_differ_from_their_parent_in_one_gene_or_are_it_with_the_given_chance():
    trial = evolve(evaluations=3000, population=10, sample=3, identity=0.2)
    names = [trial.space.encode(one) for one in trial.ledger.architectures]
    changed = [tokens.distance(names[child], names[parent]) for child, parent, _ in lives(trial)]
    assert set(changed) == {0, 1}
    assert stats.binomtest(changed.count(0), len(changed), 0.2).pvalue > 1e-4
    assert child_of(Individual((0,) * 6, 0.0, 0), trial) != (1,) * 6


def test_children_of_cells_are_valid_cells():
    space = Genotypes(("skip_connect", "sep_conv_3x3", "max_pool_3x3"), nodes=2, distinct=True)

    def skips(genotype):
        return sum(op == "skip_connect" for nodes, _ in genotype.kinds.values() for node in nodes for op, _ in node) / 8

    trial = evolve(space=space, evaluator=Function(skips), evaluations=200, population=10, sample=3)
    assert trial.ledger.best.score == 1.0
    for genotype in trial.ledger.architectures:
        for nodes, _ in genotype.kinds.values():
            assert all(a != b and max(a, b) < place + 2 for place, ((_, a), (_, b)) in enumerate(nodes))


@pytest.mark.parametrize("seed", range(5))
def test_the_optimum_of_the_six_gene_toy_is_found_in_2000_evaluations(seed):
    trial = evolve(seed=seed, profile="paper", evaluations=2000)
    assert trial.config.population == 100 and trial.config.sample == 25
    assert trial.ledger.best.score == 1.0 and len(trial.ledger.rows) == 2000


def test_the_published_settings():
    config = evolution.Config.make(evolution.PROFILES["paper"])
    assert (config.population, config.sample, config.evaluations, config.identity) == (100, 25, 20_000, 0.05)
    assert config.replacement and config.removed == "oldest" and config.batch == 1
    smoke = evolution.PROFILES["smoke"]
    assert (smoke["population"], smoke["sample"]) == (10, 3)


def test_children_of_one_batch_have_parents_that_lived_before_it():
    trial = evolve(evaluations=90, population=10, sample=3, batch=8)
    parents = {step - 1: int(value) for step, _, name, value in trial.record.rows if name == "parent"}
    for child in range(10, 90):
        begun = 10 + 8 * ((child - 10) // 8)
        assert begun - 10 <= parents[child] < begun
    assert len(trial.ledger.rows) == 90


def test_a_budget_below_the_population_ends_in_the_warm_up():
    trial = evolve(evaluations=4, population=10, sample=3)
    assert len(trial.ledger.rows) == 4 and trial.record.rows == []


def test_aging_forgets_a_lucky_evaluation_and_elitism_does_not():
    """One architecture scored 1 by luck, once: with aging its line must win again, without aging it rules for ever."""
    lucky = {"left": 1}

    def noisy(architecture):
        if architecture[0] == "a" and lucky["left"]:
            lucky["left"] = 0
            return 1.0
        return matches(architecture) / 2

    ends = {}
    for rule in ("oldest", "worst"):
        lucky["left"] = 1
        trial = evolve(evaluations=300, population=10, sample=10, replacement=False, removed=rule,
                       evaluator=Function(noisy), identity=0.0)  # fmt: skip
        first = [row.score for row in trial.ledger.rows].index(1.0)
        ends[rule] = sum(parent == first for child, parent, _ in lives(trial) if child > 100)
    assert ends == {"oldest": 0, "worst": 199}


# --- random search


def test_random_search_draws_uniformly_and_with_repetition():
    space = Product((("a", "b", "c"), ("d", "e")))
    trial, _ = trials.play("random_search", space=space, evaluator=Function(len), evaluations=1200)
    counts = Counter(trial.ledger.architectures)
    assert len(counts) == 6 and stats.chisquare(list(counts.values())).pvalue > 1e-4


@pytest.mark.parametrize("batch", [1, 4])
def test_distinct_draws_see_everything_once_and_then_end(batch):
    space = Product((("a", "b", "c"), ("d", "e")))
    settings = {"space": space, "evaluator": Function(len), "distinct": True, "batch": batch}
    random_search.TRIES, before = 500, random_search.TRIES
    try:
        trial, _ = trials.play("random_search", evaluations=100, **settings)
    finally:
        random_search.TRIES = before
    assert sorted(trial.ledger.architectures) == sorted(map(space.decode, tokens.every(space)))


def test_batches_change_nothing_of_what_is_drawn():
    table = TinyTable()
    rows = [
        trials.play("random_search", space=table.space, evaluator=Lookup(table), batch=batch)[0].ledger.rows
        for batch in (1, 7)
    ]
    assert rows[0] == rows[1]


def test_random_search_finds_on_average_what_the_law_says():
    from nasbook.analysis.measures import expected_best

    table = TinyTable()
    values = table.scores("valid")
    found = trials.repeat(
        "random_search", seeds=range(300), space=table.space, evaluator=Lookup(table, seed=None), evaluations=20
    )
    best = found.groupby("seed")["score"].max().to_numpy()
    exact = expected_best(values, 20)[-1]
    assert abs(best.mean() - exact) < 5 * best.std(ddof=1) / 300**0.5


def test_the_published_baseline_has_24_cells():
    assert random_search.Config.make(random_search.PROFILES["paper"]).evaluations == 24


def test_a_cell_of_the_published_baseline_has_two_different_inputs_and_operations_at_random():
    space = Genotypes(distinct=True)
    rng = np.random.default_rng(0)
    pairs, operations = Counter(), Counter()
    for _ in range(600):
        normal = space.decode(tokens.random_tokens(space, rng)).normal
        (first, i), (_, j) = normal[-1]
        pairs[min(i, j), max(i, j)] += 1
        operations[first] += 1
    assert len(pairs) == 10 and stats.chisquare(list(pairs.values())).pvalue > 1e-4
    assert set(operations) == set(nb.spaces.DARTS_OPERATIONS[1:])
    assert stats.chisquare(list(operations.values())).pvalue > 1e-4
