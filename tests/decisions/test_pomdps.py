"""POMDPs against numbers worked out by hand, brute force over belief trees, grids of beliefs and one another."""

import time

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from random_models import random_pomdp

from nasbook.base.errors import NasbookError
from nasbook.decisions import alpha_vectors, examples
from nasbook.decisions.pomdps import POMDP

HALF = (0.5, 0.5)
LINE = np.linspace(0, 1, 101)
GRID = np.stack([LINE, 1 - LINE], axis=1)
LISTEN, OPEN_LEFT, OPEN_RIGHT = range(3)
LEFT, RIGHT = range(2)

seeds = st.integers(0, 2**32 - 1)
few = settings(derandomize=True, deadline=None, max_examples=25)


@pytest.fixture(scope="module")
def tiger():
    return examples.tiger()


@pytest.fixture(scope="module")
def tiger_value(tiger):
    return tiger.solve()


def expectimax(model, belief, steps, gamma):
    """The best expected sum of ``steps`` rewards from a belief: every action, every observation, no vectors."""
    if not steps:
        return 0.0
    best = -np.inf
    for moves, shows, pays in zip(model.transitions, model.observations, model.expected_rewards):
        value = sum(b * r for b, r in zip(belief, pays))
        for observation in range(shows.shape[1]):
            joint = [
                sum(belief[s] * moves[s, t] for s in range(len(belief))) * shows[t, observation]
                for t in range(len(belief))
            ]
            chance = sum(joint)
            if chance > 0:
                after = [one / chance for one in joint]
                value += gamma * chance * expectimax(model, after, steps - 1, gamma)
        best = max(best, value)
    return best


def test_the_two_state_problem_has_the_values_worked_out():
    model = examples.two_state_pomdp()
    value = model.solve()
    assert value.vectors.shape == (3, 2) and value(HALF) == pytest.approx(54.61977, abs=5e-6)
    for action, observation, belief, chance in [(0, 0, (2 / 3, 1 / 3), 0.45), (1, 0, (0.75, 0.25), 0.5)]:
        after, probability = model.update(HALF, action, observation)
        assert after == pytest.approx(belief, abs=1e-12) and probability == pytest.approx(chance, abs=1e-12)


def test_beliefs_of_the_tiger_after_agreeing_growls(tiger):
    belief = HALF
    for growls, printed in enumerate((0.85, 0.969799, 0.994534, 0.999031), start=1):
        belief, _ = tiger.update(belief, "listen", "hear left")
        assert belief[LEFT] == pytest.approx(85**growls / (85**growls + 15**growls), abs=1e-12)
        assert belief[LEFT] == pytest.approx(printed, abs=5e-7)


def test_undiscounted_values_of_the_tiger(tiger):
    printed = (-1, -2, 2.72, 2.42125, 3.60915, 5.618819, 6.24635, 7.096616)
    found = [tiger.solve(horizon=k, discounted=False)(HALF) for k in range(1, 9)]
    assert found == pytest.approx(printed, abs=5e-7)


def test_first_discounted_values_of_the_tiger(tiger):
    found = [tiger.solve(horizon=k)(HALF) for k in range(1, 6)]
    assert found == pytest.approx((-1, -1.95, 2.3098, 1.795544, 2.763096), abs=5e-7)


def test_the_converged_tiger(tiger, tiger_value):
    assert tiger_value(HALF) == pytest.approx(19.371368, abs=5e-7)
    assert tiger_value.error <= 1e-9
    opened = tiger_value.vectors[tiger_value.actions == OPEN_LEFT]
    assert opened == pytest.approx(np.array([[-81.5972, 28.4028]]), abs=5e-5)
    (low, first, left), (_, second, listen), (_, high, right) = tiger_value.regions()
    assert (left, listen, right) == (OPEN_LEFT, LISTEN, OPEN_RIGHT) and (low, high) == (0, 1)
    assert first == pytest.approx(0.039654, abs=5e-7) and second == pytest.approx(1 - 0.039654, abs=5e-7)
    assert [tiger_value.action((1 - b, b)) for b in (0.5, 0.85, 0.969799)] == [LISTEN, LISTEN, OPEN_LEFT]


def test_the_tiger_is_solved_in_time(tiger):
    for method, limit in (("exact", 10), ("pbvi", 2)):
        start = time.process_time()
        tiger.solve(method)
        assert time.process_time() - start < limit


@pytest.mark.parametrize("how", [{}, {"beliefs": GRID}, {"rng": np.random.default_rng(0), "points": 40}])
def test_pbvi_of_the_tiger_is_below_the_exact_value_and_near_it(tiger, tiger_value, how):
    gap = tiger_value(GRID) - tiger.solve("pbvi", **how)(GRID)
    assert gap.min() >= -1e-9 and gap.max() < 1e-2


def test_the_exact_value_solves_bellmans_equation_at_beliefs(tiger, tiger_value):
    """One step of expectimax onto the value itself: no backup of vectors has a part in it."""
    for belief in GRID[::10]:
        worth = []
        for action in range(3):
            after = [tiger.update(belief, action, o) for o in range(2) if (belief @ tiger.transitions[action]).any()]
            later = sum(chance * tiger_value(b) for b, chance in after)
            worth.append(belief @ tiger.expected_rewards[action] + tiger.gamma * later)
        assert tiger_value(belief) == pytest.approx(max(worth), abs=1e-8)


@few
@given(seed=seeds, n_states=st.integers(2, 3), steps=st.integers(1, 3), discounted=st.booleans())
def test_a_finite_horizon_equals_brute_force_over_the_belief_tree(seed, n_states, steps, discounted):
    model = random_pomdp(seed, n_states)
    value = model.solve(horizon=steps, discounted=discounted)
    for belief in [*np.eye(n_states), *np.random.default_rng(seed).dirichlet(np.ones(n_states), 2)]:
        right = expectimax(model, belief, steps, model.gamma if discounted else 1.0)
        assert value(belief) == pytest.approx(right, abs=1e-9)


@few
@given(seed=seeds, gamma=st.floats(0, 0.95))
def test_laws_of_the_value(seed, gamma):
    model = random_pomdp(seed, 2, gamma)
    value, bound, above = model.solve(), model.solve("pbvi", points=8), model.qmdp()
    middle = (GRID[:-1] + GRID[1:]) / 2
    assert (value(middle) <= (value(GRID[:-1]) + value(GRID[1:])) / 2 + 1e-9).all(), "convex"
    assert (value(GRID) <= above(GRID) + 1e-9).all()
    assert (value(np.eye(2)) <= model.mdp().policy_iteration().values + 1e-9).all()
    assert (bound(GRID) <= value(GRID) + 1e-9).all()
    assert value.error <= 1e-9


@few
@given(seed=seeds)
def test_an_observation_that_tells_all_makes_it_the_mdp(seed):
    blind = random_pomdp(seed, 3, gamma=0.8)
    model = POMDP(blind.transitions, [np.eye(3)] * 2, blind.expected_rewards, 0.8)
    best = model.mdp().policy_iteration().values
    assert model.solve(tol=1e-6)(np.eye(3)) == pytest.approx(best, abs=2e-6)


def test_an_observation_that_tells_nothing_leaves_plans_made_in_advance():
    """Without information a belief moves as the chain does: enumerate all sequences of 4 actions."""
    blind = random_pomdp(5, 3)
    model = POMDP(blind.transitions, np.ones((2, 3, 1)), blind.expected_rewards, 0.9)
    belief, best = np.array([0.2, 0.3, 0.5]), -np.inf
    for plan in np.ndindex(2, 2, 2, 2):
        now, worth = belief, 0.0
        for step, action in enumerate(plan):
            worth += 0.9**step * now @ model.expected_rewards[action]
            now = now @ model.transitions[action]
        best = max(best, worth)
    assert model.solve(horizon=4)(belief) == pytest.approx(best, abs=1e-12)


def test_pbvi_with_a_horizon_is_below_the_exact_value():
    model = random_pomdp(3, 3)
    beliefs = np.random.default_rng(0).dirichlet(np.ones(3), 50)
    exact, points = model.solve(horizon=4), model.solve("pbvi", horizon=4, beliefs=beliefs)
    assert (points(beliefs) <= exact(beliefs) + 1e-12).all()
    assert points(beliefs[0]) > exact(beliefs[0]) - 0.1


def test_rewards_of_every_form_are_one_model():
    base = examples.two_state_pomdp()
    long = np.broadcast_to(np.array([10.0, 0.0])[None, :, None], (2, 2, 2))
    for rewards in ([[10, 0], [10, 0]], long):
        model = POMDP(base.transitions, base.observations, rewards, 0.9)
        assert model.solve(horizon=3)(HALF) == pytest.approx(base.solve(horizon=3)(HALF), abs=1e-12)
    arrival = POMDP(base.transitions, base.observations, np.swapaxes(long, 1, 2), 0.9)
    assert arrival.expected_rewards == pytest.approx(10 * base.transitions[:, :, 0])


@few
@given(seed=seeds, n_states=st.integers(2, 4))
def test_the_beliefs_of_an_action_average_to_the_prediction(seed, n_states):
    model = random_pomdp(seed, n_states)
    belief = np.random.default_rng(seed).dirichlet(np.ones(n_states))
    for action in range(2):
        found = [model.update(belief, action, o) for o in range(2)]
        assert sum(chance for _, chance in found) == pytest.approx(1, abs=1e-12)
        mean = sum(chance * after for after, chance in found)
        assert mean == pytest.approx(belief @ model.transitions[action], abs=1e-12)


def test_a_simulation_follows_the_model_and_its_beliefs_the_filter(tiger, tiger_value):
    steps = 6_000
    walk = tiger.simulate(tiger_value, steps, np.random.default_rng(0))
    assert walk.states.shape == (steps + 1,) and walk.beliefs.shape == (steps + 1, 2)
    for t in range(50):
        after, _ = tiger.update(walk.beliefs[t], walk.actions[t], walk.observations[t])
        assert after == pytest.approx(walk.beliefs[t + 1])
        assert walk.actions[t] == tiger_value.action(walk.beliefs[t])
    assert (walk.rewards == tiger.expected_rewards[walk.actions, walk.states[:-1]]).all()
    listened = walk.actions == LISTEN
    assert (walk.states[1:] == walk.states[:-1])[listened].all()
    for happened, chance in [
        ((walk.observations == walk.states[1:])[listened], 0.85),
        ((walk.states[1:] == LEFT)[~listened], 0.5),
        ((walk.observations == LEFT)[~listened], 0.5),
    ]:
        assert abs(happened.mean() - chance) < 5 * (chance * (1 - chance) / len(happened)) ** 0.5
    surprise = (walk.states == LEFT) - walk.beliefs[:, LEFT]  # a belief is the mean of what is
    blocks = surprise[1:].reshape(100, -1).mean(axis=1)
    assert abs(blocks.mean()) < 5 * blocks.std() / 10


def test_a_simulation_shows_the_state_that_was_reached():
    model = examples.two_state_pomdp()
    walk = model.simulate(lambda belief: 1, 4_000, np.random.default_rng(2))
    for place, happened, chance in [
        ("observation", walk.observations == walk.states[1:], 0.75),
        ("swap", walk.states[1:] != walk.states[:-1], 0.9),
    ]:
        assert abs(happened.mean() - chance) < 5 * (chance * (1 - chance) / 4_000) ** 0.5, place


@few
@given(seed=seeds)
def test_values_at_the_beliefs_of_pbvi_only_rise(seed):
    model = random_pomdp(seed, 3, gamma=0.95)
    beliefs = np.random.default_rng(seed).dirichlet(np.ones(3), 2)
    steps, rewards = model._steps(0.95), model.expected_rewards
    start = alpha_vectors.blind(steps, rewards)
    found = [alpha_vectors.point_based(steps, rewards, 0.95, tol, beliefs, start)(beliefs) for tol in (99, 9, 1, 1e-9)]
    assert (np.diff([start(beliefs), *found], axis=0) >= -1e-12).all()


def test_discounted_returns_of_a_simulation_average_to_the_value(tiger, tiger_value):
    rng, weights = np.random.default_rng(1), tiger.gamma ** np.arange(160)
    returns = [tiger.simulate(tiger_value, 160, rng).rewards @ weights for _ in range(60)]
    left_out = tiger.gamma**160 * 110 / (1 - tiger.gamma)
    assert abs(np.mean(returns) - 19.371368) < 5 * np.std(returns) / 60**0.5 + left_out


def test_a_simulation_starts_where_it_is_told_and_takes_functions(tiger):
    walk = tiger.simulate(lambda belief: "open left", 3, np.random.default_rng(0), belief=(0, 1))
    assert walk.states[0] == RIGHT and walk.rewards[0] == 10 and (walk.actions == OPEN_LEFT).all()
    again = tiger.simulate(lambda belief: OPEN_LEFT, 3, np.random.default_rng(0), belief=(0, 1))
    assert (walk.rewards == again.rewards).all()


@few
@given(n_states=st.integers(1, 6), count=st.integers(1, 60))
def test_the_grid_of_beliefs_is_regular_and_within_its_size(n_states, count):
    beliefs = alpha_vectors.grid(n_states, count)
    assert len(beliefs) <= max(count, n_states) and len(np.unique(beliefs, axis=0)) == len(beliefs)
    assert beliefs.sum(axis=1) == pytest.approx(1) and beliefs.min() >= 0
    assert all((beliefs == corner).all(axis=1).any() for corner in np.eye(n_states))


@pytest.mark.parametrize("rng", [None, np.random.default_rng(0)])
def test_expansion_adds_beliefs_that_can_be_reached(tiger, rng):
    first = alpha_vectors.grid(2, 5)
    beliefs = alpha_vectors.expand(tiger.transitions, tiger.observations, 10, rng)
    assert len(beliefs) == 10 and (beliefs[:5] == first).all()
    for place in range(5, 10):
        found = [tiger.update(b, a, o)[0] for b in beliefs[:place] for a in range(3) for o in range(2)]
        assert np.abs(np.array(found) - beliefs[place]).sum(axis=1).min() < 1e-12
        assert np.abs(beliefs[:place] - beliefs[place]).sum(axis=1).min() > 1e-6


def test_a_model_draws_itself(tiger):
    said = tiger.draw().sentence
    assert "2 states and 3 actions" in said and "listen -1 in tiger left" in said
    assert tiger._repr_mimebundle_()[0]["text/plain"] == said


def test_arrays_cannot_be_changed(tiger, tiger_value):
    for array in (tiger.observations, tiger.transitions, tiger_value.vectors, tiger_value.actions):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


@pytest.mark.parametrize("method", ["exact", "pbvi"])
@pytest.mark.parametrize("tol", [1e-300, 1e-13])
def test_a_tol_below_rounding_is_refused(tiger, method, tol):
    with pytest.raises(NasbookError, match=f"tol is {tol:g}: float64 holds values of this size and gamma to"):
        tiger.solve(method, tol=tol)


def test_the_error_has_a_share_for_rounding(tiger):
    value = tiger.solve(tol=4e-12)
    assert 2 * np.finfo(float).eps * 81 / 0.05 < value.error <= 4e-12
