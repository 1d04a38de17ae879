"""Comparing a reader's answer with the right one, and saying the difference in one sentence."""

from collections.abc import Callable
from numbers import Real

import numpy as np


def differs(given, right, what: str, tolerance: float = 1e-6) -> str | None:
    """None if ``given`` equals ``right`` within ``tolerance``, else one sentence about ``what``.

    Speaks of a missing ``return``, a wrong shape and NaN before it speaks of values.
    """
    if given is None:
        return f"{what} is None: is a `return` missing?"
    try:
        got = np.asarray(given.detach() if hasattr(given, "detach") else given, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return f"{what} is a {type(given).__name__} that makes no array of numbers"
    want = np.asarray(right, dtype=np.float64)
    if got.shape != want.shape:
        wanted = f"wanted is {want.shape}" if want.shape else "a single number is wanted"
        return f"{what} has the shape {got.shape}, {wanted}"
    if not np.isfinite(got).all():
        return f"{what} holds NaN or infinity"
    place = np.unravel_index(np.argmax(np.abs(got - want)), want.shape) if want.shape else ()
    if abs(got[place] - want[place]) <= tolerance:
        return None
    entry = f"entry [{', '.join(str(int(one)) for one in place)}] of " if place else ""
    # as many digits as it takes to see a difference, which single precision makes late
    digits = next((n for n in (6, 10) if f"{got[place]:.{n}g}" != f"{want[place]:.{n}g}"), 17)
    return f"{entry}{what} is {got[place]:.{digits}g}, right is {want[place]:.{digits}g}"


def explained(given, right, what: str, causes: dict, tolerance: float = 1e-6, near: float | None = None) -> str | None:
    """As ``differs``, but the cause in place of the numbers where ``given`` is what a typical mistake gives."""
    wrong = differs(given, right, what, tolerance)
    return wrong and (cause(given, causes, tolerance if near is None else near) or wrong)


def cause(given, causes: dict, tolerance: float = 1e-6) -> str | None:
    """The sentence of the first of ``causes``, {sentence: what that mistake gives}, that ``given`` equals."""
    return next((said for said, wrong in causes.items() if differs(given, wrong, "", tolerance) is None), None)


def holds(given, count: int) -> bool:
    """Whether ``given`` holds ``count`` things: a tuple or a list, but an array of so many numbers or rows as well."""
    if isinstance(given, tuple | list):
        return len(given) == count
    return tuple(getattr(given, "shape", ()))[:1] == (count,)


def whole(given) -> int | None:
    """The whole number that ``given`` is, be it a NumPy scalar or an array or tensor of no dimension; or None."""
    if getattr(given, "ndim", None) == 0 and hasattr(given, "item"):
        given = given.item()
    return int(given) if isinstance(given, Real) and not isinstance(given, bool) and given % 1 == 0 else None


def gradient(function: Callable, point: np.ndarray) -> np.ndarray:
    """The gradient of ``function``, which gives a number, by central differences, in the shape of ``point``."""
    steps = 1e-5 * np.eye(point.size).reshape(-1, *point.shape)
    return np.array([(function(point + h) - function(point - h)) / 2e-5 for h in steps]).reshape(point.shape)
