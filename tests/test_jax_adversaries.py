"""Adversarial objectives in compiled steps."""

from functools import partial
from typing import Any

import attrs
import numpy as np
import pytest

import fnmlp as fn
from tests.steps import assert_close, draw, same_bits
from tests.sweep import each

jax = pytest.importorskip("jax", reason="JAX is not installed")
fold_epoch = pytest.importorskip("fnmlp.interop.jax").fold_epoch

LIKE, KEY = jax.numpy.zeros(()), fn.Key(3)
MODEL = fn.chain(fn.dropout(0.25), fn.linear(4), fn.tanh(), fn.linear(3))
START = fn.train_state(MODEL, fn.sgd(0.5), key=KEY, example=(5,))
DATA = fn.Batch(draw(0, (6, 5), np.float32), np.array([0, 1, 2, 2, 1, 0], np.int32), np.arange(6, dtype=np.float32))
ROUNDING = 2.0**-11
"""Of numbers near 1. The gradient of KL is small beside its terms, so that its direction keeps fewer digits."""


def by_norm(params: Any, data: fn.Batch, strength: Any) -> Any:
    options = {"epsilon": strength, "clean_weight": strength, "norm": "l2"}
    return fn.adversarial(MODEL, fn.cross_entropy, params, data, KEY, **options)


def virtual(params: Any, data: fn.Batch, strength: Any) -> Any:
    options = {"epsilon": strength, "weight": strength}
    return fn.virtual_adversarial(MODEL, fn.cross_entropy, params, data, KEY, **options)


@each("objective", [by_norm, virtual])
def test_a_compiled_objective_is_that_of_numpy_and_its_options_may_be_traced(objective: Any) -> None:
    compiled = jax.jit(jax.vmap(objective, (None, None, 0)))
    values, grads = compiled(*fn.to((START.params, DATA), like=LIKE), np.array([0.0, 0.5, -1.0], np.float32))
    for place, strength in enumerate((0.0, 0.5)):
        value, expected = objective(START.params, DATA, strength)
        found = fn.tree_map(lambda leaf, place=place: np.asarray(leaf[place]), grads)
        np.testing.assert_allclose(values[place], value, rtol=0, atol=ROUNDING)
        assert_close(found, expected, eps=ROUNDING * 2**23, at_least=1)
    assert np.isnan(values[2])


def test_an_epoch_draws_each_steps_first_direction_from_its_key() -> None:
    objective = partial(fn.virtual_adversarial, epsilon=1.5)
    step = partial(fn.train_step, MODEL, fn.cross_entropy, fn.sgd(0.5), objective=objective)
    epoch = partial(fold_epoch, step, data=DATA, size=3, key=fn.Key(1), epoch=0)
    state, losses = epoch(START)
    half, (first,) = epoch(START, stop=1)
    end, (second,) = epoch(half, start=1)
    assert same_bits((end.params, np.stack([first, second])), (state.params, np.asarray(losses)))
    _, (other,) = epoch(attrs.evolve(START, key=fn.Key(4)), stop=1)
    assert float(other) != float(first)
