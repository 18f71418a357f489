"""Values that are fitted to data: pure functions of it, to be used on other data too."""

from math import prod
from typing import Any

from fnmlp.arrays import Array, namespace, to_dtype
from fnmlp.errors import DataError, DtypeError, ShapeError

BLOCK = 128
"""Rows that are added up one after another; larger numbers of them are halved."""


def fit_standardize(x: Array, *, per_feature: bool = True) -> tuple[Any, Any]:
    """Return the mean and the standard deviation of each feature: what `standardize` and `unstandardize` take.

    Where all numbers are the same the deviation is given as 1, so that they become 0. Fit to the rows that are trained
    on, and to no others.

    Shapes:   (rows, n) -> two tuples of n numbers; (rows,), or any shape without `per_feature` -> two numbers.
    Units:    those of x. The deviation divides by the number of rows, not by one less.
    Raises:   DataError for no rows, and for what is not finite; ShapeError for more axes; DtypeError for what are no
              real numbers.
    Source:   sklearn.preprocessing.StandardScaler; merging: Chan, Golub & LeVeque 1979, "Updating formulae and a
              pairwise algorithm for computing sample variances", eq. 2.1.

    >>> import numpy as np
    >>> from fnmlp.layers import standardize
    >>> x = np.array([[3, 1], [7, 1]], np.uint8)
    >>> fit_standardize(x)
    ((5.0, 1.0), (2.0, 1.0))
    >>> standardize(*fit_standardize(x))
    standardize((5.0, 1.0), (2.0, 1.0))
    """
    _check(x, per_feature)
    xp, count = namespace(x), x.shape[0]
    mean, squares = _moments(x if x.ndim == 1 else xp.reshape(x, (count, -1)))
    if not per_feature and mean.ndim:
        within, (mean, between) = xp.sum(squares), _moments(mean)
        squares, count = within + between * count, prod(x.shape)
    deviation = xp.where(squares > 0, xp.sqrt(squares / count), xp.ones_like(squares))
    return _plain(mean), _plain(deviation)


def _moments(x: Array) -> tuple[Array, Array]:
    """Return the mean of the rows and the sum of their squared distances from it, which is exactly 0 for equal rows."""
    xp, rows = namespace(x), x.shape[0]
    if rows <= BLOCK:
        x = to_dtype(x, "float64")
        away = x - x[:1, ...]
        mean = xp.mean(away, axis=0)
        away = away - mean
        return x[0, ...] + mean, xp.sum(away * away, axis=0)
    half = rows // 2
    (left, left_squares), (right, right_squares) = _moments(x[:half, ...]), _moments(x[half:, ...])
    apart = right - left
    share = (rows - half) / rows
    return left + apart * share, left_squares + right_squares + apart * apart * (half * share)


def _plain(x: Array) -> Any:
    """Return Python's numbers, which are exact in a name and of no dtype."""
    return tuple(float(x[i]) for i in range(x.shape[0])) if x.ndim else float(x)


def _check(x: Array, per_feature: bool) -> None:
    xp = namespace(x)
    if not xp.isdtype(x.dtype, ("bool", "integral", "real floating")):
        raise DtypeError("fit_standardize", "real numbers", x.dtype, "convert with .astype('float32')")
    if not x.ndim or (x.ndim > 2 and per_feature):
        remedy = "flatten the examples, or pass per_feature=False"
        raise ShapeError("fit_standardize", "rows of features", tuple(x.shape), remedy)
    if 0 in x.shape:
        remedy = "check where the data come from"
        raise DataError("fit_standardize", "at least one row", f"shape {tuple(x.shape)}", remedy)
    if xp.isdtype(x.dtype, "real floating") and not xp.all(xp.isfinite(x)):
        finite = xp.all(xp.reshape(xp.isfinite(x), (x.shape[0], -1)), axis=1)
        row = int(xp.argmin(to_dtype(finite, "uint8")))
        raise DataError(f"fit_standardize: row {row}", "finite numbers", "NaN or infinity", "leave such rows out")
