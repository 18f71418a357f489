"""What outputs owe to the input."""

from typing import Any

from fnmlp.arrays import Array, as_array, namespace
from fnmlp.errors import ShapeError
from fnmlp.layer import Layer, P
from fnmlp.losses.shared import hot_rows
from fnmlp.options import of_kind


def saliency(model: Layer[P], params: P, x: Array, *, of: Array | None = None) -> Array:
    """Return how much one output of each example changes with each number of its input.

    That output is the largest of the row, or the one that `of` names. A share of a softmax changes with all classes:
    for the score of a class alone, leave the softmax off the model, as in `chain(*layers[:-1])` with `params[:-1]`.
    Shapes:   x (n, …) -> (n, …); outputs (n, classes); `of` (n,) integers.
    Units:    those of the output per unit of the input as it stands: per grey level for pixels of type uint8. The
              numbers that the model computes with give the dtype.
    Raises:   ShapeError unless the model gives each example a row of outputs; DataError naming the row of a class out
              of range; what the model raises.
    Source:   Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034, section 3.

    >>> import numpy as np
    >>> from fnmlp.layers import Linear, linear
    >>> params = Linear(np.array([[1.0, 5.0], [2.0, 0.0]]), ())
    >>> saliency(linear(2, bias=False), params, np.array([[1.0, 0.0], [0.0, 1.0]]))
    array([[5., 0.],
           [1., 2.]])
    """
    of_kind("saliency(model)", model, Layer, "linear(10)")
    y, pullback = model.vjp(params, x, None)
    if y.ndim != 2 or not y.shape[1]:
        remedy = "end the model with linear(classes)"
        raise ShapeError("saliency", "outputs of shape (n, classes)", tuple(y.shape), remedy)
    classes: Any = namespace(y).argmax(y, axis=1) if of is None else as_array("saliency(of)", of)
    return pullback(hot_rows("saliency", y, classes))[1]()
