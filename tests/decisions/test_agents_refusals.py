"""What agents refuse to learn, each in one sentence, and that they use the arguments that they checked."""

import numpy as np
import pytest
from gymnasium import spaces
from small_worlds import LEARNERS, Line, rng

from nasbook import NasbookError
from nasbook.decisions import examples, model_based, q_learning, walks


def learn_two_states(**changes):
    arguments = {"rng": rng(), "gamma": 0.9, "steps": 10}
    return q_learning(examples.two_state_mdp().to_gymnasium(), **(arguments | changes))


def learn_masked(behaviour):
    return q_learning(Line(mask=(0, 1, 1)), rng=rng(), gamma=0.9, steps=9, behaviour=behaviour)


class Told(Line):
    """A line that returns what it is told to."""

    def __init__(self, seen=1, **more):
        super().__init__(**more)
        self.seen = seen

    def step(self, action):
        return self.seen, *super().step(action)[1:]


def learn_told(**told):
    return q_learning(Told(**told), rng=rng(), gamma=0.9, steps=9)


@pytest.mark.parametrize("learn", LEARNERS)
def test_the_arguments_that_were_checked_are_the_ones_used(learn):
    """A float16 times a float is rounded to a float16: the float that the check returns has to go on."""
    numbers = {"gamma": np.float16(0.9), "epsilon": np.float16(0.1)}
    runs = [
        learn(Line(), rng=rng(), steps=60, **given).q
        for given in (numbers, {name: float(number) for name, number in numbers.items()})
    ]
    assert (runs[0] == runs[1]).all()


def in_box(space):
    env = Line()
    setattr(env, f"{space}_space", spaces.Box(0, 1, (2,)))
    return q_learning(env, rng=rng(), gamma=0.9, steps=10)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: in_box("observation"), r"the environment's observation space is Box\(.*needs a Discrete one"),
        (lambda: in_box("action"), r"the environment's action space is Box\(.*needs a Discrete one"),
        (lambda: learn_two_states(gamma=1), "gamma is 1"),
        (lambda: learn_two_states(steps=None), "give steps or episodes"),
        (lambda: learn_two_states(steps=0), "steps is 0"),
        (lambda: learn_two_states(rng=3), "rng is 3: it must be a generator"),
        (lambda: learn_two_states(epsilon=1.2), "epsilon is 1.2"),
        (lambda: learn_two_states(learning_rate=0), r"learning rate of visit 1 is 0.*in \(0, 1\]"),
        (lambda: learn_two_states(learning_rate=lambda n: n), "learning rate of visit 2 is 2"),
        (lambda: learn_two_states(learning_rate="fast"), "learning_rate must be .*not 'fast'"),
        (lambda: learn_two_states(learning_rate=lambda n: None), "learning rate of visit 1 is None"),
        (lambda: learn_two_states(behaviour="greedy"), "unknown behaviour 'greedy'"),
        (lambda: learn_two_states(behaviour=[[0.5, 0.6], [1, 0]]), r"behaviour\[0\] sums to 1.1"),
        (lambda: learn_masked([[1, 0, 0]] * 3), r"behaviour\[0\] has no probability for an action that is allowed"),
        (lambda: q_learning(Line(mask=(0, 0, 0)), rng=rng(), gamma=0.9, steps=9), "allows no action in state 0"),
        (lambda: q_learning(Line(reward=np.nan), rng=rng(), gamma=0.9, steps=9), "paid nan in state 0"),
        (lambda: learn_told(reward=None), "paid None in state 0"),
        (lambda: learn_told(reward=10**400), "paid 10+ in state 0"),
        (lambda: learn_told(seen=9), "showed 9: its states are 0 to 2"),
        (lambda: learn_told(seen=-1), "showed -1: its states are 0 to 2"),
        (lambda: learn_told(seen=0.5), "showed 0.5: its states are 0 to 2"),
        (lambda: learn_told(seen=None), "showed None: its states are 0 to 2"),
        (lambda: model_based(Line(), rng=rng(), gamma=0.9, steps=9, plan_every=0), "plan_every is 0"),
    ],
)
def test_what_cannot_be_learned_is_refused_in_one_sentence(act, said):
    with pytest.raises(NasbookError, match=said):
        act()


def test_an_episode_without_end_and_a_table_too_large_are_refused(monkeypatch):
    monkeypatch.setattr(walks, "LONGEST", 100)
    with pytest.raises(NasbookError, match="has not ended after 100 steps: give steps"):
        learn_two_states(steps=None, episodes=1)
    monkeypatch.setattr(walks, "ENTRIES", 3)
    with pytest.raises(NasbookError, match="a table of 4 entries does not fit"):
        learn_two_states()
