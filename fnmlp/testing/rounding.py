"""Estimate how far rounding may move a result, from its size and its sensitivity to changes in the last places."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fnmlp.arrays import Array
from fnmlp.key import Key, fold_in
from fnmlp.testing.numeric import normal
from fnmlp.tree import Tree, tree_leaves, tree_map

NUDGE = 2.0**-30
"""The relative change of numbers that measures the sensitivity of results: far above rounding, far below 1."""

SAMPLES = 4
"""How many changes are tried. That four normal numbers are all under a hundredth has a probability of 1e-8."""


def nudged(x: Array, size: Array | float, key: Key) -> Array:
    """Change numbers by normally distributed shares of their sizes."""
    return x if x.dtype.kind != "f" else x + NUDGE * size * normal(key, x.shape)


def answers(function: Callable[[Key], Tree], plain: Tree, key: Key) -> Tree:
    """Return the size of each result plus its sensitivity: how much it changes if its inputs change by a unit.

    `function(key)` returns the results for inputs that it nudges with the key. Times eps, the result here is how far a
    rounding error in each input moves an output. A backward-stable rule, which is exact for inputs that differ in the
    last places, stays within a few times that, however ill-conditioned the function is.
    Source:   Higham 2002, "Accuracy and Stability of Numerical Algorithms", section 1.5.
    """
    moved = [function(fold_in(key, place)) for place in range(SAMPLES)]

    def answer(result: Array, *others: Array) -> Array:
        squares = sum(((other - result) / NUDGE) ** 2 for other in others)
        return np.abs(result) + np.sqrt(squares / SAMPLES)

    return tree_map(answer, plain, *moved)


def smallest(dtype: Any, scale: float) -> float:
    """Return the size below which numbers of a dtype lose digits to underflow, in products with `scale`."""
    info = np.finfo(dtype)
    return float(info.smallest_normal) / float(info.eps) * (1 + scale)


def row_maxima(x: Array) -> Array:
    """Return the largest size in each row, in a shape that broadcasts against the rows."""
    return np.abs(x).reshape(len(x), -1).max(axis=1, initial=0.0).reshape(-1, *(1,) * (x.ndim - 1))


def largest(tree: Tree) -> float:
    """Return the largest size in a tree."""
    return max((float(np.abs(leaf).max(initial=0.0)) for leaf in tree_leaves(tree)), default=0.0)
