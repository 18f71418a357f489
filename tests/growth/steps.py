"""What a parallel step costs on the cores of one machine: constants fitted to few ranks, and a prediction for more."""

from collections.abc import Mapping
from typing import TypeAlias

from attrs import frozen
import numpy as np

from tests.growth.costs import Cost, Links, all_gather, any_order, fixed_order, nodes_of
from tests.growth.ranks import BATCH, CLASSES, SHARDS

Times: TypeAlias = Mapping[str, float]
"""Seconds of each piece of work, such as "fixed", a step in the fixed order; "fixed alone" communicates nothing."""

ORDERS = "any", "fixed"


def crowding(ranks: int, cores: int) -> float:
    """Return how many ranks share a core: while one waits, another computes."""
    return max(1.0, ranks / cores)


def local(ranks: int, order: str) -> float:
    """Return how many times a rank copies or adds all gradients, to send them and after it has received its part.

    >>> local(1, "fixed"), local(4, "fixed"), local(3, "any")
    (0.0, 1.75, 3.0)
    """
    if ranks == 1:
        return 0.0
    nodes = nodes_of(ranks, SHARDS)
    most = max(nodes)
    if order == "any":
        return 2.0 * most - 1.0
    return most + (most if most > 1 else 0) + (sum(nodes) - 1) / ranks


def sending(ranks: int, size: float, order: str) -> Cost:
    """Return what the ranks send in a step: the outputs of the batch, and gradients of `size` bytes."""
    if ranks == 1:
        return Cost()
    outputs = all_gather(ranks, 4.0 * CLASSES * BATCH)
    # The additions of the fixed order are NumPy's, so they belong to the computing.
    sums = any_order(ranks, size) if order == "any" else fixed_order(ranks, size, shards=SHARDS)
    added = sums.added if order == "any" else 0.0
    return Cost(0, outputs.messages + sums.messages, outputs.sent + sums.sent, added, sums.share)


@frozen
class Fitted:
    """Hold the constants of a model on one machine, in seconds.

    `shard`     the gradient of one shard.
    `rest`      loss, update and all else of a step.
    `overhead`  of a message; `byte` of each byte that is sent.
    """

    cores: int
    size: float
    add: float
    shard: float
    rest: float
    overhead: float
    byte: float

    def computing(self, ranks: int, order: str) -> float:
        """Return the seconds of a step without communication."""
        shards = -(-SHARDS // ranks)
        work = self.shard * shards + self.rest + self.add * local(ranks, order) * self.size
        return work * crowding(ranks, self.cores)

    def communicating(self, ranks: int, order: str) -> float:
        """Return the seconds that ranks send, receive and wait."""
        links = Links(0.0, self.overhead, self.byte, self.add)
        return sending(ranks, self.size, order).seconds(links, crowding=crowding(ranks, self.cores))

    def step(self, ranks: int, order: str) -> float:
        """Return the seconds of a step."""
        return self.computing(ranks, order) + self.communicating(ranks, order)


def fitted(times: Mapping[int, Times], *, cores: int, size: float, add: float) -> Fitted:
    """Fit the constants of a model of `size` bytes to the times of each number of ranks.

    >>> true = Fitted(cores=2, size=1e6, add=1e-10, shard=1e-3, rest=2e-3, overhead=1e-5, byte=2e-10)
    >>> times = {
    ...     p: {o: true.step(p, o) for o in ORDERS} | {f"{o} alone": true.computing(p, o) for o in ORDERS}
    ...     for p in (1, 2, 3)
    ... }
    >>> found = fitted(times, cores=2, size=1e6, add=1e-10)
    >>> abs(found.step(4, "fixed") / true.step(4, "fixed") - 1) < 1e-9
    True
    """
    alone, sent = [], []
    for ranks, took in times.items():
        crowd = crowding(ranks, cores)
        for order in ORDERS:
            known = add * local(ranks, order) * size
            alone.append((-(-SHARDS // ranks) * crowd, crowd, took[f"{order} alone"] - known * crowd))
            if ranks > 1:
                cost = sending(ranks, size, order)
                shared = max(1.0, crowd * cost.share)
                rest = took[order] - took[f"{order} alone"] - cost.added * add * shared
                sent.append((cost.messages * shared, cost.sent * shared, rest))
    return Fitted(cores, size, add, *_at_least_zero(alone), *_at_least_zero(sent))


def _at_least_zero(rows: list[tuple[float, float, float]]) -> tuple[float, float]:
    """Return the two factors, neither below zero, that give the last column from the others, by relative squares."""
    table = np.array(rows)
    table = table / np.maximum(np.abs(table[:, 2:]), 1e-9)
    a, y = table[:, :2], table[:, 2]
    choices = [np.linalg.lstsq(a, y, rcond=None)[0]]
    for place in range(2):
        only = np.zeros(2)
        only[place] = max(0.0, a[:, place] @ y / (a[:, place] @ a[:, place]))
        choices.append(only)
    first, second = min((x for x in choices if min(x) >= 0), key=lambda x: float(np.sum((a @ x - y) ** 2)))
    return float(first), float(second)
