"""The gradient of each example, and its norm.

The gradient of a batch is a sum over its rows. A layer with `rows` returns the terms of that sum. Through any other
layer, each row is pulled back by itself.
"""

from collections.abc import Callable
from functools import partial
from operator import add
from typing import Any

from fnmlp.arrays import Array, device_of, namespace, to_dtype
from fnmlp.batching import Batch, Pair, as_batch
from fnmlp.checks import check_function, check_kind
from fnmlp.derivatives.by_layer import vjp_by_leaf
from fnmlp.key import Key
from fnmlp.layer import Layer, P, Pullback
from fnmlp.losses import Loss
from fnmlp.rows import Rows, stacked
from fnmlp.tree import Tree, has_leaves, tree_map, tree_reduce
from fnmlp.weights import Weights, row_weights

__all__ = ["per_example_gradients", "per_example_norms"]


def per_example_gradients(model: Layer[P], loss: Loss, params: P, batch: Batch | Pair, key: Key | None = None) -> P:
    """Return the gradient of each example: entry i is the gradient for a batch of example i alone.

    All examples go through the model together, with the same noise as the rows of a batch. A loss with a value for each
    row (`reduction="none"`) is called once, any other once for each row.

    The model must treat each row by itself. If rows mix, as in `softmax(axis=0)`, there is no gradient of a single
    example. With weights, each example's gradient is multiplied by its weight.

    Embeddings, and layers of your own with parameters but without `rows`, are slower: they pull back each row by
    itself. With a key they do so through the whole batch, because its rows may share noise, in a time that grows with
    n². A combinator of your own without `parts` counts as one such layer.
    Shapes:   as the parameters, with an axis of n examples in front of each leaf.
    Units:    those of the loss per unit of the parameters.
    Raises:   whatever the model and the loss raise.
    Source:   Goodfellow 2015, "Efficient per-example gradient computations", arXiv:1510.01799.

    >>> import numpy as np
    >>> from fnmlp.layers import Linear, linear
    >>> from fnmlp.losses import mse
    >>> batch = Batch(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.0], [1.0]]))
    >>> params = Linear(np.zeros((2, 1)), np.zeros(1))
    >>> per_example_gradients(linear(1), mse, params, batch).weight.tolist()
    [[[0.0], [0.0]], [[-6.0], [-8.0]]]
    """
    check_kind("per_example_gradients(model)", model, Layer, "linear(10)")
    check_function("per_example_gradients(loss)", loss, 2, "mse")
    _, rows = _rows(model, loss, params, batch, key)
    return tree_map(Rows.multiplied, rows)


def per_example_norms(model: Layer[P], loss: Loss, params: P, batch: Batch | Pair, key: Key | None = None) -> Array:
    """Return the Euclidean norm of each example's gradient, over all parameters, without building the gradients.

    For linear layers and maxout, the norm of a weight's gradient is ‖x‖ · ‖dy‖. With these, and a loss that is called
    once, this takes no longer than the gradient of the batch, and no memory for n gradients. If layers share a
    parameter and their gradients nearly cancel, half of the digits are lost.
    Shapes:   (n,).
    Units:    those of the loss per unit of the parameters.
    Raises:   whatever the model and the loss raise.
    Source:   Goodfellow 2015, arXiv:1510.01799.

    >>> import numpy as np
    >>> from fnmlp.layers import Linear, linear
    >>> from fnmlp.losses import mse
    >>> batch = Batch(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.0], [1.0]]))
    >>> params = Linear(np.zeros((2, 1)), ())
    >>> per_example_norms(linear(1, bias=False), mse, params, batch)
    array([ 0., 10.])
    """
    check_kind("per_example_norms(model)", model, Layer, "linear(10)")
    check_function("per_example_norms(loss)", loss, 2, "mse")
    y, rows = _rows(model, loss, params, batch, key)
    xp = namespace(y)
    nothing = to_dtype(xp.zeros(y.shape[0], dtype=y.dtype, device=device_of(y)), "float64")
    squares: Array = tree_reduce(add, tree_map(Rows.squares, rows), nothing)
    # After cancellation, rounding may leave a negative number.
    return to_dtype(xp.sqrt(xp.maximum(squares, 0)), y.dtype)


def _rows(model: Layer[P], loss: Loss, params: P, batch: Any, key: Key | None) -> tuple[Array, Any]:
    """Return the outputs, and the gradients of all examples as `Rows`."""
    batch = as_batch("per_example_gradients", batch, params)
    y, pullback = vjp_by_leaf(_leaf_vjp, model, params, batch.inputs, key)
    rows, _ = pullback(_own_dy(loss, y, batch.targets, batch.weights))
    return y, rows


def _own_dy(loss: Loss, y: Array, targets: Array, weights: Weights) -> Array:
    """Return each row's dy, as for a batch of that row alone, times its weight."""
    value, dy = loss(y, targets)
    if getattr(value, "shape", ()) != (y.shape[0],):
        alone = (loss(y[row : row + 1, ...], targets[row : row + 1, ...])[1] for row in range(y.shape[0]))
        dy = namespace(dy).concat([dy[:0, ...], *alone])
    counts = row_weights("batch", weights, y)
    if counts is None:
        return dy
    return dy * namespace(dy).reshape(counts, (-1, *(1,) * (dy.ndim - 1)))


def _leaf_vjp(layer: Layer[Any], params: Tree, x: Array, key: Key | None) -> tuple[Array, Pullback[Any]]:
    """Run a layer's `vjp`, but return the gradients of its parameters as `Rows`."""
    y, pullback = layer.vjp(params, x, key)
    if not has_leaves(params):
        return y, pullback
    if layer.rows is None:
        return y, partial(_pull, partial(_one_by_one, layer, params, x, key, pullback), pullback)
    return y, partial(_pull, partial(layer.rows, params, x), pullback)


def _pull(rows: Callable[[Array], Tree], pullback: Pullback[Any], dy: Array) -> tuple[Tree, Callable[[], Array]]:
    return rows(dy), partial(_input_gradient, pullback, dy)


def _input_gradient(pullback: Pullback[Any], dy: Array) -> Array:
    return pullback(dy)[1]()


def _one_by_one(layer: Layer[Any], params: Tree, x: Array, key: Key | None, pullback: Pullback[Any], dy: Array) -> Tree:
    """Pull back each row of dy by itself, or with a key through the whole batch, to keep its noise."""
    if key is None:
        alone = [slice(row, row + 1) for row in range(dy.shape[0])]
        pulled = [layer.vjp(params, x[row, ...], None)[1](dy[row, ...])[0] for row in alone]
    else:
        pulled = [pullback(_only(row, dy))[0] for row in range(dy.shape[0])]
    return tree_map(_joined, params, *pulled)


def _only(row: int, dy: Array) -> Array:
    """Return dy with all other rows set to 0."""
    xp = namespace(dy)
    rows = xp.reshape(xp.arange(dy.shape[0], device=device_of(dy)), (-1, *(1,) * (dy.ndim - 1)))
    return xp.where(rows == row, dy, xp.zeros_like(dy))


def _joined(param: Array, *gradients: Array) -> Rows:
    xp, shape = namespace(param), tuple(param.shape)
    none = xp.zeros((0, *shape), dtype=param.dtype, device=device_of(param))
    return stacked(xp.concat([none, *(gradient[None, ...] for gradient in gradients)]), shape)
