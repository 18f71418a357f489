"""One numeric source: the same lines run on arrays that know nothing but the array-API standard."""

from typing import Any

import array_api_strict as strict
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.tree import Tree, tree_equal, tree_flatten, tree_leaves, tree_map, tree_sha256
from tests.catalogue import LOSSES, METRICS, OPTIMIZERS, PORTABLE, Specimen
from tests.specimens import LossSpecimen, MetricSpecimen, OptimizerSpecimen
from tests.steps import assert_close, draw
from tests.sweep import each

over_dtypes = each("dtype", [np.float32, np.float64])
StrictArray = type(strict.zeros(1))


def to_strict(tree: Tree) -> Tree:
    return tree_map(lambda leaf: strict.asarray(np.array(leaf)), tree)


def assert_agrees(found: Tree, expected: Tree) -> None:
    """Claim that every leaf is an array of the standard, and holds what NumPy holds."""
    assert all(isinstance(leaf, StrictArray) for leaf in tree_leaves(found))
    assert_close(found, expected, eps=64, at_least=1)


@each("specimen", PORTABLE)
@each("rows", [0, 1, 4])
@over_dtypes
def test_layers_run_on_arrays_of_the_standard_and_agree_with_numpy(specimen: Specimen, rows: int, dtype: Any) -> None:
    layer = specimen.layer
    point = specimen.point(3, rows, dtype)
    params, x, dy = to_strict(point)
    y, pullback = layer.vjp(params, x, None)
    grads, delayed_dx = pullback(dy)
    expected = layer.apply(*point[:2])
    assert_agrees((layer.apply(params, x), y), (expected, expected))
    assert_agrees((grads, delayed_dx()), fn.gradients(layer, *point))


@each("kind", [np.uint8, np.int32, np.bool_])
@each("dtype", ["float32", "float64"])
def test_scale_makes_floats_of_integers_of_the_standard(kind: Any, dtype: str) -> None:
    layer, x = fn.scale(0.5, offset=1.0, dtype=dtype), np.array([[0, 1, 255]]).astype(kind)
    assert_agrees(layer.apply((), to_strict(x)), layer.apply((), x))


@each("specimen", LOSSES)
@over_dtypes
def test_losses_run_on_arrays_of_the_standard_and_agree_with_numpy(specimen: LossSpecimen, dtype: Any) -> None:
    y = draw(0, (5, 4), dtype)
    target = specimen.targets(y, 1)
    found = specimen.loss(to_strict(y), to_strict(target))
    assert_agrees(found, tuple(map(np.asarray, specimen.loss(y, target))))


@each("specimen", METRICS)
@each("kind", [np.uint8, np.int64])
def test_metrics_run_on_arrays_of_the_standard_and_agree_with_numpy(specimen: MetricSpecimen, kind: Any) -> None:
    y, target = specimen.point((6, 3), 0)
    target = target.astype(kind) if target.dtype.kind == "i" else target
    found = specimen.metric(to_strict(y), to_strict(target))
    assert np.asarray(found).tolist() == np.asarray(specimen.metric(y, target)).tolist()


@each("specimen", OPTIMIZERS)
def test_optimizers_run_on_arrays_of_the_standard_and_agree_with_numpy(specimen: OptimizerSpecimen) -> None:
    params, grads = (draw(0, (3, 2), np.float32),), (draw(1, (3, 2), np.float32),)
    optimizer, strict_params = specimen.optimizer, to_strict(params)
    state, strict_state = optimizer.init(params), optimizer.init(strict_params)
    for _ in range(3):
        params, state = optimizer.update(params, grads, state)
        strict_params, strict_state = optimizer.update(strict_params, to_strict(grads), strict_state)
    assert_agrees(strict_params, params)


def test_a_label_out_of_range_is_refused_on_arrays_of_the_standard_too() -> None:
    with pytest.raises(fn.DataError, match=r"labels\[1\]: expected 0 to 2, got -1"):
        fn.one_hot(to_strict(np.array([0, -1, 3])), 3)


def test_trees_hold_arrays_of_the_standard() -> None:
    tree = fn.linear(3).init(fn.Key(0), (2,))[0]
    found = to_strict(tree)
    leaves, rebuild = tree_flatten(found)
    assert rebuild(leaves).weight is found.weight
    assert tree_equal(found, to_strict(tree))
    assert not tree_equal(found, to_strict(tree_map(np.negative, tree)))
    assert tree_sha256(found) == tree_sha256(tree)


def test_a_tree_that_was_moved_to_numpy_can_still_be_written_to() -> None:
    """The bug: NumPy's array was the one inside, and became read-only there."""
    x = strict.zeros(2)
    found = fn.to(x, like=np.zeros(0))
    x += 1
    assert not found.flags.writeable


def test_a_data_set_of_the_standard_is_served_and_trained_on() -> None:
    model, loss = fn.chain(fn.linear(3), fn.softmax()), fn.on_labels(fn.mse)
    state = fn.train_state(model, fn.sgd(0.5), key=fn.Key(0), example=(4,))
    data = fn.Batch(draw(0, (8, 4), np.float32), np.arange(8) % 3)
    rows = np.arange(8).reshape(2, 4)
    expected, found = state, fn.TrainState(0, to_strict(state.params), (), state.key, 0.0)
    foreign = fn.Batch(to_strict(data.inputs), to_strict(data.targets))
    for chosen in rows:
        expected = fn.train_step(model, loss, fn.sgd(0.5), expected, data[chosen])
        found = fn.train_step(model, loss, fn.sgd(0.5), found, foreign[to_strict(chosen)])
    assert_agrees(found.params, expected.params)
    assert abs(found.loss - expected.loss) <= 1e-6
    assert_agrees(fn.predict(model, found.params, foreign.inputs, size=3), model.apply(expected.params, data.inputs))
