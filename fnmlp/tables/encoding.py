"""Tables as arrays: `encode` writes the columns of a schema side by side, and `encode_target` the column to predict."""

from collections.abc import Mapping

import numpy as np

from fnmlp.arrays import Array
from fnmlp.checks import as_float_dtype, check_kind
from fnmlp.errors import DataError, StructureError
from fnmlp.tables.columns import Column, Columns, as_table, by_name, counted, distinct, floats, texts
from fnmlp.tables.fitting import target_marks
from fnmlp.tables.schema import CategoryColumn, TableSchema
from fnmlp.tables.values import is_missing, shown, text_of

__all__ = ["encode", "encode_target", "unknown_values"]


def encode(schema: TableSchema, columns: Columns, *, dtype: object = "float32", first_row: int = 0) -> Array:
    """Write the columns of a table side by side, as the array that `table_features` takes.

    `columns` is a table as `fit_schema` takes it, with its columns in any order; others are ignored. Missing numbers
    become NaN, and so do missing categories and those that the schema doesn't list. Dates become days from 1970,
    categories their codes.
    Shapes:   columns of n values -> (n, schema.width): numbers, categories, indicators, in `dtype`.
    Raises:   DataError for a missing column, for columns of different lengths, and, naming the row, for a value of
              another kind, and a number that is too large for the dtype; errors call the first row `first_row`.
              OptionError for a dtype other than float32 and float64.

    >>> from fnmlp.tables import fit_schema
    >>> schema = fit_schema({"size": ["S", "L", "S", "L"], "age": [31, 25, 40, 22]})
    >>> encode(schema, {"age": [28, 33], "size": ["L", "XL"]})
    array([[28.,  0.],
           [33., nan]], dtype=float32)
    """
    dtype_name = as_float_dtype("encode(dtype)", dtype)
    check_kind("encode(schema)", schema, TableSchema, "fit_schema(columns)")
    table = _wanted("encode", columns, schema.names, first_row)
    rows = len(next(iter(table.values()), ()))
    x = np.empty((rows, schema.width), dtype_name)
    place = 0
    for number in schema.numbers:
        column = table[number.name]
        x[:, place] = _narrowed(column, floats(column, number.kind, schema.missing) - number.origin, dtype_name)
        place += 1
    for category in schema.categories:
        x[:, place] = _codes(category, table[category.name], schema.missing)
        place += 1
    gaps = [number.indicator for number in schema.numbers]
    x[:, place:] = np.where(np.isnan(x[:, : len(gaps)][:, gaps]), 0.0, np.nan)
    return x


def _narrowed(column: Column, numbers: Array, dtype: str) -> Array:
    with np.errstate(over="ignore", under="ignore"):
        x = numbers.astype(dtype)
    infinite = np.isinf(x)
    if infinite.any():
        row = int(infinite.argmax())
        raise column.wrong(row, f"a number that {dtype} can hold", numbers[row], "give the column in larger units")
    return x


def _wanted(where: str, columns: Columns, names: tuple[str, ...], first_row: int) -> dict[str, Column]:
    """Return the columns with these names; raise if one is missing."""
    given = by_name(where, columns)
    if absent := [name for name in names if name not in given]:
        others = f"{len(given)} columns, none of which is {' or '.join(map(repr, absent))}"
        raise DataError(where, f"the columns {', '.join(map(repr, names))}", others, "add them; they may be empty")
    return as_table(where, {name: given[name] for name in names}, first_row)


def _codes(category: CategoryColumn, column: Column, missing: tuple[str, ...]) -> Array:
    codes, found = _codes_of(category.values), distinct(column)
    known = [np.nan if text is None else codes.get(text, np.nan) for text in texts(found, missing)]
    return np.array(known, np.float64)[found.places]


def _codes_of(values: tuple[str, ...]) -> dict[str | None, int]:
    """Return the code of each category, whose text may be written in another way."""
    return {text_of(text): code for code, text in enumerate(values)}


def encode_target(schema: TableSchema, columns: Columns, *, dtype: object = "float32", first_row: int = 0) -> Array:
    """Return the column to predict: as class numbers, or for a regression as numbers of `dtype`.

    float32 keeps seven digits. For numbers such as 1700000123, choose float64, and round after `fit_standardize`.
    Shapes:   columns of n values -> (n,) integers for classes, (n, 1) for numbers.
    Raises:   StructureError for a schema without a target; otherwise as `encode`, and DataError for a missing target or
              a class that the schema doesn't list, naming the row.

    >>> from fnmlp.tables import fit_schema
    >>> columns = {"age": [31, 25, 40], "buys": ["yes", "no", "yes"]}
    >>> encode_target(fit_schema(columns, target="buys"), columns)
    array([1, 0, 1])
    """
    dtype_name = as_float_dtype("encode_target(dtype)", dtype)
    check_kind("encode_target(schema)", schema, TableSchema, "fit_schema(columns)")
    target, marks = schema.target, target_marks(schema.missing)
    if target is None:
        raise StructureError("encode_target", "a schema with a target", "one without", "name it: fit_schema(target=…)")
    column = _wanted("encode_target", columns, (target.name,), first_row)[target.name]
    found = distinct(column)
    for place, value in enumerate(found.values):
        if is_missing(value, marks):
            raise column.wrong(found.row_of(place), "a target", "a missing value", "leave out rows without one")
    if not target.classes:
        return _narrowed(column, floats(column, "number", marks), dtype_name)[:, None]
    codes = _codes_of(target.classes)
    labels = [codes.get(text) for text in texts(found, marks)]
    for place, label in enumerate(labels):
        if label is None:
            got, remedy = shown(found.values[place]), "correct it, or leave out the row"
            raise column.wrong(found.row_of(place), f"one of the {len(codes)} classes", got, remedy)
    return np.array(labels, np.int64)[found.places]


def unknown_values(schema: TableSchema, columns: Columns) -> dict[str, dict[str, int]]:
    """Count, for each column of categories, the rows of each value that the schema doesn't list.

    `encode` writes such values as NaN, like missing ones.
    Raises:   as `encode`.

    >>> from fnmlp.tables import fit_schema
    >>> schema = fit_schema({"size": ["S", "L", "S", "L"]})
    >>> unknown_values(schema, {"size": ["L", "XL", "XL"]})
    {'size': {'XL': 2}}
    """
    check_kind("unknown_values(schema)", schema, TableSchema, "fit_schema(columns)")
    table = _wanted("unknown_values", columns, schema.names, 0)
    found = {
        category.name: _others(counted(table[category.name], schema.missing), category)
        for category in schema.categories
    }
    return {name: others for name, others in found.items() if others}


def _others(counts: Mapping[str, int], category: CategoryColumn) -> dict[str, int]:
    known = _codes_of(category.values)
    return {text: count for text, count in counts.items() if text not in known}
