"""Shards: a data set in pieces, whose rows are read only when their batch is near."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, SupportsIndex

from attrs import field, frozen
import numpy as np
from numpy.typing import NDArray

from fnmlp.batching import PARTS, Batch, as_batch, check_data, parts_of
from fnmlp.checks import as_iterator, check_function, check_kind
from fnmlp.errors import DataError, DtypeError, OptionError, ShapeError
from fnmlp.scalars import as_count, as_natural

__all__ = ["Shard", "ShardedData", "split_by_rank"]

BLOCK = 64
"""The number of rows that are read together, unless the user says otherwise: 50 kB of MNIST's images."""


def _rows(rows: SupportsIndex) -> int:
    return as_natural("Shard(rows)", rows)


def _starts(starts: Iterable[SupportsIndex]) -> Sequence[int]:
    if isinstance(starts, range):
        return starts
    return tuple(as_natural("Shard(starts)", start) for start in as_iterator("Shard(starts)", starts, "row numbers"))


@frozen(eq=False)
class Shard:
    """Describe one piece of a data set: its name, how many rows it has, what a row looks like, and how to read rows.

    `like` is a batch of no rows, with the dtypes and the shapes of the shard's rows. `read(first, stop)` returns the
    rows from `first` up to `stop`, as a batch or a pair. It must be pure, because it is called on another thread.
    `starts` are the row numbers at which blocks begin; the rows of a block are read together. Without them, a block has
    64 rows.
    Raises:   DataError without rows, and if `like` has some; DtypeError for rows that no model learns from; OptionError
              unless the starts rise from 0.

    >>> import numpy as np
    >>> rows = Batch(np.arange(6.0).reshape(3, 2), np.array([0, 1, 0]))
    >>> shard = Shard("three rows", rows=3, like=rows[:0], read=lambda first, stop: rows[first:stop])
    >>> read_rows(shard, 1, 3).targets
    array([1, 0])
    """

    name: str
    rows: int = field(kw_only=True, converter=_rows)
    like: Batch = field(kw_only=True)
    read: Callable[[int, int], Any] = field(kw_only=True)
    starts: Sequence[int] = field(kw_only=True, default=(), converter=_starts)

    def __attrs_post_init__(self) -> None:
        check_kind("Shard(name)", self.name, str, "'a.npy'")
        check_kind("Shard(like)", self.like, Batch, "data[:0]")
        check_function("Shard(read)", self.read, 2, "lambda first, stop: data[first:stop]")
        if not self.rows:
            raise DataError(self.name, "at least one row", "none", "leave it out")
        if len(self.like):
            raise DataError(f"{self.name}: like", "a batch of no rows", f"{len(self.like)} rows", "pass data[:0]")
        _check_learnable(self)
        if not self.starts:
            object.__setattr__(self, "starts", range(0, self.rows, BLOCK))
        edges = block_edges(self)
        if edges[0] or not np.all(np.diff(edges) > 0):
            got, remedy = ", ".join(map(str, self.starts[:4])), "pass for instance range(0, rows, 64)"
            raise OptionError(f"{self.name}: starts", f"rows that rise from 0 to below {self.rows}", got, remedy)


def _check_learnable(shard: Shard) -> None:
    for name, x in zip(PARTS, parts_of(shard.like), strict=False):
        if not isinstance(x, np.ndarray):
            raise DtypeError(f"{shard.name}: {name}", "an array of NumPy", type(x).__name__, "convert it")
    try:
        check_data(Batch(*(np.zeros((1, *x.shape[1:]), x.dtype) for x in parts_of(shard.like))))
    except DtypeError as error:
        raise DtypeError(f"{shard.name}: {error.where}", error.expected, error.got, error.remedy) from error


def block_edges(shard: Shard) -> NDArray[np.int64]:
    """Return the row numbers between which the blocks of a shard lie.

    >>> import numpy as np
    >>> like = Batch(np.zeros((0, 2)), np.zeros(0))
    >>> block_edges(Shard("a", rows=5, like=like, read=divmod, starts=(0, 3)))
    array([0, 3, 5])
    """
    starts = shard.starts
    firsts: NDArray[np.int64] = np.asarray(
        np.arange(starts.start, starts.stop, starts.step) if isinstance(starts, range) else starts
    )
    return np.append(firsts, shard.rows)


def read_rows(shard: Shard, first: int, stop: int) -> Batch:
    """Read the rows of a shard from `first` up to `stop`.

    Raises:   DataError, ShapeError or DtypeError unless they are as many as asked for, and look as the shard says;
              whatever its `read` raises.
    """
    batch = Batch(*map(np.asarray, parts_of(as_batch(shard.name, shard.read(first, stop)))))
    if len(batch) != stop - first:
        expected, got = f"{stop - first} rows from row {first}", f"{len(batch)}"
        raise DataError(shard.name, expected, got, "did it change after it was opened?")
    check_alike(shard.name, batch, shard.like, "its like")
    return batch


def check_alike(where: str, batch: Batch, like: Batch, whose: str) -> None:
    """Raise unless the rows of two batches have the same dtypes, in any byte order, and the same shapes."""
    found, wanted = parts_of(batch), parts_of(like)
    if len(found) != len(wanted):
        words = {2: "rows without weights", 3: "rows with weights"}
        raise DataError(where, words[len(wanted)], words[len(found)], "give all shards weights, or none")
    for name, x, y in zip(PARTS, found, wanted, strict=False):
        if x.shape[1:] != y.shape[1:]:
            raise ShapeError(where, f"{name} of shape {y.shape[1:]}, as in {whose}", x.shape[1:], "leave it out")
        if x.dtype.newbyteorder("=") != y.dtype.newbyteorder("="):
            raise DtypeError(where, f"{name} of {y.dtype}, as in {whose}", x.dtype, "convert it")


def _shards(shards: Iterable[Shard]) -> tuple[Shard, ...]:
    return tuple(as_iterator("ShardedData", shards, "shards"))


@frozen(eq=False)
class ShardedData:
    """Hold a data set that may be larger than memory, as a tuple of shards; `len` is its number of rows.

    You can pass any iterable of shards, such as a generator. The rows of all must have the same dtypes and shapes.
    Raises:   DataError without shards, and where some have weights and others none; ShapeError or DtypeError, with the
              name of the shard, for one that differs from the first; StructureError for anything but shards.

    >>> import numpy as np
    >>> rows = Batch(np.zeros((5, 2)), np.zeros(5))
    >>> len(ShardedData(Shard(name, rows=5, like=rows[:0], read=lambda *_: rows) for name in "abc"))
    15
    """

    shards: tuple[Shard, ...] = field(converter=_shards)

    def __attrs_post_init__(self) -> None:
        if not self.shards:
            raise DataError("ShardedData", "at least one shard", "none", "check the pattern of their names")
        for shard in self.shards:
            check_kind("ShardedData", shard, Shard, "array_shards(…).shards[0]")
            check_alike(shard.name, shard.like, self.like, self.shards[0].name)

    @property
    def like(self) -> Batch:
        """A batch of no rows, with the dtypes and the shapes of all rows."""
        return self.shards[0].like

    def __len__(self) -> int:
        return sum(shard.rows for shard in self.shards)


def split_by_rank(data: ShardedData, *, rank: SupportsIndex, ranks: SupportsIndex) -> ShardedData:
    """Return the shards of one of several processes: every `ranks`-th, beginning with that of number `rank`.

    Each shard goes to exactly one rank. Ranks may differ in their number of rows.
    Raises:   OptionError unless 0 <= rank < ranks; DataError if there are fewer shards than ranks.

    >>> import numpy as np
    >>> rows = Batch(np.zeros((5, 2)), np.zeros(5))
    >>> data = ShardedData(Shard(name, rows=5, like=rows[:0], read=lambda *_: rows) for name in "abcde")
    >>> [shard.name for shard in split_by_rank(data, rank=1, ranks=2).shards]
    ['b', 'd']
    """
    check_kind("split_by_rank(data)", data, ShardedData, "array_shards(…)")
    count, place = as_count("split_by_rank(ranks)", ranks), as_natural("split_by_rank(rank)", rank)
    if place >= count:
        raise OptionError("split_by_rank(rank)", f"a rank from 0 to {count - 1}", place, "count ranks from 0")
    if len(data.shards) < count:
        got = f"{len(data.shards)} for {count} ranks"
        raise DataError("split_by_rank", "at least one shard for each rank", got, "write more and smaller shards")
    return ShardedData(data.shards[place::count])
