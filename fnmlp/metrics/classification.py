"""Metrics of classifiers: outputs (batch, classes) against labels (batch,)."""

from functools import partial
from typing import Any

from fnmlp.arrays import Array, namespace, to_dtype
from fnmlp.errors import DataError, ShapeError
from fnmlp.labels import at_labels, check_labels, one_hot
from fnmlp.metrics.fold import Metric, ratio, summed
from fnmlp.options import count, one_of

SLACK = 1e-3
"""How far above 1 rounding may carry a share, in half precision too."""


def accuracy(y: Array, labels: Array) -> float:
    """The fraction of rows whose largest output stands at the label; of equal outputs the first counts.

    Shapes:   y (batch, classes), labels (batch,).
    Raises:   DataError for no rows or a label out of range; ShapeError, DtypeError.

    >>> import numpy as np
    >>> accuracy(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]))
    0.5
    """
    _check_rows("accuracy", y, labels)
    xp = namespace(y)
    return int(xp.count_nonzero(xp.argmax(y, axis=1) == labels)) / int(y.shape[0])


def confusion_matrix(y: Array, labels: Array) -> Array:
    """Count the rows of each label (down) by the class of their largest output (across).

    Shapes:   y (batch, classes), labels (batch,) -> (classes, classes), int64.
    Raises:   as `accuracy`.

    >>> import numpy as np
    >>> confusion_matrix(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]))
    array([[1, 0],
           [1, 0]])
    """
    _check_rows("confusion_matrix", y, labels)
    xp, classes = namespace(y), y.shape[1]
    truth = one_hot(labels, classes, dtype="float64")
    guess = one_hot(xp.argmax(y, axis=1), classes, dtype="float64")
    counts: Array = xp.astype(truth.T @ guess, xp.int64)
    return counts


def _check_rows(where: str, y: Array, labels: Array) -> None:
    if y.ndim != 2 or labels.shape != y.shape[:1]:
        got = f"{tuple(y.shape)} and {tuple(labels.shape)}"
        raise ShapeError(where, "outputs (batch, classes) and labels (batch,)", got, "pass one label for each row")
    if not y.shape[0]:
        raise DataError(where, "at least one row", "an empty batch", "leave empty batches out")
    check_labels(labels, y.shape[1])


def top_k_accuracy(k: int) -> Metric:
    """The fraction of rows in which the label is among the k largest outputs; of equal outputs the first counts.

    `top_k_accuracy(1)` is `accuracy`, as a fold.

    Shapes:   y (batch, classes), labels (batch,).
    Raises:   OptionError unless k is an integer of at least 1; as `accuracy`.
    Source:   torchvision's and scikit-learn's top_k_accuracy_score.

    >>> import numpy as np
    >>> y = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    >>> top_k_accuracy(2)(y, np.array([1, 2]))
    0.5
    """
    return summed(partial(_count_top, count("top_k_accuracy(k)", k)), ratio, sums=2)


def _count_top(k: int, y: Array, labels: Array) -> tuple[int, int]:
    _check_rows("top_k_accuracy", y, labels)
    xp, classes = namespace(y), y.shape[1]
    places, label = xp.arange(classes, device=y.device)[None, :], labels[:, None]
    own = at_labels(y, labels)[:, None]
    # What is not behind is before, so that NaN comes before every number, as it does in argmax.
    behind = (y < own) | ((y == own) & (places >= label))
    found = xp.count_nonzero(behind, axis=1) > classes - k
    return int(xp.count_nonzero(found)), int(y.shape[0])


def precision(*, average: str = "macro") -> Metric:
    """Of the rows that are given to a class, the share that belongs to it; the mean over classes, or one for each.

    A class that no row is given to has precision 0.

    Shapes:   y (batch, classes), labels (batch,); a number, or (classes,) with average="none".
    Raises:   OptionError for another average; as `accuracy`.
    Source:   sklearn.metrics.precision_score with all classes as labels and zero_division=0.

    >>> import numpy as np
    >>> y = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> precision(average="none")(y, np.array([0, 1, 1]))
    array([0.5, 1. ])
    """
    return _of_classes("precision", average, 1.0, 0.0)


def recall(*, average: str = "macro") -> Metric:
    """Of the rows that belong to a class, the share that is given to it; the mean over classes, or one for each.

    A class that no row belongs to has recall 0.

    Shapes:   as `precision`.
    Raises:   as `precision`.
    Source:   sklearn.metrics.recall_score with all classes as labels and zero_division=0.

    >>> import numpy as np
    >>> y = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> recall(average="none")(y, np.array([0, 1, 1]))
    array([1. , 0.5])
    """
    return _of_classes("recall", average, 0.0, 1.0)


def f1(*, average: str = "macro") -> Metric:
    """The harmonic mean of precision and recall; the mean over classes, or one for each.

    It is the right rows divided by the mean of the rows given to the class and those that belong to it; 0 for a class
    without either.

    Shapes:   as `precision`.
    Raises:   as `precision`.
    Source:   van Rijsbergen 1979, "Information retrieval", ch. 7; sklearn.metrics.f1_score.

    >>> import numpy as np
    >>> y = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]])
    >>> f1(average="none")(y, np.array([0, 1, 1])).round(4)
    array([0.6667, 0.6667])
    """
    return _of_classes("f1", average, 0.5, 0.5)


def _of_classes(where: str, average: str, given: float, belonging: float) -> Metric:
    average = one_of(f"{where}(average)", average, ("macro", "none"))
    return summed(_matrix, partial(_score_classes, average, given, belonging), sums=1)


def _matrix(y: Array, labels: Array) -> tuple[Array]:
    return (to_dtype(confusion_matrix(y, labels), "float64"),)


def _score_classes(average: str, given: float, belonging: float, total: tuple[Array]) -> Any:
    """Divide the right rows of each class by a mean of those given to it and those that belong to it."""
    xp, matrix = namespace(total[0]), total[0]
    right = xp.linalg.diagonal(matrix)
    rows = xp.sum(matrix, axis=0) * given + xp.sum(matrix, axis=1) * belonging
    scores = right / xp.where(rows == 0, rows + 1, rows)
    return scores if average == "none" else float(xp.mean(scores))


def expected_calibration_error(*, bins: int = 15) -> Metric:
    """By how much confidence and accuracy differ: their distance in each bin of confidence, weighted by its rows.

    The confidence of a row is its largest share. Bins are equally wide, and hold their upper edge.

    Shapes:   y (batch, classes) shares as softmax gives them, labels (batch,).
    Raises:   OptionError unless bins is an integer of at least 1; DataError for what is no share; as `accuracy`.
    Source:   Guo et al. 2017, arXiv:1706.04599, eq. 3.

    >>> import numpy as np
    >>> round(expected_calibration_error()(np.array([[0.75, 0.25], [0.75, 0.25]]), np.array([0, 1])), 4)
    0.25
    """
    return summed(partial(_bin, count("expected_calibration_error(bins)", bins)), _calibration_error, sums=2)


def _bin(bins: int, y: Array, labels: Array) -> tuple[Array, int]:
    """Return for each bin how much more confidence than right answers there is, and the number of rows."""
    _check_rows("expected_calibration_error", y, labels)
    xp = namespace(y)
    if not bool(xp.all((y >= 0) & (y <= 1 + SLACK))):
        remedy = "end the model with softmax()"
        raise DataError("expected_calibration_error", "shares between 0 and 1", "other numbers, or NaN", remedy)
    confidence = to_dtype(xp.max(y, axis=1), "float64")
    right = to_dtype(xp.argmax(y, axis=1) == labels, "float64")
    place = xp.clip(xp.astype(xp.ceil(confidence * bins), xp.int64) - 1, 0, bins - 1)
    return one_hot(place, bins, dtype="float64").T @ (confidence - right), int(y.shape[0])


def _calibration_error(total: tuple[Array, int]) -> float:
    return float(namespace(total[0]).sum(abs(total[0]))) / total[1]
