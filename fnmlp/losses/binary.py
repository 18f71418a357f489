"""Losses for binary targets: each output is a logit of its own."""

from typing import Any

from fnmlp import options
from fnmlp.arrays import Array, namespace, owned
from fnmlp.losses.shared import as_probabilities, as_targets, check_alike, reduce_elements, shared_out
from fnmlp.rules import on_numbers
from fnmlp.weights import Weights, weights_like

__all__ = ["binary_cross_entropy"]


@on_numbers
def binary_cross_entropy(
    y: Array,
    target: Array,
    *,
    pos_weight: float | Weights = (),
    sample_weights: Weights = (),
    reduction: str = "mean",
) -> tuple[Any, Array]:
    """Return the cross-entropy between targets in [0, 1] and the sigmoid of y, averaged over all elements.

    The loss uses log1p of exp(-|y|), so it neither overflows nor rounds to 0 near certainty. An infinite y costs 0 if
    its target is exactly 0 or 1 on the same side, else infinity. A target of 1 counts `pos_weight` times as much as a
    target of 0; this is one number, or one for each column. The mean is still over all elements.

    Shapes:   target as y; the value is a number, or (batch,) without reduction; dy as y.
    Units:    nats.
    Gradient: sigmoid(y) - target, or with p = pos_weight, sigmoid(y) (1 - target + p target) - p target; divided by n
              for the mean of n elements.
    Raises:   DataError for targets outside [0, 1], negative weights, and the mean of an empty batch; ShapeError,
              DtypeError if y and target differ.
    Source:   torch.nn.BCEWithLogitsLoss.

    >>> import numpy as np
    >>> value, dy = binary_cross_entropy(np.array([[0.0, 1e9]]), np.array([[1.0, 1.0]]))
    >>> round(float(value), 4), dy
    (0.3466, array([[-0.25, -0.  ]]))
    """
    target = as_targets("binary_cross_entropy", y, target)
    check_alike("binary_cross_entropy", y, target)
    target = as_probabilities("binary_cross_entropy", target)
    xp, positive = namespace(y), _positive_weights(pos_weight, y)
    weighed = target if positive is None else target * positive
    above = y > 0
    size = xp.where(above, y, -y)
    missing = xp.where(above, 1 - target, weighed)
    tail = xp.exp(-size)
    terms, tail = xp.log1p(tail), owned(tail)
    tail /= 1 + tail
    if positive is not None:
        mass = 1 - target + weighed
        terms *= mass
        tail *= mass
    terms += shared_out(missing, size)
    tail -= missing
    value, factor = reduce_elements("binary_cross_entropy", terms, reduction, sample_weights)
    dy = xp.where(above, -tail, tail)
    dy *= factor
    return value, dy


def _positive_weights(pos_weight: float | Weights, y: Array) -> Any:
    """Return one number, an array with one for each column, or None if ones and zeros count equally."""
    where = "binary_cross_entropy(pos_weight)"
    if isinstance(pos_weight, (int, float)) or getattr(pos_weight, "ndim", None) == 0:
        return options.nonnegative(where, pos_weight)
    return weights_like(where, pos_weight, y, y.shape[-1] if y.ndim > 1 else 1)
