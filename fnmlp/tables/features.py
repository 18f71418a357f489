"""The fixed preprocessing of a table as one layer, and its parameters from the training rows."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fnmlp.arrays import Array, as_array
from fnmlp.checks import check_kind
from fnmlp.combinators import chain, concat
from fnmlp.errors import OptionError, ShapeError
from fnmlp.key import Key
from fnmlp.layer import Layer
from fnmlp.layers.activations import smooth_clip
from fnmlp.layers.quantiles import fit_impute, fit_robust_scale
from fnmlp.layers.tables import columns, impute, one_hot_columns, rescale
from fnmlp.scalars import as_natural

__all__ = ["fit_features", "table_features"]


def table_features(*, numbers: int, sizes: Sequence[int] = ()) -> Layer[Any]:
    """Turn the encoded columns of a table into the features of a network.

    Missing numbers get the median. Numbers are centred and scaled robustly, and clipped smoothly to -3 to 3. Each
    category becomes a block of zeros and ones; one that is missing or unknown becomes zeros.
    Shapes:   (batch, numbers + categories) -> (batch, numbers + Σ sizes), for categories of `sizes` codes. Parameters:
              those of `impute` and `rescale`, from `fit_features`.
    Gradient: that of the layers it is made of; dx is 0 where a value is missing, and for categories.
    Raises:   OptionError without numbers and categories, and unless the sizes are at least 1.
    Source:   Holzmüller et al. 2024, arXiv:2407.04491, section 3.

    >>> table_features(numbers=2, sizes=(3,)).init(Key(0), (3,))[1]
    (5,)
    """
    count, categories = as_natural("table_features(numbers)", numbers), tuple(sizes)
    of_numbers = [chain(columns(0, count), impute(), rescale(), smooth_clip())] if count else []
    width = count + len(categories)
    of_categories = [chain(columns(count, width), one_hot_columns(categories))] if categories else []
    if not of_numbers and not of_categories:
        remedy = "give a table with columns of numbers or categories"
        raise OptionError("table_features", "at least one column", "none", remedy)
    return concat(*of_numbers, *of_categories)


FITTED: Mapping[str, Callable[[Array], Any]] = {"impute": fit_impute, "rescale": fit_robust_scale}
"""Layers whose parameters are found in the data, by the names of their constructors."""


def fit_features(layer: Layer[Any], x: Array) -> Any:
    """Return the parameters of a preprocessing, found in the encoded training rows.

    The layer may be any composition by `chain` and `concat`. In it, `impute` gets the medians and `rescale` the robust
    scale of what reaches it; all other layers get what `init` gives them. No gradient is needed.
    Shapes:   x (rows, features), as `encode` returns it.
    Raises:   ShapeError unless x has rows of features; whatever the layers raise.

    >>> import numpy as np
    >>> fit_features(table_features(numbers=1), np.array([[1.0], [np.nan], [4.0]]))[0][1]
    Impute(value=array([2.5]))
    """
    check_kind("fit_features(layer)", layer, Layer, "table_features(numbers=3)")
    x = as_array("fit_features(x)", x)
    if x.ndim != 2:
        raise ShapeError("fit_features(x)", "rows of features", tuple(x.shape), "pass what encode returns")
    return _fit(layer, x)[0]


def _fit(layer: Layer[Any], x: Array) -> tuple[Any, Array]:
    """Return the parameters of a layer, and its outputs."""
    constructor = layer.name.partition("(")[0]
    if constructor == "chain":
        found = []
        for part in layer.parts:
            params, x = _fit(part, x)
            found.append(params)
        return tuple(found), x
    if constructor == "concat":
        params = tuple(_fit(part, x)[0] for part in layer.parts)
    elif constructor in FITTED:
        params = FITTED[constructor](x)
    else:
        params = layer.init(Key(0), x.shape[1:])[0]
    return params, layer.apply(params, x)
