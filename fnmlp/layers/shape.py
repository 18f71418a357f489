"""Layers that keep what they are given, lay it out, or scale it by a fixed number."""

from functools import partial
from math import prod

from fnmlp.arrays import Array, Shape, namespace, to_dtype, unshared
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback, expression, input_pullback, no_parameters
from fnmlp.options import example_shape, finite, float_dtype
from fnmlp.rules import on_numbers


def identity() -> Layer[tuple[()]]:
    """Return the input as it is.

    Shapes:   any; kept.
    Gradient: the pullback returns dy as it is.

    >>> import numpy as np
    >>> identity().apply((), np.array([3.0]))
    array([3.])
    """
    return Layer("identity()", no_parameters, _identity_apply, _identity_vjp)


def _identity_apply(params: tuple[()], x: Array) -> Array:
    namespace(x)  # which refuses what computes by rules of its own
    return unshared(x)


def _identity_vjp(params: tuple[()], x: Array, key: Key | None) -> tuple[Array, Pullback[tuple[()]]]:
    return _identity_apply(params, x), input_pullback(unshared)


def flatten() -> Layer[tuple[()]]:
    """Lay out each example in one axis.

    Shapes:   (batch, …) -> (batch, product of …).
    Gradient: the pullback gives dy the shape of x.

    >>> flatten().init(Key(0), (28, 28))[1]
    (784,)
    """
    return Layer("flatten()", _flatten_init, _flatten_apply, _flatten_vjp)


def _flatten_init(key: Key, shape: Shape) -> tuple[tuple[()], Shape]:
    return (), (prod(example_shape("flatten()", shape)),)


@on_numbers
def _flatten_apply(params: tuple[()], x: Array) -> Array:
    return _reshape((x.shape[0], prod(x.shape[1:])), x)


def _flatten_vjp(params: tuple[()], x: Array, key: Key | None) -> tuple[Array, Pullback[tuple[()]]]:
    return _flatten_apply(params, x), input_pullback(partial(_reshape, x.shape))


def _reshape(shape: Shape, x: Array) -> Array:
    return namespace(x).reshape(unshared(x), shape)


def scale(factor: float, *, offset: float = 0.0, dtype: object = "float32") -> Layer[tuple[()]]:
    """Map the input by a fixed affine function, x · factor + offset; 1/255 brings pixels into [0, 1].

    Shapes:   any; kept. Integers become floats of `dtype`; floats keep their own.
    Units:    factor has units of y per x, offset those of y.
    Gradient: the pullback multiplies dy by the factor.
    Raises:   OptionError unless factor and offset are finite and dtype is float32 or float64.

    >>> import numpy as np
    >>> scale(1 / 255).apply((), np.array([0, 255], dtype=np.uint8))
    array([0., 1.], dtype=float32)
    """
    factor, offset = finite("scale(factor)", factor), finite("scale(offset)", offset)
    name_of_dtype = float_dtype("scale(dtype)", dtype)
    options: dict[str, object] = {"offset": offset} if offset else {}
    if name_of_dtype != "float32":
        options["dtype"] = name_of_dtype
    name = expression("scale", [factor], options)
    bound = (factor, offset, name_of_dtype)
    return Layer(name, no_parameters, partial(_scale_apply, *bound), partial(_scale_vjp, *bound))


@on_numbers
def _scale_apply(factor: float, offset: float, dtype: str, params: tuple[()], x: Array) -> Array:
    xp = namespace(x)
    if xp.isdtype(x.dtype, ("integral", "bool")):
        y = to_dtype(x, dtype)
        y *= factor
    else:
        y = x * factor
    if offset:
        y += offset
    return y


def _scale_vjp(
    factor: float,
    offset: float,
    dtype: str,
    params: tuple[()],
    x: Array,
    key: Key | None,
) -> tuple[Array, Pullback[tuple[()]]]:
    return _scale_apply(factor, offset, dtype, params, x), input_pullback(partial(_times, factor))


@on_numbers
def _times(factor: float, dy: Array) -> Array:
    return dy * factor
