"""What all losses share: checks of targets, weights of rows, and reductions."""

from collections.abc import Callable
from math import prod
from typing import Any, TypeAlias

from fnmlp.arrays import Array, as_array, at_hand, device_of, namespace, same_dtype, to_dtype
from fnmlp.checks import as_choice
from fnmlp.conditions import nan_unless
from fnmlp.errors import DataError, DtypeError, ShapeError
from fnmlp.labels import one_hot
from fnmlp.scalars import as_integer
from fnmlp.weights import Weights, row_weights

__all__ = ["Loss"]

Loss: TypeAlias = Callable[[Array, Array], tuple[Any, Array]]
"""(y, target) -> (value, dy). Bind options with functools.partial.

A loss needs an option `sample_weights` for batches with weights; all losses here have it.
"""

REDUCTIONS = ("mean", "sum", "none")


def check_alike(where: str, y: Array, target: Array) -> None:
    """Raise unless the target matches y; NumPy would broadcast or promote it silently.

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


def as_targets(where: str, y: Array, target: Any) -> Array:
    """Return targets as an array; floats in a list take the dtype of y.

    >>> import numpy as np
    >>> as_targets("nll", np.zeros((2, 3)), [2, 0])
    array([2, 0])
    """
    return target if type(target) is type(y) else as_array(f"{where}(target)", target, y)


def check_floating(where: str, y: Array) -> None:
    """Raise unless outputs are floating-point numbers: differences of unsigned integers would wrap around."""
    if not namespace(y).isdtype(y.dtype, ("real floating", "complex floating")):
        raise DtypeError(where, "floating-point outputs", y.dtype, "put scale(1 / 255) or a linear layer before it")


def check_classes(where: str, y: Array) -> None:
    """Raise unless outputs have one floating-point number per class in each row."""
    if y.ndim != 2 or not y.shape[1]:
        remedy = "end the model with linear(classes)"
        raise ShapeError(where, "outputs of shape (batch, classes)", tuple(y.shape), remedy)
    if y.shape[1] == 1:  # the softmax of one number is always 1, and the loss 0
        remedy = "for one output a row use binary_cross_entropy"
        raise ShapeError(where, "outputs of at least 2 classes", tuple(y.shape), remedy)
    check_floating(where, y)


def reduce_elements(where: str, terms: Array, reduction: str, sample_weights: Weights = ()) -> tuple[Any, Any]:
    """Return the value of a loss whose mean is over all elements, and the factor for their gradients.

    The factor is a single number, or with weights one for each row, shaped to broadcast over its elements.

    >>> import numpy as np
    >>> reduce_elements("l1", np.array([[1.0, 2.0], [3.0, 4.0]]), "none")
    (array([3., 7.]), 1.0)
    """
    reduction = as_choice(f"{where}(reduction)", reduction, REDUCTIONS)
    weights = row_weights(where, sample_weights, terms)
    if weights is not None:
        return _reduce_weighted(where, terms, reduction, weights)
    if reduction == "none":
        return _of_rows(terms), 1.0
    xp = namespace(terms)
    if reduction == "sum":
        return xp.sum(terms), 1.0
    count = _count(where, terms)
    return xp.sum(terms) / count, 1 / count


def _reduce_weighted(where: str, terms: Array, reduction: str, weights: Array) -> tuple[Any, Any]:
    width = _count(where, terms) / terms.shape[0] if reduction == "mean" else 1.0
    value, factors = reduce_rows(where, _of_rows(terms), reduction, weights, weights * width)
    return value, namespace(terms).reshape(factors, (-1, *(1,) * (terms.ndim - 1)))


def _of_rows(terms: Array) -> Array:
    """Return the sum of the elements of each row."""
    if terms.ndim < 2:
        return terms
    return namespace(terms).sum(terms, axis=tuple(range(1, terms.ndim)))


def _count(where: str, terms: Array) -> int:
    count = prod(terms.shape)
    if not count:
        raise DataError(where, "at least one element for a mean", "an empty batch", "leave empty batches out")
    return count


def reduce_rows(where: str, terms: Array, reduction: str, weights: Array | None, mass: Array | None) -> tuple[Any, Any]:
    """Return the value of a loss with one number per row, and the factors for the rows' gradients.

    The factors are a single number, or a column. A mean is divided by the sum of `mass`, or the number of rows.

    >>> import numpy as np
    >>> reduce_rows("nll", np.array([1.0, 2.0]), "mean", None, None)
    (np.float64(1.5), 0.5)
    """
    xp = namespace(terms)
    factors: Any = 1.0
    if weights is not None:
        terms, factors = shared_out(weights, terms), weights[:, None]
    if as_choice(f"{where}(reduction)", reduction, REDUCTIONS) == "none":
        return terms, factors
    if reduction == "sum":
        return xp.sum(terms), factors
    if not terms.shape[0]:
        raise DataError(where, "at least one row for a mean", "an empty batch", "leave empty batches out")
    total: Any = terms.shape[0] if mass is None else _counting(where, xp.sum(mass))
    return xp.sum(terms) / total, factors / total


def _counting(where: str, total: Array) -> Array:
    """Return the sum of all weights, unless it is 0; one that can't be read yet becomes NaN then."""
    if not at_hand(total):
        return nan_unless(total != 0, total)
    if not bool(total != 0):
        raise DataError(where, "weights with a sum above 0", "0", "leave batches out in which nothing counts")
    return total


ROUNDING = 1e-3
"""The largest rounding error of a sum of probabilities, even in half precision."""


def as_distributions(where: str, target: Array) -> Array:
    """Return targets if each row is a distribution: no negative number or NaN, and a sum of 1.

    Where numbers can't be read yet, a row that is no distribution becomes NaN.

    >>> import numpy as np
    >>> as_distributions("kl", np.array([[0.5, 0.5], [1.0, 1.0]]))
    Traceback (most recent call last):
    fnmlp.errors.DataError: kl: targets[1]: expected shares that add up to 1, got a sum of 2.0; divide each row by ...
    """
    xp = namespace(target)
    if not at_hand(target):
        valid = xp.all(target >= 0, axis=1) & _near_one(row_sums(target))
        return nan_unless(valid[:, None], target)
    if not bool(xp.all(target >= 0)):
        raise DataError(where, "targets of at least 0", "a negative one or NaN", "pass the shares of the classes")
    sums = row_sums(target)
    whole = _near_one(sums)
    if not bool(xp.all(whole)):
        row = int(xp.argmin(to_dtype(whole, "uint8")))
        remedy = "divide each row by its sum; where several classes are true at once, use binary_cross_entropy"
        got = f"a sum of {float(xp.real(sums[row]))}"
        raise DataError(f"{where}: targets[{row}]", "shares that add up to 1", got, remedy)
    return target


def _near_one(sums: Array) -> Array:
    return (sums > 1 - ROUNDING) & (sums < 1 + ROUNDING)


def as_probabilities(where: str, target: Array) -> Array:
    """Return targets if all are in [0, 1], but for rounding; where they can't be read yet, others become NaN.

    >>> import numpy as np
    >>> as_probabilities("binary_cross_entropy", np.array([255.0]))
    Traceback (most recent call last):
    fnmlp.errors.DataError: binary_cross_entropy: expected targets in [0, 1], got numbers outside it or NaN; scale t...
    """
    valid = (target >= 0) & (target <= 1 + 1e-5)
    if not at_hand(target):
        return nan_unless(valid, target)
    if not bool(namespace(target).all(valid)):
        raise DataError(where, "targets in [0, 1]", "numbers outside it or NaN", "scale them, as in pixels / 255")
    return target


def without_ignored(
    where: str, y: Array, labels: Array, ignore_label: int | None, by_row: Array | None
) -> tuple[Array, Array | None]:
    """Give rows with the ignored label a weight of 0, and a valid label.

    >>> import numpy as np
    >>> without_ignored("nll", np.zeros((2, 3)), np.array([2, -100]), -100, None)
    (array([2, 0]), array([1., 0.]))
    """
    xp = namespace(y)
    if ignore_label is None or not xp.isdtype(labels.dtype, "integral"):
        return labels, by_row
    labels = to_dtype(labels, "int64")  # torch would compare uint8 with -100 modulo 256
    counted = labels != as_integer(f"{where}(ignore_label)", ignore_label)
    weights = to_dtype(counted, y.dtype)
    if by_row is not None and by_row.shape == weights.shape:
        weights *= by_row
    return xp.where(counted, labels, 0 * labels), weights


def hot_rows(where: str, y: Array, labels: Array) -> Array:
    """Check labels against y, and return their one-hot rows."""
    hot = one_hot(labels, y.shape[1], dtype=y.dtype)
    if hot.shape != y.shape:
        remedy = "pass one class number for each row"
        raise ShapeError(where, f"{y.shape[0]} labels", tuple(labels.shape), remedy)
    return hot


def of_labels(by_class: Array | None, by_row: Array | None, labels: Array) -> Array | None:
    """Return each row's weight, that of its label times its own; None if all count equally."""
    if by_class is None:
        return by_row
    weights: Array = namespace(by_class).take(by_class, to_dtype(labels, "int64"))
    return weights if by_row is None else weights * by_row


def row_sums(x: Array) -> Array:
    """Sum each row by a matrix product, five times as fast as NumPy's sum for short rows."""
    return x @ namespace(x).ones(x.shape[1], dtype=x.dtype, device=device_of(x))


def shared_out(share: Array, x: Array) -> Array:
    """Return share · x, but 0 wherever the share is 0, even if x is infinite.

    >>> import numpy as np
    >>> shared_out(np.array([0.0, 0.5]), np.array([np.inf, 4.0]))
    array([0., 2.])
    """
    return share * namespace(x).where(share == 0, share, x)
