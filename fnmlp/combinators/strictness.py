"""Results whose bits do not depend on the batch, on threads or on BLAS."""

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
    """Compute what a layer makes of a row from that row and the parameters alone, to the last bit.

    Rows may come in any number and in any order, on any number of threads and on any kernel of BLAS: `apply`, and the
    output of `vjp` without noise, are the same. Products of matrices are summed one after another, without BLAS, and
    whatever follows is computed on numbers that lie side by side. Wrap a model before or after training: parameters and
    files are those of the layer. Nothing is promised of layers that mix rows, such as softmax(axis=0), of other
    processors and of other builds of NumPy.
    Shapes:   those of the layer. Parameters: the layer's own.
    Gradient: the layer's. It is summed in one order as well, so that threads and kernels don't change it; its rows are
              summed, so that their number and order do.
    Raises:   StructureError for what is no layer; DtypeError for arrays of other libraries, and where a layer of your
              own uses numpy.asarray, or what knows no order, such as numpy.einsum and numpy.linalg; what the layer
              raises, with the place added.

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


def _strict_init(name: str, layers: Layers, key: Key, shape: Shape) -> tuple[P, Shape]:
    with place_noted("the layer", name):
        return layers[0].init(key, shape)


def _strict_apply(name: str, layers: Layers, params: P, x: Array) -> Array:
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
    """Return parameters and inputs whose sums have an order."""
    for leaf in tree_leaves((params, x)):
        namespace(leaf)  # which refuses what computes by rules of its own
        if not isinstance(leaf, np.ndarray):
            remedy = "convert inputs and parameters with numpy.asarray, or take the layer without strict"
            raise DtypeError(shown(name), "NumPy arrays", type(leaf).__name__, remedy)
    return tree_map(ordered, params), ordered(x)


def _handed_out(name: str, x: Array, y: Array) -> Array:
    """Return the output as a plain array, unless x is inside another strict layer; refuse what has lost its order."""
    if type(y) is np.ndarray:
        remedy = "write the layer in operators and functions such as exp, without asarray"
        raise DtypeError(shown(name), "an output made of x by NumPy's own functions", "a plain array", remedy)
    return _as_given(x, y)


def _as_given(given: Array, result: Any) -> Any:
    """Take the guard off a result, unless what it came from is inside another strict layer."""
    return result if isinstance(given, Ordered) else unordered(result)
