"""Time the ranks of one mpiexec: `mpiexec -n 3 python -m tests.growth.ranks ROUNDS` prints JSON.

Each round times every piece of work once, so that what else the machine does falls on all of them. The time of a piece
is that of the slowest rank, and the median over the rounds is printed.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
import json
import sys
from time import perf_counter
from typing import Any

import numpy as np

import fnmlp as fn
from fnmlp.interop import mpi

MODELS = {"784-32-10": (32,), "784-512-10": (512,), "784-1000-1000-10": (1000, 1000)}
BATCH, SHARDS, CLASSES = 128, 8, 10
OPTIMIZER = fn.sgd(0.1)


class Done:
    """A request that is complete."""

    def Test(self) -> bool:  # noqa: N802 (mpi4py's name)
        """Return True."""
        return True


class Mute:
    """A communicator that sends nothing: what a step costs without communication."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size

    def __getattr__(self, name: str) -> Callable[..., Done]:
        return lambda _, received: (received[0] if isinstance(received, list) else received).fill(0) or Done()


def network(hidden: tuple[int, ...]) -> fn.Layer[Any]:
    """Return a network for MNIST's images."""
    return fn.chain(*(layer for width in hidden for layer in (fn.linear(width), fn.relu())), fn.linear(CLASSES))


def images(rows: int) -> fn.Batch:
    """Draw a batch like MNIST's."""
    draw = fn.generator(fn.Key(0))
    return fn.Batch(draw.random((rows, 784), np.float32), draw.integers(0, CLASSES, rows))


def work(hidden: tuple[int, ...], comm: Any) -> dict[str, Callable[[], object]]:
    """Return what is timed of a model: a bare Allreduce of its bytes, and steps."""
    model = network(hidden)
    state = fn.train_state(model, OPTIMIZER, key=fn.Key(0), example=(784,))
    numbers = np.ones(sum(leaf.size for leaf in fn.tree_leaves(state.params)), np.float32)
    whole, rank, size = np.empty_like(numbers), comm.rank, comm.size
    batch = next(mpi.parallel_batches(images(BATCH), size=BATCH, key=fn.Key(0), epoch=0, shards=SHARDS, comm=comm))
    step = partial(mpi.parallel_step, model, fn.cross_entropy, OPTIMIZER, state, batch, shards=SHARDS)
    steps = {
        f"{order}{alone}": partial(step, comm=ranks, order=order)
        for order in ("any", "fixed")
        for alone, ranks in (("", comm), (" alone", Mute(rank, size)))
    }
    return {"bare": lambda: comm.Allreduce(numbers, whole), **steps}


def medians(pieces: dict[str, Callable[[], object]], rounds: int, comm: Any) -> dict[str, float]:
    """Return the seconds of each piece of work, of the slowest rank, in the median of all rounds."""
    took: dict[str, list[float]] = {name: [] for name in pieces}
    for _ in range(rounds + 2):
        for name, piece in pieces.items():
            comm.Barrier()
            began = perf_counter()
            piece()
            took[name].append(perf_counter() - began)
    slowest = {name: np.max(comm.allgather(each[2:]), axis=0) for name, each in took.items()}
    return {name: float(np.median(each)) for name, each in slowest.items()}


def raise_priority() -> None:
    """Let this process go before others, where the system permits it."""
    with suppress(OSError), open("/proc/self/autogroup", "w", encoding="ascii") as file:
        file.write("-10")


if __name__ == "__main__":
    world = mpi.world()
    raise_priority()
    rounds = int(sys.argv[1])
    with mpi.ending_together(world):
        found = {}
        for name, hidden in MODELS.items():
            found[name] = medians(work(hidden, world), rounds, world)
        if world.rank == 0:
            sys.stdout.write(json.dumps(found) + "\n")
