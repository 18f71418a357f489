"""Losses by scikit-learn's names, each a function of outputs and encoded targets."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fnmlp.arrays import Array, namespace
from fnmlp.losses import Loss, binary_cross_entropy, cross_entropy, huber, l1, mse, poisson_nll
from fnmlp.losses.shared import reduce_elements
from fnmlp.weights import Weights

NUMBERS = {"squared_error": (mse, 0.5), "absolute_error": (l1, 1.0), "huber": (huber, 1.0)}
"""The losses of a regressor, and their factors."""


def loss_of(given: str | Loss | None, kind: str, smoothing: float) -> Loss:
    """Return the loss for targets of a kind: yours if you give a function, else one by its name.

    >>> loss_of(None, "classes", 0.1).keywords
    {'label_smoothing': 0.1}
    """
    if callable(given):
        return given
    if kind == "counts":
        return partial(summed, _half_deviance, factor=1.0)
    if kind == "numbers":
        loss, factor = NUMBERS[given or "squared_error"]
        return partial(summed, loss, factor=factor)
    if kind == "classes":
        return partial(cross_entropy, label_smoothing=smoothing)
    return partial(summed, partial(_smoothed, smoothing), factor=1.0)


def summed(
    loss: Callable[..., Any], y: Array, target: Array, *, factor: float, sample_weights: Weights = ()
) -> tuple[Any, Array]:
    """Return a loss that is a mean over elements as one that is summed over the outputs of each row, times a factor.

    >>> import numpy as np
    >>> summed(mse, np.array([[1.0, 3.0]]), np.array([[0.0, 0.0]]), factor=0.5)
    (np.float64(5.0), array([[1., 3.]]))
    """
    value, dy = loss(y, target, sample_weights=sample_weights)
    factor *= y.shape[1]
    return value * factor, dy * factor


def _half_deviance(y: Array, target: Array, *, sample_weights: Weights = ()) -> tuple[Any, Array]:
    """Return half of the Poisson deviance: a negative log-likelihood that is 0 where the rates are the targets."""
    xp = namespace(y)
    value, dy = poisson_nll(y, target, sample_weights=sample_weights)
    least = target * xp.log(xp.where(target > 0, target, xp.ones_like(target))) - target
    return value + reduce_elements("poisson", least, "mean", sample_weights)[0], dy


def _smoothed(smoothing: float, y: Array, target: Array, *, sample_weights: Weights = ()) -> tuple[Any, Array]:
    """Return the cross-entropy of single outputs with targets that are nearer to a half."""
    if smoothing:
        target = target * (1 - smoothing) + smoothing / 2
    return binary_cross_entropy(y, target, sample_weights=sample_weights)
