"""Layers that take integers, and return a row of a table for each."""

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array, Shape, at_hand, device_of, namespace, to_dtype
from fnmlp.checks import as_shape
from fnmlp.conditions import nan_unless
from fnmlp.errors import DataError, DtypeError, ShapeError
from fnmlp.expressions import expression
from fnmlp.initializers import STANDARD_NORMAL, Fans, Initializer
from fnmlp.key import Key, fold_in
from fnmlp.layer import Layer, Pullback
from fnmlp.layers.checks import check_record, initial, initializer_options
from fnmlp.rules import on_numbers
from fnmlp.scalars import as_count

__all__ = ["Embedding", "embedding"]


@frozen(eq=False)
class Embedding:
    """The parameter of `embedding(count, width)`: a table of `count` rows of `width` numbers."""

    table: Array


def embedding(count: int, width: int, *, table_init: Initializer = STANDARD_NORMAL) -> Layer[Embedding]:
    """Look up a learned row for each integer from 0 to count - 1.

    Shapes:   (batch,) -> (batch, width), or (batch, n) -> (batch, n, width); put flatten() after the latter.
              Parameters: table (count, width).
    Gradient: the pullback adds each row of dy to the table row that it came from, in batch order and in float64.
              Integers have no derivative, so dx is 0.
    Raises:   OptionError unless count and width >= 1; ShapeError at init if an example has more than one axis;
              DtypeError unless inputs are integers; DataError for one out of range, including -1, which NumPy would
              accept. While a compiler traces, such a row becomes NaN.
    Source:   Bengio et al. 2003, "A neural probabilistic language model"; torch.nn.Embedding.

    >>> import numpy as np
    >>> embedding(2, 3).apply(Embedding(np.eye(2, 3)), np.array([1, 0]))
    array([[0., 1., 0.],
           [1., 0., 0.]])
    """
    size = as_count("embedding(count)", count), as_count("embedding(width)", width)
    options = initializer_options("embedding", {"table_init": table_init}, {"table_init": STANDARD_NORMAL})
    name = expression("embedding", size, options)
    return Layer(name, partial(_embedding_init, name, size, table_init), _embedding_apply, _embedding_vjp)


def _embedding_init(where: str, size: Fans, table_init: Initializer, key: Key, shape: Shape) -> tuple[Embedding, Shape]:
    shape = as_shape(where, shape)
    if len(shape) > 1:
        raise ShapeError(where, "examples of shape () or (n,)", shape, "put flatten() before it")
    return Embedding(initial("table_init", table_init, fold_in(key, 0), size, size)), (*shape, size[1])


@on_numbers
def _embedding_apply(params: Embedding, x: Array) -> Array:
    check_record("embedding", Embedding, params)
    table = params.table
    xp = namespace(table)
    _check_ids(x, table.shape[0])
    rows = xp.take(table, _flat(x), axis=0)
    if not at_hand(x):
        rows = nan_unless(_in_range(_flat(x), table.shape[0])[:, None], rows)
    return xp.reshape(rows, (*x.shape, table.shape[1]))


def _embedding_vjp(
    params: Embedding,
    x: Array,
    key: Key | None,
) -> tuple[Array, Pullback[Embedding]]:
    return _embedding_apply(params, x), partial(_embedding_pull, params, x)


@on_numbers
def _embedding_pull(params: Embedding, x: Array, dy: Array) -> tuple[Embedding, Callable[[], Array]]:
    count, width = params.table.shape
    rows = namespace(dy).reshape(dy, (prod(x.shape), width))
    return Embedding(_sum_by_id(count, _flat(x), rows)), partial(no_derivative, x, dy)


def _sum_by_id(count: int, ids: Array, rows: Array) -> Array:
    """Return the sum of the rows of each id: a scatter-add, which the array API lacks."""
    if isinstance(rows, np.ndarray) and rows.dtype.kind == "f":  # bincount doesn't take complex numbers
        width = rows.shape[1]
        places = (ids[:, None] * width + np.arange(width)).ravel()
        total = np.bincount(places, rows.ravel(), count * width)
        return to_dtype(total.reshape(count, width), rows.dtype)
    xp = namespace(rows)
    if not at_hand(ids):
        rows = nan_unless(_in_range(ids, count)[:, None], rows)
    nothing: Any = xp.zeros((count, rows.shape[1]), dtype=rows.dtype, device=device_of(rows))
    if hasattr(nothing, "index_add"):  # torch
        return nothing.index_add(0, ids, rows)
    if hasattr(nothing, "at"):  # JAX
        return nothing.at[ids].add(rows, mode="clip")
    chosen = ids[None, :] == xp.arange(count, device=device_of(ids))[:, None]
    return to_dtype(chosen, rows.dtype) @ rows


def no_derivative(x: Array, dy: Array) -> Array:
    """Return zeros in the shape of x: the dx of a layer whose inputs are integers or codes.

    >>> no_derivative(np.array([2, 1]), np.ones((2, 3)))
    array([0., 0.])
    """
    return namespace(dy).zeros(x.shape, dtype=dy.dtype, device=device_of(dy))


def _in_range(ids: Array, count: int) -> Array:
    return (ids >= 0) & (ids < count)


def _flat(x: Array) -> Array:
    return to_dtype(namespace(x).reshape(x, (prod(x.shape),)), "int64")


def _check_ids(x: Array, count: int) -> None:
    xp = namespace(x)
    if not xp.isdtype(x.dtype, "integral"):
        remedy = "pass row numbers of the table; make it the first layer"
        raise DtypeError("embedding", "integers", x.dtype, remedy)
    if 0 not in x.shape and at_hand(x) and (int(xp.min(x)) < 0 or int(xp.max(x)) >= count):
        flat = _flat(x)
        wrong = int(xp.argmin(to_dtype(_in_range(flat, count), "uint8")))
        where = f"embedding: row {wrong // prod(x.shape[1:])} of the inputs"
        raise DataError(where, f"0 to {count - 1}", int(flat[wrong]), "correct it, or give the table more rows")
