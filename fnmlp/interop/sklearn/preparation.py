"""Preparation: the columns of rows as features of a network, fitted to the training rows."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from attrs import evolve, frozen
import numpy as np

from fnmlp.arrays import Array, read_only
from fnmlp.combinators import chain, concat
from fnmlp.interop.sklearn.inputs import Rows, Table
from fnmlp.interop.sklearn.presets import Settings
from fnmlp.layer import Layer
from fnmlp.layers import (
    Impute,
    Rescale,
    columns,
    identity,
    impute,
    one_hot_columns,
    rescale,
    smooth_clip,
)
from fnmlp.tables import TableSchema, encode, fit_schema
from fnmlp.tree import Tree
from fnmlp.weights import Weights


@frozen(eq=False)
class Preparation:
    """Hold the schema of a table or None, and a layer that prepares rows of numbers, with parameters of their dtype."""

    schema: TableSchema | None
    layer: Layer[Any]
    params: Tree
    dtype: str


def preparation_of(settings: Settings, rows: Rows, weights: Weights) -> Preparation:
    """Fit the preparation of rows to those of training; `weights` says how much each counts.

    >>> rows = np.array([[0.0, 5.0], [2.0, 6.0], [1.0, np.nan]])
    >>> preparation_of(Settings(scaling="robust", missing="median", categories=3), rows, ()).layer
    concat(chain(columns(0, 1), one_hot_columns((3,))), chain(columns(1, 2), impute(), rescale()))
    """
    if isinstance(rows, Table):
        kinds = dict.fromkeys(rows.categories, "category")
        schema = fit_schema(rows.columns, kinds=kinds, keep_constant=True)
        # A table may have gaps later, whether or not there are some now.
        found = _fitted(evolve(settings, missing="median"), encode(schema, rows.columns), weights, schema.sizes)
        return evolve(found, schema=schema)
    return _fitted(settings, rows, weights, ())


def _fitted(settings: Settings, x: Array, weights: Weights, sizes: tuple[int, ...]) -> Preparation:
    """Fit the preparation of numbers, whose last columns are codes of categories of these sizes."""
    counts = np.asarray(weights) if len(weights) else np.ones(len(x))
    plain = x.shape[1] - len(sizes)
    kinds = (*kinds_of(x[:, :plain], settings.categories), *sizes)
    runs = list(_runs(kinds))
    of_runs = [kinds[start:stop] for start, stop in runs]
    if settings.category_numbers and plain:
        runs = [(0, plain), *(run for run, sizes in zip(runs, of_runs, strict=True) if sizes[0])]
        of_runs = [(0,) * plain, *(sizes for sizes in of_runs if sizes[0])]
    parts = [_part(settings, x[:, start:stop], counts, own) for (start, stop), own in zip(runs, of_runs, strict=True)]
    if len(parts) == 1:
        (layers, params), *_ = parts
        return Preparation(None, chain(*layers) if layers else identity(), params, x.dtype.name)
    layer = concat(*(chain(columns(*run), *layers) for run, (layers, _) in zip(runs, parts, strict=True)))
    return Preparation(None, layer, tuple(((), *params) for _, params in parts), x.dtype.name)


def kinds_of(rows: Array, limit: int) -> tuple[int, ...]:
    """Return for each column 0 if it holds numbers, or the number of codes if these are whole numbers below the limit.

    A column of two codes counts as numbers, which tell as much.

    >>> kinds_of(np.array([[0.5, 0.0, 0.0], [1.0, 3.0, 1.0]]), 5)
    (0, 4, 0)
    """
    if not limit:
        return (0,) * rows.shape[1]
    known = np.where(np.isnan(rows), 0, rows)
    whole = ((known >= 0) & (known < limit) & (known == np.floor(known))).all(axis=0)
    return tuple(int(most) + 1 if code and most > 1 else 0 for code, most in zip(whole, known.max(axis=0), strict=True))


def _runs(kinds: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the beginning and the end of each run of columns of one kind."""
    start = 0
    for _, run in groupby(kinds, bool):
        stop = start + len(list(run))
        yield start, stop
        start = stop


def _part(settings: Settings, x: Array, weights: Array, kinds: Sequence[int]) -> tuple[list[Layer[Any]], Tree]:
    """Return the layers that prepare columns of one kind, and their parameters."""
    if kinds[0]:
        return [one_hot_columns(kinds)], ((),)
    layers: list[Layer[Any]] = []
    params: list[Tree] = []
    if settings.missing != "refuse":
        layers.append(impute())
        medians = _quantiles(x, weights, (0.5,))[0]
        params.append(Impute(read_only(medians.astype(x.dtype))))
        x = np.where(np.isnan(x), medians, x)
    if settings.scaling != "none":
        layers.append(rescale())
        center, factor = (_robust if settings.scaling == "robust" else _standard)(x, weights)
        params.append(Rescale(read_only(center.astype(x.dtype)), read_only(factor.astype(x.dtype))))
    if settings.clip:
        layers.append(smooth_clip(limit=settings.clip))
        params.append(())
    return layers, tuple(params)


def _quantiles(x: Array, weights: Array, shares: tuple[float, ...]) -> list[Array]:
    """Return quantiles of each column: the least numbers below or at which a share of the weight lies; 0 without any.

    So a row of weight 2 counts like two rows. NaN doesn't count.
    """
    known = np.where(np.isnan(x).all(axis=0), 0, x)
    order = np.argsort(known, axis=0)  # NaN comes last
    ordered = np.take_along_axis(known, order, axis=0)
    below = np.cumsum(np.where(np.isnan(ordered), 0, weights[order]), axis=0)
    reached = below / below[-1]
    return [np.take_along_axis(ordered, (reached < share).sum(axis=0)[None], axis=0)[0] for share in shares]


def _robust(x: Array, weights: Array) -> tuple[Array, Array]:
    """Return the median of each column, and 1 over the distance of its quartiles, or 2 over that of its extremes."""
    least, lower, center, upper, most = _quantiles(x, weights, (0.0, 0.25, 0.5, 0.75, 1.0))
    return center, np.where(upper > lower, _inverse(upper - lower), 2 * _inverse(most - least))


def _standard(x: Array, weights: Array) -> tuple[Array, Array]:
    """Return the mean of each column, and 1 over its standard deviation."""
    mean = np.average(x, axis=0, weights=weights)
    return mean, _inverse(np.sqrt(np.average((x - mean) ** 2, axis=0, weights=weights)))


def _inverse(sizes: Array) -> Array:
    """Return 1 / size, or 0 for 0."""
    return np.divide(1, sizes, out=np.zeros_like(sizes, dtype=np.float64), where=sizes > 0)


def prepared(preparation: Preparation, rows: Rows, dtype: str) -> Array:
    """Return rows as the network takes them.

    Raises:   DataError for a table without a column that there was in training, or with values of another kind.
    """
    if preparation.schema is not None:
        rows = encode(preparation.schema, rows.columns if isinstance(rows, Table) else {})
    rows = np.asarray(rows, preparation.dtype)
    features: Array = preparation.layer.apply(preparation.params, rows)
    return features.astype(dtype, copy=False)


def precision_of(settings: Settings, rows: Rows) -> str:
    """Return the dtype of the parameters: as the settings say, or that of the rows.

    >>> precision_of(Settings(), np.zeros((1, 1), np.float32))
    'float32'
    """
    if settings.precision != "auto":
        return settings.precision
    return "float32" if isinstance(rows, np.ndarray) and rows.dtype == np.float32 else "float64"
