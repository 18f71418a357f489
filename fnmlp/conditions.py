"""Conditions, and numbers, that may be known only when a compiled function runs.

A rule that runs on NumPy takes a Python branch, and computes with Python's numbers. Under a compiler the same rule
computes both branches and keeps one, and its numbers are arrays. These functions do either.
"""

from collections.abc import Callable
from functools import partial, reduce
import math
from operator import and_
from typing import Any, TypeVar

import numpy as np

from fnmlp.arrays import Array, at_hand, namespace
from fnmlp.tree import Tree, is_finite, tree_leaves, tree_map

T = TypeVar("T", bound=Tree)


def choose(condition: Any, then: Callable[[], T], otherwise: Callable[[], T]) -> T:
    """Return the result of one of two functions; if the condition isn't known yet, choose leaf by leaf later.

    >>> choose(True, lambda: 1, lambda: 2)
    1
    """
    if condition is True or condition is False or at_hand(condition):
        return then() if condition else otherwise()
    return tree_map(partial(pick, condition), then(), otherwise())


def pick(condition: Any, then: Any, otherwise: Any) -> Any:
    """Return one of two numbers or arrays; if the condition isn't known yet, choose later.

    >>> pick(False, 1, 2)
    2
    """
    if condition is True or condition is False or at_hand(condition):
        return then if condition else otherwise
    return then if then is otherwise else namespace(condition).where(condition, then, otherwise)


def nan_unless(valid: Array, x: Array) -> Array:
    """Return x with NaN wherever `valid` is False: what a check that can't be made now would have refused.

    >>> import numpy as np
    >>> nan_unless(np.array([True, False]), np.array([1.0, 2.0]))
    array([ 1., nan])
    """
    return namespace(x).where(valid, x, math.nan)


def all_finite(tree: Tree) -> Any:
    """Tell whether a tree holds neither infinities nor NaN; while a compiler traces, the answer is an array.

    >>> all_finite((1.0, math.inf))
    False
    """
    leaves = tree_leaves(tree)
    if all(map(at_hand, leaves)):
        return all(map(is_finite, leaves))
    return reduce(and_, (namespace(leaf).all(namespace(leaf).isfinite(leaf)) for leaf in leaves))


def plain(x: Any) -> Any:
    """Return an array of one number as a Python number, if its value is at hand; else it stays an array.

    >>> plain(np.float32(0.5))
    0.5
    """
    if not at_hand(x) or not hasattr(x, "dtype"):
        return x
    return x.item() if hasattr(x, "item") else np.asarray(x).item()  # arrays of the standard alone have no such method


def surely_zero(x: Any) -> bool:
    """Tell whether a number is 0, as far as is known: one that a compiler traces may be anything.

    >>> surely_zero(0.0), surely_zero(0.5)
    (True, False)
    """
    return type(x) is float and x == 0


def larger(x: Any, y: Any) -> Any:
    """Return the larger of two numbers, as Python's max does: the first if it is NaN.

    >>> larger(1, 2.0)
    2.0
    """
    return pick(y > x, y, x)


def smaller(x: Any, y: Any) -> Any:
    """Return the smaller of two numbers, as Python's min does: the first if it is NaN.

    >>> smaller(1, 2.0)
    1
    """
    return pick(y < x, y, x)


def sqrt(x: Any) -> Any:
    """Return the square root of a number.

    >>> sqrt(9.0)
    3.0
    """
    return math.sqrt(x) if isinstance(x, (int, float)) else namespace(x).sqrt(x)


def cos(x: Any) -> Any:
    """Return the cosine of a number.

    >>> cos(0.0)
    1.0
    """
    return math.cos(x) if isinstance(x, (int, float)) else namespace(x).cos(x)


def hypot(*numbers: Any) -> Any:
    """Return the root of the sum of the squares of some numbers, which may be too large to be squared.

    >>> hypot(3.0, 4.0), hypot()
    (5.0, 0.0)
    """
    if set(map(type, numbers)) <= {float}:
        return math.hypot(*numbers)
    return reduce(lambda x, y: namespace(y).hypot(x, y), numbers)


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
