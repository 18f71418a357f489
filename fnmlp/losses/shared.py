"""What every loss does: refuse targets that do not fit, weigh the rows, and reduce them to a value."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, TypeAlias

from fnmlp.arrays import Array, namespace, same_dtype, to_dtype
from fnmlp.errors import DataError, DtypeError, ShapeError
from fnmlp.labels import one_hot
from fnmlp.options import one_of

Loss: TypeAlias = Callable[[Array, Array], tuple[Any, Array]]
"""(y, target) -> (value, dy). Bind options with functools.partial."""

Weights: TypeAlias = Array | Sequence[float]
"""Numbers of at least 0, one for each class or for each row; () says that all count alike."""

REDUCTIONS = ("mean", "sum", "none")


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
    check_floating(where, y)


def check_floating(where: str, y: Array) -> None:
    """Refuse outputs that are no floating-point numbers: differences of unsigned integers wrap around."""
    if not namespace(y).isdtype(y.dtype, ("real floating", "complex floating")):
        raise DtypeError(where, "floating-point outputs", y.dtype, "put scale(1 / 255) or a linear layer before it")


def check_classes(where: str, y: Array) -> None:
    """Refuse outputs that are not one floating-point number for each class in each row."""
    if y.ndim != 2 or not y.shape[1]:
        remedy = "end the model with linear(classes)"
        raise ShapeError(where, "outputs of shape (batch, classes)", tuple(y.shape), remedy)
    check_floating(where, y)


def reduce_elements(where: str, terms: Array, reduction: str) -> tuple[Any, float]:
    """Return the value of a loss whose mean is over all elements, and the factor of their gradients.

    >>> import numpy as np
    >>> reduce_elements("l1", np.array([[1.0, 2.0], [3.0, 4.0]]), "none")
    (array([3., 7.]), 1.0)
    """
    xp = namespace(terms)
    if one_of(f"{where}(reduction)", reduction, REDUCTIONS) == "none":
        return (xp.sum(terms, axis=tuple(range(1, terms.ndim))) if terms.ndim > 1 else terms), 1.0
    if reduction == "sum":
        return xp.sum(terms), 1.0
    count = prod(terms.shape)
    if not count:
        raise DataError(where, "at least one element for a mean", "an empty batch", "leave empty batches out")
    return xp.sum(terms) / count, 1 / count


def reduce_rows(where: str, terms: Array, reduction: str, weights: Array | None, mass: Array | None) -> tuple[Any, Any]:
    """Return the value of a loss that has a number for each row, and the factors of the rows' gradients.

    The factors are one number for all, or a column. A mean is divided by the sum of `mass`, or the number of rows.

    >>> import numpy as np
    >>> reduce_rows("nll", np.array([1.0, 2.0]), "mean", None, None)
    (np.float64(1.5), 0.5)
    """
    xp = namespace(terms)
    factors: Any = 1.0
    if weights is not None:
        terms, factors = terms * weights, weights[:, None]
    if one_of(f"{where}(reduction)", reduction, REDUCTIONS) == "none":
        return terms, factors
    if reduction == "sum":
        return xp.sum(terms), factors
    if not terms.shape[0]:
        raise DataError(where, "at least one row for a mean", "an empty batch", "leave empty batches out")
    total: Any = terms.shape[0] if mass is None else xp.sum(mass)
    if not bool(total != 0):
        raise DataError(where, "weights with a sum above 0", "0", "leave batches out in which nothing counts")
    return xp.sum(terms) / total, factors / total


def weights_like(where: str, weights: Weights, y: Array, count: int) -> Array | None:
    """Return weights as an array of y's library and dtype; None where all count alike.

    >>> import numpy as np
    >>> weights_like("nll(class_weights)", (1, 2), np.zeros((1, 3)), 3)
    Traceback (most recent call last):
    fnmlp.errors.ShapeError: nll(class_weights): expected 3 weights, got (2,); pass one number for each
    """
    if isinstance(weights, tuple) and not weights:
        return None
    xp = namespace(y)
    array: Array = xp.asarray(weights, device=y.device)
    if array.shape != (count,):
        raise ShapeError(where, f"{count} weights", tuple(array.shape), "pass one number for each")
    array = to_dtype(array, y.dtype)
    if not bool(xp.all(array >= 0)):
        raise DataError(where, "weights of at least 0", "a negative one or NaN", "give what shall not count 0")
    return array


def check_distributions(where: str, target: Array) -> None:
    """Refuse targets that can't be shares: negative ones, and NaN."""
    if not bool(namespace(target).all(target >= 0)):
        raise DataError(where, "targets of at least 0", "a negative one or NaN", "pass the shares of the classes")


def hot_rows(where: str, y: Array, labels: Array) -> Array:
    """Return the one-hot rows of labels, having refused those that do not fit y."""
    hot = one_hot(labels, y.shape[1], dtype=y.dtype)
    if hot.shape != y.shape:
        remedy = "pass one class number for each row"
        raise ShapeError(where, f"{y.shape[0]} labels", tuple(labels.shape), remedy)
    return hot


def of_labels(by_class: Array | None, by_row: Array | None, labels: Array) -> Array | None:
    """Return the weight of each row, that of its label times its own; None where all count alike."""
    if by_class is None:
        return by_row
    weights: Array = namespace(by_class).take(by_class, to_dtype(labels, "int64"))
    return weights if by_row is None else weights * by_row


def row_sums(x: Array) -> Array:
    """Sum each row by a matrix product, five times as fast as NumPy's sum over short rows."""
    sums: Array = x @ namespace(x).ones(x.shape[1], dtype=x.dtype, device=x.device)
    return sums


def shared_out(share: Array, x: Array) -> Array:
    """Return share · x, and 0 where the share is 0, even of something infinite.

    >>> import numpy as np
    >>> shared_out(np.array([0.0, 0.5]), np.array([np.inf, 4.0]))
    array([0., 2.])
    """
    product: Array = share * namespace(x).where(share == 0, share, x)
    return product
