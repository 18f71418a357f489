"""Batch normalization as it predicts, for the bridges to libraries that have it: a `rescale` by fixed numbers."""

import numpy as np

from fnmlp.arrays import Array, read_only
from fnmlp.layers import Rescale


def as_rescale(*, mean: Array, variance: Array, epsilon: float, gain: Array, offset: Array) -> Rescale | None:
    """Return the parameters of `rescale` for gain · (x - mean) / √(variance + ε) + offset; None if there are none.

    There are none for a feature that a gain of 0 makes constant, and for numbers that are not finite.
    Shapes:   all (n,).
    Units:    computed in float64; the parameters have the dtype of the mean.

    >>> ones = np.ones(1)
    >>> as_rescale(mean=ones, variance=ones, epsilon=0.0, gain=2 * ones, offset=ones)
    Rescale(center=array([0.5]), factor=array([2.]))
    >>> as_rescale(mean=ones, variance=ones, epsilon=0.0, gain=0 * ones, offset=ones)
    """
    middle, spread, steep, added = (numbers.astype(np.float64) for numbers in (mean, variance, gain, offset))
    with np.errstate(all="ignore"):
        factor = steep / np.sqrt(spread + epsilon)
        center = middle - added / factor
    if not (np.isfinite(center) & np.isfinite(factor) & (factor != 0)).all():
        return None
    return Rescale(read_only(center.astype(mean.dtype)), read_only(factor.astype(mean.dtype)))
