"""Parameters that several layers share, and parameters that nothing moves."""

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

    `tied(layer, layer, layer)` applies one layer three times over. Layers of different kinds can share what they hold
    if its structure and shapes agree, so a layer without parameters is chained with one that has some:
    `tied(chain(linear(4), relu()), chain(linear(4), tanh()))`. There is one tree and no copies, so no optimiser can
    pull them apart, whatever it does.
    Shapes:   each layer takes what the one before it gives. Parameters: those of the first layer.
    Gradient: the pullback adds up what each layer gives to the parameters; dx is that of a chain.
    Raises:   StructureError for an argument that is no layer, without any, and at init where parameters differ in
              structure; ShapeError at init where they differ in shape; what a layer raises, with its place added.

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
    """Hold a layer's parameters fast: no optimiser moves them, because the layer that results has none.

    A gradient of 0 would not do, because weight decay and averages move what has no gradient. So the parameters become
    options, like the rate of dropout: a read-only copy of them is part of the layer, and travels with it when it is
    pickled. They are not part of its name: `fnmlp.build` and a model file can't bring such a model back, so keep the
    parameters in a file of their own. Where x has another float dtype than they, or is of another library, they are
    converted each time. Noise in the layer stays: use a layer without.
    Shapes:   those of the layer. Parameters: none, ().
    Gradient: dx is the layer's; nothing is computed for the parameters unless dx is asked for.
    Raises:   StructureError for what is no layer, and at init for parameters of another structure; ShapeError for ones
              of other shapes; what the layer raises, with the place added.

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
        check_same_form("frozen", like, held, "freeze what init of this layer returned, or training made of it")
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
    """Return the parameters in the library of x, and in its dtype where x is not made of integers."""
    integers = namespace(x).isdtype(x.dtype, ("integral", "bool"))
    brought = tree_map(partial(ordered_like, x), tree_map(partial(bring, like=x), held))
    return tree_map(partial(_converted, None if integers else x), brought)


def _converted(x: Array | None, leaf: Array) -> Array:
    return leaf if x is None or same_dtype(leaf, x) else to_dtype(leaf, x.dtype)
