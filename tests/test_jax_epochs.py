"""An epoch on JAX is the fold over its batches: the same rows, steps, losses and keys, compiled once."""

from collections.abc import Callable
from functools import partial, reduce
from importlib import import_module
from itertools import accumulate
import sys
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.draws import integers, normal, uniform, words
from tests.refusals import refusal
from tests.sweep import each

jax = pytest.importorskip("jax", reason="jax is not installed")
interop = pytest.importorskip("fnmlp.interop.jax")
fold_epoch, register_tree = interop.fold_epoch, interop.register_tree
jnp = jax.numpy

MODEL = fn.chain(fn.flatten(), fn.scale(1 / 255), fn.linear(5), fn.tanh(), fn.linear(3))
STEP = partial(fn.train_step, MODEL, fn.cross_entropy, fn.sgd(0.5))
ROWS, SIZE = 22, 5
RANDOM = np.random.default_rng(0)
DATA = fn.Batch(RANDOM.integers(0, 256, (ROWS, 2, 3), np.uint8), RANDOM.integers(0, 3, ROWS, np.int32))
ON_JAX = jnp.zeros(())
ON_NUMPY = np.zeros(())
ROUNDING = 64 * 2.0**-24
"""Of numbers near 1, after the few hundred additions of some small steps."""


def first_state(model: fn.Layer[Any] = MODEL, optimizer: fn.Optimizer | None = None) -> fn.TrainState:
    return fn.train_state(model, optimizer or fn.sgd(0.5), key=fn.Key(7), example=(2, 3))


def by_numpy(epoch: int, step: Callable[..., fn.TrainState] = STEP, **options: int) -> list[fn.TrainState]:
    """Return the first state of an epoch and the state after each batch, by NumPy."""
    batches = fn.batches(DATA, size=SIZE, key=fn.Key(1), epoch=epoch, **options)
    return list(accumulate(batches, step, initial=first_state()))


def by_jax(epoch: int, **options: Any) -> tuple[fn.TrainState, np.ndarray[Any, Any]]:
    """Return the state after an epoch by JAX, as NumPy's, and the losses."""
    given: dict[str, Any] = {"size": SIZE, "key": fn.Key(1), "epoch": epoch, **options}
    state, losses = fold_epoch(given.pop("step", STEP), given.pop("state", first_state()), DATA, **given)
    return fn.to(state, like=ON_NUMPY), np.asarray(losses)


def assert_near(left: fn.TrainState, right: fn.TrainState) -> None:
    """Compare states that NumPy and JAX reached."""
    assert (left.step, left.key) == (right.step, right.key)
    for one, other in zip(fn.tree_leaves(left.params), fn.tree_leaves(right.params), strict=True):
        assert type(one) is type(other)
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=0, atol=ROUNDING)


def test_an_epoch_ends_where_the_fold_of_numpy_ends_and_has_its_losses() -> None:
    states = by_numpy(3)
    state, losses = by_jax(3)
    assert_near(state, states[-1])
    np.testing.assert_allclose(losses, [each.loss for each in states[1:]], rtol=0, atol=ROUNDING)


@each(["start", "stop"], [(0, 0), (0, 2), (1, 3), (2, 5), (4, 5), (5, 5), (3, None)])
def test_a_stretch_takes_the_batches_from_start_to_stop(start: int, stop: int | None) -> None:
    batches = list(fn.batches(DATA, size=SIZE, key=fn.Key(1), epoch=0))
    expected = reduce(STEP, batches[start:stop], first_state())
    state, losses = by_jax(0, start=start, stop=stop)
    assert losses.shape == (len(batches[start:stop]),)
    assert_near(state, expected)


def test_stretches_are_the_epoch_bit_for_bit() -> None:
    whole, losses = by_jax(0)
    state, parts = first_state(), []
    for start, stop in ((0, 1), (1, 3), (3, 5)):
        state, part = by_jax(0, start=start, stop=stop, state=state)
        parts.append(part)
    assert fn.tree_equal(state.params, whole.params)
    assert np.array_equal(np.concatenate(parts), losses)


def test_a_step_is_compiled_once_for_whole_batches_and_once_for_the_last() -> None:
    sizes: list[int] = []

    def counting(state: fn.TrainState, batch: fn.Batch) -> fn.TrainState:
        sizes.append(len(batch))  # only while JAX traces
        return STEP(state, batch)

    def seen(state: fn.TrainState, epoch: int, **options: Any) -> fn.TrainState:
        return fold_epoch(counting, state, DATA, size=SIZE, key=fn.Key(1), epoch=epoch, **options)[0]

    state = seen(first_state(), 0)
    traced = len(sizes)
    for epoch, options in ((1, {}), (2, {"start": 1}), (3, {"stop": 3}), (4, {"start": 2, "stop": 4})):
        state = seen(state, epoch, **options)
    assert (set(sizes), len(sizes)) == ({SIZE, ROWS % SIZE}, traced)


def test_a_step_that_is_bound_again_is_not_compiled_again() -> None:
    traced: list[int] = []

    def loss(y: Any, target: Any) -> Any:
        traced.append(1)
        return fn.cross_entropy(y, target)

    optimizer = fn.sgd(0.5)
    for _ in range(2):
        by_jax(0, step=partial(fn.train_step, MODEL, loss, optimizer), stop=2)
        first = len(traced)
    assert len(traced) == first
    by_jax(0, step=partial(fn.train_step, MODEL, loss, fn.sgd(0.25)), stop=2)
    assert len(traced) > first


def test_functions_that_bind_the_same_objects_are_one_to_the_compiler() -> None:
    fixed = interop.Fixed
    same, other = fixed(partial(STEP, first_state)), fixed(partial(STEP, by_jax))
    assert same == fixed(partial(STEP, first_state))
    assert len({same, fixed(partial(STEP, first_state)), other}) == 2


def test_inputs_are_augmented_with_the_key_of_their_batch() -> None:
    def darkened(key: Any, x: Any) -> Any:
        return x // (1 + integers(key, (), 5))

    def step(state: fn.TrainState, batch: fn.Batch) -> fn.TrainState:
        # All steps are of the first epoch: the number of the batch is the number of the step.
        key = fn.fold_in(fn.fold_in(fn.to(fn.Key(1), like=ON_JAX), 0), state.step)
        return STEP(state, fn.Batch(darkened(key, batch.inputs), batch.targets))

    state, _ = by_jax(0, augment=darkened)
    expected, _ = by_jax(0, step=step)
    assert_near(state, expected)
    plain, _ = by_jax(0)
    assert not fn.tree_equal(state.params, plain.params)


def test_noise_differs_from_step_to_step_and_is_the_same_again() -> None:
    noisy = fn.chain(fn.flatten(), fn.scale(1 / 255), fn.dropout(0.5), fn.linear(3))
    step = partial(fn.train_step, noisy, fn.cross_entropy, fn.sgd(1e-30))
    state = first_state(noisy)
    first, losses = by_jax(0, step=step, state=state)
    again, same = by_jax(0, step=step, state=state)
    assert fn.tree_equal(first.params, again.params)
    assert np.array_equal(losses, same)
    ones = fn.Batch(np.ones((20, 2, 3), np.uint8), np.zeros(20, np.int32))
    _, apart = fold_epoch(step, state, ones, size=5, key=fn.Key(1), epoch=0)
    assert len(set(np.asarray(apart).tolist())) == 4


def test_the_given_state_stays_usable_unless_it_is_donated() -> None:
    state = jax.tree.map(jnp.array, fn.to(first_state(), like=ON_JAX))
    kept, _ = fold_epoch(STEP, state, DATA, size=SIZE, key=fn.Key(1), epoch=0)
    given, _ = fold_epoch(STEP, state, DATA, size=SIZE, key=fn.Key(1), epoch=0, donate=True)
    assert fn.tree_equal(fn.to(kept, like=ON_NUMPY).params, fn.to(given, like=ON_NUMPY).params)
    with pytest.raises(RuntimeError, match="deleted"):
        np.asarray(state.params[2].weight)


def test_networks_that_are_trained_at_once_equal_each_alone() -> None:
    alone = [fn.train_state(MODEL, fn.sgd(0.5), key=fn.Key(seed), example=(2, 3)) for seed in range(3)]
    together = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(fn.to(state, like=ON_JAX) for state in alone))
    fold = partial(fold_epoch, STEP, data=DATA, size=SIZE, key=fn.Key(1), epoch=0, stop=3)
    states, losses = jax.vmap(fold)(together)
    assert losses.shape == (3, 3)
    for place, state in enumerate(alone):
        one = jax.tree.map(lambda leaf, place=place: leaf[place], states)
        expected, own = fold(state)
        assert_near(fn.to(one, like=ON_NUMPY), fn.to(expected, like=ON_NUMPY))
        np.testing.assert_allclose(losses[place], own, rtol=0, atol=ROUNDING)


def test_weights_of_rows_go_with_their_rows() -> None:
    data = fn.Batch(DATA.inputs, DATA.targets, np.arange(ROWS) / ROWS)
    expected = reduce(STEP, fn.batches(data, size=SIZE, key=fn.Key(1), epoch=0), first_state())
    state, _ = fold_epoch(STEP, first_state(), data, size=SIZE, key=fn.Key(1), epoch=0)
    assert_near(fn.to(state, like=ON_NUMPY), expected)


def test_a_label_out_of_range_gives_a_loss_of_nan() -> None:
    data = fn.Batch(DATA.inputs, np.where(np.arange(ROWS) == 3, 3, DATA.targets))
    _, losses = fold_epoch(STEP, first_state(), data, size=ROWS, key=fn.Key(1), epoch=0)
    assert np.isnan(np.asarray(losses)).all()


@each(
    ["options", "said"],
    [
        ({"size": 0}, "fold_epoch(size): expected an integer of at least 1, got 0"),
        ({"start": 3, "stop": 2}, "fold_epoch: expected 0 <= start <= stop <= 5 batches, got start=3, stop=2"),
        ({"stop": 6}, "fold_epoch: expected 0 <= start <= stop <= 5 batches, got start=0, stop=6"),
        ({"step": MODEL}, "fold_epoch(step): expected a function of 2 arguments"),
        ({"state": ()}, "fold_epoch(state): expected a TrainState"),
        ({"augment": 3}, "fold_epoch(augment): expected a function of 2 arguments"),
        ({"donate": "no"}, "fold_epoch(donate): expected True or False"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], said: str) -> None:
    refusal(lambda: by_jax(0, **options), fn.FnmlpError, said)


@each("kind", [3, dict, np.ndarray])
def test_only_an_attrs_class_becomes_a_pytree(kind: Any) -> None:
    refusal(partial(register_tree, kind), fn.StructureError, "register_tree: expected an attrs class")


def test_a_missing_jax_is_named_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "fnmlp.interop.jax")
    monkeypatch.setitem(sys.modules, "jax", None)
    refusal(partial(import_module, "fnmlp.interop.jax"), fn.MissingDependencyError, "pip install 'fnmlp[jax]'")


def test_a_key_of_jaxs_own_is_folded_and_drawn_by_jax() -> None:
    own, index = jax.random.key(3), jnp.uint32(2)
    assert fn.fold_in(own, 2) == jax.random.fold_in(own, 2)
    assert fn.split(own, 2)[1] == jax.random.fold_in(own, 1)
    documented = jax.random.wrap_key_data(jnp.array([7, 0], "uint32"))
    for word in (0, 0, 5, 2):
        documented = jax.random.fold_in(documented, word)
    key = fn.fold_in(fn.Key(7), 5)
    assert jax.jit(fn.fold_in)(key, index) == documented
    assert jax.jit(lambda index: fn.fold_in(key, index))(index) == documented
    for draw, expected in (
        (normal(own, (2,), 3.0), 3 * jax.random.normal(own, (2,))),
        (uniform(own, (2,), 3.0), jax.random.uniform(own, (2,), minval=-3, maxval=3)),
        (words(own, (2,)), jax.random.bits(own, (2,), "uint16")),
        (integers(own, (2,), 9), jax.random.randint(own, (2,), 0, 9)),
    ):
        assert np.array_equal(draw, expected)
    refusal(partial(fn.generator, own), fn.OptionError, "a key of JAX's")
    refusal(partial(fn.generator, fn.to(key, like=ON_JAX)), fn.OptionError, "a key of JAX's")
