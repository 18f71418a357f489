"""Weights of rows, from batch to metric: weight 2 counts like two rows, weight 0 like none."""

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest

import fnmlp as fn
from fnmlp.errors import DataError, DtypeError, FnmlpError, OptionError, ShapeError
from fnmlp.weights import with_weights
from tests.catalogue import LOSSES, METRICS
from tests.specimens import LossSpecimen, MetricSpecimen, labels_like
from tests.steps import draw, seeds
from tests.sweep import each

CLASSES = 4
TIMES = np.array([2, 0, 3, 1, 0, 1])
"""How often each row of a batch counts."""
OFTEN = np.repeat(np.arange(6), TIMES)
ROUNDING = 1e-13
"""Sums of a dozen terms in float64, in another order."""
MODEL = fn.chain(fn.linear(5), fn.tanh(), fn.linear(CLASSES))
WEIGHED = fn.Batch(draw(1, (6, 3)), np.array([0, 3, 1, 1, 2, 0]), TIMES)
REPEATED = fn.Batch(WEIGHED.inputs[OFTEN], WEIGHED.targets[OFTEN])
PARAMS = fn.train_state(MODEL, fn.sgd(0.5), key=fn.Key(0), example=(3,), dtype="float64").params


def close(found: Any, expected: Any) -> None:
    for ours, other in zip(fn.tree_leaves(found), fn.tree_leaves(expected), strict=True):
        np.testing.assert_allclose(ours, other, rtol=ROUNDING, atol=ROUNDING)


@each("specimen", LOSSES)
@given(seed=seeds)
def test_a_loss_of_weighted_rows_is_that_of_repeated_rows(specimen: LossSpecimen, seed: int) -> None:
    y = draw(seed, (6, CLASSES))
    target = specimen.targets(y, seed)
    value, dy = with_weights(specimen.loss, y, target, TIMES)
    expected, rows = specimen.loss(y[OFTEN], target[OFTEN])
    assert (dy.dtype, dy.shape) == (y.dtype, y.shape)
    close(np.sum(value), np.sum(expected))
    summed = np.zeros_like(y)
    np.add.at(summed, OFTEN, rows)
    close(dy, summed)


@each("specimen", LOSSES)
def test_equal_weights_change_nothing(specimen: LossSpecimen) -> None:
    y = draw(3, (6, CLASSES), np.float32)
    target = specimen.targets(y, 3)
    value, dy = with_weights(specimen.loss, y, target, np.ones(6))
    expected, rows = specimen.loss(y, target)
    assert dy.dtype == np.asarray(value).dtype == np.float32
    np.testing.assert_allclose(value, expected, rtol=1e-6)
    np.testing.assert_allclose(dy, rows, rtol=1e-6, atol=1e-9)


@each("rows", [1, 3])
def test_a_row_of_weight_0_counts_nothing_even_where_its_loss_is_infinite(rows: int) -> None:
    y = np.array([[0.0, -np.inf]] + [[0.0, 0.0]] * rows)
    value, _ = fn.cross_entropy(y, np.ones(rows + 1, int), sample_weights=[0.0] + [1.0] * rows)
    assert abs(value - np.log(2)) <= 1e-15


# Training.

USES: dict[str, Callable[[Any], Any]] = {
    "value_and_grad": lambda batch: fn.value_and_grad(MODEL, fn.cross_entropy, PARAMS, batch),
    "evaluate": lambda batch: fn.evaluate(MODEL, fn.cross_entropy, PARAMS, batch, metrics=()),
    "hessian_vector_product": lambda batch: fn.hessian_vector_product(MODEL, fn.cross_entropy, PARAMS, batch, PARAMS),
}


@each("use", USES)
def test_what_takes_a_batch_honours_its_weights_and_takes_pairs_and_triples(use: str) -> None:
    expected = USES[use](REPEATED)
    close(USES[use](WEIGHED), expected)
    close(USES[use]((WEIGHED.inputs, WEIGHED.targets, TIMES)), expected)
    close(USES[use]((REPEATED.inputs, REPEATED.targets)), expected)


@each("step", [fn.train_step, fn.checked_step])
def test_a_step_on_a_batch_of_weighted_rows_is_that_on_repeated_rows(step: Callable[..., fn.TrainState]) -> None:
    optimizer = fn.adam(0.1)
    start = fn.train_state(MODEL, optimizer, key=fn.Key(0), example=(3,), dtype="float64")
    loss = partial(fn.cross_entropy, label_smoothing=0.1)
    expected = step(MODEL, loss, optimizer, start, REPEATED)
    for batch in (WEIGHED, (WEIGHED.inputs, WEIGHED.targets, TIMES)):
        after = step(MODEL, loss, optimizer, start, batch)
        close(after.params, expected.params)
        assert abs(after.loss - expected.loss) <= ROUNDING


@given(seed=seeds, size=st.integers(1, 7))
def test_batches_carry_each_rows_weight_with_it(seed: int, size: int) -> None:
    data = fn.Batch(np.arange(6.0), np.arange(6), np.arange(6) / 2)
    parts = fn.split_data(data, key=fn.Key(seed), share=0.4)
    for part in (*fn.batches(data, size=size, key=fn.Key(seed), epoch=0), *parts, data[2:], data[np.arange(3)]):
        assert np.array_equal(np.asarray(part.weights) * 2, part.targets)
    assert [float(number) for number in data[3]] == [3.0, 3.0, 1.5]
    assert len(fn.Batch(data.inputs, data.targets)[3]) == 2


def test_a_sum_is_trained_on_the_same_whichever_way_rows_with_weights_are_cut() -> None:
    # Training sees the weights of each batch: a sum of losses over weighted batches is that over repeated rows.
    loss = partial(fn.cross_entropy, reduction="sum")
    cut = fn.batches(WEIGHED, size=2, key=fn.Key(1), epoch=0)
    grads = [fn.value_and_grad(MODEL, loss, PARAMS, batch)[1] for batch in cut]
    close(reduce(partial(fn.tree_map, np.add), grads), fn.value_and_grad(MODEL, loss, PARAMS, REPEATED)[1])


@each("loss", [fn.cross_entropy, partial(fn.cross_entropy, reduction="none")])
def test_the_gradient_of_one_example_is_multiplied_by_its_weight(loss: fn.Loss) -> None:
    plain = fn.per_example_gradients(MODEL, loss, PARAMS, fn.Batch(WEIGHED.inputs, WEIGHED.targets))
    found = fn.per_example_gradients(MODEL, loss, PARAMS, WEIGHED)
    close(found, fn.tree_map(lambda leaf: leaf * TIMES.reshape(-1, *(1,) * (leaf.ndim - 1)), plain))
    norms = fn.per_example_norms(MODEL, loss, PARAMS, (WEIGHED.inputs, WEIGHED.targets, TIMES))
    close(norms, TIMES * fn.per_example_norms(MODEL, loss, PARAMS, fn.Batch(WEIGHED.inputs, WEIGHED.targets)))


# Refusals.


def without_weights(y: NDArray[Any], target: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
    return fn.cross_entropy(y, target)


def test_a_loss_of_the_users_that_takes_no_weights_is_told_apart_from_one_that_fails() -> None:
    assert fn.value_and_grad(MODEL, without_weights, PARAMS, REPEATED)
    for loss in (without_weights, fn.on_labels(without_weights)):
        with pytest.raises(OptionError, match="expected an option sample_weights, got none; give it one"):
            fn.value_and_grad(MODEL, loss, PARAMS, WEIGHED)
    with pytest.raises(OptionError, match="int: expected an option"):
        with_weights(int, np.zeros(1), np.zeros(1), np.ones(1))

    def fails(y: Any, target: Any, *, sample_weights: Any = ()) -> Any:
        raise TypeError("its own", len(y), len(target), len(sample_weights))

    with pytest.raises(TypeError, match="its own"):
        fn.value_and_grad(MODEL, fails, PARAMS, WEIGHED)


@each(
    ("weights", "kind", "message"),
    [
        (np.ones(5), ShapeError, "6 weights, got shape"),
        (np.ones((6, 1)), ShapeError, "6 weights, got shape"),
        (-np.ones(6), DataError, "a negative one, infinity or NaN"),
        (np.full(6, np.nan), DataError, "a negative one, infinity or NaN"),
        (np.full(6, np.inf), DataError, "a negative one, infinity or NaN"),
        (np.zeros(6), DataError, "sum above 0"),
        (np.array(["a"] * 6), DtypeError, "real numbers"),
        ([[1.0], [1.0, 2.0]], DtypeError, "numbers of at least 0"),
        (None, OptionError, "leave it out"),
    ],
)
@each("loss", [fn.mse, fn.nll])
def test_weights_that_are_none_are_refused(loss: Any, weights: Any, kind: type[FnmlpError], message: str) -> None:
    y = np.zeros((6, CLASSES))
    target = y.copy() if loss is fn.mse else np.zeros(6, int)
    with pytest.raises(kind, match=message):
        loss(y, target, sample_weights=weights)


@each("weights", [np.ones(5), np.ones((6, 1)), [1.0] * 5, [], 1, None, "ab"])
def test_a_batch_has_one_weight_for_each_row(weights: Any) -> None:
    with pytest.raises(FnmlpError, match=r"Batch\(weights\): expected an array"):
        fn.Batch(WEIGHED.inputs, WEIGHED.targets, weights)
    for listed in (TIMES.tolist(), tuple(TIMES.tolist())):
        assert fn.tree_equal(fn.Batch(WEIGHED.inputs, WEIGHED.targets, listed), WEIGHED)


@each("weight", [-1.0, np.nan])
def test_data_with_weights_that_are_none_are_refused_before_the_first_step(weight: float) -> None:
    data = fn.Batch(WEIGHED.inputs, WEIGHED.targets, np.full(6, weight))
    with pytest.raises(DataError, match=r"batch\(sample_weights\)"):
        fn.batches(data, size=2, key=fn.Key(0), epoch=0)


# Metrics.


@each("specimen", METRICS)
@given(seed=seeds)
def test_a_metric_of_weighted_rows_is_that_of_repeated_rows(specimen: MetricSpecimen, seed: int) -> None:
    y, target = specimen.point((6, CLASSES), seed)
    expected = specimen.metric(y[OFTEN], target[OFTEN])
    found = with_weights(specimen.metric, y, target, TIMES)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    if isinstance(specimen.metric, fn.Metric):
        triples = [
            (y[rows], target[rows], TIMES[rows]) for rows in (slice(0, 2), slice(2, 4), slice(4, 5), slice(5, 6))
        ]
        np.testing.assert_allclose(fn.fold_metric(specimen.metric, triples), expected, rtol=1e-12, atol=1e-14)


def test_an_evaluation_counts_weighted_rows_as_repeated_ones() -> None:
    metrics = [specimen.metric for specimen in METRICS if specimen.draw is labels_like]
    model = fn.chain(MODEL, fn.softmax())
    params = (PARAMS, ())
    loss = fn.on_labels(fn.mse)
    found = fn.evaluate(model, loss, params, WEIGHED, metrics=metrics)
    expected = fn.evaluate(model, loss, params, REPEATED, metrics=metrics)
    for ours, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-13)


@each("specimen", METRICS)
def test_a_metric_of_rows_that_count_nothing_is_an_error_and_not_nan(specimen: MetricSpecimen) -> None:
    y, target = specimen.point((6, CLASSES), 1)
    if specimen.metric is fn.confusion_matrix:
        assert not fn.confusion_matrix(y, target, sample_weights=np.zeros(6)).any()
        return
    with pytest.raises(DataError, match="weights with a sum above 0"):
        with_weights(specimen.metric, y, target, np.zeros(6))
