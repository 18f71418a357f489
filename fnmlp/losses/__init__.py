"""Losses: (y, target) -> (value, gradient of the value with respect to y).

The value is a mean, a sum, or with reduction="none" one number for each row: they add up to the sum, and the gradient
is then that of the sum. `sample_weights` says how much each row counts: the mean is that of rows repeated as often.
"""

from fnmlp.losses.classification import (
    binary_cross_entropy,
    cross_entropy,
    hinge,
    kl,
    nll,
    on_labels,
)
from fnmlp.losses.regression import huber, l1, mse
from fnmlp.losses.shared import Loss, check_alike
from fnmlp.weights import Weights

__all__ = [
    "Loss",
    "Weights",
    "binary_cross_entropy",
    "check_alike",
    "cross_entropy",
    "hinge",
    "huber",
    "kl",
    "l1",
    "mse",
    "nll",
    "on_labels",
]
