"""Successive halving and Hyperband: schedules computed by hand, who is promoted, and what a rung costs."""

from itertools import pairwise

import pytest
from rungs import Rungs, score
from tables import TinyTable

import nasbook as nb
from nasbook import trials
from nasbook.searchers import hyperband, successive_halving as halving
from nasbook.spaces.tokens import Product
from nasbook.trials.evaluators import Function, Lookup
from nasbook.trials.interface import seed_of

SPACE = Product((tuple("abcdefgh"),) * 5)
POWERS_OF_3, POWERS_OF_2 = (1, 3, 9, 27, 81), (1, 2, 4, 8, 16)

PRINTED = {
    (81, 3): [[(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)], [(34, 3), (11, 9), (3, 27), (1, 81)],
              [(15, 9), (5, 27), (1, 81)], [(8, 27), (2, 81)], [(5, 81)]],
    (16, 2): [[(16, 1), (8, 2), (4, 4), (2, 8), (1, 16)], [(10, 2), (5, 4), (2, 8), (1, 16)],
              [(7, 4), (3, 8), (1, 16)], [(5, 8), (2, 16)], [(5, 16)]],
}  # fmt: skip
"""(R, eta) to the brackets, from s_max to 0, as (arms, epochs) of each rung: the first is Table 1 of Li et al."""


def play(method, offered=POWERS_OF_2, seed=0, **settings):
    evaluator = Rungs(offered)
    return evaluator, trials.play(method, space=SPACE, evaluator=evaluator, seed=seed, **settings)[0]


def runs_of(asked):
    """The evaluations as (how many, epochs), one rung after the other; a bracket begins with a training that does."""
    rungs = []
    for _, epochs, since, _ in asked:
        if not rungs or rungs[-1][1:] != [epochs, since]:
            rungs.append([0, epochs, since])
        rungs[-1][0] += 1
    return [(arms, epochs) for arms, epochs, _ in rungs]


@pytest.mark.parametrize(("most", "eta"), PRINTED)
def test_the_brackets_are_those_of_the_paper(most, eta):
    printed = PRINTED[most, eta]
    total = sum(arms for bracket in printed for arms, _ in bracket)
    assert total == {81: 206, 16: 72}[most]
    settings = {"profile": "paper", "eta": eta, "evaluations": 2 * total}
    evaluator, trial = play("hyperband", POWERS_OF_3 if most == 81 else POWERS_OF_2, **settings)
    assert runs_of(evaluator.asked) == 2 * [rung for bracket in printed for rung in bracket]
    ends = [step for step, _, name, _ in trial.record.rows if name == "bracket"]
    marks = [value for _, _, name, value in trial.record.rows if name == "bracket"]
    assert marks[:5] == [4, 3, 2, 1, 0] and ends[0] == sum(arms for arms, _ in printed[0])
    assert len(trial.ledger.rows) == 2 * total


def test_the_published_settings():
    config = hyperband.Config.make(hyperband.PROFILES["paper"])
    assert (config.eta, config.evaluations, config.epochs) == (3, 206, None)
    assert halving.Config.make(halving.PROFILES["paper"]).eta == 2


def test_the_arms_of_a_bracket_are_rounded_up():
    """B / R = s_max + 1 = 5: 5 81 / 5, 5 27 / 4 = 33.75, 5 9 / 3, 5 3 / 2 = 7.5, 5."""
    assert [hyperband.arms_of(s, 4, 3) for s in (4, 3, 2, 1, 0)] == [81, 34, 15, 8, 5]


@pytest.mark.parametrize(
    ("offered", "eta", "epochs", "rungs"),
    [
        (POWERS_OF_2, 2, None, (1, 2, 4, 8, 16)),
        (POWERS_OF_2, 2, 8, (1, 2, 4, 8)),
        (POWERS_OF_2, 4, None, (1, 4, 16)),
        (POWERS_OF_2, 3, None, (1, 4, 16)),  # 16/9 and 16/3, rounded down to what is offered
        (range(1, 28), 3, None, (1, 3, 9, 27)),
        (range(1, 244), 3, None, (1, 3, 9, 27, 81, 243)),  # floor(log 243 / log 3) in floats is 4
        (range(1, 101), 3, 50, (1, 5, 16, 50)),
        ((12, 200), 16, None, (12, 200)),
        ((12, 200), 5, None, (12, 200)),
    ],
)
def test_rungs_are_epochs_that_are_offered(offered, eta, epochs, rungs):
    assert halving.ladder(Rungs(offered), hyperband.Config(eta=eta, epochs=epochs)) == rungs


@pytest.mark.parametrize(
    ("arms", "rungs"),
    [(16, [(16, 1), (8, 2), (4, 4), (2, 8), (1, 16)]), (15, [(15, 2), (7, 4), (3, 8), (1, 16)]),
     (2, [(2, 8), (1, 16)]), (40, [(40, 1), (20, 2), (10, 4), (5, 8), (2, 16)])],
)  # fmt: skip
def test_halving_has_as_many_rungs_as_its_arms_allow(arms, rungs):
    evaluator, _ = play("successive_halving", arms=arms, evaluations=sum(count for count, _ in rungs))
    assert runs_of(evaluator.asked) == rungs


@pytest.mark.parametrize("eta", [2, 4])
def test_the_best_go_on_from_where_they_were_with_the_seed_of_their_training(eta):
    evaluator, trial = play("successive_halving", arms=16, eta=eta, seed=5, evaluations=31 if eta == 2 else 21)
    rungs = halving.ladder(evaluator, trial.config)
    asked = evaluator.asked
    alive = asked[:16]
    assert [seed for *_, seed in alive] == [seed_of(5, order) for order in range(16)]
    assert all((epochs, since) == (rungs[0], 0) for _, epochs, since, _ in alive)
    place = 16
    for before, now in pairwise(rungs):
        ranked = sorted(alive, key=lambda one: -score(one[0], before))
        kept, alive = ranked[: len(alive) // eta], asked[place : place + len(alive) // eta]
        assert [(one[0], one[3]) for one in alive] == [(one[0], one[3]) for one in kept]
        assert all((epochs, since) == (now, before) for _, epochs, since, _ in alive)
        place += len(alive)
    assert place == len(asked) and len(alive) == 1


def test_the_trace_says_after_how_many_epochs_and_which_arm():
    evaluator, trial = play("successive_halving", arms=8, evaluations=30)
    noted = {name: {step: value for step, _, key, value in trial.record.rows if key == name}
             for name in ("epochs", "arm")}  # fmt: skip
    for place, (architecture, epochs, _, seed) in enumerate(evaluator.asked):
        assert noted["epochs"][place + 1] == epochs
        arm = int(noted["arm"][place + 1])
        assert trial.ledger.architectures[arm] == architecture and seed == seed_of(0, arm)
    assert noted["arm"][16] == 15.0, "the second halving begins with arms of its own"


def test_what_is_found_is_the_best_score_after_however_many_epochs():
    found = []
    for seed in range(5):
        evaluator, trial = play("hyperband", evaluations=72, seed=seed)
        scores = [score(architecture, epochs) for architecture, epochs, *_ in evaluator.asked]
        assert trial.ledger.best.score == max(scores)
        found.append(evaluator.asked[scores.index(max(scores))][1])
    assert min(found) < 16, "in none of these a score on the way is the best"


@pytest.mark.parametrize("method", ["successive_halving", "hyperband"])
def test_a_budget_ends_a_search_within_a_rung(method):
    evaluator, trial = play(method, evaluations=19)
    assert len(trial.ledger.rows) == len(evaluator.asked) == 19
    _, trial = play(method, evaluations=500, seconds=20.5)
    assert 20.5 <= trial.ledger.seconds < 20.5 + 16


# --- on tables


def test_an_arm_costs_on_the_whole_what_its_last_epochs_cost():
    """cellbench's accuracies after fewer epochs are those on the way; of each arm all rungs show one training."""
    table = nb.benchmarks.load("cellbench")
    trial, _ = trials.play(
        "successive_halving", space=table.space, evaluator=Lookup(table), seed=3, evaluations=31, arms=16
    )
    rows, noted = trial.ledger.rows, [int(value) for _, _, name, value in trial.record.rows if name == "epochs"][:31]
    arms = [int(value) for _, _, name, value in trial.record.rows if name == "arm"]
    for arm in range(16):
        own = [place for place in range(31) if arms[place] == arm]
        paid = sum(rows[place].seconds for place in own)
        assert paid == pytest.approx(table.seconds(rows[arm].architecture, noted[own[-1]]))
        seed = table.seeds[seed_of(3, arm) % len(table.seeds)]
        for place in own:
            known = table.accuracy(rows[place].architecture, "valid", noted[place], seed)
            assert rows[place].score == known
    assert noted == [1] * 16 + [2] * 8 + [4] * 4 + [8] * 2 + [16]


def test_in_nasbench201_each_schedule_is_paid_in_full():
    table = nb.benchmarks.load("nasbench201")
    look = Lookup(table, split="test", seed=None)
    assert look.fidelities == (12, 200) and Lookup(table, epochs=12, seed=None).fidelities == (12,)
    trial, _ = trials.play("hyperband", space=table.space, evaluator=look, eta=16, evaluations=19)
    rows, cells = trial.ledger.rows, trial.ledger.architectures
    for place, epochs in enumerate([12] * 16 + [200] * 3):
        assert rows[place].seconds == table.seconds(cells[place], epochs)
        assert rows[place].score == table.accuracy(cells[place], "test", epochs)
    assert cells[16] == max(cells[:16], key=lambda cell: table.accuracy(cell, "test", 12))


# --- bad input


@pytest.mark.parametrize("method", ["successive_halving", "hyperband"])
@pytest.mark.parametrize(
    ("evaluator", "settings", "said"),
    [
        (Function(len), {}, "a Function has one score for an architecture and none after fewer epochs: give a Lookup"),
        (Lookup(TinyTable()), {"epochs": 3}, "there is no score after 3 epochs: the evaluator offers 1, 4"),
        (Lookup(TinyTable(), epochs=1), {}, "the rung of 1 epochs is the only one, and nothing is halved"),
        (Lookup(TinyTable()), {"eta": 5}, "with eta=5 the rung of 4 epochs is the only one"),
        (Lookup(TinyTable()), {"eta": 2}, "eta=2 asks for 1, 2, 4 epochs and the evaluator offers 1, 4: choose a larg"),
        (Rungs((12, 200)), {"eta": 3}, "eta=3 asks for 22.22, 66.67, 200 epochs and the evaluator offers 12, 200"),
        (Rungs(range(1, 9)), {"epochs": 9}, "the evaluator offers 1 to 8"),
        (Rungs((1, 2)), {"eta": 1}, "eta is 1"),
        (Rungs((1, 2)), {"eta": 2.0}, "eta is 2.0"),
        (Rungs((1, 2)), {"epoch": 2}, "unknown setting 'epoch'.*did you mean 'epochs'"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_no_folder(method, evaluator, settings, said, tmp_path):
    with pytest.raises(nb.NasbookError, match=said) as caught:
        trials.run(method, space=TinyTable().space, evaluator=evaluator, out=tmp_path / "run", **settings)
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()


@pytest.mark.parametrize("arms", [1, 10_001])
def test_one_arm_is_refused_and_so_are_too_many(arms):
    with pytest.raises(nb.NasbookError, match=f"arms is {arms}:"):
        play("successive_halving", arms=arms)


def test_fewer_arms_than_eta_are_refused():
    with pytest.raises(nb.NasbookError, match="of 3 arms no one in 4 can go on"):
        play("successive_halving", arms=3, eta=4)
    assert len(play("successive_halving", arms=4, eta=4, evaluations=5)[0].asked) == 5
