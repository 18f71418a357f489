"""NumPy's functions of the array-API standard, without the Python around those that every step calls.

`numpy.sum` and its like first find out what they were given, which takes longer than summing a small batch does. What
is not defined here is NumPy's own.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

KINDS = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "complex floating": "c",
    "numeric": "iufc",
}
"""The standard's kinds of dtypes, in NumPy's letters."""

sum: Callable[..., Any] = partial(np.add.reduce, axis=None)  # noqa: A001 (the standard's names)
max: Callable[..., Any] = partial(np.maximum.reduce, axis=None)  # noqa: A001
min: Callable[..., Any] = partial(np.minimum.reduce, axis=None)  # noqa: A001
all: Callable[..., Any] = partial(np.logical_and.reduce, axis=None)  # noqa: A001
astype: Callable[..., Any] = np.ndarray.astype
take: Callable[..., Any] = np.ndarray.take
reshape: Callable[..., Any] = np.ndarray.reshape


LONG, MANY = 128, 4096
"""Numbers in a row, and in all, from which on it pays to compare with a row of equal numbers."""


def maximum(x: Any, y: Any) -> Any:
    """Return the larger of each two numbers; a bound that is one number is compared by rows, 2.5 times as fast.

    NumPy compares arrays with arrays many numbers at a time, but arrays with a single number one by one.

    >>> maximum(np.array([-1.0, 2.0]), 0)
    array([0., 2.])
    """
    return np.maximum(x, _row(x, y))


def minimum(x: Any, y: Any) -> Any:
    """Return the smaller of each two numbers; see `maximum`.

    >>> minimum(np.array([-1.0, 2.0]), 0)
    array([-1.,  0.])
    """
    return np.minimum(x, _row(x, y))


def _row(x: Any, bound: Any) -> Any:
    """Repeat a number as often as the rows of x are long, if they are long and many."""
    if not isinstance(bound, (int, float)) or x.size < MANY or x.shape[-1] < LONG or x.dtype.kind != "f":
        return bound
    return np.full(x.shape[-1], bound, x.dtype)


def isdtype(dtype: Any, kind: Any) -> bool:
    """Tell whether a dtype is of a kind, or of one of several kinds; a dtype is a kind too.

    >>> isdtype(np.dtype(np.uint8), ("integral", "bool")), isdtype(np.dtype(np.float32), np.float64)
    (True, False)
    """
    if isinstance(kind, (str, tuple)):
        return dtype.kind in _letters(kind)
    return bool(dtype.type is np.dtype(kind).type)  # in whatever byte order


@cache
def _letters(kind: str | tuple[str, ...]) -> str:
    return KINDS[kind] if isinstance(kind, str) else "".join(map(_letters, kind))


def __getattr__(name: str) -> Any:
    """Find NumPy's own function, and keep it for the next time."""
    globals()[name] = getattr(np, name)
    return globals()[name]
