"""Distributions over an axis: softmax and its logarithm."""

from functools import partial

import numpy as np

from fnmlp.arrays import Array, Shape, namespace, narrow, read_only, to_dtype, unshared, widen
from fnmlp.checks import as_shape
from fnmlp.errors import ShapeError
from fnmlp.expressions import expression
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback, input_pullback
from fnmlp.layers.checks import check_floats
from fnmlp.rules import on_numbers
from fnmlp.scalars import as_integer

__all__ = ["log_softmax", "softmax"]

MANY, SHORT = 32, 64
"""From this many rows on, and up to this length, softmax works by columns: NumPy reduces rows one by one."""


def softmax(*, axis: int = -1) -> Layer[tuple[()]]:
    """Turn numbers along an axis into probabilities: exp(x) / Σ exp(x).

    A row with +inf, or with only -inf, becomes NaN, as in torch, because no limit is defined there.
    Shapes:   any; kept. `axis` counts the batch axis, which is 0.
    Gradient: the pullback is (dy - Σ dy·y) y along the axis.
    Raises:   OptionError unless the axis is an integer; ShapeError at init for an axis that examples don't have.
    Source:   Bridle 1990; shifted by the maximum so that exp never overflows.

    >>> import numpy as np
    >>> softmax().apply((), np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    axis = as_integer("softmax(axis)", axis)
    name = expression("softmax", (), {} if axis == -1 else {"axis": axis})
    init = partial(_axis_init, "softmax", axis)
    return Layer(name, init, partial(_softmax_apply, axis), partial(_softmax_vjp, axis))


@on_numbers
def _softmax_apply(axis: int, params: tuple[()], x: Array) -> Array:
    check_floats("softmax", x)
    if 0 in x.shape:
        return unshared(x)
    if isinstance(x, np.ndarray) and x.ndim == 2 and axis in (-1, 1) and x.shape[0] >= MANY and x.shape[1] <= SHORT:
        return _shares(0, x.T.copy()).T.copy()
    return _shares(axis, x)


def _shares(axis: int, x: Array) -> Array:
    # In float32 the rounding of x - max(x) alone would cost up to 64 units in the last place.
    xp, wide = namespace(x), widen(x)
    exponentials: Array = xp.exp(wide - xp.max(wide, axis=axis, keepdims=True))
    total: Array = xp.sum(exponentials, axis=axis, keepdims=True)
    return narrow(exponentials / total, wide, x)


def _softmax_vjp(
    axis: int,
    params: tuple[()],
    x: Array,
    key: Key | None,
) -> tuple[Array, Pullback[tuple[()]]]:
    y = read_only(_softmax_apply(axis, params, x))
    return y, input_pullback(partial(_softmax_pull, axis, y))


@on_numbers
def _softmax_pull(axis: int, y: Array, dy: Array) -> Array:
    mean: Array = namespace(dy).sum(dy * y, axis=axis, keepdims=True)
    dx = dy - mean
    dx *= y
    return dx


def log_softmax(*, axis: int = -1) -> Layer[tuple[()]]:
    """Turn numbers along an axis into log-probabilities: x - log Σ exp(x).

    Log-probabilities near 0 keep their digits: they are computed as -log1p of the sum of the others. A row with +inf,
    or with only -inf, becomes NaN, as in `softmax`.
    Shapes:   any; kept. `axis` counts the batch axis, which is 0.
    Gradient: the pullback is dy - softmax(x) Σ dy along the axis.
    Raises:   as `softmax`.
    Source:   Blanchard, Higham & Higham 2021, "Accurately computing the log-sum-exp and softmax functions", eq. 4.

    >>> import numpy as np
    >>> log_softmax().apply((), np.array([[0.0, 0.0], [1000.0, 900.0]]))
    array([[-6.93147181e-01, -6.93147181e-01],
           [-3.72007598e-44, -1.00000000e+02]])
    """
    axis = as_integer("log_softmax(axis)", axis)
    name = expression("log_softmax", (), {} if axis == -1 else {"axis": axis})
    init = partial(_axis_init, "log_softmax", axis)
    return Layer(name, init, partial(_log_softmax_apply, axis), partial(_log_softmax_vjp, axis))


@on_numbers
def _log_softmax_apply(axis: int, params: tuple[()], x: Array) -> Array:
    check_floats("log_softmax", x)
    if 0 in x.shape:
        return unshared(x)
    wide = widen(x)
    shifted, _, others = _summed(axis, wide)
    return narrow(shifted - namespace(x).log1p(others), wide, x)


@on_numbers
def _log_softmax_vjp(
    axis: int,
    params: tuple[()],
    x: Array,
    key: Key | None,
) -> tuple[Array, Pullback[tuple[()]]]:
    check_floats("log_softmax", x)
    if 0 in x.shape:
        return unshared(x), input_pullback(unshared)
    wide = widen(x)
    shifted, exponentials, others = _summed(axis, wide)
    y = narrow(shifted - namespace(x).log1p(others), wide, x)
    probabilities = narrow(exponentials / (1 + others), wide, x)
    return y, input_pullback(partial(_log_softmax_pull, axis, probabilities))


@on_numbers
def _log_softmax_pull(axis: int, probabilities: Array, dy: Array) -> Array:
    return dy - probabilities * namespace(dy).sum(dy, axis=axis, keepdims=True)


def _summed(axis: int, x: Array) -> tuple[Array, Array, Array]:
    """Return x - max(x), its exponentials, and their sum without the largest, which is 1."""
    xp = namespace(x)
    shifted = x - xp.max(x, axis=axis, keepdims=True)
    exponentials = xp.exp(shifted)
    largest = to_dtype(shifted == 0, x.dtype)
    others = xp.sum(exponentials - largest, axis=axis, keepdims=True)
    others = others + (xp.sum(largest, axis=axis, keepdims=True) - 1)
    return shifted, exponentials, others


def _axis_init(constructor: str, axis: int, key: Key, shape: Shape) -> tuple[tuple[()], Shape]:
    shape = as_shape(constructor, shape)
    axes = len(shape) + 1
    if not -axes <= axis < axes:
        where = f"{constructor}(axis={axis})"
        raise ShapeError(where, f"an axis from {-axes} to {axes - 1} for examples of shape {shape}", axis, "use -1")
    return (), shape
