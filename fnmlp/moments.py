"""Moments of rows, merged from parts: the sum of weights, the mean, and the squared distances from it.

All parts measure from one reference, such as the first row. If the numbers are large and close together, their
differences from it are exact, so a large mean costs no digits.
"""

from typing import Any, TypeAlias

from fnmlp.arrays import Array, namespace, to_dtype

Moments: TypeAlias = tuple[float, Any, Any]
"""The sum of the weights; the mean of x - reference; and the weighted sum of the squared distances from that mean."""

NOTHING: Moments = (0, 0.0, 0.0)

BLOCK = 128
"""Up to this many rows are added one after another; more are split in halves."""


def moments(x: Array, reference: Array, weights: Array | None = None) -> Moments:
    """Return the moments of rows in float64, with weights if given; equal rows have squared distances of exactly 0.

    Shapes:   x (rows, …), reference (1, …) or one number, weights (rows,) -> two arrays (…).
    Source:   Chan, Golub & LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances".

    >>> import numpy as np
    >>> moments(np.array([[3.0], [5.0], [7.0]]), np.array([[3.0]]))
    (3, array([2.]), array([8.]))
    """
    rows = x.shape[0]
    if rows > BLOCK:
        half = rows // 2
        first, second = (None, None) if weights is None else (weights[:half], weights[half:])
        return merged(moments(x[:half, ...], reference, first), moments(x[half:, ...], reference, second))
    xp = namespace(x)
    away = to_dtype(x, "float64") - reference
    if weights is None:
        mean = xp.mean(away, axis=0)
        away = away - mean
        return rows, mean, xp.sum(away * away, axis=0)
    count = float(xp.sum(weights))
    share = xp.reshape(weights, (-1, *(1,) * (x.ndim - 1)))
    mean = xp.sum(away * share, axis=0) / (count or 1.0)
    away = away - mean
    return count, mean, xp.sum(away * away * share, axis=0)


def merged(left: Moments, right: Moments) -> Moments:
    """Merge the moments of two parts that were measured from the same reference.

    Source:   Chan, Golub & LeVeque 1979, eq. 2.1.

    >>> merged((1, 0.0, 0.0), (1, 2.0, 0.0))
    (2, 1.0, 2.0)
    """
    if not left[0] or not right[0]:
        return right if right[0] else left
    count = left[0] + right[0]
    apart, share = right[1] - left[1], right[0] / count
    return count, left[1] + apart * share, left[2] + right[2] + apart * apart * (left[0] * share)
