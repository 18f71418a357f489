"""Compare a handwritten gradient with numerical derivatives, element by element."""

from collections.abc import Callable
from typing import Any, TypeAlias

from attrs import evolve, frozen
import numpy as np

from fnmlp.arrays import Array
from fnmlp.key import Key, fold_in, generator
from fnmlp.testing.numeric import EPSILON, Function, difference, random_like
from fnmlp.testing.numeric import STEP as COMPLEX_STEP
from fnmlp.testing.rounding import largest
from fnmlp.testing.witness import by_complex_step, noise, reach, refuted
from fnmlp.tree import Tree, tree_leaves, tree_map, tree_paths

MOST = 32
"""The most elements of a leaf (or columns, if rows do not mix) that are differentiated one by one."""

CONFIRMED = 8
"""The number of suspects that are differentiated again one by one, if the complex step can be used."""

NEIGHBOURS = 12
"""The number of complex steps from neighbouring points that tell how exact a complex step is."""

APART = 2.0**-42
"""The relative distance of these neighbours: enough for each to be rounded differently."""

STEPS = (2.0**-13, 2.0**-20)
"""The steps of differences; relative as `reach` says. A kink may lie within the first, but hardly within the second."""

KEPT = 64
"""The largest difference between a value computed in real and in complex numbers, in eps."""

LOOSER = 1e-7 / (50 * EPSILON)
"""How much larger the tolerance is if differences are used: 1e-7 instead of 50 eps."""

Place: TypeAlias = tuple[int, tuple[Any, ...]]
"""The number of a leaf, and an index in it: of one element, or of a column."""


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
    `probe`      an ordinary point, where differences may also refute the complex step.
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
    at random, and a random direction stands for all. If central differences refute the complex step, because the
    function is not analytic, they replace it, with a tolerance of 1e-7.
    """
    exact = tree_leaves(claim.gradient)
    chosen, seen = _chosen(claim, key)
    whole = all(leaf.all() for leaf in seen)
    numeric = _numeric_gradient(claim, chosen)
    errors = [np.where(there, np.abs(g - n), 0.0) for g, n, there in zip(exact, numeric, seen, strict=True)]
    analytic = not refuted(claim.function, claim.at, fold_in(key, len(exact)))
    if analytic and whole and all((error <= bound * np.abs(g)).all() for error, g in zip(errors, exact, strict=True)):
        return None
    limits = claim.limits(bound)
    suspects = [~(error <= limit) for error, limit in zip(errors, limits, strict=True)]
    if analytic and whole and not any(map(np.any, suspects)):
        return None
    if claim.probe is not None:
        analytic = analytic and not refuted(claim.function, claim.probe, fold_in(key, len(exact) + 1))
    lost = [there & (np.isnan(n) if analytic else True) for n, there in zip(numeric, seen, strict=True)]
    found = _by_differences(claim, chosen, limits, lost)
    for place, index in _worst(errors, [off & ~gone for off, gone in zip(suspects, lost, strict=True)])[:CONFIRMED]:
        found = found or _confirmed(claim, place, index, limits)
    if found is not None or whole:
        return found
    return _along_a_direction(claim, limits, fold_in(key, len(exact) + 2), analytic=analytic)


def _chosen(claim: Claim, key: Key) -> tuple[list[Place], list[Array]]:
    """Choose the elements or columns that are differentiated, and mark them in arrays like the gradient's."""
    leaves = tree_leaves(claim.at)
    chosen: list[Place] = []
    seen = [np.zeros(leaf.shape, dtype=bool) for leaf in leaves]
    for place, leaf in enumerate(leaves):
        columns = claim.by_row and place == len(leaves) - 1
        shape = leaf.shape[1:] if columns else leaf.shape
        count = int(np.prod(shape))
        for flat in range(count) if count <= MOST else generator(fold_in(key, place)).permutation(count)[:MOST]:
            index = (*((slice(None),) if columns else ()), *map(int, np.unravel_index(flat, shape)))
            seen[place][index] = True
            chosen.append((place, index))
    return chosen, seen


def _worst(errors: list[Array], suspects: list[Array]) -> list[Place]:
    """Return the places of suspects, those with the largest errors first."""
    found = [
        (-float(np.nan_to_num(error[tuple(index)], nan=np.inf)), place, tuple(map(int, index)))
        for place, (error, off) in enumerate(zip(errors, suspects, strict=True))
        for index in np.argwhere(off)
    ]
    return [(place, index) for _, place, index in sorted(found)]


def _numeric_gradient(claim: Claim, chosen: list[Place]) -> list[Array]:
    """Return the complex step's derivatives of the chosen elements; 0 for others."""
    numeric = [np.zeros(leaf.shape) for leaf in tree_leaves(claim.at)]
    for place, index in chosen:
        numeric[place][index] = _added(_products(claim, _unit(claim.at, place, index)), index)
    return numeric


def _by_differences(claim: Claim, chosen: list[Place], limits: list[Array], judged: list[Array]) -> Discrepancy | None:
    """Differentiate by central differences, and return the element with the largest error among those judged.

    An element is wrong if it is off by the differences of each step.
    """
    exact, off, found = tree_leaves(claim.gradient), judged, list[tuple[list[Array], list[Array]]]()
    for step in STEPS:
        chosen = [(place, index) for place, index in chosen if np.any(off[place][index])]
        numeric, rounding = _differences(claim, chosen, step)
        errors = [np.abs(g - n) for g, n in zip(exact, numeric, strict=True)]
        bounds = [LOOSER * limit + lost for limit, lost in zip(limits, rounding, strict=True)]
        off = [one & ~(error <= bound) for one, error, bound in zip(off, errors, bounds, strict=True)]
        found.append((numeric, errors))
    numeric, errors = found[0]
    for place, index in _worst(errors, off)[:1]:
        return _discrepancy(claim, place, index, numeric[place][index])
    return None


def _differences(claim: Claim, chosen: list[Place], step: float) -> tuple[list[Array], list[Array]]:
    """Return the derivatives of the chosen elements by differences, and how far rounding may move them."""
    leaves = tree_leaves(claim.at)
    numeric, rounding = ([np.zeros(leaf.shape) for leaf in leaves] for _ in range(2))
    lost = noise(claim.function(claim.at), step) * np.abs(claim.cotangent)
    for place, index in chosen:
        length = reach(leaves[place][index])
        slopes = difference(claim.function, claim.at, _unit(claim.at, place, index, length), step=step)
        numeric[place][index] = _added(slopes * claim.cotangent, index) / length
        rounding[place][index] = _added(lost, index) / length
    return numeric, rounding


def _confirmed(claim: Claim, place: int, index: tuple[int, ...], limits: list[Array]) -> Discrepancy | None:
    """Differentiate with respect to one element, and return the discrepancy if the gradient is still off."""
    exact, limit = float(tree_leaves(claim.gradient)[place][index]), float(limits[place][index])
    along = _unit(claim.at, place, index)
    numeric = float(_products(claim, along).sum())
    if abs(exact - numeric) <= limit + 2 * _scatter(claim, along):
        return None
    moved = claim.function(tree_map(lambda p, v: p + 1j * COMPLEX_STEP * v, claim.at, along))
    if _keeps_values(claim, moved):
        return _discrepancy(claim, place, index, numeric)
    alone = [np.zeros(size.shape, dtype=bool) for size in limits]
    alone[place][index] = True
    # Outputs that do not move add only rounding errors, which would hide small differences.
    claim = evolve(claim, cotangent=np.where(np.imag(moved) != 0, claim.cotangent, 0.0))
    return _by_differences(claim, [(place, index)], limits, alone)


def _discrepancy(claim: Claim, place: int, index: tuple[int, ...], numeric: Any) -> Discrepancy:
    path, gradient = tree_paths(claim.gradient, claim.root)[place]
    where = f"{path}[{', '.join(map(str, index))}]" if index else path
    return Discrepancy(where, float(numeric), float(gradient[index]))


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
        found.append(float(_products(evolve(claim, at=shifted), along).sum()))
    return float(np.ptp(found))


def _along_a_direction(claim: Claim, limits: list[Array], key: Key, *, analytic: bool) -> Discrepancy | None:
    along = random_like(claim.at, key)
    exact = sum(float((g * v).sum()) for g, v in zip(tree_leaves(claim.gradient), tree_leaves(along), strict=True))
    limit = sum(float((most * abs(v)).sum()) for most, v in zip(limits, tree_leaves(along), strict=True))
    where = f"{claim.root}, along a random direction"
    numeric = float(_products(claim, along).sum())
    if analytic and np.isfinite(numeric):
        return None if abs(exact - numeric) <= limit else Discrepancy(where, numeric, exact)
    for step in STEPS:
        numeric = float((difference(claim.function, claim.at, along, step=step) * claim.cotangent).sum())
        lost = float((noise(claim.function(claim.at), step) * np.abs(claim.cotangent)).sum())
        if abs(exact - numeric) <= LOOSER * limit + lost:
            return None
    return Discrepancy(where, numeric, exact)


def _products(claim: Claim, along: Tree) -> Array:
    """Return the terms of <J v, u>, by the complex step."""
    return by_complex_step(claim.function, claim.at, along) * claim.cotangent


def _added(products: Array, index: tuple[Any, ...]) -> Any:
    """Add up the terms of <J v, u>: those of each row if v is a column."""
    return products.reshape(len(products), -1).sum(axis=1) if slice(None) in index else products.sum()


def _unit(tree: Tree, place: int, index: tuple[Any, ...], length: Array | float = 1.0) -> Tree:
    """Return the direction of one element, or of a column."""
    places = iter(range(len(tree_leaves(tree))))

    def leaf(array: Array) -> Array:
        changed = np.zeros_like(array)
        if next(places) == place:
            changed[index] = length
        return changed

    return tree_map(leaf, tree)
