"""Metrics of classifiers: outputs (batch, classes) against labels (batch,)."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from fnmlp.arrays import Array, as_array, at_hand, device_of, namespace, to_dtype
from fnmlp.checks import as_choice
from fnmlp.conditions import nan_unless, plain
from fnmlp.errors import DataError, ShapeError
from fnmlp.labels import at_labels, check_labels, in_range, largest, one_hot
from fnmlp.metrics.fold import Measure, Metric, check_counting, ratio, summed, weight_of_all
from fnmlp.scalars import as_count, as_integer
from fnmlp.weights import Weights, row_weights

__all__ = ["accuracy", "confusion_matrix", "expected_calibration_error", "f1", "precision", "recall", "top_k_accuracy"]

SLACK = 1e-3
"""The largest rounding error of a probability above 1, even in half precision."""


def accuracy(y: Array, labels: Array, *, sample_weights: Weights = (), ignore_label: int | None = None) -> float:
    """Return the fraction of rows whose largest output is at the label; of equal outputs the first counts.

    A row with NaN counts as wrong, whatever its label. Rows whose label is `ignore_label`, such as -100, are left out.
    Inside a function that JAX traces it is an array, and NaN if a label is out of range.
    Shapes:   y (batch, classes), labels (batch,), sample_weights (batch,).
    Raises:   DataError for no rows, a label out of range or a negative weight; ShapeError, DtypeError.

    >>> import numpy as np
    >>> accuracy(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]))
    0.5
    """
    y, labels, weights = _rows("accuracy", ignore_label, y, labels, sample_weights)
    return ratio((_weight_of(largest(y) == labels, weights), weight_of_all(y, weights)))


def confusion_matrix(
    y: Array, labels: Array, *, sample_weights: Weights = (), ignore_label: int | None = None
) -> Array:
    """Count the rows of each label (down) by the class of their largest output (across).

    A row with NaN has no class, and is not counted. Rows whose label is `ignore_label` are left out.
    Shapes:   y (batch, classes), labels (batch,) -> (classes, classes), int64; with weights float64.
    Raises:   as `accuracy`.

    >>> import numpy as np
    >>> confusion_matrix(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]))
    array([[1, 0],
           [1, 0]])
    """
    y, labels, weights = _rows("confusion_matrix", ignore_label, y, labels, sample_weights)
    classes = y.shape[1]
    truth = one_hot(labels, classes, dtype="float64")
    if weights is not None:
        truth = truth * weights[:, None]
    counts: Array = truth.T @ _hot(largest(y), classes)
    return to_dtype(counts, "int64") if weights is None else counts


def _hot(places: Array, classes: int) -> Array:
    """Return rows that are 1 at an index and 0 elsewhere, or all 0 for the index -1."""
    return to_dtype(places[:, None] == namespace(places).arange(classes, device=device_of(places))[None, :], "float64")


def _weight_of(chosen: Array, weights: Array | None) -> Any:
    """Return the total weight of the chosen rows."""
    xp = namespace(chosen)
    if weights is None:
        return plain(xp.count_nonzero(chosen))
    return plain(xp.sum(weights * to_dtype(chosen, "float64")))


Count: TypeAlias = Callable[[Array, Array, Array | None], tuple[Any, ...]]
"""(outputs, labels and weights of rows that were checked) -> what adds up over batches."""


def _counted(where: str, ignore_label: int | None, count: Count) -> Measure:
    """Make a measure that checks the rows, and counts those whose label isn't ignored."""
    if ignore_label is not None:
        ignore_label = as_integer(f"{where}(ignore_label)", ignore_label)
    return partial(_measured, where, ignore_label, count)


def _measured(
    where: str, ignore_label: int | None, count: Count, y: Array, labels: Array, sample_weights: Weights
) -> tuple[Any, ...]:
    return count(*_rows(where, ignore_label, y, labels, sample_weights))


def _rows(
    where: str, ignore_label: int | None, y: Array, labels: Array, sample_weights: Weights
) -> tuple[Array, Array, Array | None]:
    """Check outputs, labels and weights, and return those of the rows that count."""
    y, labels = as_array(f"{where}(y)", y), as_array("labels", labels)
    if y.ndim != 2 or labels.shape != y.shape[:1]:
        got = f"{tuple(y.shape)} and {tuple(labels.shape)}"
        raise ShapeError(where, "outputs (batch, classes) and labels (batch,)", got, "pass one label for each row")
    if y.shape[1] < 2:
        remedy = "give each class a column, such as numpy.hstack([0 * y, y])"
        raise ShapeError(where, "outputs of at least 2 classes", tuple(y.shape), remedy)
    if not y.shape[0]:
        raise DataError(where, "at least one row", "an empty batch", "leave empty batches out")
    weights = row_weights(where, sample_weights, y, "float64")
    xp = namespace(y)
    if ignore_label is not None:
        ignore_label = as_integer(f"{where}(ignore_label)", ignore_label)
    if not at_hand(labels) or not at_hand(y):
        return y, *_counted_later(ignore_label, y, labels, weights)
    if ignore_label is not None and xp.isdtype(labels.dtype, "integral"):
        (rows,) = xp.nonzero(to_dtype(labels, "int64") != ignore_label)  # torch compares uint8 with -100 modulo 256
        y, labels = xp.take(y, rows, axis=0), xp.take(labels, rows, axis=0)
        weights = None if weights is None else xp.take(weights, rows, axis=0)
    check_labels(labels, y.shape[1])
    return y, labels, weights


def _counted_later(ignore_label: int | None, y: Array, labels: Array, weights: Array | None) -> tuple[Array, Array]:
    """Return labels and weights of rows that can't be chosen yet: 0 for ignored ones, NaN for labels out of range."""
    xp, classes = namespace(y), y.shape[1]
    check_labels(labels, classes)
    whole = to_dtype(labels, "int64")
    counted = xp.ones_like(whole, dtype=xp.bool) if ignore_label is None else whole != ignore_label
    valid = ~counted | in_range(labels, classes)
    share = nan_unless(valid, to_dtype(counted, to_dtype(y, "float64").dtype))
    return xp.where(counted & valid, labels, 0 * labels), share if weights is None else share * weights


def top_k_accuracy(k: int, *, ignore_label: int | None = None) -> Metric:
    """Measure the fraction of rows whose label is among the k largest outputs; of equal outputs the first count.

    `top_k_accuracy(1)` is `accuracy`, as a fold. A row with NaN counts as wrong. Rows whose label is
    `ignore_label` are left out.

    Shapes:   y (batch, classes), labels (batch,).
    Raises:   OptionError unless k is an integer of at least 1; as `accuracy`.
    Source:   torchvision's and scikit-learn's top_k_accuracy_score.

    >>> import numpy as np
    >>> y = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    >>> top_k_accuracy(2)(y, np.array([1, 2]))
    0.5
    """
    count = partial(_count_top, as_count("top_k_accuracy(k)", k))
    return summed(_counted("top_k_accuracy", ignore_label, count), ratio, sums=2)


def _count_top(k: int, y: Array, labels: Array, weights: Array | None) -> tuple[float, float]:
    xp, classes = namespace(y), y.shape[1]
    places, label = xp.arange(classes, device=device_of(y))[None, :], labels[:, None]
    own = at_labels(y, labels)[:, None]
    before = (y > own) | ((y == own) & (places < label))
    found = (xp.count_nonzero(before, axis=1) < k) & ~xp.any(xp.isnan(y), axis=1)
    return _weight_of(found, weights), weight_of_all(y, weights)


def precision(*, average: str = "macro", ignore_label: int | None = None) -> Metric:
    """Measure precision: of the rows predicted as a class, the share that belongs to it.

    Averages are those of scikit-learn: "macro" is the mean over classes, "weighted" the mean weighted by each class's
    number of rows, "micro" counts the rows of all classes together, which gives `accuracy`, and "none" returns one
    number per class. A class that is never predicted has precision 0. A row with NaN counts as a wrong prediction of
    its own class. Rows whose label is `ignore_label` are left out.

    Shapes:   y (batch, classes), labels (batch,); a number, or (classes,) with average="none".
    Raises:   OptionError for another average; as `accuracy`.
    Source:   sklearn.metrics.precision_score with all classes as labels and zero_division=0.

    >>> import numpy as np
    >>> y = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> precision(average="none")(y, np.array([0, 1, 1]))
    array([0.5, 1. ])
    """
    return _of_classes("precision", average, ignore_label, 1.0, 0.0)


def recall(*, average: str = "macro", ignore_label: int | None = None) -> Metric:
    """Measure recall: of the rows that belong to a class, the share predicted as it.

    Averages, `ignore_label` and rows with NaN are as in `precision`. A class without rows has recall 0.

    Shapes:   as `precision`.
    Raises:   as `precision`.
    Source:   sklearn.metrics.recall_score with all classes as labels and zero_division=0.

    >>> import numpy as np
    >>> y = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> recall(average="none")(y, np.array([0, 1, 1]))
    array([1. , 0.5])
    """
    return _of_classes("recall", average, ignore_label, 0.0, 1.0)


def f1(*, average: str = "macro", ignore_label: int | None = None) -> Metric:
    """Measure the F1 score: the harmonic mean of precision and recall.

    For a class it is the number of right predictions, divided by the mean of its predicted and its true rows; 0 if it
    has neither. Averages, `ignore_label` and rows with NaN are as in `precision`.

    Shapes:   as `precision`.
    Raises:   as `precision`.
    Source:   van Rijsbergen 1979, "Information retrieval", ch. 7; sklearn.metrics.f1_score.

    >>> import numpy as np
    >>> y = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> f1(average="none")(y, np.array([0, 1, 1])).round(4)
    array([0.6667, 0.6667])
    """
    return _of_classes("f1", average, ignore_label, 0.5, 0.5)


AVERAGES = ("macro", "micro", "weighted", "none")


def _of_classes(where: str, average: str, ignore_label: int | None, given: float, belonging: float) -> Metric:
    average = as_choice(f"{where}(average)", average, AVERAGES)
    measure = _counted(where, ignore_label, _count_classes)
    return summed(measure, partial(_score_classes, average, given, belonging), sums=3)


def _count_classes(y: Array, labels: Array, weights: Array | None) -> tuple[Array, Array, Array]:
    """Count for each class the rows predicted rightly, all rows predicted as it, and all rows that belong to it."""
    xp, classes = namespace(y), y.shape[1]
    belonging, places = one_hot(labels, classes, dtype="float64"), largest(y)
    given = _hot(xp.where(places < 0, to_dtype(labels, "int64"), places), classes)
    ones = xp.ones(y.shape[0], dtype=belonging.dtype, device=device_of(y))
    counts = ones if weights is None else weights
    return (counts * to_dtype(places == labels, "float64")) @ belonging, counts @ given, counts @ belonging


def _score_classes(average: str, given: float, belonging: float, total: tuple[Array, Array, Array]) -> Any:
    """Divide each class's right predictions by a mean of its predicted rows and its true rows."""
    xp, (right, given_rows, own_rows) = namespace(total[0]), total
    counting = check_counting(plain(xp.sum(own_rows)))
    rows = given_rows * given + own_rows * belonging
    if average == "micro":
        return plain(xp.sum(right)) / counting
    scores = right / xp.where(rows == 0, rows + 1, rows)
    if average == "weighted":
        return plain(xp.sum(scores * own_rows)) / counting
    return scores if average == "none" else plain(xp.mean(scores))


def expected_calibration_error(*, bins: int = 15, ignore_label: int | None = None) -> Metric:
    """Measure how far confidence and accuracy differ, on average over bins of confidence.

    The confidence of a row is its largest probability. Bins are equally wide, include their upper edge, and are
    weighted by their rows. The result is NaN if an output is. Rows whose label is `ignore_label` are left
    out.
    Shapes:   y (batch, classes) probabilities, as from softmax; labels (batch,).
    Raises:   OptionError unless bins is an integer of at least 1; DataError for outputs outside [0, 1]; as `accuracy`.
    Source:   Guo et al. 2017, arXiv:1706.04599, eq. 3.

    >>> import numpy as np
    >>> round(expected_calibration_error()(np.array([[0.75, 0.25], [0.75, 0.25]]), np.array([0, 1])), 4)
    0.25
    """
    count = partial(_bin, as_count("expected_calibration_error(bins)", bins))
    return summed(_counted("expected_calibration_error", ignore_label, count), _calibration_error, sums=2)


def _bin(bins: int, y: Array, labels: Array, weights: Array | None) -> tuple[Array, float]:
    """Return each bin's total confidence minus its right predictions, and its number of rows."""
    xp = namespace(y)
    outside = (y < 0) | (y > 1 + SLACK)
    if not at_hand(outside):
        y = nan_unless(~outside, y)
    elif bool(xp.any(outside)):
        remedy = "end the model with softmax()"
        raise DataError("expected_calibration_error", "shares between 0 and 1", "other numbers", remedy)
    confidence = to_dtype(xp.max(y, axis=1), "float64")
    surplus = confidence - to_dtype(largest(y) == labels, "float64")
    known = xp.where(xp.isnan(confidence), xp.zeros_like(confidence), confidence)
    place = xp.clip(to_dtype(xp.ceil(known * bins), "int64") - 1, 0, bins - 1)
    surplus = surplus if weights is None else surplus * weights
    return one_hot(place, bins, dtype="float64").T @ surplus, weight_of_all(y, weights)


def _calibration_error(total: tuple[Array, float]) -> float:
    return ratio((plain(namespace(total[0]).sum(abs(total[0]))), total[1]))
