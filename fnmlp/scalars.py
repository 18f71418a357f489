"""Checks of single numbers: real ones in a range, and integers; each error names the option and its range.

They convert numbers of any library to Python's own. Only those can go into a name, a state or a file, and a Python
float never promotes float32.
"""

from collections.abc import Callable
from math import inf, nan
from numbers import Complex, Real
from operator import index
from typing import Any, SupportsIndex

from attrs import frozen

from fnmlp.errors import OptionError


@frozen
class Range:
    """Hold which numbers are allowed: in words, as a condition that works on arrays too, and an example."""

    words: str
    holds: Callable[[Any], Any]
    example: float = 0.1


FINITE = Range("a finite number", lambda x: (x > -inf) & (x < inf), 1.0)
POSITIVE = Range("a finite number above 0", lambda x: (x > 0) & (x < inf))
NONNEGATIVE = Range("a finite number of at least 0", lambda x: (x >= 0) & (x < inf))
FRACTION = Range("a number of at least 0 and below 1", lambda x: (x >= 0) & (x < 1))

SHARE = Range("a number from 0 to 1", lambda x: (x >= 0) & (x <= 1), 0.25)


def as_real(where: str, value: float, allowed: Range) -> float:
    """Return `value` as a Python float if it is in a range.

    >>> as_real("sgd(rate)", 1, POSITIVE)
    1.0
    """
    number = _to_float(value)
    if not allowed.holds(number):
        raise OptionError(where, allowed.words, shown(value), f"choose for instance {allowed.example}")
    return number


def as_positive(where: str, value: float) -> float:
    """Return `value` as a Python float if it is finite and above 0.

    >>> as_positive("sgd(rate)", -1.0)
    Traceback (most recent call last):
    fnmlp.errors.OptionError: sgd(rate): expected a finite number above 0, got -1.0; choose for instance 0.1
    """
    return as_real(where, value, POSITIVE)


def as_nonnegative(where: str, value: float) -> float:
    """Return `value` as a Python float if it is finite and not below 0.

    >>> as_nonnegative("adamw(weight_decay)", 0)
    0.0
    """
    return as_real(where, value, NONNEGATIVE)


def as_finite(where: str, value: float) -> float:
    """Return `value` as a Python float if it is neither infinite nor NaN.

    >>> as_finite("scale(offset)", 2)
    2.0
    """
    return as_real(where, value, FINITE)


def as_fraction(where: str, value: float) -> float:
    """Return `value` as a Python float if it is at least 0 and below 1.

    >>> as_fraction("dropout(rate)", 1)
    Traceback (most recent call last):
    fnmlp.errors.OptionError: dropout(rate): expected a number of at least 0 and below 1, got 1; choose for instance 0.1
    """
    return as_real(where, value, FRACTION)


def _to_float(value: Any) -> float:
    """Convert to a float; return NaN for anything but a number that a float can hold."""
    if type(value) is float:
        return value
    try:
        return float(value) if is_number(value) else nan
    except (TypeError, ValueError, OverflowError, RuntimeError):  # RuntimeError: torch's, for one without a value
        return nan


def is_number(value: Any) -> bool:
    """Tell whether a value is a single real number of any library; NaN and infinity count.

    >>> is_number(float("nan")), is_number("1"), is_number(1j)
    (True, False, False)
    """
    if isinstance(value, Complex) and not isinstance(value, Real):
        return False
    return (hasattr(value, "__float__") or hasattr(value, "__index__")) and not getattr(value, "ndim", 0)


def as_integer(where: str, value: SupportsIndex) -> int:
    """Return `value` as a Python int if it is an integer.

    >>> as_integer("softmax(axis)", 1.5)
    Traceback (most recent call last):
    fnmlp.errors.OptionError: softmax(axis): expected an integer, got 1.5; use a Python int, such as 1
    """
    number = to_int(value)
    if number is None:
        raise OptionError(where, "an integer", shown(value), "use a Python int, such as 1")
    return number


def as_count(where: str, value: SupportsIndex) -> int:
    """Return `value` as a Python int if it is an integer of at least 1.

    >>> as_count("linear(out)", 0)
    Traceback (most recent call last):
    fnmlp.errors.OptionError: linear(out): expected an integer of at least 1, got 0; choose for instance 1
    """
    return _at_least(1, where, value)


def as_natural(where: str, value: SupportsIndex) -> int:
    """Return `value` as a Python int if it is an integer of at least 0."""
    return _at_least(0, where, value)


def _at_least(least: int, where: str, value: SupportsIndex) -> int:
    number = to_int(value)
    if number is None or number < least:
        raise OptionError(where, f"an integer of at least {least}", shown(value), f"choose for instance {least}")
    return number


def to_int(value: Any) -> int | None:
    """Convert any library's integer to a Python int; return None for anything else, True and False included.

    >>> import numpy as np
    >>> to_int(np.int64(3)), to_int(np.array(3)), to_int(3.0), to_int(True)
    (3, 3, None, None)
    """
    if type(value) is int:
        return value
    try:
        return None if is_truth(value) else int(index(value))
    except TypeError:
        return None


def is_truth(value: Any) -> bool:
    """Tell whether a value is True or False, in any library; some NumPy versions accept theirs as an index.

    >>> import numpy as np
    >>> is_truth(True), is_truth(np.False_), is_truth(1)
    (True, True, False)
    """
    of_library = str(getattr(value, "dtype", "")) == "bool" and getattr(value, "shape", None) == ()
    return isinstance(value, bool) or of_library


def shown(value: object) -> str:
    """Return a value as text for an error, even an integer too long for Python to write.

    >>> shown(1.5), shown(10**5000)
    ('1.5', 'an integer of too many digits')
    """
    return "an integer of too many digits" if isinstance(value, int) and abs(value) > 10**40 else repr(value)
