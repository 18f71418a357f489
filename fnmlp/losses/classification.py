"""Losses for classification.

A row of outputs with +inf, or with only -inf, defines no distribution: softmax returns NaN, and so do the losses that
use it. A single -inf rules out its class: the probability is 0.
"""

from functools import partial
from typing import Any

from fnmlp import options
from fnmlp.arrays import Array, device_of, namespace, owned, to_dtype
from fnmlp.checks import check_function
from fnmlp.conditions import surely_zero
from fnmlp.errors import OptionError
from fnmlp.labels import at_labels, one_hot
from fnmlp.losses.shared import (
    Loss,
    as_distributions,
    as_targets,
    check_alike,
    check_classes,
    hot_rows,
    of_labels,
    reduce_rows,
    row_sums,
    shared_out,
    without_ignored,
)
from fnmlp.rules import on_numbers
from fnmlp.weights import Weights, row_weights, weights_like, with_weights

__all__ = ["cross_entropy", "hinge", "kl", "nll", "on_labels"]


@on_numbers
def cross_entropy(
    y: Array,
    target: Array,
    *,
    label_smoothing: float = 0.0,
    class_weights: Weights = (),
    sample_weights: Weights = (),
    ignore_label: int | None = None,
    reduction: str = "mean",
) -> tuple[Any, Array]:
    """Return the cross-entropy between targets and the softmax of y: -Σ target · log softmax(y) for each row.

    Targets are labels, or distributions: rows of probabilities that add up to 1. `label_smoothing` is the part of each
    row that is spread evenly over all classes. `class_weights` multiply the terms of the classes, and `sample_weights`
    the rows. The mean is over rows: the sum is divided by the total weight of the labels, or for distributions of the
    samples. Rows whose label is `ignore_label`, such as -100, cost nothing, and don't count in the mean.

    Near certainty the loss is log1p of the other classes' share, so it does not round to 0. Large offsets of y are
    harmless.
    Shapes:   y (batch, classes), target (batch,) integers, or as y; the value is a number, or (batch,) without
              reduction.
    Units:    nats.
    Gradient: softmax(y) - target, weighted and divided like the terms; each row of it adds up to 0.
    Raises:   DataError, naming the row, for a label out of range or probabilities that don't add up to 1; also for
              negative weights, and for the mean of an empty batch; ShapeError for outputs with one column; DtypeError;
              OptionError unless 0 <= label_smoothing < 1, and for `ignore_label` with distributions.
    Source:   torch.nn.CrossEntropyLoss; label smoothing: Szegedy et al. 2015, arXiv:1512.00567, sec. 7.

    >>> import numpy as np
    >>> value, dy = cross_entropy(np.array([[0.0, 0.0]]), np.array([1]))
    >>> round(float(value), 4), dy
    (0.6931, array([[ 0.5, -0.5]]))
    """
    check_classes("cross_entropy", y)
    smoothing = options.fraction("cross_entropy(label_smoothing)", label_smoothing)
    by_class = weights_like("cross_entropy(class_weights)", class_weights, y, y.shape[1])
    by_row = row_weights("cross_entropy", sample_weights, y)
    target = labels = as_targets("cross_entropy", y, target)
    if target.ndim == 1:
        labels, by_row = without_ignored("cross_entropy", y, target, ignore_label, by_row)
        shares, mass = hot_rows("cross_entropy", y, labels), of_labels(by_class, by_row, labels)
    else:
        shares, mass = _shares(y, target, ignore_label), by_row
    if target.ndim == 1 and surely_zero(smoothing):
        terms, dy = entropy_of_labels(y, labels, shares)
        counted = mass
    else:
        terms, dy = _entropy_of_shares(y, _weighted(_smoothed(shares, smoothing), by_class))
        counted = by_row
    value, factors = reduce_rows("cross_entropy", terms, reduction, counted, mass)
    dy *= factors
    return value, dy


def _shares(y: Array, target: Array, ignore_label: int | None) -> Array:
    check_alike("cross_entropy", y, target)
    if ignore_label is not None:
        remedy = "give such rows the sample weight 0"
        raise OptionError("cross_entropy(ignore_label)", "labels as targets", "distributions", remedy)
    return as_distributions("cross_entropy", target)


def _weighted(shares: Array, by_class: Array | None) -> Array:
    return shares if by_class is None else shares * by_class


def _smoothed(shares: Array, smoothing: Any) -> Array:
    if surely_zero(smoothing):
        return shares
    smoothed = shares * (1 - smoothing)
    smoothed += smoothing / shares.shape[1]
    return smoothed


def entropy_of_labels(y: Array, labels: Array, hot: Array) -> tuple[Array, Array]:
    """Return log Σ exp(y - y of the label), and its gradient.

    The sum has the label's own term and `others`. Nothing is subtracted from 1 afterwards, so nothing cancels. Labels
    have this formula of their own because that of distributions takes 1.25 times as long for 64 × 10 outputs, and three
    times for 512 × 100.
    """
    xp = namespace(y)
    below, shares, _ = _exponentials(y)
    own, shares = at_labels(shares, labels), owned(shares)
    shares *= 1 - hot
    others = row_sums(shares)
    terms = xp.log1p(others + (own - 1)) - at_labels(below, labels)
    shares -= hot * others[:, None]
    shares /= (others + own)[:, None]
    return terms, shares


def _entropy_of_shares(y: Array, target: Array) -> tuple[Array, Array]:
    """Return Σ target · (log Σ exp(y) - y), and its gradient."""
    xp = namespace(y)
    below, shares, best = _exponentials(y)
    others = row_sums(shares * to_dtype(xp.arange(y.shape[1], device=device_of(y))[None, :] != best[:, None], y.dtype))
    mass = row_sums(target)
    terms = mass * xp.log1p(others) - row_sums(shared_out(target, below))
    shares = owned(shares)
    shares *= (mass / (1 + others))[:, None]
    shares -= target
    return terms, shares


def _exponentials(y: Array) -> tuple[Array, Array, Array]:
    """Return y minus its row's maximum, the exponential of that, and the index of the maximum.

    Gathering the maxima is four times as fast as NumPy's maximum over short rows.
    """
    xp = namespace(y)
    best = xp.argmax(y, axis=1)
    below = y - at_labels(y, best)[:, None]
    return below, xp.exp(below), best


@on_numbers
def nll(
    y: Array,
    labels: Array,
    *,
    class_weights: Weights = (),
    sample_weights: Weights = (),
    ignore_label: int | None = None,
    reduction: str = "mean",
) -> tuple[Any, Array]:
    """Return the negative log-likelihood: minus the label's y, where y are log-probabilities, as from log_softmax.

    The mean is divided by the total weight of the rows; a row's weight is that of its label times that of its sample.
    Rows whose label is `ignore_label`, such as -100, cost nothing, and don't count in the mean.

    Shapes:   y (batch, classes), labels (batch,); the value is a number, or (batch,) without reduction.
    Units:    nats.
    Gradient: minus the row's weight at the label, 0 elsewhere.
    Raises:   DataError, naming the row, for a label out of range; also for negative weights, and for the mean of an
              empty batch; ShapeError, DtypeError.
    Source:   torch.nn.NLLLoss.

    >>> import numpy as np
    >>> value, dy = nll(np.log(np.array([[0.25, 0.75]])), np.array([0]))
    >>> round(float(value), 4), dy
    (1.3863, array([[-1., -0.]]))
    """
    check_classes("nll", y)
    by_class = weights_like("nll(class_weights)", class_weights, y, y.shape[1])
    by_row = row_weights("nll", sample_weights, y)
    labels, by_row = without_ignored("nll", y, as_targets("nll", y, labels), ignore_label, by_row)
    hot = hot_rows("nll", y, labels)
    weights = of_labels(by_class, by_row, labels)
    terms = -at_labels(y, labels)
    value, factors = reduce_rows("nll", terms, reduction, weights, weights)
    hot *= -factors
    return value, hot


@on_numbers
def hinge(
    y: Array, labels: Array, *, margin: float = 1.0, sample_weights: Weights = (), reduction: str = "mean"
) -> tuple[Any, Array]:
    """Return the multiclass hinge loss: how much the other classes' y violate the margin to the label's y.

    That is Σ max(0, margin - y of the label + y of the class) over the other classes, divided by the number of classes,
    as in torch's MultiMarginLoss. Crammer & Singer's loss takes only the worst class.

    Shapes:   y (batch, classes), labels (batch,); the value is a number, or (batch,) without reduction.
    Units:    those of y and the margin.
    Gradient: 1 / classes at each class inside the margin, 0 at its edge, and minus their sum at the label; divided by
              the number of rows for the mean.
    Raises:   OptionError unless the margin is finite; DataError, naming the row, for a label out of range, and for the
              mean of an empty batch; ShapeError, DtypeError.
    Source:   torch.nn.MultiMarginLoss; Weston & Watkins 1999, "Support vector machines for multi-class pattern
              recognition", eq. 3.

    >>> import numpy as np
    >>> value, dy = hinge(np.array([[1.0, 0.5]]), np.array([0]))
    >>> float(value), dy
    (0.25, array([[-0.5,  0.5]]))
    """
    check_classes("hinge", y)
    margin = options.finite("hinge(margin)", margin)
    xp, classes = namespace(y), y.shape[1]
    labels = as_targets("hinge", y, labels)
    hot = hot_rows("hinge", y, labels)
    own = at_labels(y, labels)
    excess = xp.clip(y - (own - margin)[:, None], 0, None)
    excess = xp.where(hot == 1, 0 * hot, excess)
    weights = row_weights("hinge", sample_weights, y)
    value, factors = reduce_rows("hinge", row_sums(excess) / classes, reduction, weights, weights)
    dy = to_dtype(excess > 0, y.dtype)
    dy -= hot * row_sums(dy)[:, None]
    dy *= factors / classes
    return value, dy


@on_numbers
def kl(y: Array, target: Array, *, sample_weights: Weights = (), reduction: str = "mean") -> tuple[Any, Array]:
    """Return the Kullback-Leibler divergence from y to the targets: Σ target · (log target - y) over a row's classes.

    y are log-probabilities, and targets are probabilities. 0 · log 0 is 0, even if y is -inf. The mean is over rows, as
    in the definition; torch calls it "batchmean".
    Shapes:   y (batch, classes), target as y; the value is a number, or (batch,) without reduction.
    Units:    nats.
    Gradient: -target; divided by the number of rows for the mean.
    Raises:   DataError, naming the row, for probabilities that don't add up to 1, and for the mean of an empty batch;
              ShapeError for outputs with one column; ShapeError, DtypeError if y and target differ.
    Source:   Kullback & Leibler 1951, "On information and sufficiency"; torch.nn.KLDivLoss.

    >>> import numpy as np
    >>> value, dy = kl(np.log(np.array([[0.5, 0.5]])), np.array([[1.0, 0.0]]))
    >>> round(float(value), 4), dy
    (0.6931, array([[-1., -0.]]))
    """
    check_classes("kl", y)
    target = as_targets("kl", y, target)
    check_alike("kl", y, target)
    target = as_distributions("kl", target)
    xp = namespace(y)
    apart = xp.log(xp.where(target == 0, target + 1, target)) - y
    weights = row_weights("kl", sample_weights, y)
    value, factors = reduce_rows("kl", row_sums(shared_out(target, apart)), reduction, weights, weights)
    return value, target * -factors


def on_labels(loss: Loss) -> Loss:
    """Make a loss on distributions accept integer labels, which it gets as one-hot rows.

    Shapes:   y (batch, classes), labels (batch,).
    Gradient: that of the loss.
    Raises:   DataError, naming the row, for a label out of range; whatever the loss raises.

    >>> import numpy as np
    >>> from fnmlp.losses import mse
    >>> value, dy = on_labels(mse)(np.array([[0.0, 0.0]]), np.array([1]))
    >>> float(value), dy
    (0.5, array([[ 0., -1.]]))
    """
    check_function("on_labels(loss)", loss, 2, "mse")
    return partial(_on_labels, loss)


@on_numbers
def _on_labels(loss: Loss, y: Array, labels: Array, *, sample_weights: Weights = ()) -> tuple[Any, Array]:
    check_classes("on_labels", y)
    labels = as_targets("on_labels", y, labels)
    value, dy = with_weights(loss, y, one_hot(labels, y.shape[1], dtype=y.dtype), sample_weights)
    return value, dy
