"""Columns of polars as arrays of NumPy: texts that are all numbers become numbers, also with decimal commas."""

from collections.abc import Sequence

import polars as pl

import fnmlp as fn
from fnmlp.tables.values import MISSING

DECIMAL = r"^[+-]?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+)(,[0-9]+)?$"
"""A number with a decimal comma, and perhaps points between thousands."""
THOUSANDS = r"^[+-]?[0-9]{1,3}(,[0-9]{3})*(\.[0-9]+)?$"
"""A number with commas between thousands."""
CODE = r"^[+-]?0[0-9]"
"""The beginning of digits that are a name, such as a postal code."""


def arrays_of(frame: pl.DataFrame, where: str, *, decimal_commas: bool) -> tuple[dict[str, fn.Array], list[str]]:
    """Return the columns of a table as arrays, and what there is to say about them."""
    texts = {series.name: series.str.strip_chars() for series in frame if series.dtype == pl.String}
    numbers = {name: as_numbers(series) for name, series in texts.items()}
    plain = {name: without_commas(texts[name], decimal_commas) for name in texts if numbers[name] is None}
    commas = {name: as_numbers(series) for name, series in plain.items() if series is not None}
    read = texts | {name: series for name, series in (numbers | commas).items() if series is not None}
    arrays = {series.name: array_of(read.get(series.name, series), where) for series in frame}
    meaning = "decimal commas" if decimal_commas else "separators of thousands"
    return arrays, [f"commas in {quoted([*commas])} are read as {meaning}"] if commas else []


def as_numbers(series: pl.Series) -> pl.Series | None:
    """Return a column of texts as numbers, or None if one of them is no number.

    >>> as_numbers(pl.Series(["1.5", "NA"])).to_list(), as_numbers(pl.Series(["01067"]))
    ([1.5, None], None)
    """
    marked = series.replace([*MISSING], None)
    if marked.str.contains(CODE).any():
        return None
    numbers = marked.cast(pl.Float64, strict=False)
    return numbers if numbers.null_count() == marked.null_count() else None


def without_commas(series: pl.Series, decimal: bool) -> pl.Series | None:
    """Return a column of numbers with commas without them, or None for any other column.

    >>> without_commas(pl.Series(["1.234,5", "2"]), True).to_list(), without_commas(pl.Series(["1,234"]), False)[0]
    (['1234.5', '2'], '1234')
    """
    marked = series.replace([*MISSING], None)
    pattern, between = (DECIMAL, ".") if decimal else (THOUSANDS, ",")
    if not marked.str.contains(pattern).all() or not marked.str.contains(",", literal=True).any():
        return None
    return marked.str.replace_all(between, "", literal=True).str.replace(",", ".", literal=True)


def array_of(series: pl.Series, where: str) -> fn.Array:
    """Return a column as an array of NumPy; raise for types that are neither numbers, texts, booleans nor dates."""
    kind = series.dtype
    if isinstance(kind, pl.Datetime):
        return series.cast(pl.Datetime("us")).to_numpy()
    if kind in (pl.Categorical, pl.Enum):
        return series.cast(pl.String).to_numpy()
    if kind in (pl.Null, pl.Decimal):
        return series.cast(pl.Float64).to_numpy()
    if kind not in (pl.String, pl.Boolean, pl.Date) and not kind.is_numeric():
        remedy = "convert the column, or leave it out with --ignore"
        raise fn.DataError(f"{where}: column {series.name!r}", "numbers, texts, booleans or dates", kind, remedy)
    return series.to_numpy()


def quoted(names: Sequence[str], most: int = 5) -> str:
    """Write the first names of several, in quotes.

    >>> quoted(["a", "b", "c"], 2)
    "'a', 'b' and 1 more"
    """
    return shortlist([*map(repr, names)], most)


def shortlist(words: Sequence[str], most: int = 20) -> str:
    """Write the first words of several.

    >>> shortlist(["1", "2"])
    '1, 2'
    """
    first = ", ".join(words[:most])
    return first if len(words) <= most else f"{first} and {len(words) - most} more"
