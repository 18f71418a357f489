"""Streaming on several ranks: each reads its own files of a data set that is larger than memory."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import SupportsIndex

import numpy as np

from fnmlp.batching import Batch, parts_of
from fnmlp.checks import check_kind
from fnmlp.data import ShardedData, split_by_rank, stream_batches
from fnmlp.errors import DataError, OptionError
from fnmlp.interop.mpi.exchange import gathered
from fnmlp.interop.mpi.shards import Comm, Plan, Shards, plan_of
from fnmlp.key import Key, fold_in
from fnmlp.scalars import as_count, as_natural

__all__ = ["parallel_stream"]


def parallel_stream(
    data: ShardedData,
    *,
    size: SupportsIndex,
    key: Key,
    epoch: SupportsIndex,
    start: SupportsIndex = 0,
    window: SupportsIndex = 16384,
    shards: SupportsIndex = 8,
    comm: Comm = None,
) -> Iterator[Shards]:
    """Yield the batches of one epoch over files that don't fit in memory, of which each rank reads its own alone.

    The files are dealt out to `shards` parts, however many ranks there are: part i has every `shards`-th file from
    number i on. Each batch takes `size / shards` rows of every part, in the order of `stream_batches` with the key
    `fold_in(key, i)` and the window given. So any number of ranks trains on the same batches. The epoch ends with the
    shortest part. Pass the same `shards` to `parallel_step`.
    Raises:   as `stream_batches`; OptionError for fewer shards than ranks, and unless `size` is a multiple of `shards`;
              DataError for fewer files than shards, and for parts of fewer rows than a batch takes.

    >>> from fnmlp.data import Shard
    >>> rows = Batch(np.arange(6), np.arange(6))
    >>> files = (Shard(name, rows=6, like=rows[:0], read=lambda first, stop: rows[first:stop]) for name in "abcd")
    >>> every = parallel_stream(ShardedData(files), size=8, key=Key(0), epoch=0, shards=2)
    >>> [batch.targets.shape for batch in every]
    [(8,), (8,), (8,)]
    """
    where = "parallel_stream"
    check_kind(f"{where}(data)", data, ShardedData, "array_shards(…)")
    size, shards = as_count(f"{where}(size)", size), as_count(f"{where}(shards)", shards)
    start = as_natural(f"{where}(start)", start)
    if size % shards:
        raise OptionError(
            f"{where}(size)", f"a multiple of shards, {shards}", size, f"choose {-(-size // shards) * shards}"
        )
    if len(data.shards) < shards:
        remedy = "write more and smaller files, or choose fewer shards"
        raise DataError(where, f"at least {shards} files, one for each shard", len(data.shards), remedy)
    plan, taken = plan_of(where, size, shards, comm), size // shards
    parts = [split_by_rank(data, rank=part, ranks=shards) for part in range(shards)]
    steps = min(map(len, parts)) // taken
    if not steps:
        got = f"{min(map(len, parts))} in the smallest"
        raise DataError(where, f"at least {taken} rows in each of {shards} parts", got, "choose a smaller batch")
    streams = [
        stream_batches(parts[part], size=taken, key=fold_in(key, part), epoch=epoch, start=start, window=window)
        for part in plan.own
    ]
    return _joined(streams, max(0, steps - start), plan, comm)


def _joined(streams: Sequence[Iterator[Batch]], steps: int, plan: Plan, comm: Comm) -> Iterator[Shards]:
    for pieces in islice(zip(*streams, strict=False), steps):
        inputs, *others = (np.concatenate(parts) for parts in zip(*map(parts_of, pieces), strict=True))
        yield Shards(inputs, *(gathered(part, plan.rows, comm) for part in others))
