"""Model-free and model-based agents: single updates, targets at an end, convergence, masks, the cliff."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from small_worlds import LEARNERS, Line, rng

from nasbook.decisions import cliff_walking, examples, expected_sarsa, model_based, q_learning, sarsa
from nasbook.decisions.architectures import ArchitectureEnv
from nasbook.decisions.updates import epsilon_greedy, expected_sarsa_target, q_learning_target, sarsa_target, updated


def slowing(visits):
    return visits**-0.7


def test_the_single_updates_of_the_book():
    assert updated(0, q_learning_target(10, 0.9, (1, 4)), 0.5) == pytest.approx(6.8, abs=1e-12)
    assert updated(0, sarsa_target(10, 0.9, 1), 0.5) == pytest.approx(5.45, abs=1e-12)
    assert expected_sarsa_target(10, 0.9, (1, 4), (0.25, 0.75)) == pytest.approx(10 + 0.9 * 3.25)


def test_nothing_follows_a_termination():
    assert q_learning_target(10, 0.9, (1, 4), True) == sarsa_target(10, 0.9, 4, True) == 10
    assert expected_sarsa_target(10, 0.9, (1, 4), (0.5, 0.5), True) == 10


def test_epsilon_greedy_spreads_epsilon_over_all_and_the_rest_over_the_best():
    assert epsilon_greedy((1, 5, 2, 5), 0.2) == pytest.approx([0.05, 0.45, 0.05, 0.45])
    assert epsilon_greedy((1, 5), 0) == [0, 1] and epsilon_greedy((1, 5), 1) == [0.5, 0.5]


@pytest.mark.parametrize("learn", [q_learning, sarsa, expected_sarsa])
def test_a_termination_is_worth_nothing_and_a_truncation_goes_on(learn):
    values = {}
    for end in ("terminated", "truncated"):
        env = Line(end)
        learned = learn(env, rng=rng(), gamma=0.5, episodes=400, learning_rate=lambda n: 1 / n, epsilon=1)
        assert learned.returns.tolist() == [2.0] * 400
        values[end] = learned.q[1]
    assert values["terminated"].tolist() == [1, 1, 1]
    # After the cut-off the third state is worth what its own Q says: never tried, so 0, as after the end.
    assert values["truncated"].tolist() == [1, 1, 1]


class Coin(gymnasium.Env):
    """One state; every step pays 1, and ends the episode half the time without showing another state."""

    observation_space, action_space = spaces.Discrete(1), spaces.Discrete(1)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        return 0, 1.0, bool(self.np_random.random() < 0.5), False, {}


@pytest.mark.parametrize("learn", LEARNERS)
def test_an_end_belongs_to_the_step_and_not_to_the_state(learn):
    """V = 1 + .9 V / 2, so V = 1 / .55; with the last rate, .001, V is off by .0244 in the root mean square."""
    rate = {} if learn is model_based else {"learning_rate": lambda n: n**-0.7}
    learned = learn(Coin(), rng=rng(), gamma=0.9, steps=20_000, **rate)
    assert learned.q[0, 0] == pytest.approx(1 / 0.55, abs=5 * 0.0244)


class Loop(gymnasium.Env):
    """One state that pays 1 for ever, cut off after one step."""

    observation_space, action_space = spaces.Discrete(1), spaces.Discrete(1)

    def reset(self, *, seed=None, options=None):
        return 0, {}

    def step(self, action):
        return 0, 1.0, False, True, {}


@pytest.mark.parametrize("learn", [q_learning, sarsa, expected_sarsa])
def test_a_cut_off_state_keeps_its_value(learn):
    learned = learn(Loop(), rng=rng(), gamma=0.5, steps=2000, learning_rate=0.1)
    assert learned.q[0, 0] == pytest.approx(1 / (1 - 0.5), abs=1e-9)


def test_model_based_keeps_the_value_of_a_cut_off_state_too():
    assert model_based(Loop(), rng=rng(), gamma=0.5, steps=50).q[0, 0] == pytest.approx(2, abs=1e-5)


def test_q_learning_under_a_uniform_policy_finds_the_optimal_values():
    """Off-policy. Over seeds the largest relative error is .005 +- .003, so a mean of ten stays below .01."""
    mdp = examples.two_state_mdp()
    optimal = mdp.policy_iteration().values
    errors = []
    for seed in range(10):
        learned = q_learning(
            mdp.to_gymnasium(),
            rng=rng(seed),
            gamma=0.9,
            steps=50_000,
            learning_rate=slowing,
            behaviour="uniform",
        )
        assert learned.policy.tolist() == [0, 1]
        assert learned.visits.sum() == 50_000 and not len(learned.returns)
        errors.append((np.abs(learned.q.max(axis=1) - optimal) / optimal).max())
    assert errors[0] < 0.01 and np.mean(errors) < 0.01


def test_sarsa_and_expected_sarsa_value_the_policy_that_acts():
    """On-policy: at epsilon 1 both learn the values of the uniform policy, not the optimal ones."""
    mdp = examples.two_state_mdp()
    uniform = mdp.q_values(mdp.evaluate(np.full((2, 2), 0.5)))
    learned = [
        learn(mdp.to_gymnasium(), rng=rng(), gamma=0.9, steps=100_000, learning_rate=slowing, epsilon=1).q
        for learn in (sarsa, expected_sarsa)
    ]
    for q in learned:
        np.testing.assert_allclose(q, uniform, rtol=0.02)
    assert (uniform < mdp.q_values(mdp.policy_iteration().values) - 5).all()


def test_expected_sarsa_with_a_greedy_target_is_q_learning():
    mdp, arguments = examples.two_state_mdp(), {"gamma": 0.9, "steps": 500, "behaviour": "uniform"}
    q = [learn(mdp.to_gymnasium(), rng=rng(), **arguments, **more).q for learn, more in LEARN_SAME]
    np.testing.assert_allclose(q[0], q[1], atol=1e-12)


LEARN_SAME = ((q_learning, {}), (expected_sarsa, {"epsilon": 0}))


def test_a_behaviour_of_probabilities_is_followed():
    behaviour = [[0.2, 0.8], [1, 0]]
    learned = q_learning(
        examples.two_state_mdp().to_gymnasium(), rng=rng(), gamma=0.9, steps=20_000, behaviour=behaviour
    )
    share = learned.visits[0, 0] / learned.visits[0].sum()
    assert abs(share - 0.2) < 5 * (0.16 / learned.visits[0].sum()) ** 0.5
    assert learned.visits[1, 1] == 0


def test_a_model_learner_counts_the_dynamics_and_needs_fewer_steps():
    mdp = examples.two_state_mdp()
    optimal = mdp.policy_iteration().values
    common = {"gamma": 0.9, "steps": 2000, "behaviour": "uniform"}
    errors = {"model": [], "free": []}
    for seed in range(10):
        counted = model_based(mdp.to_gymnasium(), rng=rng(seed), **common)
        free = q_learning(mdp.to_gymnasium(), rng=rng(seed), learning_rate=slowing, **common)
        errors["model"].append(np.abs(counted.q.max(axis=1) - optimal).max())
        errors["free"].append(np.abs(free.q.max(axis=1) - optimal).max())
    tried, transitions = counted.visits.T[:, :, None], counted.model.transitions[:, :2, :2]
    deviation = np.sqrt(mdp.transitions * (1 - mdp.transitions) / tried)
    assert (np.abs(transitions - mdp.transitions) < 5 * deviation).all()
    np.testing.assert_allclose(counted.model.expected_rewards[:, :2], mdp.expected_rewards, atol=1e-12)
    assert max(errors["model"]) < min(errors["free"])


@pytest.mark.parametrize("learn", LEARNERS)
def test_a_forbidden_action_is_neither_taken_nor_believed(learn):
    env = Line(mask=(0, 1, 1))
    learned = learn(env, rng=rng(), gamma=0.5, episodes=200, epsilon=0.5)
    assert set(env.taken) == {1, 2} and (learned.visits[:, 0] == 0).all()
    assert (learned.q[:2].max(axis=1) <= (1.5 + 1e-5, 1 + 1e-5)).all(), "a forbidden action has raised a value"
    env = Line(mask=(0, 1, 1), reward=-1.0)
    learned = learn(env, rng=rng(), gamma=0.5, episodes=200, epsilon=0.5)
    assert (learned.policy[:2] > 0).all(), "the untried 0 of a forbidden action beats what was learned"


def test_the_target_of_q_learning_leaves_out_forbidden_actions():
    env = Line(mask=(0, 1, 1), reward=-1.0)
    learned = q_learning(env, rng=rng(), gamma=0.5, episodes=3000, learning_rate=lambda n: 1 / n, epsilon=1)
    np.testing.assert_allclose(learned.q[:2, 1:], [[-1.5, -1.5], [-1, -1]], atol=0.02)


def test_spaces_that_do_not_begin_at_zero():
    env = Line(first=5)
    learned = q_learning(env, rng=rng(), gamma=0.5, episodes=300, learning_rate=0.5)
    assert set(env.taken) <= {5, 6, 7}
    assert learned.q[0].max() == pytest.approx(1.5, abs=1e-3) and learned.q.shape == (3, 3)


@pytest.mark.parametrize("learn", LEARNERS)
def test_one_seed_gives_one_result(learn):
    runs = [learn(cliff_walking().to_gymnasium(100), rng=rng(3), gamma=0.9, steps=3000) for _ in range(2)]
    assert (runs[0].q == runs[1].q).all() and (runs[0].returns == runs[1].returns).all()
    other = learn(cliff_walking().to_gymnasium(100), rng=rng(4), gamma=0.9, steps=3000)
    assert not np.array_equal(runs[0].visits, other.visits)


def test_on_the_cliff_q_learning_learns_the_edge_and_sarsa_earns_more():
    """The greedy path returns -13; while exploring, SARSA's mean return is the higher one (5 standard errors)."""
    world, differences = cliff_walking(), []
    for seed in range(8):
        common = {"rng": rng(seed), "gamma": 0.99, "episodes": 500, "learning_rate": 0.5, "epsilon": 0.1}
        off = q_learning(world.to_gymnasium(), **common)
        on = sarsa(world.to_gymnasium(), **common)
        path, total = world.greedy_path(off.policy)
        assert total == -13 and {world.cells[state][0] for state in path[1:-1]} == {2}
        assert len(on.returns) == len(off.returns) == 500
        differences.append(on.returns[-200:].mean() - off.returns[-200:].mean())
    assert np.mean(differences) > 5 * np.std(differences, ddof=1) / len(differences) ** 0.5


def test_the_taxi_of_gymnasium_is_learned():
    learned = q_learning(gymnasium.make("Taxi-v4"), rng=rng(), gamma=0.99, episodes=1500, learning_rate=0.5)
    assert learned.returns[-200:].mean() > 0 > learned.returns[:200].mean()
    assert (learned.visits == 0).any(), "no action was masked"


@pytest.mark.parametrize("learn", LEARNERS)
def test_a_search_for_an_architecture_is_learned_like_any_other_world(learn):
    accuracies = np.array([[0.3, 0.5, 0.2], [0.1, 0.9, 0.4]])
    env = ArchitectureEnv((2, 3), accuracies)
    learned = learn(env, rng=rng(), gamma=0.9, episodes=600, epsilon=0.5)
    assert env.write(learned.policy) == (1, 1)
    assert set(np.round(learned.returns, 9)) <= set(accuracies.ravel())
