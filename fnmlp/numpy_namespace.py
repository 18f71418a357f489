"""NumPy's array-API functions, without the Python wrappers around those that every step calls.

`numpy.sum` and similar functions first inspect their arguments, which takes longer than summing a small batch. Any
function that is not defined here is NumPy's own.
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
"""From this many numbers in a row, and in total, comparing with a row of equal numbers is faster."""


def maximum(x: Any, y: Any) -> Any:
    """Return the larger of two numbers, element by element; for a single number it is 2.5 times as fast as NumPy.

    NumPy compares two arrays many numbers at a time, but an array with a single number one by one. So the single number
    is repeated to a row.

    >>> maximum(np.array([-1.0, 2.0]), 0)
    array([0., 2.])
    """
    return np.maximum(x, _row(x, y))


def minimum(x: Any, y: Any) -> Any:
    """Return the smaller of two numbers, element by element; see `maximum`.

    >>> minimum(np.array([-1.0, 2.0]), 0)
    array([-1.,  0.])
    """
    return np.minimum(x, _row(x, y))


def _row(x: Any, bound: Any) -> Any:
    """Repeat a number to a row as long as those of x, if they are long and many."""
    if not isinstance(bound, (int, float)) or x.size < MANY or x.shape[-1] < LONG or x.dtype.kind != "f":
        return bound
    return np.full(x.shape[-1], bound, x.dtype)


def isdtype(dtype: Any, kind: Any) -> bool:
    """Tell whether a dtype is of a kind, or one of several kinds; a dtype counts as a kind.

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
    """Look up NumPy's own function, and cache it."""
    globals()[name] = getattr(np, name)
    return globals()[name]
