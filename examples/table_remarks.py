"""What a user should know of how the columns of a table were taken."""

from collections.abc import Collection, Iterator, Mapping
import re

import numpy as np

import fnmlp as fn
from fnmlp.tables.columns import as_column, counted
from fnmlp.tables.values import is_code, number_of
from table_columns import quoted

LEAST_ROWS = 10
OTHER_DATE = re.compile(r"[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}\b.*")
"""A date in another form than ISO 8601."""


def numbers_rows(values: fn.Array) -> bool:
    """Tell whether a column just counts the rows from 0 or 1, as a saved index does.

    >>> numbers_rows(np.arange(1, 20)), numbers_rows(np.arange(2, 21)), numbers_rows(np.array(["1"]))
    (True, False, False)
    """
    return bool(
        values.dtype.kind in "iuf"
        and len(values) >= LEAST_ROWS
        and values[0] in (0, 1)
        and (values == np.arange(len(values)) + values[0]).all()
    )


def doubts(
    columns: Mapping[str, fn.Array], kinds: Mapping[str, str], chosen: Collection[str], missing: Collection[str]
) -> Iterator[str]:
    """Yield a remark on each column that was taken for categories, and looks like numbers or dates.

    >>> table = {"age": np.array(["31", "25", "40", "unknown"], object), "when": np.array(["1.2.2024"], object)}
    >>> for line in doubts(table, {"age": "category", "when": "category"}, (), ()):
    ...     print(line)
    'age' holds categories, because 'unknown' is not a number; a text for a missing value can be named with --missing
    'when' holds categories; dates must look like 2024-12-31
    """
    for name, kind in kinds.items():
        if kind != "category" or name in chosen:
            continue
        values = [*counted(as_column(name, columns[name]), missing)]
        others = [value for value in values if number_of(value) is None]
        if all(map(OTHER_DATE.fullmatch, values)):
            yield f"{name!r} holds categories; dates must look like 2024-12-31"
        elif others and 2 * len(others) < len(values) and not any(map(is_code, values)):
            names = f"{quoted(others, 3)} {'is not a number' if len(others) == 1 else 'are not numbers'}"
            remedy = "a text for a missing value can be named with --missing"
            yield f"{name!r} holds categories, because {names}; {remedy}"
