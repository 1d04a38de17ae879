"""What a table of truth looks like to a search that changes one decision at a time: hills, slopes, valleys.

Values stand in an array with one axis a decision, as ``nasbook.decisions.policies.TabularPolicy`` has them. Two
architectures are neighbours if they differ in one decision (Weinberger, "Correlated and uncorrelated fitness
landscapes", Biological Cybernetics 63, 1990; for tables of architectures: Ying et al., 2019, arXiv 1902.09635).
"""

import numpy as np

from nasbook.base import checks
from nasbook.base.errors import NasbookError


def landscape(values) -> np.ndarray:
    """``values`` as a float64 array with at least one axis. Raises NasbookError for holes and for other things."""
    array = checks.numbers(values, "values")
    if not array.ndim or not array.size:
        raise NasbookError("a landscape needs an axis for each decision: reshape the values to the space's choices")
    return array


def autocorrelation(values) -> np.ndarray:
    """(T + 1,): correlation between the values of two architectures that differ in 0, 1, ..., T decisions.

    Over all ordered pairs, through the Fourier transform: the pairs that differ by the shift h, entry by entry and
    round the end of each axis, differ in as many decisions as h has entries other than 0. NaN at distances that no
    pair has. Raises NasbookError if all values are equal.
    """
    array = landscape(values)
    centred = array - array.mean()
    if not np.ptp(array):
        raise NasbookError("all values are equal: there is no correlation")
    spectrum = np.abs(np.fft.fftn(centred)) ** 2
    products = np.fft.ifftn(spectrum).real / (centred**2).sum()  # for each shift, the mean product over the variance
    apart = np.indices(array.shape).astype(bool).sum(axis=0)  # (T, c1, ..., cT) -> (c1, ..., cT)
    pairs = np.bincount(apart.ravel(), minlength=array.ndim + 1)
    with np.errstate(invalid="ignore"):
        return np.bincount(apart.ravel(), products.ravel(), array.ndim + 1) / pairs


def local_optima(values) -> np.ndarray:
    """Boolean, the shape of ``values``: where no neighbour is higher."""
    array = landscape(values)
    return np.all([array == array.max(axis=axis, keepdims=True) for axis in range(array.ndim)], axis=0)


def climb(values) -> np.ndarray:
    """For each architecture, the flat place where steepest ascent from it ends: int64, the shape of ``values``.

    Each step goes to the highest neighbour, the first of equals, as long as that is higher.
    """
    array = landscape(values)
    best, step = array.copy(), np.arange(array.size).reshape(array.shape)
    places = step.copy()
    for axis in range(array.ndim):
        top = np.expand_dims(array.argmax(axis=axis), axis)
        height = np.take_along_axis(array, top, axis)
        step = np.where(height > best, np.take_along_axis(places, top, axis), step)
        best = np.maximum(best, height)
    ends = step.ravel()
    while (ends[ends] != ends).any():
        ends = ends[ends]
    return ends.reshape(array.shape)
