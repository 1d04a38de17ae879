"""Exercises of chapter 09: a skip's chance and penalty, the controller's reward, what shared weights are good for."""

from itertools import accumulate, combinations, permutations, product
from math import comb, exp, log

import numpy as np

from nasbook.book.exercises import Exercise
from nasbook.book.exercises.compare import cause, differs, explained, holds


def skip(q, target):
    """P(yes) under softmax([-q, q]), and the Kullback-Leibler divergence of (no, yes) from (1 - target, target)."""
    yes = 1 / (1 + exp(-2 * q))
    return yes, (1 - yes) * log((1 - yes) / (1 - target)) + yes * log(yes / target)


def _dimensions(given) -> int:
    """As NumPy counts them, but 1 for lists of unequal length: that they are no numbers is for ``differs`` to say."""
    try:
        return np.ndim(given)
    except ValueError:
        return 1


def check_skip(answer) -> str | None:
    # Published values of the specification: at target .4 and q = .5, P = .731059 and .225041 nats.
    cases = {(0.5, 0.4): (0.7310585786, 0.2250412605), (-0.5, 0.4): (0.2689414214, 0.0376688774)}
    cases[1.0, 0.25] = (0.8807970780, 0.8900027111)
    for (q, target), right in cases.items():
        given = answer(q, target)
        where = f"skip({q}, {target})"
        if not holds(given, 2):
            return f"{where} is {given!r}: a pair is wanted, the probability of yes and the penalty in nats"
        half = 1 / (1 + exp(-q))
        yes, penalty = right
        chances = {
            "the two logits are -q and q, so they differ by 2q: P(yes) is not sigmoid(q)": half,
            "this is the probability of no": 1 - yes,
        }
        if wrong := explained(given[0], yes, f"P(yes) of {where}", chances, 1e-7):
            return wrong
        penalties = {
            "this is the divergence of the target from the drawn probability: the drawn one comes first, inside and "
            "outside the logarithm": (1 - target) * log((1 - target) / (1 - yes)) + target * log(target / yes),
            "the answer no is missing: a divergence sums over both answers": yes * log(yes / target),
            "this is the code's penalty, the divergence of sigmoid(q), which is not the probability that is drawn": (
                (1 - half) * log((1 - half) / (1 - target)) + half * log(half / target)
            ),
            "this is the penalty in bits: take the natural logarithm": penalty / log(2),
        }
        if wrong := explained(given[1], penalty, f"the penalty of {where}", penalties):
            return wrong
    return None


def rewards(accuracies, entropies, weight, decay, baseline):
    """Advantages of architectures one by one, each reward entering the baseline first, and the baseline at the end."""
    found = []
    for accuracy, entropy in zip(accuracies, entropies):
        reward = accuracy + weight * entropy
        baseline -= (1 - decay) * (baseline - reward)
        found.append(reward - baseline)
    return found, baseline


def check_rewards(answer) -> str | None:
    # By hand, weight 0: b = .9 * 0 + .1 * 1 = .1, advantage .9; then b = .9 * .1 + .1 * .5 = .14, advantage .36.
    cases = [
        (([1.0, 0.5], [3.0, 3.0], 0.0, 0.9, 0.0), ([0.9, 0.36], 0.14)),
        # Rewards .4 + .1 * 2 = .6 and .8 + .1 * 1 = .9: b = .25 + .3 = .55, .05; then .275 + .45 = .725, .175.
        (([0.4, 0.8], [2.0, 1.0], 0.1, 0.5, 0.5), ([0.05, 0.175], 0.725)),
    ]
    for arguments, (gains, end) in cases:
        accuracies, entropies, weight, decay, start = arguments
        given = answer(*arguments)
        if not holds(given, 2) or _dimensions(given[0]) == 0:
            return "a pair is wanted: the list of advantages, and the baseline at the end"
        gained = np.add(accuracies, weight * np.array(entropies))
        causes = {
            # an advantage is decay times what it is against the baseline before it moves
            "the advantage is taken before the reward enters the baseline: here the baseline moves first": (
                np.divide(gains, decay)
            ),
            "the decay and its complement are exchanged: the old baseline keeps the share decay": (
                rewards(accuracies, entropies, weight, 1 - decay, start)[0]
            ),
            "the entropy is missing: it is part of the reward, times its weight": (
                rewards(accuracies, entropies, 0.0, decay, start)[0]
            ),
            "the entropy is taken off: a controller that is undecided is rewarded for it": (
                rewards(accuracies, entropies, -weight, decay, start)[0]
            ),
            "all rewards enter the baseline before any advantage: here they go one by one": gained - end,
            "the baseline moves once for the whole batch here: let it move with every reward": (
                gained - decay * start - (1 - decay) * gained.mean()
            ),
            "the baseline stands still here: let it move with every reward, before its advantage": gained - start,
        }
        wrong = differs(given[0], gains, "the list of advantages", 1e-9)
        if wrong := wrong or differs(given[1], end, "the baseline at the end", 1e-9):
            return cause(given[0], causes, 1e-9) or wrong
    return None


def saved(shared, truth):
    """(n,) scores and (n,) truths to two lists: the best of the 1, 2, ..., n ranked first, and for each the smallest
    number of blind trainings, of different architectures, whose best is expected to be at least as good."""
    order = sorted(range(len(shared)), key=lambda place: -shared[place])
    ranked = list(accumulate((float(truth[place]) for place in order), max))
    values, n = sorted(float(one) for one in truth), len(truth)
    # the best of m different ones is the i-th smallest in C(i - 1, m - 1) of C(n, m) cases
    blind = [sum(comb(i, m - 1) * one for i, one in enumerate(values)) / comb(n, m) for m in range(1, n + 1)]
    return ranked, [next((m for m, mean in enumerate(blind, 1) if mean >= best - 1e-9), n) for best in ranked]


def check_saved(answer) -> str | None:
    shared, truth = [0.31, 0.35, 0.30, 0.20, 0.33], [0.60, 0.52, 0.75, 0.66, 0.70]
    # Scores rank the truths .52, .70, .60, .75, .66 in this order. The best of two of the five is .702 in the mean;
    # of two that may be the same it would be .691, and .70 not reached.
    means = [np.mean([max(chosen) for chosen in combinations(truth, m)]) for m in range(1, 6)]
    best = [0.52, 0.70, 0.70, 0.75, 0.75]
    for places in permutations(range(5)):
        mixed, worth = (np.array([values[k] for k in places]) for values in (shared, truth))
        given = answer(mixed.copy(), worth.copy())
        if not holds(given, 2) or _dimensions(given[0]) != 1:
            return "a pair is wanted: the best of the first 1, ..., n, and how many blind trainings are worth as much"
        downwards = worth[mixed.argsort()[::-1]]
        curves = {
            "these begin with the lowest scores: sort downwards": np.maximum.accumulate(downwards[::-1]),
            "these are shared-weight scores: what counts is the truth about those that they chose": (
                np.sort(mixed)[::-1]
            ),
            "these are the truths in the order of the scores: of all that are trained the best is kept": downwards,
            "these follow the list as it is given: begin with the highest scores": np.maximum.accumulate(worth),
            "these follow the truth, which nobody knows before training": np.full(5, max(worth)),
        }
        if wrong := explained(given[0], best, "the best of the first 1 to 5", curves, 1e-12):
            return wrong
        blind = [next(m for m, mean in enumerate(means, 1) if mean >= value - 1e-9) for value in best]
        repeating = [np.mean([max(drawn) for drawn in product(truth, repeat=m)]) for m in range(1, 6)]
        drawn = [next((m for m, mean in enumerate(repeating, 1) if mean >= value - 1e-9), 5) for value in best]
        counts = {
            "these blind draws may repeat: here each training is of another architecture": drawn,
            "these are the trainings that are saved, or less: give the blind trainings themselves": np.subtract(
                blind, range(1, 6)
            ),
            "these are one too few: the expected best must reach the value": np.subtract(blind, 1),
            "these ask of each architecture that was trained how it ranks: ask for how many blind ones the expected "
            "best is as good": [1 + sum(one > value for one in worth) for value in best],
        }
        if wrong := explained(given[1], blind, "the number of blind trainings", counts, 1e-9):
            # the law with repetition comes to the very best only in the limit, so where a search for it ends is open
            if wrong in counts or _dimensions(given[1]) != 1 or differs(list(given[1])[:3], drawn[:3], "", 1e-9):
                return wrong
            return "this is the law with repetition: here all blind trainings are of different architectures"
    return None


EXERCISES = {
    "09.1": Exercise(
        check_skip,
        skip,
        "A softmax over two logits a and b gives b the chance 1 / (1 + exp(a - b)).",
        "Here a - b is -2q. The penalty sums p log(p / t) over both answers, no and yes.",
        "yes = 1 / (1 + exp(-2 * q)); the targets are 1 - target for no and target for yes.",
        "the code's penalty and the true one agree at q = 0 and near -.27; between these the code's is the stronger",
    ),
    "09.2": Exercise(
        check_rewards,
        rewards,
        "Go through the architectures one by one and carry the baseline along.",
        "The reward is accuracy + weight * entropy; the baseline becomes decay * old + (1 - decay) * reward.",
        "Only then is the advantage taken: reward minus the new baseline.",
        "so a single advantage is exactly decay times what it would be the other way round: only a rescaling",
    ),
    "09.3": Exercise(
        check_saved,
        saved,
        "`shared_scores.argsort()[::-1]` are the places from the highest score down; "
        "`np.maximum.accumulate` keeps the best so far.",
        "Sort the truths upwards. The best of m different ones is the i-th of them (i from 1) in C(i - 1, m - 1) "
        "of the C(n, m) choices; `math.comb` counts them.",
        "That gives the expected best of m blind trainings for m = 1 to n. For each value of the first curve "
        "look for the smallest m that reaches it, less a tolerance of 1e-9.",
        "with one training this is ENAS's derivation; where a count is below its place, sharing misled",
    ),
}
