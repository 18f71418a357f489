"""Compare a handwritten gradient with numerical derivatives, element by element."""

from collections.abc import Callable
from math import inf, isnan
from typing import Any

from attrs import evolve, frozen
import numpy as np

from fnmlp.arrays import Array
from fnmlp.key import Key, fold_in, generator
from fnmlp.testing.numeric import EPSILON, Function, complex_step, difference, random_like
from fnmlp.testing.numeric import STEP as COMPLEX_STEP
from fnmlp.testing.rounding import largest
from fnmlp.tree import Tree, tree_leaves, tree_map, tree_paths

MOST = 32
"""The most elements of a leaf (or columns, if rows do not mix) that are differentiated one by one."""

CONFIRMED = 8
"""The number of suspects that are differentiated again one by one, if the complex step can be used."""

NEIGHBOURS = 12
"""The number of complex steps from neighbouring points that tell how exact a complex step is."""

APART = 2.0**-42
"""The relative distance of these neighbours: enough for each to be rounded differently."""

STEP = 2.0**-13
"""The step of differences, relative to the number that is moved, up to a number of 8."""

CREDIBLE = 1e-4
"""How close the complex step must be to a difference; for functions that are not analytic it is far off."""

KEPT = 64
"""The largest difference between a value computed in real and in complex numbers, in eps."""

OF_DIFFERENCES = 1e-7
"""The tolerance if differences are used."""


@frozen
class Discrepancy:
    """Hold the place where an analytic and a numeric derivative differ, and both numbers."""

    where: str
    numeric: float
    analytic: float


@frozen(eq=False)
class Claim:
    """Hold a gradient of <function(point), cotangent>, and options for comparing it with numbers.

    `by_row`     the last leaf of the point is inputs whose rows do not mix; whole columns are differentiated at once.
    `allowance`  returns how far rounding may move each element; by default the largest element counts.
    `probe`      an ordinary point, to test whether the function is analytic; by default the point itself.
    `floor`      the size below which nothing is compared.
    """

    function: Function
    at: Tree
    cotangent: Array
    gradient: Tree
    root: str
    by_row: bool = False
    allowance: Callable[[], Tree] | None = None
    probe: Tree | None = None
    floor: float = 0.0

    def limits(self, bound: float) -> list[Array]:
        """Return the tolerance of each element."""
        level = largest(self.gradient)
        sizes = (
            tree_map(lambda g: np.full(g.shape, level), self.gradient) if self.allowance is None else self.allowance()
        )
        return [bound * size + self.floor for size in tree_leaves(sizes)]


def find_discrepancy(claim: Claim, key: Key, *, bound: float = 50 * EPSILON) -> Discrepancy | None:
    """Differentiate by the complex step, and return the element with the largest error beyond its tolerance, or None.

    The tolerance of an element is `bound` times its allowance. Of a leaf with more than MOST elements, MOST are chosen
    at random, and a random direction stands for all. For functions that are not analytic, central differences replace
    the complex step, with a tolerance of 1e-7.
    """
    exact = tree_leaves(claim.gradient)
    numeric, seen = _numeric_gradient(claim, key)
    whole = all(leaf.all() for leaf in seen)
    errors = [np.where(there, np.abs(g - n), 0.0) for g, n, there in zip(exact, numeric, seen, strict=True)]
    if whole and all((error <= bound * np.abs(g)).all() for error, g in zip(errors, exact, strict=True)):
        return None
    limits = claim.limits(bound)
    suspects = sorted(
        (-_badness(float(error[tuple(index)])), place, tuple(map(int, index)))
        for place, (error, limit) in enumerate(zip(errors, limits, strict=True))
        for index in np.argwhere(~(error <= limit))
    )
    if whole and not suspects:
        return None
    analytic = _is_analytic(claim, fold_in(key, len(exact)))
    for _, place, index in suspects[: CONFIRMED if analytic else None]:
        found = _confirmed(claim, place, index, float(limits[place][index]), analytic=analytic)
        if found is not None:
            return found
    return None if whole else _along_a_direction(claim, limits, fold_in(key, len(exact) + 1), analytic=analytic)


def _badness(error: float) -> float:
    return inf if isnan(error) else error


def _numeric_gradient(claim: Claim, key: Key) -> tuple[list[Array], list[Array]]:
    """Return the complex step's derivatives, and which elements were computed."""
    leaves = tree_leaves(claim.at)
    numeric = [np.zeros(leaf.shape) for leaf in leaves]
    seen = [np.zeros(leaf.shape, dtype=bool) for leaf in leaves]
    for place, leaf in enumerate(leaves):
        columns = claim.by_row and place == len(leaves) - 1
        shape = leaf.shape[1:] if columns else leaf.shape
        count = int(np.prod(shape))
        chosen = range(count) if count <= MOST else generator(fold_in(key, place)).permutation(count)[:MOST]
        for flat in chosen:
            index: tuple[Any, ...] = (*((slice(None),) if columns else ()), *np.unravel_index(flat, shape))
            products = _products(complex_step, claim, _unit(claim.at, place, index))
            numeric[place][index] = products.reshape(len(leaf), -1).sum(axis=1) if columns else products.sum()
            seen[place][index] = True
    return numeric, seen


def _products(derivative: Callable[..., Array], claim: Claim, along: Tree) -> Array:
    """Return the terms of <J v, u>; NaN if NumPy has no such function of complex numbers."""
    try:
        return derivative(claim.function, claim.at, along) * claim.cotangent
    except (TypeError, ValueError):
        return np.full(np.shape(claim.cotangent), np.nan)


def _confirmed(claim: Claim, place: int, index: tuple[int, ...], limit: float, *, analytic: bool) -> Discrepancy | None:
    """Differentiate with respect to one element, and return the discrepancy if the gradient is still off."""
    path, gradient = tree_paths(claim.gradient, claim.root)[place]
    where = f"{path}[{', '.join(map(str, index))}]" if index else path
    exact = float(gradient[index])
    along = _unit(claim.at, place, index)
    numeric = float(_products(complex_step, claim, along).sum())
    if analytic and np.isfinite(numeric):
        if abs(exact - numeric) <= limit + 2 * _scatter(claim, along):
            return None
        moved = claim.function(tree_map(lambda p, v: p + 1j * COMPLEX_STEP * v, claim.at, along))
        if _keeps_values(claim, moved):
            return Discrepancy(where, numeric, exact)
        # Outputs that do not move add only rounding errors, which would hide small differences.
        claim = evolve(claim, cotangent=np.where(np.imag(moved) != 0, claim.cotangent, 0.0))
    step = STEP * float(np.clip(abs(tree_leaves(claim.at)[place][index]), 1e-3, 8.0))
    numeric = float((difference(claim.function, claim.at, along, step=step) * claim.cotangent).sum())
    limit = OF_DIFFERENCES * limit / (50 * EPSILON) + _rounding_of_differences(claim, step)
    return None if abs(exact - numeric) <= limit else Discrepancy(where, numeric, exact)


def _keeps_values(claim: Claim, moved: Array) -> bool:
    """Tell whether complex numbers give the same values as real ones, within rounding.

    NumPy's complex log1p loses the digits of small numbers, and so do functions that use it. Then the complex step must
    be checked by a difference.
    """
    value = claim.function(claim.at)
    lost = np.abs(np.real(moved) - value) > KEPT * EPSILON * np.abs(value)
    return not (lost & (np.imag(moved) != 0)).any()


def _scatter(claim: Claim, along: Tree) -> float:
    """Return the rounding error of complex steps: how far those of nearly equal points differ."""
    found = []
    for places in range(NEIGHBOURS):
        shifted = tree_map(lambda p, v, n=places: np.where(v != 0, p * (1 + n * APART), p), claim.at, along)
        found.append(float(_products(complex_step, evolve(claim, at=shifted), along).sum()))
    return float(np.ptp(found))


def _along_a_direction(claim: Claim, limits: list[Array], key: Key, *, analytic: bool) -> Discrepancy | None:
    along = random_like(claim.at, key)
    exact = sum(float((g * v).sum()) for g, v in zip(tree_leaves(claim.gradient), tree_leaves(along), strict=True))
    limit = sum(float((most * abs(v)).sum()) for most, v in zip(limits, tree_leaves(along), strict=True))
    numeric = [float(_products(complex_step, claim, along).sum())]
    if not analytic:  # a kink may lie within one step, but hardly within both
        numeric = [
            float((difference(claim.function, claim.at, along, step=step) * claim.cotangent).sum())
            for step in (2.0**-14, 2.0**-20)
        ]
        limit = OF_DIFFERENCES * limit / (50 * EPSILON) + _rounding_of_differences(claim, 2.0**-20)
    where = f"{claim.root}, along a random direction"
    off = [abs(exact - one) for one in numeric]
    return None if min(off) <= limit else Discrepancy(where, numeric[0], exact)


def _is_analytic(claim: Claim, key: Key) -> bool:
    """Tell whether the complex step agrees with differences at an ordinary point, for one element of each leaf."""
    ordinary = claim if claim.probe is None else evolve(claim, at=claim.probe)
    rounding = _rounding_of_differences(ordinary, 1e-3)
    agreed = []
    for place in range(3):
        along = tree_map(lambda v: v * (v == v.max(initial=-np.inf)), random_like(claim.at, fold_in(key, place)))
        numeric, witness = (_products(derivative, ordinary, along).sum() for derivative in (complex_step, difference))
        agreed.append(bool(abs(numeric - witness) <= CREDIBLE * abs(witness) + rounding))
    return sum(agreed) >= 2  # one may have hit a kink


def _rounding_of_differences(claim: Claim, step: float) -> float:
    """Return the error of differences if results are right to four units in the last place."""
    return 8 * EPSILON * float(np.abs(claim.function(claim.at) * claim.cotangent).sum()) / step


def _unit(tree: Tree, place: int, index: tuple[Any, ...]) -> Tree:
    """Return the unit direction of one element, or of a column."""
    places = iter(range(len(tree_leaves(tree))))

    def leaf(array: Array) -> Array:
        changed = np.zeros_like(array)
        if next(places) == place:
            changed[index] = 1.0
        return changed

    return tree_map(leaf, tree)
