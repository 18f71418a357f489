"""Parameters that several layers share, and parameters that no optimiser changes."""

from collections.abc import Callable
from functools import partial, reduce
from operator import add
from typing import Any

from fnmlp.arrays import Array, Shape, bring, namespace, read_only, same_dtype, to_dtype
from fnmlp.combinators.chains import chain_apply, chain_vjp
from fnmlp.combinators.checks import Layers, check_layers, check_same_form, place_noted
from fnmlp.combinators.ordered import ordered_like
from fnmlp.expressions import expression
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback, combinator
from fnmlp.tree import Tree, tree_map

__all__ = ["frozen", "tied"]


def tied(*layers: Layer[Any]) -> Layer[Any]:
    """Apply layers one after another that share one parameter tree.

    `tied(layer, layer, layer)` applies one layer three times. Different layers can share parameters of the same
    structure and shapes. To include a layer without parameters, chain it with one that has some: `tied(chain(linear(4),
    relu()), chain(linear(4), tanh()))`. There is only one tree, so an optimiser can't make the layers differ.
    Shapes:   each layer takes the output shape of the one before it. Parameters: those of the first layer.
    Gradient: the pullback sums the layers' gradients of the parameters; dx is as in `chain`.
    Raises:   StructureError unless all arguments are layers, without any, and at init if their parameters differ in
              structure; ShapeError at init if they differ in shape; whatever a layer raises, with its place added.

    >>> from fnmlp.layers import linear
    >>> params, shape = tied(linear(3), linear(3)).init(Key(0), (3,))
    >>> params.weight.shape
    (3, 3)
    """
    check_layers("tied", layers, least=1)
    name = expression("tied", layers)
    return combinator(name, layers, _tied_init, _tied_apply, _tied_vjp, deal=partial(_shared, len(layers)))


def _shared(count: int, params: Any) -> tuple[Any, ...]:
    return (params,) * count


def _tied_init(name: str, layers: Layers, key: Key, shape: Shape) -> tuple[Any, Shape]:
    with place_noted("layer 0", name):
        shared, shape = layers[0].init(key, shape)
    for place, layer in enumerate(layers[1:], start=1):
        with place_noted(f"layer {place}", name):
            own, shape = layer.init(key, shape)
            check_same_form("tied", shared, own, "tie layers whose parameters agree")
    return shared, shape


def _tied_apply(name: str, layers: Layers, params: Any, x: Array) -> Array:
    return chain_apply(name, layers, _shared(len(layers), params), x)


def _tied_vjp(name: str, layers: Layers, params: Any, x: Array, key: Key | None) -> tuple[Array, Pullback[Any]]:
    y, pullback = chain_vjp(name, layers, _shared(len(layers), params), x, key)
    return y, partial(_tied_pull, pullback)


def _tied_pull(pullback: Pullback[tuple[Any, ...]], dy: Array) -> tuple[Any, Callable[[], Array]]:
    gradients, delayed_dx = pullback(dy)
    return reduce(partial(tree_map, add), gradients), delayed_dx


def frozen(layer: Layer[Any], params: Tree) -> Layer[tuple[()]]:
    """Fix a layer's parameters: the new layer has no parameters, so no optimiser can change them.

    The parameters become options, like the rate of dropout. (A gradient of 0 would not be enough, because weight decay
    would still change them.) The layer holds a read-only copy, which is pickled with it. The copy is not part of the
    layer's name, so `fnmlp.build` and model files can't restore such a model: save the parameters in a file of their
    own. If x has another float dtype or comes from another library, the parameters are converted at each call. The
    layer stays noisy if it was.
    Shapes:   those of the layer. Parameters: none, ().
    Gradient: dx is the layer's; unless you ask for dx, the backward pass computes nothing.
    Raises:   StructureError unless the argument is a layer, and at init for parameters of another structure; ShapeError
              at init for parameters of other shapes; whatever the layer raises, with the place added.

    >>> from fnmlp.layers import linear
    >>> layer = linear(2)
    >>> frozen(layer, layer.init(Key(0), (3,))[0]).init(Key(1), (3,))
    ((), (2,))
    """
    check_layers("frozen", (layer,))
    name = f"frozen({layer}, params)"
    held = tree_map(_own_copy, params)
    return combinator(name, (layer,), _frozen_init, _frozen_apply, _frozen_vjp, held, deal=partial(_held, held))


def _held(held: Tree, params: tuple[()]) -> tuple[Any, ...]:
    return (held,)


def _frozen_init(name: str, layers: Layers, held: Tree, key: Key, shape: Shape) -> tuple[tuple[()], Shape]:
    with place_noted("the layer", name):
        like, out = layers[0].init(key, shape)
        check_same_form("frozen", like, held, "freeze what this layer's init returned, or what training made of it")
    return (), out


def _frozen_apply(name: str, layers: Layers, held: Tree, params: tuple[()], x: Array) -> Array:
    with place_noted("the layer", name):
        return layers[0].apply(_as_suits(held, x), x)


def _frozen_vjp(
    name: str,
    layers: Layers,
    held: Tree,
    params: tuple[()],
    x: Array,
    key: Key | None,
) -> tuple[Array, Pullback[tuple[()]]]:
    with place_noted("the layer", name):
        y, pullback = layers[0].vjp(_as_suits(held, x), x, key)
    return y, partial(_frozen_pull, pullback)


def _frozen_pull(pullback: Pullback[Any], dy: Array) -> tuple[tuple[()], Callable[[], Array]]:
    return (), partial(_pull_input, pullback, dy)


def _pull_input(pullback: Pullback[Any], dy: Array) -> Array:
    return pullback(dy)[1]()


def _own_copy(leaf: Array) -> Array:
    return read_only(namespace(leaf).asarray(leaf, copy=True))


def _as_suits(held: Tree, x: Array) -> Tree:
    """Convert the parameters to the library of x, and to its dtype unless x holds integers."""
    integers = namespace(x).isdtype(x.dtype, ("integral", "bool"))
    brought = tree_map(partial(ordered_like, x), tree_map(partial(bring, like=x), held))
    return tree_map(partial(_converted, None if integers else x), brought)


def _converted(x: Array | None, leaf: Array) -> Array:
    return leaf if x is None or same_dtype(leaf, x) else to_dtype(leaf, x.dtype)
