"""Fitting a schema: finding out what the columns of a table hold."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from fnmlp.checks import as_bool, as_choice, check_kind
from fnmlp.errors import DataError, OptionError
from fnmlp.scalars import as_count, as_natural
from fnmlp.tables.columns import KINDS, Column, Columns, as_table, counted, distinct, floats, in_order
from fnmlp.tables.schema import CategoryColumn, NumberColumn, TableSchema, Target, check_texts
from fnmlp.tables.values import MISSING, days_of, is_code, is_missing, number_of

__all__ = ["fit_schema", "fit_target"]

FEW_CLASSES = 20
"""Whole numbers as targets are classes if there are at most this many different ones, and half as many as rows."""

CLOSE = 1e-3
"""Numbers that differ by less than this share of their size are counted from the smallest: float32 has 7 digits."""
TASKS = ("auto", "classification", "regression")


def fit_schema(
    columns: Columns,
    *,
    target: str | None = None,
    task: str = "auto",
    kinds: Mapping[str, str] | None = None,
    integer_categories: int = 0,
    max_categories: int = 100,
    min_frequency: int = 2,
    indicators: bool = True,
    keep_constant: bool = False,
    missing: Collection[str] = MISSING,
    first_row: int = 0,
) -> TableSchema:
    """Find out what the columns of a table hold: numbers, dates or categories.

    `columns` is a data frame of pandas or polars, or maps names to arrays, lists or series. Fit to the training rows
    only.

    Numbers may be given as texts. Texts with leading zeros, such as postal codes, are categories. So are booleans, and
    whole numbers in a column with at most `integer_categories` different ones. Dates are texts in ISO 8601 or such as
    31.12.2024, or of NumPy or Python. You can choose the kind of a column yourself, as in `kinds={"year": "category"}`.

    A category's values are those that occur `min_frequency` times, at most the `max_categories` most frequent. All
    others are like new ones. With `indicators`, a number that is missing somewhere gets a further feature that tells
    where. A column without values is left out, and unless `keep_constant` one with the same value everywhere.

    If you name a `target`, its `task` may be "classification", "regression" or "auto": then texts and booleans are
    classes, and so are up to 20 different whole numbers if each occurs twice on average.
    Raises:   DataError for columns of different lengths, without rows, for a row with infinity or a value that is no
              number, text, boolean or date, for a target with missing values, dates, or the same value everywhere, and
              if no column is left. Errors call the first row `first_row`. OptionError for other kinds, and for the
              name of no column.

    >>> fit_schema({"age": [31, "?", 25], "size": ["S", "L", "S"]}, min_frequency=1).categories
    (CategoryColumn(name='size', values=('L', 'S')),)
    """
    table = as_table("fit_schema", columns, first_row)
    if not len(next(iter(table.values()))):
        raise DataError("fit_schema", "at least one row", "none", "check where the data come from")
    as_choice("fit_schema(task)", task, TASKS)
    chosen = _chosen(table, target, kinds or {})
    marks = _marks("fit_schema(missing)", missing)
    few = as_natural("fit_schema(integer_categories)", integer_categories)
    found = {name: chosen.get(name) or _kind(column, marks, few) for name, column in table.items() if name != target}
    vocabulary = (
        as_count("fit_schema(max_categories)", max_categories),
        as_count("fit_schema(min_frequency)", min_frequency),
    )
    keep = as_bool("fit_schema(keep_constant)", keep_constant)
    indicated = as_bool("fit_schema(indicators)", indicators)
    found_numbers = [
        _number_column(table[name], kind, marks, indicated, keep) for name, kind in found.items() if kind in KINDS
    ]
    found_categories = [
        _category_column(table[name], marks, *vocabulary, keep) for name, kind in found.items() if kind == "category"
    ]
    kept = {column.name for column in (*found_numbers, *found_categories) if column}
    if not kept:
        remedy = "give columns that differ from row to row"
        raise DataError("fit_schema", "a column to learn from", f"none of {len(found)} that holds values", remedy)
    return TableSchema(
        tuple(column for column in found_numbers if column),
        tuple(column for column in found_categories if column),
        None if target is None else _target(table[target], task, marks),
        tuple(name for name in found if name not in kept),
        marks,
    )


def _chosen(table: Mapping[str, Column], target: str | None, kinds: Mapping[str, str]) -> Mapping[str, str]:
    """Return the kinds that the caller chose; raise for names of no column."""
    check_kind("fit_schema(kinds)", kinds, Mapping, "{'year': 'category'}")
    for option, names in {"kinds": [*kinds], "target": [] if target is None else [target]}.items():
        if unknown := [name for name in names if name not in table]:
            remedy = f"choose among {', '.join(map(repr, table))}"
            raise OptionError(f"fit_schema({option})", "the name of a column", repr(unknown[0]), remedy)
    if target in kinds:
        raise OptionError("fit_schema(kinds)", "kinds of features", f"that of the target {target!r}", "pass `task`")
    for name, kind in kinds.items():
        as_choice(f"fit_schema(kinds[{name!r}])", kind, (*KINDS, "category"))
    return kinds


def _marks(where: str, missing: Collection[str]) -> tuple[str, ...]:
    check_texts(where, missing if isinstance(missing, str) else tuple(missing))
    return tuple(missing)


def _kind(column: Column, missing: Collection[str], few: int) -> str:
    """Tell the kind of a column: "number", "date" or "category"."""
    of_numpy = column.kind
    if of_numpy in "bM":
        return "category" if of_numpy == "b" else "date"
    if of_numpy in "iuf" and not few:
        return "number"
    found = distinct(column)
    present = [value for value in found.values if not is_missing(value, missing)]
    if of_numpy == "O":
        if present and all(days_of(value) is not None for value in present):
            return "date"
        if any(number_of(value) is None or is_code(value) for value in present):
            return "category"
    whole = len(present) <= few and all(float(number_of(value) or 0).is_integer() for value in present)
    return "category" if whole and present else "number"


def _number_column(
    column: Column, kind: str, missing: Collection[str], indicated: bool, keep: bool
) -> NumberColumn | None:
    x = floats(column, kind, missing)
    there = x[~np.isnan(x)]
    gaps = len(there) < len(x)
    low, high = (float(there.min()), float(there.max())) if there.size else (0.0, 0.0)
    if not keep and (not there.size or (low == high and not gaps)):
        return None
    close = high - low < CLOSE * max(abs(low), abs(high))
    return NumberColumn(column.name, kind, low if close else 0.0, indicator=indicated and gaps and there.size > 0)


def _category_column(
    column: Column, missing: Collection[str], most: int, least: int, keep: bool
) -> CategoryColumn | None:
    counts = counted(column, missing)
    often = in_order(text for text, count in counts.items() if count >= least)
    values = in_order(sorted(often, key=lambda text: -counts[text])[:most])  # of equally frequent ones the first
    same = len(counts) == 1 and sum(counts.values()) == len(column)
    return None if not values or (same and not keep) else CategoryColumn(column.name, values)


def target_marks(missing: Collection[str]) -> tuple[str, ...]:
    """Return the texts that mean a missing target; None may be a class.

    >>> target_marks(("", "None"))
    ('',)
    """
    return tuple(mark for mark in missing if mark != "None")


def fit_target(
    name: str, values: Any, *, task: str = "auto", missing: Collection[str] = MISSING, first_row: int = 0
) -> Target:
    """Find out what a column to predict holds, as `fit_schema` does for its `target`.

    Raises:   as `fit_schema`.

    >>> fit_target("buys", ["yes", "no", "yes"])
    Target(name='buys', classes=('no', 'yes'))
    """
    column = as_table("fit_target", {name: values}, first_row)[name]
    return _target(column, as_choice("fit_target(task)", task, TASKS), _marks("fit_target(missing)", missing))


def _target(column: Column, task: str, missing: Collection[str]) -> Target:
    marks = target_marks(missing)
    if not len(column):
        raise DataError(f"column {column.name!r}", "at least one row", "none", "check where the data come from")
    found = distinct(column)
    if any(gaps := [is_missing(value, marks) for value in found.values]):
        row = min(found.row_of(place) for place, gap in enumerate(gaps) if gap)
        raise column.wrong(row, "a target", "a missing value", "leave out rows without one")
    kind = _kind(column, marks, min(FEW_CLASSES, len(column) // 2) if task == "auto" else 0)
    if kind == "date":
        remedy = "convert it to a number, for instance of days"
        raise DataError(f"column {column.name!r}", "classes or numbers as a target", "dates", remedy)
    if task == "regression" or (task == "auto" and kind == "number"):
        x = floats(column, "number", marks)
        differ, target = x.min() < x.max(), Target(column.name)
    else:
        target = Target(column.name, in_order(counted(column, marks)))
        differ = len(target.classes) > 1
    if not differ:
        remedy = "choose another target, or add rows with others"
        raise DataError(f"column {column.name!r}", "at least two different targets", "the same in all rows", remedy)
    return target
