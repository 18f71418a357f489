"""Streaming: the batches of an epoch over shards, read ahead of their use."""

from collections.abc import Iterator
from contextlib import closing
from typing import SupportsIndex

import numpy as np

from fnmlp.arrays import read_only
from fnmlp.batching import Batch, parts_of
from fnmlp.checks import check_kind
from fnmlp.data.prefetching import prefetch
from fnmlp.data.shards import ShardedData
from fnmlp.data.windows import Order, epoch_blocks, read_window
from fnmlp.key import Key
from fnmlp.scalars import as_count, as_natural

__all__ = ["stream_batches"]


def stream_batches(
    data: ShardedData,
    *,
    size: SupportsIndex,
    key: Key,
    epoch: SupportsIndex,
    start: SupportsIndex = 0,
    window: SupportsIndex = 16384,
) -> Iterator[Batch]:
    """Yield the batches of one epoch over shards: every row once, in an order that depends only on the key and epoch.

    The order also depends on the sizes of the shards, their blocks and the window, but not on the batches' size. Blocks
    are shuffled, then the rows of each window of blocks. A window has at most `window` rows, and two are in memory at
    a time: while you use the rows of one, a thread reads the next. The thread ends with the iterator. `start` skips
    that many batches, to resume in the middle of an epoch, and reads none of the windows before. Arrays are in native
    byte order.
    Raises:   OptionError for a bad size, and for a window that is smaller than a block; DataError, with the name of the
              shard, for files that have changed; whatever reading a shard raises.
    Source:   Xu et al. 2022, "In-database machine learning with CorgiPile", SIGMOD, arXiv:2206.05830.

    >>> rows = Batch(np.arange(10), np.arange(10))
    >>> from fnmlp.data.shards import Shard
    >>> data = ShardedData([Shard("ten", rows=10, like=rows[:0], read=lambda first, stop: rows[first:stop])])
    >>> [len(batch) for batch in stream_batches(data, size=4, key=Key(0), epoch=0)]
    [4, 4, 2]
    """
    check_kind("stream_batches(data)", data, ShardedData, "array_shards(…)")
    size, start = as_count("stream_batches(size)", size), as_natural("stream_batches(start)", start)
    order = epoch_blocks(data, window=as_count("stream_batches(window)", window), key=key, epoch=epoch)
    return _batches(data, order, size, start * size)


def _batches(data: ShardedData, order: Order, size: int, first: int) -> Iterator[Batch]:
    """Cut the rows of an epoch from number `first` on into batches."""
    number = int(np.searchsorted(order.rows, first, side="right")) - 1  # of the window that has this row
    windows = (read_window(data, order, number) for number in range(number, len(order.rows) - 1))
    rest: tuple[Batch, ...] = ()
    row = first - int(order.rows[number])
    with closing(prefetch(windows)) as read_ahead:  # type: ignore[type-var]
        for window in read_ahead:
            while row + (needed := size - sum(map(len, rest))) <= len(window):
                yield _joined(*rest, window[row : row + needed])
                rest, row = (), row + needed
            rest, row = (*rest, window[row:]), 0
    if sum(map(len, rest)):
        yield _joined(*rest)


def _joined(*pieces: Batch) -> Batch:
    if len(pieces) == 1:
        return pieces[0]
    return Batch(*(read_only(np.concatenate(parts)) for parts in zip(*map(parts_of, pieces), strict=True)))
