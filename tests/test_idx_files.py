"""IDX files on a disk: what the operating system refuses, and that an earlier file stays whole until it is replaced."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
import os
from pathlib import Path
import resource
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest

from fnmlp.data.idx import read_idx, write_idx
from fnmlp.errors import DataError, OptionError
from tests.steps import same_bits
from tests.sweep import each

NAMES = ("a.idx", "a.idx.gz")


@contextmanager
def os_refusal(path: Path, *words: str) -> Iterator[None]:
    with pytest.raises(DataError) as caught:
        yield
    assert str(path) in str(caught.value)
    assert all(word in str(caught.value) for word in words)


def make_fifo(path: Path) -> None:
    os.mkfifo(path)


def make_dangling_link(path: Path) -> None:
    path.symlink_to(path.with_name("nothing"))


def make_link_to_itself(path: Path) -> None:
    path.symlink_to(path)


def make_link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_nothing(path: Path) -> None:
    assert not path.exists()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (make_nothing, "expected a file, got none"),
        (Path.mkdir, "directory"),
        (make_fifo, "expected a regular file"),
        (make_link_to_a_device, "expected a regular file"),
        (make_dangling_link, "expected a file, got none"),
        (make_link_to_itself, "symbolic links"),
    ],
)
def test_what_is_no_regular_file_is_not_read(
    make: Callable[[Path], None], words: str, name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    make(path)
    with os_refusal(path, words):
        read_idx(path)


@pytest.mark.parametrize("name", NAMES)
def test_an_error_of_the_system_is_the_cause_of_ours(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    path = tmp_path / "file" / name
    for attempt in (partial(read_idx, path), partial(write_idx, path, np.zeros(3, np.uint8))):
        with pytest.raises(DataError, match="Not a directory") as caught:
            attempt()
        assert isinstance(caught.value.__cause__, NotADirectoryError)
        assert str(path) in str(caught.value)
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.parametrize("make", [Path.mkdir, make_fifo])
def test_what_is_no_regular_file_is_not_replaced(make: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "a.idx"
    make(path)
    with os_refusal(path, "not a regular file"):
        write_idx(path, np.zeros(3, np.uint8))
    assert not path.is_file()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("folder", ["nowhere", "x" * 300])
def test_a_folder_that_is_none_can_not_be_written_into(folder: str, tmp_path: Path) -> None:
    path = tmp_path / folder / "a.idx"
    with os_refusal(path, "a file that can be written"):
        write_idx(path, np.zeros(3, np.uint8))
    assert not list(tmp_path.iterdir())


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the kernel refuse to write beyond this size: a full disk for root too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", NAMES)
def test_a_write_that_fails_half_way_leaves_the_earlier_file_alone(name: str, tmp_path: Path) -> None:
    path, earlier = tmp_path / name, np.arange(5, dtype=np.int32)
    write_idx(path, earlier)
    noise = np.random.default_rng(0).integers(0, 256, 2**22, dtype=np.uint8)
    with largest_file(2**20), os_refusal(path, "a file that can be written", "File too large"):
        write_idx(path, noise)
    assert same_bits(read_idx(path), earlier)
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_that_fails_at_the_rename_leaves_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 300)
    with os_refusal(path, "File name too long"):
        write_idx(path, np.zeros(3, np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_a_write_replaces_the_earlier_file_and_leaves_nothing_else(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write_idx(path, np.arange(1000, dtype=np.float64))
    write_idx(path, np.arange(3, dtype=np.uint8))
    assert same_bits(read_idx(path), np.arange(3, dtype=np.uint8))
    assert list(tmp_path.iterdir()) == [path]


def test_a_replaced_file_stays_whole_for_those_who_have_it_open(tmp_path: Path) -> None:
    path = tmp_path / "a.idx"
    path.write_bytes(b"of earlier")
    with path.open("rb") as reader:
        write_idx(path, np.zeros(3, np.uint8))
        assert reader.read() == b"of earlier"


def test_a_written_file_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "any").write_bytes(b"")
    write_idx(tmp_path / "a.idx", np.zeros(3, np.uint8))
    assert (tmp_path / "a.idx").stat().st_mode == (tmp_path / "any").stat().st_mode


@each(
    ("array", "words"),
    [
        (np.zeros(2, np.int64), "got int64"),
        (np.zeros(2, np.uint16), "got uint16"),
        (np.zeros(2, np.float16), "got float16"),
        (np.zeros(2, np.complex64), "got complex64"),
        (np.zeros(2, np.bool_), "got bool"),
        (np.array(["a"]), "got <U1"),
        (np.array([b"a"]), "got |S1"),
        (np.array([None]), "got object"),
        (np.zeros(2, "u1,u1"), "float64, got [('f0'"),
        (np.zeros(2, "m8[s]"), "got timedelta64[s]"),
        (np.array(1, np.uint8), "1 to 64 dimensions, got 0"),
        (np.empty((0, 2**32), np.uint8), "dimensions below 2**32"),
        (np.broadcast_to(np.uint8(0), (2**32,)), "dimensions below 2**32"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_an_array_that_idx_can_not_hold_is_not_written(
    array: NDArray[Any], words: str, name: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(b"earlier")
    with pytest.raises(OptionError) as caught:
        write_idx(tmp_path / name, array)
    assert words in str(caught.value)
    assert (tmp_path / name).read_bytes() == b"earlier"
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def test_the_largest_size_of_a_dimension_is_written(tmp_path: Path) -> None:
    array = np.empty((0, 2**32 - 1), np.uint8)
    write_idx(tmp_path / "a.idx", array)
    assert same_bits(read_idx(tmp_path / "a.idx"), array)
