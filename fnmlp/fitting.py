"""Values that are fitted to data: pure functions of it, to be used on other data too."""

from math import prod
from typing import Any

from fnmlp.arrays import Array, as_array, namespace, to_dtype
from fnmlp.errors import DataError, DtypeError, ShapeError
from fnmlp.moments import moments
from fnmlp.options import switch
from fnmlp.rules import on_numbers


@on_numbers
def fit_standardize(x: Array, *, per_feature: bool = True) -> tuple[Any, Any]:
    """Return the mean and the standard deviation of each feature: what `standardize` and `unstandardize` take.

    Where all numbers are the same the deviation is given as 1, so that they become 0. Fit to the rows that are trained
    on, and to no others.

    Shapes:   (rows, n) -> two tuples of n numbers; (rows,), or any shape without `per_feature` -> two numbers.
    Units:    those of x. The deviation divides by the number of rows, not by one less.
    Raises:   DataError for no rows, and for what is not finite; ShapeError for more axes; DtypeError for what are no
              real numbers.
    Source:   sklearn.preprocessing.StandardScaler; see `fnmlp.moments`.

    >>> import numpy as np
    >>> from fnmlp.layers import standardize
    >>> x = np.array([[3, 1], [7, 1]], np.uint8)
    >>> fit_standardize(x)
    ((5.0, 1.0), (2.0, 1.0))
    >>> standardize(*fit_standardize(x))
    standardize((5.0, 1.0), (2.0, 1.0))
    """
    per_feature = switch("fit_standardize(per_feature)", per_feature)
    x = as_array("fit_standardize", x)
    _check(x, per_feature)
    xp, count = namespace(x), x.shape[0]
    rows = x if x.ndim == 1 else xp.reshape(x, (count, -1))
    pooled = rows.ndim == 2 and not per_feature
    reference = to_dtype(rows[:1, :1] if pooled else rows[:1, ...], "float64")
    _, mean, squares = moments(rows, reference)
    if pooled:
        _, centre, between = moments(mean, mean[:1])
        mean, squares, count = mean[:1] + centre, xp.sum(squares) + between * count, prod(x.shape)
    mean = (reference + mean)[(0, 0) if pooled else (0, ...)]
    deviation = xp.where(squares > 0, xp.sqrt(squares / count), xp.ones_like(squares))
    return _plain(mean), _plain(deviation)


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
