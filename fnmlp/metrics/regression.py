"""Metrics of regression: outputs against targets of the same shape."""

from math import prod
from typing import Any, TypeAlias

from fnmlp.arrays import Array, as_array, is_traced, namespace, to_dtype
from fnmlp.conditions import plain
from fnmlp.errors import DataError, DtypeError, ShapeError
from fnmlp.metrics.fold import Metric, check_counting, ratio, summed, weight_of_all
from fnmlp.moments import NOTHING, Moments, merged, moments
from fnmlp.rules import on_numbers
from fnmlp.weights import Weights, row_weights

__all__ = ["mean_absolute_error", "r2"]

Spread: TypeAlias = tuple[Any, Moments, Any]
"""For each output: the reference of the moments, the targets' moments, and the squared errors."""


def mean_absolute_error() -> Metric:
    """Measure the mean of |y - target| over all elements; NaN if an output is.

    Shapes:   y and target alike.
    Units:    those of y.
    Raises:   DataError without rows; ShapeError if the shapes of y and target differ.

    >>> import numpy as np
    >>> mean_absolute_error()(np.array([[1.0, -3.0]]), np.array([[0.0, 0.0]]))
    2.0
    """
    return summed(_absolute_errors, ratio, sums=2)


@on_numbers
def _absolute_errors(y: Array, target: Array, sample_weights: Weights) -> tuple[float, float]:
    y, target = _alike("mean_absolute_error", y, target)
    xp, weights = namespace(y), row_weights("mean_absolute_error", sample_weights, y, "float64")
    error = _weighted(xp.abs(to_dtype(y, "float64") - to_dtype(target, "float64")), weights)
    return plain(xp.sum(error)), weight_of_all(y, weights) * prod(y.shape[1:])


def _weighted(x: Array, weights: Array | None) -> Array:
    """Multiply each row by its weight."""
    return x if weights is None else x * namespace(x).reshape(weights, (-1, *(1,) * (x.ndim - 1)))


def r2() -> Metric:
    """Measure R², the share of the targets' variance that the outputs explain, averaged over outputs.

    1 is perfect, 0 is as good as predicting the mean, and negative values are possible. If the targets are constant it
    is 1 for exact outputs, else 0. It is NaN if an output is. A large mean of the targets does not cost accuracy.

    Shapes:   y and target alike: (batch,) or (batch, outputs).
    Units:    none.
    Raises:   DataError without rows; ShapeError if the shapes of y and target differ, or have other axes.
    Source:   sklearn.metrics.r2_score; see `fnmlp.moments`.

    >>> import numpy as np
    >>> r2()(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))
    0.5
    """
    return Metric(_no_spread, _merge, _explained)


def _no_spread() -> Spread:
    return 0.0, NOTHING, 0.0


@on_numbers
def _merge(total: Spread, y: Array, target: Array, *, sample_weights: Weights = ()) -> Spread:
    y, target = _alike("r2", y, target)
    if y.ndim > 2:
        raise ShapeError("r2", "(batch,) or (batch, outputs)", tuple(y.shape), "flatten the outputs")
    weights = row_weights("r2", sample_weights, y, "float64")
    if is_traced(weights):
        remedy = "compute it outside of the compiled function"
        raise DtypeError("r2(sample_weights)", "weights that can be read", "traced ones", remedy)
    reference, before, errors = total
    target = to_dtype(target, "float64")
    if not before[0]:
        reference = target[:1, ...]
    error = to_dtype(y, "float64") - target
    errors = errors + namespace(y).sum(_weighted(error * error, weights), axis=0)
    return reference, merged(before, moments(target, reference, weights)), errors


def _explained(total: Spread) -> float:
    _, (count, _, spread), errors = total
    check_counting(count)
    xp = namespace(spread)
    varies = spread > 0
    unexplained = errors / xp.where(varies, spread, spread + 1)
    same = xp.where(xp.isnan(errors), errors, to_dtype(errors == 0, "float64"))
    return plain(xp.mean(xp.where(varies, 1 - unexplained, same)))


def _alike(where: str, y: Array, target: Array) -> tuple[Array, Array]:
    y, target = as_array(f"{where}(y)", y), as_array(f"{where}(target)", target)
    if y.shape != target.shape:
        raise ShapeError(where, f"targets of shape {tuple(y.shape)}", tuple(target.shape), "reshape the targets")
    if not prod(y.shape):
        raise DataError(where, "at least one row", "an empty batch", "leave empty batches out")
    return y, target
