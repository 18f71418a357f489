"""Layers in sequence: `chain`, and `repeat`, a chain of copies."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fnmlp.arrays import Array, Shape, namespace, unshared
from fnmlp.combinators.checks import Layers, check_layers, check_params, shown
from fnmlp.errors import FnmlpError
from fnmlp.expressions import expression
from fnmlp.key import Key, fold_in
from fnmlp.layer import Layer, Pullback, combinator, own_params
from fnmlp.scalars import as_count
from fnmlp.tree import has_leaves

__all__ = ["chain", "repeat"]


def chain(*layers: Layer[Any]) -> Layer[tuple[Any, ...]]:
    """Apply layers one after another; `chain()` is the identity.

    Shapes:   each layer takes the output shape of the one before it. Parameters: a tuple of the layers' own.
    Gradient: the pullback is the layers' pullbacks in reverse; the input gradient of the first is delayed.
    Raises:   StructureError unless all arguments are layers; at init, whatever a layer raises, with its place added.

    >>> from fnmlp.layers import linear, relu
    >>> chain(linear(4), relu(), linear(2)).init(Key(0), (3,))[1]
    (2,)
    """
    check_layers("chain", layers)
    return in_sequence(expression("chain", layers), layers)


def in_sequence(name: str, layers: Layers) -> Layer[tuple[Any, ...]]:
    """Make a chain that has another name in errors."""
    return combinator(name, layers, _chain_init, chain_apply, chain_vjp, deal=own_params)


def _chain_init(name: str, layers: Layers, key: Key, shape: Shape) -> tuple[tuple[Any, ...], Shape]:
    params = []
    for place, layer in enumerate(layers):
        try:
            own, shape = layer.init(fold_in(key, place), shape)
        except FnmlpError as error:
            error.add_note(_where(place, name))
            raise
        params.append(own)
    return tuple(params), shape


def chain_apply(name: str, layers: Layers, params: tuple[Any, ...], x: Array) -> Array:
    """Apply layers one after another."""
    check_params(name, layers, params)
    place, y = 0, x
    try:
        for layer, own in zip(layers, params, strict=True):
            y = layer.apply(own, y)
            place += 1
    except FnmlpError as error:
        error.add_note(_where(place, name))
        raise
    return y if layers else _own(y)


def chain_vjp(
    name: str, layers: Layers, params: tuple[Any, ...], x: Array, key: Key | None
) -> tuple[Array, Pullback[tuple[Any, ...]]]:
    """Apply layers one after another, and return the pullback."""
    check_params(name, layers, params)
    place, y = 0, x
    pullbacks = []
    try:
        for place, (layer, own) in enumerate(zip(layers, params, strict=True)):
            y, pullback = layer.vjp(own, y, None if key is None else fold_in(key, place))
            pullbacks.append(pullback)
    except FnmlpError as error:
        error.add_note(_where(place, name))
        raise
    return (y if layers else _own(y)), partial(_chain_pull, params, pullbacks)


def _chain_pull(
    params: tuple[Any, ...], pullbacks: list[Pullback[Any]], dy: Array
) -> tuple[tuple[Any, ...], Callable[[], Array]]:
    """Pull dy back to the first layer with parameters; the layers before it only matter to dx."""
    first = next((place for place, own in enumerate(params) if has_leaves(own)), len(params))
    gradients: list[Any] = []
    delayed_dx: Callable[[], Array] = partial(_itself, dy)
    for pullback in reversed(pullbacks[first:]):
        gradient, delayed_dx = pullback(delayed_dx())
        gradients.append(gradient)
    gradients += reversed(params[:first])
    return tuple(reversed(gradients)), partial(_pull_input, pullbacks[:first], delayed_dx, dy)


def _pull_input(pullbacks: list[Pullback[Any]], delayed_dx: Callable[[], Array], dy: Array) -> Array:
    dx = delayed_dx()
    for pullback in reversed(pullbacks):
        dx = pullback(dx)[1]()
    return unshared(dx) if dx is dy else dx


def _own(x: Array) -> Array:
    namespace(x)  # raises for masked arrays and matrices
    return unshared(x)


def _itself(dy: Array) -> Array:
    return dy


def _where(place: int, name: str) -> str:
    return f"in layer {place} of {shown(name)}"


def repeat(layer: Layer[Any], times: int) -> Layer[tuple[Any, ...]]:
    """Apply several copies of a layer one after another, each with its own parameters; to share them, use `tied`.

    Shapes:   as `chain`. Parameters: a tuple with a tree for each copy.
    Gradient: as `chain`.
    Raises:   StructureError unless the argument is a layer; OptionError unless times >= 1; at init, whatever a layer
              raises.

    >>> from fnmlp.layers import linear, relu
    >>> repeat(chain(linear(4), relu()), 3).init(Key(0), (2,))[1]
    (4,)
    """
    check_layers("repeat", (layer,))
    times = as_count("repeat(times)", times)
    return in_sequence(expression("repeat", [layer, times]), (layer,) * times)
