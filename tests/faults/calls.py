"""Faults at every system call of a scene: strace kills the process there, or lets the call fail."""

from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import TypeAlias

from attrs import evolve

from tests.faults.forks import Call, calls_of, harmed
from tests.faults.processes import new_folder
from tests.faults.scenes import Report, Scene, total, trial

Kind: TypeAlias = tuple[str, str]
"""An error, and "+" if all later calls of that name fail too."""

KINDS: tuple[Kind, ...] = (*product(("ENOSPC", "EIO", "EACCES", "EDQUOT"), ("", "+")), ("EINTR", ""))
"""EINTR comes once only: Python repeats an interrupted call (PEP 475), and would repeat it for ever."""

NOT_OF_FILES = ("brk", "mmap", "munmap", "mprotect", "mremap", "madvise", "exit_group")
"""Calls without such errors. Processes are killed there as at any other call."""

VITAL = ("write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat")
"""Calls whose failure must always be reported: they write a file, make it durable, or move it into place.

So must a failure to open a file for writing, or the folder for syncing. Other calls may fail without harm. Then the
save may continue, as long as the trial finds its files whole and new in the end:
- The search for files that a killed process left. A later save deletes what this one can't.
- The lock that keeps this search away from files that are being written. Some file systems have no locks. At worst the
  file is deleted, and then renaming it fails, which is reported.
- Python asks whether a file is a terminal, how large it is, and what the position in it is. The answers only affect
  buffers. What is written is counted, and what is read has a checksum.
- The check whether something other than a file has the file's name. It gives a better message; without it, renaming
  fails.
`close` comes after the sync, so nothing depends on it. Its failure is reported anyway, except for files that were only
read. A failure of `rename` or of a later call is reported even if the new file is in place, because it may not survive
a power cut.
"""


def points_of(scene: Scene) -> tuple[Call, ...]:
    """Return the system calls of a scene in order, with FOLDER in place of its folder's name."""
    with new_folder() as folder:
        scene.prepare(folder)
        calls = calls_of(partial(scene.act, folder))
    return tuple(evolve(call, text=call.text.replace(str(folder), "FOLDER")) for call in calls)


def kill_at_calls(scene: Scene, every: int = 1) -> Report:
    """Kill the process as it enters each system call of a scene, or every n-th."""
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
    """Let each system call on the files of a scene fail with each kind of error, or take every n-th such pair."""
    points = points_of(scene)
    places = [place for place, call in enumerate(points) if _is_of_files(call)]
    pairs = [(place, kind) for place, kind in product(places, KINDS) if _can_be_told(points[place], kind)]
    return total([_fail(scene, points, place, kind) for place, kind in pairs[::every]])


def _is_of_files(call: Call) -> bool:
    return "FOLDER" in call.text and call.name not in NOT_OF_FILES


def _can_be_told(call: Call, kind: Kind) -> bool:
    """Tell whether a process can still report a fault; if all writes fail, it can't."""
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
    """Return the files of a scene that these calls have moved into place."""
    moves = [call.text for call in points if call.name.startswith("rename")]
    return [name for name in scene.names if any(f'/{name}")' in text for text in moves)]
