"""Ranks that end together: if one of them dies, freezes or raises an error, all others end within seconds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
import signal
import sys
from threading import Event, Lock, Thread, current_thread, main_thread
import time
from typing import Any, TextIO, TypeAlias

from attrs import field, frozen

from fnmlp.errors import FnmlpError, one_line
from fnmlp.interop.mpi.exchange import wait
from fnmlp.interop.mpi.shards import Comm
from fnmlp.scalars import as_positive

__all__ = ["ending_together"]

Tell: TypeAlias = Callable[[BaseException], tuple[str, int]]
"""exception -> (what to print in one line, exit status)."""

BEATS = 10
"""The number of heartbeats that a rank misses before it is given up."""

GRACE = 2.0
"""Seconds that other ranks wait with their own error, which is most often that of rank 0 too."""

MAIL = 1
"""The tag of what other ranks ask rank 0 to print; heartbeats have 0."""


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


@frozen(eq=False)
class _Ring:
    """Hold what the two threads of a rank share.

    `comm`     the communicator of heartbeats, which nothing else uses.
    `silence`  seconds.
    `errors`   where to print.
    `leaving`  is set when all ranks have ended well.
    `ending`   is taken by the thread that ends all ranks.
    """

    comm: Comm
    silence: float
    errors: TextIO
    leaving: Event = field(factory=Event)
    ending: Any = field(factory=Lock)


@contextmanager
def ending_together(comm: Comm, *, silence: float = 5.0, tell: Tell = told) -> Iterator[None]:
    """End all ranks when one of them can't go on: with one line on stderr, and a status other than 0.

    Train inside of this context. A thread of each rank sends heartbeats to the next rank. A rank that is silent for
    `silence` seconds is given up: its process is gone or frozen. A rank that raises aborts all. Rank 0 alone prints
    the line, unless it is the one that is silent. A rank that computes for long is not silent. `tell` returns what to
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
    ring, leave = _Ring(comm.Dup(), silence, sys.stderr), None
    guard = Thread(target=_guard, args=(ring,), name="heartbeats", daemon=True)
    guard.start()
    try:
        try:
            yield
        except BaseException as error:
            leave = error
            if tell(error)[1]:
                raise
        wait(comm.Ibarrier())
    except BaseException as error:  # noqa: BLE001 (whatever it is, the others must not wait for this rank)
        message, status = tell(error)
        who = f"rank {comm.rank}: " if comm.rank and message else ""
        _end_all(ring, who + message, status, patience=GRACE)
    ring.leaving.set()
    guard.join()
    ring.comm.Free()
    if leave is not None:
        raise leave


def _end_all(ring: _Ring, message: str, status: int, *, patience: float = 0.0, silent: int | None = None) -> None:
    """End all ranks with a line that rank 0 prints, unless it is silent; of MPI's own, Abort does not return.

    Other ranks wait first: if all met the same error, rank 0 has its own. Whoever aborts, mpiexec then sends SIGTERM to
    the others.
    """
    comm = ring.comm
    if not ring.ending.acquire(blocking=False):  # the other thread of this rank is about to end it
        time.sleep(GRACE)
        return
    if current_thread() is main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_DFL if comm.rank else signal.SIG_IGN)
    if comm.rank == 0:
        message = next(_mail(ring), (message, status))[0]
    elif silent == 0:
        sent = comm.isend(("", status), dest=0, tag=MAIL)  # it may wake up
    else:
        time.sleep(patience)
        sent = comm.isend((message, status), dest=0, tag=MAIL)  # noqa: F841 (it must live until it has arrived)
        time.sleep(GRACE)
    with suppress(OSError, ValueError):  # a full disk, a closed pipe
        sys.stdout.flush()
    with suppress(OSError, ValueError):
        ring.errors.write(f"error: {message}\n" if message else "")
        ring.errors.flush()
    comm.Abort(status)


def _mail(ring: _Ring) -> Iterator[tuple[str, int]]:
    """Yield what other ranks ask rank 0 to print."""
    for rank in range(1, ring.comm.size):
        if ring.comm.iprobe(source=rank, tag=MAIL):
            yield ring.comm.recv(source=rank, tag=MAIL)


def _guard(ring: _Ring) -> None:
    """Send heartbeats to the next rank, and listen to those of the one before, until both have left."""
    comm = ring.comm
    after, before = (comm.rank + 1) % comm.size, (comm.rank - 1) % comm.size
    sent: list[Any] = []
    missed, gone = 0, False
    while True:
        last = ring.leaving.is_set()
        sent = [*(request for request in sent if not request.Test()), comm.isend(last, dest=after, tag=0)]
        while not gone and (last or comm.iprobe(source=before, tag=0)):
            gone, missed = comm.recv(source=before, tag=0), 0
        if last:
            for request in sent:
                wait(request)
            return
        for message, status in _mail(ring) if comm.rank == 0 else ():
            _end_all(ring, message, status)
            return
        # Beats are counted by this thread's own: a machine that sleeps misses none.
        if missed >= BEATS and not gone:
            remedy = "its process is gone or frozen; continue from the last checkpoint"
            message = f"rank {before} of {comm.size} has been silent for {ring.silence:g} s: {remedy}"
            _end_all(ring, message, 1, silent=before)
            return
        missed += 1
        ring.leaving.wait(ring.silence / BEATS)
