"""Losses: (y, target) -> (value, gradient of the value with respect to y)."""

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any, TypeAlias

from fnmlp.arrays import Array, namespace, same_dtype
from fnmlp.errors import DataError, DtypeError, ShapeError
from fnmlp.labels import one_hot
from fnmlp.options import one_of

Loss: TypeAlias = Callable[[Array, Array], tuple[Any, Array]]
"""(y, target) -> (value, dy). Bind options with functools.partial."""


def mse(y: Array, target: Array, *, reduction: str = "mean") -> tuple[Any, Array]:
    """Mean squared error: the mean, or the sum, of (y - target)² over all elements.

    Shapes:   y and target alike; the value is a number, dy has the shape of y.
    Units:    those of y, squared.
    Gradient: 2 (y - target) / n for the mean of n elements, 2 (y - target) for the sum.
    Raises:   ShapeError, DtypeError where y and target differ; DataError for the mean of nothing.
    Source:   torch.nn.MSELoss.

    >>> import numpy as np
    >>> value, dy = mse(np.array([[1.0, 2.0]]), np.array([[0.0, 0.0]]))
    >>> float(value), dy
    (2.5, array([[1., 2.]]))
    """
    check_alike("mse", y, target)
    count = _count("mse", y, one_of("mse(reduction)", reduction, ("mean", "sum")))
    difference = y - target
    value = namespace(y).sum(difference * difference) / count
    return value, difference * (2 / count)


def on_labels(loss: Loss) -> Loss:
    """Lift a loss on distributions to one on integer labels, which become one-hot rows as wide as y.

    Shapes:   y (batch, classes), labels (batch,).
    Gradient: that of the loss.
    Raises:   DataError naming the row of a label out of range; what the loss raises.

    >>> import numpy as np
    >>> value, dy = on_labels(mse)(np.array([[0.0, 0.0]]), np.array([1]))
    >>> float(value), dy
    (0.5, array([[ 0., -1.]]))
    """
    return partial(_on_labels, loss)


def _on_labels(loss: Loss, y: Array, labels: Array) -> tuple[Any, Array]:
    if y.ndim != 2:
        raise ShapeError(
            "on_labels", "outputs of shape (batch, classes)", y.shape, "end the model with linear(classes)"
        )
    return loss(y, one_hot(labels, y.shape[1], dtype=y.dtype))


def check_alike(where: str, y: Array, target: Array) -> None:
    """Refuse a target that does not match y; NumPy would broadcast or promote it in silence.

    >>> import numpy as np
    >>> check_alike("mse", np.zeros((2, 1)), np.zeros(2))
    Traceback (most recent call last):
    fnmlp.errors.ShapeError: mse: expected targets of shape (2, 1), got (2,); reshape the targets or change the model
    """
    if y.shape != target.shape:
        remedy = "reshape the targets or change the model"
        if target.ndim == 1 and y.ndim == 2 and y.shape[1] > 1:
            remedy = f"for integer labels use on_labels({where})"
        raise ShapeError(where, f"targets of shape {tuple(y.shape)}", tuple(target.shape), remedy)
    if not same_dtype(target, y):
        remedy = f"convert the targets with .astype({str(y.dtype)!r})"
        raise DtypeError(where, f"targets of {y.dtype}", target.dtype, remedy)
    if not namespace(y).isdtype(y.dtype, ("real floating", "complex floating")):
        raise DtypeError(where, "floating-point outputs", y.dtype, "put scale(1 / 255) or a linear layer before it")


def _count(where: str, y: Array, reduction: str) -> int:
    """Return what the sum over y's elements is divided by."""
    if reduction == "sum":
        return 1
    count = prod(y.shape)
    if not count:
        raise DataError(where, "at least one element for a mean", "an empty batch", "leave empty batches out")
    return count
