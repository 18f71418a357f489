"""Combinators: layers made of layers."""

from collections.abc import Callable
from functools import partial
from typing import Any

from fnmlp.arrays import Array, Shape, unshared
from fnmlp.errors import FnmlpError, StructureError
from fnmlp.key import Key, fold_in
from fnmlp.layer import Layer, Pullback, expression
from fnmlp.tree import Tree, has_leaves

Layers = tuple[Layer[Any], ...]


def chain(*layers: Layer[Any]) -> Layer[tuple[Any, ...]]:
    """Apply layers one after another; `chain()` is the identity.

    Shapes:   each layer takes what the one before it gives. Parameters: a tuple of the layers' own.
    Gradient: the pullback is the layers' pullbacks in reverse; the input gradient of the first is delayed.
    Raises:   StructureError for an argument that is no layer; at init, what a layer raises, with its place added.

    >>> from fnmlp.layers import linear, relu
    >>> chain(linear(4), relu(), linear(2)).init(Key(0), (3,))[1]
    (2,)
    """
    for place, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            remedy = "call the constructor, as in relu()" if callable(layer) else "pass layers only"
            raise StructureError(f"chain: argument {place}", "a Layer", repr(layer), remedy)
    return Layer(
        expression("chain", layers),
        partial(_chain_init, layers),
        partial(_chain_apply, layers),
        partial(_chain_vjp, layers),
    )


def _chain_init(layers: Layers, key: Key, shape: Shape) -> tuple[tuple[Any, ...], Shape]:
    params = []
    for place, layer in enumerate(layers):
        try:
            own, shape = layer.init(fold_in(key, place), shape)
        except FnmlpError as error:
            error.add_note(_where(place, layers))
            raise
        params.append(own)
    return tuple(params), shape


def _chain_apply(layers: Layers, params: tuple[Any, ...], x: Array) -> Array:
    _check_params(layers, params)
    place, y = 0, x
    try:
        for layer, own in zip(layers, params, strict=True):
            y = layer.apply(own, y)
            place += 1
    except FnmlpError as error:
        error.add_note(_where(place, layers))
        raise
    return y if layers else unshared(y)


def _chain_vjp(
    layers: Layers, params: tuple[Any, ...], x: Array, key: Key | None
) -> tuple[Array, Pullback[tuple[Any, ...]]]:
    _check_params(layers, params)
    place, y = 0, x
    pullbacks = []
    try:
        for place, (layer, own) in enumerate(zip(layers, params, strict=True)):
            y, pullback = layer.vjp(own, y, None if key is None else fold_in(key, place))
            pullbacks.append(pullback)
    except FnmlpError as error:
        error.add_note(_where(place, layers))
        raise
    return (y if layers else unshared(y)), partial(_chain_pull, params, pullbacks)


def _chain_pull(
    params: tuple[Any, ...], pullbacks: list[Pullback[Any]], dy: Array
) -> tuple[tuple[Any, ...], Callable[[], Array]]:
    """Pull dy back to the first layer that has parameters; what stands before it only matters to dx."""
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


def _itself(dy: Array) -> Array:
    return dy


def _check_params(layers: Layers, params: Tree) -> None:
    if not isinstance(params, tuple) or len(params) != len(layers):
        got = f"a tuple of {len(params)}" if isinstance(params, tuple) else type(params).__name__
        raise StructureError("chain", f"a tuple of {len(layers)} parameter trees", got, "pass what init returned")


def _where(place: int, layers: Layers) -> str:
    return f"in layer {place} of {expression('chain', layers)}"
