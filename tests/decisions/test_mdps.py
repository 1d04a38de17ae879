"""MDP: the values of METHODS 0.3, a linear programme and enumeration as oracles, contraction, ties, refusals."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.optimize import linprog

from nasbook import NasbookError
from nasbook.decisions import MDP, examples, grid_world
from nasbook.decisions.mdps import best_actions

OPTIMAL = (66.911765, 59.558824)
SOLVERS = ("value_iteration", "policy_iteration", "modified_policy_iteration")


def random_mdp(seed, gamma=0.9, form=3):
    rng = np.random.default_rng(seed)
    n_actions, n_states = rng.integers(1, 4), rng.integers(1, 6)
    sparse = rng.random((n_actions, n_states, n_states)) * (rng.random((n_actions, n_states, n_states)) < 0.6)
    sparse += 1e-3 * np.eye(n_states)
    shape = {1: (n_states,), 2: (n_actions, n_states), 3: sparse.shape}[form]
    return MDP(sparse / sparse.sum(axis=2, keepdims=True), rng.normal(size=shape) * 10, gamma)


def by_linear_programme(mdp):
    """Minimise sum V subject to V >= r_a + gamma P_a V for every action; rewards expected by a loop."""
    n_actions, n_states, _ = mdp.transitions.shape
    rows, bounds = [], []
    for a, s in itertools.product(range(n_actions), range(n_states)):
        rows.append(mdp.gamma * mdp.transitions[a, s] - np.eye(n_states)[s])
        r = mdp.rewards
        paid = [r[s] if r.ndim == 1 else r[a, s] if r.ndim == 2 else r[a, s, t] for t in range(n_states)]
        bounds.append(-sum(p * one for p, one in zip(mdp.transitions[a, s], paid)))
    solved = linprog(np.ones(n_states), A_ub=rows, b_ub=bounds, bounds=(None, None), method="highs")
    assert solved.status == 0
    return solved.x


def test_the_two_states_have_the_values_of_the_book():
    mdp = examples.two_state_mdp()
    for solver in SOLVERS:
        solution = getattr(mdp, solver)()
        np.testing.assert_allclose(solution.values, OPTIMAL, rtol=0, atol=5e-7)
        assert solution.policy.tolist() == [0, 1]
        assert not solution.values.flags.writeable and not solution.policy.flags.writeable
    q = mdp.q_values(mdp.policy_iteration().values)
    np.testing.assert_allclose(q, [[66.911765, 64.264706], [55.588235, 59.558824]], rtol=0, atol=5e-7)
    assert mdp.policy_iteration().iterations <= 3


def test_the_first_sweeps_of_value_iteration():
    mdp, values = examples.two_state_mdp(), np.zeros(2)
    for expected in ((10, 0), (14.5, 8.1), (20.17, 12.474)):
        values = mdp.backup(values)
        np.testing.assert_allclose(values, expected, atol=1e-12)


def test_a_policy_of_one_action_is_the_chain():
    np.testing.assert_allclose(
        examples.two_state_mdp().evaluate(("a0", "a0")), (45.121951, 32.926829), rtol=0, atol=5e-7
    )


@pytest.mark.parametrize("form", [1, 2, 3])
@pytest.mark.parametrize("seed", range(8))
def test_every_solver_agrees_with_a_linear_programme(seed, form):
    mdp = random_mdp(seed, form=form)
    expected = by_linear_programme(mdp)
    for solver in SOLVERS:
        np.testing.assert_allclose(getattr(mdp, solver)().values, expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_policy_is_the_best_of_all(seed):
    mdp = random_mdp(seed)
    n_states, n_actions = len(mdp.states), len(mdp.actions)
    every = [mdp.evaluate(policy) for policy in itertools.product(range(n_actions), repeat=n_states)]
    solution = mdp.policy_iteration()
    np.testing.assert_allclose(solution.values, np.max(every, axis=0), atol=1e-9)
    np.testing.assert_allclose(mdp.evaluate(solution.policy), solution.values, atol=1e-9)


def test_a_mixed_policy_is_evaluated_like_its_simulation():
    mdp = random_mdp(3)
    rng = np.random.default_rng(0)
    policy = rng.dirichlet(np.ones(len(mdp.actions)), size=len(mdp.states))
    values = np.zeros(len(mdp.states))
    for _ in range(400):
        values = (policy * mdp.q_values(values)).sum(axis=1)
    np.testing.assert_allclose(mdp.evaluate(policy), values, atol=1e-9)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.floats(0, 0.99), st.integers(0, 10_000))
def test_a_backup_contracts_by_gamma_and_keeps_order(seed, gamma, other):
    mdp = random_mdp(seed, gamma)
    rng = np.random.default_rng(other)
    u, v = rng.normal(size=(2, len(mdp.states))) * 50
    apart = np.abs(u - v).max()
    assert np.abs(mdp.backup(u) - mdp.backup(v)).max() <= gamma * apart + 1e-10
    assert (mdp.backup(u + np.abs(v)) >= mdp.backup(u) - 1e-10).all()
    np.testing.assert_allclose(mdp.backup(u + 7), mdp.backup(u) + gamma * 7, atol=1e-9)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.floats(0, 0.99), st.floats(1e-7, 10), st.integers(0, 20))
def test_the_answer_lies_within_tol(seed, gamma, tol, sweeps):
    mdp = random_mdp(seed, gamma)
    exact = mdp.policy_iteration().values
    assert np.abs(mdp.value_iteration(tol).values - exact).max() <= tol
    assert np.abs(mdp.modified_policy_iteration(sweeps, tol).values - exact).max() <= tol


def test_the_error_shrinks_by_gamma_a_sweep_until_the_rule_stops_it():
    mdp, gamma = examples.two_state_mdp(), 0.9
    exact, values, errors = mdp.policy_iteration().values, np.zeros(2), []
    for _ in range(60):
        errors.append(np.abs(values - exact).max())
        values = mdp.backup(values)
    assert all(after <= gamma * before + 1e-12 for before, after in itertools.pairwise(errors))
    stopped = mdp.value_iteration(0.5)
    assert np.abs(stopped.values - exact).max() <= 0.5 < errors[1]
    assert stopped.iterations == next(
        k for k in range(1, 60) if gamma / (1 - gamma) * np.abs(iterate(mdp, k) - iterate(mdp, k - 1)).max() <= 0.5
    )


def iterate(mdp, sweeps):
    values = np.zeros(len(mdp.states))
    for _ in range(sweeps):
        values = mdp.backup(values)
    return values


def test_modified_policy_iteration_needs_fewer_maxima():
    mdp = examples.two_state_mdp()
    many, few = mdp.value_iteration(), mdp.modified_policy_iteration(sweeps=20)
    assert few.iterations < many.iterations / 10
    assert mdp.modified_policy_iteration(sweeps=0).iterations == many.iterations


@pytest.mark.parametrize("solver", SOLVERS)
def test_ties_go_to_the_lowest_index(solver):
    same = np.full((3, 4, 4), 0.25)
    solution = getattr(MDP(same, np.arange(4), 0.95), solver)()
    assert solution.policy.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("seed", range(30))
def test_policy_iteration_ends_with_duplicated_actions_and_a_gamma_near_one(seed):
    mdp = random_mdp(seed, 0.999999)
    twice = MDP(np.concatenate([mdp.transitions] * 2), np.concatenate([mdp.rewards] * 2), mdp.gamma)
    solution = twice.policy_iteration()
    assert solution.iterations < 20
    assert (solution.policy < len(mdp.actions)).all()


@pytest.mark.parametrize("seed", [204, 333, 550, 641])
def test_policy_iteration_ends_where_rounding_makes_ties_flicker(seed, monkeypatch):
    """Three copies of one action, apart by a few units in the last place: without a margin the best one changes."""
    rng = np.random.default_rng(seed)
    n_states = rng.integers(2, 6)
    copies = np.repeat(rng.dirichlet(np.ones(n_states), size=(1, n_states)), 3, axis=0)
    copies /= copies.sum(axis=2, keepdims=True)
    for copy in (1, 2):
        copies[copy] *= 1 + 2e-16 * rng.integers(-3, 4, size=(n_states, n_states))
    mdp = MDP(copies, rng.normal(size=n_states) * 10, 0.9)
    monkeypatch.setattr("nasbook.decisions.mdps.TIE", 0.0)
    monkeypatch.setattr("nasbook.decisions.mdps.count", lambda start: range(start, 100))
    np.testing.assert_allclose(mdp.policy_iteration().values, mdp.evaluate([0] * n_states), atol=1e-9)


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_large_penalty_makes_no_ties(solver):
    """The way right is the only good one, the rim costs one step more: a share of the penalty is no measure of that."""
    for penalty in (-1e3, -1e12):
        world = grid_world(["S.G", ".T."], rewards={"T": penalty})
        solution = getattr(world.mdp, solver)()
        assert world.greedy_path(solution.policy) == ([0, 1, 2], -2)
        assert solution.values.tolist() == pytest.approx([-1.9, -1, 0, -2.71, 0, -1])
        assert solution.policy.tolist() == [1, 1, 0, 0, 0, 0]


def test_a_tie_is_relative_to_the_best_value_of_its_own_row():
    assert best_actions(np.array([[-1e12, -2, -1], [1, 1 + 1e-13, 0], [-1e12, -1e12 + 0.1, -2e12]])).tolist() == [
        2,
        0,
        0,
    ]
    assert best_actions(np.zeros((2, 3))).tolist() == [0, 0]


def test_policy_iteration_goes_on_beside_a_state_of_a_huge_value():
    """A line of six states to a goal, and one that pays -1e20 for ever: the sum of all values does not move."""
    stay, right = np.eye(8), np.eye(8)[[1, 2, 3, 4, 5, 6, 6, 7]]
    mdp = MDP([stay, right], np.array([[-1.0] * 6 + [0, -1e20], [-0.5] * 5 + [0.5, 0, -1e20]]), 0.9)
    apart = MDP([stay[:7, :7], right[:7, :7]], mdp.rewards[:, :7], 0.9)
    assert mdp.policy_iteration().policy[:7].tolist() == apart.policy_iteration().policy.tolist() == [1] * 6 + [0]


def test_the_repr_counts_one():
    assert repr(MDP([[[1]]], [0], 0.5)) == "MDP of 1 state and 1 action, gamma 0.5"


def test_gamma_zero_is_the_best_immediate_reward():
    mdp = MDP([[[0, 1], [1, 0]]] * 2, [[1, 5], [3, 4]], 0)
    for solver in SOLVERS:
        solution = getattr(mdp, solver)()
        assert solution.values.tolist() == [3, 5] and solution.policy.tolist() == [1, 0]


def test_terminal_states_are_those_that_nothing_leaves_and_nothing_pays():
    transitions = [[[0, 1, 0], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 1, 0], [0, 0, 1]]]
    assert MDP(transitions, [-1, 0, 2], 0.5).terminal.tolist() == [False, True, False]


def test_a_model_holds_what_it_was_given_and_cannot_be_changed():
    rewards = np.array([[1.0, 2.0], [3.0, 4.0]])
    mdp = MDP(np.full((2, 2, 2), 0.5), rewards, 0.9, states=("x", "y"))
    rewards[:] = 0
    assert mdp.rewards.tolist() == [[1, 2], [3, 4]] and mdp.states == ("x", "y") and mdp.actions == ("a0", "a1")
    for array in (mdp.transitions, mdp.rewards, mdp.expected_rewards, mdp.terminal, mdp.transition_rewards()):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    assert repr(mdp) == "MDP of 2 states and 2 actions, gamma 0.9"


def test_it_draws_itself():
    mdp = examples.two_state_mdp()
    assert mdp._repr_mimebundle_() == mdp.draw()._repr_mimebundle_()


HALF = [[[0.5, 0.5], [0.5, 0.5]]]


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: MDP([[0.5, 0.5], [0.5, 0.5]], [1, 0], 0.9), r"transitions has the shape \(2, 2\)"),
        (lambda: MDP([[[0.5, 0.5]]], [1, 0], 0.9), r"shape \(1, 1, 2\), must be \(actions, states, states\)"),
        (lambda: MDP([[[0.5, 0.4], [0, 1]]], [1, 0], 0.9), r"transitions\[0, 0\] sums to 0.9"),
        (lambda: MDP([[[1.5, -0.5], [0, 1]]], [1, 0], 0.9), r"transitions\[0, 0, 1\] is -0.5"),
        (lambda: MDP([[[np.nan, 1], [0, 1]]], [1, 0], 0.9), r"transitions\[0, 0, 0\] is nan"),
        (lambda: MDP(HALF, [1, 0, 0], 0.9), r"rewards has the shape \(3,\), must be \(2,\) or \(1, 2\)"),
        (lambda: MDP(HALF, [1, np.inf], 0.9), r"rewards\[1\] is inf"),
        (lambda: MDP(HALF, [1, 0], 1), "gamma is 1"),
        (lambda: MDP(HALF, [1, 0], 0.9, actions=("x", "y")), "action names must be 1 different"),
        (lambda: MDP(HALF, [1, 0], 0.9).q_values([1]), r"values has the shape \(1,\)"),
        (lambda: MDP(HALF, [1, 0], 0.9).evaluate([0, 1]), "unknown action 1: valid are 0 to 0"),
        (lambda: MDP(HALF, [1, 0], 0.9).evaluate([0]), "one action for each of the 2 states, not 1"),
        (lambda: MDP(HALF, [1, 0], 0.9).evaluate([[0.5], [1]]), r"policy\[0\] sums to 0.5"),
        (lambda: MDP(HALF, [1, 0], 0.9).evaluate([[0.5, 0.5], [1]]), "policy must be a rectangular array"),
        (lambda: MDP(HALF, [1, 0], 0.9).evaluate(0), "actions must be a flat sequence"),
        (lambda: MDP(HALF, [1, 0], 0.9).value_iteration(0), "tol is 0: it must be more than 0"),
        (lambda: MDP(HALF, [1, 0], 0.9).value_iteration(1e-18), "float64 holds"),
        (lambda: MDP(HALF, [1, 0], 0.9).value_iteration(1e-320), "float64 holds"),
        (lambda: MDP(HALF, [1, 0], 1 - 1e-9).value_iteration(), "policy_iteration needs no tol"),
        (lambda: MDP(HALF, [1, 0], 0.9).modified_policy_iteration(-1), "sweeps is -1"),
    ],
)
def test_what_is_no_mdp_is_refused_in_one_sentence(act, said):
    with pytest.raises(NasbookError, match=said):
        act()
