"""Policies that learn which arm to pull: epsilon-greedy, LinUCB, Thompson sampling, UCB1, Exp3.

``bandits`` says what they share. Equal scores (to 1e-12 of the largest) go to the arm with the lowest index, so that
a policy without chance of its own repeats itself. ``update`` wants the context and arm of the choice just made.
"""

import numpy as np

from nasbook.base import checks
from nasbook.base.errors import NasbookError
from nasbook.decisions.chains import tower

SINGULAR = "the contexts seen are nearly collinear and ridge, (noise / prior)^2, is lost in rounding: take a larger one"


class FixedPolicy:
    """Draws each arm with a fixed probability, (arms,), and never learns.

    Raises NasbookError for a row that is no distribution.
    """

    def __init__(self, probabilities):
        self._row = checks.rows(probabilities, "probabilities", (None,))
        self.arms = len(self._row)

    def probabilities(self, context=None) -> np.ndarray:
        return self._row

    def choose(self, context, rng: np.random.Generator) -> int:
        return draw(self._row, rng)

    def update(self, context, arm: int, reward: float) -> None:
        """Learns nothing."""


class LinearModel:
    """Ridge regression of rewards on features: one weight vector an arm, or one ``shared`` by all.

    A = ridge I + sum x x^T and b = sum r x run over the rounds of an arm (shared: over all rounds); ``.A``
    (models, features, features), ``.b`` (models, features), with models = arms or 1. A shared model needs
    contexts with a row an arm. Raises NasbookError for ridge <= 0.
    """

    def __init__(self, arms: int, features: int = 1, ridge: float = 1.0, shared: bool = False):
        self.arms = checks.whole(arms, "arms", 1)
        self.features = checks.whole(features, "features", 1)
        self.shared = shared
        models = 1 if shared else self.arms
        self.A = np.tile(checks.positive(ridge, "ridge") * np.eye(self.features), (models, 1, 1))
        self.b = np.zeros((models, self.features))

    @property
    def theta(self) -> np.ndarray:
        """A^-1 b: (arms, features), or (features,) if shared."""
        solved = solve(self.A, self.b[..., None])[..., 0]  # (models, features, 1) -> (models, features)
        return solved[0] if self.shared else solved

    def rows(self, context) -> np.ndarray:
        """The context as (arms, features). Raises NasbookError for another shape."""
        flat = () if self.shared and self.arms > 1 else ((self.features,),)
        given = checks.numbers(context, "context", (self.arms, self.features), *flat)
        return np.broadcast_to(given, (self.arms, self.features))

    def predict(self, context) -> np.ndarray:
        """x . theta of each arm, (arms,)."""
        return (self.rows(context) * self.theta).sum(axis=-1)  # (arms, features) -> (arms,)

    def widths(self, context) -> np.ndarray:
        """sqrt(x^T A^-1 x) of each arm, (arms,)."""
        rows = self.rows(context)
        solved = solve(self.A, rows[..., None])[..., 0]  # (arms, features, 1) -> (arms, features)
        return np.sqrt((rows * solved).sum(axis=-1))  # (arms, features) -> (arms,)

    def update(self, context, arm: int, reward: float) -> None:
        x = self.rows(context)[checks.index(arm, self.arms, "arm")]
        r = checks.number(reward, "reward")
        model = 0 if self.shared else arm
        self.A[model] += np.outer(x, x)  # (features,) -> (features, features)
        self.b[model] += r * x


class EpsilonGreedy(LinearModel):
    """The arm with the best prediction; with probability ``epsilon`` any arm, drawn uniformly.

    With one feature and the constant context the model is each arm's mean reward, shrunk by ``ridge``.
    Raises NasbookError for epsilon outside [0, 1]. Sutton and Barto (2018), section 2.4.
    """

    def __init__(self, arms: int, epsilon: float, features: int = 1, ridge: float = 1.0, shared: bool = False):
        super().__init__(arms, features, ridge, shared)
        self.epsilon = checks.share(epsilon, "epsilon")

    def probabilities(self, context) -> np.ndarray:
        return self.epsilon / self.arms + (1 - self.epsilon) * np.eye(self.arms)[best(self.predict(context))]

    def choose(self, context, rng: np.random.Generator) -> int:
        return draw(self.probabilities(context), rng)


class LinUCB(LinearModel):
    """The arm with the largest x . theta + width sqrt(x^T A^-1 x), an upper end of what its mean may be.

    Disjoint is algorithm 1 of Li, Chu, Langford and Schapire (WWW 2010) with their alpha as ``width``;
    ``shared`` has one theta, as OFUL has (Abbasi-Yadkori, Pal and Szepesvari, NeurIPS 2011). Before an arm is
    known its theta is 0, so a width below sqrt(ridge) |theta| may leave the best arm untried for ever. Raises
    NasbookError for a negative width.
    """

    def __init__(self, arms: int, features: int, width: float = 1.0, ridge: float = 1.0, shared: bool = False):
        super().__init__(arms, features, ridge, shared)
        self.width = checks.number(width, "width")
        if self.width < 0:
            raise NasbookError(f"width is {self.width:g}: a bound above the mean needs at least 0")

    def scores(self, context) -> np.ndarray:
        """Upper confidence bound of each arm, (arms,)."""
        return self.predict(context) + self.width * self.widths(context)

    def choose(self, context, rng: np.random.Generator) -> int:
        return best(self.scores(context))

    def probabilities(self, context) -> np.ndarray:
        return np.eye(self.arms)[best(self.scores(context))]


class LinearThompsonSampling(LinearModel):
    """The arm that is best under weights drawn from their posterior, N(theta, noise^2 A^-1).

    Exact if rewards have Gaussian noise of standard deviation ``noise`` and each weight the prior
    N(0, prior^2), that is ridge = (noise / prior)^2. Raises NasbookError for noise or prior <= 0. Agrawal and
    Goyal (ICML 2013), algorithm 1.
    """

    def __init__(self, arms: int, features: int = 1, noise: float = 1.0, prior: float = 1.0, shared: bool = False):
        self.noise = checks.positive(noise, "noise")
        super().__init__(arms, features, (self.noise / checks.positive(prior, "prior")) ** 2, shared)

    def draw_theta(self, rng: np.random.Generator) -> np.ndarray:
        """Weights from the posterior: (arms, features), or (features,) if shared."""
        # L^-T z has the covariance (L L^T)^-1 = A^-1
        try:
            upper = np.swapaxes(np.linalg.cholesky(self.A), -1, -2)
        except np.linalg.LinAlgError:
            raise NasbookError(SINGULAR) from None
        noise = solve(upper, checks.generator(rng).standard_normal((*self.b.shape, 1)))[..., 0]
        return self.theta + self.noise * (noise[0] if self.shared else noise)

    def choose(self, context, rng: np.random.Generator) -> int:
        return best((self.rows(context) * self.draw_theta(rng)).sum(axis=-1))  # (arms, features) -> (arms,)


class ThompsonSampling:
    """The arm that is best under means drawn from their posteriors Beta(1 + successes, 1 + failures).

    Rewards are the share of ones among ``trials`` flips, as a ``BernoulliBandit`` pays them. Raises
    NasbookError for a reward that no such share is. Thompson (Biometrika 1933).
    """

    def __init__(self, arms: int, trials: int = 1):
        self.arms = checks.whole(arms, "arms", 1)
        self.trials = checks.whole(trials, "trials", 1)
        self.successes = np.zeros(self.arms)
        self.failures = np.zeros(self.arms)

    def choose(self, context, rng: np.random.Generator) -> int:
        return best(checks.generator(rng).beta(1 + self.successes, 1 + self.failures))

    def update(self, context, arm: int, reward: float) -> None:
        given = checks.share(reward, "reward")
        ones = round(given * self.trials)
        if abs(ones - given * self.trials) > 1e-6:
            raise NasbookError(f"reward is {given:g}: it must be a share of ones among {self.trials} trials")
        self.successes[checks.index(arm, self.arms, "arm")] += ones
        self.failures[arm] += self.trials - ones


class UCB1:
    """The arm with the largest mean + sqrt(2 ln n / n_a), for rewards in [0, 1].

    ``.counts`` (arms,) is n_a and n its sum; an arm not yet pulled comes first. Auer, Cesa-Bianchi and
    Fischer (2002), figure 1. Raises NasbookError for a reward outside [0, 1].
    """

    def __init__(self, arms: int):
        self.arms = checks.whole(arms, "arms", 1)
        self.counts = np.zeros(self.arms)
        self.sums = np.zeros(self.arms)

    def index(self) -> np.ndarray:
        """Upper confidence bound of each arm, (arms,); infinite where nothing is known."""
        pulled = np.maximum(self.counts, 1)
        bound = self.sums / pulled + np.sqrt(2 * np.log(max(self.counts.sum(), 1)) / pulled)
        return np.where(self.counts > 0, bound, np.inf)

    def choose(self, context, rng: np.random.Generator) -> int:
        return best(self.index())

    def probabilities(self, context=None) -> np.ndarray:
        return np.eye(self.arms)[best(self.index())]

    def update(self, context, arm: int, reward: float) -> None:
        self.sums[checks.index(arm, self.arms, "arm")] += checks.share(reward, "reward")
        self.counts[arm] += 1


class Exp3:
    """Exponential weights on estimated rewards: no assumption on how rewards in [0, 1] come about.

    p_a = (1 - mixing) w_a / sum w + mixing / arms, and w_a grows by exp(mixing estimate_a / arms). Auer,
    Cesa-Bianchi, Freund and Schapire (2002), figure 1, with their gamma as ``mixing``. Raises NasbookError
    for mixing outside (0, 1] and a reward outside [0, 1].
    """

    def __init__(self, arms: int, mixing: float = 0.1):
        self.arms = checks.whole(arms, "arms", 1)
        self.mixing = checks.share(checks.positive(mixing, "mixing"), "mixing")
        self.log_weights = np.zeros(self.arms)

    def probabilities(self, context=None) -> np.ndarray:
        weights = np.exp(self.log_weights - self.log_weights.max())
        return (1 - self.mixing) * weights / weights.sum() + self.mixing / self.arms

    def choose(self, context, rng: np.random.Generator) -> int:
        return draw(self.probabilities(), rng)

    def estimate(self, arm: int, reward: float) -> np.ndarray:
        """Reward over probability for the pulled arm, zero elsewhere, (arms,): unbiased for every arm's reward."""
        pulled = np.eye(self.arms)[checks.index(arm, self.arms, "arm")]
        return pulled * checks.share(reward, "reward") / self.probabilities()

    def update(self, context, arm: int, reward: float) -> None:
        self.log_weights += self.mixing / self.arms * self.estimate(arm, reward)


def best(scores: np.ndarray) -> int:
    """The first arm whose score, (arms,), is the largest, to 1e-12 of its modulus."""
    top = scores.max()
    return int(np.argmax(scores >= top - (1e-12 * abs(top) if np.isfinite(top) else 0)))


def draw(probabilities: np.ndarray, rng: np.random.Generator) -> int:
    """An arm drawn from ``probabilities`` (arms,)."""
    return int(np.searchsorted(tower(probabilities), checks.generator(rng).random(), side="right"))


def solve(matrices: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """A^-1 b of each model. Raises NasbookError where A is singular to rounding."""
    try:
        return np.linalg.solve(matrices, sides)
    except np.linalg.LinAlgError:
        raise NasbookError(SINGULAR) from None
