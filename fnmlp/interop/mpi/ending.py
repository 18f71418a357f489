"""Ranks that end together: if one of them dies, freezes or raises an error, all others end within seconds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import sys
from threading import Event, Thread
import time
from typing import Any, TypeAlias

from fnmlp.checks import as_positive
from fnmlp.errors import FnmlpError, one_line
from fnmlp.interop.mpi.exchange import wait
from fnmlp.interop.mpi.shards import Comm

__all__ = ["ending_together"]

Tell: TypeAlias = Callable[[BaseException], tuple[str, int]]
"""exception -> (what to print in one line, exit status)."""

BEATS = 10
"""The number of heartbeats that a rank misses before it is given up."""

GRACE = 2.0
"""Seconds that other ranks wait with their own error, which is most often that of rank 0 too."""


def told(error: BaseException) -> tuple[str, int]:
    """Return what to print of an exception, and the exit status.

    >>> told(ValueError("no such file")), told(SystemExit(0)), told(KeyboardInterrupt())
    (('ValueError: no such file', 1), ('', 0), ('interrupted', 130))
    """
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", 130
    if isinstance(error, SystemExit):
        status = error.code
        return ("", status or 0) if status is None or isinstance(status, int) else (str(status), 1)
    text = one_line(error) if isinstance(error, FnmlpError) else f"{type(error).__name__}: {error}"
    return " ".join(text.split()), 1


@contextmanager
def ending_together(comm: Comm, *, silence: float = 5.0, tell: Tell = told) -> Iterator[None]:
    """End all ranks when one of them can't go on: with one line on stderr, and a status other than 0.

    Train inside of this context. A thread of each rank sends heartbeats to the next rank. A rank that is silent for
    `silence` seconds is given up: its process is gone or frozen. A rank that raises prints its error, and aborts all;
    if all raise the same, rank 0 alone prints it. A rank that computes for long is not silent. `tell` returns what to
    print of an exception, and the status to exit with. Leaving the context waits for all ranks. With `comm` None or a
    single rank, exceptions pass.
    Raises:   OptionError for a bad `silence`.

    >>> with ending_together(None):
    ...     print("trained")
    trained
    """
    silence = as_positive("ending_together(silence)", silence)
    if comm is None or comm.size == 1:
        yield
        return
    ring, leaving = comm.Dup(), Event()
    guard = Thread(target=_guard, args=(ring, leaving, silence), name="heartbeats", daemon=True)
    guard.start()
    try:
        yield
        leave: BaseException | None = None
    except BaseException as error:  # noqa: BLE001 (whatever it is, the others must not wait for this rank)
        message, status = tell(error)
        if status:
            if comm.rank:
                time.sleep(GRACE)
            _abort(comm, f"rank {comm.rank}: {message}" if comm.rank and message else message, status)
        leave = error
    wait(comm.Ibarrier())
    leaving.set()
    guard.join()
    ring.Free()
    if leave is not None:
        raise leave


def _abort(comm: Comm, message: str, status: int) -> None:
    """Print a line and end all ranks; of MPI's own, Abort does not return."""
    if message:
        sys.stderr.write(f"error: {message}\n")
    sys.stdout.flush()
    sys.stderr.flush()
    comm.Abort(status)


def _guard(ring: Comm, leaving: Event, silence: float) -> None:
    """Send heartbeats to the next rank, and listen to those of the one before, until both have left."""
    after, before = (ring.rank + 1) % ring.size, (ring.rank - 1) % ring.size
    sent: list[Any] = []
    missed, gone = 0, False
    while True:
        last = leaving.is_set()
        sent = [*(request for request in sent if not request.Test()), ring.isend(last, dest=after)]
        while not gone and (last or ring.iprobe(source=before)):
            gone, missed = ring.recv(source=before), 0
        if last:
            for request in sent:
                wait(request)
            return
        # Beats are counted by this thread's own: a machine that sleeps misses none.
        if missed >= BEATS and not gone:
            remedy = "its process is gone or frozen; continue from the last checkpoint"
            _abort(ring, f"rank {before} of {ring.size} has been silent for {silence:g} s: {remedy}", 1)
            return
        missed += 1
        leaving.wait(silence / BEATS)
