"""An architecture search as a decision process: states are partial token lists, the last token earns the accuracy.

So every agent for discrete environments can search, and every policy over token lists too (Zoph and Le, "Neural
Architecture Search with Reinforcement Learning", ICLR 2017: the list of tokens is the list of actions). The toy
search space below has a formula behind it, not a measurement.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from math import isinf, isnan, nan
from operator import mul

import gymnasium
import numpy as np
from gymnasium import spaces

from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.decisions.mdps import MDP
from nasbook.decisions.policies import every_list

STATES = 1_000
"""How many states ``to_mdp`` writes down at most: its arrays are dense."""

TOY = (
    ("pool", "conv 3x3", "conv 5x5"),
    ("16 filters", "32 filters"),
    ("pool", "conv 3x3", "conv 5x5"),
    ("16 filters", "32 filters"),
    ("no skip", "skip"),
)
"""Tokens of the toy: operation and width of layer 1, the same of layer 2, a connection that skips layer 2."""


class ArchitectureEnv(gymnasium.Env):
    """Write an architecture token by token; each token earns 0, the last one the architecture's accuracy.

    ``choices`` (T,): how many tokens each step has. ``accuracy``: a function of the tuple of tokens, a mapping from
    such tuples, or an array of shape ``choices``. It is not negative; None or NaN is a failure, which earns 0.
    ``names``: for each step the names of its tokens, if they have any.

    The observation is the number of the token list so far: 0 the empty list, then all lists of one token, of two,
    and so on, each length in lexicographic order; the highest number is "no architecture". ``info`` holds "tokens",
    the list; "action_mask" (A,) int8, 1 for each token that the next step has, A being the most of any step; and
    "failed". A token that its step does not have is a failure: the episode ends in "no architecture" and earns 0.
    Raises NasbookError for an action outside 0 to A - 1, a step after the end, and a list without an accuracy.
    """

    def __init__(self, choices: Sequence[int], accuracy: Callable | Mapping | Sequence, names: Sequence = ()):
        self.choices = checks.sizes_of(choices)
        counts = list(accumulate(self.choices, mul, initial=1))
        self._first = list(accumulate(counts, initial=0))
        if self._first[-1] >= 2**62:
            raise NasbookError(
                f"the choices {self.choices} make {self._first[-1]:.2g} partial lists: too many to number"
            )
        self.observation_space = spaces.Discrete(self._first[-1] + 1)
        self.action_space = spaces.Discrete(max(self.choices))
        if isinstance(accuracy, Mapping):
            self._accuracy = dict(accuracy)
        elif callable(accuracy):
            self._accuracy = accuracy
        else:
            self._accuracy = np.array(accuracy, dtype=object)
            if self._accuracy.shape != self.choices:
                raise NasbookError(f"accuracy has the shape {self._accuracy.shape}, must be {self.choices}")
        if len(names) not in (0, len(self.choices)):
            raise NasbookError(f"names are given for {len(names)} of {len(self.choices)} steps")
        self.names = tuple(checks.labels(one, size, "token", "t") for one, size in zip(names, self.choices))
        self._tokens: tuple[int, ...] = ()
        self._over = True

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[int, dict]:
        """Begin with the empty list. Nothing is drawn, so ``seed`` changes nothing."""
        super().reset(seed=seed)
        self._tokens, self._over = (), False
        return 0, self._info(failed=False)

    def step(self, action: int) -> tuple[int, float, bool, bool, dict]:
        """Append a token; see the class."""
        if self._over:
            raise NasbookError("no architecture is under way: reset the environment first")
        token = checks.index(action, max(self.choices), "token")
        self._tokens = (*self._tokens, token)
        possible = token < self.choices[len(self._tokens) - 1]
        self._over = not possible or len(self._tokens) == len(self.choices)
        earned = self._earned(self._tokens) if self._over and possible else None
        state = self.number(self._tokens) if possible else self._first[-1]
        return state, earned or 0.0, self._over, False, self._info(failed=self._over and earned is None)

    def number(self, tokens: Sequence[int]) -> int:
        """The observation that stands for a list of 0 to T tokens."""
        if len(tokens) > len(self.choices):
            raise NasbookError(f"a list has at most {len(self.choices)} tokens, not {len(tokens)}")
        place = 0
        for step, (token, size) in enumerate(zip(tokens, self.choices)):
            place = place * size + checks.index(token, size, f"token of step {step}")
        return self._first[len(tokens)] + place

    def write(self, policy: Sequence[int]) -> tuple[int, ...]:
        """The architecture that a deterministic policy, one token for each observation, writes."""
        tokens: tuple[int, ...] = ()
        for step, size in enumerate(self.choices):
            tokens += (checks.index(policy[self.number(tokens)], size, f"token of step {step}"),)
        return tokens

    def table(self) -> np.ndarray:
        """What every architecture earns, an array of shape ``choices``. Raises NasbookError for too many."""
        lists = every_list(self.choices)
        return np.array([self._earned(tuple(map(int, one))) or 0.0 for one in lists]).reshape(self.choices)

    def to_mdp(self, gamma: float = 0.99) -> MDP:
        """The same search with all odds known: states are the observations, rewards (A, S).

        A complete list is left by no action. Raises NasbookError for more than ``STATES`` states.
        """
        n_states, n_actions = int(self.observation_space.n), int(self.action_space.n)
        if n_states > STATES:
            raise NasbookError(f"the search has {n_states:,} states: an MDP is written down for at most {STATES:,}")
        into = np.tile(np.arange(n_states), (n_actions, 1))  # (A, S)
        rewards, names = np.zeros((n_actions, n_states)), ["start"]
        for length, size in enumerate(self.choices):
            found = self._first[length] + np.arange(self._first[length + 1] - self._first[length])
            into[:, found] = n_states - 1
            into[:size, found] = self._first[length + 1] + np.arange(len(found) * size).reshape(-1, size).T
            names += [" ".join(map(str, one)) for one in every_list(self.choices[: length + 1])]
        rewards[: self.choices[-1], self._first[-3] : self._first[-2]] = self.table().reshape(-1, self.choices[-1]).T
        actions = tuple(str(token) for token in range(n_actions))
        transitions = np.eye(n_states)[into]  # (A, S) -> (A, S, S)
        return MDP(transitions, rewards, gamma, states=(*names, "no architecture"), actions=actions)

    def describe(self, tokens: Sequence[int]) -> str:
        """A list of tokens in words, or in numbers where they have no names."""
        self.number(tokens)
        return ", ".join(self.names[step][token] if self.names else str(token) for step, token in enumerate(tokens))

    def _info(self, failed: bool) -> dict:
        mask = np.zeros(max(self.choices), dtype=np.int8)
        if not self._over:
            mask[: self.choices[len(self._tokens)]] = 1
        return {"tokens": self._tokens, "action_mask": mask, "failed": failed}

    def _earned(self, tokens: tuple[int, ...]) -> float | None:
        """The accuracy of a complete list, None for a failure."""
        if isinstance(self._accuracy, Mapping):
            if tokens not in self._accuracy:
                raise NasbookError(f"the table has no accuracy for the architecture {tokens}")
            value = self._accuracy[tokens]
        else:
            value = self._accuracy(tokens) if callable(self._accuracy) else self._accuracy[tokens]
        try:
            found = nan if value is None else float(value)
        except (TypeError, ValueError):
            raise NasbookError(f"the accuracy of {tokens} is {value!r}: it must be a number or None") from None
        if found < 0 or isinf(found):
            raise NasbookError(f"the accuracy of {tokens} is {found}: it must be finite and not negative")
        return None if isnan(found) else found


def toy_accuracy(tokens: Sequence[int]) -> float | None:
    """Our toy, a formula and no measurement: two layers, each an operation and a width, and a skip connection.

    .50, plus .10 for each 3x3 and .12 for each 5x5 convolution, .04 for each convolution with 32 filters, .06 if the
    two operations differ, .01 for a 5x5 in layer 1; minus .10 for two 5x5 with 32 filters; a skip connection adds .05
    over a convolution behind a convolution, else it costs .05. Two pools leave no image: a failure, None.
    """
    first, wide_first, second, wide_second, skip = tokens
    if first == second == 0:
        return None
    value = 0.50 + (0.0, 0.10, 0.12)[first] + (0.0, 0.10, 0.12)[second] + 0.06 * (first != second)
    value += 0.04 * (wide_first * (first > 0) + wide_second * (second > 0)) + 0.01 * (first == 2)
    value -= 0.10 * (first == second == 2 and wide_first == wide_second == 1)
    return round(value + skip * (0.05 if first and second else -0.05), 10)


def toy_environment() -> ArchitectureEnv:
    """The toy search: 72 architectures of five tokens, ``toy_accuracy`` as reward, the tokens named as in ``TOY``."""
    return ArchitectureEnv([len(names) for names in TOY], toy_accuracy, TOY)
