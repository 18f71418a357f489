"""Files appear whole or not at all, and nothing else is left behind."""

from collections.abc import Callable
import fcntl
import os
from pathlib import Path
import signal
import stat
import subprocess
import sys

import pytest

from fnmlp.errors import CheckpointError, DataError, FnmlpError
from fnmlp.files import READABLE, opened, os_errors_named
from fnmlp.whole_files import TEMPORARY, write_whole


@pytest.mark.parametrize("content", [b"", b"\0\n\xff", b"x" * 1_000_000], ids=len)
@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_holds_what_was_written(tmp_path: Path, content: bytes, kind: Callable[[Path], str | Path]) -> None:
    path = tmp_path / "a"
    for written in (b"older", content):
        write_whole(kind(path), written)
        assert path.read_bytes() == written
    assert os.listdir(tmp_path) == ["a"]


def test_a_relative_name_is_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_whole("a", b"content")
    assert (tmp_path / "a").read_bytes() == b"content"


def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path: Path) -> None:
    previous = os.umask(0o027)
    try:
        write_whole(tmp_path / "a", b"")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_missing_folder_is_an_error_and_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "missing" / "a", b"content")
    assert os.listdir(tmp_path) == []


def test_what_is_no_regular_file_is_not_replaced(tmp_path: Path) -> None:
    folder, pipe = tmp_path / "folder", tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe)
    for path in (folder, pipe):
        with pytest.raises(OSError, match="not a regular file"):
            write_whole(path, b"content")
    assert sorted(os.listdir(tmp_path)) == ["folder", "pipe"]
    assert folder.is_dir()
    assert pipe.is_fifo()


@pytest.mark.parametrize("kind", [CheckpointError, DataError])
def test_what_is_no_regular_file_is_refused_without_waiting_as_an_error_of_the_callers_kind(
    tmp_path: Path, kind: type[FnmlpError]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused = {
        "pipe": "got a directory, pipe, socket or device",
        ".": "got Is a directory",
        "none": "expected a file, got none; check the path",
    }
    for name, words in refused.items():
        with pytest.raises(kind, match=words), opened(str(tmp_path / name), kind):
            pass
    with pytest.raises(kind, match="got MemoryError"), os_errors_named("a", READABLE, kind):
        raise MemoryError


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "Ctrl-C"])
def test_a_fault_at_any_call_leaves_the_earlier_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, fault: BaseException
) -> None:
    path = tmp_path / "a"
    write_whole(path, b"earlier")

    def fail(*_: object) -> None:
        raise fault

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(type(fault)):
            write_whole(path, b"later")
    assert os.listdir(tmp_path) == ["a"]
    assert path.read_bytes() == b"earlier"


def strays(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.endswith(".tmp")]


KILLED = """
import os, signal, sys
from fnmlp.whole_files import write_whole
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
write_whole(sys.argv[1], b"later")
"""


def test_what_a_killed_process_left_is_deleted_by_the_next_save_in_that_folder(tmp_path: Path) -> None:
    # It was once deleted by a save of the same name alone: a run that was killed in its checkpoint, and after that in
    # its history, left two files.
    write_whole(tmp_path / "a", b"earlier")
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "a").read_bytes() == b"earlier"
    assert len(strays(tmp_path)) == 1
    write_whole(tmp_path / "b", b"another name")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_the_file_of_a_process_that_lives_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, sync = tmp_path / "a", os.fsync
    seen: list[list[str]] = []

    def save_meanwhile(handle: int) -> None:
        if not seen:
            seen.append(strays(tmp_path))
            write_whole(path, b"another")
            assert strays(tmp_path) == seen[0]
        sync(handle)

    monkeypatch.setattr(os, "fsync", save_meanwhile)
    write_whole(path, b"the first")
    assert len(seen[0]) == 1
    assert path.read_bytes() == b"the first"
    assert os.listdir(tmp_path) == ["a"]


def test_a_file_that_was_taken_for_a_stray_one_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = fcntl.flock
    taken: list[str] = []

    def take(handle: int, operation: int) -> None:
        if not taken:
            taken.extend(strays(tmp_path))
            (tmp_path / taken[0]).unlink()
        lock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", take)
    write_whole(tmp_path / "a", b"content")
    assert len(taken) == 1
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"content"


def test_a_file_that_can_not_be_looked_at_is_an_error_and_not_one_that_was_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It was once made anew for as long as the error lasted, and each time one was left behind.
    look = os.stat
    errors = [OSError(5, "Input/output error")] * 3

    def fail(path: str, **options: bool) -> os.stat_result:
        if os.fspath(path).endswith(".tmp") and errors:
            raise errors.pop()
        return look(path, **options)

    write_whole(tmp_path / "a", b"earlier")
    monkeypatch.setattr(os, "stat", fail)
    with pytest.raises(OSError, match="Input/output error"):
        write_whole(tmp_path / "a", b"later")
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"earlier"


def test_a_file_system_without_locks_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(95, "Operation not supported")

    (tmp_path / f"{TEMPORARY}0.tmp").touch()
    monkeypatch.setattr(fcntl, "flock", refuse)
    write_whole(tmp_path / "a", b"content")
    assert (tmp_path / "a").read_bytes() == b"content"
    assert len(os.listdir(tmp_path)) == 2


def test_a_name_may_be_as_long_as_a_name_can_be(tmp_path: Path) -> None:
    write_whole(tmp_path / ("x" * 255), b"content")
    assert os.listdir(tmp_path) == ["x" * 255]
