"""Columns of polars as arrays of NumPy: texts that are all numbers become numbers, with commas or spaces too."""

from collections.abc import Callable, Collection, Mapping, Sequence

from attrs import frozen
import polars as pl

import fnmlp as fn
from fnmlp.tables.values import MISSING

SPACES = "[ \u00a0\u202f'’]"
"""What some write between thousands: a space, one of two that don't break lines, or an apostrophe."""
SPACED = rf"^[+-]?[1-9][0-9]{{0,2}}({SPACES}[0-9]{{3}})+([.,][0-9]+)?$"
"""A number with spaces between thousands."""
DECIMAL = r"^[+-]?([0-9]+|[1-9][0-9]{0,2}(\.[0-9]{3})+)(,[0-9]+)?$"
"""A number with a decimal comma, and perhaps points between thousands."""
THOUSANDS = r"^[+-]?([0-9]+|[1-9][0-9]{0,2}(,[0-9]{3})+)(\.[0-9]+)?$"
"""A number with commas between thousands, and perhaps a decimal point."""
COMMAS = {
    True: (DECIMAL, ".", "decimal commas", "decimal points"),
    False: (THOUSANDS, ",", "commas between thousands", "exponents"),
}
"""For numbers with and without decimal commas: their form, what stands between thousands, and what to call them."""
NO_NUMBER = r"^[+-]?(0[0-9]|[0-9]{16})"
"""The beginning of digits that are a name, such as a postal code, or an id that float64 would round."""


@frozen(eq=False)
class Arrays:
    """Hold the columns of a table as arrays, the names of those with decimal commas, and what there is to say."""

    columns: Mapping[str, fn.Array]
    decimal_commas: tuple[str, ...]
    remarks: tuple[str, ...]


def arrays_of(frame: pl.DataFrame, where: str, *, decimal_commas: bool, known: Collection[str]) -> Arrays:
    """Return the columns of a table as arrays; where the numbers of one don't tell, `known` names decimal commas.

    In a column with decimal commas, 1.234 is a thousand.
    """
    stripped = {series.name: series.str.strip_chars() for series in frame if series.dtype == pl.String}
    texts = {name: without_spaces(series) for name, series in stripped.items()}
    pattern, between, form, others = COMMAS[decimal_commas]
    votes = {name: votes_of(series, pattern) for name, series in texts.items()}
    commas = [name for name, (yes, no) in votes.items() if yes > no or (yes == no and name in known)]
    plain = texts | {name: without_commas(texts[name], pattern, between) for name in commas}
    read = {name: as_numbers(series) for name, series in plain.items()}
    arrays = {series.name: array_of(read.get(series.name, series), where) for series in frame}
    told = {
        "numbers with spaces between thousands": [name for name in texts if not texts[name].equals(stripped[name])],
        f"numbers with {form}": [name for name in commas if not plain[name].equals(texts[name])],
        f"numbers with {form}, and others with {others}": [name for name, (yes, no) in votes.items() if yes and no],
    }
    remarks = tuple(f"{what}: {quoted(names)}" for what, names in told.items() if names)
    return Arrays(arrays, tuple(commas) if decimal_commas else (), remarks)


def votes_of(series: pl.Series, pattern: str) -> tuple[int, int]:
    """Count the texts that are numbers only with the commas of a pattern, and those that are numbers only without.

    >>> votes_of(pl.Series(["1,5", "1.234", "7", "n/a", "0.5"]), DECIMAL)
    (1, 1)
    """
    fits, numbers = series.str.contains(pattern), series.cast(pl.Float64, strict=False).is_not_null()
    return int((fits & ~numbers).sum()), int((numbers & ~fits).sum())


def without_spaces(series: pl.Series) -> pl.Series:
    """Return a column of texts in which numbers have no spaces between thousands.

    >>> without_spaces(pl.Series(["12 345,6", "12 34"])).to_list()
    ['12345,6', '12 34']
    """
    return changed(series, SPACED, lambda texts: texts.str.replace_all(SPACES, ""))


def without_commas(series: pl.Series, pattern: str, between: str) -> pl.Series:
    """Return a column of texts in which numbers of a pattern have a decimal point, and nothing between thousands.

    >>> without_commas(pl.Series(["1.234,5", "n/a"]), DECIMAL, ".").to_list()
    ['1234.5', 'n/a']
    """

    def plain(texts: pl.Series) -> pl.Series:
        return texts.str.replace_all(between, "", literal=True).str.replace(",", ".", literal=True)

    return changed(series, pattern, plain)


def changed(series: pl.Series, pattern: str, change: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Change the texts that have a pattern; a column without any costs only the search."""
    fits = series.str.contains(pattern).fill_null(value=False)
    return change(series).zip_with(fits, series) if fits.any() else series


def as_numbers(series: pl.Series) -> pl.Series:
    """Return a column of texts as numbers, or as it is if one of them is no number.

    >>> as_numbers(pl.Series(["1.5", "NA"])).to_list(), as_numbers(pl.Series(["01067"])).to_list()
    ([1.5, None], ['01067'])
    """
    marked = series.replace([*MISSING], None)
    if marked.str.contains(NO_NUMBER).any():
        return series
    numbers = marked.cast(pl.Float64, strict=False)
    return numbers if numbers.null_count() == marked.null_count() else series


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
