"""Pictures of searches: the sentences are computed from the data, and what cannot be drawn is refused."""

import numpy as np
import pandas as pd
import pytest

import nasbook as nb
from nasbook.drawing.figures.searches import regret_curves_picture, search_picture, trainings_picture


def evaluations(scores, failures=None):
    return pd.DataFrame({"score": scores, "failure": failures or [""] * len(scores)})


def test_a_search_says_its_best_and_its_failures():
    picture = search_picture(evaluations([0.1, 0.0, 0.31234, 0.31234], ["", "no memory", "", ""]), "evolution")
    assert picture.sentence == "evolution: 4 evaluations, 1 failed, best score 0.3123 at evaluation 3"
    (axes,) = picture.graph.axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert lines["failed"].get_xydata().tolist() == [[2, 0.0]]
    assert lines["best so far"].get_ydata().tolist() == [0.1, 0.1, 0.31234, 0.31234]
    with pytest.raises(nb.NasbookError, match="nothing is evaluated yet"):
        search_picture(evaluations([]), "evolution")


def test_the_truth_counts_who_looks_better_than_the_best_is():
    accuracies = [[0.5, 0.6], [0.1, 0.2], [0.4, 0.58], [0.53, 0.54]]
    picture = trainings_picture(accuracies, "test accuracy")
    assert picture.sentence == "4 architectures by test accuracy, best mean 55.0%; of 1 others a training exceeds it"
    dots, line = picture.graph.axes[0].get_lines()[:2]
    np.testing.assert_allclose(line.get_ydata(), [0.15, 0.49, 0.535, 0.55])
    np.testing.assert_allclose(dots.get_xydata()[:3], [[0, 0.1], [0, 0.2], [1, 0.4]])
    with pytest.raises(nb.NasbookError, match="accuracies has the shape"):
        trainings_picture([0.1, 0.2])


def curves(ends):
    """Regret that falls from 50% to its end after the second evaluation; the second takes 1 + seed seconds."""
    rows = [
        [method, seed, step, step * (1.0 + seed), 0.5 if step == 1 else end]
        for method, values in ends.items() for seed, end in enumerate(values) for step in (1, 2, 3)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["method", "seed", "evaluations", "seconds", "regret"])


def test_curves_over_evaluations_have_the_mean_and_its_student_interval():
    picture = regret_curves_picture(curves({"a": [0.1, 0.3], "b": [0.01, 0.02]}), exact=[0.5, 0.4, 0.3])
    # s / sqrt(2) = .1 and .005, and t(.975) with one degree of freedom is 12.706
    assert picture.sentence == (
        "regret, mean and 95% interval over 2 seeds: at the last evaluation, b 1.50% (0.00% to 7.85%); "
        "a 20.00% (0.00% to 147.06%)"
    )
    lines = {line.get_label(): line.get_xydata() for line in picture.graph.axes[0].get_lines()}
    np.testing.assert_allclose(lines["a"], [[1, 0.5], [2, 0.2], [3, 0.2]])
    assert len(lines["random search that sees the truth, exactly"]) == 3
    # the scale of the arena: log(1 + regret / .2%)
    heights = picture.graph.axes[0].transData.transform([(1, y) for y in (0.0, 0.002, 0.006)])[:, 1]
    np.testing.assert_allclose((heights[2] - heights[0]) / (heights[1] - heights[0]), 2)


def test_curves_over_seconds_begin_and_end_where_all_seeds_have_spent_as_much():
    picture = regret_curves_picture(curves({"a": [0.1, 0.3]}), "evaluations", "seconds")
    (line,) = picture.graph.axes[1].get_lines()
    at, mean = line.get_xydata().T
    # the first evaluation of seed 1 ends at 2 s and the last of seed 0 at 3 s; seed 0 has its second at 2 s
    assert at[0] == 2.0 and at[-1] == 3.0
    np.testing.assert_allclose(mean, 0.3)
    assert "at the last evaluation, a 20.00%" in picture.sentence
    assert "when the first seed has spent its time, a 30.00%" in picture.sentence


def test_what_cannot_be_drawn_is_one_sentence():
    for given, said in (
        (curves({"a": [0.1]}), "a has 1 seed"),
        (curves({str(i): [0.1, 0.2] for i in range(7)}), "there are 7 methods"),
        (curves({}), "there are 0 methods"),
    ):
        with pytest.raises(nb.NasbookError, match=said):
            regret_curves_picture(given)
    with pytest.raises(nb.NasbookError, match="unknown axis 'time'"):
        regret_curves_picture(curves({"a": [0.1, 0.2]}), "time")
