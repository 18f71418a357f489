"""Checks of choices, truth values, dtypes, shapes, types, functions and paths; each error names the argument.

They convert what they are given to Python's own texts, booleans and integers. Only those can go into a name or a file.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from inspect import isfunction, signature
import os
from typing import Any, TypeVar

from fnmlp.arrays import at_hand
from fnmlp.errors import OptionError, ShapeError, StructureError
from fnmlp.scalars import is_truth, shown, to_int

Item = TypeVar("Item")

FLOATS = ("float32", "float64")
"""The dtypes of parameters."""


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
