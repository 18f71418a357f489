"""Metrics of regression: outputs against targets of the same shape."""

from math import prod
from typing import Any, TypeAlias

from fnmlp.arrays import Array, namespace, to_dtype
from fnmlp.errors import DataError, ShapeError
from fnmlp.metrics.fold import Metric, ratio, summed

Spread: TypeAlias = tuple[Any, Any, Any, Any]
"""Rows; and for each output the mean of its targets, their squared distances from it, and those from the outputs."""


def mean_absolute_error() -> Metric:
    """The mean of |y - target| over all elements.

    Shapes:   y and target alike.
    Units:    those of y.
    Raises:   DataError for no rows; ShapeError where y and target differ.

    >>> import numpy as np
    >>> mean_absolute_error()(np.array([[1.0, -3.0]]), np.array([[0.0, 0.0]]))
    2.0
    """
    return summed(_absolute_errors, ratio, sums=2)


def _absolute_errors(y: Array, target: Array) -> tuple[float, int]:
    _check_alike("mean_absolute_error", y, target)
    xp = namespace(y)
    error = to_dtype(y, "float64") - to_dtype(target, "float64")
    return float(xp.sum(xp.abs(error))), prod(y.shape)


def r2() -> Metric:
    """Coefficient of determination: the share of the targets' variance that the outputs explain, averaged over outputs.

    1 is perfect, 0 is what the targets' mean achieves, and less is possible. Where targets do not vary it is 1 for
    outputs that hit them exactly, and else 0. Batches are merged by their means, so that large targets do not cancel.

    Shapes:   y and target alike: (batch,) or (batch, outputs).
    Units:    none.
    Raises:   DataError for no rows; ShapeError where y and target differ, or have other axes.
    Source:   sklearn.metrics.r2_score; merging: Chan, Golub & LeVeque 1979, "Updating formulae and a pairwise algorithm
              for computing sample variances", eq. 2.1.

    >>> import numpy as np
    >>> r2()(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))
    0.5
    """
    return Metric(_no_spread, _merge, _explained)


def _no_spread() -> Spread:
    return 0, 0.0, 0.0, 0.0


def _merge(total: Spread, y: Array, target: Array) -> Spread:
    _check_alike("r2", y, target)
    if y.ndim > 2:
        raise ShapeError("r2", "(batch,) or (batch, outputs)", tuple(y.shape), "flatten the outputs")
    xp, more = namespace(y), int(y.shape[0])
    rows, mean, spread, errors = total
    target = to_dtype(target, "float64")
    here = xp.mean(target, axis=0)
    difference, error = target - here, to_dtype(y, "float64") - target
    apart = here - mean
    spread = spread + xp.sum(difference * difference, axis=0) + apart * apart * (rows * more / (rows + more))
    return rows + more, mean + apart * (more / (rows + more)), spread, errors + xp.sum(error * error, axis=0)


def _explained(total: Spread) -> float:
    _, _, spread, errors = total
    xp = namespace(spread)
    varies = spread > 0
    unexplained = errors / xp.where(varies, spread, spread + 1)
    scores = xp.where(varies, 1 - unexplained, to_dtype(errors == 0, "float64"))
    return float(xp.mean(scores))


def _check_alike(where: str, y: Array, target: Array) -> None:
    if y.shape != target.shape:
        raise ShapeError(where, f"targets of shape {tuple(y.shape)}", tuple(target.shape), "reshape the targets")
    if not prod(y.shape):
        raise DataError(where, "at least one row", "an empty batch", "leave empty batches out")
