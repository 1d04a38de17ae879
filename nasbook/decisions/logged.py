"""Off-policy evaluation: what would another policy have earned, judged from a log that this one wrote.

Round i of the log holds the arm a_i, its reward r_i and its propensity mu_i, the probability with which the
logging policy chose it in that context. ``target`` is the policy to be judged, pi: (rounds, arms), a row of
probabilities for each logged context, or (arms,) if it is the same in all. ``model``, of the same shapes, is
a guess q of each arm's mean reward. The weight of a round is w_i = pi(a_i) / mu_i.

No estimator can speak of an arm that pi takes and the log cannot: mu must be positive wherever pi is.
Dudik, Erhan, Langford and Li, "Doubly Robust Policy Evaluation and Optimization" (Statistical Science 2014).
"""

from dataclasses import dataclass

import numpy as np

from nasbook.base import checks
from nasbook.base.errors import NasbookError


@dataclass(frozen=True)
class Estimate:
    """A ``value`` with its ``standard_error`` and the ends of a 95% Student-t interval (rounds - 1).

    The interval takes the rounds for independent and many: it is too short where a few large weights rule,
    and it does not cover the bias of a clipped weight or a wrong model.
    """

    value: float
    standard_error: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4f} (95% interval {self.low:.4f} to {self.high:.4f})"


@np.errstate(over="ignore", invalid="ignore")
def ips(arms, rewards, propensities, target) -> Estimate:
    """Inverse propensity scoring, mean w r: unbiased, and wild where mu is small.

    Raises NasbookError, as all estimators here, for a propensity that is not in (0, 1], a target row that is
    no distribution, an unknown arm, lengths that differ, fewer than two rounds and a result that overflows.
    """
    w = importance_weights(arms, propensities, target)
    return _mean(w * _rewards(rewards, len(w)))


@np.errstate(over="ignore", invalid="ignore")
def snips(arms, rewards, propensities, target) -> Estimate:
    """Self-normalised IPS, sum w r / sum w: a little biased, bounded by the rewards seen, often much calmer.

    Standard error by the delta method. Also raises NasbookError if all weights are zero. Swaminathan and
    Joachims (NeurIPS 2015).
    """
    w = importance_weights(arms, propensities, target)
    r = _rewards(rewards, len(w))
    if not w.any():
        raise NasbookError("all weights are zero: the target never takes an arm that was logged")
    value = float((w * r).sum() / w.sum())
    return _mean(value + w * (r - value) / w.mean())


@np.errstate(over="ignore", invalid="ignore")
def clipped_ips(arms, rewards, propensities, target, clip: float) -> Estimate:
    """IPS with weights cut at ``clip``: less variance for a bias, downwards if rewards are not negative.

    Also raises NasbookError for clip <= 0. Ionides, "Truncated importance sampling" (2008).
    """
    limit = checks.positive(clip, "clip")
    w = importance_weights(arms, propensities, target)
    return _mean(np.minimum(w, limit) * _rewards(rewards, len(w)))


def direct_method(target, model) -> Estimate:
    """The model's word for it, mean sum_a pi q: as biased as the model.

    At least one of the two has a row a round. The interval knows only how contexts vary; where they do not,
    it is a point and says nothing about the truth. Raises NasbookError for shapes that do not agree.
    """
    pi, q = _agreeing(target, model)
    return _mean((pi * q).sum(axis=-1))  # (rounds, arms) -> (rounds,)


@np.errstate(over="ignore", invalid="ignore")
def doubly_robust(arms, rewards, propensities, target, model) -> Estimate:
    """The model's word, corrected where it can be checked: mean of sum_a pi q + w (r - q(a)).

    Unbiased if the propensities are right or the model is. Raises NasbookError as ``ips`` does.
    """
    w = importance_weights(arms, propensities, target)
    r = _rewards(rewards, len(w))
    pi, q = _agreeing(target, model, len(w))
    return _mean((pi * q).sum(axis=-1) + w * (r - _taken(q, arms)))  # (rounds, arms) -> (rounds,)


def importance_weights(arms, propensities, target) -> np.ndarray:
    """w = pi(a) / mu of each round, (rounds,). Raises NasbookError as ``ips`` does."""
    mu = checks.numbers(propensities, "propensities", (None,))
    bad = np.flatnonzero((mu <= 0) | (mu > 1))
    if len(bad):
        raise NasbookError(
            f"propensities[{bad[0]}] is {mu[bad[0]]:g}: an arm that was taken had a probability above 0 and at most 1"
        )
    pi = _each_round(checks.rows(target, "target", (None,), (None, None)), "target", len(mu))
    return _taken(pi, arms) / mu


def effective_sample_size(weights) -> float:
    """(sum w)^2 / sum w^2: as many rounds of equal weight would estimate a mean about as well.

    Raises NasbookError for a negative weight and for weights that are all zero. Kong (1992).
    """
    w = checks.numbers(weights, "weights", (None,))
    if w.min() < 0 or not w.any():
        raise NasbookError(f"weights must not be negative nor all zero, and the smallest here is {w.min():g}")
    w = w / w.max()  # so that squares neither overflow nor vanish
    return float(w.sum() ** 2 / (w**2).sum())


def _taken(values: np.ndarray, arms) -> np.ndarray:
    taken = checks.indices(arms, values.shape[1], "arm")
    if len(taken) != len(values):
        raise NasbookError(f"there are {len(values)} propensities and {len(taken)} arms: give one of each a round")
    return values[np.arange(len(values)), taken]  # (rounds, arms) -> (rounds,)


def _agreeing(target, model, rounds: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    pi = checks.rows(target, "target", (None,), (None, None))
    q = checks.numbers(model, "model", (None,), (None, None))
    if pi.shape[-1] != q.shape[-1]:
        raise NasbookError(f"target has {pi.shape[-1]} arms and model {q.shape[-1]}")
    rounds = rounds or next((len(rows) for rows in (pi, q) if rows.ndim == 2), None)
    if rounds is None:
        raise NasbookError("target and model are each one row: give at least one of them with a row a round")
    return _each_round(pi, "target", rounds), _each_round(q, "model", rounds)


def _each_round(rows: np.ndarray, what: str, rounds: int) -> np.ndarray:
    if rows.ndim == 2 and len(rows) != rounds:
        raise NasbookError(f"{what} has {len(rows)} rows for {rounds} rounds: give one a round, or a single flat row")
    return np.broadcast_to(rows, (rounds, rows.shape[-1]))


def _rewards(values, rounds: int) -> np.ndarray:
    r = checks.numbers(values, "rewards", (None,))
    if len(r) != rounds:
        raise NasbookError(f"there are {rounds} propensities and {len(r)} rewards: give one of each a round")
    return r


@np.errstate(over="ignore", invalid="ignore")
def _mean(terms: np.ndarray) -> Estimate:
    """The mean of independent terms, (rounds,), and its interval."""
    from scipy.special import stdtrit

    if len(terms) < 2:
        raise NasbookError("an interval needs at least two rounds, and the log has one")
    value, error = float(terms.mean()), float(terms.std(ddof=1) / len(terms) ** 0.5)
    if not np.isfinite([value, error]).all():
        raise NasbookError("the estimate is not finite: a propensity is too small, or a reward or the model too large")
    half = float(stdtrit(len(terms) - 1, 0.975)) * error
    return Estimate(value, error, value - half, value + half)
