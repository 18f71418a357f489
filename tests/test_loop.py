"""Training is a fold: what consumes the states changes nothing, and a step can be taken up anywhere."""

from collections.abc import Callable, Iterator
from functools import partial, reduce
from itertools import accumulate, islice, pairwise
from itertools import chain as concatenated
from math import isnan
from typing import Any

import attrs
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.errors import DataError, DtypeError, FnmlpError, OptionError, ShapeError, StructureError
from fnmlp.testing.discrepancy import Claim, find_discrepancy
from fnmlp.training.loop import TrainState
from fnmlp.tree import tree_equal, tree_leaves
from tests.steps import draw, same_bits

MODEL = fn.chain(fn.linear(5), fn.relu(), fn.linear(3), fn.softmax())
LOSS = fn.on_labels(fn.mse)
DATA = fn.Batch(draw(0, (22, 4), np.float32), np.arange(22) % 3)
STEP = partial(fn.train_step, MODEL, LOSS, fn.sgd(0.5))


def start(dtype: str = "float32") -> TrainState:
    return fn.train_state(MODEL, fn.sgd(0.5), key=fn.Key(0), example=(4,), dtype=dtype)


def epoch(number: int, first: int = 0) -> Iterator[fn.Batch]:
    return fn.batches(DATA, size=4, key=fn.Key(1), epoch=number, start=first)


def test_the_fold_is_the_loop_of_steps() -> None:
    state = start()
    for batch in epoch(0):
        state = STEP(state, batch)
    assert tree_equal(reduce(STEP, epoch(0), start()), state)
    assert state.step == 6


def test_accumulate_gives_every_state_and_the_fold_its_last() -> None:
    states = list(accumulate(epoch(0), STEP, initial=start()))
    assert [state.step for state in states] == list(range(7))
    assert tree_equal(states[0], start())
    assert tree_equal(states[-1], reduce(STEP, epoch(0), start()))
    assert all(not tree_equal(a.params, b.params) for a, b in pairwise(states))


def test_states_are_made_only_when_they_are_asked_for() -> None:
    served = epoch(0)
    states = accumulate(served, STEP, initial=start())
    assert [next(states).step, next(states).step] == [0, 1]
    assert len(list(served)) == 5


@pytest.mark.parametrize("at", range(7))
def test_an_epoch_taken_up_at_any_batch_gives_the_same_bits(at: int) -> None:
    half = reduce(STEP, islice(epoch(3), at), start())
    assert tree_equal(reduce(STEP, epoch(3, first=at), half), reduce(STEP, epoch(3), start()))


def test_the_states_of_epochs_are_those_of_one_long_fold() -> None:
    states = list(islice(fn.epochs(STEP, start(), epoch), 3))
    assert [state.step for state in states] == [6, 12, 18]
    assert tree_equal(states[-1], reduce(STEP, concatenated(*map(epoch, range(3))), start()))
    resumed = next(fn.epochs(STEP, states[1], epoch, first=2))
    assert tree_equal(resumed, states[2])


def test_an_epoch_whose_iterator_is_used_up_is_an_error_and_not_an_endless_wait() -> None:
    used_up = epoch(0)
    states = fn.epochs(STEP, start(), lambda _: used_up)
    assert next(states).step == 6
    with pytest.raises(DataError, match=r"epochs: epoch 1: expected at least one batch.*fresh iterable for each epoch"):
        next(states)


def test_a_step_lowers_the_loss_that_it_reports() -> None:
    states = list(accumulate([DATA] * 30, STEP, initial=start()))
    assert isnan(states[0].loss)
    losses = [state.loss for state in states[1:]]
    assert all(type(loss) is float for loss in losses)
    assert losses == sorted(losses, reverse=True)
    assert losses[0] == float(LOSS(MODEL.apply(states[0].params, DATA.inputs), DATA.targets)[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_state_keeps_the_dtype_that_it_was_made_with(dtype: str) -> None:
    batch = fn.Batch(DATA.inputs.astype(dtype), DATA.targets)
    for state in accumulate([batch] * 3, STEP, initial=start(dtype)):
        assert {leaf.dtype for leaf in tree_leaves(state.params)} == {np.dtype(dtype)}
        assert not any(leaf.flags.writeable for leaf in tree_leaves(state.params))


def test_float64_starts_where_float32_starts() -> None:
    wide = tree_leaves(start("float64").params)
    assert same_bits(tuple(leaf.astype(np.float32) for leaf in wide), start().params)


@pytest.mark.parametrize("dtype", ["float16", "int32", "", None])
def test_a_state_of_another_dtype_is_refused(dtype: Any) -> None:
    with pytest.raises(OptionError, match=r"train_state\(dtype\)"):
        start(dtype)


def test_a_state_is_a_value_and_only_its_key_is_random() -> None:
    assert tree_equal(start(), start())
    other = fn.train_state(MODEL, fn.sgd(0.5), key=fn.Key(9), example=(4,))
    assert not tree_equal(other.params, start().params)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        start().step = 3  # type: ignore[misc]


def test_the_key_of_a_step_is_folded_from_the_number_of_the_step() -> None:
    keys: list[fn.Key | None] = []

    def vjp(params: Any, x: Any, key: fn.Key | None) -> Any:
        keys.append(key)
        return MODEL.vjp(params, x, key)

    step = partial(fn.train_step, attrs.evolve(MODEL, vjp=vjp), LOSS, fn.sgd(0.5))
    reduce(step, epoch(0), start())
    assert keys == [fn.fold_in(start().key, number) for number in range(6)]


def test_the_gradient_of_a_batch_is_the_complex_step_of_its_loss() -> None:
    params = start("float64").params
    x, target = draw(5, (6, 4)), draw(6, (6, 3))
    value, grads = fn.value_and_grad(MODEL, fn.mse, params, fn.Batch(x, target))
    assert float(value) == float(fn.mse(MODEL.apply(params, x), target)[0])

    def loss_of(point: Any) -> Any:
        return np.asarray(
            fn.mse(MODEL.apply(point, x.astype(point[0].weight.dtype)), target.astype(point[0].weight.dtype))[0]
        )

    assert find_discrepancy(Claim(loss_of, params, np.ones(()), grads, "params"), fn.Key(7)) is None


@pytest.mark.parametrize("pair", [tuple, list, iter], ids=repr)
def test_a_pair_is_as_good_as_a_batch(pair: Callable[[Any], Any]) -> None:
    batch = next(epoch(0))
    assert tree_equal(STEP(start(), pair((batch.inputs, batch.targets))), STEP(start(), batch))


@pytest.mark.parametrize("batch", [None, 3, (), (1,), (DATA.inputs,), (DATA.inputs, DATA.targets, 1, 1)], ids=repr)
def test_what_is_no_batch_is_refused(batch: Any) -> None:
    with pytest.raises(StructureError, match=r"train_step: expected a batch.*pass Batch\(inputs, targets\)"):
        STEP(start(), batch)


@pytest.mark.parametrize(
    ("inputs", "targets", "kind"),
    [
        (DATA.inputs.astype(np.float16), DATA.targets, DtypeError),
        (DATA.inputs.astype(object), DATA.targets, DtypeError),
        (DATA.inputs.astype(np.float64), DATA.targets, DtypeError),
        (DATA.inputs[:0], DATA.targets[:0], DataError),
        (DATA.inputs[:, :3], DATA.targets, ShapeError),
        (DATA.inputs, DATA.targets + 1, DataError),
        (DATA.inputs, DATA.targets[:5], DataError),
        (DATA.inputs, DATA.targets.astype(float), DtypeError),
    ],
)
def test_a_batch_that_does_not_fit_is_refused_by_the_step(inputs: Any, targets: Any, kind: type[FnmlpError]) -> None:
    with pytest.raises(kind):
        STEP(start(), (inputs, targets))


def test_an_error_of_a_loss_of_the_users_own_is_not_taken_for_a_wrong_argument() -> None:
    def broken(y: fn.Array, target: fn.Array) -> Any:
        return y.no_such_thing(target)  # type: ignore[attr-defined]

    with pytest.raises(AttributeError, match="no_such_thing"):
        fn.train_step(MODEL, broken, fn.sgd(0.5), start(), DATA)


@pytest.mark.parametrize("params", [(), ((), ()), ((), (), (), ()), "leaf"], ids=repr)
def test_parameters_of_another_structure_are_refused(params: Any) -> None:
    with pytest.raises(StructureError):
        STEP(attrs.evolve(start(), params=params), DATA)


EXACT = fn.chain(fn.linear(3), fn.relu(), fn.linear(2))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 22, 1000])
def test_predictions_of_exact_numbers_are_the_same_bits_in_batches_of_any_size(size: int) -> None:
    random = np.random.default_rng(0)
    dyadic = fn.tree_map(
        lambda p: (random.integers(-8, 8, p.shape) / 8).astype(p.dtype), EXACT.init(fn.Key(0), (4,))[0]
    )
    x = (random.integers(-8, 8, (22, 4)) / 4).astype(np.float32)
    assert same_bits(fn.predict(EXACT, dyadic, x, size=size), EXACT.apply(dyadic, x))


def test_predictions_of_no_inputs_have_the_shape_of_no_outputs() -> None:
    params = EXACT.init(fn.Key(0), (4,))[0]
    assert fn.predict(EXACT, params, np.zeros((0, 4), np.float32)).shape == (0, 2)
    with pytest.raises(OptionError, match=r"predict\(size\)"):
        fn.predict(EXACT, params, np.zeros((1, 4), np.float32), size=0)


@pytest.mark.parametrize("size", [1, 3, 1024])
def test_an_evaluation_gives_the_loss_over_all_rows_and_each_metric(size: int) -> None:
    data = fn.Batch(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.5, 0.0]]), np.array([0, 1, 1, 0]))
    metrics = (fn.accuracy, lambda y, labels: int(fn.confusion_matrix(y, labels)[1, 0]))
    found = fn.evaluate(fn.identity(), LOSS, (), data, metrics=metrics, size=size)
    assert found == ((0 + 0 + 2 + 0.25) / 8, 0.75, 1)
    assert fn.evaluate(fn.identity(), LOSS, (), data, metrics=()) == (2.25 / 8,)
