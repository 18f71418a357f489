"""Optimisers that accumulate, skip or divide gradients: waiting ones aren't lost, and infinite ones leave no trace."""

from functools import partial, reduce
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.errors import DtypeError, OptionError, ShapeError, StructureError
from fnmlp.tree import tree_equal, tree_leaves
from tests.steps import draw, same_bits
from tests.updates import run

MODEL = fn.chain(fn.linear(3), fn.tanh(), fn.linear(2))
DATA = fn.Batch(draw(0, (20, 4)), draw(1, (20, 2)))


def rows(first: int, last: int) -> fn.Batch:
    return fn.Batch(DATA.inputs[first:last], DATA.targets[first:last])


def trained(optimizer: fn.Optimizer, *batches: fn.Batch) -> fn.TrainState:
    state = fn.train_state(MODEL, optimizer, key=fn.Key(0), example=(4,), dtype="float64")
    return reduce(partial(fn.train_step, MODEL, fn.mse, optimizer), batches, state)


@pytest.mark.parametrize("inner", [fn.sgd(0.5), fn.adam(0.1), fn.averaged(fn.sgd(0.5, momentum=0.5))], ids=range(3))
def test_the_remainder_of_a_run_is_the_step_of_one_large_batch(inner: fn.Optimizer) -> None:
    # The gradients of the last group were never used: 5 batches in groups of 3 trained on 3.
    optimizer = fn.accumulated(inner, steps=3)
    small = trained(optimizer, *(rows(i, i + 4) for i in range(0, 20, 4)))
    found = fn.apply_remainder(optimizer, small)
    expected = trained(inner, rows(0, 12), rows(12, 20))
    for a, b in zip(tree_leaves(found.params), tree_leaves(expected.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-14)
    assert not tree_equal(found.params, small.params)
    assert (found.step, found.optimizer_state.held) == (5, 0)


def test_where_nothing_waits_nothing_moves() -> None:
    optimizer = fn.accumulated(fn.adam(0.1), steps=2)
    full = trained(optimizer, rows(0, 4), rows(4, 8))
    again = fn.apply_remainder(optimizer, full)
    assert tree_equal((again.params, again.optimizer_state), (full.params, full.optimizer_state))


@pytest.mark.parametrize("optimizer", [fn.sgd(0.1), fn.averaged(fn.accumulated(fn.sgd(0.1), steps=2))], ids=range(2))
def test_a_remainder_that_cannot_be_found_is_not_dropped_in_silence(optimizer: fn.Optimizer) -> None:
    with pytest.raises(StructureError, match="accumulated"):
        fn.apply_remainder(optimizer, trained(optimizer, rows(0, 4)))


PARAMS = (np.array([1.0, 2.0]), np.array([3.0]))
GOOD = (np.array([0.5, -1.0]), np.array([2.0]))
BAD = [(np.array([0.5, number]), np.array([2.0])) for number in (np.inf, -np.inf, np.nan)]


@pytest.mark.parametrize("bad", BAD, ids=["inf", "-inf", "nan"])
@pytest.mark.parametrize("inner", [fn.sgd(0.5), fn.adam(0.1), fn.nadam(0.1)], ids=["sgd", "adam", "nadam"])
def test_a_gradient_that_is_not_finite_leaves_no_trace_but_a_count(bad: Any, inner: fn.Optimizer) -> None:
    optimizer = fn.apply_if_finite(inner, max_consecutive_errors=3)
    moved, state = run(optimizer, [GOOD, bad, bad, GOOD, bad], PARAMS)
    expected, after = run(inner, [GOOD, GOOD], PARAMS)
    assert same_bits(moved, expected)
    assert tree_equal(state.inner, after)
    assert (state.skipped, state.in_a_row) == (3, 1)


def test_a_run_that_cannot_recover_shows_it() -> None:
    optimizer = fn.apply_if_finite(fn.sgd(0.5), max_consecutive_errors=2)
    params, state = run(optimizer, [BAD[2]] * 2, PARAMS)
    assert np.isfinite(params[0]).all()
    params, state = optimizer.update(params, BAD[2], state)
    assert np.isnan(params[0]).tolist() == [False, True]
    assert (state.skipped, state.in_a_row) == (2, 2)


def test_a_skipped_step_still_refuses_what_does_not_fit() -> None:
    optimizer = fn.apply_if_finite(fn.sgd(0.5), max_consecutive_errors=2)
    with pytest.raises(ShapeError):
        run(optimizer, [(np.array([np.nan]), np.array([2.0]))], PARAMS)
    with pytest.raises(DtypeError):
        run(optimizer, [(np.array([np.nan, 1], np.float32), np.array([2.0]))], PARAMS)
    with pytest.raises(OptionError):
        fn.apply_if_finite(fn.sgd(0.5), max_consecutive_errors=0)


def test_each_parameter_is_moved_by_its_own_optimiser() -> None:
    params = fn.chain(fn.linear(3), fn.linear(2)).init(fn.Key(0), (4,))[0]
    grads = fn.tree_map(np.ones_like, params)
    both = fn.partitioned(fn.adam(0.1), fn.adamw(0.5, only=fn.is_weight), only=fn.is_weight)
    moved, state = both.update(params, grads, both.init(params))
    adam, faster = (one.update(params, grads, one.init(params))[0] for one in (fn.adam(0.1), fn.adam(0.5)))
    assert same_bits(tuple(layer.weight for layer in moved), tuple(layer.weight for layer in adam))
    assert same_bits(tuple(layer.bias for layer in moved), tuple(layer.bias for layer in faster))
    assert len(tree_leaves(state.first.trees)) == 4


def test_muon_takes_matrices_alone_and_says_what_to_do_with_the_rest() -> None:
    params, optimizer = (np.ones(3),), fn.muon(0.1)
    with pytest.raises(ShapeError, match=r"muon: expected a matrix, got \(3,\); .*partitioned"):
        optimizer.update(params, (np.ones(3),), optimizer.init(params))


@pytest.mark.parametrize(
    "make",
    [
        partial(fn.nadam, 0.1, momentum_decay=-1),
        partial(fn.radam, 0.1, betas=(1.0, 0.9)),
        partial(fn.adamax, 0.1, epsilon=0),
        partial(fn.adadelta, 0),
        partial(fn.adadelta, decay=1),
        partial(fn.lamb, 0.1, weight_decay=-1),
        partial(fn.muon, 0.1, momentum=1),
        partial(fn.muon, 0.1, ns_steps=0),
        partial(fn.muon, 0.1, ns_coefficients=(1.0, 2.0)),  # type: ignore[arg-type]
        partial(fn.muon, 0.1, ns_coefficients=(1.0, 2.0, float("nan"))),
        partial(fn.muon, 0.5, weight_decay=2.0),
    ],
)
def test_options_out_of_range_are_refused_at_the_door(make: Any) -> None:
    with pytest.raises(OptionError):
        make()


@pytest.mark.parametrize("zero", [0, 1], ids=["parameters", "gradients"])
def test_lamb_steps_by_its_rate_where_a_length_is_0(zero: int) -> None:
    params, grads = [(np.zeros(2),) if zero == place else (np.array([3.0, -4.0]),) for place in (0, 1)]
    moved, _ = fn.lamb(0.5).update(params, grads, fn.lamb(0.5).init(params))
    expected = params[0] if zero else -0.5 * np.sign(grads[0])
    np.testing.assert_allclose(moved[0], expected, atol=1e-6)
