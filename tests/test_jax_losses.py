"""Losses on JAX: every law of the kit there; what can't be checked while JAX traces becomes NaN; metrics."""

from functools import partial
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.losses import Loss
from tests.catalogue import LOSSES
from tests.specimens import LossSpecimen
from tests.steps import assert_close, draw
from tests.sweep import each

jax = pytest.importorskip("jax", reason="these laws are checked on JAX's arrays")

NORMAL = 0
"""The seed of the kit's trial of normally distributed numbers."""


@each("specimen", [specimen for specimen in LOSSES if specimen.formula is not None or specimen.torch is not None])
def test_each_loss_keeps_every_law_on_jax(specimen: LossSpecimen) -> None:
    """The bugs: targets and sums of weights that were read while JAX traced."""
    specimen.check(on="jax", seed=NORMAL, trials=1)


def test_all_options_of_losses_are_compiled_and_differentiated() -> None:
    """One function of all losses, because each compilation costs a tenth of a second."""
    y = draw(0, (5, 4), np.float32)
    targets = [specimen.targets(y, 1) for specimen in LOSSES]

    def every(y: Any, targets: list[Any]) -> list[Any]:
        found = []
        for specimen, target in zip(LOSSES, targets, strict=True):
            (_, both), derived = jax.value_and_grad(partial(total, specimen.loss), has_aux=True)(y, target)
            found.append((*both, derived))
        return found

    for specimen, target, found in zip(LOSSES, targets, compiled(every)(y, targets), strict=True):
        value, dy = specimen.loss(y, target)
        assert_close(found, (np.asarray(value), dy, dy), at_least=1)


@pytest.mark.no_cover  # others run the same lines
def test_vmap_runs_losses_over_batches() -> None:
    y = draw(0, (2, 5, 4), np.float32)
    targets = [np.stack([specimen.targets(one, seed) for seed, one in enumerate(y)]) for specimen in LOSSES]

    def every(y: Any, targets: list[Any]) -> list[Any]:
        return [specimen.loss(y, target) for specimen, target in zip(LOSSES, targets, strict=True)]

    for specimen, target, found in zip(LOSSES, targets, compiled(jax.vmap(every))(y, targets), strict=True):
        each_batch = [specimen.loss(*batch) for batch in zip(y, target, strict=True)]
        assert_close(found, tuple(map(np.stack, zip(*each_batch, strict=True))), at_least=1)


def total(loss: Loss, y: Any, target: Any) -> tuple[Any, Any]:
    value, dy = loss(y, target)
    return value.sum(), (value, dy)


def compiled(function: Any) -> Any:
    """Compile without the optimizations that take the most time."""
    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})


Y = draw(0, (3, 4), np.float32)
LABELS = np.array([0, 3, 1])
SHARES = np.full((3, 4), 0.25, np.float32)
WEIGHTS = np.array([1.0, 2.0, 0.5], np.float32)


def changed(x: Any, place: tuple[int, ...], value: float) -> Any:
    copy = np.array(x)
    copy[place] = value
    return copy


BAD_ROWS: dict[str, tuple[Loss, Any, Any]] = {
    **{
        f"{loss.__name__}, label {label}": (loss, changed(LABELS, (1,), label), ())
        for loss in (fn.cross_entropy, fn.nll, fn.focal, fn.hinge)
        for label in (-1, 4)
    },
    "on_labels(mse), label 4": (fn.on_labels(partial(fn.mse, reduction="none")), changed(LABELS, (1,), 4), ()),
    **{
        f"{loss.__name__}, {name}": (loss, changed(SHARES, (1, 2), share), ())
        for loss in (fn.cross_entropy, fn.kl)
        for name, share in (("a sum of 2", 1.25), ("a negative share", -0.25), ("NaN", np.nan))
    },
    **{
        f"{loss.__name__}, target {target}": (loss, changed(SHARES, (1, 2), target), ())
        for loss in (fn.binary_cross_entropy, fn.binary_focal)
        for target in (-0.5, 1.5, np.nan)
    },
    **{
        f"{loss.__name__}, weight {weight}": (loss, target, changed(WEIGHTS, (1,), weight))
        for loss, target in ((fn.mse, SHARES), (fn.cross_entropy, LABELS))
        for weight in (-1.0, np.inf, np.nan)
    },
}
"""Losses with targets and weights of which row 1 would be refused."""


def test_a_row_that_would_be_refused_costs_nan_while_traced_and_no_other_row_does() -> None:
    """One function of all cases, because each compilation costs a tenth of a second."""

    def every(y: Any, given: dict[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
        found = {}
        for name, (target, weights) in given.items():
            loss = BAD_ROWS[name][0]
            options: Any = {} if isinstance(loss, partial) else {"reduction": "none", "sample_weights": weights}
            found[name] = loss(y, target, **options)
        return found

    found = compiled(every)(Y, {name: (target, weights) for name, (_, target, weights) in BAD_ROWS.items()})
    for name, (value, dy) in found.items():
        assert np.isnan(value).tolist() == [False, True, False], name
        assert np.isnan(dy).any(axis=1).tolist() == [False, True, False], name
    for name, (loss, target, weights) in BAD_ROWS.items():
        options: Any = {} if isinstance(weights, tuple) else {"sample_weights": weights}
        with pytest.raises(fn.DataError):
            loss(Y, target, **options)
        with pytest.raises(fn.DataError):
            loss(*map(jax.numpy.asarray, (Y, target)), **options)
        assert name in found


def test_a_mean_over_weights_of_0_is_nan_while_traced() -> None:
    nothing = 0 * WEIGHTS

    def every(y: Any, weights: Any, by_class: Any) -> Any:
        smooth = partial(fn.cross_entropy, label_smoothing=0.5)
        return (
            fn.mse(y, SHARES, sample_weights=weights),
            fn.cross_entropy(y, LABELS, sample_weights=weights),
            fn.nll(y, LABELS, class_weights=by_class),
            smooth(y, LABELS, class_weights=by_class),
        )

    for value, dy in compiled(every)(Y, nothing, np.array([0.0, 0.0, 1.0, 0.0], np.float32)):
        assert np.isnan(value)
        assert np.isnan(dy).all(axis=1).all()
    with pytest.raises(fn.DataError, match="sum above 0"):
        fn.mse(*map(jax.numpy.asarray, (Y, SHARES)), sample_weights=jax.numpy.asarray(nothing))


def test_constants_of_a_traced_function_are_traced_too() -> None:
    """The bug: labels that a compiled function closes over were taken for numbers that can be read."""
    labels, shares, weights = map(jax.numpy.asarray, (LABELS, SHARES, WEIGHTS))

    def every(y: Any) -> Any:
        return (
            fn.cross_entropy(y, labels, sample_weights=weights),
            fn.kl(y, shares),
            fn.binary_cross_entropy(y, shares),
            fn.nll(y, labels, class_weights=(1.0, 2.0, 3.0, 4.0)),
        )

    assert_close(compiled(every)(Y), tuple(tuple(map(np.asarray, one)) for one in every(Y)))


def test_weights_that_a_traced_function_is_made_with_are_checked_at_once() -> None:
    for loss in (partial(fn.nll, class_weights=(1.0, -2.0, 3.0, 4.0)), partial(fn.mse, sample_weights=-WEIGHTS)):
        target = LABELS if loss.func is fn.nll else SHARES
        with pytest.raises(fn.DataError, match="at least 0"):
            jax.jit(loss)(Y, target)


def test_a_label_out_of_range_is_nan_for_one_hot_rows() -> None:
    found = np.asarray(jax.jit(partial(fn.one_hot, classes=3))(np.array([0, 3, -1])))
    assert np.isnan(found).all(axis=1).tolist() == [False, True, True]
    assert found[0].tolist() == [1.0, 0.0, 0.0]


TRACED: dict[str, tuple[Any, Any, float, float]] = {
    "delta": (fn.huber, SHARES, 0.5, -0.5),
    "gamma": (fn.focal, LABELS, 1.5, -1.0),
    "margin": (fn.hinge, LABELS, 0.75, np.inf),
    "label_smoothing": (fn.cross_entropy, LABELS, 0.25, 1.0),
    "pos_weight": (fn.binary_cross_entropy, SHARES, 2.0, -1.0),
    "alpha": (fn.binary_focal, SHARES, 0.75, 1.25),
}
"""Losses, targets, and an option that JAX may trace, with a number in its range and one outside it."""


def test_options_of_losses_may_be_traced_and_give_nan_out_of_range() -> None:
    def every(y: Any, numbers: dict[str, Any]) -> dict[str, Any]:
        return {name: TRACED[name][0](y, TRACED[name][1], **{name: number}) for name, number in numbers.items()}

    run = compiled(every)
    good, bad = (run(Y, {name: np.float32(row[place]) for name, row in TRACED.items()}) for place in (2, 3))
    for name, (loss, target, number, wrong) in TRACED.items():
        value, dy = loss(Y, target, **{name: number})
        assert_close(good[name], (np.asarray(value), dy), at_least=1)
        assert np.isnan(bad[name][0]), name
        assert name == "margin" or np.isnan(bad[name][1]).any(), name  # whatever the margin, hinge counts classes
        with pytest.raises(fn.OptionError, match=name):
            loss(Y, target, **{name: wrong})
