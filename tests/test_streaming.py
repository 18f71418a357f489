"""Streaming: every row once an epoch, in an order that is as good as stated, a function of key, epoch and start."""

from functools import partial
from itertools import pairwise
from math import log, sqrt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from fnmlp.batching import Batch
from fnmlp.data import Shard, ShardedData, stream_batches
from fnmlp.data.windows import epoch_blocks, row_order
from fnmlp.errors import DataError, OptionError
from fnmlp.key import Key
from tests.steps import same_bits

CHANCE = 1e-9
"""The chance that a right shuffle would fail one of these claims with another key."""


def numbered(*sizes: int, block: int = 4, weighed: bool = False) -> ShardedData:
    """Return shards whose rows hold their own number."""
    ends = np.cumsum(sizes)
    return ShardedData(
        _shard(np.arange(end - size, end), block, weighed) for size, end in zip(sizes, ends.tolist(), strict=True)
    )


def _shard(numbers: Any, block: int, weighed: bool) -> Shard:
    rows = Batch(np.stack([numbers, -numbers], axis=1), numbers, *([numbers.astype(float)] if weighed else []))
    starts = range(0, len(numbers), block)
    return Shard("numbers", rows=len(numbers), like=rows[:0], read=lambda a, b: rows[a:b], starts=starts)


def order_of(data: ShardedData, key: int = 0, epoch: int = 0, size: int = 64, window: int = 16) -> list[int]:
    read = stream_batches(data, size=size, key=Key(key), epoch=epoch, window=window)
    return [int(row) for batch in read for row in batch.targets]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(1, 70), st.integers(4, 90), st.booleans())
def test_every_row_comes_once_with_its_target_in_batches_of_the_size(
    sizes: list[int], size: int, window: int, weighed: bool
) -> None:
    data, rows = numbered(*sizes, weighed=weighed), sum(sizes)
    seen = [*stream_batches(data, size=size, key=Key(1), epoch=2, window=window)]
    assert [len(batch) for batch in seen] == [min(size, rows - row) for row in range(0, rows, size)]
    numbers = np.concatenate([batch.targets for batch in seen])
    assert sorted(numbers.tolist()) == list(range(rows))
    for batch in seen:
        assert batch.inputs.tolist() == [[row, -row] for row in batch.targets.tolist()]
        assert not weighed or np.array_equal(batch.weights, batch.targets)
        assert not batch.inputs.flags.writeable


def test_start_drops_batches_and_reads_none_of_the_windows_before() -> None:
    data, read = numbered(37, 50, 26), list[tuple[int, int]]()
    noted = ShardedData(_noting(shard, read) for shard in data.shards)
    stream = partial(stream_batches, noted, size=9, key=Key(3), epoch=1, window=16)
    whole = [*stream()]
    for start in range(len(whole) + 2):
        read.clear()
        assert same_bits(tuple(stream(start=start)), tuple(whole[start:]))
        assert sum(stop - first for first, stop in read) <= max(len(data) - 9 * start, 0) + 16


def _noting(shard: Shard, read: list[tuple[int, int]]) -> Shard:
    def noted(first: int, stop: int) -> Batch:
        read.append((first, stop))
        rows: Batch = shard.read(first, stop)
        return rows

    return Shard(shard.name, rows=shard.rows, like=shard.like, read=noted, starts=shard.starts)


def test_the_order_depends_on_key_and_epoch_and_not_on_the_size_of_batches() -> None:
    data = numbered(100, 60)
    assert order_of(data) == order_of(data, size=7)
    assert len({tuple(order_of(data, key, epoch)) for key in range(3) for epoch in range(3)}) == 9
    assert order_of(data, window=160) != order_of(data)


def test_the_order_of_a_release_stays_that_of_the_next() -> None:
    assert order_of(numbered(8, 4), window=8) == PINNED


def bound(draws: int, chance: float, claims: int = 1) -> float:
    """Return how far a count of independent draws may be from its mean: Bernstein's inequality."""
    likely, variance = log(2 * claims / CHANCE), draws * chance * (1 - chance)
    return likely / 3 + sqrt((likely / 3) ** 2 + 2 * variance * likely)


def drawn(data: ShardedData, epoch: int, window: int) -> list[list[int]]:
    """Return the rows of each window of an epoch, in order, without reading any."""
    order = epoch_blocks(data, window=window, key=Key(0), epoch=epoch)
    before = np.cumsum([0, *(shard.rows for shard in data.shards)])
    rows = [[*range(before[shard] + first, before[shard] + stop)] for shard, first, stop in order.blocks.tolist()]
    windows = []
    for number, (first, last) in enumerate(pairwise(order.edges)):
        stored = np.concatenate(rows[first:last])
        windows.append(stored[np.argsort(row_order(order, number))].tolist())
    return windows


def test_what_is_drawn_is_what_is_read() -> None:
    data = numbered(30, 12)
    assert sum(drawn(data, 5, 16), []) == order_of(data, epoch=5)  # noqa: RUF017 (three windows)


def test_every_place_of_an_epoch_is_equally_likely_for_each_row() -> None:
    # With blocks of equal size: (blocks of a window / all blocks) x (1 / rows of the window) = 1 / rows.
    data, epochs, rows = numbered(8, 16), 3000, 24
    counts = np.zeros((rows, rows))
    for epoch in range(epochs):
        counts[np.concatenate(drawn(data, epoch, 16)), np.arange(rows)] += 1
    assert abs(counts - epochs / rows).max() < bound(epochs, 1 / rows, rows**2) < epochs / rows


def test_rows_of_a_block_stay_within_a_window_and_are_neighbours_with_chance_two_by_its_rows() -> None:
    # One pair a window, the first two rows of its smallest row's block, so that the draws are independent.
    data, window, epochs = numbered(256, 256), 16, 100
    neighbours, farthest = 0, 0
    for epoch in range(epochs):
        windows = drawn(data, epoch, window)
        for rows in windows:
            neighbours += abs(rows.index(min(rows)) - rows.index(min(rows) + 1)) == 1
            assert all(row // 4 * 4 + k in rows for row in rows for k in range(4))  # whole blocks
        farthest = max(farthest, int(abs(np.concatenate(windows) - np.arange(512)).max()))
    draws = epochs * 512 // window
    assert abs(neighbours - draws * 2 / window) < bound(draws, 2 / window) < draws * 2 / window
    assert farthest > 512 - window  # rows come from all over the data set


def test_data_that_fit_in_one_window_are_shuffled_as_a_whole() -> None:
    place = np.array([np.argsort(order_of(numbered(8), epoch=epoch, window=8)) for epoch in range(200)])
    apart = abs(place[:, 0] - place[:, 1])
    assert apart.max() == 7  # the first two rows are even at both ends


def test_a_window_smaller_than_a_block_is_refused_before_the_first_batch() -> None:
    with pytest.raises(OptionError, match="window: expected at least 8 rows, a block of numbers, got 7"):
        stream_batches(numbered(9, block=8), size=1, key=Key(0), epoch=0, window=7)


def test_an_error_of_a_reader_reaches_the_consumer() -> None:
    def broken(first: int, stop: int) -> Batch:
        raise OSError(f"{first} to {stop}")

    (shard,) = numbered(8).shards
    data = ShardedData([Shard("a", rows=8, like=shard.like, read=broken)])
    with pytest.raises(OSError, match="0 to 8"):
        next(stream_batches(data, size=2, key=Key(0), epoch=0))


def test_weights_that_are_no_weights_are_refused() -> None:
    rows = Batch(np.zeros((4, 1)), np.zeros(4), np.full(4, -1.0))
    data = ShardedData([Shard("a", rows=4, like=rows[:0], read=lambda a, b: rows[a:b])])
    with pytest.raises(DataError, match="finite weights of at least 0"):
        next(stream_batches(data, size=2, key=Key(0), epoch=0))


PINNED = [2, 5, 6, 7, 1, 4, 0, 3, 9, 10, 8, 11]
