"""Layers that bring features to mean 0 and deviation 1 by numbers that were fitted before, and back."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from fnmlp.arrays import Array, Shape, bring, namespace, read_only, to_dtype
from fnmlp.errors import OptionError, ShapeError
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback, expression, input_pullback
from fnmlp.layers.fit import fits, misfit
from fnmlp.options import example_shape, finite, float_dtype, positive
from fnmlp.rules import on_numbers

Numbers: TypeAlias = float | Sequence[float]
"""One number for all of an example, or one for each feature."""


def standardize(mean: Numbers, deviation: Numbers, *, dtype: object = "float32") -> Layer[tuple[()]]:
    """Subtract the mean and divide by the standard deviation, both of which `fit_standardize` finds in data.

    They are options, like the factor of `scale`: no optimiser moves them, and a model file holds them. A name with
    those of more than about 1,500 features is longer than `build` reads; give pictures one number for all pixels.
    Shapes:   any, kept, for a number each; (batch, n) -> (batch, n) for n numbers each. Integers become floats of
              `dtype`; floats keep their own.
    Units:    mean and deviation have those of x; y has none.
    Gradient: the pullback divides dy by the deviation.
    Raises:   OptionError unless the means are finite, the deviations finite and above 0, both as many, and dtype is
              float32 or float64; ShapeError at init unless an example has as many features.

    >>> standardize((5.0, 1.0), (2.0, 0.5)).apply((), np.array([[3.0, 1.0], [7.0, 2.0]]))
    array([[-1.,  0.],
           [ 1.,  2.]])
    """
    return _layer("standardize", _standardize_apply, _standardize_vjp, mean, deviation, dtype)


@on_numbers
def _standardize_apply(mean: Array, deviation: Array, dtype: str, params: tuple[()], x: Array) -> Array:
    x = _floats("standardize", mean, dtype, x)
    y: Array = x - _beside(x, mean)
    y /= _beside(x, deviation)
    return y


def _standardize_vjp(
    mean: Array,
    deviation: Array,
    dtype: str,
    params: tuple[()],
    x: Array,
    key: Key | None,
) -> tuple[Array, Pullback[tuple[()]]]:
    return _standardize_apply(mean, deviation, dtype, params, x), input_pullback(partial(_over, deviation))


@on_numbers
def _over(deviation: Array, dy: Array) -> Array:
    return dy / _beside(dy, deviation)


def unstandardize(mean: Numbers, deviation: Numbers, *, dtype: object = "float32") -> Layer[tuple[()]]:
    """Multiply by the standard deviation and add the mean: the inverse of `standardize`.

    At the end of a model that learned from standardized targets it gives predictions in the targets' own units.
    Shapes:   as `standardize`.
    Units:    mean and deviation have those of y; x has none.
    Gradient: the pullback multiplies dy by the deviation.
    Raises:   as `standardize`.

    >>> unstandardize((5.0, 1.0), (2.0, 0.5)).apply((), np.array([[-1.0, 0.0], [1.0, 2.0]]))
    array([[3., 1.],
           [7., 2.]])
    """
    return _layer("unstandardize", _unstandardize_apply, _unstandardize_vjp, mean, deviation, dtype)


@on_numbers
def _unstandardize_apply(
    mean: Array,
    deviation: Array,
    dtype: str,
    params: tuple[()],
    x: Array,
) -> Array:
    x = _floats("unstandardize", mean, dtype, x)
    y = _times(deviation, x)
    y += _beside(x, mean)
    return y


def _unstandardize_vjp(
    mean: Array,
    deviation: Array,
    dtype: str,
    params: tuple[()],
    x: Array,
    key: Key | None,
) -> tuple[Array, Pullback[tuple[()]]]:
    return _unstandardize_apply(mean, deviation, dtype, params, x), input_pullback(partial(_times, deviation))


@on_numbers
def _times(deviation: Array, dy: Array) -> Array:
    return dy * _beside(dy, deviation)


def _layer(
    where: str, apply: Callable[..., Any], vjp: Callable[..., Any], mean: Numbers, deviation: Numbers, dtype: object
) -> Layer[tuple[()]]:
    """Make either layer of its checked options."""
    mean = _checked(finite, f"{where}(mean)", mean)
    deviation = _checked(positive, f"{where}(deviation)", deviation)
    dtype_name = float_dtype(f"{where}(dtype)", dtype)
    centres, widths = (read_only(np.asarray(numbers, np.float64)) for numbers in (mean, deviation))
    if centres.shape != widths.shape:
        got = f"means of shape {centres.shape} and deviations of shape {widths.shape}"
        raise OptionError(where, "one deviation for each mean", got, "take both from fit_standardize")
    name = expression(where, [mean, deviation], {} if dtype_name == "float32" else {"dtype": dtype_name})
    bound = centres, widths, dtype_name
    return Layer(name, partial(_init, where, centres.shape), partial(apply, *bound), partial(vjp, *bound))


def _checked(check: Callable[[str, float], float], where: str, value: Any) -> Numbers:
    """Check each number, and return Python's own; a sequence of none is refused as what it is: no number."""
    if hasattr(value, "__len__") and getattr(value, "ndim", None) != 0:
        return tuple(check(where, number) for number in value) or check(where, value)
    return check(where, value)


def _init(where: str, fitted: Shape, key: Key, shape: Shape) -> tuple[tuple[()], Shape]:
    shape = example_shape(where, shape)
    if fitted and shape != fitted:
        remedy = "put flatten() before it" if len(shape) > 1 else "fit it to examples like these"
        raise ShapeError(where, f"examples of shape {fitted}", shape, remedy)
    return (), shape


def _floats(where: str, mean: Array, dtype: str, x: Array) -> Array:
    """Return x as floats, if it has one feature for each mean."""
    if namespace(x).isdtype(x.dtype, ("integral", "bool")):
        x = to_dtype(x, dtype)
    if mean.ndim and not fits(x, _beside(x, mean)):
        raise misfit(where, x, mean)
    return x


def _beside(x: Array, numbers: Array) -> Array:
    """Return the numbers in the library, on the device and in the dtype of x."""
    return to_dtype(bring(numbers, like=x), x.dtype)
