"""Windows: the order of an epoch over shards, by a permutation of blocks, then one of the rows of a window of blocks.

Blocks in random order are grouped into windows, and the rows of each window are permuted. So every window has rows from
all over the data set, and only one window of rows needs to be in memory at a time.

Source:   Xu et al. 2022, "In-database machine learning with CorgiPile", SIGMOD, arXiv:2206.05830, section 4.
"""

from collections.abc import Iterator
from typing import SupportsIndex

from attrs import frozen
import numpy as np
from numpy.typing import NDArray

from fnmlp.arrays import read_only
from fnmlp.batching import Batch, check_data, parts_of
from fnmlp.data.shards import ShardedData, block_edges, read_rows
from fnmlp.errors import OptionError
from fnmlp.key import Key, fold_in, generator


@frozen(eq=False)
class Order:
    """Hold the order of an epoch.

    `blocks` (n, 3) are the blocks in that order: shard, first row, and the row after the last. `edges` are the numbers
    of the blocks between which windows lie, and `rows` the numbers of rows before them. `key` permutes each window.
    """

    blocks: NDArray[np.int64]
    edges: NDArray[np.int64]
    rows: NDArray[np.int64]
    key: Key


def epoch_blocks(data: ShardedData, *, window: int, key: Key, epoch: SupportsIndex) -> Order:
    """Return the order of an epoch: a function of the key, the epoch, the shards' sizes and the window.

    Raises:   OptionError if a block has more rows than the window.
    """
    edges = [block_edges(shard) for shard in data.shards]
    shards = np.repeat(np.arange(len(edges)), [len(each) - 1 for each in edges])
    blocks = np.stack([shards, np.concatenate([e[:-1] for e in edges]), np.concatenate([e[1:] for e in edges])], axis=1)
    sizes = blocks[:, 2] - blocks[:, 1]
    longest = int(sizes.argmax())
    if sizes[longest] > window:
        name, expected = data.shards[blocks[longest, 0]].name, f"at least {sizes[longest]} rows, a block of"
        raise OptionError("window", f"{expected} {name}", window, "choose a larger window, or write smaller blocks")
    key = fold_in(key, epoch)
    order = generator(fold_in(key, 0)).permutation(len(blocks))
    ends = [0, *_window_ends(np.cumsum(sizes[order]), window)]
    before = np.concatenate([[0], np.cumsum(sizes[order])])
    return Order(blocks[order], np.asarray(ends), before[ends], fold_in(key, 1))


def _window_ends(totals: NDArray[np.int64], window: int) -> Iterator[int]:
    """Yield the number of blocks up to the end of each window: as many as fit."""
    end = 0
    while end < len(totals):
        before = totals[end - 1] if end else 0
        end = int(np.searchsorted(totals, before + window, side="right"))
        yield end


def row_order(order: Order, number: int) -> NDArray[np.int64]:
    """Return the places that the rows of a window take in it, block by block."""
    rows = int(order.rows[number + 1] - order.rows[number])
    return generator(fold_in(order.key, number)).permutation(rows)


def read_window(data: ShardedData, order: Order, number: int) -> Batch:
    """Read the rows of one window, in the order in which they are trained on.

    Raises:   whatever `read_rows` raises; DataError for weights that are negative or not finite.
    """
    places = row_order(order, number)
    like = parts_of(data.like)
    parts = [np.empty((len(places), *x.shape[1:]), x.dtype.newbyteorder("=")) for x in like]
    blocks = order.blocks[order.edges[number] : order.edges[number + 1]]
    ends = np.cumsum(blocks[:, 2] - blocks[:, 1])
    for place in np.lexsort((blocks[:, 1], blocks[:, 0])):  # as they lie on the disk
        shard, first, stop = (int(number) for number in blocks[place])
        rows = read_rows(data.shards[shard], first, stop)
        chosen = places[ends[place] - (stop - first) : ends[place]]
        for part, x in zip(parts, parts_of(rows), strict=True):
            part[chosen] = x
    window = Batch(*map(read_only, parts))
    check_data(window)
    return window
