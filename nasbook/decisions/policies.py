"""Policies over token lists: what a controller of an architecture search is, and the simplest of them, a table.

An architecture is written as a list of T tokens; token t is one of ``choices[t]``. A policy draws lists, knows
their log-probabilities and moves its parameters. ``Policy`` is all that the learning of ``gradients`` asks for,
so an LSTM under another library can stand behind it (Zoph and Le, "Neural Architecture Search with Reinforcement
Learning", ICLR 2017). ``TabularPolicy`` has one row of logits for each partial list: small enough to enumerate.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import prod
from operator import mul
from typing import Protocol

import numpy as np
from scipy.special import log_softmax

from nasbook.base import checks
from nasbook.base.errors import NasbookError

LISTS = 1_000_000
"""How many token lists, or logits, a table may have: all of them are held at once."""

ENTRIES = 25_000_000
"""How many numbers (lists x logits) ``TabularPolicy.scores`` may return: 2e8 bytes."""


class Policy(Protocol):
    """A distribution over token lists (m, T), tokens int64 from 0, that can be drawn from and moved."""

    choices: tuple[int, ...]

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """``count`` independent lists, (count, T). A policy with a generator of its own seeds it from ``rng``."""

    def log_probabilities(self, tokens: np.ndarray) -> np.ndarray:
        """(m, T) -> (m,): natural logarithm of each whole list's probability."""

    def entropies(self, tokens: np.ndarray) -> np.ndarray:
        """(m, T) -> (m,): entropy of the next token in nats, summed over the steps of each list.

        Its mean over drawn lists estimates the entropy of the policy without bias (chain rule).
        """

    def ascend(self, tokens: np.ndarray, weights: np.ndarray, *, learning_rate: float) -> None:
        """One step uphill along the mean over the m lists of weight times gradient of the list's log-probability.

        ``weights`` (m,) are advantages, or what PPO makes of them. A policy with an optimizer of its own takes
        ``learning_rate`` as that optimizer's.
        """


class TabularPolicy:
    """Softmax of logits: ``tables[t]``, shape ``choices[:t + 1]``, holds a row for each list of t tokens.

    ``.choices`` (T,), ``.parameters`` (L,) all logits, table after table, read-only; ``ascend`` and ``move``
    replace them. Raises NasbookError for tables whose shapes do not grow by one axis a step, and for more than
    ``LISTS`` logits.
    """

    def __init__(self, tables: Sequence):
        if not tables:
            raise NasbookError("a policy needs a table of logits for each step, such as [[0, 0]]")
        self.choices = checks.numbers(tables[-1], f"tables[{len(tables) - 1}]", (None,) * len(tables)).shape
        _limited(self.choices)
        found = [
            checks.numbers(table, f"tables[{step}]", self.choices[: step + 1]).ravel()
            for step, table in enumerate(tables)
        ]
        self.parameters = checks.numbers(np.concatenate(found), "logits")

    @classmethod
    def uniform(cls, choices: Sequence[int]) -> TabularPolicy:
        """All logits 0: every list is equally likely. Raises NasbookError for a step without a choice."""
        sizes = checks.sizes_of(choices)
        _limited(sizes)
        return cls([np.zeros(sizes[: step + 1]) for step in range(len(sizes))])

    @property
    def tables(self) -> list[np.ndarray]:
        """The logits step by step, each of shape ``choices[:t + 1]``, read-only."""
        cuts = list(accumulate(accumulate(self.choices, mul)))[:-1]
        shapes = [self.choices[: step + 1] for step in range(len(self.choices))]
        return [part.reshape(shape) for part, shape in zip(np.split(self.parameters, cuts), shapes)]

    def sample(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """``count`` independent lists, (count, T)."""
        checks.generator(rng)
        tokens = np.empty((checks.whole(count, "count", 1), len(self.choices)), dtype=np.int64)
        row = np.zeros(count, dtype=np.int64)
        for step, (table, size) in enumerate(zip(self.tables, self.choices)):
            chance = np.exp(log_softmax(table.reshape(-1, size)[row], axis=1))  # (rows, c) -> (m, c)
            below = rng.random((count, 1)) >= chance.cumsum(axis=1)[:, :-1]  # (m, c - 1)
            tokens[:, step] = below.sum(axis=1)  # (m, c - 1) -> (m,)
            row = row * size + tokens[:, step]
        return tokens

    def log_probabilities(self, tokens: np.ndarray) -> np.ndarray:
        """(m, T) -> (m,): natural logarithm of each whole list's probability."""
        return sum(
            np.take_along_axis(chance, token[:, None], axis=1)[:, 0]  # (m, c) -> (m,)
            for chance, token, _ in self._steps(tokens)
        )

    def entropies(self, tokens: np.ndarray) -> np.ndarray:
        """(m, T) -> (m,): entropy of the next token in nats, summed over the steps of each list."""
        return -sum((np.exp(chance) * chance).sum(axis=1) for chance, _, _ in self._steps(tokens))  # (m, c) -> (m,)

    def scores(self, tokens: np.ndarray) -> np.ndarray:
        """(m, T) -> (m, L): gradient of each list's log-probability in all logits.

        In the row of each partial list that was passed: one at the token taken, minus the probabilities.
        Raises NasbookError for more than ``ENTRIES`` numbers.
        """
        tokens = listed(tokens, self.choices)
        if len(tokens) * len(self.parameters) > ENTRIES:
            raise NasbookError(
                f"the scores of {len(tokens):,} lists in {len(self.parameters):,} logits are more than {ENTRIES:,} "
                "numbers: take fewer lists or a smaller table"
            )
        found = np.zeros((len(tokens), len(self.parameters)))
        lists = np.arange(len(tokens))[:, None]
        for chance, token, first in self._steps(tokens):
            row = first[:, None] + np.arange(chance.shape[1])  # (m,) -> (m, c)
            found[lists, row] = (row == first[:, None] + token[:, None]) - np.exp(chance)
        return found

    def ascend(self, tokens: np.ndarray, weights: np.ndarray, *, learning_rate: float) -> None:
        """Add ``learning_rate`` times the mean over the lists of weight times score to the logits."""
        tokens = listed(tokens, self.choices)
        found = checks.numbers(weights, "weights", (len(tokens),))
        self.move(checks.number(learning_rate, "learning_rate") * (found @ self.scores(tokens)) / len(found))

    def move(self, step: np.ndarray) -> None:
        """Add ``step`` (L,) to the logits. Raises NasbookError if they would not stay finite."""
        added = checks.numbers(step, "step of the logits", self.parameters.shape)
        self.parameters = checks.numbers(self.parameters + added, "logits", self.parameters.shape)

    def _steps(self, tokens: np.ndarray):
        """For each step: log-probabilities (m, c) of its tokens, the token (m,), where its row begins (m,)."""
        tokens = listed(tokens, self.choices)
        row, first = np.zeros(len(tokens), dtype=np.int64), 0
        for table, size, token in zip(self.tables, self.choices, tokens.T):
            yield log_softmax(table.reshape(-1, size)[row], axis=1), token, first + row * size
            row, first = row * size + token, first + table.size


def listed(tokens, choices: Sequence[int]) -> np.ndarray:
    """``tokens`` as int64 (m, T) with each token among the choices of its step.

    Raises NasbookError naming the first that is not.
    """
    try:
        found = np.asarray(tokens)
    except ValueError:
        raise NasbookError(f"token lists must all have {len(choices)} tokens, and these differ in length") from None
    if found.ndim != 2 or found.shape[1] != len(choices) or not len(found) or found.dtype.kind not in "iu":
        raise NasbookError(
            f"token lists must be whole numbers of shape (lists, {len(choices)}), not {found.dtype} {found.shape}"
        )
    bad = np.argwhere((found < 0) | (found >= np.array(choices)))
    if len(bad):
        where, step = bad[0]
        raise NasbookError(
            f"tokens[{where}, {step}] is {found[where, step]}: step {step} has the tokens 0 to {choices[step] - 1}"
        )
    return found.astype(np.int64)


def every_list(choices: Sequence[int]) -> np.ndarray:
    """All token lists, (lists, T), the last token counting fastest. Raises NasbookError for more than ``LISTS``."""
    sizes = checks.sizes_of(choices)
    _limited(sizes)
    return np.indices(sizes).reshape(len(sizes), -1).T  # (T, c1, ..., cT) -> (lists, T)


def _limited(choices: tuple[int, ...]) -> None:
    if prod(choices) > LISTS:
        raise NasbookError(f"the choices {choices} make {prod(choices):,} token lists: a table holds at most {LISTS:,}")
