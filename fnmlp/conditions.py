"""Conditions, and numbers, that may be known only when a compiled function runs.

A rule that runs on NumPy takes a Python branch, and computes with Python's numbers. Under a compiler the same rule
computes both branches and keeps one, and its numbers are arrays. These functions do either.
"""

from collections.abc import Callable
from functools import partial
import math
from typing import Any, TypeVar

from fnmlp.arrays import Array, at_hand, namespace
from fnmlp.tree import Tree, tree_map

T = TypeVar("T", bound=Tree)


def choose(condition: Any, then: Callable[[], T], otherwise: Callable[[], T]) -> T:
    """Return the result of one of two functions; if the condition isn't known yet, choose leaf by leaf later.

    >>> choose(True, lambda: 1, lambda: 2)
    1
    """
    if at_hand(condition):
        return then() if condition else otherwise()
    return tree_map(partial(_select, condition), then(), otherwise())


def _select(condition: Array, left: Any, right: Any) -> Any:
    return left if left is right else namespace(condition).where(condition, left, right)


def nan_unless(valid: Array, x: Array) -> Array:
    """Return x with NaN wherever `valid` is False: what a check that can't be made now would have refused.

    >>> import numpy as np
    >>> nan_unless(np.array([True, False]), np.array([1.0, 2.0]))
    array([ 1., nan])
    """
    return namespace(x).where(valid, x, math.nan)


def sqrt(x: Any) -> Any:
    """Return the square root of a number.

    >>> sqrt(9.0)
    3.0
    """
    return math.sqrt(x) if isinstance(x, (int, float)) else namespace(x).sqrt(x)


def remaining(decay: Any, steps: Any) -> Any:
    """Return 1 - decay**steps; for numbers that are not Python's, without the digits that this difference would lose.

    >>> remaining(0.5, 2)
    0.75
    """
    if isinstance(steps, int) and isinstance(decay, (int, float)):
        return 1 - decay**steps
    exponent = steps * logarithm(decay)
    return -namespace(exponent).expm1(exponent)


def logarithm(x: Any) -> Any:
    """Return the natural logarithm of a number; that of 0 is -infinity.

    >>> logarithm(0), logarithm(1)
    (-inf, 0.0)
    """
    if isinstance(x, (int, float)):
        return math.log(x) if x else -math.inf
    return namespace(x).log(x)
