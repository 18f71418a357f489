"""The columns of a table: arrays of numbers, booleans or dates, or the different values of all others."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Protocol, TypeAlias

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array
from fnmlp.checks import check_kind
from fnmlp.errors import DataError, DtypeError, ShapeError
from fnmlp.scalars import as_natural
from fnmlp.tables.values import days_of, is_missing, number_of, shown, text_of


class DataFrame(Protocol):
    """What is asked of a data frame of pandas or polars."""

    @property
    def columns(self) -> Any:
        """The names of the columns."""
        ...

    def __getitem__(self, name: Any, /) -> Any:
        """Return the column of this name."""
        ...


Columns: TypeAlias = Mapping[str, Any] | DataFrame

WAYS = {"collect": "pass what its collect() returns", "to_pydict": "pass what its to_pydict() returns"}
"""How to convert objects that are nearly data frames: the lazy ones of polars, and the tables of pyarrow."""


@frozen(eq=False)
class Distinct:
    """Hold the different values of a column, and for each row the place of its value among them."""

    values: list[Any]
    places: Array

    def row_of(self, place: int) -> int:
        """Return the first row with the value at this place."""
        return int((self.places == place).argmax())


@frozen(eq=False)
class Column:
    """Hold a column: its name, its values, and the number of its first row in errors.

    The values are an array of numbers, booleans or dates (datetime64), or for texts and objects the different ones.
    """

    name: str
    values: Any
    first_row: int

    def __len__(self) -> int:
        return len(self.values.places if isinstance(self.values, Distinct) else self.values)

    @property
    def kind(self) -> str:
        """NumPy's letter for the kind of the values: b, i, u, f, M, or O for texts and objects."""
        return "O" if isinstance(self.values, Distinct) else self.values.dtype.kind

    def wrong(self, row: int, expected: str, got: object, remedy: str) -> DataError:
        """Return the error for the value in a row."""
        return DataError(f"column {self.name!r}, row {row + self.first_row}", expected, got, remedy)


def as_column(name: str, values: Any, first_row: int = 0) -> Column:
    """Return a column from an array, a list, or a series of pandas or polars.

    Raises:   ShapeError for more than one axis; DtypeError for arrays, and DataError for objects, that are neither
              numbers, texts, booleans nor dates.

    >>> as_column("age", [31, 25]).values
    array([31, 25])
    """
    where = f"column {name!r}"
    if hasattr(values, "mask") and hasattr(values, "filled"):
        raise DtypeError(where, "an array", "a masked array", "fill its gaps with NaN")
    array = _array(values)
    if array.ndim != 1:
        raise ShapeError(where, "one value for each row", f"shape {array.shape}", "pass each column by itself")
    if array.dtype.kind not in "biufMOUT":
        remedy = "convert it to numbers or texts"
        raise DtypeError(where, "numbers, texts, booleans or dates", array.dtype, remedy)
    if array.dtype.kind in "biufM":
        return Column(name, array, first_row)
    column = Column(name, _different(where, array.tolist()), first_row)
    for place, value in enumerate(column.values.values):
        if type(value) is not str and text_of(value) is None and not is_missing(value, ()):
            remedy = "convert the column to one of these"
            raise column.wrong(column.values.row_of(place), "a number, text, boolean or date", shown(value), remedy)
    return column


def _array(values: Any) -> Array:
    if isinstance(values, (list, tuple)) and not {*map(type, values)} <= {int, float}:
        # NumPy would turn numbers among texts into texts, and lists into another axis.
        return np.fromiter(values, object, len(values))
    return np.asarray(values)


def _different(where: str, items: list[Any]) -> Distinct:
    try:
        found = {item: place for place, item in enumerate(dict.fromkeys(items))}
    except TypeError as error:
        expected, remedy = "numbers, texts, booleans or dates", "make a column of each of their parts"
        raise DtypeError(where, expected, f"others ({error})", remedy) from error
    plain = [item.item() if isinstance(item, np.generic) else item for item in found]
    return Distinct(plain, np.fromiter(map(found.__getitem__, items), np.intp, len(items)))


def by_name(where: str, columns: Columns) -> Mapping[str, Any]:
    """Return the columns of a mapping or a data frame by their names; raise for all else.

    >>> by_name("encode", {"age": [31, 25]})
    {'age': [31, 25]}
    """
    kind = type(columns)  # not the frame, whose columns may be attributes
    if remedy := next((remedy for way, remedy in WAYS.items() if hasattr(kind, way)), None):
        raise DtypeError(f"{where}(columns)", "a data frame", f"a {kind.__name__}", remedy)
    if not hasattr(columns, "columns"):
        check_kind(f"{where}(columns)", columns, Mapping, "{'age': ages}")
    names = [*(columns if isinstance(columns, Mapping) else columns.columns)]
    for name in names:
        check_kind(f"{where}(columns)", name, str, "{'age': ages}")
    return {name: columns[name] for name in names}


def as_table(where: str, columns: Columns, first_row: int) -> dict[str, Column]:
    """Return the columns of a table; raise unless they have names and one length.

    >>> as_table("encode", {"a": [1, 2], "b": [3]}, 0)
    Traceback (most recent call last):
    fnmlp.errors.DataError: encode: column 'b': expected 2 rows, like 'a', got 1; look for rows lost in one of them
    """
    first = as_natural(f"{where}(first_row)", first_row)
    table = {name: as_column(name, values, first) for name, values in by_name(where, columns).items()}
    if not table:
        raise DataError(where, "at least one column", "none", "check where the data come from")
    beginning, rows = next((name, len(column)) for name, column in table.items())
    for name, column in table.items():
        if len(column) != rows:
            remedy = "look for rows lost in one of them"
            raise DataError(f"{where}: column {name!r}", f"{rows} rows, like {beginning!r}", len(column), remedy)
    return table


def distinct(column: Column) -> Distinct:
    """Find the different values of a column.

    >>> distinct(as_column("size", ["S", "L", "S"])).places
    array([0, 1, 0])
    """
    if isinstance(column.values, Distinct):
        return column.values
    values, places = np.unique(column.values, return_inverse=True)
    plain = values.astype("datetime64[us]") if column.kind == "M" else values
    return Distinct(plain.tolist(), places)


KINDS: Mapping[str, tuple[Callable[[Any], float | None], str]] = {
    "number": (number_of, "a number"),
    "date": (days_of, "a date such as 2024-12-31 or 31.12.2024"),
}
"""Kinds of numbers: what reads their values, and how an error calls one."""


def floats(column: Column, kind: str, missing: Collection[str]) -> Array:
    """Return a column of numbers or dates as float64, with NaN for missing values; dates become days from 1970.

    Raises:   DataError, naming the row, for a value of another kind, and for infinity.

    >>> floats(as_column("age", ["31", "?"]), "number", ("?",))
    array([31., nan])
    """
    if column.kind == "M" and kind == "date":
        found = (column.values - np.datetime64("1970-01-01")) / np.timedelta64(1, "D")
    elif column.kind in "iuf" and kind == "number":
        found = column.values.astype(np.float64)
    else:
        found = _read(column, kind, missing)
    infinite = np.isinf(found)
    if infinite.any():
        remedy = "leave it empty if it is unknown"
        raise column.wrong(int(infinite.argmax()), "a finite number", "infinity", remedy)
    return found


def _read(column: Column, kind: str, missing: Collection[str]) -> Array:
    (read, words), found = KINDS[kind], distinct(column)
    numbers = [np.nan if is_missing(value, missing) else read(value) for value in found.values]
    for place, number in enumerate(numbers):
        if number is None:
            remedy = "correct it, or leave it empty if it is unknown"
            raise column.wrong(found.row_of(place), words, shown(found.values[place]), remedy)
    return np.array(numbers, np.float64)[found.places]


def counted(column: Column, missing: Collection[str]) -> dict[str, int]:
    """Count the rows of each category.

    >>> counted(as_column("size", ["S", "L", None, "S"]), ())
    {'S': 2, 'L': 1}
    """
    found = distinct(column)
    counts: dict[str, int] = {}
    rows = np.bincount(found.places, minlength=len(found.values)).tolist()
    for text, count in zip(texts(found, missing), rows, strict=True):
        if text is not None:
            counts[text] = counts.get(text, 0) + count
    return counts


def texts(found: Distinct, missing: Collection[str]) -> list[str | None]:
    """Return the text of each different value as a category; None for those that are missing."""
    return [None if is_missing(value, missing) else text_of(value) for value in found.values]


def in_order(categories: Iterable[str]) -> tuple[str, ...]:
    """Sort categories: numbers by their size, then texts by their letters.

    >>> in_order(["b", "10", "9", "a"])
    ('9', '10', 'a', 'b')
    """
    return tuple(sorted(categories, key=_rank))


def _rank(text: str) -> tuple[bool, float, str]:
    number = number_of(text)
    return number is None, number or 0.0, text
