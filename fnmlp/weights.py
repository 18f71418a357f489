"""Weights: numbers of at least 0 that say how much a class or a row counts.

A row of weight 2 counts as if it were there twice, a row of weight 0 as if it were missing.
"""

from collections.abc import Callable, Sequence
from inspect import signature
from math import inf
from typing import Any, TypeAlias

import numpy as np

from fnmlp.arrays import Array, at_hand, bring, device_of, namespace, to_dtype
from fnmlp.conditions import nan_unless
from fnmlp.errors import DataError, DtypeError, OptionError, ShapeError

__all__ = ["Weights"]

Weights: TypeAlias = Array | Sequence[float]
"""Numbers of at least 0, one for each class or row; () means that all count equally."""


def weights_like(where: str, weights: Weights, y: Array, count: int, dtype: object = None) -> Array | None:
    """Return weights as an array of y's library and dtype, or another dtype; None if all count equally.

    >>> import numpy as np
    >>> weights_like("nll(class_weights)", (1, 2), np.zeros((1, 3)), 3)
    Traceback (most recent call last):
    fnmlp.errors.ShapeError: nll(class_weights): expected 3 weights, got shape (2,); pass one number for each
    """
    if isinstance(weights, tuple) and not weights:
        return None
    if weights is None:
        raise OptionError(where, "numbers of at least 0", None, "leave it out if all count equally")
    try:
        known = isinstance(weights, (tuple, list, np.ndarray))
        array: Array = np.asarray(weights) if known else namespace(y).asarray(weights, device=device_of(y))
    except (TypeError, ValueError, RuntimeError) as error:
        raise DtypeError(where, "numbers of at least 0", type(weights).__name__, "pass one number for each") from error
    if array.shape != (count,):
        raise ShapeError(where, f"{count} weights", f"shape {tuple(array.shape)}", "pass one number for each")
    xp = namespace(array)
    if not xp.isdtype(array.dtype, ("bool", "integral", "real floating")):
        raise DtypeError(where, "real numbers", array.dtype, "convert with .astype('float32')")
    valid = (array >= 0) & (array < inf)
    if not at_hand(array):
        return to_dtype(nan_unless(valid, array), y.dtype if dtype is None else dtype)
    if not bool(xp.all(valid)):
        remedy = "give weight 0 to whatever should not count"
        raise DataError(where, "finite weights of at least 0", "a negative one, infinity or NaN", remedy)
    return to_dtype(bring(array, y), y.dtype if dtype is None else dtype)


def row_weights(where: str, weights: Weights, y: Array, dtype: object = None) -> Array | None:
    """Return the weight of each row of y, as `weights_like` does."""
    if isinstance(weights, tuple) and not weights:
        return None
    return weights_like(f"{where}(sample_weights)", weights, y, y.shape[0] if y.ndim else 0, dtype)


def with_weights(function: Callable[..., Any], y: Array, target: Any, weights: Weights = ()) -> Any:
    """Call a loss or a metric, with the weights of the rows if there are any.

    Raises:   OptionError for weights if the function takes none; whatever the function raises.

    >>> import numpy as np
    >>> with_weights(lambda y, target: 0.0, np.zeros((1, 1)), np.zeros((1, 1)), np.ones(1))
    Traceback (most recent call last):
    fnmlp.errors.OptionError: <lambda>: expected an option sample_weights, got none; give it one, or take the weight...
    """
    if isinstance(weights, tuple) and not weights:
        return function(y, target)
    try:
        return function(y, target, sample_weights=weights)
    except TypeError as error:
        if _takes_weights(function):
            raise
        name = getattr(function, "__name__", type(function).__name__)
        remedy = "give it one, or take the weights out of the batch"
        raise OptionError(name, "an option sample_weights", "none", remedy) from error


def _takes_weights(function: Callable[..., Any]) -> bool:
    try:
        signature(function).bind((), (), sample_weights=())
    except (TypeError, ValueError):  # ValueError: Python does not know the signature
        return False
    return True
