"""What collective operations cost, in closed form: messages, bytes and additions, and the seconds of each.

Source:   Hockney 1994 (latency and rate); Alexandrov et al. 1995, LogGP (overhead); Thakur, Rabenseifner & Gropp 2005,
          "Optimization of collective communication operations in MPICH" (the formulas of all-reduce).
"""

from itertools import pairwise
from math import ceil, log2

from attrs import frozen

from fnmlp.interop.mpi.shards import edges_of, nodes_within

SMALL = 65536
"""Bytes below which Open MPI sends all of them along a tree."""


@frozen
class Links:
    """Hold what a message and an addition cost.

    `latency`   seconds until the first byte arrives, while the rank may do something else.
    `overhead`  seconds that a message keeps its rank busy, whatever its length.
    `byte`      seconds for each byte.
    `add`       seconds for each byte of two arrays that are added into one.
    """

    latency: float
    overhead: float
    byte: float
    add: float


@frozen
class Cost:
    """Hold what one rank does, that all others wait for.

    `waits`     messages that begin only when the one before has arrived.
    `messages`  all messages that it sends.
    `sent`      bytes that it sends.
    `added`     bytes that it adds.
    `share`     the part of this that each rank does on average: below 1 where others are idle meanwhile.
    """

    waits: float = 0.0
    messages: float = 0.0
    sent: float = 0.0
    added: float = 0.0
    share: float = 1.0

    def seconds(self, links: Links, *, crowding: float = 1.0) -> float:
        """Return the time, where `crowding` ranks share a core.

        >>> Cost(waits=2, messages=4, sent=100, added=50).seconds(Links(1.0, 0.5, 0.1, 0.2))
        24.0
        """
        busy = self.messages * links.overhead + self.sent * links.byte + self.added * links.add
        return self.waits * links.latency + busy * max(1.0, crowding * self.share)


def doubling(ranks: int, size: float) -> Cost:
    """Return the cost of an all-reduce of `size` bytes by recursive doubling: all bytes in each of log₂ p rounds.

    >>> doubling(4, 100)
    Cost(waits=2, messages=2, sent=200, added=200, share=1.0)
    """
    rounds = ceil(log2(ranks))
    return Cost(rounds, rounds, rounds * size, rounds * size)


def binomial(ranks: int, size: float) -> Cost:
    """Return the cost of a reduction along a tree, and of a broadcast back: Open MPI's for few ranks or bytes.

    >>> binomial(4, 100)
    Cost(waits=4, messages=4, sent=400, added=200, share=0.375)
    """
    rounds = ceil(log2(ranks))
    share = (ranks - 1) / (ranks * rounds) if rounds else 1.0
    return Cost(2 * rounds, 2 * rounds, 2 * rounds * size, rounds * size, share)


def ring(ranks: int, size: float) -> Cost:
    """Return the cost of an all-reduce around a ring: p parts travel twice around.

    >>> ring(4, 100)
    Cost(waits=6, messages=6, sent=150.0, added=75.0, share=1.0)
    """
    hops = ranks - 1
    return Cost(2 * hops, 2 * hops, 2 * hops / ranks * size, hops / ranks * size)


def rabenseifner(ranks: int, size: float) -> Cost:
    """Return the cost of a reduce-scatter by halving, and of an all-gather by doubling.

    >>> rabenseifner(4, 100)
    Cost(waits=4, messages=4, sent=150.0, added=75.0, share=1.0)
    """
    rounds, part = ceil(log2(ranks)), (ranks - 1) / ranks
    return Cost(2 * rounds, 2 * rounds, 2 * part * size, part * size)


def any_order(ranks: int, size: float) -> Cost:
    """Return the cost of the all-reduce that Open MPI chooses for `order="any"`.

    >>> any_order(3, 1e6) == binomial(3, 1e6), any_order(4, 1e6) == rabenseifner(4, 1e6)
    (True, True)
    """
    return binomial(ranks, size) if ranks < 4 or size < SMALL else rabenseifner(ranks, size)


def nodes_of(ranks: int, shards: int) -> list[int]:
    """Return how many totals each rank sends in the fixed order: the largest nodes of the tree that it has whole.

    >>> nodes_of(4, 8), nodes_of(3, 8)
    ([1, 1, 1, 1], [1, 2, 2])
    """
    return [len([*nodes_within(span, (0, shards))]) for span in pairwise(edges_of(shards, ranks))]


def fixed_order(ranks: int, size: float, *, shards: int) -> Cost:
    """Return the cost of the fixed order: a part of all totals to each rank, additions there, the sums to all.

    >>> fixed_order(4, 100, shards=8)
    Cost(waits=2, messages=6, sent=150.0, added=75.0, share=1.0)
    """
    if ranks == 1:
        return Cost()
    nodes, part = nodes_of(ranks, shards), (ranks - 1) / ranks * size
    return Cost(2, 2 * (ranks - 1), (max(nodes) + 1) * part, (sum(nodes) - 1) / ranks * size)


def all_gather(ranks: int, size: float) -> Cost:
    """Return the cost of a gathering of `size` bytes, of which each rank has a part, in all ranks.

    >>> all_gather(4, 100)
    Cost(waits=1, messages=3, sent=75.0, added=0.0, share=1.0)
    """
    return Cost(1, ranks - 1, (ranks - 1) * size / ranks) if ranks > 1 else Cost()
