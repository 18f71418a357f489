"""What a parallel step costs on the cores of one machine: constants fitted to few ranks, and a prediction for more."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TypeAlias

from attrs import frozen
import numpy as np

from tests.growth.costs import Cost, Links, all_gather, any_order, fixed_order, nodes_of
from tests.growth.ranks import BATCH, CLASSES, SHARDS

Times: TypeAlias = Mapping[str, float]
"""Seconds of each piece of work, such as "fixed", a step in the fixed order; "fixed alone" communicates nothing."""

ORDERS = "any", "fixed"


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
    messages, sent = outputs.messages + sums.messages, outputs.sent + sums.sent
    return Cost(outputs.waits + sums.waits, messages, sent, added, sums.share)


@frozen
class Fitted:
    """Hold the constants of a model on one machine, in seconds.

    `cores`     how many there are, and `speed` how much faster all are than one: less, because they share memory.
    `shard`     the gradient of one shard.
    `rest`      loss and update.
    `calls`     what each of several ranks does to exchange gradients, whatever their bytes.
    `overhead`  of a message, and `byte` of each byte that is sent.
    `turn`      of a message that is waited for, where others compute on the core of the rank that waits.
    `add`       of each of the `size` bytes of the gradients that is copied or added.
    """

    cores: int
    size: float
    add: float
    speed: float
    shard: float
    rest: float
    calls: float
    overhead: float
    byte: float
    turn: float

    def computing(self, ranks: int, order: str) -> float:
        """Return the seconds of a step without communication."""
        each = self.rest + self.calls * (ranks > 1) + self.add * local(ranks, order) * self.size
        return self.shard * shards_of(ranks, self.speed) + each * crowding(ranks, self.speed)

    def communicating(self, ranks: int, order: str) -> float:
        """Return the seconds that ranks send, receive and wait."""
        turn = self.turn if ranks > self.cores else 0.0
        links = Links(turn, self.overhead, self.byte, self.add)
        return sending(ranks, self.size, order).seconds(links, crowding=crowding(ranks, self.speed))

    def step(self, ranks: int, order: str) -> float:
        """Return the seconds of a step."""
        return self.computing(ranks, order) + self.communicating(ranks, order)


def crowding(ranks: int, speed: float) -> float:
    """Return how many times as long a rank takes if others compute at the same time."""
    return max(1.0, ranks / speed)


def shards_of(ranks: int, speed: float) -> float:
    """Return the shards that go by until all are done: those of one rank, or all if ranks share cores.

    >>> shards_of(1, 2.0), shards_of(3, 2.0), shards_of(3, 3.0)
    (8, 4.0, 3)
    """
    return max(-(-SHARDS // ranks), SHARDS / ranks * crowding(ranks, speed))


def fitted(
    times: Mapping[int, Times], *, cores: int, size: float, rest: float, add: float, calls: float | None = None
) -> Fitted:
    """Fit the constants of a model of `size` bytes to the times of each number of ranks, one among them.

    `rest` and `add` are measured in one process. Without `calls`, they are fitted too: small networks show them.

    >>> true = Fitted(2, 1e6, 1e-10, speed=1.5, shard=1e-3, rest=2e-3, calls=1e-4, overhead=1e-5, byte=2e-10, turn=1e-4)
    >>> times = {
    ...     p: {o: true.step(p, o) for o in ORDERS} | {f"{o} alone": true.computing(p, o) for o in ORDERS}
    ...     for p in (1, 2, 3)
    ... }
    >>> found = fitted(times, cores=2, size=1e6, rest=2e-3, add=1e-10)
    >>> abs(found.step(4, "fixed") / true.step(4, "fixed") - 1) < 1e-9
    True
    """
    speeds = np.linspace(1, cores, 100 * (cores - 1) + 1)
    fits = {speed: _computing(times, size, rest, add, calls, speed) for speed in speeds.tolist()}
    speed = min(fits, key=lambda each: fits[each][1])
    (shard, *found), _ = fits[speed]
    calls = found[0] if calls is None else calls
    overhead, byte, turn = _communicating(times, cores, size, add, speed)
    return Fitted(cores, size, add, speed, shard, rest, calls, overhead, byte, turn)


def _computing(
    times: Mapping[int, Times], size: float, rest: float, add: float, calls: float | None, speed: float
) -> tuple[list[float], float]:
    rows = []
    for ranks, took in times.items():
        for order in ORDERS:
            seen, crowd = took[f"{order} alone"], crowding(ranks, speed)
            known = rest + (calls or 0.0) * (ranks > 1) + add * local(ranks, order) * size
            unknown = [shards_of(ranks, speed)] + ([crowd * (ranks > 1)] if calls is None else [])
            rows.append([x / seen for x in (*unknown, seen - known * crowd)])
    return positive(rows)


def _communicating(times: Mapping[int, Times], cores: int, size: float, add: float, speed: float) -> list[float]:
    rows = []
    for ranks, took in times.items():
        for order in ORDERS if ranks > 1 else ():
            cost, seen = sending(ranks, size, order), took[order] - took[f"{order} alone"]
            crowd = max(1.0, crowding(ranks, speed) * cost.share)
            waits = cost.waits if ranks > cores else 0.0
            row = cost.messages * crowd, cost.sent * crowd, waits, seen - cost.added * add * crowd
            rows.append([x / took[order] for x in row])
    return positive(rows)[0]


def positive(rows: Sequence[Sequence[float]]) -> tuple[list[float], float]:
    """Return factors, none below zero, that give the last column from the others, and the sum of squares that is left.

    >>> positive([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]])
    ([2.0, 0.0], 1.0)
    """
    table = np.array(rows)
    a, y = table[:, :-1], table[:, -1]
    best = np.zeros(a.shape[1])
    for chosen in product([False, True], repeat=a.shape[1]):
        found = np.zeros(a.shape[1])
        found[list(chosen)] = np.linalg.lstsq(a[:, chosen], y, rcond=None)[0] if any(chosen) else 0.0
        if found.min() >= 0 and np.sum((a @ found - y) ** 2) < np.sum((a @ best - y) ** 2):
            best = found
    return best.tolist(), float(np.sum((a @ best - y) ** 2))
