"""Hidden Markov models and what they refuse."""

import numpy as np
import pytest

from nasbook.base.errors import NasbookError
from nasbook.decisions import HMM

TWO = [[0.5, 0.5], [0.3, 0.7]]
HEARD = [[0.75, 0.25], [0.25, 0.75]]
NEVER = HMM([1, 0], np.eye(2), np.eye(2))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: NEVER.filter([0, 0, 1]), r"observations\[2\] is O2: impossible .* after the observations before"),
        (lambda: NEVER.smooth([1, 0]), r"observations\[0\] is O2: impossible .* as the first observation"),
        (lambda: NEVER.viterbi([0, 1]), r"observations\[1\] is O2"),
        (lambda: NEVER.fit([[0, 0], [0, 0, 0, 1]]), r"sequences\[1\]\[3\] is O2"),
        (lambda: NEVER.filter([]), "at least one"),
        (lambda: NEVER.log_likelihood([[0, 1]]), "flat sequence"),
        (lambda: NEVER.log_likelihood([[0], [0, 1]]), "flat sequence"),
        (lambda: NEVER.filter([0, 2]), "unknown observation 2: valid are 0 to 1 or O1, O2"),
        (lambda: NEVER.filter([0, -1]), "unknown observation -1"),
        (lambda: NEVER.filter(["O1", "o2"]), "did you mean 'O2'"),
        (lambda: NEVER.fit([]), "sequences must be"),
        (lambda: NEVER.fit(3), "sequences must be"),
        (lambda: NEVER.fit("O1"), "sequences must be"),
        (lambda: NEVER.fit([[0], []]), "at least one"),
        (lambda: NEVER.fit([0], max_iter=0), "max_iter is 0"),
        (lambda: NEVER.fit([0], tol=np.nan), "tol is nan"),
        (lambda: NEVER.simulate(0, np.random.default_rng(0)), "steps is 0"),
        (lambda: HMM([0.5, 0.6], TWO, HEARD), "prior sums to 1.1"),
        (lambda: HMM([0.5, 0.5], TWO, [[0.75, 0.2], [0.25, 0.75]]), r"emissions\[0\] sums to 0.95"),
        (lambda: HMM([0.5, 0.5], [[1.2, -0.2], [0, 1]], HEARD), r"transitions\[0, 1\] is -0.2"),
        (lambda: HMM([0.5, 0.5], np.eye(3), HEARD), r"shape \(3, 3\), must be \(2, 2\)"),
        (lambda: HMM([0.5, 0.5], TWO, [HEARD[0]]), r"shape \(1, 2\), must be \(2, any\)"),
        (lambda: HMM([0.5, 0.5], TWO, HEARD, observation_names=("x",)), "observation names"),
    ],
)
def test_bad_input_gets_one_sentence(call, said):
    with pytest.raises(NasbookError, match=said) as error:
        call()
    assert "\n" not in str(error.value)


def test_impossible_sequences_have_likelihood_zero():
    assert NEVER.likelihood([0, 1]) == 0 and NEVER.log_likelihood([0, 1, 0]) == -np.inf
    assert NEVER.forward([0, 1])[-1].tolist() == [0, 0]
