"""Losses: (y, target) -> (value, gradient of the value with respect to y).

The value is a mean, a sum, or with reduction="none" one number for each row: they add up to the sum, and the gradient
is then that of the sum. `sample_weights` says how much each row counts: the mean is that of rows repeated as often.
"""

from fnmlp.losses.binary import binary_cross_entropy
from fnmlp.losses.classification import (
    cross_entropy,
    hinge,
    kl,
    nll,
    on_labels,
)
from fnmlp.losses.focal_losses import binary_focal, focal
from fnmlp.losses.regression import huber, l1, log_cosh, mse
from fnmlp.losses.shared import Loss, check_alike
from fnmlp.weights import Weights

__all__ = [
    "Loss",
    "Weights",
    "binary_cross_entropy",
    "binary_focal",
    "check_alike",
    "cross_entropy",
    "focal",
    "hinge",
    "huber",
    "kl",
    "l1",
    "log_cosh",
    "mse",
    "nll",
    "on_labels",
]
