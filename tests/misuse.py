"""Replace the arguments of a right call by wrong ones, one after another, and judge the answers."""

from collections.abc import Callable, Iterator, Mapping
from inspect import signature
from itertools import islice
from numbers import Real
from typing import Any

import numpy as np

import fnmlp
from tests.right_calls import DATA, PARAMS, SGD, STATE, Call, fn

KINDS: dict[str, Any] = {
    "None": None,
    "3": 3,
    "-1.5": -1.5,
    "'abc'": "abc",
    "[1]": [1],
    "an array": np.zeros((2, 2), np.float32),
    "a function": fn.mse,
    "NumPy's function": np.zeros,
    "an object": object(),
    "a batch": DATA,
    "a layer": fn.linear(3),
    "an optimizer": SGD,
    "parameters": PARAMS,
    "a state": STATE,
}
"""The values that replace one argument after another, while all others are right."""

Taken = Mapping[str, set[str]]
"""Argument -> kinds that are right too, beside the one in the right call."""


def called(function: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> str:
    """Return the outcome of a call: "taken", "refused" in our one line, or Python's own error."""
    try:
        result = function(*arguments, **options)
        if isinstance(result, Iterator):
            _use(result)
    except fnmlp.FnmlpError as error:
        return "refused" if "\n" not in fnmlp.one_line(error) else "refused in several lines"
    except Exception as error:  # noqa: BLE001 (whatever Python says in our place)
        return f"Python's own {error!r}"
    return "taken"


def _use(lazy: Iterator[Any]) -> None:
    for _ in islice(lazy, 3):
        pass


def is_right(function: Callable[..., Any], argument: str, kind: str, right: Any) -> bool:
    """Tell whether a value is of the kind that the argument takes."""
    value = KINDS[kind]
    if value is None:
        option = signature(function).parameters.get(argument)
        return option is not None and option.default is None
    if isinstance(right, bool):
        return False
    if isinstance(right, Real):
        return isinstance(value, Real)
    if callable(right):
        return callable(value)
    return isinstance(value, type(right))


def faults(
    function: Callable[..., Any], right_call: Call, taken: Taken, own: frozenset[str] = frozenset()
) -> list[str]:
    """Return what is wrong with the answers to arguments of the wrong kind, named with the argument and the kind.

    The arguments `own` are passed to the user's function, whose errors are right answers. So are the errors of NumPy's
    functions in place of one of ours.
    """
    arguments, options = right_call
    found = []
    for argument in (*range(len(arguments)), *options):
        right: Any = arguments[argument] if isinstance(argument, int) else options[argument]
        for kind, value in KINDS.items():
            if isinstance(argument, int):
                answer = called(function, (*arguments[:argument], value, *arguments[argument + 1 :]), options)
            else:
                answer = called(function, arguments, {**options, argument: value})
            name = str(argument)
            fits = kind in taken.get(name, ()) or is_right(function, name, kind, right)
            raises = name in own or (callable(right) and kind == "NumPy's function")
            if (
                answer != "refused"
                and not (answer == "taken" and fits)
                and not (raises and answer.startswith("Python"))
            ):
                found.append(f"{name} = {kind}: {answer}")
    return found
