"""Run functions in processes of their own, forked so that they start at once, and watched by strace on demand."""

from collections import Counter
from collections.abc import Callable
import ctypes
import os
import re
from select import select
import shutil
import signal
import socket
from subprocess import PIPE, Popen
import sys
import traceback
from typing import NoReturn, TypeAlias

from attrs import frozen

from tests.faults.processes import wait

Act: TypeAlias = Callable[[], object]

SECONDS = 60
"""Seconds after which a process counts as hung."""

GATE = ("pselect6", "select", "restart_syscall")
"""How strace may show the wait of a process that it attaches to; this is not one of its calls."""


@frozen
class End:
    """How a process ended: its status (negative for a signal), its output, and strace's."""

    status: int
    out: str
    err: str
    trace: str


@frozen
class Call:
    """A system call of a process: its name, its number among the calls of that name, and strace's line."""

    name: str
    number: int
    text: str


def forked(act: Act, *options: str) -> End:
    """Run a function in a process of its own; with options for strace, watch it from its first system call.

    Raises:   OSError if strace is missing or may not watch the process.
    """
    out, err, (here, there) = os.pipe(), os.pipe(), socket.socketpair()
    child = os.fork()
    if not child:
        here.close()
        _be_child(act, there, out[1], err[1])
    there.close()
    os.close(out[1])
    os.close(err[1])
    with here, open(out[0], encoding="utf-8") as said, open(err[0], encoding="utf-8") as complained:
        here.recv(1)
        try:
            watcher = _watch(child, options) if options else None
        except OSError:
            os.kill(child, signal.SIGKILL)
            wait(child)
            raise
        here.close()
        # Read before the wait, because a pipe that is full stops its writer; and strace reaps nothing of ours.
        trace = watcher.communicate()[0] if watcher else ""
        return End(status=wait(child), out=said.read(), err=complained.read(), trace=trace)


def _be_child(act: Act, parent: socket.socket, out: int, err: int) -> NoReturn:
    status = 70  # of a failure that nothing else explains
    try:
        with open(out, "w", encoding="utf-8") as sys.stdout, open(err, "w", encoding="utf-8") as sys.stderr:
            try:
                _let_be_watched()
                signal.alarm(SECONDS)
                parent.send(b" ")
                select([parent], [], [])
                act()
                status = 0
            except SystemExit as stop:
                status = int(stop.code or 0)
            except BaseException:  # noqa: BLE001 (the parent's code must not run in the child too)
                traceback.print_exc()
    finally:
        os._exit(status)


def _let_be_watched() -> None:
    """Allow any process of this user to trace this one. Some systems (Yama) allow only a parent."""
    set_ptracer, anyone = 0x59616D61, ctypes.c_ulong(-1)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(set_ptracer, anyone, 0, 0, 0)


def _watch(process: int, options: tuple[str, ...]) -> "Popen[str]":
    """Start strace, and return once it is attached to a process."""
    line = ["strace", "-p", str(process), "-y", "-s", "0", "-o", "/dev/stdout", *options]
    watcher = Popen(line, stdout=PIPE, stderr=PIPE, text=True)
    assert watcher.stderr is not None
    said = watcher.stderr.readline()
    if "attached" not in said:
        watcher.communicate()
        raise OSError(said.strip())
    return watcher


def calls_of(act: Act) -> tuple[Call, ...]:
    """Return the system calls that a function makes until its process ends."""
    seen: Counter[str] = Counter()
    calls = []
    for line in forked(act, "-e", "trace=all").trace.splitlines():
        if found := re.match(r"(\w+)\(", line):
            seen[found[1]] += 1
            calls.append(Call(found[1], seen[found[1]], line))
    return tuple(call for call in calls if call.name not in GATE)


def harmed(call: Call, fault: str, act: Act) -> End:
    """Run a function with a fault at one of its system calls, in strace's words: `error=EIO`, `signal=SIGKILL`."""
    return forked(act, "-e", f"trace={call.name}", "-e", f"inject={call.name}:{fault}")


def why_no_strace() -> str:
    """Return why strace can't be used here, or an empty text if it can."""
    if sys.platform != "linux" or not shutil.which("strace"):
        return "strace is not installed"
    try:
        return "" if calls_of(os.getppid) else "strace sees no system calls here"
    except OSError as error:
        return f"strace may not watch processes here: {error}"
