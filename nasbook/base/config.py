"""Settings that cannot be misspelt: frozen, typed, and refused with the nearest valid name."""

import operator
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nasbook.base.errors import NasbookError, one_of


class Config(BaseModel):
    """Base of all settings. Build one with :meth:`make`, which speaks in one sentence where pydantic lists."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def make(cls, values: Mapping[str, Any]) -> Self:
        """Settings from ``values``. Raises NasbookError for an unknown name or a value of the wrong type."""
        for name in values:
            one_of(name, cls.model_fields, "setting")
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            reason = first["msg"].removeprefix("Value error, ")
            raise NasbookError(f"{where} is {first['input']!r}: {reason}" if where else reason) from error


class LoopConfig(Config):
    """What every training loop of the book has: seed, SGD with clipping, augmentation, precision and layout.

    ``bfloat16`` and ``channels_last`` None: what is faster and safe on the device at hand. ``threads``: of the CPU,
    None for PyTorch's choice; it is part of the config because the last bits of a sum depend on it.
    """

    seed: int = Field(0, ge=0, lt=2**63)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(3e-4, ge=0)
    clip: float = Field(5.0, gt=0)
    padding: int = Field(4, ge=0, le=1024)
    bfloat16: bool | None = None
    channels_last: bool | None = None
    threads: int | None = Field(None, ge=1, le=1024)


def profile_values(profiles: Mapping[str, Mapping[str, Any]], profile: str, seed: object) -> dict[str, Any]:
    """The settings of a profile with its seed. Raises NasbookError for an unknown profile or a bad seed."""
    one_of(profile, profiles, "profile")
    return {**profiles[profile], "seed": checked_seed(seed)}


def checked_seed(seed: object) -> int:
    """``seed`` as an int. Raises NasbookError unless it is a whole number from 0 that PyTorch's generators take."""
    whole = hasattr(seed, "__index__") and not isinstance(seed, bool)
    if not whole or not 0 <= operator.index(seed) < 2**63:
        raise NasbookError(f"seed is {seed!r}; it must be an integer from 0 to 2**63 - 1")
    return operator.index(seed)
