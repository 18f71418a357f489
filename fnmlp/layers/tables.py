"""Layers for the columns of a table: choose some, fill gaps, rescale numbers, and encode categories."""

from collections.abc import Callable, Sequence
from functools import partial

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array, Shape, bring, device_of, namespace, sum_rows, to_dtype, unshared
from fnmlp.checks import as_float_dtype, as_iterator, as_shape
from fnmlp.errors import OptionError, ShapeError
from fnmlp.expressions import expression
from fnmlp.initializers import constant
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback, input_pullback
from fnmlp.layers.checks import check_example, check_record, fits, misfit
from fnmlp.layers.embeddings import no_derivative
from fnmlp.rows import stacked
from fnmlp.rules import on_numbers
from fnmlp.scalars import as_natural

__all__ = ["Impute", "Rescale", "columns", "impute", "one_hot_columns", "rescale"]


def columns(start: int, stop: int) -> Layer[tuple[()]]:
    """Take the features from `start` to `stop` - 1, and leave out the others.

    Shapes:   (batch, …, n) -> (batch, …, stop - start).
    Gradient: the pullback puts dy in the place of these features, and 0 in that of the others.
    Raises:   OptionError unless 0 <= start < stop; ShapeError unless there are that many features.

    >>> columns(1, 3).apply((), np.array([[1, 2, 3, 4]]))
    array([[2, 3]])
    """
    start, stop = as_natural("columns(start)", start), as_natural("columns(stop)", stop)
    if stop <= start:
        raise OptionError("columns(stop)", f"an integer above start, which is {start}", stop, f"use {start + 1}")
    name, bound = expression("columns", [start, stop]), (start, stop)
    return Layer(name, partial(_columns_init, *bound), partial(_columns_apply, *bound), partial(_columns_vjp, *bound))


def _columns_init(start: int, stop: int, key: Key, shape: Shape) -> tuple[tuple[()], Shape]:
    shape = as_shape("columns", shape)
    if not shape or shape[-1] < stop:
        remedy = "choose columns that the examples have"
        raise ShapeError(f"columns({start}, {stop})", f"examples of at least {stop} features", shape, remedy)
    return (), (*shape[:-1], stop - start)


@on_numbers
def _columns_apply(start: int, stop: int, params: tuple[()], x: Array) -> Array:
    namespace(x)  # raises for masked arrays and matrices
    if x.ndim < 2 or x.shape[-1] < stop:
        remedy = "give the model the examples that it was initialized for"
        raise ShapeError(f"columns({start}, {stop})", f"inputs of at least {stop} features", tuple(x.shape), remedy)
    return unshared(x[..., start:stop])


def _columns_vjp(
    start: int, stop: int, params: tuple[()], x: Array, key: Key | None
) -> tuple[Array, Pullback[tuple[()]]]:
    y = _columns_apply(start, stop, params, x)
    return y, input_pullback(partial(_columns_pull, start, x.shape[-1] - stop))


@on_numbers
def _columns_pull(before: int, after: int, dy: Array) -> Array:
    xp = namespace(dy)
    left, right = (xp.zeros((*dy.shape[:-1], count), dtype=dy.dtype, device=device_of(dy)) for count in (before, after))
    dx: Array = xp.concat([left, dy, right], axis=-1)
    return dx


@frozen(eq=False)
class Impute:
    """The parameter of `impute()`: what takes the place of NaN in each feature, (n,)."""

    value: Array


def impute() -> Layer[Impute]:
    """Replace NaN, which stands for a missing number, by a value of its feature, as found by `fit_impute`.

    Shapes:   (batch, n) -> (batch, n). Parameters: value (n,), initially 0.
    Units:    those of x.
    Gradient: the sum of dy over the rows where x is missing, for the value. The pullback passes dy where x is there,
              and returns 0 where it is missing.
    Raises:   ShapeError at init unless an example has one axis; DtypeError unless x has the dtype of the value.
    Source:   sklearn.impute.SimpleImputer.

    >>> impute().apply(Impute(np.array([5.0, 7.0])), np.array([[1.0, np.nan]]))
    array([[1., 7.]])
    """
    return Layer("impute()", _impute_init, _impute_apply, _impute_vjp, rows=_impute_rows)


def _impute_init(key: Key, shape: Shape) -> tuple[Impute, Shape]:
    check_example("impute()", shape)
    return Impute(constant(0.0)(key, shape, (1, 1))), shape


@on_numbers
def _impute_apply(params: Impute, x: Array) -> Array:
    check_record("impute", Impute, params)
    if not fits(x, params.value):
        raise misfit("impute", x, params.value)
    return _choose(_missing(x), params.value, x)


def _impute_vjp(params: Impute, x: Array, key: Key | None) -> tuple[Array, Pullback[Impute]]:
    return _impute_apply(params, x), partial(_impute_pull, x)


@on_numbers
def _impute_pull(x: Array, dy: Array) -> tuple[Impute, Callable[[], Array]]:
    missing = _missing(x)
    return Impute(sum_rows(_choose(missing, dy, 0))), partial(_choose, missing, 0, dy)


def _impute_rows(params: Impute, x: Array, dy: Array) -> Impute:
    return Impute(stacked(_choose(_missing(x), dy, 0), params.value.shape))


def _missing(x: Array) -> Array:
    missing: Array = namespace(x).isnan(x)
    return missing


@on_numbers
def _choose(condition: Array, then: Array | float, otherwise: Array | float) -> Array:
    chosen: Array = namespace(condition).where(condition, then, otherwise)
    return chosen


@frozen(eq=False)
class Rescale:
    """The parameters of `rescale()`: center (n,) and factor (n,)."""

    center: Array
    factor: Array


def rescale() -> Layer[Rescale]:
    """Move and stretch each feature: (x - center) · factor.

    Parameters from `fit_robust_scale` bring the columns of a table to one size. As the first layer of a network, with
    parameters that are trained, it learns which features matter.
    Shapes:   (batch, n) -> (batch, n). Parameters: center (n,), initially 0; factor (n,), initially 1.
    Units:    center has those of x, factor those of y per x.
    Gradient: minus the sum of dy · factor for the center, and the sum of dy · (x - center) for the factor. The pullback
              multiplies dy by the factor.
    Raises:   ShapeError at init unless an example has one axis; DtypeError unless x has the dtype of the parameters.
    Source:   Holzmüller et al. 2024, arXiv:2407.04491, section 3: robust scaling, and the scaling layer.

    >>> rescale().apply(Rescale(np.array([5.0, 1.0]), np.array([0.5, 2.0])), np.array([[3.0, 1.5]]))
    array([[-1.,  1.]])
    """
    return Layer("rescale()", _rescale_init, _rescale_apply, _rescale_vjp, rows=_rescale_rows)


def _rescale_init(key: Key, shape: Shape) -> tuple[Rescale, Shape]:
    check_example("rescale()", shape)
    center, factor = (constant(value)(key, shape, (1, 1)) for value in (0.0, 1.0))
    return Rescale(center, factor), shape


@on_numbers
def _rescale_apply(params: Rescale, x: Array) -> Array:
    return _away(params, x) * params.factor


@on_numbers
def _rescale_vjp(params: Rescale, x: Array, key: Key | None) -> tuple[Array, Pullback[Rescale]]:
    away = _away(params, x)
    return away * params.factor, partial(_rescale_pull, params, away)


@on_numbers
def _rescale_pull(params: Rescale, away: Array, dy: Array) -> tuple[Rescale, Callable[[], Array]]:
    gradient = Rescale(sum_rows(dy) * -params.factor, sum_rows(dy * away))
    return gradient, partial(_stretched, params.factor, dy)


@on_numbers
def _stretched(factor: Array, dy: Array) -> Array:
    return dy * factor


def _rescale_rows(params: Rescale, x: Array, dy: Array) -> Rescale:
    shape = params.center.shape
    return Rescale(stacked(dy * -params.factor, shape), stacked(dy * _away(params, x), shape))


def _away(params: Rescale, x: Array) -> Array:
    check_record("rescale", Rescale, params)
    if not fits(x, params.center):
        raise misfit("rescale", x, params.center)
    return x - params.center


def one_hot_columns(sizes: Sequence[int], *, dtype: object = "float32") -> Layer[tuple[()]]:
    """Encode columns of category codes: 1 in the place of a row's code, 0 in the others, column after column.

    A column of size s has the codes 0 to s - 1. Anything else, such as NaN for a missing category, becomes s zeros.
    Shapes:   (batch, k) -> (batch, sum of the k sizes). Integers give floats of `dtype`; floats keep their dtype.
    Gradient: codes have no derivative, so dx is 0.
    Raises:   OptionError unless the sizes are integers of at least 0, one or more, and dtype is float32 or float64;
              ShapeError unless an example has k numbers.
    Source:   sklearn.preprocessing.OneHotEncoder, with handle_unknown="ignore".

    >>> one_hot_columns((2, 3)).apply((), np.array([[1.0, 0.0], [0.0, np.nan]]))
    array([[0., 1., 1., 0., 0.],
           [1., 0., 0., 0., 0.]])
    """
    where = "one_hot_columns(sizes)"
    counts = tuple(as_natural(where, size) for size in as_iterator(where, sizes, "integers"))
    if not counts:
        raise OptionError(where, "at least one size", counts, "leave the layer out if no column holds categories")
    dtype_name = as_float_dtype("one_hot_columns(dtype)", dtype)
    name = expression("one_hot_columns", [counts], {} if dtype_name == "float32" else {"dtype": dtype_name})
    apply = partial(_one_hot_apply, counts, dtype_name)
    return Layer(name, partial(_one_hot_init, counts), apply, partial(_one_hot_vjp, apply))


def _one_hot_init(sizes: tuple[int, ...], key: Key, shape: Shape) -> tuple[tuple[()], Shape]:
    shape = as_shape("one_hot_columns", shape)
    if shape != (len(sizes),):
        remedy = "give one size for each column of codes"
        raise ShapeError("one_hot_columns", f"examples of shape {(len(sizes),)}", shape, remedy)
    return (), (sum(sizes),)


@on_numbers
def _one_hot_apply(sizes: tuple[int, ...], dtype: str, params: tuple[()], x: Array) -> Array:
    xp, count = namespace(x), len(sizes)
    if x.ndim != 2 or x.shape[1] != count:
        remedy = "give one code for each column"
        raise ShapeError("one_hot_columns", f"inputs of shape (batch, {count})", tuple(x.shape), remedy)
    if xp.isdtype(x.dtype, ("integral", "bool")):
        x = to_dtype(x, dtype)
    # Made here and not by the constructor: an expression of a few letters could ask for more than the memory holds.
    column = np.repeat(np.arange(count), sizes)
    code = np.concatenate([np.arange(size) for size in sizes])
    given = xp.take(x, bring(column, x), axis=1)
    y: Array = xp.where(given == to_dtype(bring(code, x), x.dtype), xp.ones_like(given), 0)
    return y


def _one_hot_vjp(
    apply: Callable[[tuple[()], Array], Array], params: tuple[()], x: Array, key: Key | None
) -> tuple[Array, Pullback[tuple[()]]]:
    return apply(params, x), input_pullback(partial(no_derivative, x))
