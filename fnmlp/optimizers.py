"""Optimisers: pure maps of parameters and gradients to new parameters."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from attrs import frozen

from fnmlp.arrays import Array, read_only, same_dtype
from fnmlp.errors import DtypeError, ShapeError
from fnmlp.options import positive
from fnmlp.tree import Tree, tree_map

Update: TypeAlias = Callable[[Tree, Tree, Tree], tuple[Tree, Tree]]


@frozen
class Optimizer:
    """A pair of pure functions.

    `init`    parameters -> state.
    `update`  (parameters, gradients, state) -> (new parameters, new state).
    """

    init: Callable[[Tree], Tree]
    update: Update


def sgd_update(params: Tree, grads: Tree, *, rate: float) -> Tree:
    """Step against the gradient: p - rate · g at every leaf.

    Shapes:   those of the parameters.
    Units:    the rate has units of p² per loss.
    Raises:   OptionError unless the rate is finite and above 0; StructureError, ShapeError, DtypeError where the
              gradients do not match the parameters.
    Source:   Robbins & Monro 1951.

    >>> import numpy as np
    >>> sgd_update((np.array([1.0, 2.0]),), (np.array([1.0, -1.0]),), rate=0.5)
    (array([0.5, 2.5]),)
    """
    return tree_map(partial(_descend, -positive("sgd_update(rate)", rate)), params, grads)


def _descend(negative_rate: float, param: Array, grad: Array) -> Array:
    if grad.shape != param.shape:
        remedy = "return gradients of the parameters' shapes from the pullback"
        raise ShapeError("sgd_update", f"a gradient of shape {param.shape}", grad.shape, remedy)
    if not same_dtype(grad, param):
        remedy = "return gradients of the parameters' dtype from the pullback"
        raise DtypeError("sgd_update", f"a gradient of {param.dtype}", grad.dtype, remedy)
    moved = grad * negative_rate
    moved += param
    return read_only(moved)


def sgd(rate: float) -> Optimizer:
    """Stochastic gradient descent: lifts `sgd_update` to an optimiser whose state is `()`.

    Raises:   OptionError unless the rate is finite and above 0.

    >>> sgd(0.5).init((1.0, 2.0))
    ()
    """
    return Optimizer(_no_state, partial(_sgd_update, positive("sgd(rate)", rate)))


def _no_state(params: Tree) -> tuple[()]:  # noqa: ARG001 (an init takes the parameters)
    return ()


def _sgd_update(rate: float, params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
    return sgd_update(params, grads, rate=rate), state
