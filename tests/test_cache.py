"""Claims about the cache: nobody else may write to it, what is in it is verified, and nothing is left behind."""

import fcntl
import os
from pathlib import Path
import shutil

import numpy as np
import pytest

from fnmlp.data.cache import SCRATCH, check_private, make_private, read_verified, scratch_folder, sha256_of_idx
from fnmlp.data.idx import write_idx
from fnmlp.errors import DataError

ARRAY = np.arange(6, dtype=np.uint8).reshape(2, 3)


def mode(folder: Path) -> str:
    return f"{folder.stat().st_mode & 0o7777:o}"


@pytest.mark.parametrize("mask", [0o000, 0o022])
def test_the_cache_and_the_folders_above_it_are_made_for_the_user_alone(tmp_path: Path, mask: int) -> None:
    previous = os.umask(mask)
    try:
        make_private(tmp_path / "a" / "b" / "c")
    finally:
        os.umask(previous)
    assert [mode(tmp_path / place) for place in ("a", "a/b", "a/b/c")] == ["700"] * 3


@pytest.mark.parametrize("permissions", ["700", "755", "750", "500"])
def test_a_folder_that_others_may_not_write_to_is_taken_as_it_is(tmp_path: Path, permissions: str) -> None:
    tmp_path.chmod(int(permissions, 8))
    make_private(tmp_path)
    assert mode(tmp_path) == permissions


@pytest.mark.parametrize("permissions", ["770", "720", "702", "777", "1777"])
def test_a_folder_that_others_may_write_to_is_refused_until_it_is_private(tmp_path: Path, permissions: str) -> None:
    tmp_path.chmod(int(permissions, 8))
    with pytest.raises(DataError, match=f"only you may write to, got permissions {permissions}; run chmod 700 "):
        make_private(tmp_path)
    assert mode(tmp_path) == permissions
    tmp_path.chmod(0o700)
    make_private(tmp_path)


def test_another_users_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(DataError, match=f"belongs to you, got one of user {owner}; set XDG_CACHE_HOME"):
        check_private(tmp_path)


@pytest.mark.parametrize(
    ("kind", "got"), [("link", "a symbolic link"), ("dangling", "a symbolic link"), ("file", "a file")]
)
def test_what_is_no_folder_is_refused_and_left_alone(tmp_path: Path, kind: str, got: str) -> None:
    place, target = tmp_path / "cache", tmp_path / "target"
    if kind == "file":
        place.write_text("mine")
    else:
        place.symlink_to(target)
    if kind == "link":
        target.mkdir()
    with pytest.raises(DataError, match=f"cache: expected a folder, got {got}; remove it") as caught:
        make_private(place)
    assert caught.value.where == str(place)
    assert target.exists() == (kind == "link")
    assert place.is_symlink() == (kind != "file")


def test_where_nothing_is_there_is_nothing_to_refuse(tmp_path: Path) -> None:
    check_private(tmp_path / "missing")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_file_is_read_if_it_holds_the_known_bytes(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    write_idx(path, ARRAY)
    assert np.array_equal(read_verified(path, sha256_of_idx(ARRAY)), ARRAY)
    with pytest.raises(DataError, match="other bytes than the known ones; delete the file") as caught:
        read_verified(path, sha256_of_idx(ARRAY + 1))
    assert caught.value.where == str(path)


def test_a_link_to_a_file_is_refused_although_it_holds_the_known_bytes(tmp_path: Path) -> None:
    write_idx(tmp_path / "a", ARRAY)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(DataError, match="b: expected a file, got a symbolic link"):
        read_verified(tmp_path / "b", sha256_of_idx(ARRAY))


def leave_stray(cache: Path) -> Path:
    """Leave the same files as a process that was killed in a download."""
    stray = cache / f"{SCRATCH}stray"
    (stray / "0").mkdir(parents=True)
    (stray / "0" / "part").write_bytes(b"half")
    return stray


def test_a_scratch_folder_is_private_and_gone_when_it_was_used(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as scratch:
        assert scratch.parent == tmp_path
        assert mode(scratch) == "700"
        (scratch / "a").touch()
    assert os.listdir(tmp_path) == []


def test_what_a_killed_download_left_is_deleted_by_the_next_one(tmp_path: Path) -> None:
    stray = leave_stray(tmp_path)
    (tmp_path / "a.gz").touch()
    with scratch_folder(tmp_path):
        assert not stray.exists()
    assert os.listdir(tmp_path) == ["a.gz"]


def test_the_scratch_folders_of_those_who_are_at_work_are_left_to_them(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as first, scratch_folder(tmp_path) as second:
        assert first != second
        (first / "a").touch()
        with scratch_folder(tmp_path):
            assert (first / "a").exists()
            assert second.exists()
    assert os.listdir(tmp_path) == []


def test_a_link_among_what_was_left_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "precious").touch()
    leave_stray(tmp_path)
    (tmp_path / f"{SCRATCH}stray" / "link").symlink_to(target)
    (tmp_path / f"{SCRATCH}link").symlink_to(target)
    with scratch_folder(tmp_path):
        pass
    assert os.listdir(target) == ["precious"]
    assert not (tmp_path / f"{SCRATCH}stray").exists()


def test_a_file_system_without_locks_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: int) -> None:
        raise OSError(95, "Operation not supported")

    stray = leave_stray(tmp_path)
    monkeypatch.setattr(fcntl, "flock", refuse)
    with scratch_folder(tmp_path) as scratch:
        assert scratch.exists()
    assert os.listdir(tmp_path) == [stray.name]


def test_a_file_that_is_made_while_the_scratch_folder_is_deleted_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = os.rmdir
    late: list[Path] = []

    def make_late(path: str, **options: int) -> None:
        if not late:
            late.extend(tmp_path.glob(f"{SCRATCH}*"))
            (late[0] / "late").touch()
        remove(path, **options)

    with monkeypatch.context() as patched, scratch_folder(tmp_path):
        patched.setattr(os, "rmdir", make_late)
    assert len(late) == 1
    assert os.listdir(tmp_path) == [late[0].name]
    shutil.rmtree(late[0])
