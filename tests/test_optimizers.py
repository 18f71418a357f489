"""Optimisers: the formula, the dtype of the parameters, and refusals of gradients that do not fit."""

from typing import Any

import numpy as np
import pytest

from fnmlp.errors import DtypeError, FnmlpError, OptionError, ShapeError, StructureError
from fnmlp.layers import Linear
from fnmlp.optimizers import averaged, averaged_params, sgd, sgd_update
from fnmlp.tree import tree_leaves, tree_map
from tests.catalogue import OPTIMIZERS
from tests.specimens import OptimizerSpecimen
from tests.steps import draw, same_bits

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


def test_the_average_is_the_fading_mean_of_the_parameters_that_were() -> None:
    params, optimizer = (np.array([4.0, -1.0]),), averaged(sgd(0.25), decay=0.75)
    state, numbers, means = optimizer.init(params), [4.0, -1.0], [4.0, -1.0]
    for _ in range(20):
        params, state = optimizer.update(params, params, state)
        numbers = [p - 0.25 * p for p in numbers]
        means = [0.75 * mean + 0.25 * p for mean, p in zip(means, numbers, strict=True)]
        np.testing.assert_allclose(averaged_params(state)[0], means, rtol=1e-14)


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
