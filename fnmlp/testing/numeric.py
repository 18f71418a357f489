"""Numerical derivatives, to check handwritten ones."""

from collections.abc import Callable
from functools import partial
from typing import Any
import warnings

import numpy as np

from fnmlp.arrays import Array
from fnmlp.key import Key, fold_in, generator
from fnmlp.tree import Tree, tree_map

STEP = 1e-20
"""The complex step: so small that its square vanishes. Nothing is subtracted, so no digits are lost."""

EPSILON = float(np.finfo(np.float64).eps)

Function = Callable[[Tree], Array]
"""A function of a tree of floats, to be differentiated."""


def complex_step(function: Function, at: Tree, along: Tree) -> Array:
    """Return the derivative of `function` at a point along a direction: the imaginary part of f(p + i h v) / h.

    Exact to rounding where the function is analytic. A function that drops the imaginary part has a step of 0.
    Source:   Squire & Trapp 1998, "Using complex variables to estimate derivatives of real functions".

    >>> complex_step(lambda tree: tree[0] ** 2, (np.array([3.0]),), (np.array([1.0]),))
    array([6.])
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        value = function(tree_map(lambda p, v: p + 1j * STEP * v, at, along))
    return np.imag(value) / STEP


def difference(function: Function, at: Tree, along: Tree, *, step: float = 1e-3) -> Array:
    """Return the derivative along a direction by central differences of fourth order; good to about 1e-9.

    For functions that are not analytic, because they use abs, conj or comparisons.

    >>> bool(abs(difference(lambda tree: abs(tree[0]) ** 3, (np.array([2.0]),), (np.array([1.0]),)) - 12)[0] < 1e-9)
    True
    """

    def moved(steps: int) -> Array:
        return function(tree_map(lambda p, v: p + steps * step * v, at, along))

    return (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * step)


def random_like(tree: Tree, key: Key) -> Tree:
    """Return a tree of the same structure with normally distributed leaves of the same dtypes."""
    places = iter(range(2**31))
    return tree_map(lambda leaf: normal(fold_in(key, next(places)), leaf.shape).astype(leaf.dtype), tree)


def normal(key: Key, shape: tuple[int, ...]) -> Array:
    """Draw float64 numbers from the standard normal distribution."""
    return generator(key).normal(size=shape)


def cast(tree: Tree, dtype: Any) -> Tree:
    """Return a writable copy of a tree with all leaves in one dtype."""
    return tree_map(partial(np.array, dtype=dtype), tree)
