"""Losses for regression: how far outputs are from their targets."""

from math import log
from typing import Any

from fnmlp import options
from fnmlp.arrays import Array, at_hand, namespace, owned
from fnmlp.conditions import nan_unless
from fnmlp.errors import DataError
from fnmlp.losses.shared import as_targets, check_alike, reduce_elements, shared_out
from fnmlp.rules import on_numbers
from fnmlp.weights import Weights

__all__ = ["huber", "l1", "log_cosh", "mse", "poisson_nll"]


@on_numbers
def mse(y: Array, target: Array, *, sample_weights: Weights = (), reduction: str = "mean") -> tuple[Any, Array]:
    """Return the mean squared error: the mean, or the sum, of (y - target)² over all elements.

    Shapes:   target as y; the value is a number, or (batch,) without reduction; dy as y.
    Units:    those of y, squared.
    Gradient: 2 (y - target) / n for the mean of n elements, 2 (y - target) for the sum, and without reduction.
    Raises:   ShapeError, DtypeError if y and target differ; DataError for the mean of an empty batch.
    Source:   torch.nn.MSELoss.

    >>> import numpy as np
    >>> value, dy = mse(np.array([[1.0, 2.0]]), np.array([[0.0, 0.0]]))
    >>> float(value), dy
    (2.5, array([[1., 2.]]))
    """
    target = as_targets("mse", y, target)
    check_alike("mse", y, target)
    difference = y - target
    value, factor = reduce_elements("mse", difference * difference, reduction, sample_weights)
    dy = owned(difference)
    dy *= 2 * factor
    return value, dy


@on_numbers
def l1(y: Array, target: Array, *, sample_weights: Weights = (), reduction: str = "mean") -> tuple[Any, Array]:
    """Return the mean absolute error: the mean, or the sum, of |y - target| over all elements.

    Shapes:   as `mse`.
    Units:    those of y.
    Gradient: the sign of y - target, which is 0 if they are equal; divided by n for the mean of n elements.
    Raises:   as `mse`.
    Source:   torch.nn.L1Loss.

    >>> import numpy as np
    >>> value, dy = l1(np.array([[1.0, -3.0]]), np.array([[0.0, 0.0]]))
    >>> float(value), dy
    (2.0, array([[ 0.5, -0.5]]))
    """
    target = as_targets("l1", y, target)
    check_alike("l1", y, target)
    difference, xp = y - target, namespace(y)
    value, factor = reduce_elements("l1", xp.where(difference < 0, -difference, difference), reduction, sample_weights)
    sign: Array = xp.sign(difference)
    sign *= factor
    return value, sign


@on_numbers
def huber(
    y: Array, target: Array, *, delta: float = 1.0, sample_weights: Weights = (), reduction: str = "mean"
) -> tuple[Any, Array]:
    """Return the Huber loss: half the squared error up to delta, and linear beyond, which limits outliers.

    Shapes:   as `mse`.
    Units:    those of y, squared; delta has those of y.
    Gradient: y - target, clipped to [-delta, delta]; divided by n for the mean of n elements.
    Raises:   OptionError unless delta is finite and above 0; as `mse`.
    Source:   Huber 1964, "Robust estimation of a location parameter"; torch.nn.HuberLoss.

    >>> import numpy as np
    >>> value, dy = huber(np.array([[1.0, -3.0]]), np.array([[0.5, 0.0]]), reduction="sum")
    >>> float(value), dy
    (2.625, array([[ 0.5, -1. ]]))
    """
    target = as_targets("huber", y, target)
    check_alike("huber", y, target)
    delta = options.positive("huber(delta)", delta)
    difference = y - target
    held: Array = namespace(y).clip(difference, -delta, delta)
    terms, dy = owned(difference), owned(held)
    terms -= held / 2
    terms *= held
    value, factor = reduce_elements("huber", terms, reduction, sample_weights)
    dy *= factor
    return value, dy


@on_numbers
def log_cosh(y: Array, target: Array, *, sample_weights: Weights = (), reduction: str = "mean") -> tuple[Any, Array]:
    """Return log(cosh(y - target)): half the squared error near the target, and the absolute error far from it.

    It is as smooth as `mse`, and as robust to outliers as `l1`. With d = y - target, it is computed as log1p(2 sinh²(d
    / 2)) near the target, which keeps all digits, and as |d| + log1p(exp(-2 |d|)) - log 2 far from it, which never
    overflows.

    Shapes:   as `mse`.
    Units:    those of y, which should be near 1.
    Gradient: tanh(y - target); divided by n for the mean of n elements.
    Raises:   as `mse`.
    Source:   Saleh & Saleh 2022, arXiv:2208.04564, eq. 1; keras.losses.LogCosh.

    >>> import numpy as np
    >>> value, dy = log_cosh(np.array([[1.0, -1000.0]]), np.array([[0.0, 0.0]]), reduction="sum")
    >>> round(float(value), 4), dy.round(4)
    (999.7406, array([[ 0.7616, -1.    ]]))
    """
    target = as_targets("log_cosh", y, target)
    check_alike("log_cosh", y, target)
    xp = namespace(y)
    difference = y - target
    size = xp.where(difference < 0, -difference, difference)
    near = size < 1
    half = xp.sinh(xp.where(near, size, xp.ones_like(size)) / 2)
    terms = xp.where(near, xp.log1p(2 * half * half), size + (xp.log1p(xp.exp(-2 * size)) - log(2)))
    value, factor = reduce_elements("log_cosh", terms, reduction, sample_weights)
    dy: Array = xp.tanh(difference)
    dy *= factor
    return value, dy


@on_numbers
def poisson_nll(y: Array, target: Array, *, sample_weights: Weights = (), reduction: str = "mean") -> tuple[Any, Array]:
    """Return the negative log-likelihood of counts, whose rate is exp(y), less a term that only the counts decide.

    It is exp(y) - target · y, the mean or the sum over all elements. The targets are counts, or rates of at least 0.

    Shapes:   as `mse`.
    Units:    nats; y is the logarithm of a rate.
    Gradient: exp(y) - target; divided by n for the mean of n elements.
    Raises:   DataError for targets below 0; as `mse`.
    Source:   torch.nn.PoissonNLLLoss.

    >>> import numpy as np
    >>> value, dy = poisson_nll(np.array([[0.0, 0.0]]), np.array([[1.0, 4.0]]))
    >>> float(value), dy
    (1.0, array([[ 0. , -1.5]]))
    """
    target = as_targets("poisson_nll", y, target)
    check_alike("poisson_nll", y, target)
    target = _as_counts(target)
    rate = namespace(y).exp(y)
    value, factor = reduce_elements("poisson_nll", rate - shared_out(target, y), reduction, sample_weights)
    return value, (rate - target) * factor


def _as_counts(target: Array) -> Array:
    """Return targets of at least 0; where they can't be read yet, others become NaN."""
    valid = target >= 0
    if not at_hand(target):
        return nan_unless(valid, target)
    if not bool(namespace(target).all(valid)):
        raise DataError("poisson_nll", "targets of at least 0", "negative numbers or NaN", "give counts or rates")
    return target
