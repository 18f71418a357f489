"""A fault at every system call of a scene: kill -9, or an error, at each in turn, by strace."""

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import TypeAlias

from attrs import evolve

from tests.faults.forks import Call, calls_of, harmed
from tests.faults.processes import new_folder
from tests.faults.scenes import Report, Scene, total, trial

Kind: TypeAlias = tuple[str, str]
"""An error, and whether it lasts: "+" for one at every later call of that name too."""

KINDS: tuple[Kind, ...] = (*product(("ENOSPC", "EIO", "EACCES", "EDQUOT"), ("", "+")), ("EINTR", ""))
"""Python repeats a call that was interrupted (PEP 475), so that a save goes on: for ever, if that lasted."""

NOT_OF_FILES = ("brk", "mmap", "munmap", "mprotect", "mremap", "madvise", "exit_group")
"""Calls at which a process is killed like at any other, but that have no such errors."""

VITAL = ("write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat")
"""Calls whose failure must always be told: each makes a file whole, or durable, or puts it in its place.

So must that of opening a file to write it, or the folder to sync it. Others may fail without harm, and a save that goes
on is right, as long as its files are whole and new in the end, which is looked at:
- The folder is searched for what a killed process left. What can't be found or deleted now is deleted by a later save.
- A lock keeps that search away from a file that is being written. Some file systems have none. At worst the file is
  taken away, and then renaming it is an error that is told.
- Python asks of a file that it opens whether it is a terminal, how large it is, and where in it one stands. The answers
  decide on buffers alone; what is written is counted, and what is read has a checksum.
- Whether something stands in a file's place that is no file is a question for the user's good. Where it has no answer,
  renaming gives it.
`close` comes after the file is synced, so that nothing depends on it; its failure is told nevertheless, except of what
was only read. The error of `rename` or a later call is told though the new file may be in place: it is whole, but who
knows whether a power cut would leave it there.
"""


def points_of(scene: Scene) -> tuple[Call, ...]:
    """Return the system calls of a scene in their order, with FOLDER for the name of its folder."""
    with new_folder() as folder:
        scene.prepare(folder)
        calls = calls_of(partial(scene.act, folder))
    return tuple(evolve(call, text=call.text.replace(str(folder), "FOLDER")) for call in calls)


def kill_at_calls(scene: Scene, every: int = 1) -> Report:
    """Kill the process on its entry to each system call of a scene, to its exit, or to every so-manieth."""
    points = points_of(scene)
    return total([_kill(scene, points, place) for place in range(0, len(points), every)])


def _kill(scene: Scene, points: Sequence[Call], place: int) -> Report:
    fault = f"signal=SIGKILL:when={points[place].number}"
    return trial(
        scene,
        partial(harmed, points[place], fault),
        reached="killed by SIGKILL",
        standing=_standing(scene, points[:place]),
    )


def fail_at_calls(scene: Scene, every: int = 1) -> Report:
    """Let each system call on the files of a scene fail with each kind of error, or every so-manieth of these pairs."""
    points = points_of(scene)
    places = [place for place, call in enumerate(points) if _is_of_files(call)]
    pairs = [(place, kind) for place, kind in product(places, KINDS) if _can_be_told(points[place], kind)]
    return total([_fail(scene, points, place, kind) for place, kind in pairs[::every]])


def _is_of_files(call: Call) -> bool:
    return "FOLDER" in call.text and call.name not in NOT_OF_FILES


def _can_be_told(call: Call, kind: Kind) -> bool:
    """Tell whether a fault leaves a process a way to tell it: an error of all writes leaves none."""
    return call.name != "write" or kind[1] != "+"


def _fail(scene: Scene, points: Sequence[Call], place: int, kind: Kind) -> Report:
    call, (error, lasts) = points[place], kind
    return trial(
        scene,
        partial(harmed, call, f"error={error}:when={call.number}{lasts}"),
        vital=error != "EINTR" and _is_vital(call),
        reached="(INJECTED)",
        standing=_standing(scene, points[:place]),
    )


def _is_vital(call: Call) -> bool:
    opens = call.name in ("open", "openat") and ("O_CREAT" in call.text or '"FOLDER", O_RDONLY|O_CLOEXEC' in call.text)
    return opens or call.name in VITAL


def _standing(scene: Scene, points: Sequence[Call]) -> list[str]:
    """Return the files of a scene that calls have put into their place."""
    moves = [call.text for call in points if call.name.startswith("rename")]
    return [name for name in scene.names if any(f'/{name}")' in text for text in moves)]
