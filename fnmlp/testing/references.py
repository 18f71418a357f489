"""References for optimisers: the rule written a second time, on plain numbers."""

from collections.abc import Callable, Generator
from functools import partial
from typing import TypeAlias

import numpy as np

from fnmlp.arrays import Array
from fnmlp.checks import check_function

__all__ = ["NumberRule", "Reference", "each_number"]

Leaves: TypeAlias = dict[str, Array]
"""Path of a parameter -> its values in float64."""

Reference: TypeAlias = Callable[[Leaves], Generator[Leaves, Leaves, None]]
"""The initial parameters -> a generator that yields parameters, and receives gradients at each step."""

NumberRule: TypeAlias = Callable[[float], Generator[float, float, None]]
"""An initial number -> a generator that yields it, and receives its gradient at each step."""


def each_number(rule: NumberRule) -> Reference:
    """Make a reference from a rule for one number, applied to every number of the parameters.

    Raises:   StructureError unless the rule is a function of one number.

    >>> def descent(p):
    ...     while True:
    ...         g = yield p
    ...         p -= 0.5 * g
    >>> steps = each_number(descent)({"params[0]": np.array([1.0, 2.0])})
    >>> next(steps), steps.send({"params[0]": np.array([1.0, -1.0])})
    ({'params[0]': array([1., 2.])}, {'params[0]': array([0.5, 2.5])})
    """
    check_function("each_number(rule)", rule, 1, "a generator function such as descent")
    return partial(_each_number, rule)


def _each_number(rule: NumberRule, params: Leaves) -> Generator[Leaves, Leaves, None]:
    runs = {path: [rule(float(number)) for number in leaf.flat] for path, leaf in params.items()}
    numbers = {path: [next(run) for run in row] for path, row in runs.items()}
    while True:
        grads = yield {path: np.reshape(row, params[path].shape) for path, row in numbers.items()}
        numbers = {
            path: [run.send(float(number)) for run, number in zip(row, grads[path].flat, strict=True)]
            for path, row in runs.items()
        }
