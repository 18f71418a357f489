"""Optimisers: the formula, the dtype of the parameters, and refusals of gradients that do not fit."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.errors import DtypeError, FnmlpError, OptionError, ShapeError, StructureError
from fnmlp.layers import Linear
from fnmlp.optimizers import sgd, sgd_update
from fnmlp.optimizers.arithmetic import fade
from fnmlp.tree import tree_leaves, tree_map
from tests.catalogue import OPTIMIZERS
from tests.specimens import OptimizerSpecimen
from tests.steps import draw, same_bits
from tests.updates import run

over_optimizers = pytest.mark.parametrize("specimen", OPTIMIZERS, ids=repr)
over_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def linear_tree(seed: int, dtype: Any) -> tuple[Linear, ...]:
    return (Linear(draw(seed, (3, 2), dtype), draw(seed + 1, (2,), dtype)), Linear(draw(seed + 2, (2, 1), dtype), ()))


@over_dtypes
def test_sgd_is_the_formula_to_the_bit(dtype: Any) -> None:
    params, grads = linear_tree(0, dtype), linear_tree(5, dtype)
    found, state = sgd(0.3).update(params, grads, sgd(0.3).init(params))
    assert same_bits(found, tree_map(lambda p, g: p - dtype(0.3) * g, params, grads))
    assert same_bits(found, sgd_update(params, grads, rate=0.3))
    assert state == ()


@over_optimizers
@over_dtypes
def test_an_update_keeps_structure_shapes_and_dtypes(specimen: OptimizerSpecimen, dtype: Any) -> None:
    # A rate of type np.float64 promotes float32 parameters to float64 in silence.
    params, optimizer = linear_tree(0, dtype), specimen.optimizer
    updated, _ = optimizer.update(params, linear_tree(5, dtype), optimizer.init(params))
    alike = tree_map(lambda p, q: (p.shape, p.dtype) == (q.shape, q.dtype), params, updated)
    assert all(tree_leaves(alike))


@over_optimizers
def test_a_gradient_of_0_changes_nothing_but_what_decays(specimen: OptimizerSpecimen) -> None:
    params, optimizer = (draw(0, (3, 2), np.float32), draw(1, (2,), np.float32)), specimen.optimizer
    updated, _ = optimizer.update(params, tree_map(np.zeros_like, params), optimizer.init(params))
    if specimen.shrinks:
        assert 0 < np.abs(updated[0]).sum() < np.abs(params[0]).sum()
    else:
        assert same_bits(updated, params)


@over_optimizers
def test_steps_go_downhill_to_the_bottom(specimen: OptimizerSpecimen) -> None:
    params, optimizer = (np.array([[4.0], [-3.0]]),), specimen.optimizer
    state = optimizer.init(params)
    for _ in range(300):
        params, state = optimizer.update(params, params, state)
    assert np.abs(params[0]).max() < 1.0


@pytest.mark.parametrize("rate", [0, -0.1, float("nan"), float("inf"), None, "0.1"], ids=repr)
def test_a_rate_that_is_not_positive_is_refused_at_the_door(rate: Any) -> None:
    with pytest.raises(OptionError, match=r"sgd\(rate\)"):
        sgd(rate)
    with pytest.raises(OptionError, match=r"sgd_update\(rate\)"):
        sgd_update((np.ones(1),), (np.ones(1),), rate=rate)


@pytest.mark.parametrize(
    ("grad", "kind"),
    [
        (np.ones((1, 3), np.float32), ShapeError),
        (np.ones(1, np.float32), ShapeError),
        (np.ones((), np.float32), ShapeError),
        (np.ones(3, np.float64), DtypeError),
        (np.ones(3, np.int32), DtypeError),
        ((np.ones(3, np.float32),), StructureError),
        ((), StructureError),
    ],
)
def test_a_gradient_that_does_not_fit_is_refused_and_not_broadcast(grad: Any, kind: type[FnmlpError]) -> None:
    with pytest.raises(kind):
        sgd_update((np.ones(3, np.float32),), (grad,), rate=0.1)


def test_byte_order_is_no_difference() -> None:
    params, grads = draw(0, (3,), np.float32), draw(1, (3,), np.float32)
    found = sgd_update((params.astype(">f4"),), (grads,), rate=0.5)
    assert same_bits(found, sgd_update((params,), (grads,), rate=0.5))


TINY = float(np.finfo(np.float32).smallest_normal)


@pytest.mark.parametrize(
    "make",
    [
        partial(fn.sgd, 0.1, momentum=1.0),
        partial(fn.sgd, 0.1, momentum=0.9, dampening=-0.1),
        partial(fn.sgd, 0.1, nesterov=True),
        partial(fn.sgd, 0.1, momentum=0.9, dampening=0.1, nesterov=True),
        partial(fn.adam, 0),
        partial(fn.adam, 0.1, betas=(0.9, 1.0)),
        lambda: fn.adam(0.1, betas=0.9),  # type: ignore[arg-type]
        lambda: fn.adam(0.1, betas=(0.9,)),  # type: ignore[arg-type]
        partial(fn.adam, 0.1, epsilon=0),
        partial(fn.adamw, 0.1, weight_decay=-0.1),
        partial(fn.adamw, 0.5, weight_decay=2.0),
        partial(fn.rmsprop, 0.1, decay=1.0),
        partial(fn.adagrad, 0.1, initial=-1.0),
        partial(fn.lion, -0.1),
        partial(fn.clip_by_value, 0),
        partial(fn.clip_by_global_norm, 1.0, epsilon=-1),
        partial(fn.weight_decay, float("inf")),
        partial(fn.accumulated, fn.sgd(0.1), steps=0),
        partial(fn.averaged, fn.sgd(0.1), decay=1.0),
        partial(fn.max_norm, fn.sgd(0.1), limit=-1),
    ],
)
def test_options_out_of_range_are_refused_at_the_door(make: Callable[[], object]) -> None:
    with pytest.raises(OptionError):
        make()


@pytest.mark.parametrize(
    "optimizer",
    [
        fn.adam(0.1),
        fn.adagrad(0.1),
        fn.rmsprop(0.1),
        fn.lion(0.1),
        fn.sgd(0.1, momentum=0.9),
        fn.accumulated(fn.sgd(0.1), steps=2),
        fn.compose(fn.weight_decay(0.1), fn.sgd(0.1)),
    ],
)
@pytest.mark.parametrize(("grad", "kind"), [(np.ones((1, 3), np.float32), ShapeError), (np.ones(3), DtypeError)])
def test_a_gradient_that_does_not_fit_is_refused(optimizer: fn.Optimizer, grad: Any, kind: type[FnmlpError]) -> None:
    params = (np.ones(3, np.float32),)
    with pytest.raises(kind):
        optimizer.update(params, (grad,), optimizer.init(params))


@pytest.mark.parametrize("make", [fn.adam, partial(fn.sgd, momentum=0.9), fn.lion, fn.rmsprop])
def test_sums_of_gradients_that_have_died_become_0_and_not_subnormal(make: Any) -> None:
    # Subnormal moments are slow to compute with, and k · 0.9 rounds to k there: they would stay for ever.
    params, grad = (np.ones(64, np.float32),), (np.full(64, 1e-30, np.float32),)
    optimizer = make(0.1)
    params, state = run(optimizer, [grad] + [(np.zeros(64, np.float32),)] * 999, params)
    left = [leaf for leaf in tree_leaves(state) if isinstance(leaf, np.ndarray)]
    assert not any(((leaf != 0) & (abs(leaf) < TINY)).any() for leaf in left)


def test_fading_flushes_only_what_is_tiny_and_keeps_nan() -> None:
    total = np.array([1.0, 1e-36, -1e-36, 1e-33, np.nan, -np.inf], np.float32)
    kept = fade(total, 1.0, np.zeros_like(total), 64)
    np.testing.assert_array_equal(kept, np.array([1.0, 0.0, 0.0, 1e-33, np.nan, -np.inf], np.float32))
    np.testing.assert_array_equal(fade(total, 1.0, np.zeros_like(total), 65), total)
