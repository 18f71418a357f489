"""Layers that return their input, or give it another shape."""

from functools import partial
from math import prod

from fnmlp.arrays import Array, Shape, namespace, unshared
from fnmlp.checks import as_shape
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback, input_pullback, no_parameters
from fnmlp.rules import on_numbers

__all__ = ["flatten", "identity"]


def identity() -> Layer[tuple[()]]:
    """Return the input unchanged.

    Shapes:   any; kept.
    Gradient: the pullback returns dy unchanged.

    >>> import numpy as np
    >>> identity().apply((), np.array([3.0]))
    array([3.])
    """
    return Layer("identity()", no_parameters, _identity_apply, _identity_vjp)


def _identity_apply(params: tuple[()], x: Array) -> Array:
    namespace(x)  # raises for masked arrays and matrices
    return unshared(x)


def _identity_vjp(params: tuple[()], x: Array, key: Key | None) -> tuple[Array, Pullback[tuple[()]]]:
    return _identity_apply(params, x), input_pullback(unshared)


def flatten() -> Layer[tuple[()]]:
    """Reshape each example to one axis.

    Shapes:   (batch, …) -> (batch, product of …).
    Gradient: the pullback gives dy the shape of x.

    >>> flatten().init(Key(0), (28, 28))[1]
    (784,)
    """
    return Layer("flatten()", _flatten_init, _flatten_apply, _flatten_vjp)


def _flatten_init(key: Key, shape: Shape) -> tuple[tuple[()], Shape]:
    return (), (prod(as_shape("flatten()", shape)),)


@on_numbers
def _flatten_apply(params: tuple[()], x: Array) -> Array:
    return _reshape((x.shape[0], prod(x.shape[1:])), x)


def _flatten_vjp(params: tuple[()], x: Array, key: Key | None) -> tuple[Array, Pullback[tuple[()]]]:
    return _flatten_apply(params, x), input_pullback(partial(_reshape, x.shape))


def _reshape(shape: Shape, x: Array) -> Array:
    return namespace(x).reshape(unshared(x), shape)
