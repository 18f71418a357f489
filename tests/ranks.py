# ruff: noqa: N802 (mpi4py's names and arguments)
"""Ranks as threads of one process: a communicator with the calls of mpi4py's that fnmlp uses."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product
from queue import Queue
from threading import Barrier, Lock
from typing import Any, TypeVar

import numpy as np

Result = TypeVar("Result")


class Request:
    """A request that becomes complete; the first question comes too early, as it may with MPI."""

    def __init__(self, done: Callable[[], bool] = lambda: True) -> None:
        self.done, self.asked = done, 0

    def Test(self) -> bool:
        self.asked += 1
        return self.asked > 1 and self.done()


class Exchange:
    """What the ranks of one communicator share."""

    def __init__(self, size: int) -> None:
        self.size, self.lock = size, Lock()
        self.barrier = Barrier(size, timeout=30)
        self.board: list[Any] = [None] * size
        every = product(range(size), range(size), range(2))
        self.mail: dict[tuple[int, int, int], Queue[Any]] = {way: Queue() for way in every}  # source, destination, tag
        self.arrived = 0
        self.copies: list[Exchange] = []
        self.aborted: list[int] = []
        self.above: Exchange | None = None
        self.ended = False

    def end(self) -> None:
        """Let nobody wait any more."""
        if self.above and not self.above.ended:
            self.above.end()
        self.ended = True
        for mail in self.mail.values():
            mail.put(True)
        for copy in self.copies:
            if not copy.ended:
                copy.end()


class Rank:
    """One rank of a communicator of threads."""

    def __init__(self, exchange: Exchange, rank: int) -> None:
        self.exchange, self.rank, self.size = exchange, rank, exchange.size

    def _everyones(self, mine: Any) -> list[Any]:
        self.exchange.board[self.rank] = mine
        self.exchange.barrier.wait()
        found = [*self.exchange.board]
        self.exchange.barrier.wait()
        return found

    def allgather(self, mine: Any) -> list[Any]:
        return self._everyones(mine)

    def Iallgatherv(self, sent: np.ndarray[Any, Any], received: Sequence[Any]) -> Request:
        whole, counts = received
        parts = [part.ravel() for part in self._everyones(sent.copy())]
        assert [part.size for part in parts] == counts
        whole.reshape(-1)[:] = np.concatenate(parts)
        return Request()

    def Ialltoallv(self, sent: Sequence[Any], received: Sequence[Any]) -> Request:
        buffer, counts = sent
        assert buffer.size == sum(counts)
        everyones = self._everyones([part.copy() for part in np.split(buffer.ravel(), np.cumsum(counts)[:-1])])
        mine = [parts[self.rank] for parts in everyones]
        whole, expected = received
        assert [part.size for part in mine] == expected
        whole.reshape(-1)[:] = np.concatenate(mine)
        return Request()

    def Iallreduce(self, sent: np.ndarray[Any, Any], received: np.ndarray[Any, Any]) -> Request:
        received[:] = sum(reversed(self._everyones(sent.copy())))
        return Request()

    def Ibarrier(self) -> Request:
        with self.exchange.lock:
            self.exchange.arrived += 1
        return Request(lambda: self.exchange.arrived % self.size == 0 or self.exchange.ended)

    def isend(self, message: Any, dest: int, tag: int) -> Request:
        self.exchange.mail[self.rank, dest, tag].put(message)
        return Request()

    def iprobe(self, source: int, tag: int) -> bool:
        return not (self.exchange.ended or self.exchange.mail[source, self.rank, tag].empty())

    def recv(self, source: int, tag: int) -> Any:
        return self.exchange.ended or self.exchange.mail[source, self.rank, tag].get(timeout=30)

    def Dup(self) -> "Rank":
        if self.rank == 0:
            self.exchange.copies.append(Exchange(self.size))
            self.exchange.copies[-1].above = self.exchange
        self.exchange.barrier.wait()
        return Rank(self.exchange.copies[-1], self.rank)

    def Free(self) -> None:
        pass

    def Abort(self, status: int) -> None:
        self.exchange.aborted.append(status)
        self.exchange.end()


def on_ranks(size: int, function: Callable[[Any], Result]) -> list[Result]:
    """Return what a function of a communicator gives on each rank."""
    exchange = Exchange(size)
    with ThreadPoolExecutor(size) as pool:
        return [*pool.map(function, map(partial(Rank, exchange), range(size)))]
