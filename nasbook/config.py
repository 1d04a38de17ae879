"""Settings that cannot be misspelt: frozen, typed, and refused with the nearest valid name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from nasbook.errors import NasbookError, one_of


class Config(BaseModel):
    """Base of all settings. Build one with :meth:`make`, which speaks in one sentence where pydantic lists."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

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
            said = f"{where} is {first['input']!r}: {reason}" if where else reason
            raise NasbookError(said[0].lower() + said[1:] if not where else said) from error


def profile_values(profiles: Mapping[str, Mapping[str, Any]], profile: str, seed: object) -> dict[str, Any]:
    """The settings of a profile with its seed. Raises NasbookError for an unknown profile or a bad seed."""
    one_of(profile, profiles, "profile")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise NasbookError(f"seed is {seed!r}; it must be an integer from 0 to 2**63 - 1")
    return {**profiles[profile], "seed": seed}
