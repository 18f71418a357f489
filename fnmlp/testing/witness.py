"""Differences, which bear witness for or against the complex step."""

import numpy as np

from fnmlp.arrays import Array
from fnmlp.key import Key, fold_in
from fnmlp.testing.numeric import EPSILON, Function, complex_step, normal
from fnmlp.tree import Tree, tree_leaves, tree_map

WIDE, CLOSE = 2.0**-17, 2.0**-22
"""The steps that must agree, if differences are to refute a complex step; relative as `reach` says."""

DOUBT = 8
"""How many times the doubt about a difference the complex step may be off."""

SHARE = 1e-6
"""How much it may be off if there is no doubt, relative to the difference."""

NOISE = 8
"""The error that differences allow each value, in eps and in the smallest normal number."""

TINY = float(np.finfo(np.float64).smallest_normal)


def reach(leaf: Array) -> Array:
    """Return the lengths that steps are relative to: the size of each number, from a thousandth to 8.

    >>> reach(np.array([0.0, -2.0, 1e3]))
    array([1.e-03, 2.e+00, 8.e+00])
    """
    return np.clip(np.abs(leaf), 1e-3, 8.0)


def refuted(function: Function, at: Tree, key: Key) -> bool:
    """Tell whether differences refute the complex step of any output, along a random direction of each leaf.

    NumPy takes `abs(x)` of a complex number for its modulus. So the complex step treats it as a constant, and so do
    `norm`, `var`, `conj` or `real`, silently. A difference is in doubt as far as it depends on its step, or on the side
    of a kink. It refutes a complex step that is further off. One that is never a number is refuted too.

    >>> x = (np.array([2.0, -3.0]),)
    >>> refuted(lambda tree: tree[0] * np.abs(tree[0]), x, Key(0)), refuted(lambda tree: tree[0] ** 2, x, Key(0))
    (True, False)
    """
    value = function(at)
    return any(
        _refuted_along(function, at, _random_direction(at, place, fold_in(key, place)), value)
        for place, leaf in enumerate(tree_leaves(at))
        if leaf.size
    )


def _refuted_along(function: Function, at: Tree, along: Tree, value: Array) -> bool:
    exact = by_complex_step(function, at, along)
    down, up = (_moved(function, at, along, sign * CLOSE) for sign in (-1, 1))
    wide_down, wide_up = (_moved(function, at, along, sign * WIDE) for sign in (-1, 1))
    slope, near = (wide_up - wide_down) / (2 * WIDE), (up - down) / (2 * CLOSE)
    doubt = np.abs(slope - near) + np.abs(up - 2 * value + down) / CLOSE
    off = np.abs(exact - slope) > DOUBT * doubt + SHARE * np.abs(slope) + noise(value, CLOSE)
    return bool(off.any() or (exact.size and np.isnan(exact).all()))


def by_complex_step(function: Function, at: Tree, along: Tree) -> Array:
    """Return the complex step; NaN if NumPy has no such function of complex numbers."""
    try:
        return complex_step(function, at, along)
    except (TypeError, ValueError):
        return np.full(np.shape(function(at)), np.nan)


def _moved(function: Function, at: Tree, along: Tree, step: float) -> Array:
    return function(tree_map(lambda p, v: p + step * v, at, along))


def noise(value: Array, step: float) -> Array:
    """Return the rounding error of differences of a function with this value."""
    return NOISE * (EPSILON * np.abs(value) + TINY) / step


def _random_direction(tree: Tree, place: int, key: Key) -> Tree:
    """Return a direction in one leaf, in which no number moves further than it is large."""
    places = iter(range(len(tree_leaves(tree))))

    def leaf(array: Array) -> Array:
        here = next(places) == place
        return reach(array) * normal(key, array.shape) if here else np.zeros(array.shape)

    return tree_map(leaf, tree)
