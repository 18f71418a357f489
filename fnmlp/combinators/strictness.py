"""Results whose bits don't depend on the batch, threads or BLAS."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fnmlp.arrays import Array, Shape, namespace
from fnmlp.combinators.checks import Layers, check_layers, place_noted, shown
from fnmlp.combinators.ordered import Ordered, ordered, unordered
from fnmlp.errors import DtypeError
from fnmlp.expressions import expression
from fnmlp.key import Key
from fnmlp.layer import Layer, P, Pullback, alone, combinator
from fnmlp.tree import tree_leaves, tree_map

__all__ = ["strict"]


def strict(layer: Layer[P]) -> Layer[P]:
    """Make each row of a layer's output depend only on that row and the parameters, to the last bit.

    `apply`, and the output of `vjp` without noise, then don't depend on the number of rows, their order, the number of
    threads, or the BLAS kernel. Matrix products are summed one after another, without BLAS, and all else is computed on
    contiguous arrays. You can wrap a model before or after training, because the parameters and files stay the same.
    Layers that mix rows, such as softmax(axis=0), other processors, and other builds of NumPy may still give other
    bits.
    Shapes:   those of the layer. Parameters: the layer's own.
    Gradient: the layer's, summed in a fixed order, so that threads and kernels don't change it. It is a sum over rows,
              so their number and order do.
    Raises:   StructureError unless the argument is a layer; DtypeError for arrays of other libraries, and if a layer of
              your own uses numpy.asarray or a function without a fixed order, such as numpy.einsum and numpy.linalg;
              whatever the layer raises, with the place added.

    >>> from fnmlp.layers import linear
    >>> layer = strict(linear(2))
    >>> params, _ = layer.init(Key(0), (784,))
    >>> x = np.linspace(-1, 1, 784 * 50, dtype=np.float32).reshape(50, 784)
    >>> bool((layer.apply(params, x)[7:8] == layer.apply(params, x[7:8])).all())
    True
    """
    check_layers("strict", (layer,))
    name = expression("strict", [layer])
    return combinator(name, (layer,), _strict_init, _strict_apply, _strict_vjp, deal=alone)


def _strict_init(name: str, layers: Layers, key: Key, shape: Shape) -> tuple[Any, Shape]:
    with place_noted("the layer", name):
        return layers[0].init(key, shape)


def _strict_apply(name: str, layers: Layers, params: Any, x: Array) -> Array:
    own, inputs = _guarded(name, params, x)
    with place_noted("the layer", name):
        y = layers[0].apply(own, inputs)
    return _handed_out(name, x, y)


def _strict_vjp(name: str, layers: Layers, params: P, x: Array, key: Key | None) -> tuple[Array, Pullback[P]]:
    own, inputs = _guarded(name, params, x)
    with place_noted("the layer", name):
        y, pullback = layers[0].vjp(own, inputs, key)
    return _handed_out(name, x, y), partial(_strict_pull, pullback)


def _strict_pull(pullback: Pullback[P], dy: Array) -> tuple[P, Callable[[], Array]]:
    gradient, delayed_dx = pullback(ordered(dy))
    return tree_map(partial(_as_given, dy), gradient), partial(_pull_input, delayed_dx, dy)


def _pull_input(delayed_dx: Callable[[], Array], dy: Array) -> Array:
    return _as_given(dy, delayed_dx())


def _guarded(name: str, params: P, x: Array) -> tuple[P, Array]:
    """Return parameters and inputs with the guard on."""
    for leaf in tree_leaves((params, x)):
        namespace(leaf)  # raises for masked arrays and matrices
        if not isinstance(leaf, np.ndarray):
            remedy = "convert inputs and parameters with numpy.asarray, or take the layer without strict"
            raise DtypeError(shown(name), "NumPy arrays", type(leaf).__name__, remedy)
    return tree_map(ordered, params), ordered(x)


def _handed_out(name: str, x: Array, y: Array) -> Array:
    """Return the output as a plain array, unless x is inside another strict layer; raise if it lost its guard."""
    if type(y) is np.ndarray:
        remedy = "write the layer in operators and functions such as exp, without asarray"
        raise DtypeError(shown(name), "an output made of x by NumPy's own functions", "a plain array", remedy)
    return _as_given(x, y)


def _as_given(given: Array, result: Any) -> Any:
    """Remove the guard from a result, unless its input is inside another strict layer."""
    return result if isinstance(given, Ordered) else unordered(result)
