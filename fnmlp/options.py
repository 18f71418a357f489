"""Checks of options at the door, shared by constructors; each names the option and its range."""

from math import isfinite, nan
from typing import Any

from fnmlp.errors import OptionError


def positive(where: str, value: float) -> float:
    """Return `value` as a Python float (which never promotes float32) if it is finite and above 0.

    >>> positive("sgd(rate)", -1.0)
    Traceback (most recent call last):
    fnmlp.errors.OptionError: sgd(rate): expected a finite number above 0, got -1.0; choose for instance 0.1
    """
    number = _to_float(value)
    if not isfinite(number) or number <= 0:
        raise OptionError(where, "a finite number above 0", _short(value), "choose for instance 0.1")
    return number


def finite(where: str, value: float) -> float:
    """Return `value` as a Python float if it is neither infinite nor NaN.

    >>> finite("scale(offset)", 2)
    2.0
    """
    number = _to_float(value)
    if not isfinite(number):
        raise OptionError(where, "a finite number", _short(value), "choose for instance 1.0")
    return number


def _to_float(value: Any) -> float:
    """Return NaN for what is no number, or none that a float can hold."""
    try:
        return float(value) if hasattr(value, "__float__") else nan
    except (TypeError, ValueError, OverflowError):
        return nan


def _short(value: object) -> str:
    return "an integer of too many digits" if isinstance(value, int) and abs(value) > 10**40 else repr(value)


def count(where: str, value: int) -> int:
    """Return `value` if it is an integer of at least 1.

    >>> count("linear(out)", 0)
    Traceback (most recent call last):
    fnmlp.errors.OptionError: linear(out): expected an integer of at least 1, got 0; choose for instance 1
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise OptionError(where, "an integer of at least 1", repr(value), "choose for instance 1")
    return int(value)


def not_negative(where: str, value: int) -> int:
    """Return `value` if it is an integer of at least 0."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 0:
        raise OptionError(where, "an integer of at least 0", repr(value), "choose for instance 0")
    return int(value)


def one_of(where: str, value: str, choices: tuple[str, ...]) -> str:
    """Return `value` if it is one of the names that are known.

    >>> one_of("mse(reduction)", "mean", ("mean", "sum"))
    'mean'
    """
    if value not in choices:
        raise OptionError(where, " or ".join(map(repr, choices)), repr(value), "choose one of these")
    return value


def fraction(where: str, value: float) -> float:
    """Return `value` as a Python float if it is at least 0 and below 1.

    >>> fraction("dropout(rate)", 1)
    Traceback (most recent call last):
    fnmlp.errors.OptionError: dropout(rate): expected a number of at least 0 and below 1, got 1; choose for instance 0.1
    """
    number = _to_float(value)
    if not 0 <= number < 1:
        raise OptionError(where, "a number of at least 0 and below 1", _short(value), "choose for instance 0.1")
    return number


def at_least_0(where: str, value: float) -> float:
    """Return `value` as a Python float if it is finite and not below 0.

    >>> at_least_0("adamw(weight_decay)", 0)
    0.0
    """
    number = _to_float(value)
    if not isfinite(number) or number < 0:
        raise OptionError(where, "a finite number of at least 0", _short(value), "choose for instance 0.1")
    return number
