"""What a user should know of how the columns of a table were taken."""

from collections.abc import Collection, Iterator, Mapping
import re

import numpy as np

import fnmlp as fn
from fnmlp.tables.columns import as_column, counted
from fnmlp.tables.values import days_of, is_code, number_of
from table_columns import quoted

LEAST_ROWS = 10
OTHER_DATE = re.compile(r"[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}\b.*")
"""A date in another form."""


WARNING = "warning: "
"""The beginning of a remark that the end of a report repeats."""
FEW = 0.1
"""With at most this share of rows that hold no number, a column was probably meant to hold numbers."""


def numbers_rows(values: fn.Array) -> bool:
    """Tell whether a column just counts the rows from any whole number, as a saved index does.

    >>> numbers_rows(np.arange(1, 20)), numbers_rows(np.arange(1000, 1020)), numbers_rows(np.arange(0, 40, 2))
    (True, True, False)
    """
    return bool(
        values.dtype.kind in "iuf"
        and len(values) >= LEAST_ROWS
        and np.isfinite(values[0])
        and float(values[0]).is_integer()
        and (values == np.arange(len(values)) + values[0]).all()
    )


def doubts(
    columns: Mapping[str, fn.Array], kinds: Mapping[str, str], chosen: Collection[str], missing: Collection[str]
) -> Iterator[str]:
    """Yield a remark on each column that was taken for categories, and looks like numbers or dates, and one on gaps.

    >>> table = {"age": np.array(["31", "25", "40", "unknown"], object), "when": np.array(["1/2/2024", ""], object)}
    >>> for line in doubts(table, {"age": "category", "when": "category"}, (), ("",)):
    ...     print(line)
    'age' holds categories, because 'unknown' is not a number; a text for a missing value can be named with --missing
    'when' holds categories; dates must look like 2024-12-31 or 31.12.2024
    missing values in categories, which count as none of them: 'when'
    """
    counts = {name: counted(as_column(name, columns[name]), missing) for name in kinds if kinds[name] == "category"}
    for name, found in counts.items():
        if name not in chosen:
            yield from doubt(name, found)
    if gaps := [name for name, found in counts.items() if sum(found.values()) < len(columns[name])]:
        yield f"missing values in categories, which count as none of them: {quoted(gaps)}"


def doubt(name: str, counts: Mapping[str, int]) -> Iterator[str]:
    """Yield a remark if most values of a column, with their rows, are dates or numbers, or dates in another form.

    >>> [*doubt("grade", {"A": 3, "1": 2})]
    []
    """
    kinds = {"date": days_of} if any(map(is_code, counts)) else {"date": days_of, "number": number_of}
    for kind, read in kinds.items():
        others = [value for value in counts if read(value) is None]
        if others and 2 * len(others) < len(counts):
            few = sum(counts[value] for value in others) <= FEW * sum(counts.values())
            names = f"{quoted(others, 3)} {f'is not a {kind}' if len(others) == 1 else f'are not {kind}s'}"
            remedy = "a text for a missing value can be named with --missing"
            yield f"{WARNING if few else ''}{name!r} holds categories, because {names}; {remedy}"
            return
    if 2 * sum(OTHER_DATE.fullmatch(value) is not None for value in counts) > len(counts):
        yield f"{name!r} holds categories; dates must look like 2024-12-31 or 31.12.2024"
