"""Metrics: (y, labels) -> how good the outputs are."""

from fnmlp.arrays import Array, namespace
from fnmlp.errors import DataError, ShapeError
from fnmlp.labels import check_labels, one_hot


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
