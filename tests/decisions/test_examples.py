"""The problems that Part I works with hold the numbers that its pages print."""

import numpy as np
import pytest

from nasbook import decisions
from nasbook.base.errors import NasbookError
from nasbook.decisions import examples

STAY_OR_GO = [[0.5, 0.5], [0.3, 0.7]]
SWAP = [[0.1, 0.9], [0.9, 0.1]]
SEEN = [[0.75, 0.25], [0.25, 0.75]]


def test_the_two_states_are_the_same_in_all_four_models():
    chain, hmm = examples.two_state_chain(), examples.two_state_hmm()
    mdp, pomdp = examples.two_state_mdp(), examples.two_state_pomdp()
    assert chain.transitions.tolist() == hmm.transitions.tolist() == STAY_OR_GO
    assert mdp.transitions.tolist() == pomdp.transitions.tolist() == [STAY_OR_GO, SWAP]
    assert chain.rewards.tolist() == [10, 0] and hmm.prior.tolist() == [0.5, 0.5]
    assert hmm.emissions.tolist() == SEEN and pomdp.observations.tolist() == [SEEN, SEEN]
    assert mdp.expected_rewards.tolist() == pomdp.expected_rewards.tolist() == [[10, 0], [10, 0]]
    assert {model.states for model in (chain, hmm, mdp, pomdp)} == {("S1", "S2")}
    assert mdp.actions == pomdp.actions == ("a0", "a1")
    assert hmm.observation_names == pomdp.observation_names == ("O1", "O2")
    assert mdp.gamma == pomdp.gamma == 0.9


def test_the_tiger_is_heard_with_85_percent_and_doors_reset():
    tiger = decisions.tiger()
    assert tiger.gamma == 0.95
    assert tiger.actions == ("listen", "open left", "open right") and tiger.states == ("tiger left", "tiger right")
    assert tiger.transitions[0].tolist() == [[1, 0], [0, 1]] and (tiger.transitions[1:] == 0.5).all()
    assert tiger.observations[0].tolist() == [[0.85, 0.15], [0.15, 0.85]] and (tiger.observations[1:] == 0.5).all()
    assert tiger.expected_rewards.tolist() == [[-1, -1], [-100, 10], [10, -100]]
    belief, probability = tiger.update(np.array([0.5, 0.5]), "listen", "hear left")
    assert np.allclose(belief, [0.85, 0.15]) and probability == pytest.approx(0.5)


@pytest.mark.parametrize("build", [examples.two_state_mdp, examples.two_state_pomdp, examples.tiger])
def test_another_discount_is_taken_and_a_wrong_one_refused(build):
    assert build(gamma=0.5).gamma == 0.5
    with pytest.raises(NasbookError, match="gamma is 1:"):
        build(gamma=1)
