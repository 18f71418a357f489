"""Derivatives by numbers, against which derivatives by hand are held."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array
from fnmlp.key import Key, fold_in, generator
from fnmlp.tree import Tree, tree_leaves, tree_map, tree_paths

STEP = 1e-20
"""Of the complex step: so small that its square vanishes, and nothing is subtracted, so nothing is lost."""

EPSILON = float(np.finfo(np.float64).eps)

Function = Callable[[Tree], Array]
"""A function of a tree of floats, to be differentiated."""


def complex_step(function: Function, at: Tree, along: Tree) -> Array:
    """Return the derivative of `function` at a point along a direction: the imaginary part of f(p + i h v) / h.

    Exact to rounding where the function is analytic.
    Source:   Squire & Trapp 1998, "Using complex variables to estimate derivatives of real functions".

    >>> complex_step(lambda tree: tree[0] ** 2, (np.array([3.0]),), (np.array([1.0]),))
    array([6.])
    """
    value = function(tree_map(lambda p, v: p + 1j * STEP * v, at, along))
    return np.imag(value) / STEP


def difference(function: Function, at: Tree, along: Tree, *, step: float = 1e-3) -> Array:
    """Return the derivative along a direction by central differences of fourth order; good to about 1e-9.

    For functions that no complex number survives, because they use abs, conj or comparisons.

    >>> bool(abs(difference(lambda tree: abs(tree[0]) ** 3, (np.array([2.0]),), (np.array([1.0]),)) - 12)[0] < 1e-9)
    True
    """

    def moved(steps: int) -> Array:
        return function(tree_map(lambda p, v: p + steps * step * v, at, along))

    derivative: Array = (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * step)
    return derivative


@frozen
class Discrepancy:
    """Where an analytic derivative and a numeric one differ: a path with its index, and both numbers."""

    where: str
    numeric: float
    analytic: float


def find_discrepancy(
    function: Function,
    at: Tree,
    cotangent: Array,
    gradient: Tree,
    key: Key,
    *,
    root: str,
    parts: Callable[[], Iterable[Tree]] = tuple,
    bound: float = 50 * EPSILON,
) -> Discrepancy | None:
    """Hold the gradient of <function(p), cotangent> against the complex step, along one random direction.

    The two may differ by `bound` times the sum of |g_i v_i|, the size of what was added up. `parts` gives the gradients
    of single rows, whose sum the gradient is: where they cancel, it is their sizes that count. Where a function is
    not analytic the complex step is no witness; then central differences are, and the bound is 1e-7 of the same sum.
    """
    along = random_like(at, key)
    analytic, size = along_direction(gradient, along)
    numeric, rounding = _contract(complex_step, function, at, along, cotangent)
    error = abs(analytic - numeric)
    if error <= bound * (size or rounding) or error <= bound * size_of_parts(parts(), along):
        return None
    witness, rounding = _contract(difference, function, at, along, cotangent)
    credible = abs(numeric - witness) <= 1e-4 * (abs(witness) + EPSILON)
    if not credible and abs(analytic - witness) <= 1e-7 * (size or rounding):
        return None
    derivative = complex_step if credible else difference
    return _worst_element(derivative, function, at, cotangent, gradient, root) or Discrepancy(
        f"{root}, along a random direction", numeric if credible else witness, analytic
    )


def along_direction(gradient: Tree, along: Tree) -> tuple[float, float]:
    """Return the sum of g_i v_i, and that of |g_i v_i|."""
    terms = np.concatenate([np.zeros(1), *map(np.ravel, tree_leaves(tree_map(np.multiply, gradient, along)))])
    return float(terms.sum()), float(np.abs(terms).sum())


def size_of_parts(parts: Iterable[Tree], along: Tree) -> float:
    """Return the sum of |g_i v_i| over gradients that are added up."""
    return sum(along_direction(part, along)[1] for part in parts)


def _contract(
    derivative: Callable[..., Array], function: Function, at: Tree, along: Tree, cotangent: Array
) -> tuple[float, float]:
    """Return <J v, u>, and the rounding that y itself brings along: the sum of |u_j y_j|."""
    try:
        products = derivative(function, at, along) * cotangent
    except (TypeError, ValueError):  # NumPy has no such function of complex numbers
        products = np.full(cotangent.shape, np.nan)
    return float(products.sum()), float(np.abs(function(at) * cotangent).sum())


def _worst_element(
    derivative: Callable[..., Array], function: Function, at: Tree, cotangent: Array, gradient: Tree, root: str
) -> Discrepancy | None:
    """Differentiate element by element (a few hundred at most), and name the one that is most wrong."""
    worst, most = None, 0.0
    zero = tree_map(np.zeros_like, at)
    budget = 400
    for place, (path, leaf) in enumerate(tree_paths(gradient, root)):
        for flat in range(min(leaf.size, budget)):
            index = np.unravel_index(flat, leaf.shape)
            unit = _with_one(zero, place, index)
            numeric = float((derivative(function, at, unit) * cotangent).sum())
            error = abs(numeric - leaf[index])
            if error > most:
                text = f"{path}[{', '.join(str(int(i)) for i in index)}]"
                worst, most = Discrepancy(text, numeric, float(leaf[index])), error
        budget -= min(leaf.size, budget)
    return worst


def _with_one(zero: Tree, place: int, index: Any) -> Tree:
    counter = iter(range(len(tree_leaves(zero))))

    def leaf(array: Array) -> Array:
        if next(counter) != place:
            return array
        changed = array.copy()
        changed[index] = 1.0
        return changed

    return tree_map(leaf, zero)


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
