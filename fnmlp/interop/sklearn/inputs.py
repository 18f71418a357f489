"""Inputs: arrays, sparse matrices and frames of pandas and polars, checked as scikit-learn does."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from attrs import frozen
import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length, validate_data

from fnmlp.arrays import Array
from fnmlp.tables.columns import WAYS


@frozen(eq=False)
class Table:
    """Hold the columns of a frame by name, and the names of those whose dtype says that they are categories."""

    columns: Mapping[str, Array]
    categories: tuple[str, ...]

    def __getitem__(self, places: Any) -> "Table":
        return Table({name: column[places] for name, column in self.columns.items()}, self.categories)


Rows: TypeAlias = Array | Table
"""Rows of numbers, or of a table with other columns too."""

FLOATS = (np.float64, np.float32)

CATEGORIES = ("category", "categorical", "enum")
"""How the dtypes of categories begin, in pandas and polars."""


def is_table(X: Any) -> bool:
    """Tell whether X is a frame with columns that are not numbers.

    Raises:   TypeError for a lazy frame of polars, which has no rows yet.
    """
    if hasattr(type(X), "collect"):  # not X, whose columns may be attributes
        kind = type(X).__name__
        raise TypeError(f"X: expected an array or a frame, got a {kind}; {WAYS['collect']}")
    return hasattr(X, "columns") and hasattr(X, "dtypes") and not all(map(_is_number, X.dtypes))


def _is_number(dtype: Any) -> bool:
    return str(dtype).lower().startswith(("int", "uint", "float", "bool", "double"))


def checked_rows(estimator: Any, X: Any, *, gaps: bool, reset: bool = False) -> Rows:
    """Check inputs, and return their rows; `gaps` allows NaN, `reset` forgets the features of an earlier fit.

    Raises:   ValueError and TypeError of scikit-learn's.
    """
    if is_table(X):
        validate_data(estimator, X, skip_check_array=True, reset=reset)
        names = [str(name) for name in X.columns]
        kinds = [str(dtype).lower() for dtype in X.dtypes]
        categories = [name for name, kind in zip(names, kinds, strict=True) if kind.startswith(CATEGORIES)]
        return Table({str(name): X[name].to_numpy() for name in X.columns}, tuple(categories))
    return _dense(validate_data(estimator, X, reset=reset, **_options(gaps)))


def checked_pair(estimator: Any, X: Any, y: Any, *, gaps: bool, numeric: bool, reset: bool) -> tuple[Rows, Any]:
    """Check inputs and targets, and return the rows and the targets.

    Raises:   as `checked_rows`.
    """
    if is_table(X):
        rows = checked_rows(estimator, X, gaps=gaps, reset=reset)
        check_consistent_length(X, y)
        dtype: Any = "numeric" if numeric else None
        return rows, check_array(y, ensure_2d=False, dtype=dtype, input_name="y")
    rows, y = validate_data(estimator, X, y, multi_output=True, y_numeric=numeric, reset=reset, **_options(gaps))
    return _dense(rows), _dense(y)


def _options(gaps: bool) -> dict[str, Any]:
    return {"accept_sparse": ("csr", "csc"), "dtype": FLOATS, "ensure_all_finite": "allow-nan" if gaps else True}


def _dense(x: Any) -> Any:
    return x.toarray() if hasattr(x, "toarray") else x
