"""Training on JAX: steps and evaluation, eager and compiled; what reads states; and files of them."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.errors import CheckpointError, DtypeError, FnmlpError
from fnmlp.tree import Tree, tree_children, tree_equal, tree_leaves, tree_map, tree_paths
from tests.catalogue import LAYERS, OPTIMIZERS
from tests.steps import draw
from tests.sweep import each

jax = pytest.importorskip("jax", reason="JAX is not installed")
jnp = pytest.importorskip("jax.numpy")
pytest.importorskip("fnmlp.interop.jax")

MODEL, OPTIMIZER = fn.chain(fn.linear(4), fn.relu(), fn.linear(3)), fn.accumulated(fn.adam(0.125), steps=2)
STEP = partial(fn.train_step, MODEL, fn.cross_entropy, OPTIMIZER)
COMPILED = jax.jit(STEP)
START = fn.train_state(MODEL, OPTIMIZER, key=fn.Key(7), example=(5,))
ROWS = fn.Batch(draw(0, (6, 5), np.float32), np.array([0, 1, 2, 2, 1, 0], np.int32))
EPS = float(np.finfo(np.float32).eps)


def moved(tree: Tree) -> Tree:
    return fn.to(tree, like=jnp.zeros(()))


def types(tree: Tree) -> Iterator[type]:
    """Yield the attrs classes in a tree."""
    if attrs.has(type(tree)):
        yield type(tree)
    for child in tree_children(tree) or ():
        yield from types(child)


def trees() -> Iterator[Tree]:
    """Yield parameters of each layer, a state of each optimiser, and what holds them."""
    layers = (specimen.layer.init(fn.Key(0), specimen.example)[0] for specimen in LAYERS)
    yield from (tree_map(np.float32, params) for params in layers)
    params = (fn.Linear(draw(0, (3, 2), np.float32), ()), draw(1, (2, 2), np.float32))
    yield from (specimen.optimizer.init(params) for specimen in OPTIMIZERS)
    yield from (START, ROWS)


@each("tree", trees())
def test_every_tree_is_a_pytree_with_our_paths_that_holds_whatever_jax_puts_in(tree: Tree) -> None:
    plain = moved(tree)
    with_paths, structure = jax.tree_util.tree_flatten_with_path(plain)
    assert [jax.tree_util.keystr(path) for path, _ in with_paths] == [path for path, _ in tree_paths(plain)]
    sentinels = [object() for _ in with_paths]
    rebuilt = jax.tree.unflatten(structure, sentinels)
    assert jax.tree.leaves(rebuilt) == sentinels
    assert list(types(rebuilt)) == list(types(plain))
    outline = jax.eval_shape(lambda same: same, plain)
    assert list(types(outline)) == list(types(plain))


def test_a_compiled_step_is_the_step_of_numpy_and_is_compiled_once() -> None:
    compiled = jax.jit(STEP)
    state, found = START, moved(START)
    for _ in range(6):
        state, found = STEP(state, ROWS), compiled(found, ROWS)
        assert isinstance(state.loss, float)
        assert isinstance(found.loss, jax.Array)
        # Sums of 5 and of 4 products, a softmax, and a rate of 1/8: below 100 roundings of numbers below 2.
        assert abs(float(found.loss) - state.loss) < 200 * EPS
        for a, b in zip(tree_leaves(found.params), tree_leaves(state.params), strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=200 * EPS)
    assert compiled._cache_size() == 1
    assert found.step == state.step


def test_a_scan_over_steps_and_the_rest_of_a_group_under_a_compiler() -> None:
    def train(state: Any) -> Any:
        return jax.lax.scan(lambda now, _: (STEP(now, ROWS), ()), state, length=3)[0]

    found = jax.jit(lambda state: fn.apply_remainder(OPTIMIZER, train(state)))(moved(START))
    state = START
    for _ in range(3):
        state = STEP(state, ROWS)
    state = fn.apply_remainder(OPTIMIZER, state)
    assert (int(found.optimizer_state.held), int(found.step)) == (0, 3)
    for a, b in zip(tree_leaves(found.params), tree_leaves(state.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=200 * EPS)
    rest = fn.apply_remainder(OPTIMIZER, found)
    assert tree_equal(*(fn.to(params, like=np.zeros(())) for params in (found.params, rest.params)))


@each("data", [ROWS, attrs.evolve(ROWS, weights=np.array([1.0, 2, 0, 1, 1, 1], np.float32))])
def test_evaluation_and_prediction_eager_and_compiled(data: fn.Batch) -> None:
    expected = fn.evaluate(MODEL, fn.cross_entropy, START.params, data)
    evaluate, there = partial(fn.evaluate, MODEL, fn.cross_entropy), moved((START.params, data))
    eager, compiled = evaluate(*there), jax.jit(evaluate)(*there)
    assert [type(number) for number in eager] == [float, float]
    np.testing.assert_allclose(eager, expected, rtol=64 * EPS)
    np.testing.assert_allclose(compiled, expected, rtol=64 * EPS)
    y = jax.jit(partial(fn.predict, MODEL, size=4))(there[0], there[1].inputs)
    np.testing.assert_allclose(y, fn.predict(MODEL, START.params, data.inputs), atol=64 * EPS)


def test_a_label_out_of_range_makes_a_traced_accuracy_nan() -> None:
    found = jax.jit(fn.accuracy)(np.zeros((2, 3), np.float32), np.array([0, 3]))
    assert np.isnan(found)


AFTER = COMPILED(moved(START), ROWS)


def test_consumers_take_states_whose_loss_is_an_array() -> None:
    states = [AFTER, COMPILED(AFTER, ROWS)]
    pairs = list(fn.early_stopping(fn.scored(states, lambda state: -state.loss), patience=5))
    assert [type(score) for _, score in pairs] == [float, float]
    assert fn.best_state(pairs)[0] is max(pairs, key=lambda pair: pair[1])[0]
    assert fn.replay(COMPILED, AFTER, [ROWS] * 3, number=3).after.step == 3
    small = moved(fn.train_state(fn.linear(1), fn.sgd(0.5), key=fn.Key(0), example=(2,)))
    row = fn.Batch(np.ones((1, 2), np.float32), np.ones((1, 1), np.float32))
    sweep = list(fn.rate_range(fn.linear(1), fn.mse, fn.sgd, small, [row] * 2, steps=2))
    assert all(type(rate) is type(loss) is float for rate, loss in sweep)
    assert fn.checked_step(fn.linear(1), fn.mse, fn.sgd(0.5), small, row).step == 1


def test_statistics_are_those_of_the_same_numbers_in_numpy() -> None:
    there = fn.to(AFTER, like=np.zeros(()))
    assert fn.tree_statistics(AFTER.params) == fn.tree_statistics(there.params)
    assert fn.update_ratios(moved(START).params, AFTER.params) == fn.update_ratios(START.params, there.params)


def test_a_state_is_saved_as_numpys_and_continues_on_either(tmp_path: Path) -> None:
    place, there = tmp_path / "state", fn.to(AFTER, like=np.zeros(()))
    list(fn.checkpoints([moved(START), AFTER], place))
    fn.save(tmp_path / "same", there, {})
    assert place.read_bytes() == (tmp_path / "same").read_bytes()
    assert tree_equal(fn.resume(place, START), there)
    back = fn.resume(place, moved(START))
    assert tree_equal(fn.to(back, like=np.zeros(())), there)
    assert all(isinstance(leaf, jax.Array) for leaf in tree_leaves(back))


def test_a_model_is_saved_with_parameters_of_jax(tmp_path: Path) -> None:
    fn.save_model(tmp_path / "jax", MODEL, moved(START.params), example=(5,))
    assert tree_equal(fn.load_model(tmp_path / "jax").params, START.params)


@each(
    "read, kind",
    [
        (lambda state: fn.checked_step(MODEL, fn.cross_entropy, OPTIMIZER, state, ROWS), DtypeError),
        (lambda state: fn.tree_statistics(state.params), DtypeError),
        (lambda state: fn.to(state, like=np.zeros(())), DtypeError),
        (lambda state: fn.save("unwritten", state, {}), CheckpointError),
    ],
)
def test_what_must_read_numbers_refuses_a_traced_state_by_name(
    read: Callable[[Any], object], kind: type[FnmlpError]
) -> None:
    with pytest.raises(kind, match="a compiler traces"):
        jax.eval_shape(read, AFTER)


def test_numbers_that_numpy_does_not_have_are_refused_in_a_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="expected float32 or float64, got bfloat16"):
        fn.save(tmp_path / "file", (jnp.zeros(2, jnp.bfloat16),), {})
    assert not (tmp_path / "file").exists()
