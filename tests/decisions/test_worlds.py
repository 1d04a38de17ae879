"""Grid worlds and MDPs as environments: Gymnasium's own cliff, Russell and Norvig's printed values, frequencies."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from scipy import stats

from nasbook import NasbookError
from nasbook.decisions import MDP, cliff_walking, examples, grid_world, slippery_grid
from nasbook.decisions.worlds import CLIFF

WORLDS = {
    "two states": lambda: examples.two_state_mdp().to_gymnasium(),
    "cliff": lambda: cliff_walking().to_gymnasium(),
    "slippery": lambda: slippery_grid().to_gymnasium(horizon=50),
}


@pytest.mark.parametrize("build", WORLDS.values(), ids=WORLDS)
@pytest.mark.filterwarnings("ignore:.*Not able to test alternative render modes")
def test_gymnasiums_checker_passes(build):
    check_env(build())


def test_the_cliff_is_gymnasiums():
    ours, theirs = cliff_walking(), gymnasium.make("CliffWalking-v1").unwrapped
    place = {row * 12 + column: state for state, (row, column) in enumerate(ours.cells)}
    paid = ours.mdp.transition_rewards()
    for number, state in place.items():
        for action in range(4):
            ((probability, into, reward, terminated),) = theirs.P[number][action]
            if ours.mdp.terminal[state]:
                continue
            assert ours.mdp.transitions[action, state, place[into]] == probability == 1
            assert paid[action, state, place[into]] == reward
            assert ours.mdp.terminal[place[into]] == terminated
    assert ours.cells[ours.start] == (3, 0) and len(ours.cells) == 38


def test_the_slippery_grid_has_the_printed_values():
    """Russell and Norvig, 3rd edition, figure 17.3: no discount, -.04 a step."""
    world = slippery_grid(gamma=1 - 1e-9)
    values = dict(zip(world.cells, world.mdp.policy_iteration().values))
    printed = [(0.812, 0.868, 0.918), (0.762, None, 0.660), (0.705, 0.655, 0.611, 0.388)]
    for row, line in enumerate(printed):
        for column, value in enumerate(line):
            if value is not None:
                assert values[row, column] == pytest.approx(value, abs=5e-4)


def test_slipping_goes_half_to_each_side_and_a_wall_holds():
    world = slippery_grid(slip=0.2)
    number = {cell: state for state, cell in enumerate(world.cells)}
    up, right = world.mdp.transitions[0], world.mdp.transitions[1]
    assert up[number[2, 0]][[number[1, 0], number[2, 0], number[2, 1]]] == pytest.approx([0.8, 0.1, 0.1])
    assert right[number[1, 0]][[number[1, 0], number[0, 0], number[2, 0]]] == pytest.approx([0.8, 0.1, 0.1])
    assert up[number[0, 3], number[0, 3]] == 1 and world.mdp.terminal[number[0, 3]]


def test_two_ways_into_one_cell_are_paid_by_their_mean():
    world = grid_world(["SC", ".G"], 0.5, rewards={".": -1, "C": -100, "G": 5}, slip=0.5)
    up, right = 0, 1
    # Up bumps (.5), slips left against the rim (.25), slips right over the cliff and back to the start (.25).
    assert world.mdp.transitions[up, 0].tolist() == [1, 0, 0]
    assert world.mdp.expected_rewards[up, 0] == pytest.approx(0.75 * -1 + 0.25 * -100)
    assert world.mdp.expected_rewards[right, 1] == pytest.approx(0.5 * 5 + 0.5 * -1)


def test_an_edge_path_and_what_it_pays():
    world = cliff_walking()
    path, total = world.greedy_path(world.mdp.policy_iteration().policy)
    assert total == -13
    assert [world.cells[state] for state in path] == [(3, 0), *((2, column) for column in range(12)), (3, 11)]
    stuck, total = world.greedy_path(["up"] * 38, steps=20)
    assert len(stuck) == 21 and total == -20


def test_an_environment_moves_as_the_model_says():
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.ones(4), size=(2, 4))
    rows[0, 0] = [0.5, 0, 0.5, 0]
    mdp = MDP(rows, rng.normal(size=(2, 4, 4)), 0.9)
    env = mdp.to_gymnasium()
    counts = np.zeros((2, 4, 4))
    state, _ = env.reset(seed=1)
    for action in rng.integers(2, size=40_000):
        into, reward, terminated, truncated, _ = env.step(action)
        assert reward == mdp.rewards[action, state, into] and not (terminated or truncated)
        counts[action, state, into] += 1
        state = into
    assert (counts[rows == 0] == 0).all()
    chi_square = ((counts - counts.sum(axis=2, keepdims=True) * rows) ** 2)[rows > 0]
    chi_square = (chi_square / (counts.sum(axis=2, keepdims=True) * rows)[rows > 0]).sum()
    assert chi_square < stats.chi2.ppf(1 - 1e-4, df=(rows > 0).sum() - 8)


def test_an_episode_begins_where_it_is_told_and_ends_at_its_horizon():
    mdp = examples.two_state_mdp()
    env = mdp.to_gymnasium(horizon=3, start="S2")
    assert env.reset(seed=0) == (1, {})
    assert [env.step(0)[2:4] for _ in range(3)] == [(False, False), (False, False), (False, True)]
    starts = [mdp.to_gymnasium(start=[0.25, 0.75]).reset(seed=seed)[0] for seed in range(2000)]
    assert abs(np.mean(starts) - 0.75) < 5 * (0.75 * 0.25 / 2000) ** 0.5
    world = slippery_grid()
    firsts = {world.mdp.to_gymnasium().reset(seed=seed)[0] for seed in range(300)}
    assert firsts == set(np.flatnonzero(~world.mdp.terminal))
    assert {world.to_gymnasium().reset(seed=seed)[0] for seed in range(20)} == {world.start}


def test_reaching_the_goal_terminates_even_at_the_horizon():
    env = grid_world(["SG"]).to_gymnasium(horizon=1)
    env.reset(seed=0)
    assert env.step(1) == (1, -1.0, True, True, {})


def after_the_end():
    env = grid_world(["SG"]).to_gymnasium()
    env.reset(seed=0)
    env.step(1)
    env.step(1)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: grid_world([]), "rows of letters"),
        (lambda: grid_world(None), "rows of letters, all of one length, not None"),
        (lambda: grid_world(3), "rows of letters, all of one length, not 3"),
        (lambda: grid_world(["SG"], rewards=[1]), r"rewards must be a mapping .* not \[1\]"),
        (lambda: grid_world(["S" + "." * 79, *["." * 80] * 78, "." * 79 + "G"]), "6,400 cells does not fit.*5,500"),
        (lambda: grid_world(["S.", "G"]), "all of one length"),
        (lambda: grid_world(["SG", ".g"]), "unknown letter in a layout 'g'.*did you mean 'G'"),
        (lambda: grid_world(["SSG"]), "has 2 S"),
        (lambda: grid_world(["S.."]), "at least one G or T"),
        (lambda: grid_world(["SG"], slip=1.5), "slip is 1.5"),
        (lambda: grid_world(["SG"], rewards={"#": 1}), "unknown letter in rewards '#'"),
        (lambda: grid_world(["SG"], rewards={"G": np.nan}), r"rewards\['G'\] is nan"),
        (lambda: grid_world(["SG"]).to_gymnasium(horizon=0), "horizon is 0"),
        (lambda: grid_world(["SG"]).mdp.to_gymnasium(start=1), "row 1, column 2: that state is terminal"),
        (lambda: grid_world(["SG"]).mdp.to_gymnasium(start=[0.5, 0.4]), "start sums to 0.9"),
        (lambda: grid_world(["SG"]).mdp.to_gymnasium(start=[[1, 0], [1]]), "start must be a rectangular array"),
        (lambda: grid_world(["SG"]).greedy_path([1]), "one action for each of the 2 states"),
        (lambda: MDP([[[1]]], [0], 0.5).to_gymnasium(), "every state of this model is terminal"),
        (lambda: examples.two_state_mdp().to_gymnasium().step(0), "call reset"),
        (after_the_end, "call reset"),
        (lambda: unknown_action("jump"), "unknown action 'jump'"),
        (lambda: unknown_action(4), "unknown action 4"),
    ],
)
def test_what_is_no_world_is_refused_in_one_sentence(act, said):
    with pytest.raises(NasbookError, match=said):
        act()


def unknown_action(action):
    env = cliff_walking().to_gymnasium()
    env.reset(seed=0)
    env.step(action)


def test_the_drawing_of_the_cliff_is_four_rows_of_twelve():
    assert [len(line) for line in CLIFF] == [12] * 4 and CLIFF[3].count("C") == 10


def test_every_episode_has_its_whole_horizon():
    env = examples.two_state_mdp().to_gymnasium(horizon=3)
    for _ in range(2):
        env.reset(seed=0)
        assert [env.step(0)[3] for _ in range(3)] == [False, False, True]
