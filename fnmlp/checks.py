"""Checks of options, shared by constructors; each error names the option and its range.

They convert numbers and strings of any library to Python's own. Only those can go into a name, a state or a file, and a
Python float never promotes float32.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from inspect import isfunction, signature
from math import inf, nan
from numbers import Complex, Real
from operator import index
import os
from typing import Any, SupportsIndex, TypeVar

from attrs import frozen

from fnmlp.arrays import at_hand
from fnmlp.errors import OptionError, ShapeError, StructureError

Item = TypeVar("Item")

FLOATS = ("float32", "float64")
"""The dtypes of parameters."""


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


def as_finite(where: str, value: float) -> float:
    """Return `value` as a Python float if it is neither infinite nor NaN.

    >>> as_finite("scale(offset)", 2)
    2.0
    """
    return as_real(where, value, FINITE)


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


def shown(value: object) -> str:
    """Return a value as text for an error, even an integer too long for Python to write.

    >>> shown(1.5), shown(10**5000)
    ('1.5', 'an integer of too many digits')
    """
    return "an integer of too many digits" if isinstance(value, int) and abs(value) > 10**40 else repr(value)


def is_truth(value: Any) -> bool:
    """Tell whether a value is True or False, in any library; some NumPy versions accept theirs as an index.

    >>> import numpy as np
    >>> is_truth(True), is_truth(np.False_), is_truth(1)
    (True, True, False)
    """
    of_library = str(getattr(value, "dtype", "")) == "bool" and getattr(value, "shape", None) == ()
    return isinstance(value, bool) or of_library


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


def as_choice(where: str, value: str, choices: tuple[str, ...]) -> str:
    """Return the name that equals `value`.

    >>> as_choice("mse(reduction)", "mean", ("mean", "sum"))
    'mean'
    """
    if not isinstance(value, str) or value not in choices:
        raise OptionError(where, " or ".join(map(repr, choices)), repr(value), "choose one of these")
    return choices[choices.index(value)]


def as_bool(where: str, value: bool) -> bool:
    """Return `value` if it is True or False; raise for all else, because even the text "False" is true to Python.

    >>> as_bool("linear(bias)", "False")
    Traceback (most recent call last):
    fnmlp.errors.OptionError: linear(bias): expected True or False, got 'False'; choose one of these
    """
    if not is_truth(value) or not at_hand(value):
        raise OptionError(where, "True or False", repr(value), "choose one of these")
    return bool(value)


def as_float_dtype(where: str, dtype: object) -> str:
    """Return "float32" or "float64" for a dtype given by name or as an object of any library.

    >>> import numpy as np
    >>> as_float_dtype("train_state(dtype)", np.float32), as_float_dtype("train_state(dtype)", np.dtype("float64"))
    ('float32', 'float64')
    """
    name = dtype if isinstance(dtype, str) else getattr(dtype, "__name__", str(dtype).rpartition(".")[2])
    if name not in FLOATS:
        raise OptionError(where, " or ".join(map(repr, FLOATS)), repr(dtype), "choose one of these")
    return FLOATS[FLOATS.index(name)]


def as_shape(where: str, shape: Any) -> tuple[int, ...]:
    """Return the shape of an example as a tuple of Python ints.

    >>> as_shape("train_state(example)", 784)
    Traceback (most recent call last):
    fnmlp.errors.ShapeError: train_state(example): expected the shape of one input, got 784; write (784,)
    """
    given = list(shape) if isinstance(shape, Iterable) and not isinstance(shape, str) else [None]
    sizes = [size for size in map(to_int, given) if size is not None and size >= 0]
    if len(sizes) < len(given):
        alone = to_int(shape)
        remedy = "write a tuple of integers, such as (784,)" if alone is None else f"write ({alone},)"
        raise ShapeError(where, "the shape of one input", _said(shape), remedy)
    return tuple(sizes)


def check_kind(where: str, value: Any, kind: type, example: str) -> None:
    """Raise unless a value has the right type, for instance if you passed a constructor instead of its result.

    >>> check_kind("train_state(key)", 7, Exception, "Key(0)")
    Traceback (most recent call last):
    fnmlp.errors.StructureError: train_state(key): expected an Exception, got 7; pass for instance Key(0)
    """
    if not isinstance(value, kind):
        name = kind.__name__
        article = "an" if name[0] in "AEIOU" else "a"
        raise StructureError(where, f"{article} {name}", _said(value), _way(value, f"pass for instance {example}"))


def check_function(where: str, value: Any, arguments: int, example: str) -> None:
    """Raise unless a value can be called with this many arguments, unlike a metric's constructor.

    >>> check_function("evaluate(loss)", "mse", 2, "mse")
    Traceback (most recent call last):
    fnmlp.errors.StructureError: evaluate(loss): expected a function of 2 arguments, got 'mse'; pass for instance mse
    """
    if not callable(value) or not _takes(value, arguments):
        plural = "" if arguments == 1 else "s"
        expected = f"a function of {arguments} argument{plural}"
        raise StructureError(where, expected, _said(value), _way(value, f"pass for instance {example}"))


def _takes(function: Callable[..., Any], arguments: int) -> bool:
    """Tell whether a function takes this many arguments, perhaps with options bound; True if Python can't know."""
    inside = function
    while isinstance(inside, partial):
        inside = inside.func
    try:
        if isfunction(inside):
            signature(function).bind(*range(arguments))
    except TypeError:
        return False
    return True


def _way(value: Any, remedy: str) -> str:
    name = getattr(value, "__name__", None)
    return f"call it, as in {name}(…)" if callable(value) and name not in (None, "<lambda>") else remedy


def _said(value: Any) -> str:
    """Describe a value for an error: plain values as they are, others by their type."""
    if value is None or isinstance(value, (bool, int, float, str, tuple, list)):
        text = shown(value)
        return text if len(text) <= 60 else f"{text[:57]}..."
    name = getattr(value, "__name__", None)
    return f"the function {name}" if callable(value) and name else type(value).__name__


def as_iterator(where: str, values: Iterable[Item], what: str) -> Iterator[Item]:
    """Return an iterator over values; raise at once if they are not iterable.

    >>> as_iterator("piecewise(at)", 3, "steps")
    Traceback (most recent call last):
    fnmlp.errors.StructureError: piecewise(at): expected an iterable of steps, got 3; pass for instance a tuple of them
    """
    try:
        return iter(values)
    except TypeError as error:
        remedy = _way(values, "pass for instance a tuple of them")
        raise StructureError(where, f"an iterable of {what}", _said(values), remedy) from error


def as_path(path: str | os.PathLike[str]) -> str:
    """Return a path as a string.

    >>> as_path(3)
    Traceback (most recent call last):
    fnmlp.errors.OptionError: path: expected a text or a pathlib.Path, got 3; pass for instance 'model.safetensors'
    """
    try:
        text = os.fsdecode(path)
    except TypeError as error:
        remedy = "pass for instance 'model.safetensors'"
        raise OptionError("path", "a text or a pathlib.Path", _said(path), remedy) from error
    if "\0" in text:
        raise OptionError("path", "a path without null characters", repr(text), "choose another name")
    return text


def as_fraction(where: str, value: float) -> float:
    """Return `value` as a Python float if it is at least 0 and below 1.

    >>> as_fraction("dropout(rate)", 1)
    Traceback (most recent call last):
    fnmlp.errors.OptionError: dropout(rate): expected a number of at least 0 and below 1, got 1; choose for instance 0.1
    """
    return as_real(where, value, FRACTION)


def as_nonnegative(where: str, value: float) -> float:
    """Return `value` as a Python float if it is finite and not below 0.

    >>> as_nonnegative("adamw(weight_decay)", 0)
    0.0
    """
    return as_real(where, value, NONNEGATIVE)
