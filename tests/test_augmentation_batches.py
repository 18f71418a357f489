"""Claims about batches on their way through an augmentation, and about rows that are mixed."""

from collections.abc import Iterator
from functools import partial, reduce
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest
from scipy.stats import kstest

import fnmlp as fn
from fnmlp.augmentation import augmented, cutout, mixup, shift
from fnmlp.errors import DataError, DtypeError, OptionError, StructureError
from tests.optional import optional
from tests.steps import assert_close, same_bits

torch = optional("torch")

KEY = fn.Key(5)
IMAGES = np.random.default_rng(0).integers(1, 256, (20, 4, 4)).astype(np.uint8)
DATA = fn.Batch(IMAGES, np.arange(20) % 3)
move = partial(shift, pixels=1.5)
serve = partial(fn.batches, DATA, size=3, key=fn.Key(1), epoch=0)


def test_batch_i_has_the_key_that_i_selects_and_keeps_its_targets() -> None:
    batches = list(serve())
    for i, (batch, moved) in enumerate(zip(batches, augmented(batches, move, key=KEY), strict=True)):
        assert same_bits(moved.inputs, move(fn.fold_in(KEY, i), batch.inputs))
        assert moved.targets is batch.targets


@given(st.integers(0, 8))
def test_an_epoch_goes_on_in_the_middle_as_if_it_had_never_stopped(start: int) -> None:
    rest = tuple(augmented(serve(start=start), move, key=KEY, start=start))
    assert fn.tree_equal(rest, tuple(augmented(serve(), move, key=KEY))[start:])


def test_training_that_goes_on_in_the_middle_of_an_epoch_ends_with_the_same_bits() -> None:
    model = fn.chain(fn.flatten(), fn.scale(1 / 255), fn.linear(3), fn.softmax())
    step = partial(fn.train_step, model, fn.on_labels(fn.mse), fn.sgd(0.5))
    first = fn.train_state(model, fn.sgd(0.5), key=fn.Key(0), example=(4, 4))
    whole = reduce(step, augmented(serve(), move, key=KEY), first)
    half = reduce(step, [batch for batch, _ in zip(augmented(serve(), move, key=KEY), range(3), strict=False)], first)
    assert fn.tree_equal(reduce(step, augmented(serve(start=3), move, key=KEY, start=3), half), whole)


def test_no_batch_is_asked_for_before_it_is_needed() -> None:
    def served() -> Iterator[fn.Batch]:
        yield DATA[:2]
        raise AssertionError

    assert len(next(augmented(served(), move, key=KEY))) == 2


@pytest.mark.parametrize("start", [-1, 1.5, None])
def test_a_start_that_is_no_number_of_batches_is_refused_at_once(start: Any) -> None:
    with pytest.raises(OptionError, match=r"augmented\(start\)"):
        augmented(serve(), move, key=KEY, start=start)


def test_pairs_and_triples_are_batches() -> None:
    weights = np.arange(20) / 4
    for rest in ((), (weights,)):
        [moved] = augmented([(IMAGES, np.arange(20), *rest)], move, key=KEY)
        [expected] = augmented([fn.Batch(IMAGES, np.arange(20), *rest)], move, key=KEY)
        assert fn.tree_equal(moved, expected)
        assert fn.tree_equal(moved.weights, rest[0] if rest else ())


def test_the_weights_of_mixed_rows_are_mixed_as_the_rows_are() -> None:
    numbers = np.arange(20.0)
    mixed = mixup(KEY, (numbers, numbers, numbers), alpha=1.0)
    assert same_bits((mixed.inputs, mixed.inputs), (mixed.targets, mixed.weights))


def test_what_is_no_batch_and_what_loses_rows_is_refused() -> None:
    nothing: Any = [3]
    with pytest.raises(StructureError, match=r"augmented: expected a batch, got int; pass Batch\(inputs, targets\)"):
        next(augmented(nothing, move, key=KEY))
    with pytest.raises(DataError, match="19 inputs and 20 targets"):
        next(augmented([DATA], lambda _, images: images[1:], key=KEY))


# Mixup.


def marked(rows: int, dtype: Any = np.float64) -> fn.Batch:
    """Make a batch whose inputs and targets show the row, so that mixed rows show their sources."""
    return fn.Batch(np.eye(rows, dtype=dtype), np.eye(rows, dtype=dtype))


def parts(mixed: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the share of each row itself, and the number of the row that it was mixed with (where it was another)."""
    own = np.diag(mixed)
    return own, (mixed - np.diag(own)).argmax(axis=1)


@given(st.integers(1, 30), st.sampled_from([0.1, 0.2, 1.0, 5.0]))
def test_inputs_and_targets_are_mixed_with_the_same_row_by_the_same_share(rows: int, alpha: float) -> None:
    mixed = mixup(KEY, marked(rows), alpha=alpha)
    assert same_bits(mixed.inputs, mixed.targets)
    assert_close(mixed.targets.sum(axis=1), np.ones(rows))
    assert mixed.targets.min() >= 0
    assert (np.count_nonzero(mixed.targets, axis=1) <= 2).all()


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_each_row_has_a_share_of_its_own_from_the_beta_distribution(alpha: float) -> None:
    own, other = parts(mixup(KEY, marked(600), alpha=alpha).targets)
    mixed = own < 1
    assert np.count_nonzero(~mixed) < 60
    assert len(set(other[mixed])) == np.count_nonzero(mixed)
    assert kstest(own[mixed], "beta", (alpha, alpha), method="asymp").pvalue > 0.01


def test_mixing_is_linear_in_between_of_the_two_rows() -> None:
    own, other = parts(mixup(KEY, marked(20), alpha=1.0).inputs)
    inputs = np.random.default_rng(0).normal(size=(20, 3, 2))
    expected = own[:, None, None] * inputs + (1 - own)[:, None, None] * inputs[other]
    assert_close(mixup(KEY, fn.Batch(inputs, np.eye(20)), alpha=1.0).inputs, expected)


@pytest.mark.parametrize("kind", ["uint8", "int64", "bool", "float32", "float64", ">f4"])
def test_integers_become_float32_and_floats_stay_what_they_are(kind: str) -> None:
    batch = fn.Batch(np.ones((4, 3), kind), np.ones((4, 2), np.float32))
    mixed = mixup(KEY, batch, alpha=0.3)
    assert mixed.inputs.dtype.newbyteorder("=") == (np.float64 if kind == "float64" else np.float32)
    assert mixed.targets.dtype == np.float32
    assert same_bits(mixed.inputs, np.ones((4, 3), mixed.inputs.dtype))


def test_targets_may_be_of_one_number_a_row() -> None:
    mixed = mixup(KEY, fn.Batch(np.arange(9.0), np.arange(9.0)), alpha=1.0)
    assert same_bits(mixed.inputs, mixed.targets)


def test_the_key_decides_what_is_mixed_and_nothing_given_is_changed() -> None:
    batch = fn.Batch(IMAGES.copy(), np.eye(20))
    mixed = mixup(KEY, batch, alpha=1.0)
    assert fn.tree_equal(mixed, mixup(KEY, batch, alpha=1.0))
    assert not fn.tree_equal(mixed, mixup(fn.Key(6), batch, alpha=1.0))
    assert same_bits((batch.inputs, batch.targets), (IMAGES, np.eye(20)))
    assert not mixed.inputs.flags.writeable
    assert not mixed.targets.flags.writeable


def test_tensors_are_mixed_as_arrays_are() -> None:
    batch = fn.Batch(IMAGES, np.eye(20, dtype=np.float32))
    tensors: Any = fn.Batch(torch.asarray(batch.inputs), torch.asarray(batch.targets))
    assert_close(mixup(KEY, tensors, alpha=1.0), mixup(KEY, batch, alpha=1.0))


def test_mixed_batches_can_be_cut_out_of_and_learned_from() -> None:
    batch = fn.Batch(cutout(KEY, IMAGES, size=2), fn.one_hot(DATA.targets, 3))
    model = fn.chain(fn.flatten(), fn.linear(3), fn.softmax())
    state = fn.train_state(model, fn.sgd(0.1), key=fn.Key(0), example=(4, 4))
    assert np.isfinite(fn.train_step(model, fn.mse, fn.sgd(0.1), state, mixup(KEY, batch, alpha=0.2)).loss)


def test_labels_are_refused_with_the_way_to_distributions() -> None:
    with pytest.raises(DtypeError, match=r"mixup: targets: .* got int64; pass Batch\(inputs, one_hot\(labels, classes"):
        mixup(KEY, DATA, alpha=0.2)


@pytest.mark.parametrize("alpha", [0, -1, np.inf, None])
def test_an_alpha_that_no_beta_distribution_has_is_refused(alpha: Any) -> None:
    with pytest.raises(OptionError, match=r"mixup\(alpha\)"):
        mixup(KEY, marked(3), alpha=alpha)


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(DataError, match="at least one row"):
        mixup(KEY, fn.Batch(np.zeros((0, 3)), np.zeros((0, 2))), alpha=1.0)
