"""Files appear whole or not at all, and nothing else is left behind."""

from collections.abc import Callable
import os
from pathlib import Path
import stat

import pytest

from fnmlp.files import write_whole


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
