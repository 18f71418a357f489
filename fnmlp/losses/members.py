"""A loss for ensembles: that of each member by itself."""

from functools import partial
from typing import Any

from fnmlp.arrays import Array, device_of, namespace, to_dtype
from fnmlp.checks import check_function
from fnmlp.errors import ShapeError
from fnmlp.losses.shared import Loss, as_targets
from fnmlp.rules import on_numbers
from fnmlp.weights import Weights, row_weights, with_weights

__all__ = ["over_members"]


def over_members(loss: Loss) -> Loss:
    """Make a loss for the outputs of several members: the mean of the losses of each by itself.

    It trains an ensemble such as one of `batch_ensemble`. The loss inside must take `sample_weights`.
    Shapes:   y (batch, members, …); the target as for y (batch, …). The value is that of the loss.
    Gradient: the loss's own for each member, divided by the number of members.
    Raises:   StructureError unless the loss is a function; ShapeError for outputs without members; whatever the loss
              raises.
    Source:   Gorishniy, Kotelnikov & Babenko 2024, arXiv:2410.24210, section 3.

    >>> import numpy as np
    >>> from fnmlp.losses import mse
    >>> value, dy = over_members(mse)(np.array([[[1.0], [3.0]]]), np.array([[1.0]]))
    >>> float(value), dy.tolist()
    (2.0, [[[0.0], [2.0]]])
    """
    check_function("over_members(loss)", loss, 2, "cross_entropy")
    return partial(_over_members, loss)


@on_numbers
def _over_members(loss: Loss, y: Array, target: Array, *, sample_weights: Weights = ()) -> tuple[Any, Array]:
    xp = namespace(y)
    if y.ndim < 2 or not y.shape[1]:
        remedy = "begin the model with tile(members)"
        raise ShapeError("over_members", "outputs of shape (batch, members, …)", tuple(y.shape), remedy)
    rows, members = y.shape[:2]
    target = as_targets("over_members", y, target)
    dtype = "float64" if xp.isdtype(y.dtype, "complex floating") else y.dtype
    weights = row_weights("over_members", sample_weights, y, dtype)
    if weights is None:
        weights = to_dtype(xp.ones(rows, device=device_of(y)), dtype)
    # Each member's row counts 1/members: so a sum, a mean and the values of rows are all means over the members.
    value, dy = by_member(loss, y, target, xp.repeat(weights / members, members))
    if getattr(value, "shape", ()) == (rows * members,):
        value = xp.sum(xp.reshape(value, (rows, members)), axis=1)
    return value, dy


def by_member(loss: Loss, y: Array, target: Array, weights: Array) -> tuple[Any, Array]:
    """Return the loss of all members' outputs as rows of their own, and its gradient with respect to y.

    There is a weight for each of them, with a row's members side by side.

    >>> import numpy as np
    >>> from fnmlp.losses import mse
    >>> by_member(mse, np.array([[[1.0], [3.0]]]), np.array([[1.0]]), np.array([1.0, 0.0]))[1].tolist()
    [[[0.0], [0.0]]]
    """
    xp, (rows, members) = namespace(y), y.shape[:2]
    flat = xp.reshape(y, (rows * members, *y.shape[2:]))
    value, dy = with_weights(loss, flat, xp.repeat(target, members, axis=0), weights)
    return value, xp.reshape(dy, y.shape)
