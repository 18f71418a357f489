"""Laws at and beside kinks, where the derivative jumps and the gradient must be that of a side, or between."""

from collections.abc import Callable
from functools import partial

import numpy as np

from fnmlp.arrays import Array
from fnmlp.key import fold_in, generator
from fnmlp.testing.cases import LayerCase
from fnmlp.testing.discrepancy import Claim, find_discrepancy
from fnmlp.testing.numeric import EPSILON, normal
from fnmlp.testing.report import DifferenceFound, law
from fnmlp.testing.rounding import largest, smallest
from fnmlp.testing.witness import by_complex_step

CLOSE = 1e-12
"""The relative distance of neighbours of a kink that no subtraction rounds to it."""

NEAR = 1e-3
"""The relative distance from a kink at which its sides are checked too."""

ASIDE = 2.0**-20
"""The distance from a kink at which a side's derivative is taken."""

CREDIBLE = 1e-3
"""How close a complex step must be to a difference, relative to it; for functions of `abs` it is far off."""

OFF = 1e-6
"""The tolerance of a gradient, relative to the slopes of the sides."""

SMALL = 1e-12
"""Gradients below this size count as 0, with cotangents of size 1."""

Slope = Callable[[Array], Array]
"""One number for each row -> the outputs of these rows."""


def points(kink: float) -> tuple[float, ...]:
    """Return a kink, the numbers next to it, two that a subtraction can tell from it, and two further off.

    >>> points(0.0)
    (0.0, -0.0, 5e-324, -5e-324, 1e-12, -1e-12, 0.001, -0.001)
    """
    close, off = (share * (abs(kink) or 1.0) for share in (CLOSE, NEAR))
    beside = (float(np.nextafter(kink, np.inf)), float(np.nextafter(kink, -np.inf)))
    return (kink, *((-0.0,) if kink == 0 else ()), *beside, kink + close, kink - close, kink + off, kink - off)


@law("layer")
def a_kink_has_the_slope_of_a_side(case: LayerCase) -> None:
    """Beside a kink dx is the derivative of a side, at a kink it may lie between both; at 0 all is finite."""
    ordinary = case.draw is normal
    kinks = tuple(dict.fromkeys((*((0.0,) if ordinary else ()), *case.kinks)))
    if not kinks or not case.differentiable:
        return
    for kink in kinks:
        x = np.full((2, *case.example), kink, np.float64)
        y = case.layer.apply(case.params, x)
        dx = case.run(case.params, x, np.ones_like(y))[2]
        if np.isfinite(y).all() and not np.isfinite(dx).all():
            raise DifferenceFound(f"dx where all inputs are {kink}", "finite numbers", dx)
    if not case.rowwise or case.layer.name.count("(") > 1:  # several kinks may meet in a layer made of others
        return
    at = np.array([point for kink in kinks for point in points(kink)])
    x = case.draw(fold_in(case.key, 14), (len(at), *case.example)).astype(np.float64)
    columns = generator(fold_in(case.key, 15)).integers(x[0].size, size=len(at))
    dy = normal(fold_in(case.key, 16), case.layer.apply(case.params, x).shape)

    def filled(values: Array) -> Array:
        changed = x.astype(values.dtype).reshape(len(at), -1)
        changed[np.arange(len(at)), columns] = values
        return changed.reshape(x.shape)

    def value(values: Array) -> Array:
        return (case.output(filled(values)) * dy).reshape(len(at), -1).sum(axis=1)

    dx = case.run(case.params, filled(at), dy)[2].reshape(len(at), -1)[np.arange(len(at)), columns]
    expect_sides("dx", at, kinks, dx, value)


@law("layer")
def equal_numbers_share_their_gradient(case: LayerCase) -> None:
    """If all numbers of a row are equal, their gradients add up to the slope of moving them together."""
    if case.draw is not normal or not case.rowwise or not case.differentiable or case.elementwise:
        return
    spots = normal(fold_in(case.key, 17), (case.rows, *(1 for _ in case.example)))
    x = np.broadcast_to(spots, case.x.shape).copy()
    axes = tuple(range(1, x.ndim))

    def together(leaf: Array) -> Array:
        return leaf.sum(axis=axes, keepdims=True)

    claim = Claim(
        lambda point: case.output(point[0] + np.zeros(case.example)),
        (spots,),
        case.dy,
        (together(case.run(case.params, x, case.dy)[2]),),
        "dx, added up where all numbers of a row are equal",
        by_row=True,
        allowance=lambda: (together(case.rounding(case.params, x, case.dy)[2]),),
        floor=x[0].size * smallest(np.float64, largest(case.dy)),
    )
    found = find_discrepancy(claim, fold_in(case.key, 18))
    if found is not None:
        raise DifferenceFound(found.where, f"{found.numeric!r} (numeric)", f"{found.analytic!r} (analytic)")


def expect_sides(
    where: str, at: Array, kinks: tuple[float, ...], gradient: Array, value: Slope, *, exact: bool = True
) -> None:
    """Compare gradients with the slopes on both sides of a kink; only at the kink they may lie between.

    Unless `exact`, the numbers next to a kink may have been rounded to it, and count as the kink itself.
    """
    moved = np.isclose(at[:, None], np.array(kinks), rtol=1e-9, atol=1e-9).any(axis=1)
    between = np.isin(at, kinks) if exact else moved
    rounding = 64 * EPSILON * np.abs(value(at)) / ASIDE
    for derivative, allowed in ((partial(_credible_slope, rounding), 0.0), (_difference_slope, rounding)):
        left, right = (derivative(value, at - ASIDE * moved), derivative(value, at + ASIDE * moved))
        bend = np.abs(left - derivative(value, at - 2 * ASIDE * moved))
        bend += np.abs(right - derivative(value, at + 2 * ASIDE * moved))
        low, high = np.minimum(left, right), np.maximum(left, right)
        off = np.minimum(np.abs(gradient - left), np.abs(gradient - right))
        off = np.where(between & (low <= gradient) & (gradient <= high), 0.0, off)
        wrong = ~(off <= 4 * bend + OFF * (np.abs(left) + np.abs(right)) + SMALL + allowed)
        if not wrong.any():
            return
    wrong &= bend <= (np.abs(left) + np.abs(right)) / 8  # a slope that grows without bound has no side
    if not wrong.any():
        return
    row = int(np.argmax(wrong))
    sides, got = f"{float(left[row])!r} or {float(right[row])!r}, the slopes of its sides", repr(float(gradient[row]))
    raise DifferenceFound(f"{where} at {float(at[row])!r}", sides, got)


def _credible_slope(rounding: Array, value: Slope, at: Array) -> Array:
    """Return the complex step where it agrees with differences, and NaN elsewhere, as for functions of `abs`."""
    exact = by_complex_step(lambda point: value(point[0]), (at,), (np.ones_like(at),))
    witness = _difference_slope(value, at)
    return np.where(np.abs(exact - witness) <= CREDIBLE * np.abs(witness) + rounding + SMALL, exact, np.nan)


def _difference_slope(value: Slope, at: Array) -> Array:
    return (value(at + ASIDE / 8) - value(at - ASIDE / 8)) * (4 / ASIDE)
