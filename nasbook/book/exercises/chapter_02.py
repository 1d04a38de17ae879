"""Exercises of chapter 02, hidden Markov models."""

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from nasbook.book.exercises import Exercise
from nasbook.book.exercises.compare import differs, explained

PRIOR = np.array([0.5, 0.5])
TWO = np.array([[0.5, 0.5], [0.3, 0.7]])
HEARD = np.array([[0.75, 0.25], [0.25, 0.75]])


def filter_step(belief: np.ndarray, observation: int, transitions: np.ndarray, emissions: np.ndarray) -> np.ndarray:
    """The belief (S,) about the next state, after it emitted ``observation``; ``belief`` (S,) is about this one."""
    joint = (belief @ transitions) * emissions[:, observation]
    return joint / joint.sum()


def check_filter_step(answer: Callable) -> str | None:
    belief = np.array([0.75, 0.25])
    # predicted (.45, .55); heard O1: (.3375, .1375), sum .475
    causes = {
        "your entries sum to .475, the probability of the observation: divide by it": [0.3375, 0.1375],
        "the state moves before it is heard: predict with the transitions, then weigh with the emissions": [0.9, 0.1],
        "you weigh before you predict: the observation is about the next state": [0.48, 0.52],
        "you predict with transitions @ belief: a row holds where a state goes, so it is belief @ transitions": (
            [0.375 / 0.475, 0.1 / 0.475]
        ),
    }
    right = [0.3375 / 0.475, 0.1375 / 0.475]
    if wrong := explained(answer(belief, 0, TWO, HEARD), right, "the belief after O1", causes):
        return wrong
    given = answer(belief, 0, TWO, np.array([[0.9, 0.1], [0.4, 0.6]]))
    what = "the belief after O1, which S1 emits with .9 and S2 with .4,"
    causes = {
        "you weigh with a row of emissions, all that one state may emit: take the column, how likely each state "
        "emits this observation": np.array([0.405, 0.055]) / 0.46
    }
    if wrong := explained(given, np.array([0.405, 0.22]) / 0.625, what, causes):
        return wrong
    three = answer(belief, 2, TWO, np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]]))
    certain = answer(np.array([0.0, 1.0]), 1, np.array([[0.9, 0.1], [1.0, 0.0]]), np.array([[0.2, 0.8], [0.5, 0.5]]))
    right, what = np.array([0.045, 0.275]) / 0.32, "the belief after the last of three observations"
    return differs(three, right, what) or differs(certain, [1, 0], "the belief where only S1 can follow")


def viterbi(
    prior: np.ndarray, transitions: np.ndarray, emissions: np.ndarray, observations: Sequence[int]
) -> np.ndarray:
    """The most probable path (T,) of states."""
    with np.errstate(divide="ignore"):
        start, moves, heard = np.log(prior), np.log(transitions), np.log(emissions)
    best, pointers = start + heard[:, observations[0]], []
    for observation in observations[1:]:
        ways = best[:, None] + moves  # (S,) -> (S, S)
        pointers.append(ways.argmax(axis=0))  # (S, S) -> (S,)
        best = ways.max(axis=0) + heard[:, observation]  # (S, S) -> (S,)
    path = [int(best.argmax())]
    for before in reversed(pointers):
        path.append(int(before[path[-1]]))
    return np.array(path[::-1])


WINDING = (
    np.array([0.5, 0.3, 0.2]),
    np.array([[0.1, 0.45, 0.45], [0.9, 0.05, 0.05], [0.05, 0.05, 0.9]]),
    np.full((3, 2), 0.5),
)
TURNING = (PRIOR, np.array([[0.6, 0.4], [0.0, 1.0]]), np.array([[0.6, 0.4], [0.4, 0.6]]))


def check_viterbi(answer: Callable) -> str | None:
    cases = ((WINDING, [0, 1, 0, 1]), (TURNING, [0, 0, 1, 0, 1, 0]), ((PRIOR, TWO, HEARD), [0, 0, 1]))
    given = [answer(*model, seen) for model, seen in cases]
    wrong = [differs(one, _best(*case), f"the path for {case[1]}") for one, case in zip(given, cases)]
    if any(wrong):
        if all(isinstance(one, tuple) and len(one) == 2 and np.shape(one[0]) for one in given):
            return "you return two things, it seems the path and its probability: asked is the path alone"
        causes = {
            "each state is the most probable on its own; asked is the path that is it as a whole": _each_alone,
            "you keep the best last state at every step: note its origin and walk back at the end": (
                lambda model, seen: [_best(model, seen[:end])[-1] for end in range(1, len(seen) + 1)]
            ),
            "you choose each state after the one before, for good: keep the best way to each of them": _greedy,
            "your path runs backwards: turn it round": lambda *case: _best(*case)[::-1],
        }
        for said, mistaken in causes.items():
            if all(np.array_equal(one, mistaken(*case)) for one, case in zip(given, cases)):
                return said
        return next(filter(None, wrong))
    # rows alike: each state is chosen alone, by row * emission, however long the sequence
    rows = np.array([[0.4, 0.6], [0.4, 0.6]])
    seen = [0, 1, 1, 0] * 750
    if differs(answer(rows[0], rows, HEARD, seen), seen, "the path"):
        return "for 3,000 observations your path is wrong: such products underflow to 0, so add logarithms instead"
    return None


def _paths(model: tuple, seen: Sequence[int]) -> dict[tuple[int, ...], float]:
    """Every path with its probability."""
    prior, transitions, emissions = model
    chances = {}
    for path in product(range(len(prior)), repeat=len(seen)):
        chances[path] = prior[path[0]] * emissions[path, tuple(seen)].prod() * transitions[path[:-1], path[1:]].prod()
    return chances


def _best(model: tuple, seen: Sequence[int]) -> tuple[int, ...]:
    paths = _paths(model, seen)
    return max(paths, key=paths.__getitem__)


def _each_alone(model: tuple, seen: Sequence[int]) -> np.ndarray:
    """The state of the largest sum over all paths through it, at each time, (T,)."""
    shares = np.zeros((len(seen), len(model[0])))
    for path, chance in _paths(model, seen).items():
        shares[range(len(path)), path] += chance
    return shares.argmax(axis=1)


def _greedy(model: tuple, seen: Sequence[int]) -> np.ndarray:
    """At each time the best state after the one chosen before, (T,)."""
    prior, transitions, emissions = model
    states = [int((prior * emissions[:, seen[0]]).argmax())]
    for observation in seen[1:]:
        states.append(int((transitions[states[-1]] * emissions[:, observation]).argmax()))
    return np.array(states)


def em_step(
    prior: np.ndarray, transitions: np.ndarray, emissions: np.ndarray, sequences: Sequence[Sequence[int]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Prior (S,), transitions (S, S) and emissions (S, O) after one step of Baum-Welch over all sequences."""
    begun, moved, emitted = np.zeros_like(prior), np.zeros_like(transitions), np.zeros_like(emissions)
    for seen in sequences:
        alpha = [prior * emissions[:, seen[0]]]
        for observation in seen[1:]:
            alpha.append((alpha[-1] @ transitions) * emissions[:, observation])
        beta, total = np.ones(len(prior)), alpha[-1].sum()
        for t in reversed(range(len(seen))):
            emitted[:, seen[t]] += alpha[t] * beta / total
            if t:
                onward = emissions[:, seen[t]] * beta
                moved += alpha[t - 1][:, None] * transitions * onward / total  # (S,) -> (S, S)
                beta = transitions @ onward
        begun += alpha[0] * beta / total
    return tuple(part / part.sum(axis=-1, keepdims=True) for part in (begun, moved, emitted))


SEQUENCES = [[0, 0, 1], [1, 1, 1, 0, 1]]
NAMES = ("the prior", "the transitions", "the emissions")


def check_em_step(answer: Callable) -> str | None:
    given = answer(PRIOR, TWO, HEARD, [[0, 0, 1]])
    if not isinstance(given, tuple | list) or len(given) != 3:
        return "wanted are three arrays: prior, transitions and emissions"
    one = _counted([[0, 0, 1]])
    if wrong := _first_wrong(given, _shared(one), "O1, O1, O2"):
        _, moved, emitted = one[0]
        if not differs(given[1], moved / emitted.sum(axis=1, keepdims=True), "it"):
            return "your rows of transitions sum to less than 1: nothing follows the last state, so do not divide by it"
        return _undivided(given, one) or wrong
    several = _counted(SEQUENCES)
    given = answer(PRIOR, TWO, HEARD, SEQUENCES)
    if wrong := _first_wrong(given, _shared(several), "two sequences"):
        likelihoods = [sum(_paths((PRIOR, TWO, HEARD), seen).values()) for seen in SEQUENCES]
        causes = {
            "you average the results of the sequences: sum their counts, then divide, so that length counts": (
                [np.mean(parts, axis=0) for parts in zip(*(_shared([one]) for one in several))]
            ),
            "you glue the sequences together: no transition leads from the end of one to the start of the next": (
                _shared(_counted([[one for seen in SEQUENCES for one in seen]]))
            ),
            "a likely sequence weighs more in your sums: divide its counts by its own likelihood L first": (
                _shared([[total * part for part in parts] for parts, total in zip(several, likelihoods)])
            ),
        }
        for said, mistaken in causes.items():
            if not _first_wrong(given, mistaken, ""):
                return said
        return _undivided(given, several) or wrong
    return None


def _undivided(given: Sequence, counted: list[list[np.ndarray]]) -> str | None:
    for part, sums, name in zip(given, (np.sum(parts, axis=0) for parts in zip(*counted)), NAMES):
        if abs(sums.sum(axis=-1) - 1).max() > 1e-6 and not differs(part, sums, name):
            return f"{name}: these are the expected counts themselves: divide each row by its own sum"
    return None


def _first_wrong(given: Sequence, right: Sequence, seen: str) -> str | None:
    found = (differs(a, b, f"{name} after {seen}") for a, b, name in zip(given, right, NAMES))
    return next((wrong for wrong in found if wrong), None)


def _counted(sequences: Sequence[Sequence[int]]) -> list[list[np.ndarray]]:
    """Expected starts, moves and emissions of each sequence by enumeration of all paths."""
    result = []
    for seen in sequences:
        begun, moved, emitted = np.zeros(2), np.zeros((2, 2)), np.zeros((2, 2))
        paths = _paths((PRIOR, TWO, HEARD), seen)
        for path, chance in paths.items():
            share = chance / sum(paths.values())
            begun[path[0]] += share
            np.add.at(moved, (path[:-1], path[1:]), share)
            np.add.at(emitted, (path, tuple(seen)), share)
        result.append([begun, moved, emitted])
    return result


def _shared(counted: list[list[np.ndarray]]) -> list[np.ndarray]:
    sums = [np.sum(parts, axis=0) for parts in zip(*counted)]
    return [part / part.sum(axis=-1, keepdims=True) for part in sums]


EXERCISES = {
    "02.1": Exercise(
        check_filter_step,
        filter_step,
        "Two things happen: the state moves, then it is heard. What do you believe in between?",
        "In between it is `belief @ transitions`; hearing weighs each state by `emissions[:, observation]`.",
        "Divide by the sum at the end: that sum is the probability of the observation.",
        "predict, weigh, normalise: that is all there is to a filter",
    ),
    "02.2": Exercise(
        check_viterbi,
        viterbi,
        "Take the forward recursion and put a maximum in the place of the sum.",
        "Keep for each time and state which state the maximum came from; start at the best last state, walk back.",
        "Work with logarithms: delta_t(j) = max_i (delta_(t-1)(i) + ln P_ij) + ln B_j(o_t); ln 0 may be -inf.",
        "a maximum in the place of a sum, and a way back",
    ),
    "02.3": Exercise(
        check_em_step,
        em_step,
        "For each sequence compute alpha, beta and their likelihood L; then P(s_t) = alpha_t beta_t / L.",
        "A move i to j at t has the chance alpha_t(i) P_ij B_j(o_(t+1)) beta_(t+1)(j) / L; sum over t.",
        "Sum starts, moves and emissions over all sequences, and divide each row by its own sum only then.",
        "expected counts, then shares; start it from ten random models and see how many different ends there are",
    ),
}
