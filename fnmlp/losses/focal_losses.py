"""Focal losses: cross-entropies that reduce the weight of well-classified examples."""

from typing import Any

from fnmlp import options
from fnmlp.arrays import Array, namespace
from fnmlp.losses.classification import entropy_of_labels
from fnmlp.losses.shared import (
    as_probabilities,
    as_targets,
    check_alike,
    check_classes,
    hot_rows,
    of_labels,
    reduce_elements,
    reduce_rows,
    shared_out,
    without_ignored,
)
from fnmlp.rules import on_numbers
from fnmlp.weights import Weights, row_weights, weights_like

__all__ = ["binary_focal", "focal"]


@on_numbers
def focal(
    y: Array,
    labels: Array,
    *,
    gamma: float = 2.0,
    class_weights: Weights = (),
    sample_weights: Weights = (),
    ignore_label: int | None = None,
    reduction: str = "mean",
) -> tuple[Any, Array]:
    """Return the focal loss: -α (1 - p)^γ log p, where p is the softmax of y at the label.

    The larger gamma is, the less well-classified rows count; with 0 this is `cross_entropy`. The label's class weight
    is the paper's α. The mean is over rows, whatever the class weights. Rows whose label is `ignore_label` cost
    nothing, and don't count in the mean.

    Shapes:   y (batch, classes), labels (batch,); the value is a number, or (batch,) without reduction.
    Units:    nats.
    Gradient: that of `cross_entropy`, multiplied by α ((1 - p)^γ - γ p (1 - p)^(γ - 1) log p).
    Raises:   OptionError unless gamma is finite and at least 0; else as `cross_entropy`.
    Source:   Lin, Goyal, Girshick, He & Dollár 2017, arXiv:1708.02002, eq. 5.

    >>> import numpy as np
    >>> value, dy = focal(np.array([[0.0, 0.0]]), np.array([1]))
    >>> round(float(value), 4), dy.round(4)
    (0.1733, array([[ 0.2983, -0.2983]]))
    """
    check_classes("focal", y)
    gamma = options.nonnegative("focal(gamma)", gamma)
    by_class = weights_like("focal(class_weights)", class_weights, y, y.shape[1])
    by_row = row_weights("focal", sample_weights, y)
    labels, by_row = without_ignored("focal", y, as_targets("focal", y, labels), ignore_label, by_row)
    hot = hot_rows("focal", y, labels)
    terms, dy = entropy_of_labels(y, labels, hot)
    xp = namespace(y)
    share, rest = xp.exp(-terms), -xp.expm1(-terms)
    rest = xp.where(rest == 0, rest + 1, rest)  # such a row costs nothing, and its power would have no slope
    power = rest**gamma
    slope = shared_out(share, terms / rest)
    slope *= gamma
    slope += 1
    slope *= power
    alpha = of_labels(by_class, None, labels)
    if alpha is not None:
        power, slope = power * alpha, slope * alpha
    value, factors = reduce_rows("focal", shared_out(power, terms), reduction, by_row, by_row)
    dy *= slope[:, None]
    dy *= factors
    return value, dy


@on_numbers
def binary_focal(
    y: Array,
    target: Array,
    *,
    alpha: float = 0.25,
    gamma: float = 2.0,
    sample_weights: Weights = (),
    reduction: str = "mean",
) -> tuple[Any, Array]:
    """Return the binary focal loss: `binary_cross_entropy` times α (1 - p)^γ, where p is the target's probability.

    Targets of 1 have the weight alpha, targets of 0 have 1 - alpha, and targets in between a mean of both.
    Shapes:   target as y; the value is a number, or (batch,) without reduction; dy as y.
    Units:    nats.
    Gradient: α ((1 - p)^γ (s - target) + γ (1 - p)^(γ - 1) s (1 - s) (1 - 2 target) · the cross-entropy), with the
              sigmoid s of y; divided by n for the mean of n elements.
    Raises:   DataError for targets outside [0, 1], and for the mean of an empty batch; OptionError unless 0 <= alpha <=
              1 and gamma is finite and at least 0; ShapeError, DtypeError if y and target differ.
    Source:   Lin, Goyal, Girshick, He & Dollár 2017, arXiv:1708.02002, eq. 5; torchvision.ops.sigmoid_focal_loss.

    >>> import numpy as np
    >>> value, dy = binary_focal(np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]]), reduction="sum")
    >>> round(float(value), 4), dy.round(4)
    (0.1733, array([[-0.0746,  0.2237]]))
    """
    target = as_targets("binary_focal", y, target)
    check_alike("binary_focal", y, target)
    target = as_probabilities("binary_focal", target)
    alpha, gamma = options.share("binary_focal(alpha)", alpha), options.nonnegative("binary_focal(gamma)", gamma)
    xp, above = namespace(y), y > 0
    size = xp.where(above, y, -y)
    tail = xp.exp(-size)
    large, small = 1 / (1 + tail), tail / (1 + tail)
    yes, no = xp.where(above, large, small), xp.where(above, small, large)
    entropy = xp.log1p(tail) + shared_out(xp.where(above, 1 - target, target), size)
    missed = target * no + (1 - target) * yes
    missed = xp.where(missed == 0, missed + 1, missed)  # the entropy is 0 then
    power = missed**gamma * (alpha * target + (1 - alpha) * (1 - target))
    sharper = shared_out(yes * no / missed, entropy)
    dy = xp.where(above, (1 - target) - small, small - target)
    dy += gamma * (1 - 2 * target) * sharper
    dy *= power
    value, factor = reduce_elements("binary_focal", shared_out(power, entropy), reduction, sample_weights)
    dy *= factor
    return value, dy
