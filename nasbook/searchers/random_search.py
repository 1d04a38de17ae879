"""Random search: evaluate architectures drawn uniformly, keep the best. The baseline that every search has to beat.

Li & Talwalkar, "Random Search and Reproducibility for Neural Architecture Search", UAI 2019, arXiv 1902.07638. DARTS
(Liu et al., 2019, arXiv 1806.09055, section 3.2) compares itself with the best of 24 random cells.
"""

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import Field

from nasbook.spaces.tokens import TRIES, Tokens, random_tokens
from nasbook.trials.running import Trial, TrialConfig


class Config(TrialConfig):
    """``batch``: how many are proposed at once, to be evaluated in parallel. ``distinct``: no token list twice; the
    search then ends where ``TRIES`` draws find no new one."""

    evaluations: int = Field(24, gt=0)
    batch: int = Field(1, gt=0, le=10_000)
    distinct: bool = False


PROFILES: Mapping[str, Mapping[str, Any]] = {
    "smoke": {"evaluations": 100},
    "lesson": {"evaluations": 1000},
    "paper": {},
}
"""At smoke and lesson size for evaluations that cost nothing; the published one has few, because each is a training."""


def search(trial: Trial) -> None:
    """Draw and evaluate until the budget is spent; what is found is argmax over a_1, ..., a_n uniform of score(a)."""
    config, seen = trial.config, set()
    while True:
        batch = [tokens for _ in range(config.batch) if (tokens := draw(trial, seen)) is not None]
        if not batch:
            return
        trial.evaluate_tokens(batch)


def draw(trial: Trial, seen: set[Tokens]) -> Tokens | None:
    """A uniform token list; if they are to be distinct, one that is not ``seen``, and None if none is found."""
    if not trial.config.distinct:
        return random_tokens(trial.space, trial.rng)
    if (tokens := unseen(trial, seen)) is not None:
        seen.add(tokens)
    return tokens


def unseen(trial: Trial, seen: Collection[Tokens]) -> Tokens | None:
    """A uniform one of the token lists that are not ``seen``; None if ``TRIES`` draws find none."""
    for _ in range(TRIES):
        tokens = random_tokens(trial.space, trial.rng)
        if tokens not in seen:
            return tokens
    return None
