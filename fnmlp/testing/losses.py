"""The laws of a loss: how its value and its gradient must agree."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeAlias

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array, Shape
from fnmlp.errors import FnmlpError
from fnmlp.key import Key, fold_in, generator
from fnmlp.losses import Loss
from fnmlp.testing.cases import LARGEST_OUTPUT, LAYOUTS, SHRINKINGS, expect_within_rounding
from fnmlp.testing.discrepancy import Claim, find_discrepancy
from fnmlp.testing.kinks import expect_sides, points
from fnmlp.testing.magnitudes import spread
from fnmlp.testing.numeric import EPSILON, normal
from fnmlp.testing.report import (
    DifferenceFound,
    Law,
    expect_close,
    expect_pair,
    expect_same_bits,
    expect_same_form,
    law,
)
from fnmlp.testing.rounding import answers, largest, nudged, smallest

DrawTarget: TypeAlias = Callable[[Key, Shape], Array]
"""(key, shape of y) -> targets; by default numbers like y."""


@frozen(slots=False, eq=False)
class LossCase:
    """Hold one trial: a loss, the shape of an output, and the key for everything random.

    `kinks`   values of y - target, or of y minus the label's y, where the derivative jumps.
    `spread`  "inputs" if outputs, "params" if targets are drawn over magnitudes from 1e-3 to 1e3.
    """

    loss: Loss
    example: Shape
    key: Key
    rows: int = 3
    draw: Callable[[Key, Shape], Array] = normal
    draw_target: DrawTarget = normal
    kinks: tuple[float, ...] = ()
    spread: tuple[str, ...] = ()

    @cached_property
    def y(self) -> Array:
        """Outputs in float64, widely spread; those for which the loss or its gradient overflows are divided by 4."""
        wide = self.draw is normal and "inputs" in self.spread
        y = (spread if wide else self.draw)(fold_in(self.key, 0), (self.rows, *self.example)).astype(np.float64)
        for _ in range(SHRINKINGS if wide else 0):
            value, dy = self.run(y, self.target)
            fits = np.abs(dy) < LARGEST_OUTPUT
            if fits.all() and (np.abs(value) < LARGEST_OUTPUT).all():
                break
            large = ~fits if fits.shape == y.shape and not fits.all() else np.True_
            y = np.where(large, y / 4, y)
        return y

    @cached_property
    def target(self) -> Array:
        """Targets for the loss; in float64 unless they are integers."""
        wide = self.draw_target is normal and "params" in self.spread
        return (spread if wide else self.draw_target)(fold_in(self.key, 1), (self.rows, *self.example))

    @cached_property
    def elementwise(self) -> bool:
        """Whether each element of the gradient depends only on the output and the target in the same place."""
        if self.target.shape != self.y.shape:
            return False
        kept = np.indices(self.y.shape).sum(axis=0) % 2 == 0
        y = self.draw(fold_in(self.key, 3), self.y.shape)
        dy, changed = (self.run(outputs, self.target)[1] for outputs in (y, np.where(kept, y, y / 2)))
        return bool((dy == changed)[kept].all())

    def run(self, y: Array, target: Array) -> tuple[Any, Array]:
        """Return the value and the gradient."""
        return self.loss(y, target)

    def rounding(self, y: Array, target: Array) -> tuple[Array, Array]:
        """Return how far rounding may move the value and the gradient, in units of eps; see `answers`.

        If the loss treats each number by itself, each element counts by itself. Otherwise probabilities are compared,
        and the largest element counts, or one row's part of a mean.
        """
        value, dy = self.run(y, target)

        def results(key: Key) -> tuple[Array, Array]:
            shares = nudged(target, -np.abs(target), key) if self.draw_target is normal else target
            moved, pulled = self.run(nudged(y, np.abs(y) + 1, fold_in(key, 1)), shares)
            return np.asarray(moved), pulled

        of_value, of_dy = answers(results, (np.asarray(value), dy), fold_in(self.key, 4))
        return of_value, of_dy if self.elementwise else of_dy + largest(dy) + 1 / max(len(dy), 1)


@law("loss")
def dy_has_the_form_of_y(case: LossCase) -> None:
    """The gradient has the shape and dtype of y, and the value is one real number or one for each row."""
    value, dy = expect_pair("what the loss returns", "(value, dy)", case.run(case.y, case.target))
    expect_same_form("dy", case.y, dy)
    if np.shape(value) not in ((), (case.rows,)) or np.asarray(value).dtype.kind != "f":
        raise DifferenceFound("value", "a float, or one for each row", f"{type(value).__name__} {np.shape(value)}")


@law("loss")
def dy_equals_the_derivative_of_the_value(case: LossCase) -> None:
    """In float64 the gradient equals the complex step of the value, within 50 times its rounding error."""
    value, dy = case.run(case.y, case.target)
    cotangent = np.ones(np.shape(value))

    def of_y(y: Array) -> Array:
        return np.asarray(case.run(y, case.target.astype(y.dtype) if case.target.dtype.kind == "f" else case.target)[0])

    claim = Claim(
        of_y,
        case.y,
        cotangent,
        dy,
        "y",
        allowance=lambda: case.rounding(case.y, case.target)[1],
        probe=case.draw(fold_in(case.key, 5), case.y.shape),
        floor=smallest(np.float64, 1.0),
    )
    found = find_discrepancy(claim, fold_in(case.key, 2))
    if found is not None:
        raise DifferenceFound(found.where, f"{found.numeric!r} (numeric)", f"{found.analytic!r} (analytic)")


@law("loss")
def nothing_given_is_changed_or_shared(case: LossCase) -> None:
    """Outputs and targets stay unchanged, the gradient shares memory with neither, and calls repeat bit for bit."""
    y, target = case.y.copy(), case.target.copy()
    value, dy = case.run(y, target)
    expect_same_bits("y after the call", case.y, y)
    expect_same_bits("target after the call", case.target, target)
    if np.shares_memory(dy, y) or np.shares_memory(dy, target):
        raise DifferenceFound("dy", "memory of its own", "a view of y or of the target")
    again, dy_again = case.run(y, target)
    expect_same_bits("value, called again", np.asarray(value), np.asarray(again))
    expect_same_bits("dy, called again", dy, dy_again)


@law("loss")
def float32_stays_float32_and_close(case: LossCase) -> None:
    """float32 in gives float32 out, within 32 times the rounding error of the float64 gradient."""
    target = case.target.astype(np.float32) if case.target.dtype.kind == "f" else case.target
    y = case.y.astype(np.float32)
    _, dy = case.run(y, target)
    expect_same_form("dy", y, dy)
    given = y.astype(np.float64), target.astype(np.float64) if target.dtype.kind == "f" else target
    expected = case.run(*given)[1]
    share = 32 * float(np.finfo(np.float32).eps)
    lost = smallest(np.float32, 1.0)
    expect_within_rounding("dy in float32", expected, dy, share, lambda: case.rounding(*given)[1], lost)


@law("loss")
def a_kink_has_the_slope_of_a_side(case: LossCase) -> None:
    """Beside a kink dy is the derivative of a side, at a kink it may lie between both, also where y equals a target."""
    kinks = tuple(dict.fromkeys((*((0.0,) if case.draw is normal else ()), *case.kinks)))
    if not kinks:
        return
    at = np.array([point for kink in kinks for point in points(kink)])
    y = case.draw(fold_in(case.key, 14), (len(at), *case.example)).astype(np.float64).reshape(len(at), -1)
    target = case.draw_target(fold_in(case.key, 15), (len(at), *case.example))
    columns, middle = _near(case, y, target)
    shaped = y.reshape(len(at), *case.example)
    rows = np.array([row for row in range(len(at)) if _counts(case, shaped[row : row + 1], target[row : row + 1])], int)

    def one_by_one(values: Array) -> tuple[Array, Array]:
        changed = y.astype(values.dtype)
        changed[rows, columns[rows]] = middle[rows] + values
        changed = changed.reshape(len(at), *case.example)
        targets = target.astype(changed.dtype) if target.dtype.kind == "f" else target
        results = [case.run(changed[row : row + 1], targets[row : row + 1]) for row in rows]
        gradients = [dy.reshape(-1)[column] for (_, dy), column in zip(results, columns[rows], strict=True)]
        return np.array([np.sum(value) for value, _ in results]), np.array(gradients)

    expect_sides("dy", at[rows], kinks, one_by_one(at[rows])[1], lambda values: one_by_one(values)[0], exact=False)


def _counts(case: LossCase, y: Array, target: Array) -> bool:
    """Tell whether a loss takes a row alone; if its label is ignored, it may have no mean."""
    try:
        case.run(y, target)
    except FnmlpError:
        return False
    return True


def _near(case: LossCase, y: Array, target: Array) -> tuple[Array, Array]:
    """Return the column of an output of each row, and the number that it is brought near to.

    This is its own target, or any of the row's if targets have another shape. Beside a label it is the label's output,
    here rounded to a quarter, so that another output of the same member can differ from it exactly.
    """
    rows, random = np.arange(len(y)), generator(fold_in(case.key, 16))
    columns = random.integers(y.shape[1], size=len(y))
    classes = case.example[-1] if case.example else 1
    if target.dtype.kind in "iu" and target.ndim == 1 < classes:
        label, first = np.clip(target, 0, classes - 1).astype(np.int64), columns - columns % classes
        middle = y[rows, first + label] = np.round(4 * y[rows, first + label]) / 4
        return first + (label + 1 + columns % (classes - 1)) % classes, middle
    numbers = target.reshape(len(y), -1)
    own = target.shape[1:] == case.example
    return columns, numbers[rows, columns if own else random.integers(numbers.shape[1], size=len(y))] * 1.0


@law("loss")
def what_does_not_fit_is_refused(case: LossCase) -> None:
    """Targets with another number of rows raise an FnmlpError; nothing is broadcast silently."""
    one = (case.target[:1],) if case.rows > 1 else ()
    for target in (case.target[:-1], *one, np.concatenate([case.target, case.target])):
        try:
            case.run(case.y, target)
        except FnmlpError:
            continue
        raise DifferenceFound(f"{len(target)} targets for {len(case.y)} outputs", "an FnmlpError", "a value")


@law("loss")
def an_empty_batch_has_no_mean(case: LossCase) -> None:
    """Over no rows a loss is 0 or raises an FnmlpError; it is never NaN."""
    try:
        value, dy = case.run(case.y[:0], case.target[:0])
    except FnmlpError:
        return
    if np.any(np.asarray(value) != 0) or dy.shape != case.y[:0].shape:
        raise DifferenceFound("value of an empty batch", "0 or an FnmlpError", value)


@law("loss")
def the_layout_of_memory_does_not_matter(case: LossCase) -> None:
    """Strided, reversed, Fortran-ordered, read-only and big-endian arrays give the results of plain ones."""
    value, dy = case.run(case.y, case.target)
    for name, change in LAYOUTS.items():
        other_value, other_dy = case.run(change(case.y), change(case.target))
        scale = 1000 * EPSILON
        expect_close(
            f"value of {name} arrays", np.asarray(value), np.asarray(other_value), scale * np.max(np.abs(value))
        )
        expect_close(f"dy of {name} arrays", dy, other_dy, scale * np.abs(dy).max(initial=0.0))


LOSS_LAWS: tuple[Law[LossCase], ...] = (
    dy_has_the_form_of_y,
    nothing_given_is_changed_or_shared,
    dy_equals_the_derivative_of_the_value,
    a_kink_has_the_slope_of_a_side,
    float32_stays_float32_and_close,
    what_does_not_fit_is_refused,
    an_empty_batch_has_no_mean,
    the_layout_of_memory_does_not_matter,
)
