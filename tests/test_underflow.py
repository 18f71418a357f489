"""Under numpy.seterr(all="raise") underflow isn't an error, and overflow still is."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest

import fnmlp as fn
from fnmlp.rules import on_numbers
from tests.catalogue import INITIALIZERS, LAYERS, LOSSES, METRICS, OPTIMIZERS, Specimen
from tests.specimens import LossSpecimen, MetricSpecimen, OptimizerSpecimen
from tests.sweep import each

MAGNITUDES = (1e-45, 1e-38, 1e-20, 1.0, 110.0, 1e3, 1e10, 1e30)
"""From the smallest float32 to where squares overflow in it; exp(-110) underflows in float32, exp(-1000) in float64."""

DTYPES = each("dtype", [np.float32, np.float64])


def bits(tree: Any) -> list[bytes]:
    """Return the bytes of all leaves, NaN and signs of 0 among them."""
    return [np.asarray(leaf).tobytes() for leaf in fn.tree_leaves(tree)]


def same_bits_when_underflow_raises(compute: Callable[[], Any]) -> None:
    """Compare what is computed while underflow raises with what is computed while nothing does."""
    with np.errstate(all="ignore"):
        expected = compute()
        np.seterr(under="raise")
        before = np.geterr()
        got = compute()
        assert np.geterr() == before
    assert bits(got) == bits(expected)


def scaled(x: NDArray[Any], magnitude: float, dtype: Any) -> NDArray[Any]:
    """Multiply floats; NumPy may warn or raise."""
    with np.errstate(all="ignore"):
        return (x * magnitude).astype(dtype) if x.dtype.kind == "f" else x


@DTYPES
@each("specimen", LAYERS)
def test_underflow_stops_no_layer(specimen: Specimen, dtype: Any) -> None:
    params, x, dy = specimen.point(0, 5, dtype)
    key = fn.Key(1) if specimen.noisy else None
    for magnitude in MAGNITUDES:
        inputs = scaled(x, magnitude, dtype)
        for cotangent in (scaled(dy, 1.0, dtype), scaled(dy, 1e-40, dtype)):

            def both(inputs: Any = inputs, cotangent: Any = cotangent) -> Any:
                y, pullback = specimen.layer.vjp(params, inputs, key)
                grads, delayed_dx = pullback(cotangent)
                return specimen.layer.apply(params, inputs), y, grads, delayed_dx()

            same_bits_when_underflow_raises(both)


@DTYPES
@each("specimen", LOSSES)
def test_underflow_stops_no_loss(specimen: LossSpecimen, dtype: Any) -> None:
    for magnitude in MAGNITUDES:
        y = scaled(fn.generator(fn.Key(3)).standard_normal((6, 4)), magnitude, dtype)
        same_bits_when_underflow_raises(partial(specimen.loss, y, specimen.targets(y, 0)))


@each("specimen", METRICS)
def test_underflow_stops_no_metric(specimen: MetricSpecimen) -> None:
    y, target = specimen.point((6, 4), 0)
    for magnitude in (1e-300, 1e-160, 1.0):
        smaller = scaled(y, magnitude, np.float64)
        same_bits_when_underflow_raises(partial(specimen.metric, smaller, scaled(target, magnitude, np.float64)))


@DTYPES
@each("specimen", OPTIMIZERS)
def test_underflow_stops_no_optimizer(specimen: OptimizerSpecimen, dtype: Any) -> None:
    update = specimen.optimizer.update
    for magnitude in (1e-45, 1e-30, 1e-20, 1.0, 1e15):
        params = (scaled(np.ones((3, 2)), 1.0, dtype), scaled(np.ones(2), magnitude, dtype))
        grads = fn.tree_map(
            lambda p, m=magnitude: scaled(fn.generator(fn.Key(4)).standard_normal(p.shape), m, dtype), params
        )
        still = fn.tree_map(np.zeros_like, params)

        def steps(params: Any = params, grads: Any = grads, still: Any = still) -> Any:
            state = specimen.optimizer.init(params)
            for step in range(40):
                params, state = update(params, still if step % 3 else grads, state)
            return params, state

        same_bits_when_underflow_raises(steps)


@each(("name", "initializer"), INITIALIZERS)
def test_underflow_stops_no_initializer(name: str, initializer: Any) -> None:
    assert name
    same_bits_when_underflow_raises(lambda: initializer(fn.Key(0), (5, 3), (5, 3)))


@each("optimizer", [fn.sgd(0.1), fn.sgd(0.1, momentum=0.9), fn.adam(1e-3), fn.accumulated(fn.adam(0.1), steps=2)])
def test_a_training_run_under_raise_has_the_bits_of_one_that_ignores(optimizer: fn.Optimizer) -> None:
    """The bug: exp and products that underflow raised; and gradients that were spent once must not be used again."""
    model = fn.chain(
        fn.scale(1e-20), fn.linear(8), fn.gelu(), fn.layer_norm(), fn.sigmoid(), fn.linear(3), fn.softmax()
    )
    data = fn.Batch(scaled(fn.generator(fn.Key(2)).standard_normal((32, 5)), 1e20, np.float32), np.arange(32) % 3)
    step = partial(fn.train_step, model, fn.on_labels(fn.mse), optimizer)

    def run() -> Any:
        state = fn.train_state(model, optimizer, key=fn.Key(0), example=(5,))
        tiny = fn.tree_map(lambda p: scaled(p, 1e-30, np.float32), state.params)
        state = fn.TrainState(0, tiny, optimizer.init(tiny), state.key, 0.0)
        for batch in fn.batches(data, size=8, key=fn.Key(1), epoch=0):
            state = step(state, batch)
        return state, fn.evaluate(model, fn.on_labels(fn.mse), state.params, data)

    same_bits_when_underflow_raises(run)


def test_an_overflow_is_still_an_error() -> None:
    x = np.full((1, 2), 1e30, np.float32)
    with np.errstate(all="raise"):
        with pytest.raises(FloatingPointError, match="overflow"):
            fn.mse(x, np.zeros_like(x))
        with pytest.raises(FloatingPointError, match="overflow"):
            fn.adam(0.1).update((x,), (x,), fn.adam(0.1).init((x,)))


@each("under", ["raise", "ignore"])
def test_a_step_that_overflows_is_not_taken_twice_for_ever(under: Any) -> None:
    model, optimizer = fn.linear(1), fn.sgd(0.1)
    state = fn.train_state(model, optimizer, key=fn.Key(0), example=(2,))
    big = np.full((4, 2), 1e30, np.float32)
    with np.errstate(over="raise", under=under), pytest.raises(FloatingPointError, match="overflow"):
        fn.train_step(model, fn.mse, optimizer, state, fn.Batch(big, np.zeros((4, 1), np.float32)))


def test_a_rule_with_options_is_tried_again_with_them() -> None:
    @on_numbers
    def rule(x: Any, *, factor: float) -> Any:
        return x * factor

    with np.errstate(all="raise"):
        assert rule(np.array([1e-300]), factor=1e-300).tolist() == [0.0]
    with pytest.raises(fn.DtypeError, match="rule: expected an array, got list"):
        rule([1.0], factor=0.5)
