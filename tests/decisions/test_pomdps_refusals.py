"""What POMDPs refuse, each in one sentence."""

import time

import numpy as np
import pytest
from random_models import random_pomdp

from nasbook.base.errors import NasbookError
from nasbook.decisions import alpha_vectors, envelopes, examples
from nasbook.decisions.pomdps import POMDP

HALF = (0.5, 0.5)


THREE = alpha_vectors.ValueFunction([[1, 2, 3]], [0])


EITHER = ((0.5, 0.5), (0.5, 0.5))


def two(**changes):
    arguments = {"transitions": [EITHER], "observations": [EITHER], "rewards": (1, 0), "gamma": 0.9}
    return POMDP(**arguments | changes)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: two(gamma=1), "gamma is 1: a discount must be at least 0 and less than 1"),
        (lambda: two(observations=[((0.5, 0.6), (1, 0))]), r"observations\[0, 0\] sums to 1.1"),
        (lambda: two(observations=[((1.5, -0.5), (1, 0))]), r"observations\[0, 0, 1\] is -0.5"),
        (lambda: two(observations=[((np.nan, 1), (1, 0))]), r"observations\[0, 0, 0\] is nan"),
        (lambda: two(observations=[EITHER, EITHER]), r"observations has the shape \(2, 2, 2\), must be \(1, 2, any\)"),
        (lambda: two(observation_names=("a", "a")), "observation names must be 2 different strings"),
        (lambda: two().update((0.5, 0.6), 0, 0), "belief sums to 1.1"),
        (lambda: two().update((1, 0, 0), 0, 0), r"belief has the shape \(3,\)"),
        (lambda: two().update(HALF, 1, 0), "unknown action 1: valid are 0 to 0 or a0"),
        (lambda: two().update(HALF, 0, "O3"), "unknown observation 'O3': valid are O1, O2"),
        (lambda: two().solve("exakt"), "unknown method 'exakt': valid are exact, pbvi; did you mean 'exact'?"),
        (lambda: two().solve(horizon=0), "horizon is 0: it must be a whole number of at least 1"),
        (lambda: two().solve(tol=0), "tol is 0: it must be more than 0"),
        (lambda: two().solve(tol=np.nan), "tol is nan"),
        (lambda: two().solve(discounted=False), "an undiscounted value needs a horizon"),
        (lambda: two().solve("pbvi", beliefs=[(0.5, 0.6)]), r"beliefs\[0\] sums to 1.1"),
        (lambda: two().solve("pbvi", points=0), "points is 0"),
        (lambda: two().solve(horizon=1)((0.5, 0.6)), "belief sums to 1.1"),
        (lambda: two().simulate(lambda belief: 3, 5, np.random.default_rng(0)), "unknown action 3"),
        (lambda: two().simulate(lambda belief: 0, 0, np.random.default_rng(0)), "steps is 0"),
        (lambda: two().simulate(lambda belief: 0, 5, 0), "rng is 0: it must be a generator"),
        (lambda: two().simulate(lambda belief: 0, 5, None), "rng is None: it must be a generator"),
        (lambda: two().solve("pbvi", rng=0), "rng is 0: it must be a generator"),
        (lambda: two().solve(horizon=1, rng=np.random.RandomState(0)), "it must be a generator"),
        (lambda: two().solve("pbvi", points=10_001), "points is 10,001: at most 10,000 are allowed"),
        (
            lambda: two(rewards=(-1e160, 0)).solve("pbvi"),
            r"a reward has the modulus 1e\+160: solve takes at most 1e\+100",
        ),
        (lambda: two(rewards=(-1e160, 0)).solve(horizon=2), "so scale them"),
        (lambda: two().simulate(None, 5, np.random.default_rng(0)), "policy is None: it must be a value function or"),
        (lambda: two().simulate(3, 5, np.random.default_rng(0)), "policy is 3"),
        (lambda: two().simulate("listen", 5, np.random.default_rng(0)), "policy is 'listen'"),
        (lambda: two().simulate(THREE, 5, np.random.default_rng(0)), "policy has 3 states and actions up to 0"),
        (
            lambda: two().explore({"v": THREE}),
            r"values\['v'\] has 3 states and actions up to 0: this model has 2 states",
        ),
        (lambda: two().explore({"v": alpha_vectors.ValueFunction([[1, 2]], [1])}), "actions up to 1: this model"),
        (lambda: two().explore({"v": [1, 2]}), r"values\['v'\] is a list: it must be a value function"),
        (lambda: two().explore(THREE), "values is a ValueFunction: it must be a dict"),
        (lambda: random_pomdp(0, 3).solve(horizon=1).regions(), "intervals for 2 states, not for 3"),
        (lambda: alpha_vectors.ValueFunction([[1, 2]], [0, 1]), "actions has the length"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(act, said):
    with pytest.raises(NasbookError, match=said):
        act()


def test_an_impossible_observation_names_action_observation_and_belief():
    model = POMDP([np.eye(2)], [np.eye(2)], (1, 0), 0.9, actions=("look",), observation_names=("bright", "dark"))
    with pytest.raises(NasbookError, match=r"'dark' cannot follow action 'look' from the belief \(1, 0\)"):
        model.update((1, 0), "look", "dark")


def test_a_tol_that_rounding_does_not_allow_is_refused(monkeypatch):
    monkeypatch.setattr(envelopes, "distance", lambda first, second: 1e-3)
    with pytest.raises(NasbookError, match="tol is 1e-06: float64 holds values of this size"):
        two().solve(tol=1e-6)


@pytest.mark.parametrize("method", ["exact", "pbvi"])
@pytest.mark.parametrize("gamma", [0.9999, 0.999999])
def test_more_backups_than_anyone_waits_for_are_refused_before_the_first(method, gamma):
    start = time.process_time()
    with pytest.raises(NasbookError, match=r"takes up to [\d,]+ backups, at most 100,000 are allowed: take a smaller"):
        examples.tiger(gamma).solve(method)
    assert time.process_time() - start < 1
    assert examples.tiger(gamma).solve(method, horizon=2)(HALF) == pytest.approx(-1 - gamma)
    assert alpha_vectors.backups(100, 0.999, 1e-9) < alpha_vectors.BACKUPS


def test_a_set_of_vectors_that_explodes_is_refused(monkeypatch):
    monkeypatch.setattr(envelopes, "CROSSED", 3)
    with pytest.raises(NasbookError, match=r"must compare .* vectors here, at most 3 are"):
        random_pomdp(1, 3).solve(horizon=6)
