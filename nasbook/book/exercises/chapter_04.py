"""Exercises of chapter 04: the belief update, the backup of alpha-vectors, how often to read a noisy ranking."""

from itertools import product

import numpy as np

from nasbook.book.exercises import Exercise
from nasbook.book.exercises.compare import differs, explained

MOVES = np.array([[[0.5, 0.5], [0.3, 0.7]], [[0.1, 0.9], [0.9, 0.1]]])
SHOWS = np.array([[[0.75, 0.25], [0.25, 0.75]], [[0.6, 0.4], [0.1, 0.9]]])


def update(belief, transitions, observations, action, observation):
    joint = belief @ transitions[action] * observations[action, :, observation]
    return joint / joint.sum()


def backup(vectors, transitions, observations, rewards, gamma):
    plans = []
    for moves, shows, pays in zip(transitions, observations, rewards):
        # weight[s, s'] = P(s' | s, a) O(o | s', a), one (K, S) array of continuations an observation
        after = [gamma * vectors @ (moves * shows[:, o]).T for o in range(shows.shape[1])]
        for chosen in product(range(len(vectors)), repeat=len(after)):
            plans.append(pays + sum(one[index] for one, index in zip(after, chosen)))
    return np.array(plans)


def reading_worth(accuracy, cost, readings):
    def worth(belief, left):
        stop = max(belief, 1 - belief)
        if not left:
            return stop
        says_first = belief * accuracy + (1 - belief) * (1 - accuracy)
        first = worth(belief * accuracy / says_first, left - 1)
        second = worth(belief * (1 - accuracy) / (1 - says_first), left - 1)
        return max(stop, says_first * first + (1 - says_first) * second - cost)

    return worth(0.5, readings)


def _check_update(answer):
    belief = np.array([0.2, 0.8])
    # by hand: the prediction is (.34, .66); times (.75, .25) it is (.255, .165), and their sum is .42
    causes = {
        "this sums to .42, the probability of the observation: divide by the sum": (0.255, 0.165),
        "the matrix is turned round: row s of transitions[a] leads out of s, so it is belief @ transitions[a]": (
            (0.375 / 0.53, 0.155 / 0.53)
        ),
        "the observation weighs the state that was left: it is shown by the state that was reached, so move first and "
        "weigh then": (0.135 / 0.35, 0.215 / 0.35),
        "the belief did not move: apply transitions[a] before the observation": (0.15 / 0.35, 0.2 / 0.35),
        "this is the prediction, before anything is seen: weigh it by observations[a, :, o]": (0.34, 0.66),
    }
    right, what = (0.255 / 0.42, 0.165 / 0.42), "the belief after a0 and O1 from (.2, .8)"
    if wrong := explained(answer(belief, MOVES, SHOWS, 0, 0), right, what, causes):
        return wrong
    # prediction (.74, .26) under a1; times (.4, .9) it is (.296, .234), times the row (.1, .9) it is (.074, .234)
    causes = {
        "the matrix of observations is turned round: row s' of observations[a] belongs to the state s' that was "
        "reached, so take the column observations[a, :, o]": (0.074 / 0.308, 0.234 / 0.308)
    }
    right, what = (0.296 / 0.53, 0.234 / 0.53), "the belief after a1 and O2 from (.2, .8)"
    return explained(answer(belief, MOVES, SHOWS, 1, 1), right, what, causes)


def _check_backup(answer):
    vectors, rewards, gamma = np.array([[4.0, 0.0], [1.0, 2.5], [0.0, 3.0]]), np.array([[1.0, 0.0], [0.0, 0.5]]), 0.5
    found = answer(vectors, MOVES, SHOWS, rewards, gamma)
    plans = len(found) if np.iterable(found) and hasattr(found, "__len__") else 1
    if wrong := differs(found, np.zeros((max(plans, 1), 2)), "the set of vectors, one row a plan,", np.inf):
        return wrong
    beliefs = [np.array([share, 1 - share]) for share in np.linspace(0, 1, 11)]
    given = np.array([max(belief @ vector for vector in np.asarray(found, dtype=float)) for belief in beliefs])

    def envelope(later, factor=gamma):
        """The value at each belief, if ``later(belief, moves, shows)`` is what comes after an action."""
        return [
            max(b @ pays + factor * later(b, *model) for *model, pays in zip(MOVES, SHOWS, rewards)) for b in beliefs
        ]

    def best(*weights):
        return sum(max(weight @ vector for vector in vectors) for weight in weights)

    def right(belief, moves, shows):
        return best(*(belief @ moves * shows.T))

    causes = {
        "the future counts in full: multiply the continuations by gamma": envelope(right, 1.0),
        "one vector serves for both observations: a plan may go on differently after each": envelope(
            lambda belief, moves, shows: best(belief @ moves)
        ),
        "the best vector is chosen state by state, as if the state were seen: choose whole vectors": envelope(
            lambda belief, moves, shows: (belief @ moves) @ vectors.max(axis=0)
        ),
        "the observation is that of the state that was left: weigh by observations[a, s', o]": envelope(
            lambda belief, moves, shows: best(*(belief * shows.T) @ moves)
        ),
        "the matrix of transitions is turned round: transitions[a, s, s'] leads from s to s'": envelope(
            lambda belief, moves, shows: right(belief, moves.T, shows)
        ),
        "the matrix of observations is turned round: observations[a, s', o] has a row for each state s' that was "
        "reached": envelope(lambda belief, moves, shows: right(belief, moves, shows.T)),
        "both matrices are turned round: transitions[a, s, s'] leads from s to s', and observations[a, s', o] has a "
        "row for each state s' that was reached": envelope(
            lambda belief, moves, shows: right(belief, moves.T, shows.T)
        ),
        "the product is turned round: a vector over the states s' that are reached becomes one over the states s that "
        "are left, by summing over s'": envelope(lambda belief, moves, shows: best(*(belief * shows.T) @ moves.T)),
    }
    return explained(given, envelope(right), "the value at beliefs 0, .1, ..., 1", causes)


def _check_reading(answer):
    # by hand, accuracy .6, cost .02: one reading is worth .6 - .02; of three, the second and third are worth
    # their price only together: .52 * .36 / .52 + .48 * (.6 - .02) - .02 = .6184 after the first
    causes = {
        "all readings are taken whatever they say: stop as soon as going on is worth less": 0.588,
        "you look one reading ahead: from .6 no single reading pays, two do; let a reading be worth what the best "
        "policy makes of it": 0.58,
        "this has no price: each reading costs `cost`": 0.648,
        "the first reading is free in this: each reading costs `cost`": 0.6184,
    }
    wrong = explained(answer(0.6, 0.02, 3), 0.5984, "the worth at accuracy .6, cost .02, 3 readings", causes, 1e-9)
    for case in ((0.6, 0.02, 0), (0.7, 0.01, 6), (0.9, 0.2, 4), (0.5, 0.01, 3)):
        wrong = wrong or differs(answer(*case), _by_counts(*case), f"the worth at {case}", 1e-9)
    return wrong


def _by_counts(accuracy, cost, readings):
    """The same without a belief: joint probabilities of ``first`` and ``second`` votes for either cell."""

    def worth(first, second):
        one = accuracy**first * (1 - accuracy) ** second / 2
        two = accuracy**second * (1 - accuracy) ** first / 2
        if first + second == readings:
            return max(one, two)
        go_on = worth(first + 1, second) + worth(first, second + 1) - cost * (one + two)
        return max(one, two, go_on)

    return worth(0, 0)


EXERCISES = {
    "04.1": Exercise(
        _check_update,
        update,
        "Two steps: where the action leads, then how well each state explains what was seen.",
        "`belief @ transitions[action]` is the prediction, (S,); `observations[action, :, observation]` weighs it.",
        "Multiply the two, and divide by the sum of the product.",
        "one step of a hidden Markov model's filter, with the action choosing the matrix",
    ),
    "04.2": Exercise(
        _check_backup,
        backup,
        "A plan of one more step: an action, and for each observation one of the given vectors to go on with.",
        "A vector v after observation o is worth gamma sum_s' P(s' | s, a) O(o | s', a) v(s') in state s.",
        "For each action loop over itertools.product(range(len(vectors)), repeat=number of observations).",
        "this is the whole of exact value iteration but for the pruning: A K^O plans from K",
    ),
    "04.3": Exercise(
        _check_reading,
        reading_worth,
        "What is known is the belief b that the first cell is the better; stopping is worth max(b, 1 - b).",
        "A reading says `first` with probability b q + (1 - b)(1 - q); Bayes gives the belief after it.",
        "worth(b, n) = max(stop, mean of worth(b', n - 1) over what is read, minus cost); begin at b = .5.",
        "reading on is planned, not decided one reading at a time: information pays when it changes the choice",
    ),
}
