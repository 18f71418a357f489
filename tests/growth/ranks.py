"""Time the ranks of one mpiexec: `mpiexec -n 3 python -m tests.growth.ranks steps 41` prints JSON.

With `network` in place of `steps`, the ranks have networks of their own, and exchange gradients alone.

Each round times every piece of work once, so that what else the machine does falls on all of them. A piece begins when
the first rank leaves a barrier, and ends with the slowest rank: a rank that has no core yet counts as waiting. The
quantile of the fastest tenth of the rounds is printed.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
import json
import os
import sys
from time import perf_counter
from typing import Any

import numpy as np

import fnmlp as fn
from fnmlp.interop import mpi
from fnmlp.interop.mpi.exchange import total_gradient
from fnmlp.interop.mpi.shards import plan_of
from tests.growth.network import move_here

MODELS = {"784-32-10": (32,), "784-512-10": (512,), "784-1000-1000-10": (1000, 1000)}
BATCH, SHARDS, CLASSES = 128, 8, 10
OPTIMIZER = fn.sgd(0.1)
SIZES = 101_800, 1_628_200
"""Bytes of the gradients of the first two models."""


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


QUIET = 0.1
"""The quantile of the rounds that counts: other programs on the machine only add to a time."""


def quiet(pieces: dict[str, Callable[[], object]], rounds: int, comm: Any) -> dict[str, float]:
    """Return the seconds of each piece of work, from the first rank's start to the last one's end, in quiet rounds.

    All ranks share a machine, so they share the clock.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in pieces}
    for _ in range(rounds + 2):
        for name, piece in pieces.items():
            comm.Barrier()
            began = perf_counter()
            piece()
            times[name].append((began, perf_counter()))
    of_all = {name: np.array(comm.allgather(each[2:])) for name, each in times.items()}
    took = {name: each[..., 1].max(axis=0) - each[..., 0].min(axis=0) for name, each in of_all.items()}
    return {name: float(np.quantile(each, QUIET)) for name, each in took.items()}


def raise_priority() -> None:
    """Let this process go before others, where the system permits it."""
    with suppress(OSError), open("/proc/self/autogroup", "w", encoding="ascii") as file:
        file.write("-10")


def steps(rounds: int, comm: Any) -> dict[str, dict[str, float]]:
    """Time the steps of each model."""
    return {name: quiet(work(hidden, comm), rounds, comm) for name, hidden in MODELS.items()}


def exchanges(rounds: int, comm: Any) -> dict[str, dict[str, float]]:
    """Time exchanges of gradients of several sizes in bytes."""
    return {str(size): quiet(_exchanges(size, comm), rounds, comm) for size in SIZES}


def _exchanges(size: int, comm: Any) -> dict[str, Callable[[], object]]:
    params = np.zeros(size // 4, np.float32)
    total = partial(total_gradient, lambda _: params.copy(), params, plan_of("growth", BATCH, SHARDS, comm), comm)
    return {"any": partial(total, fixed=False), "fixed": partial(total, fixed=True)}


if __name__ == "__main__":
    kind, rounds = sys.argv[1], int(sys.argv[2])
    raise_priority()
    if kind == "network":
        move_here(int(os.environ["OMPI_COMM_WORLD_RANK"]))
    world = mpi.world()
    with mpi.ending_together(world, silence=60.0):
        found = (exchanges if kind == "network" else steps)(rounds, world)
        if world.rank == 0:
            sys.stdout.write(json.dumps(found) + "\n")
