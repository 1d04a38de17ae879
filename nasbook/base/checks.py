"""What comes in at the door: arrays of numbers, rows of probabilities, discounts, indices, observations.

Each function returns what it was given in one form, or raises NasbookError naming the place and the value.
"""

from collections.abc import Sequence
from numbers import Real

import numpy as np

from nasbook.base.errors import NasbookError, one_of

TOLERANCE = 1e-8
"""How far from 1 a row of probabilities may sum: rounding of typed decimals, not a forgotten entry."""

EXACT = 1e-12
"""Rows further than this from 1 are divided by their sum, since a discount near 1 would add the rest up."""


def numbers(values, what: str, *shapes: Sequence[int | None]) -> np.ndarray:
    """``values`` as a read-only float64 copy whose shape fits one of ``shapes`` (None: any size from 1).

    Raises NasbookError for another shape, for what is no real number, for masked entries, NaN and infinity.
    """
    try:
        given = np.asarray(values)
        # text would be read as numbers, complex numbers would lose their imaginary part, masks would be forgotten
        real = given.dtype.kind in "biuf" or all(isinstance(one, Real) for one in given.flat)
        if not real or isinstance(values, np.ma.MaskedArray):
            raise TypeError
        array = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        form = "one number" if () in shapes else "a rectangular array of numbers"
        raise NasbookError(f"{what} must be {form}, not {_short(values)}") from None
    if shapes and not any(_fits(array.shape, shape) for shape in shapes):
        valid = " or ".join(_written(shape) for shape in shapes)
        raise NasbookError(f"{what} has the shape {array.shape}, must be {valid}")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        raise NasbookError(f"{_place(what, bad[0])} is {array[tuple(bad[0])]}: all entries must be finite")
    array.flags.writeable = False
    return array


def rows(values, what: str, *shapes: Sequence[int | None]) -> np.ndarray:
    """As ``numbers``, and every row along the last axis is a distribution: no negative entry, sum 1.

    A row that misses 1 by rounding, up to ``TOLERANCE``, is divided by its sum.

    Raises NasbookError as ``numbers`` does, and for a row that is no distribution.
    """
    array = numbers(values, what, *shapes)
    bad = np.argwhere(array < 0)
    if len(bad):
        raise NasbookError(f"{_place(what, bad[0])} is {array[tuple(bad[0])]:g}: a probability is not negative")
    sums = array.sum(axis=-1)  # (..., n) -> (...)
    bad = np.argwhere(np.abs(sums - 1) > TOLERANCE)
    if len(bad):
        where = _place(what, bad[0]) if array.ndim > 1 else what
        raise NasbookError(f"{where} sums to {sums[tuple(bad[0])]:.8g}: a row of probabilities must sum to 1")
    if (np.abs(sums - 1) > EXACT).any():
        array = array / sums[..., None]  # (..., n), (..., 1) -> (..., n)
        array.flags.writeable = False
    return array


def discount(gamma: float) -> float:
    """``gamma`` as a float in [0, 1). Raises NasbookError for anything else."""
    value = number(gamma, "gamma")
    if not 0 <= value < 1:
        raise NasbookError(f"gamma is {value:g}: a discount must be at least 0 and less than 1")
    return value


def number(value: float, what: str) -> float:
    """One finite number as a float. Raises NasbookError for anything else."""
    return float(numbers(value, what, ()))


def positive(value: float, what: str) -> float:
    """A finite number above 0. Raises NasbookError for anything else."""
    given = number(value, what)
    if given <= 0:
        raise NasbookError(f"{what} is {given:g}: it must be more than 0")
    return given


def share(value: float, what: str) -> float:
    """A number in [0, 1]. Raises NasbookError for anything else."""
    given = number(value, what)
    if not 0 <= given <= 1:
        raise NasbookError(f"{what} is {given:g}: it must lie in [0, 1]")
    return given


def whole(value: int, what: str, least: int = 0) -> int:
    """A whole number of at least ``least``. Raises NasbookError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise NasbookError(f"{what} is {_short(value)}: it must be a whole number of at least {least}")
    return int(value)


def generator(rng: np.random.Generator) -> np.random.Generator:
    """``rng`` if it is a NumPy generator. Raises NasbookError for anything else, a bare seed too."""
    if not isinstance(rng, np.random.Generator):
        raise NasbookError(f"rng is {_short(rng)}: it must be a generator, such as numpy.random.default_rng(0)")
    return rng


def index(value: int | str, count: int, what: str, names: Sequence[str] = ()) -> int:
    """The index of a state, action or observation given as index or, where there are names, by name.

    Raises NasbookError for one that does not exist.
    """
    if isinstance(value, str) and names:
        return list(names).index(one_of(value, names, what))
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 0 <= value < count:
        also = f" or {', '.join(names)}" if names else ""
        raise NasbookError(f"unknown {what} {_short(value)}: valid are 0 to {count - 1}{also}")
    return int(value)


def indices(values: Sequence[int | str], count: int, what: str, names: Sequence[str] = ()) -> np.ndarray:
    """A sequence of ``index`` results, (T,) int64, T >= 1. Raises NasbookError if it is empty or not flat."""
    try:
        flat = not isinstance(values, str) and np.ndim(values) == 1 and len(values) > 0
    except ValueError:  # rows of different lengths
        flat = False
    if not flat:
        raise NasbookError(f"{what}s must be a flat sequence of at least one, not {_short(values)}")
    array = np.asarray(values)
    if array.dtype.kind in "iu" and array.min() >= 0 and array.max() < count:
        return array.astype(np.int64)
    return np.array([index(value, count, what, names) for value in values], dtype=np.int64)


def labels(names: Sequence[str], count: int, what: str, letter: str, first: int = 1) -> tuple[str, ...]:
    """``count`` distinct names, by default the letter with numbers from ``first``. Raises NasbookError otherwise."""
    plain = isinstance(names, list | tuple | np.ndarray)
    if plain and not len(names):
        return tuple(f"{letter}{position}" for position in range(first, first + count))
    if not plain or not all(isinstance(name, str) and name.isprintable() and name for name in names):
        raise NasbookError(f"{what} names must be {count} different strings in a list, not {_short(names)}")
    if len(set(names)) != count or len(names) != count:
        raise NasbookError(f"{what} names must be {count} different strings, not {_short(names)}")
    return tuple(str(name) for name in names)


def _fits(given: tuple[int, ...], wanted: Sequence[int | None]) -> bool:
    return len(given) == len(wanted) and all(g > 0 and w in (None, g) for g, w in zip(given, wanted))


def _written(shape: Sequence[int | None]) -> str:
    sizes = ["any" if size is None else str(size) for size in shape]
    return f"({', '.join(sizes)}{',' * (len(sizes) == 1)})" if sizes else "one number"


def _place(what: str, position: np.ndarray) -> str:
    inside = ", ".join(str(int(one)) for one in position)
    return f"{what}[{inside}]" if inside else what


def _short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def sizes_of(choices: Sequence[int]) -> tuple[int, ...]:
    """How many tokens each step has, as a tuple. Raises NasbookError for no step, or a step without a token."""
    if isinstance(choices, str) or np.ndim(choices) != 1 or not len(choices):
        raise NasbookError(f"choices must be the number of tokens of each step, such as (3, 2), not {choices!r}")
    return tuple(whole(size, f"choices[{step}]", 1) for step, size in enumerate(choices))
