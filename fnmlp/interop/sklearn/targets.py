"""Targets: classes and numbers as arrays that a loss takes, and a network's outputs as predictions."""

from functools import reduce
from typing import Any

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array
from fnmlp.errors import DataError
from fnmlp.layer import Layer
from fnmlp.layers import exponential, log_softmax, mean_members, sigmoid, softmax, softplus, unstandardize
from fnmlp.weights import Weights

HEADS = {"numbers": "identity", "counts": "exp", "classes": "softmax"}
"""scikit-learn's names of what makes predictions of outputs, by the kind of targets."""


@frozen(eq=False)
class Targets:
    """Hold what a network's outputs stand for.

    `kind`     "numbers"; "counts", with the logarithm of its rate for each; "classes" with an output for each, "two
               classes" with a single output, or "one class"; or "labels", each of which is true or not.
    `outputs`  how many outputs there are.
    `classes`  the classes in order; () for numbers.
    `scaling`  the mean and the deviation of each number, if they are standardized.
    """

    kind: str
    outputs: int
    classes: Any = ()
    scaling: tuple[Any, ...] = ()

    @property
    def activation(self) -> str:
        """Return scikit-learn's name of what makes predictions of outputs."""
        return HEADS.get(self.kind, "logistic")

    @property
    def numeric(self) -> bool:
        """Whether predictions are numbers."""
        return self.kind in ("numbers", "counts")


def classes_of(y: Array, *, single: bool) -> Targets:
    """Find the classes of some labels; `single` asks for a single output if there are two.

    Shapes:   y (n,) of classes, or (n, labels) of zeros and ones.

    >>> classes_of(np.array(["b", "a", "b"]), single=True).kind
    'two classes'
    """
    if y.ndim == 2:
        return Targets("labels", y.shape[1], np.arange(y.shape[1]))
    classes = np.unique(y)
    if len(classes) == 1:
        return Targets("one class", 1, classes)
    return (
        Targets("two classes", 1, classes)
        if single and len(classes) == 2
        else Targets("classes", len(classes), classes)
    )


def numbers_of(y: Array, weights: Weights, *, scaled: bool, counts: bool = False) -> Targets:
    """Count the numbers in each row, and fit their means and deviations if they are to be standardized.

    `counts` says that outputs are logarithms of rates; these stay as they are.

    Shapes:   y (n, outputs), weights (n,) or ().

    >>> numbers_of(np.array([[1.0], [3.0]]), (), scaled=True).scaling
    ((2.0,), (1.0,))
    """
    if counts or not scaled:
        return Targets("counts" if counts else "numbers", y.shape[1])
    mass = weights if len(weights) else None
    mean = np.average(y, axis=0, weights=mass)
    deviation = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=mass))
    deviation = np.where(deviation > 0, deviation, 1)
    return Targets("numbers", y.shape[1], (), (tuple(mean.tolist()), tuple(deviation.tolist())))


def encoded(targets: Targets, y: Array, dtype: str) -> Array:
    """Return targets as a loss takes them: integers for classes, and else floats.

    Shapes:   (n,) for classes, else (n, outputs).
    Raises:   DataError for counts below 0.

    >>> encoded(classes_of(np.array(["b", "a"]), single=True), np.array(["b", "a"]), "float32")
    array([[1.],
           [0.]], dtype=float32)
    """
    if targets.kind == "counts" and not (y >= 0).all():  # the loss can't tell while it is compiled
        raise DataError("fit(loss='poisson')", "targets of at least 0", "a negative number", "choose 'squared_error'")
    if targets.numeric:
        if targets.scaling:
            center, width = map(np.asarray, targets.scaling)
            y = (y - center) / width
        return np.asarray(y, dtype)
    if targets.kind == "labels":
        return np.asarray(y, dtype)
    places = np.searchsorted(targets.classes, y).astype(np.int32)  # JAX holds no more bits
    return places if targets.kind == "classes" else places[:, None].astype(dtype)


def head(targets: Targets, members: int = 1) -> tuple[Layer[tuple[()]], ...]:
    """Return the layers that turn outputs into numbers in their own units, or into probabilities.

    Several members' numbers are averaged, or their probabilities.

    >>> head(Targets("classes", 3), 2)
    (softmax(), mean_members())
    """
    mean = (mean_members(),) if members > 1 else ()
    if targets.kind == "numbers":
        return (*mean, unstandardize(*targets.scaling)) if targets.scaling else mean
    if targets.kind == "counts":
        return exponential(), *mean
    return (softmax() if targets.kind == "classes" else sigmoid(), *mean)


def predictions(targets: Targets, outputs: Array) -> Array:
    """Return numbers in their own units, or the probability of each output; members of an ensemble are averaged.

    Shapes:   outputs (n, outputs), or (n, members, outputs) -> (n, outputs).
    """
    members = 1 if outputs.ndim == 2 else outputs.shape[1]
    return reduce(lambda found, layer: layer.apply((), found), head(targets, members), outputs)


def decoded(targets: Targets, outputs: Array) -> Array:
    """Return numbers, classes, or zeros and ones.

    Shapes:   outputs as for `predictions` -> (n,), or (n, outputs) for several numbers and for labels.

    >>> decoded(classes_of(np.array(["b", "a"]), single=True), np.array([[-1.0], [2.0]]))
    array(['a', 'b'], dtype='<U1')
    """
    found = predictions(targets, outputs)
    if targets.numeric:
        return found[:, 0] if targets.outputs == 1 else found
    if targets.kind == "labels":
        return (found > 0.5).astype(int)
    if targets.kind == "one class":
        return np.repeat(targets.classes, len(found))
    return targets.classes[found.argmax(axis=1) if targets.kind == "classes" else (found[:, 0] > 0.5).astype(int)]


def probabilities(targets: Targets, outputs: Array) -> Array:
    """Return the probability of each class, or of each label.

    Shapes:   outputs as for `predictions` -> (n, classes) or (n, labels).

    >>> probabilities(classes_of(np.array([0, 1]), single=True), np.array([[0.0]]))
    array([[0.5, 0.5]])
    """
    found = predictions(targets, outputs)
    if targets.kind == "one class":
        return np.ones_like(found)
    return np.hstack([predictions(targets, -outputs), found]) if targets.kind == "two classes" else found


def log_probabilities(targets: Targets, outputs: Array) -> Array:
    """Return the logarithms of `probabilities`, which stay finite where those of a single network round to 0.

    Shapes:   as `probabilities`.

    >>> log_probabilities(classes_of(np.array([0, 1]), single=True), np.array([[-1000.0]])).round()
    array([[   -0., -1000.]])
    """
    if outputs.ndim == 3 or targets.kind == "one class":
        return np.log(probabilities(targets, outputs))
    if targets.kind == "classes":
        return log_softmax().apply((), outputs)
    below, above = -softplus().apply((), outputs), -softplus().apply((), -outputs)
    return np.hstack([below, above]) if targets.kind == "two classes" else above
