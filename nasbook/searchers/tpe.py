"""TPE: model what good architectures have that others lack, and ask for more of it; Optuna's sampler.

Bergstra, Bardenet, Bengio & Kégl, "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011, section 4; as it stands
in Optuna (Akiba et al., KDD 2019, arXiv 1907.10902), which Watanabe, 2023, arXiv 2304.11127, explains. Each decision is
a categorical parameter, modelled by itself: what two of them do together is not seen.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from pydantic import Field

from nasbook.base.errors import NasbookError
from nasbook.spaces.tokens import TRIES, Tokens, TokenSpace, is_valid
from nasbook.trials.interface import Evaluator
from nasbook.trials.running import Trial, TrialConfig


class Config(TrialConfig):
    """Optuna's settings: ``startup`` random architectures, then the best of ``candidates`` drawn for each decision."""

    evaluations: int = Field(1000, gt=0)
    startup: int = Field(10, gt=0)
    candidates: int = Field(24, gt=0)


PROFILES: Mapping[str, Mapping[str, Any]] = {
    "smoke": {"evaluations": 100},
    "lesson": {},
    "paper": {},
}


def check(evaluator: Evaluator, config: Config) -> None:
    """Raise NasbookError where Optuna is missing."""
    library()


def search(trial: Trial) -> None:
    """Ask Optuna for an architecture and tell it the score, until the budget is spent. Of each decision it asks for

        argmax of l(x) / g(x) over draws x from l

    where l is the density of x among the better architectures so far and g that among the others (equation 3).
    """
    config = trial.config
    with silent(library()) as optuna:
        sampler = optuna.samplers.TPESampler(
            seed=int(trial.rng.integers(2**32)),
            n_startup_trials=config.startup,
            n_ei_candidates=config.candidates,
        )
        study = optuna.create_study(direction="maximize", sampler=sampler)
        while True:
            asked, tokens = ask(study, trial.space, optuna.trial.TrialState.FAIL)
            study.tell(asked, trial.evaluate_tokens([tokens]).item())


def ask(study: Any, space: TokenSpace, failed: Any) -> tuple[Any, Tokens]:
    """Optuna's trial and its token list; one that is not valid is told as ``failed``, which Optuna forgets, and another
    is asked for.

    Raises NasbookError if ``TRIES`` of them are not.
    """
    for _ in range(TRIES):
        asked = study.ask()
        tokens = tuple(
            asked.suggest_categorical(str(position), list(range(alternatives)))
            for position, alternatives in enumerate(space.choices)
        )
        if is_valid(space, tokens):
            return asked, tokens
        study.tell(asked, state=failed)
    raise NasbookError(f"{TRIES:,} lists that Optuna asked for held no architecture of {space}")


def library() -> ModuleType:
    """Optuna. Raises NasbookError where it is not installed."""
    try:
        import optuna
    except ImportError as error:
        how = '`python -m pip install -c constraints.txt -e ".[arena]"` in the checkout, or `pip install optuna`'
        raise NasbookError(f"tpe needs Optuna, which is not installed: {how}") from error
    return optuna


@contextmanager
def silent(optuna: ModuleType) -> Iterator[ModuleType]:
    """Inside, Optuna says nothing but errors."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield optuna
    finally:
        optuna.logging.set_verbosity(before)
