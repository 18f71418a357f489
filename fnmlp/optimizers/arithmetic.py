"""The arithmetic of rules: sums that fade, steps, and results in memory that is free, under a compiler too."""

from collections.abc import Callable
from math import inf
from typing import Any

import numpy as np

from fnmlp.arrays import Array, namespace, to_dtype
from fnmlp.conditions import smaller

FLUSH_EVERY = 32
"""Every this many steps, sums that have almost faded are flushed to 0."""

FLUSH_BELOW = 2.0**16
"""Sums below this multiple of the smallest normal number become 0."""

UNSEEN = 16
"""A flushed sum is this many times below the rounding of epsilon, so that even many flushes make no difference."""


def fade(total: Array, decay: float, addend: Array, step: int, *, beside: float = inf, degree: int = 1) -> Array:
    """Return total · decay + addend; every 32 steps, sums that have almost faded become 0.

    A sum that gets no more addends sinks below the smallest normal number and stays there, because times 0.9 it rounds
    back to itself. Many processors compute with such numbers far more slowly. So every 32nd step sets all sums below
    2¹⁶ times the smallest normal number to 0: in float32 those below 8e-34, which move no parameter.

    `beside` is the epsilon that is added to a sum of this degree (2 for squares, to whose root it is added). A sum that
    is not negligible beside epsilon is kept, however small, because a root of 0 would leave only epsilon as divisor.

    >>> float(fade(np.array([1e-35], np.float32), 0.5, np.array([0.0], np.float32), 64)[0])
    0.0
    >>> bool(fade(np.array([1e-35], np.float32), 0.5, np.array([0.0], np.float32), 64, beside=1e-20, degree=2)[0])
    True
    """
    faded = total * decay
    faded += addend
    due = step % FLUSH_EVERY == 0
    if due is not False:  # an array, if a compiler traces the step
        faded = _flushed(faded, due, beside, degree)
    return replacing(total, faded)


def _flushed(total: Array, due: Any, beside: float, degree: int) -> Array:
    xp = namespace(total)
    info = xp.finfo(total.dtype)
    least = smaller(FLUSH_BELOW * float(info.smallest_normal), (beside * float(info.eps) / UNSEEN) ** degree)
    return xp.where((xp.abs(total) < least) & due, xp.zeros_like(total), total)


def replacing(old: Array, new: Array) -> Array:
    """Return an array that was just made to take the place of another: read-only, and in the dtype of that one.

    The dtype differs only if a traced number, such as a rate in float64, promoted it.

    >>> replacing(np.zeros(1), np.ones(1)).flags.writeable
    False
    """
    if isinstance(new, np.ndarray):
        new.setflags(write=False)
        return new
    return in_dtype_of(old, new)


def in_dtype_of(old: Any, new: Any) -> Any:
    """Return what a traced number may have promoted in the dtype that it had before; Python's numbers have none.

    >>> in_dtype_of(np.zeros(1), np.ones(1))
    array([1.])
    """
    if isinstance(new, (np.ndarray, np.generic, int, float)) or isinstance(old, (int, float)):
        return new
    return new if new.dtype == old.dtype else to_dtype(new, old.dtype)


def scaled(factor: float, x: Array) -> Array:
    """Return factor · x, in the dtype of x.

    >>> scaled(0.5, np.array([4.0]))
    array([2.])
    """
    return x * factor if type(x) is np.ndarray else in_dtype_of(x, x * factor)


def overwrite(x: Array, function: Callable[..., Any], *arguments: Any) -> Array:
    """Apply a function of arrays. If x is NumPy's, write the result into x, which the caller must own.

    >>> x = np.array([4.0])
    >>> overwrite(x, np.sqrt, np.array([9.0])) is x, x
    (True, array([3.]))
    """
    return function(*arguments, out=x) if isinstance(x, np.ndarray) else function(*arguments)


def step_along(param: Array, direction: Array, rate: float) -> Array:
    """Return param - rate · direction, in the memory of the direction, which the caller must own."""
    direction *= -rate
    direction += param
    return replacing(param, direction)
