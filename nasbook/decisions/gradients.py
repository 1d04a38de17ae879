"""Policy gradients: from rewards to advantages, the exact gradient by enumeration, REINFORCE and PPO.

A policy draws token lists (``policies.Policy``), each list earns a reward R, and J is the mean reward. The gradient
of J is the mean of (R - b) times the score, the gradient of the list's log-probability, for every b that does not
depend on the list (Williams, "Simple statistical gradient-following algorithms", 1992, section 3). What turns
rewards into advantages R - b here knows rewards only, so it serves every policy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from nasbook.base import checks
from nasbook.base.errors import NasbookError, one_of
from nasbook.decisions.policies import Policy, TabularPolicy, every_list

ORDERS = ("subtract_first", "fold_first")
ENTROPIES = ("sampled", "full")

BATCHES = 100_000
"""How many batches ``batch_moments`` goes through at most."""


def leave_one_out(rewards: np.ndarray) -> np.ndarray:
    """(m,) -> (m,): each reward minus the mean of the others (Kool, van Hoof and Welling, 2019).

    Raises NasbookError for fewer than two rewards.
    """
    found = checks.numbers(rewards, "rewards", (None,))
    if len(found) < 2:
        raise NasbookError("leave-one-out needs at least two rewards in a batch, and got one")
    others = (found.sum() - found) / (len(found) - 1)
    return found - others


class MovingAverage:
    """Baseline b = exponential moving average of past rewards: called with rewards (m,), returns advantages (m,).

    ``.value`` is b, ``start`` before any reward; a batch moves it to decay * b + (1 - decay) * its mean reward.
    order "subtract_first": advantages are taken before the batch enters b, so b does not depend on its lists.
    order "fold_first": after, as ENAS's code does (melodyguan/enas). Alone in a batch, a reward then gets exactly
    ``decay`` times the other order's advantage; in a batch of m the mean gradient shrinks to 1 - (1 - decay) / m.
    """

    def __init__(self, decay: float = 0.95, start: float = 0.0, order: str = "subtract_first"):
        self.decay = checks.number(decay, "decay")
        if not 0 <= self.decay < 1:
            raise NasbookError(f"decay is {self.decay:g}: it must be at least 0 and less than 1")
        self.value = checks.number(start, "start")
        self.order = one_of(order, ORDERS, "order")

    def __call__(self, rewards: np.ndarray) -> np.ndarray:
        found, before = checks.numbers(rewards, "rewards", (None,)), self.value
        self.value = self.decay * before + (1 - self.decay) * float(found.mean())
        return found - (before if self.order == "subtract_first" else self.value)


Baseline = float | Callable[[np.ndarray], np.ndarray] | None
"""None: no baseline; a number: that constant; else a function from rewards (m,) to advantages (m,)."""


def advantages(rewards: np.ndarray, baseline: Baseline = None) -> np.ndarray:
    """(m,) -> (m,): rewards minus their baseline."""
    found = checks.numbers(rewards, "rewards", (None,))
    if callable(baseline):
        return checks.numbers(baseline(found), "advantages", found.shape)
    return found - (0.0 if baseline is None else checks.number(baseline, "baseline"))


@np.errstate(over="ignore", invalid="ignore")
def clipped_objective(new: np.ndarray, old: np.ndarray, gains: np.ndarray, clip: float = 0.2) -> float:
    """PPO's objective (Schulman et al., 2017, equation 7): mean of min(q A, clip(q, 1 - clip, 1 + clip) A).

    ``new`` and ``old`` (m,) are log-probabilities of whole lists, now and when they were drawn, q = exp(new - old);
    ``gains`` (m,) are the advantages A. Raises NasbookError if q A is not finite where it counts.
    """
    ratio, found, _ = _ratios(new, old, gains, clip)
    return float(_finite(np.minimum(ratio * found, np.clip(ratio, 1 - clip, 1 + clip) * found)).mean())


@np.errstate(over="ignore", invalid="ignore")
def clipped_weights(new: np.ndarray, old: np.ndarray, gains: np.ndarray, clip: float = 0.2) -> np.ndarray:
    """(m,) -> (m,): the weights with which ``Policy.ascend`` climbs PPO's clipped objective.

    q A where the objective is not clipped, 0 where it is: so at q = 1 this is REINFORCE.
    """
    ratio, found, clipped = _ratios(new, old, gains, clip)
    return _finite(np.where(clipped, 0.0, ratio * found))


def expected_reward(policy: TabularPolicy, rewards) -> float:
    """J, the mean reward, over all lists. ``rewards``: an array of shape ``policy.choices``, or a function."""
    lists, table = _enumerated(policy, rewards)
    return float(np.exp(policy.log_probabilities(lists)) @ table)


def exact_gradient(policy: TabularPolicy, rewards, entropy_weight: float = 0.0) -> np.ndarray:
    """(L,): gradient of J plus ``entropy_weight`` times the policy's entropy in nats, over all lists."""
    lists, table = _enumerated(policy, rewards)
    log_chance = policy.log_probabilities(lists)
    table = table - checks.number(entropy_weight, "entropy_weight") * log_chance
    return (np.exp(log_chance) * table) @ policy.scores(lists)  # (lists,) @ (lists, L) -> (L,)


def optimal_constant_baseline(policy: TabularPolicy, rewards) -> float:
    """b* = E[|s|^2 R] / E[|s|^2], s the score: the constant of least variance; J where the policy is certain."""
    lists, table = _enumerated(policy, rewards)
    weight = np.exp(policy.log_probabilities(lists)) * (policy.scores(lists) ** 2).sum(axis=1)  # (lists, L) -> (lists,)
    return float(weight @ table / weight.sum()) if weight.sum() > 0 else expected_reward(policy, table)


def estimator_variance(policy: TabularPolicy, rewards, baseline: float = 0.0) -> float:
    """Total variance (trace of the covariance) of score * (R - baseline) for one list; of m lists, 1/m of it."""
    lists, table = _enumerated(policy, rewards)
    chance, scores = np.exp(policy.log_probabilities(lists)), policy.scores(lists)
    terms = scores * (table - checks.number(baseline, "baseline"))[:, None]  # (lists, L)
    return float(chance @ (terms**2).sum(axis=1) - ((chance @ terms) ** 2).sum())


def batch_moments(policy: TabularPolicy, rewards, baseline: Baseline, batch: int) -> tuple[np.ndarray, float]:
    """Mean (L,) and total variance of the batch estimator, over every batch of ``batch`` lists.

    ``baseline`` as for ``advantages``; one that keeps state must be made afresh in each call.
    Raises NasbookError for more than ``BATCHES`` batches.
    """
    lists, table = _enumerated(policy, rewards)
    if len(lists) ** checks.whole(batch, "batch", 1) > BATCHES:
        raise NasbookError(f"{len(lists)} lists make {len(lists) ** batch:,} batches of {batch}: at most {BATCHES:,}")
    chance, scores = np.exp(policy.log_probabilities(lists)), policy.scores(lists)
    mean, square = np.zeros(scores.shape[1]), 0.0
    for drawn in map(list, product(range(len(lists)), repeat=batch)):
        estimate = advantages(table[drawn], baseline) @ scores[drawn] / batch  # (m,) @ (m, L) -> (L,)
        mean += prod(chance[drawn]) * estimate
        square += prod(chance[drawn]) * float(estimate @ estimate)
    return mean, square - float(mean @ mean)


@dataclass(frozen=True, eq=False)
class History:
    """What a search tried, step by step.

    ``tokens`` (steps, m, T) the lists drawn, ``rewards`` (steps, m) what they earned, ``baselines`` (steps,) the
    mean of what was subtracted, ``entropies`` (steps,) the policy's entropy in nats, estimated from the batch.
    """

    tokens: np.ndarray
    rewards: np.ndarray
    baselines: np.ndarray
    entropies: np.ndarray

    @property
    def best(self) -> tuple[tuple[int, ...], float]:
        """The list that earned most, the first of equals, and what it earned."""
        place = np.unravel_index(np.argmax(self.rewards), self.rewards.shape)
        return tuple(int(token) for token in self.tokens[place]), float(self.rewards[place])


def reinforce(
    policy: Policy,
    source,
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    rng: np.random.Generator,
    baseline: Baseline = None,
    entropy_weight: float = 0.0,
    entropy: str = "sampled",
    epochs: int = 1,
    clip: float | None = None,
) -> History:
    """Draw a batch, move ``policy`` towards what earned more than the baseline, again and again.

    ``source``: a Gymnasium environment whose actions are the tokens, a function from lists (m, T) to rewards (m,),
    or an array of shape ``policy.choices``. ``clip`` makes it PPO, which alone may take several ``epochs`` on a batch.
    ``entropy_weight`` adds to each reward, before the baseline, that times -log p(list) (entropy "sampled": its mean
    gradient is that of the entropy) or times the list's summed step entropies ("full": ENAS's way; the part of the
    gradient that flows through the entropies themselves is missing). Raises NasbookError for rewards that are not
    finite, for a source that does not fit the policy, and for several epochs without a clip.
    """
    if checks.whole(epochs, "epochs", 1) > 1 and clip is None:
        raise NasbookError(f"{epochs} epochs on one batch need a clip, such as clip=0.2: the policy leaves its lists")
    one_of(entropy, ENTROPIES, "entropy")
    weight = checks.number(entropy_weight, "entropy_weight")
    reward_of, kept = rewarder(source, policy.choices), []
    for _ in range(checks.whole(steps, "steps", 1)):
        tokens = policy.sample(checks.whole(batch, "batch", 1), rng)
        rewards, old = reward_of(tokens), policy.log_probabilities(tokens)
        entropies = policy.entropies(tokens)
        bonus = weight * (-old if entropy == "sampled" else entropies)
        gains = weights = advantages(rewards + bonus, baseline)
        for _ in range(epochs):
            if clip is not None:
                weights = clipped_weights(policy.log_probabilities(tokens), old, gains, clip)
            policy.ascend(tokens, weights, learning_rate=learning_rate)
        kept.append((tokens, rewards, (rewards + bonus - gains).mean(), entropies.mean()))
    return History(*map(np.array, zip(*kept)))


def rewarder(source, choices: tuple[int, ...]) -> Callable[[np.ndarray], np.ndarray]:
    """A function from lists (m, T) to rewards (m,) of an environment, a function or an array."""
    if hasattr(source, "step"):
        if getattr(source, "choices", choices) != choices:
            raise NasbookError(f"the environment has the choices {source.choices}, the policy {choices}")
        return lambda tokens: play(source, tokens)
    if callable(source):
        return lambda tokens: checks.numbers(source(tokens), "rewards", (len(tokens),))
    table = checks.numbers(source, "rewards", choices)
    return lambda tokens: table[tuple(tokens.T)]


def play(environment, tokens: np.ndarray) -> np.ndarray:
    """(m, T) -> (m,): play each list in a Gymnasium environment, token by token, and sum its rewards.

    Raises NasbookError for a list that does not end its episode.
    """
    totals = np.zeros(len(tokens))
    for place, actions in enumerate(tokens):
        environment.reset()
        for action in actions:
            _, reward, terminated, truncated, _ = environment.step(int(action))
            totals[place] += reward
            if terminated or truncated:
                break
        else:
            raise NasbookError(f"the list {actions.tolist()} is over and the environment's episode is not")
    return totals


def _enumerated(policy: TabularPolicy, rewards) -> tuple[np.ndarray, np.ndarray]:
    """All lists (lists, T) and their rewards (lists,)."""
    lists = every_list(policy.choices)
    if hasattr(rewards, "step") or callable(rewards):
        return lists, rewarder(rewards, policy.choices)(lists)
    return lists, checks.numbers(rewards, "rewards", policy.choices, (len(lists),)).ravel()  # (c1, ..., cT) -> (lists,)


def _finite(terms: np.ndarray) -> np.ndarray:
    if not np.isfinite(terms).all():
        raise NasbookError("exp(new - old) times an advantage is not finite: the log-probabilities are too far apart")
    return terms


def _ratios(new, old, gains, clip: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ratio q, advantages, and where the clipped branch is the smaller one; all (m,)."""
    if not 0 < checks.number(clip, "clip") < 1:
        raise NasbookError(f"clip is {clip:g}: it must lie between 0 and 1")
    found = checks.numbers(gains, "advantages", (None,))
    now, then = (checks.numbers(one, "log-probabilities", found.shape) for one in (new, old))
    ratio = np.exp(now - then)
    return ratio, found, np.where(found > 0, ratio > 1 + clip, ratio < 1 - clip)
