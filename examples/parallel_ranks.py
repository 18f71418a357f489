"""The ranks of a program that `mpiexec` started with --parallel: which of them prints, and how all end together."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
import os
import signal
import sys
import time
from typing import Any

import click
import numpy as np

import fnmlp as fn
from imports import PARALLEL

PATIENCE = 0.2
"""Seconds that a rank has to stop by itself after a signal: mpiexec kills it after another second."""

POLLING = 0.01
"""Seconds between two questions whether the other ranks are done."""

LEAVING = 8
"""Seconds that leaving MPI may take."""


def ranks() -> Any:
    """Return the communicator of all ranks, or None without --parallel."""
    if PARALLEL not in sys.argv[1:]:
        return None
    from fnmlp.interop.mpi import world

    try:
        return world()
    except fn.MissingDependencyError as error:
        raise click.UsageError(f"{PARALLEL} needs {error.expected}, got {error.got}; {error.remedy}") from error


def finalize() -> None:
    """Leave MPI."""
    from mpi4py import MPI

    MPI.Finalize()


def is_first(comm: Any) -> bool:
    """Tell whether this rank prints and saves."""
    return comm is None or comm.rank == 0


@contextmanager
def together(*, tell: Callable[[BaseException], tuple[str, int]]) -> Iterator[None]:
    """Let rank 0 alone print, and end all ranks when one of them can't go on, if there are several."""
    comm = ranks()
    if comm is None or comm.size == 1:
        yield
        return
    from fnmlp.interop.mpi import ending_together

    with ending_together(comm, tell=tell), ExitStack() as stack:  # which keeps the stderr that it finds, for its line
        if not is_first(comm):
            nothing = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(redirect_stdout(nothing))
            stack.enter_context(redirect_stderr(nothing))
        yield
    # Nobody hears heartbeats any more, and each rank waits for the others here.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LEAVING)
    finalize()
    signal.alarm(0)


def shared_out(comm: Any, function: Callable[[Any], float], values: Sequence[Any]) -> Iterator[float]:
    """Yield a function's results for some values, each computed by one rank; all ranks get all results."""
    size, rank = comm.size, comm.rank
    own = np.array([function(value) for value in values[rank::size]], np.float64)
    counts = [len(values[other::size]) for other in range(size)]
    found = np.empty(len(values))
    request = comm.Iallgatherv(own, [found, counts])
    while not request.Test():
        time.sleep(POLLING)
    parts = np.split(found, np.cumsum(counts)[:-1])
    return (float(parts[place % size][place // size]) for place in range(len(values)))


def check_same(comm: Any, digest: str) -> None:
    """Raise unless all ranks read the same data and checkpoint."""
    if comm is not None and len({*(found := comm.allgather(digest))}) > 1:
        others = [rank for rank, other in enumerate(found) if other != found[0]]
        got, remedy = f"others on rank {others[0]}", "put the files where all ranks read the same"
        raise fn.DataError("the data, or the checkpoint", "those of rank 0 on all ranks", got, remedy)
