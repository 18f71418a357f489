"""Derivatives along a direction, of a model's output and of the gradient of a loss; and saliency."""

from collections.abc import Callable
from functools import partial
from operator import mul
from typing import Any

import numpy as np

from fnmlp.arrays import Array, as_array, namespace, to_dtype
from fnmlp.batching import Batch, Pair, as_batch
from fnmlp.checks import check_function, check_kind
from fnmlp.combinators.checks import check_same_form
from fnmlp.derivatives.analytic import Analytic, kept, moving, nothing_lost, rate_of, still, value_of
from fnmlp.derivatives.by_layer import vjp_by_leaf
from fnmlp.errors import DtypeError, ShapeError
from fnmlp.key import Key
from fnmlp.layer import Layer, P, Pullback
from fnmlp.losses import Loss
from fnmlp.losses.shared import hot_rows
from fnmlp.tree import Tree, tree_map
from fnmlp.weights import with_weights

__all__ = ["hessian_vector_product", "jvp", "saliency"]


def jvp(
    model: Layer[P], params: P, x: Array, dparams: P, dx: Array | None = None, key: Key | None = None
) -> tuple[Array, Array]:
    """Return a model's output, and its derivative as the parameters move along dparams and x along dx.

    Without dx the input stays fixed, which integers require. The derivative is computed in float64, by a complex step
    through the model's own rules, and is exact to rounding. At the kink of an activation it agrees with the pullback: 0
    for `relu` at 0. At other kinks, such as equal pieces of `maxout`, it is that of the side which the direction leads
    to.
    Shapes:   dparams as params, dx as x -> two arrays with the shape of the output.
    Units:    those of the output, if the directions have the units of params and x.
    Raises:   StructureError, ShapeError if a direction does not fit; DtypeError for anything but NumPy arrays of
              floats, and if a layer of your own is not analytic, for instance because it takes a real part; whatever
              the model raises.
    Source:   Squire & Trapp 1998, "Using complex variables to estimate derivatives of real functions".

    >>> from fnmlp.layers import Linear, linear
    >>> params, dparams = (Linear(np.array([[number]]), ()) for number in (3.0, 1.0))
    >>> jvp(linear(1, bias=False), params, np.array([[2.0]]), dparams)
    (array([[6.]]), array([[2.]]))
    """
    check_kind("jvp(model)", model, Layer, "linear(10)")
    z_params = _moving_tree("jvp(dparams)", params, dparams)
    z_x = still(x) if dx is None else _moving("jvp(dx)", x, dx)
    y, _ = model.vjp(params, x, key)
    with nothing_lost():
        z, _ = vjp_by_leaf(_leaf_vjp, model, z_params, z_x, key)
    return y, to_dtype(rate_of(z), y.dtype)


def hessian_vector_product(
    model: Layer[P], loss: Loss, params: P, batch: Batch | Pair, direction: P, key: Key | None = None
) -> P:
    """Return the Hessian of a batch's loss times a direction: how the gradient changes along it.

    The result is computed in float64, by a complex step through the pullbacks. It is exact to rounding, never builds
    the Hessian, and takes as long as ten to fifteen float32 gradients. Kinks are treated as in `jvp`: a piecewise
    linear activation has no curvature.
    Shapes:   the direction and the result as the parameters.
    Units:    those of the loss per unit of the parameters squared, times those of the direction.
    Raises:   as `jvp`; whatever the loss raises.
    Source:   Pearlmutter 1994, "Fast exact multiplication by the Hessian"; Squire & Trapp 1998.

    >>> from fnmlp.layers import Linear, linear
    >>> from fnmlp.losses import mse
    >>> params, direction = (Linear(np.array([[number]]), ()) for number in (3.0, 1.0))
    >>> batch = Batch(np.array([[2.0]]), np.array([[0.0]]))
    >>> hessian_vector_product(linear(1, bias=False), mse, params, batch, direction).weight
    array([[8.]])
    """
    check_kind("hessian_vector_product(model)", model, Layer, "linear(10)")
    check_function("hessian_vector_product(loss)", loss, 2, "mse")
    z_params = _moving_tree("hessian_vector_product(direction)", params, direction)
    batch = as_batch("hessian_vector_product", batch, params)
    with nothing_lost():
        y, pullback = vjp_by_leaf(_leaf_vjp, model, z_params, still(batch.inputs), key)
        grads, _ = pullback(_moving_dy(loss, y, batch))
    return tree_map(_rate_like, params, grads)


def _moving_tree(where: str, params: Tree, rates: Tree) -> Tree:
    check_same_form(where, params, rates, "give each parameter its rate of change")
    return tree_map(partial(_moving, where), params, rates)


def _moving(where: str, x: Array, rate: Array) -> Array:
    if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
        got = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
        raise DtypeError(where, "NumPy arrays of floats to move", got, "convert with numpy.asarray(x, dtype='float32')")
    rate = as_array(where, rate, x)
    if x.shape != rate.shape:
        raise ShapeError(where, f"shape {x.shape}", tuple(rate.shape), "give each number its rate of change")
    return moving(x, rate)


def _rate_like(param: Array, grad: Array) -> Array:
    return to_dtype(rate_of(grad), param.dtype)


def _moving_dy(loss: Loss, y: Array, batch: Batch) -> Array:
    """Return the gradient of the loss at y, as in `value_and_grad`, with its rate of change."""
    targets = still(batch.targets)
    _, dy = with_weights(loss, value_of(y), value_of(targets), batch.weights)
    value, changing = with_weights(loss, y, targets, batch.weights)
    kept(value, "the loss")
    return moving(dy, rate_of(changing))


def _leaf_vjp(layer: Layer[Any], params: Tree, x: Array, key: Key | None) -> tuple[Array, Pullback[Any]]:
    """Run a layer's `vjp` on numbers that move."""
    if isinstance(x, Analytic) and layer.pointwise:
        return _pointwise_vjp(layer, x)
    y, pullback = layer.vjp(tree_map(still, params), x, key)
    return kept(y, layer.name) if isinstance(x, Analytic) else still(y), partial(_pull, layer, pullback)


def _pull(layer: Layer[Any], pullback: Pullback[Any], dy: Array) -> tuple[Tree, Callable[[], Array]]:
    gradient, delayed_dx = pullback(dy)
    return tree_map(partial(kept, where=layer.name), gradient), partial(_kept_dx, layer, delayed_dx)


def _kept_dx(layer: Layer[Any], delayed_dx: Callable[[], Array]) -> Array:
    return kept(delayed_dx(), layer.name)


def _pointwise_vjp(layer: Layer[Any], z: Array) -> tuple[Array, Pullback[tuple[()]]]:
    """Move y by the layer's own derivative, which is defined at kinks; f alone would not tell."""
    y, pullback = layer.vjp((), value_of(z), None)
    slope = pullback(np.ones_like(y))[1]()
    return moving(y, slope * rate_of(z)), partial(_pointwise_pull, layer, z, slope)


def _pointwise_pull(layer: Layer[Any], z: Array, slope: Array, dy: Array) -> tuple[tuple[()], Callable[[], Array]]:
    """Multiply dy by the derivative, with its rate of change."""
    changing = layer.vjp((), z, None)[1](np.ones(z.shape))[1]()
    return (), partial(mul, moving(slope, rate_of(changing)), dy)


def saliency(model: Layer[P], params: P, x: Array, *, of: Array | None = None) -> Array:
    """Return the gradient of one output of each example with respect to its input.

    By default that is the largest output of the row; `of` names another. A softmax output depends on the scores of all
    classes. To get the gradient of one class's score, leave the softmax off: `chain(*layers[:-1])` with `params[:-1]`.
    Shapes:   x (n, …) -> (n, …); outputs (n, classes); `of` (n,) integers.
    Units:    those of the output per unit of the input: per grey level for uint8 pixels. The result has the dtype that
              the model computes in.
    Raises:   ShapeError unless the model returns a row of outputs per example; DataError, naming the row, for a class
              out of range; whatever the model raises.
    Source:   Simonyan, Vedaldi & Zisserman 2013, arXiv:1312.6034, section 3.

    >>> import numpy as np
    >>> from fnmlp.layers import Linear, linear
    >>> params = Linear(np.array([[1.0, 5.0], [2.0, 0.0]]), ())
    >>> saliency(linear(2, bias=False), params, np.array([[1.0, 0.0], [0.0, 1.0]]))
    array([[5., 0.],
           [1., 2.]])
    """
    check_kind("saliency(model)", model, Layer, "linear(10)")
    y, pullback = model.vjp(params, x, None)
    if y.ndim != 2 or not y.shape[1]:
        remedy = "end the model with linear(classes)"
        raise ShapeError("saliency", "outputs of shape (n, classes)", tuple(y.shape), remedy)
    classes: Any = namespace(y).argmax(y, axis=1) if of is None else as_array("saliency(of)", of)
    return pullback(hot_rows("saliency", y, classes))[1]()
