"""The architecture environment against its definition, planning, and the agents that search in it."""

import itertools
import warnings

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from nasbook.base.errors import NasbookError
from nasbook.decisions import ArchitectureEnv, TabularPolicy, agents, gradients, toy_environment
from nasbook.decisions.architectures import TOY, toy_accuracy

TABLE = np.array([[0.5, 0.9], [0.2, 0.4], [0.7, np.nan]])
BEST = (2, 1, 1, 1, 1)


def steps_of(environment, tokens):
    environment.reset()
    return [environment.step(token) for token in tokens]


@pytest.mark.parametrize("choices", [(3,), (2, 2), (2, 5, 3), (1, 4)])
@pytest.mark.filterwarnings("error")
def test_gymnasium_accepts_it(choices):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Not able to test alternative render modes.*")
        check_env(ArchitectureEnv(choices, lambda tokens: 0.5))


def test_observations_number_the_partial_lists_in_order():
    environment = ArchitectureEnv((3, 2), TABLE)
    lists = [(), (0,), (1,), (2,), *itertools.product(range(3), range(2))]
    assert [environment.number(one) for one in lists] == list(range(10))
    assert environment.observation_space.n == 11 and environment.action_space.n == 3
    for tokens in lists[4:]:
        assert [step[0] for step in steps_of(environment, tokens)] == [
            environment.number(tokens[:1]),
            lists.index(tokens),
        ]


def test_the_last_token_earns_the_accuracy_and_the_mask_names_the_choices():
    environment = ArchitectureEnv((3, 2), TABLE)
    state, info = environment.reset(seed=1)
    assert state == 0 and info["tokens"] == () and info["action_mask"].tolist() == [1, 1, 1]
    assert info["action_mask"].dtype == np.int8
    state, reward, terminated, truncated, info = environment.step(np.int64(1))
    assert (state, reward, terminated, truncated, info["tokens"]) == (2, 0.0, False, False, (1,))
    assert info["action_mask"].tolist() == [1, 1, 0] and not info["failed"]
    _, reward, terminated, truncated, info = environment.step(0)
    assert (reward, terminated, truncated, info["tokens"]) == (0.2, True, False, (1, 0))
    assert info["action_mask"].tolist() == [0, 0, 0] and not info["failed"]


def test_failures_earn_nothing_and_say_so():
    environment = ArchitectureEnv((3, 2), TABLE)
    *_, (state, reward, terminated, _, info) = steps_of(environment, (2, 1))
    assert (state, reward, terminated, info["failed"]) == (9, 0.0, True, True)
    *_, (state, reward, terminated, _, info) = steps_of(environment, (0, 2))
    assert (state, reward, terminated, info["failed"], info["tokens"]) == (10, 0.0, True, True, (0, 2))


def test_accuracies_come_from_a_function_a_mapping_or_an_array():
    as_mapping = {tokens: None if np.isnan(TABLE[tokens]) else TABLE[tokens] for tokens in np.ndindex(3, 2)}
    for accuracy in (TABLE, as_mapping, TABLE.__getitem__, TABLE.tolist()):
        np.testing.assert_array_equal(ArchitectureEnv((3, 2), accuracy).table(), np.nan_to_num(TABLE))
    lists = np.array(list(as_mapping))
    np.testing.assert_array_equal(gradients.play(ArchitectureEnv((3, 2), TABLE), lists), np.nan_to_num(TABLE).ravel())


def test_the_toy_is_its_formula():
    by_hand = {
        (0, 0, 0, 0, 0): None,
        (0, 1, 1, 0, 0): 0.66,
        (1, 0, 1, 0, 1): 0.75,
        (2, 1, 2, 1, 0): 0.73,
        (1, 1, 2, 1, 1): 0.91,
        BEST: 0.92,
        (2, 0, 0, 0, 1): 0.64,
    }
    assert {tokens: toy_accuracy(tokens) for tokens in by_hand} == by_hand
    environment = toy_environment()
    table = environment.table()
    assert table.shape == (3, 2, 3, 2, 2) and table.size == 72
    assert np.unravel_index(table.argmax(), table.shape) == BEST and (table == table.max()).sum() == 1
    assert environment.describe(BEST) == "conv 5x5, 32 filters, conv 3x3, 32 filters, skip"
    assert ArchitectureEnv((3, 2), TABLE).describe((2, 0)) == "2, 0"


def test_planning_with_all_odds_known_finds_the_best_architecture():
    environment = toy_environment()
    model = environment.to_mdp(gamma=0.9)
    solution = model.policy_iteration()
    assert solution.values[0] == pytest.approx(0.9**4 * environment.table().max(), abs=1e-12)
    assert environment.write(solution.policy) == BEST
    steps = steps_of(environment, BEST)
    assert [reward for _, reward, *_ in steps] == [0, 0, 0, 0, 0.92]


def test_the_model_steps_as_the_environment_does():
    environment = ArchitectureEnv((3, 2), TABLE)
    model = environment.to_mdp()
    for tokens in itertools.product(range(3), range(3)):
        state = 0
        for token, (after, reward, *_) in zip(tokens, steps_of(environment, tokens)):
            assert model.transitions[token, state, after] == 1
            assert model.expected_rewards[token, state] == reward
            state = after
        assert (model.transitions[:, state, state] == 1).all()
        assert (model.expected_rewards[:, state] == 0).all()
    assert model.states[:5] == ("start", "0", "1", "2", "0 0") and model.states[-1] == "no architecture"


@pytest.mark.parametrize("agent", [agents.q_learning, agents.sarsa])
def test_the_agents_of_the_mdps_search_it(agent):
    environment = toy_environment()
    learned = agent(
        environment, rng=np.random.default_rng(0), gamma=0.99, episodes=3000, epsilon=0.3, learning_rate=0.2
    )
    assert environment.table()[environment.write(learned.policy)] >= 0.9
    assert learned.visits[environment.observation_space.n - 1].sum() == 0


@pytest.mark.parametrize("more", [{}, {"epochs": 3, "clip": 0.2}])
def test_reinforce_searches_it_step_by_step(more):
    environment = toy_environment()
    policy = TabularPolicy.uniform(environment.choices)
    settings = {"steps": 150, "batch": 8, "learning_rate": 4.0, "baseline": gradients.leave_one_out, **more}
    history = gradients.reinforce(policy, environment, rng=np.random.default_rng(0), **settings)
    assert history.best[1] >= 0.9 and environment.table()[history.best[0]] == history.best[1]
    assert gradients.expected_reward(policy, environment.table()) > 0.85
    again = TabularPolicy.uniform(environment.choices)
    gradients.reinforce(again, environment.table(), rng=np.random.default_rng(0), **settings)
    np.testing.assert_array_equal(policy.parameters, again.parameters)


def test_the_tokens_have_as_many_names_as_choices():
    assert toy_environment().choices == tuple(map(len, TOY)) == (3, 2, 3, 2, 2)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: ArchitectureEnv((), TABLE), "choices must be"),
        (lambda: ArchitectureEnv((3, 3), TABLE), r"accuracy has the shape \(3, 2\), must be \(3, 3\)"),
        (lambda: ArchitectureEnv((10,) * 20, TABLE), "too many to number"),
        (lambda: ArchitectureEnv((3, 2), TABLE, names=[["a", "b", "c"]]), "1 of 2 steps"),
        (lambda: ArchitectureEnv((3, 2), TABLE, names=[["a", "b"], ["c", "d"]]), "3 different strings"),
        (lambda: ArchitectureEnv((3, 2), TABLE).step(0), "reset the environment first"),
        (lambda: steps_of(ArchitectureEnv((3, 2), TABLE), (0, 0, 0)), "reset the environment"),
        (lambda: steps_of(ArchitectureEnv((3, 2), TABLE), (3,)), "unknown token 3"),
        (lambda: steps_of(ArchitectureEnv((3, 2), TABLE), (-1,)), "unknown token -1"),
        (lambda: steps_of(ArchitectureEnv((1,), {(1,): 0.5}), (0,)), r"no accuracy for the architecture \(0,\)"),
        (lambda: ArchitectureEnv((2,), [0.5, -0.1]).table(), "not negative"),
        (lambda: ArchitectureEnv((2,), [0.5, np.inf]).table(), "finite"),
        (lambda: ArchitectureEnv((2,), [0.5, "good"]).table(), "'good'"),
        (lambda: ArchitectureEnv((3, 2), TABLE).number((0, 2)), "token of step 1"),
        (lambda: ArchitectureEnv((3, 2), TABLE).number((0, 0, 0)), "at most 2 tokens"),
        (lambda: ArchitectureEnv((20, 20, 20), lambda tokens: 0.5).to_mdp(), "written down for at most 1,000"),
        (lambda: ArchitectureEnv((3, 2), TABLE).write([0] + [2] * 9), "unknown token of step 1 2"),
        (lambda: gradients.play(ArchitectureEnv((3, 2), TABLE), np.array([[0]])), r"the list \[0\] is over"),
        (
            lambda: gradients.expected_reward(TabularPolicy.uniform((3, 3)), ArchitectureEnv((3, 2), TABLE)),
            r"the environment has the choices \(3, 2\), the policy \(3, 3\)",
        ),
        (lambda: ArchitectureEnv((100,) * 4, lambda tokens: 0.5).table(), "100,000,000 token lists"),
    ],
)
def test_bad_input_gets_one_sentence(call, said):
    with pytest.raises(NasbookError, match=said):
        call()
