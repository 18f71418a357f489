"""The kit takes targets of any kind: labels, ignored ones, counts, and those of another shape than the outputs."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.testing import LawBrokenError, check_loss
from fnmlp.testing.numeric import normal
from tests.catalogue import LOSSES
from tests.specimens import LossSpecimen, labels_like, some_ignored
from tests.sweep import each


@each("specimen", [one for one in LOSSES if one.formula and one.name != "over_members(log_cosh)"])
def test_every_loss_keeps_the_laws_over_members(specimen: LossSpecimen) -> None:
    # The kit took the members for the features, and stopped in itself.
    loss = fn.over_members(specimen.loss)
    check_loss(loss, (3, 4), draw_target=partial(without_members, specimen.draw), kinks=specimen.kinks, trials=1)


def without_members(draw: Any, key: fn.Key, shape: fn.Shape) -> fn.Array:
    drawn: fn.Array = draw(key, (shape[0], *shape[2:]))
    return drawn


@each("weights", [(), (1.0, 2.0, 0.5, 3.0)])
@each("loss", [fn.cross_entropy, fn.nll, fn.focal])
def test_a_loss_that_ignores_a_label_keeps_the_laws(loss: Any, weights: Any) -> None:
    # The kit took the ignored label for the number of an output.
    check_loss(partial(loss, ignore_label=255, class_weights=weights), (4,), draw_target=some_ignored, trials=2)


def squares_of(column: Callable[[fn.Array], fn.Array], y: fn.Array, target: fn.Array) -> Any:
    if len(y) != len(target):
        raise fn.ShapeError("squares", f"{len(y)} targets", len(target), "give one for each row")
    off = y[:, 0] - column(target).astype(y.dtype)
    return (off * off).sum(), 2 * off[:, None] * np.eye(1, y.shape[1], dtype=y.dtype)


@each(
    ("column", "example", "draw"),
    [
        (lambda target: target[:, 1], (1,), lambda key, shape: normal(key, (shape[0], 2))),
        (lambda target: target[:, 1, 1], (3,), lambda key, shape: normal(key, (shape[0], 2, 2))),
        (lambda target: target, (1,), lambda key, shape: fn.generator(key).poisson(5.0, shape[0])),
        (lambda target: target, (3,), lambda key, shape: fn.generator(key).poisson(5.0, shape[0])),
        (lambda target: target[:, 1], (3,), lambda key, shape: fn.generator(key).integers(0, 9, (shape[0], 2))),
        (lambda target: 1.0 * target, (1,), lambda key, shape: normal(key, shape[:1]) > 0),
    ],
)
def test_targets_may_have_another_shape_than_outputs(column: Any, example: fn.Shape, draw: Any) -> None:
    check_loss(partial(squares_of, column), example, draw_target=draw, trials=2)


def test_a_wrong_slope_at_a_kink_is_found_in_each_member() -> None:
    def wrong(loss: Any, at: float, y: fn.Array, target: fn.Array, *, sample_weights: Any = ()) -> Any:
        value, dy = loss(y, target, sample_weights=sample_weights)
        off = y - (y[np.arange(len(y)), target][:, None] if target.ndim == 1 else target)
        return value, np.where(off == at, 2, dy).astype(y.dtype)

    for loss, kink, draw in ((fn.l1, 0.0, normal), (fn.hinge, -1.0, labels_like)):
        with pytest.raises(LawBrokenError, match="a kink has the slope of a side"):
            check_loss(
                fn.over_members(partial(wrong, loss, kink)),
                (3, 4),
                draw_target=partial(without_members, draw),
                kinks=(kink,),
            )
