"""Shards: the parts of a batch. Their number, and the order in which they are added, are the same for any ranks."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, TypeAlias, TypeVar

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array
from fnmlp.batching import Batch, Pair, as_batch, batch_rows, check_data
from fnmlp.checks import check_function
from fnmlp.errors import OptionError
from fnmlp.key import Key, fold_in
from fnmlp.scalars import as_count

__all__ = ["Shards", "parallel_batches"]

Comm: TypeAlias = Any
"""A communicator of mpi4py's, or None for a process that works alone."""

Span: TypeAlias = tuple[int, int]
"""The number of the first shard, and of the one after the last."""

Value = TypeVar("Value")


@frozen(eq=False)
class Shards:
    """Hold what one rank needs of a batch: the inputs of its own shards, and the targets and weights of all rows.

    Shapes:   inputs (own rows, …), targets (n, …), weights (n,) or ().
    """

    inputs: Array
    targets: Array
    weights: Array | tuple[()] = ()


def rank_and_size(comm: Comm) -> tuple[int, int]:
    """Return the number of this rank, and how many there are.

    >>> rank_and_size(None)
    (0, 1)
    """
    return (0, 1) if comm is None else (comm.rank, comm.size)


def edges_of(count: int, parts: int) -> list[int]:
    """Return where each of several parts of a count begins, and the count itself; parts differ by one at most.

    >>> edges_of(10, 4)
    [0, 2, 5, 7, 10]
    """
    return [count * part // parts for part in range(parts + 1)]


@frozen
class Plan:
    """Hold who computes what of a batch.

    `edges`  the first row of each shard, and the number of rows.
    `spans`  the shards of each rank.
    `rank`   the number of this rank.
    """

    edges: list[int]
    spans: list[Span]
    rank: int

    @property
    def own(self) -> range:
        """The shards of this rank."""
        return range(*self.spans[self.rank])

    @property
    def rows(self) -> list[int]:
        """The number of rows of each rank."""
        return [self.edges[last] - self.edges[first] for first, last in self.spans]

    def slice_of(self, shard: int) -> slice:
        """Return the rows of a shard."""
        return slice(self.edges[shard], self.edges[shard + 1])


def plan_of(where: str, rows: int, shards: int, comm: Comm) -> Plan:
    """Return who computes what of a batch; a batch of fewer rows than shards has one shard for each row.

    >>> plan_of("parallel_step", 10, 4, None)
    Plan(edges=[0, 2, 5, 7, 10], spans=[(0, 4)], rank=0)
    """
    (rank, size), shards = rank_and_size(comm), as_count(f"{where}(shards)", shards)
    if shards < size:
        remedy = "more shards, or fewer ranks"
        raise OptionError(f"{where}(shards)", f"at least {size}, one for each rank", shards, remedy)
    shards = max(1, min(shards, rows))
    return Plan(edges_of(rows, shards), list(pairwise(edges_of(shards, size))), rank)


def middle(first: int, last: int) -> int:
    """Return where a node of the tree over shards is cut in two: the left part is the largest power of two.

    >>> middle(0, 8), middle(0, 5)
    (4, 4)
    """
    return first + (1 << (last - first - 1).bit_length() - 1)


def nodes_within(span: Span, node: Span) -> Iterator[Span]:
    """Yield the largest nodes of the tree below a node that a span of shards holds whole.

    >>> [*nodes_within((2, 5), (0, 8))]
    [(2, 4), (4, 5)]
    """
    if span[0] <= node[0] and node[1] <= span[1]:
        yield node
    elif node[0] < span[1] and span[0] < node[1]:
        cut = middle(*node)
        yield from nodes_within(span, (node[0], cut))
        yield from nodes_within(span, (cut, node[1]))


def tree_total(add: Callable[[Value, Value], Value], known: Callable[[Span], Value | None], node: Span) -> Value:
    """Add up the values of a node's shards, in the order of the tree; `known` returns a total, or None.

    >>> tree_total("({} {})".format, {(0, 2): "ab", (2, 3): "c"}.get, (0, 3))
    '(ab c)'
    """
    total = known(node)
    if total is not None:
        return total
    cut = middle(*node)
    return add(tree_total(add, known, (node[0], cut)), tree_total(add, known, (cut, node[1])))


def own_shards(where: str, batch: Batch | Shards | Pair, plan: Callable[[int], Plan]) -> Shards:
    """Return this rank's shards of a batch."""
    if isinstance(batch, Shards):
        return batch
    batch = as_batch(where, batch)
    mine = plan(len(batch))
    first, last = (mine.edges[shard] for shard in mine.spans[mine.rank])
    return Shards(batch.inputs[first:last, ...], batch.targets, batch.weights)


def parallel_batches(
    data: Batch | Pair,
    *,
    size: int,
    key: Key,
    epoch: int,
    start: int = 0,
    shards: int = 8,
    comm: Comm = None,
    augment: Callable[[Key, Array], Array] | None = None,
    augment_key: Key | None = None,
) -> Iterator[Shards]:
    """Yield the batches of one epoch in the order of `batches`, of which each rank reads its own rows alone.

    `augment` changes the inputs of a shard, with the key `fold_in(fold_in(fold_in(augment_key, epoch), batch), shard)`;
    `augment_key` is `key` unless you give another. `comm` is a communicator of mpi4py's; without one, this process
    reads all shards. Pass the same `shards` to `parallel_step`.
    Raises:   as `batches`; OptionError for fewer shards than ranks.

    >>> data = Batch(np.arange(5), np.arange(5))
    >>> [batch.inputs.shape for batch in parallel_batches(data, size=3, key=Key(0), epoch=0)]
    [(3,), (2,)]
    """
    where = "parallel_batches"
    data = as_batch(where, data)
    check_data(data)
    chosen = batch_rows(where, len(data), size=size, key=key, epoch=epoch, start=start)
    plan_of(where, len(data), shards, comm)
    if augment is not None:
        check_function(f"{where}(augment)", augment, 2, "mirror")
    drawn = fold_in(key if augment_key is None else augment_key, epoch)
    return _read(data, enumerate(chosen, start), shards, comm, augment, drawn)


def _read(
    data: Batch,
    chosen: Iterator[tuple[int, Array]],
    shards: int,
    comm: Comm,
    augment: Callable[[Key, Array], Array] | None,
    key: Key,
) -> Iterator[Shards]:
    for number, rows in chosen:
        plan = plan_of("parallel_batches", len(rows), shards, comm)
        weights = () if isinstance(data.weights, tuple) else data.weights[rows]
        parts = [data.inputs[rows[plan.slice_of(shard)]] for shard in plan.own]
        if augment is not None:
            at = fold_in(key, number)
            parts = [augment(fold_in(at, shard), part) for shard, part in zip(plan.own, parts, strict=True)]
        inputs = np.concatenate(parts) if parts else data.inputs[:0]
        yield Shards(inputs, data.targets[rows], weights)
