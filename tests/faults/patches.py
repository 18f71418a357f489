"""Faults without strace: failing calls of Python, short writes, full files and full disks."""

from collections import Counter
from collections.abc import Callable, Sequence
import ctypes
import errno
import fcntl
from functools import partial
from io import BufferedWriter, FileIO
from itertools import product
import json
import os
from pathlib import Path
import resource
import sys
import tempfile
from types import ModuleType
from typing import Any

from attrs import asdict

from tests.faults.forks import Act, End, forked
from tests.faults.processes import new_folder
from tests.faults.scenes import Report, Scene, total, trial

PATCHED: tuple[tuple[ModuleType, str], ...] = (
    *((os, name) for name in ("stat", "lstat", "urandom", "open", "fdopen", "fsync", "replace", "rename")),
    *((os, name) for name in ("link", "unlink", "close", "scandir", "readlink", "fstat", "chmod")),
    (fcntl, "flock"),
)

VITAL = ("open", "fdopen", "fsync", "replace", "rename", "link")
"""Calls whose failure must always be reported; `tests.faults.calls` says why for the system's calls."""

ERRORS = (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EDQUOT)

SIZES = (0, 1, 100, 4095, 4096, 4097, 16_000)
"""The largest file in bytes, smaller than any checkpoint here."""


# Calls of Python.


def fail_in_python(scene: Scene, every: int = 1) -> Report:
    """Let each of Python's calls on the files of a scene fail with each error, or take every n-th such pair."""
    with new_folder() as folder:
        scene.prepare(folder)
        counts = json.loads(forked(partial(_counted, partial(scene.act, folder))).err)
    points = [(place, number) for place, times in enumerate(counts) for number in range(1, times + 1)]
    pairs = [*product(points, ERRORS)][::every]
    return total(
        [
            trial(scene, partial(_failing, place, number, error), vital=PATCHED[place][1] in VITAL)
            for (place, number), error in pairs
        ]
    )


def _counted(act: Act) -> None:
    """Run a function, and write to stderr how often it calls each of the others."""
    counts: Counter[int] = Counter()

    def count(place: int, real: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        counts[place] += 1
        return real(*arguments, **options)

    for place, (module, name) in enumerate(PATCHED):
        setattr(module, name, partial(count, place, getattr(module, name)))
    act()
    sys.stderr.write(json.dumps([counts[place] for place in range(len(PATCHED))]))


def _failing(place: int, number: int, error: int, act: Act) -> End:
    """Run a function while one call of another fails."""
    module, name = PATCHED[place]

    def harmed() -> None:
        left, real = iter(range(number - 1)), getattr(module, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if next(left, None) is None:
                setattr(module, name, real)
                raise OSError(error, os.strerror(error))
            return real(*arguments, **options)

        setattr(module, name, call)
        act()

    return forked(harmed)


# Short writes.


def write_in_part(scene: Scene, sizes: Sequence[int] = SIZES) -> Report:
    """Limit the size of files: one write comes short, and the next fails."""
    return total([trial(scene, partial(_limited, size), vital=True) for size in sizes])


def _limited(size: int, act: Act) -> End:
    def harmed() -> None:
        # Python ignores the signal that comes with the error.
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        act()

    return forked(harmed)


def write_by_and_by(scene: Scene, sizes: Sequence[int] = (1, 4097)) -> Report:
    """Let each write take at most this many bytes, without an error; saved files must be whole."""
    return total([trial(scene, partial(_slow, size)) for size in sizes])


def _slow(size: int, act: Act) -> End:
    class SlowFile(FileIO):
        def write(self, content: Any, /) -> int:
            return super().write(memoryview(content)[:size])

    def fdopen(handle: int, mode: str, *, closefd: bool) -> BufferedWriter:
        return BufferedWriter(SlowFile(handle, mode, closefd))

    def harmed() -> None:
        os.fdopen = fdopen  # type: ignore[assignment]
        act()

    return forked(harmed)


# Full disks.


def fill_disk(scene: Scene, pages: Sequence[int] = (0, 1, 2, 3)) -> Report:
    """Run a scene on a small disk of its own with few pages left, and again when there is room.

    Raises:   OSError if this user may not mount a disk.
    """
    ends = [forked(partial(_on_small_disk, partial(_trial_on_full_disk, scene, free))) for free in pages]
    for end in ends:
        if end.status:
            raise OSError(end.err.splitlines()[-1])
    return total([Report(**json.loads(end.out)) for end in ends])


def _trial_on_full_disk(scene: Scene, pages: int) -> None:
    sys.stdout.write(json.dumps(asdict(trial(scene, partial(_filled, pages)))))


def _filled(pages: int, act: Act) -> End:
    """Run a function when only this many pages of the disk for temporary files are free."""
    filler, disk = Path(tempfile.gettempdir(), "filler"), os.statvfs(tempfile.gettempdir())
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, (disk.f_bavail - pages) * disk.f_bsize)
    end = forked(act)
    filler.unlink()
    return end


def _on_small_disk(act: Act) -> None:
    """Run a function in a process whose temporary files are on a small disk that only it sees."""
    new_mounts, new_user = 0x00020000, 0x10000000
    user, group = os.getuid(), os.getgid()
    with new_folder() as folder:
        _call("unshare", new_mounts | new_user)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        _call("mount", b"none", bytes(folder), b"tmpfs", 0, b"size=1m")
        tempfile.tempdir = str(folder)
        act()
        _call("umount2", bytes(folder), 0)


def _call(name: str, *arguments: Any) -> None:
    """Call a function of the C library; raise if it fails."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def why_no_disk() -> str:
    """Return why a process can't have a disk of its own here, or an empty text if it can."""
    end = forked(partial(_on_small_disk, os.getpid))
    return f"no disk of one's own: {end.err.splitlines()[-1]}" if end.status else ""
