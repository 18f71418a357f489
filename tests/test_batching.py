"""Batches: each row once, in an order that key and epoch alone decide, from data that a model can learn from."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from fnmlp.batching import Batch, batches, check_data, epoch_order, split_data
from fnmlp.errors import DataError, DtypeError, OptionError
from fnmlp.key import Key
from fnmlp.tree import tree_equal
from tests.optional import optional

torch = optional("torch")

KEY = Key(3)


def numbered(rows: int) -> Batch:
    """Make data whose inputs and targets both tell their row."""
    return Batch(np.stack([np.arange(rows), -np.arange(rows)], axis=1), np.arange(rows))


def served(data: Batch, size: int, *, epoch: int = 0, start: int = 0) -> list[Batch]:
    return list(batches(data, size=size, key=KEY, epoch=epoch, start=start))


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 5))
def test_an_epoch_serves_every_row_once_with_its_target(rows: int, size: int, epoch: int) -> None:
    epoch_batches = served(numbered(rows), size, epoch=epoch)
    assert [len(batch) for batch in epoch_batches[:-1]] == [size] * (len(epoch_batches) - 1)
    assert 1 <= len(epoch_batches[-1]) <= size
    targets = np.concatenate([batch.targets for batch in epoch_batches])
    assert sorted(targets.tolist()) == list(range(rows))
    assert targets.tolist() == epoch_order(rows, key=KEY, epoch=epoch).tolist()
    for batch in epoch_batches:
        assert batch.inputs.tolist() == [[row, -row] for row in batch.targets.tolist()]


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 12))
def test_start_goes_on_where_an_epoch_was_left(rows: int, size: int, start: int) -> None:
    data = numbered(rows)
    assert tree_equal(tuple(served(data, size, start=start)), tuple(served(data, size)[start:]))


def test_epochs_and_keys_have_orders_of_their_own_and_repeat_them() -> None:
    orders = [epoch_order(50, key=Key(key), epoch=epoch).tolist() for key in (0, 1) for epoch in (0, 1)]
    assert len(set(map(tuple, orders))) == 4
    assert epoch_order(50, key=Key(1), epoch=1).tolist() == orders[3]


def test_the_order_of_an_epoch_is_pinned() -> None:
    # NumPy promises a stream for one build only: where this fails after an upgrade, say so in the changelog.
    assert epoch_order(8, key=Key(1), epoch=2).tolist() == PINNED


@pytest.mark.parametrize("start", [-1, 1.5, None])
def test_a_start_that_is_no_number_of_batches_is_refused(start: Any) -> None:
    with pytest.raises(OptionError, match=r"batches\(start\)"):
        batches(numbered(5), size=2, key=KEY, epoch=0, start=start)


@pytest.mark.parametrize("size", [0, -1, 2.0, None, True])
def test_a_size_that_is_no_count_is_refused_before_the_first_batch(size: Any) -> None:
    with pytest.raises(OptionError, match=r"batches\(size\)"):
        batches(numbered(5), size=size, key=KEY, epoch=0)


@pytest.mark.parametrize("epoch", [-1, 2**32, 0.5])
def test_an_epoch_outside_the_range_of_keys_is_refused(epoch: Any) -> None:
    with pytest.raises(OptionError):
        batches(numbered(5), size=2, key=KEY, epoch=epoch)


@pytest.mark.parametrize("kind", ["float16", "complex64", "complex128", "object", "U1", "M8[s]", "longdouble"])
@pytest.mark.parametrize("side", ["inputs", "targets"])
def test_data_that_no_model_learns_from_are_refused_before_the_first_batch(kind: str, side: str) -> None:
    columns = {"inputs": np.zeros((2, 3)), "targets": np.zeros(2)} | {side: np.zeros(2, np.int64).astype(kind)}
    with pytest.raises(DtypeError, match=f"{side}: expected integers, float32 or float64"):
        batches(Batch(**columns), size=1, key=KEY, epoch=0)


@pytest.mark.parametrize("kind", ["uint8", "int64", "bool", "float32", "float64", ">f4", ">f8", ">i2"])
def test_data_that_a_model_learns_from_are_taken_in_either_byte_order(kind: str) -> None:
    data = Batch(np.zeros((4, 2), kind), np.zeros(4, kind))
    check_data(data)
    assert [batch.inputs.dtype for batch in served(data, 3)] == [np.dtype(kind)] * 2


def test_empty_data_are_refused() -> None:
    with pytest.raises(DataError, match="at least one row"):
        batches(Batch(np.zeros((0, 3)), np.zeros(0)), size=1, key=KEY, epoch=0)


@pytest.mark.parametrize(
    ("inputs", "targets"),
    [
        (np.zeros((3, 2)), np.zeros(4)),
        (np.zeros(()), np.zeros(3)),
        (np.zeros(3), np.float64(1)),
        ([[1.0, 2.0], [3.0]], np.zeros(2)),
    ],
)
def test_rows_that_do_not_belong_together_are_refused(inputs: Any, targets: Any) -> None:
    with pytest.raises(DataError, match="Batch"):
        Batch(inputs, targets)


@pytest.mark.parametrize("wrong", [None, 3, "ab", ["a", "b"], {0: 1}, [None, None]], ids=repr)
def test_what_is_no_array_makes_no_batch(wrong: Any) -> None:
    with pytest.raises(DtypeError, match=r"Batch\((inputs|targets)\)"):
        Batch(wrong, np.zeros(2))
    with pytest.raises(DtypeError, match=r"Batch\((inputs|targets)\)"):
        Batch(np.zeros(2), wrong)


def test_lists_of_numbers_are_arrays_in_a_batch() -> None:
    batch = Batch([[1.0], [2.0]], [0, 1])  # type: ignore[arg-type]
    assert (batch.inputs.tolist(), batch.targets.tolist(), str(batch.targets.dtype)) == (
        [[1.0], [2.0]],
        [0, 1],
        "int64",
    )


def test_a_batch_is_a_sequence_of_examples_that_the_caller_owns() -> None:
    data = numbered(3)
    data.inputs.setflags(write=False)
    inputs, targets = data[1]
    assert (len(data), inputs.tolist(), int(targets)) == (3, [1, -1], 1)
    assert inputs.flags.writeable
    assert [int(target) for _, target in (data[i] for i in range(-1, 2))] == [2, 0, 1]
    for beyond in (3, -4):
        with pytest.raises(IndexError):
            data[beyond]


@pytest.mark.parametrize("make", [np.int64, np.uint8, np.array, int], ids=repr)
def test_a_row_number_may_be_of_any_integer_kind(make: Callable[[int], Any]) -> None:
    assert int(numbered(3)[make(2)][1]) == 2


def test_rows_are_chosen_by_slices_and_by_row_numbers() -> None:
    data = numbered(5)
    assert data[1:4:2].targets.tolist() == [1, 3]
    assert data[np.array([4, 0, 4])].targets.tolist() == [4, 0, 4]
    with pytest.raises(IndexError):
        data[np.array([5])]


def test_a_mask_chooses_the_rows_that_it_marks_and_not_rows_0_and_1() -> None:
    # numpy.take reads the mask's True and False as the row numbers 1 and 0.
    mask = np.array([False, False, True, True, False])
    try:
        chosen = numbered(5)[mask].targets.tolist()
    except (DataError, DtypeError):
        chosen = [2, 3]
    assert chosen == [2, 3]


def test_a_batch_of_torch_tensors_gives_examples_too() -> None:
    data = Batch(torch.ones(3, 2), torch.arange(3))
    inputs, target = data[1]
    assert (inputs.tolist(), int(target)) == ([1.0, 1.0], 1)
    assert data[:2].inputs.tolist() == [[1.0, 1.0]] * 2


@given(st.integers(2, 60), st.floats(0, 1, exclude_max=True), st.integers(0, 5))
def test_a_split_puts_every_row_with_its_target_into_one_of_two_parts(rows: int, share: float, entropy: int) -> None:
    if not 0 < round(rows * share) < rows:
        with pytest.raises(OptionError, match=r"split_data\(share\): expected a share that leaves rows in both parts"):
            split_data(numbered(rows), key=Key(entropy), share=share)
        return
    train, held_out = split_data(numbered(rows), key=Key(entropy), share=share)
    assert len(held_out) == round(rows * share)
    assert sorted([*train.targets.tolist(), *held_out.targets.tolist()]) == list(range(rows))
    for part in (train, held_out):
        assert part.inputs.tolist() == [[row, -row] for row in part.targets.tolist()]


def test_the_key_alone_decides_a_split() -> None:
    def held_out(key: Key) -> list[int]:
        rows: list[int] = split_data(numbered(50), key=key, share=0.2)[1].targets.tolist()
        return rows

    assert held_out(Key(0)) == held_out(Key(0))
    assert len({tuple(held_out(Key(entropy))) for entropy in range(5)}) == 5


def test_a_split_leaves_the_data_as_they_are() -> None:
    data = numbered(10)
    split_data(data, key=KEY, share=0.5)
    assert tree_equal(data, numbered(10))


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, 200, float("nan"), None, "half"])
def test_a_share_that_is_no_share_is_refused(share: Any) -> None:
    with pytest.raises(OptionError, match=r"split_data\(share\)"):
        split_data(numbered(5), key=KEY, share=share)


PINNED = [2, 6, 5, 0, 1, 4, 3, 7]
