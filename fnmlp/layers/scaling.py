"""Layers that standardize features with a fitted mean and deviation, the inverse, and a fixed scale."""

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any, TypeAlias

import numpy as np

from fnmlp.arrays import Array, Shape, as_array, bring, namespace, read_only, to_dtype
from fnmlp.checks import as_bool, as_float_dtype, as_shape
from fnmlp.errors import DataError, DtypeError, OptionError, ShapeError
from fnmlp.expressions import expression
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback, input_pullback, no_parameters
from fnmlp.layers.checks import fits, misfit
from fnmlp.moments import moments
from fnmlp.rules import on_numbers
from fnmlp.scalars import as_finite, as_positive

__all__ = ["fit_standardize", "scale", "standardize", "unstandardize"]

Numbers: TypeAlias = float | Sequence[float]
"""One number for the whole example, or one for each feature."""


def standardize(mean: Numbers, deviation: Numbers, *, dtype: object = "float32") -> Layer[tuple[()]]:
    """Subtract the mean and divide by the standard deviation, as found by `fit_standardize`.

    Both are options, like the factor of `scale`: optimisers don't change them, and model files store them. With more
    than about 1,500 features the layer's name is too long for `build`; for images, use one number for all pixels.
    Shapes:   any, kept, with one mean and deviation; (batch, n) -> (batch, n) with n of each. Integers become floats of
              `dtype`; floats keep their dtype.
    Units:    mean and deviation have those of x; y has none.
    Gradient: the pullback divides dy by the deviation.
    Raises:   OptionError unless the means are finite, the deviations finite and above 0, both equally many, and dtype
              is float32 or float64; ShapeError at init unless an example has this many features.

    >>> standardize((5.0, 1.0), (2.0, 0.5)).apply((), np.array([[3.0, 1.0], [7.0, 2.0]]))
    array([[-1.,  0.],
           [ 1.,  2.]])
    """
    return _layer("standardize", _standardize_apply, _over, mean, deviation, dtype)


@on_numbers
def _standardize_apply(mean: Array, deviation: Array, dtype: str, params: tuple[()], x: Array) -> Array:
    x = _floats("standardize", mean, dtype, x)
    y: Array = x - _beside(x, mean)
    y /= _beside(x, deviation)
    return y


@on_numbers
def _over(deviation: Array, dy: Array) -> Array:
    return dy / _beside(dy, deviation)


def unstandardize(mean: Numbers, deviation: Numbers, *, dtype: object = "float32") -> Layer[tuple[()]]:
    """Multiply by the standard deviation and add the mean: the inverse of `standardize`.

    Put it at the end of a model trained on standardized targets, to get predictions in the original units.
    Shapes:   as `standardize`.
    Units:    mean and deviation have those of y; x has none.
    Gradient: the pullback multiplies dy by the deviation.
    Raises:   as `standardize`.

    >>> unstandardize((5.0, 1.0), (2.0, 0.5)).apply((), np.array([[-1.0, 0.0], [1.0, 2.0]]))
    array([[3., 1.],
           [7., 2.]])
    """
    return _layer("unstandardize", _unstandardize_apply, _stretch, mean, deviation, dtype)


@on_numbers
def _unstandardize_apply(
    mean: Array,
    deviation: Array,
    dtype: str,
    params: tuple[()],
    x: Array,
) -> Array:
    x = _floats("unstandardize", mean, dtype, x)
    y = _stretch(deviation, x)
    y += _beside(x, mean)
    return y


@on_numbers
def _stretch(deviation: Array, dy: Array) -> Array:
    return dy * _beside(dy, deviation)


def _layer(
    where: str, apply: Callable[..., Any], pull: Callable[..., Any], mean: Numbers, deviation: Numbers, dtype: object
) -> Layer[tuple[()]]:
    """Check the options, and make either layer from its formula and the derivative of that."""
    mean = _checked(as_finite, f"{where}(mean)", mean)
    deviation = _checked(as_positive, f"{where}(deviation)", deviation)
    dtype_name = as_float_dtype(f"{where}(dtype)", dtype)
    centres, widths = (read_only(np.asarray(numbers, np.float64)) for numbers in (mean, deviation))
    if centres.shape != widths.shape:
        got = f"means of shape {centres.shape} and deviations of shape {widths.shape}"
        raise OptionError(where, "one deviation for each mean", got, "take both from fit_standardize")
    name = expression(where, [mean, deviation], {} if dtype_name == "float32" else {"dtype": dtype_name})
    bound = centres, widths, dtype_name
    vjp = partial(_vjp, apply, pull, *bound)
    return Layer(name, partial(_init, where, centres.shape), partial(apply, *bound), vjp)


def _vjp(
    apply: Callable[..., Any],
    pull: Callable[..., Any],
    mean: Array,
    deviation: Array,
    dtype: str,
    params: tuple[()],
    x: Array,
    key: Key | None,
) -> tuple[Array, Pullback[tuple[()]]]:
    return apply(mean, deviation, dtype, params, x), input_pullback(partial(pull, deviation))


def _checked(check: Callable[[str, float], float], where: str, value: Any) -> Numbers:
    """Check each number, and return Python floats; an empty sequence is an error."""
    if hasattr(value, "__len__") and getattr(value, "ndim", None) != 0:
        return tuple(check(where, number) for number in value) or check(where, value)
    return check(where, value)


def _init(where: str, fitted: Shape, key: Key, shape: Shape) -> tuple[tuple[()], Shape]:
    shape = as_shape(where, shape)
    if fitted and shape != fitted:
        remedy = "put flatten() before it" if len(shape) > 1 else "fit it to examples like these"
        raise ShapeError(where, f"examples of shape {fitted}", shape, remedy)
    return (), shape


def _floats(where: str, mean: Array, dtype: str, x: Array) -> Array:
    """Return x as floats; raise unless it has one feature for each mean."""
    if namespace(x).isdtype(x.dtype, ("integral", "bool")):
        x = to_dtype(x, dtype)
    if mean.ndim and not fits(x, _beside(x, mean)):
        raise misfit(where, x, mean)
    return x


def _beside(x: Array, numbers: Array) -> Array:
    """Convert the numbers to the library, device and dtype of x."""
    return to_dtype(bring(numbers, like=x), x.dtype)


@on_numbers
def fit_standardize(x: Array, *, per_feature: bool = True) -> tuple[Any, Any]:
    """Return the mean and standard deviation of each feature, for `standardize` and `unstandardize`.

    If all numbers of a feature are equal, the deviation is 1, so that they become 0. Fit to the training rows only.
    Shapes:   (rows, n) -> two tuples of n numbers; (rows,), or any shape with `per_feature=False` -> two numbers.
    Units:    those of x. The deviation divides by the number of rows, not by one less.
    Raises:   DataError without rows, and for infinities and NaN; ShapeError for more axes; DtypeError unless x holds
              real numbers.
    Source:   sklearn.preprocessing.StandardScaler; see `fnmlp.moments`.

    >>> import numpy as np
    >>> from fnmlp.layers import standardize
    >>> x = np.array([[3, 1], [7, 1]], np.uint8)
    >>> fit_standardize(x)
    ((5.0, 1.0), (2.0, 1.0))
    >>> standardize(*fit_standardize(x))
    standardize((5.0, 1.0), (2.0, 1.0))
    """
    per_feature = as_bool("fit_standardize(per_feature)", per_feature)
    x = as_array("fit_standardize", x)
    _check(x, per_feature)
    xp, count = namespace(x), x.shape[0]
    rows = x if x.ndim == 1 else xp.reshape(x, (count, -1))
    pooled = rows.ndim == 2 and not per_feature
    reference = to_dtype(rows[:1, :1] if pooled else rows[:1, ...], "float64")
    _, mean, squares = moments(rows, reference)
    if pooled:
        _, centre, between = moments(mean, mean[:1])
        mean, squares, count = mean[:1] + centre, xp.sum(squares) + between * count, prod(x.shape)
    mean = (reference + mean)[(0, 0) if pooled else (0, ...)]
    deviation = xp.where(squares > 0, xp.sqrt(squares / count), xp.ones_like(squares))
    return _plain(mean), _plain(deviation)


def _plain(x: Array) -> Any:
    """Convert to Python numbers, which are exact in a name and have no dtype."""
    return tuple(float(x[i]) for i in range(x.shape[0])) if x.ndim else float(x)


def _check(x: Array, per_feature: bool) -> None:
    xp = namespace(x)
    if not xp.isdtype(x.dtype, ("bool", "integral", "real floating")):
        raise DtypeError("fit_standardize", "real numbers", x.dtype, "convert with .astype('float32')")
    if not x.ndim or (x.ndim > 2 and per_feature):
        remedy = "flatten the examples, or pass per_feature=False"
        raise ShapeError("fit_standardize", "rows of features", tuple(x.shape), remedy)
    if 0 in x.shape:
        remedy = "check where the data come from"
        raise DataError("fit_standardize", "at least one row", f"shape {tuple(x.shape)}", remedy)
    if xp.isdtype(x.dtype, "real floating") and not xp.all(xp.isfinite(x)):
        finite = xp.all(xp.reshape(xp.isfinite(x), (x.shape[0], -1)), axis=1)
        row = int(xp.argmin(to_dtype(finite, "uint8")))
        raise DataError(f"fit_standardize: row {row}", "finite numbers", "NaN or infinity", "leave such rows out")


def scale(factor: float, *, offset: float = 0.0, dtype: object = "float32") -> Layer[tuple[()]]:
    """Multiply by a fixed factor and add an offset: x · factor + offset; 1/255 brings pixels into [0, 1].

    Shapes:   any; kept. Integers become floats of `dtype`; floats keep their dtype.
    Units:    factor has units of y per x, offset those of y.
    Gradient: the pullback multiplies dy by the factor.
    Raises:   OptionError unless factor and offset are finite and dtype is float32 or float64.

    >>> import numpy as np
    >>> scale(1 / 255).apply((), np.array([0, 255], dtype=np.uint8))
    array([0., 1.], dtype=float32)
    """
    factor, offset = as_finite("scale(factor)", factor), as_finite("scale(offset)", offset)
    name_of_dtype = as_float_dtype("scale(dtype)", dtype)
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
    return _scale_apply(factor, offset, dtype, params, x), input_pullback(partial(_scale_pull, factor))


@on_numbers
def _scale_pull(factor: float, dy: Array) -> Array:
    return dy * factor
