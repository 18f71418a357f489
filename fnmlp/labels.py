"""Integer labels: which are accepted, and their one-hot rows."""

from typing import Any

from fnmlp.arrays import Array, as_array, at_hand, device_of, namespace, to_dtype
from fnmlp.conditions import nan_unless
from fnmlp.errors import DataError, DtypeError, OptionError, ShapeError
from fnmlp.scalars import as_natural

__all__ = ["one_hot"]


def one_hot(labels: Array, classes: int, *, dtype: object = "float32") -> Array:
    """Turn labels into one-hot rows: 1 at the label and 0 elsewhere.

    Shapes:   (batch,) -> (batch, classes).
    Raises:   DataError naming the row of a label outside 0 … classes - 1; ShapeError, DtypeError. While a compiler
              traces, such a row becomes NaN.

    >>> import numpy as np
    >>> one_hot(np.array([2, 0]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    if type(classes) is not int:
        classes = as_natural("one_hot(classes)", classes)
    labels = as_array("one_hot(labels)", labels)
    check_labels(labels, classes)
    xp = namespace(labels)
    if dtype is None:  # NumPy takes it for float64
        raise OptionError("one_hot(dtype)", "a dtype", None, "choose 'float32'")
    hot = to_dtype(labels[:, None] == xp.arange(classes, device=device_of(labels))[None, :], dtype)
    return hot if at_hand(labels) else nan_unless(in_range(labels, classes)[:, None], hot)


def at_labels(x: Array, labels: Array) -> Array:
    """Return the element of each row at its label.

    Shapes:   x (batch, classes), labels (batch,) that `check_labels` accepts -> (batch,).

    >>> import numpy as np
    >>> at_labels(np.array([[5.0, 6.0], [7.0, 8.0]]), np.array([1, 0], dtype=np.uint8))
    array([6., 7.])
    """
    xp = namespace(x)
    # To torch, uint8 labels would be a mask.
    places = labels if labels.dtype == xp.int32 else to_dtype(labels, "int64")
    own = x[xp.arange(x.shape[0], device=device_of(x)), places]
    return own if at_hand(labels) else nan_unless(in_range(labels, x.shape[1]), own)


def in_range(labels: Array, classes: int) -> Array:
    """Tell which labels are those of a class.

    >>> import numpy as np
    >>> in_range(np.array([0, 3]), 3)
    array([ True, False])
    """
    return (labels >= 0) & (labels < classes)


def largest(y: Array) -> Array:
    """Return the index of the largest number in each row, the first if several are equal, and -1 for a row with NaN.

    NumPy's argmax picks NaN as the largest, so outputs that are all NaN would all count as class 0.

    >>> import numpy as np
    >>> largest(np.array([[0.5, 2.0], [np.nan, np.nan]]))
    array([ 1, -1])
    """
    xp = namespace(y)
    places = xp.argmax(y, axis=1)
    return xp.where(xp.any(xp.isnan(y), axis=1), 0 * places - 1, places)


def check_labels(labels: Array, classes: int) -> None:
    """Raise unless labels are integers 0 … classes - 1 in one axis; NumPy's indexing would accept -1 silently.

    Labels that can't be read yet may be out of range: what is computed from them is NaN there.

    >>> import numpy as np
    >>> check_labels(np.array([0, 3]), 3)
    Traceback (most recent call last):
    fnmlp.errors.DataError: labels[1]: expected 0 to 2, got 3; correct the label, or give the model more outputs
    """
    xp = namespace(labels)
    if not xp.isdtype(labels.dtype, "integral"):
        remedy = "pass class numbers, for instance one_hot_rows.argmax(axis=1)"
        raise DtypeError("labels", "integers", labels.dtype, remedy)
    if labels.ndim != 1:
        raise ShapeError("labels", "shape (batch,)", labels.shape, "pass one class number for each row")
    unsigned = xp.isdtype(labels.dtype, "unsigned integer")
    if not labels.shape[0] or not at_hand(labels):
        return
    if int(xp.max(labels)) >= classes or (not unsigned and int(xp.min(labels)) < 0):
        raise _out_of_range(xp, labels, classes)


def _out_of_range(xp: Any, labels: Array, classes: int) -> DataError:
    wrong = to_dtype((labels < 0) | (labels >= classes), "uint8")
    row = int(xp.argmax(wrong))
    remedy = "correct the label, or give the model more outputs"
    return DataError(f"labels[{row}]", f"0 to {classes - 1}", int(labels[row]), remedy)
