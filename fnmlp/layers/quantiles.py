"""Parameters for the columns of a table, fitted by medians and quantiles, which outliers hardly move.

NaN stands for a missing number. Fit to the training rows only.
"""

from math import inf

from fnmlp.arrays import Array, as_array, device_of, namespace, read_only, to_dtype
from fnmlp.errors import DataError, DtypeError, ShapeError
from fnmlp.layers.tables import Impute, Rescale
from fnmlp.rules import on_numbers

__all__ = ["fit_impute", "fit_robust_scale"]

SMALLEST = {"float32": 2.0**-126, "float64": 2.0**-1022}
"""The smallest normal number of a dtype, whose inverse is finite."""


def fit_impute(x: Array) -> Impute:
    """Return the median of each feature, for `impute`: what takes the place of a missing number.

    Only the numbers that are there count; a feature that is always missing gets 0.
    Shapes:   (rows, n) -> value (n,), in the dtype of x, or in float32 for integers.
    Units:    those of x.
    Raises:   DataError without rows, and for infinities; ShapeError unless x has two axes; DtypeError unless x holds
              real numbers.
    Source:   sklearn.impute.SimpleImputer, with strategy="median".

    >>> import numpy as np
    >>> fit_impute(np.array([[1.0, np.nan], [2.0, np.nan], [np.nan, np.nan], [9.0, np.nan]])).value
    array([2., 0.])
    """
    x = as_array("fit_impute", x)
    known, count = _sorted("fit_impute", x)
    return Impute(_as_parameter(_quantile(known, count, 0.5), x))


def fit_robust_scale(x: Array) -> Rescale:
    """Return the center and the factor of each feature for `rescale`, by its median and its quartiles.

    The factor is 1 over the distance of the quartiles. If they are equal, it is 2 over the distance of the least and
    the largest number; and if these are equal too, it is 0. Missing numbers don't count.
    Shapes:   (rows, n) -> center (n,) and factor (n,), in the dtype of x, or in float32 for integers.
    Units:    center has those of x, factor their inverse.
    Raises:   as `fit_impute`.
    Source:   Holzmüller et al. 2024, arXiv:2407.04491, section 3 and appendix A.

    >>> import numpy as np
    >>> fitted = fit_robust_scale(np.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0], [4.0, 5.0], [99.0, 5.0]]))
    >>> fitted.center, fitted.factor
    (array([3., 5.]), array([0.5, 0. ]))
    """
    x = as_array("fit_robust_scale", x)
    known, count = _sorted("fit_robust_scale", x)
    return Rescale(_as_parameter(_quantile(known, count, 0.5), x), _as_parameter(_factor(known, count, x), x))


@on_numbers
def _factor(known: Array, count: Array, x: Array) -> Array:
    least, lower, upper, most = (_quantile(known, count, share) for share in (0.0, 0.25, 0.75, 1.0))
    # Halved first, because the difference of two large numbers may overflow.
    middle, whole = upper / 2 - lower / 2, most / 2 - least / 2
    factor: Array = namespace(known).where(middle > 0, _inverse(middle, x) / 2, _inverse(whole, x))
    return factor


def _inverse(size: Array, x: Array) -> Array:
    """Return 1 / size, or 0 for 0; a size that is nearly 0 gives no more than a parameter can hold."""
    xp = namespace(size)
    return xp.where(size > 0, 1 / xp.maximum(size, SMALLEST[_dtype(x)]), 0.0)


def _sorted(where: str, x: Array) -> tuple[Array, Array]:
    """Return each feature's numbers in rising order and in float64, followed by infinity for those that are missing.

    The second result is how many are there; where none is, all numbers are 0.
    """
    xp = namespace(x)
    if not xp.isdtype(x.dtype, ("bool", "integral", "real floating")):
        raise DtypeError(where, "real numbers", x.dtype, "convert with .astype('float32')")
    if x.ndim != 2:
        raise ShapeError(where, "rows of features", tuple(x.shape), "give a table of shape (rows, n)")
    if 0 in x.shape:
        remedy = "check where the data come from"
        raise DataError(where, "at least one row and one feature", f"shape {tuple(x.shape)}", remedy)
    wide = to_dtype(x, "float64")
    infinite = xp.isinf(wide)
    if xp.any(infinite):
        row, column = divmod(int(xp.argmax(xp.reshape(to_dtype(infinite, "uint8"), (-1,)))), x.shape[1])
        remedy = "leave such rows out, or write NaN for a missing number"
        raise DataError(f"{where}: row {row}, column {column}", "a finite number or NaN", "infinity", remedy)
    missing = xp.isnan(wide)
    count = xp.sum(to_dtype(~missing, "int64"), axis=0)
    return xp.where(count > 0, xp.sort(xp.where(missing, inf, wide), axis=0), 0.0), count


@on_numbers
def _quantile(known: Array, count: Array, share: float) -> Array:
    """Return the number below which a share of each feature's numbers lies, between two of them by a straight line."""
    xp, (rows, features) = namespace(known), known.shape
    last = xp.maximum(count - 1, 0)
    place = share * to_dtype(last, known.dtype)
    below = xp.floor(place)
    first = to_dtype(below, count.dtype)
    flat = xp.reshape(known, (rows * features,))
    every = to_dtype(xp.arange(features, device=device_of(known)), count.dtype)
    left, right = (xp.take(flat, row * features + every) for row in (first, xp.minimum(first + 1, last)))
    part = (right / 2 - left / 2) * (place - below)
    return left + part + part


def _as_parameter(values: Array, x: Array) -> Array:
    return read_only(to_dtype(values, _dtype(x)))


def _dtype(x: Array) -> str:
    xp = namespace(x)
    return "float64" if xp.isdtype(x.dtype, xp.float64) else "float32"
