"""Bandits: choose an arm, see the reward of that arm alone, choose better next time.

A context is (features,), known before the choice and the same for all arms, or (arms, features), one row an
arm; a bandit without contexts shows the constant (1,). What the policies of ``explorers`` share:

    choose(context, rng) -> arm         whatever it draws comes from rng
    update(context, arm, reward)        learns from the reward of the chosen arm
    probabilities(context) -> (arms,)   the law of choose; Thompson sampling has no simple one and leaves it out

Lattimore and Szepesvari, "Bandit Algorithms" (2020), chapters 4 (regret) and 19 (linear rewards).
"""

from dataclasses import dataclass

import numpy as np

from nasbook.base import checks
from nasbook.base.errors import NasbookError


class BernoulliBandit:
    """Arms that pay the share of ``trials`` independent coin flips that came up one.

    ``means`` (arms,) are the probabilities of a one. With ``trials=n`` a reward is an accuracy on n fresh
    images; with 1 it is 0 or 1. Raises NasbookError for means outside [0, 1] and trials below 1.
    """

    def __init__(self, means, trials: int = 1):
        self.means = checks.numbers(means, "means", (None,))
        bad = np.flatnonzero((self.means < 0) | (self.means > 1))
        if len(bad):
            raise NasbookError(f"means[{bad[0]}] is {self.means[bad[0]]:g}: a probability lies in [0, 1]")
        self.trials = checks.whole(trials, "trials", 1)
        self.arms = len(self.means)

    def context(self, rng: np.random.Generator) -> np.ndarray:
        """The constant context (1,); nothing is drawn."""
        return np.ones(1)

    def expected(self, context=None) -> np.ndarray:
        """Mean reward of each arm, (arms,)."""
        return self.means

    def pull(self, arm: int, rng: np.random.Generator, context=None) -> float:
        """A reward of ``arm``, in [0, 1]. Raises NasbookError for an unknown arm."""
        mean = self.means[checks.index(arm, self.arms, "arm")]
        return float(checks.generator(rng).binomial(self.trials, mean) / self.trials)


class LinearBandit:
    """Arms whose mean reward is linear in the context, with Gaussian noise.

    ``contexts`` (contexts, features) or (contexts, arms, features), drawn uniformly; ``weights`` (arms,
    features), or (features,) shared by all arms, which needs contexts with a row an arm; ``noise`` is the
    standard deviation. The mean reward of arm a is x_a . weights_a. Raises NasbookError for shapes that do
    not agree and for negative noise.
    """

    def __init__(self, contexts, weights, noise: float = 0.1):
        self.contexts = checks.numbers(contexts, "contexts", (None, None), (None, None, None))
        self.weights = checks.numbers(weights, "weights", (None,), (None, None))
        self.noise = checks.number(noise, "noise")
        if self.noise < 0:
            raise NasbookError(f"noise is {self.noise:g}: a standard deviation is not negative")
        arms = {len(rows) for rows in (self.contexts[0], self.weights) if rows.ndim == 2}
        if len(arms) != 1 or self.contexts.shape[-1] != self.weights.shape[-1]:
            raise NasbookError(
                f"contexts {self.contexts.shape} and weights {self.weights.shape} do not agree: the last sizes "
                "(features) must be equal, and one of the two must have rows for the arms, or both as many"
            )
        (self.arms,) = arms

    def context(self, rng: np.random.Generator) -> np.ndarray:
        """One of the contexts, (features,) or (arms, features)."""
        return self.contexts[checks.generator(rng).integers(len(self.contexts))]

    def expected(self, context) -> np.ndarray:
        """Mean reward of each arm, (arms,), at ``context``. Raises NasbookError for a wrong shape."""
        rows = checks.numbers(context, "context", self.contexts.shape[1:])
        return (rows * self.weights).sum(axis=-1)  # (features,) or (arms, features) -> (arms,)

    def pull(self, arm: int, rng: np.random.Generator, context) -> float:
        """A reward of ``arm`` at ``context``. Raises NasbookError for an unknown arm or a wrong context."""
        mean = self.expected(context)[checks.index(arm, self.arms, "arm")]
        return float(mean + self.noise * checks.generator(rng).standard_normal())


@dataclass(frozen=True, eq=False)
class Log:
    """What was played, one entry a round.

    ``contexts`` (rounds, features) or (rounds, arms, features), ``arms`` (rounds,), ``rewards`` (rounds,),
    ``propensities`` (rounds,) the probability with which the policy chose its arm (NaN where it has no
    ``probabilities``), ``regret`` (rounds,) the best arm's mean reward minus the chosen arm's.
    """

    contexts: np.ndarray
    arms: np.ndarray
    rewards: np.ndarray
    propensities: np.ndarray
    regret: np.ndarray


def play(environment, policy, steps: int, rng: np.random.Generator) -> Log:
    """``steps`` rounds of context, choice, reward, update.

    Regret is the expected one (Lattimore and Szepesvari 2020, section 4.4): it counts means, not the luck of
    rewards. Raises NasbookError if policy and environment have different numbers of arms, and for an ``rng`` that is
    no generator, an environment that pays nothing or a policy that does not choose.
    """
    if not hasattr(environment, "pull"):
        raise NasbookError(f"the environment is {type(environment).__name__}: it must be a bandit, with a method pull")
    if not hasattr(policy, "choose"):
        raise NasbookError(f"the policy is {type(policy).__name__}: it must have a method choose, as UCB1 has")
    if policy.arms != environment.arms:
        raise NasbookError(f"the policy has {policy.arms} arms and the environment {environment.arms}")
    checks.generator(rng)
    law = getattr(policy, "probabilities", None)
    rounds = []
    for _ in range(checks.whole(steps, "steps", 1)):
        context = environment.context(rng)
        means = environment.expected(context)
        row = law(context) if law else np.full(policy.arms, np.nan)
        arm = policy.choose(context, rng)
        reward = environment.pull(arm, rng, context)
        policy.update(context, arm, reward)
        rounds.append((context, arm, reward, row[arm], means.max() - means[arm]))
    return Log(*(np.array(column) for column in zip(*rounds)))
