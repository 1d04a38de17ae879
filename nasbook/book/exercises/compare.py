"""Comparing a reader's answer with the right one, and saying the difference in one sentence."""

from __future__ import annotations

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
