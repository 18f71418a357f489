"""A simulation of what ranks send each other, message by message, to check the closed formulas and what they leave out.

A rank sends one message at a time, and receives one at a time. A message keeps its sender busy for the overhead and its
bytes; its first byte arrives after the latency, and its last one when the receiver has had time for all bytes.
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from attrs import frozen
import numpy as np
from numpy.typing import NDArray

from fnmlp.interop.mpi.shards import edges_of
from tests.growth.costs import SMALL, Links, nodes_of

Numbers: TypeAlias = NDArray[np.float64]
Ranks: TypeAlias = NDArray[np.int64]


@frozen(eq=False)
class Round:
    """Hold the messages that ranks send once their round before is complete, and the bytes that each adds at its end.

    `source`, `target` and `size` have an element for each message, in the order in which a rank sends them.
    """

    source: Ranks
    target: Ranks
    size: Numbers | float
    added: Numbers | float = 0.0


Schedule: TypeAlias = Iterable[Round]


def simulated(schedule: Schedule, ranks: int, links: Links) -> float:
    """Return the seconds after which the last rank has ended.

    >>> swap = Round(np.array([0, 1]), np.array([1, 0]), 100.0)
    >>> simulated([swap, swap], 2, Links(latency=1.0, overhead=0.5, byte=0.1, add=0.0))
    23.0
    """
    ready, port = np.zeros(ranks), [0.0] * ranks
    for step in schedule:
        wire = np.broadcast_to(step.size * links.byte, step.source.shape)
        sent = ready[step.source] + _running(step.source, links.overhead + wire)
        first_byte = sent - wire + links.latency
        order = np.argsort(first_byte, kind="stable")
        columns = (x[order].tolist() for x in (step.target, first_byte, wire))
        for target, arrives, takes in zip(*columns, strict=True):
            port[target] = max(port[target], arrives) + takes
            # The last of a round is the latest: a port takes them in the order of their arrival.
        np.maximum.at(ready, step.source, sent)
        np.maximum.at(ready, step.target, np.asarray(port)[step.target])
        ready = ready + step.added * links.add
    return float(ready.max())


def _running(group: Ranks, x: Numbers) -> Numbers:
    """Return the sums of x up to each element, over the elements of its group.

    >>> _running(np.array([0, 1, 0]), np.array([1.0, 5.0, 2.0]))
    array([1., 5., 3.])
    """
    order = np.argsort(group, kind="stable")
    sums = np.cumsum(x[order])
    firsts = np.flatnonzero(np.diff(group[order], prepend=-1))
    before = np.repeat((sums - x[order])[firsts], np.diff(np.append(firsts, len(group))))
    found = np.empty_like(sums)
    found[order] = sums - before
    return found


def doubling(ranks: int, size: float) -> Iterator[Round]:
    """Yield the rounds of recursive doubling, for a power of two of ranks."""
    every, distance = np.arange(ranks), 1
    while distance < ranks:
        yield Round(every, every ^ distance, size, size)
        distance *= 2


def binomial(ranks: int, size: float) -> Iterator[Round]:
    """Yield the rounds of a reduction along a tree, and those of a broadcast."""
    every, distances = np.arange(ranks), [1 << place for place in range((ranks - 1).bit_length())]
    for distance in distances:
        source = every[every % (2 * distance) == distance]
        added = np.zeros(ranks)
        added[source - distance] = size
        yield Round(source, source - distance, size, added)
    for distance in distances:
        source = every[: min(distance, ranks - distance)]
        yield Round(source, source + distance, size)


def any_order(ranks: int, size: float) -> Iterator[Round]:
    """Yield the rounds of the all-reduce that Open MPI chooses for `order="any"`."""
    return binomial(ranks, size) if ranks < 4 or size < SMALL else rabenseifner(ranks, size)


def ring(ranks: int, size: float) -> Iterator[Round]:
    """Yield the rounds of a ring: each rank sends to the next, adds in the first half of the rounds alone."""
    every, part = np.arange(ranks), size / ranks
    for hop in range(2 * (ranks - 1)):
        yield Round(every, (every + 1) % ranks, part, part if hop < ranks - 1 else 0.0)


def rabenseifner(ranks: int, size: float) -> Iterator[Round]:
    """Yield the rounds of halving and doubling, for a power of two of ranks."""
    every = np.arange(ranks)
    sizes = [(1 << place, size / 2 ** (place + 1)) for place in range(ranks.bit_length() - 1)]
    for distance, part in sizes:
        yield Round(every, every ^ distance, part, part)
    for distance, part in reversed(sizes):
        yield Round(every, every ^ distance, part)


def fixed_order(ranks: int, size: float, *, shards: int, turned: bool = False) -> Iterator[Round]:
    """Yield the two rounds of the fixed order: parts to all, in the order of ranks as Open MPI sends them, and sums.

    `turned` lets each rank begin with the next one, as the second round does, so that no two send to the same.
    """
    nodes = np.array(nodes_of(ranks, shards), np.float64)
    widths = 4 * np.diff(np.array(edges_of(round(size / 4), ranks), np.float64))
    source, hop = (each.ravel() for each in np.divmod(np.arange(ranks * (ranks - 1)), ranks - 1))
    next_ones = (source + hop + 1) % ranks
    target = next_ones if turned else hop + (hop >= source)
    yield Round(source, target, nodes[source] * widths[target], (nodes.sum() - 1) * widths)
    yield Round(source, next_ones, widths[source])
