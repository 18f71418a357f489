"""The rows of a fit: how much each counts, and which are held out to decide when to stop."""

from functools import partial
from numbers import Real
from typing import Any

from attrs import field, frozen
import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import compute_sample_weight
from sklearn.utils.validation import check_array

from fnmlp.arrays import Array
from fnmlp.errors import DataError, ShapeError
from fnmlp.weights import Weights


@frozen(eq=False)
class Division:
    """Hold the places of the rows to train on, and of those that are held out.

    `parts`  with cross-validation, the part of each row to train on: the member that holds it out. Empty without.
    """

    train: Array
    held: Array
    parts: Array = field(factory=partial(np.empty, 0))

    @property
    def crossed(self) -> bool:
        """Whether each member holds out a part of the rows of its own."""
        return len(self.parts) > 0


def weights_of(sample_weight: Any, class_weight: Any, y: Array) -> Weights:
    """Return how much each row counts, or () if all count equally.

    Raises:   DataError unless the weights are finite, at least 0, and not all 0; ShapeError unless there is one a row.

    >>> weights_of(None, {0: 2.0, 1: 1.0}, np.array([0, 1]))
    array([2., 1.])
    """
    if sample_weight is None and class_weight is None:
        return ()
    rows, where = len(y), "fit(sample_weight)"
    if sample_weight is None:
        weights = np.ones(rows)
    elif isinstance(sample_weight, Real):
        weights = np.full(rows, float(sample_weight))
    else:
        floats: Any = np.float64
        weights = check_array(sample_weight, ensure_2d=False, dtype=floats, input_name="sample_weight")
    if weights.shape != (rows,):
        raise ShapeError(where, f"{rows} weights", f"shape {weights.shape}", "pass one number for each row")
    if weights.min(initial=0) < 0:
        raise DataError(where, "weights of at least 0", "a negative one", "give 0 to rows that should not count")
    if not weights.any():
        remedy = "sample weights must contain at least one non-zero number"
        raise DataError(where, "a weight above zero", "only zeros", remedy)
    return weights if class_weight is None else weights * compute_sample_weight(class_weight, y)


def weights_at(weights: Any, places: Array) -> Any:
    """Return the weights of some rows; () if all count equally."""
    return weights[places] if len(weights) else ()


def held_out(y: Array, share: float, seed: int, *, stratify: bool) -> tuple[Array, Array]:
    """Return the places of the rows to train on, and those of a held-out share of them.

    With `stratify` both parts have the same mix of classes, if each class has rows for both.
    Raises:   DataError unless at least two rows are held out, and some are left; ValueError of scikit-learn's.
    """
    places = np.arange(len(y))
    count = int(np.ceil(len(y) * share))
    if count < 2 or count >= len(y):
        remedy = "choose another validation_fraction, or pass more rows"
        raise DataError("fit(validation_fraction)", "at least 2 rows to hold out", f"{count} of {len(y)}", remedy)
    classes, sizes = np.unique(y, return_counts=True) if stratify else (np.empty(0), np.empty(0))
    even = stratify and sizes.min() >= 2 and len(classes) <= min(count, len(y) - count)
    parts: Any = train_test_split(places, test_size=share, random_state=seed, stratify=y if even else None)
    return parts[0], parts[1]
