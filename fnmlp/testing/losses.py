"""The laws of a loss: what its value and its gradient owe each other."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeAlias

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array, Shape
from fnmlp.errors import FnmlpError
from fnmlp.key import Key, fold_in
from fnmlp.losses import Loss
from fnmlp.testing.cases import LAYOUTS
from fnmlp.testing.numeric import EPSILON, find_discrepancy, normal
from fnmlp.testing.report import (
    DifferenceFound,
    Law,
    expect_close,
    expect_same_bits,
    expect_same_form,
    law,
)

DrawTarget: TypeAlias = Callable[[Key, Shape], Array]
"""(key, shape of y) -> targets: by default numbers like y."""


@frozen(slots=False, eq=False)
class LossCase:
    """One trial: a loss, the shape of an output, and a key that everything random in it comes from."""

    loss: Loss
    example: Shape
    key: Key
    rows: int = 3
    draw: Callable[[Key, Shape], Array] = normal
    draw_target: DrawTarget = normal

    @cached_property
    def y(self) -> Array:
        """Outputs in float64."""
        return self.draw(fold_in(self.key, 0), (self.rows, *self.example)).astype(np.float64)

    @cached_property
    def target(self) -> Array:
        """Targets, as the loss takes them; in float64 unless they are integers."""
        return self.draw_target(fold_in(self.key, 1), self.y.shape)

    def run(self, y: Array, target: Array) -> tuple[Any, Array]:
        """Return value and gradient."""
        return self.loss(y, target)


@law("loss")
def dy_has_the_form_of_y(case: LossCase) -> None:
    """The gradient has the shape and dtype of y, and the value is one real number or one for each row."""
    value, dy = case.run(case.y, case.target)
    expect_same_form("dy", case.y, dy)
    if np.shape(value) not in ((), (case.rows,)) or np.asarray(value).dtype.kind != "f":
        raise DifferenceFound("value", "a float, or one for each row", f"{type(value).__name__} {np.shape(value)}")


@law("loss")
def dy_equals_the_derivative_of_the_value(case: LossCase) -> None:
    """In float64 the gradient agrees with the complex step of the value within 50 eps of the sum of |g_i v_i|."""
    value, dy = case.run(case.y, case.target)
    cotangent = np.ones(np.shape(value))

    def of_y(y: Array) -> Array:
        return np.asarray(case.run(y, case.target.astype(y.dtype) if case.target.dtype.kind == "f" else case.target)[0])

    found = find_discrepancy(of_y, case.y, cotangent, dy, fold_in(case.key, 2), root="y")
    if found is not None:
        raise DifferenceFound(found.where, f"{found.numeric!r} (numeric)", f"{found.analytic!r} (analytic)")


@law("loss")
def nothing_given_is_changed_or_shared(case: LossCase) -> None:
    """Outputs and targets keep their bits, and the gradient shares memory with neither; calls repeat bit for bit."""
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
    """float32 in, float32 out, within 32 eps32 of the largest float64 element."""
    target = case.target.astype(np.float32) if case.target.dtype.kind == "f" else case.target
    y = case.y.astype(np.float32)
    _, dy = case.run(y, target)
    expect_same_form("dy", y, dy)
    _, reference = case.run(y.astype(np.float64), target.astype(np.float64) if target.dtype.kind == "f" else target)
    bound = 32 * float(np.finfo(np.float32).eps) * np.abs(reference).max(initial=0.0)
    expect_close("dy", reference, dy.astype(np.float64), bound)


@law("loss")
def what_does_not_fit_is_refused(case: LossCase) -> None:
    """Targets of another number of rows raise an FnmlpError; nothing is broadcast in silence."""
    for target in (case.target[:-1], case.target[:1], np.concatenate([case.target, case.target])):
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
    float32_stays_float32_and_close,
    what_does_not_fit_is_refused,
    an_empty_batch_has_no_mean,
    the_layout_of_memory_does_not_matter,
)
