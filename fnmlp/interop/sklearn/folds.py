"""Cross-validated early stopping: each member of an ensemble holds out rows of its own, so that no row is lost to all.

The part that a row belongs to stands in the last column of its target. Member m does not learn from the rows of part m;
these are what it is scored by.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fnmlp.arrays import Array, namespace, to_dtype
from fnmlp.combinators import chain
from fnmlp.key import Key, generator
from fnmlp.layer import Layer
from fnmlp.losses import Loss
from fnmlp.losses.members import by_member
from fnmlp.rules import on_numbers
from fnmlp.training import predict
from fnmlp.tree import Tree
from fnmlp.weights import Weights, row_weights


def parts_of_rows(y: Array, count: int, key: Key, *, stratify: bool) -> Array:
    """Return the part of each row, from 0 to count - 1; with `stratify` each has nearly the same mix of classes.

    Shapes:   y (n, …) -> (n,).

    >>> sorted(parts_of_rows(np.zeros(5), 2, Key(0), stratify=True).tolist())
    [0, 0, 0, 1, 1]
    """
    order = generator(key).permutation(len(y))
    if stratify:
        order = order[np.argsort(np.unique(y[order], return_inverse=True)[1], kind="stable")]
    parts = np.empty(len(y), np.int32)
    parts[order] = np.arange(len(y)) % count
    return parts


def with_parts(targets: Array, parts: Array) -> Array:
    """Return targets with the part of each row in a last column.

    Shapes:   targets (n,) or (n, outputs) -> (n, 2) or (n, outputs + 1).

    >>> with_parts(np.array([[0.5], [1.0]]), np.array([0, 1])).tolist()
    [[0.5, 0.0], [1.0, 1.0]]
    """
    return np.column_stack([targets, parts.astype(targets.dtype)])


def beside_parts(loss: Loss) -> Loss:
    """Make a loss for the outputs of members that skips the rows that a member holds out.

    Shapes:   y (batch, members, …), the target as `with_parts` makes it.

    >>> from fnmlp.losses import mse
    >>> y, target = np.array([[[1.0], [3.0]]]), np.array([[1.0, 0.0]])
    >>> value, dy = beside_parts(mse)(y, target)
    >>> float(value), dy.tolist()
    (4.0, [[[0.0], [4.0]]])
    """
    return partial(_beside_parts, loss)


@on_numbers
def _beside_parts(loss: Loss, y: Array, target: Array, *, sample_weights: Weights = ()) -> tuple[Any, Array]:
    xp = namespace(y)
    rows, members = y.shape[:2]
    own, parts = target[:, :-1], target[:, -1]
    if xp.isdtype(target.dtype, "integral"):  # classes
        own = own[:, 0]
    counted = to_dtype(parts[:, None] != xp.arange(members, dtype=target.dtype)[None, :], y.dtype)
    weights = row_weights("beside_parts", sample_weights, y)
    if weights is not None:
        counted = counted * weights[:, None]
    return by_member(loss, y, own, xp.reshape(counted, (rows * members,)))


def held_outputs(model: Layer[Any], x: Array, parts: Array) -> Callable[[Tree], Array]:
    """Return a function from parameters to the outputs for each row of the member that holds it out.

    Each member predicts only rows of its own, so this takes no longer than a single network.
    Shapes:   x (n, …), parts (n,) -> (n, outputs).
    """
    members = int(parts.max()) + 1
    rows = [np.flatnonzero(parts == member) for member in range(members)]
    most = max(map(len, rows))
    places = np.stack([np.resize(own, most) for own in rows], axis=1)  # (most, members); short ones repeat rows
    opened = [part.name for part in model.parts].index(f"tile({members})")
    before, after = chain(*model.parts[:opened]), chain(*model.parts[opened + 1 :])
    return partial(_held_outputs, before, after, opened, x, places)


def _held_outputs(
    before: Layer[Any], after: Layer[Any], opened: int, x: Array, places: Array, params: tuple[Tree, ...]
) -> Array:
    features = predict(before, params[:opened], x)
    outputs = predict(after, params[opened + 1 :], features[places])
    found = np.empty((len(x), outputs.shape[2]), outputs.dtype)
    found[places] = outputs
    return found
