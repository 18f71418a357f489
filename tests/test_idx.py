"""Claims about the IDX reader and writer: what is read is what was written, and all else is refused by name."""

import gzip
import math
from pathlib import Path
import struct
import tempfile
import tracemalloc
from typing import Any

from hypothesis import given, settings
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest

from fnmlp.data.idx import read_idx, write_idx
from fnmlp.errors import DataError, OptionError
from tests.idx_bytes import CODES, NAMES, SMALL, SMALL_GZIP, idx, read_bytes, under, why_unread
from tests.sweep import each


def traced_peak(contents: bytes, name: str) -> int:
    """Measure how many bytes are held at most while a file is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(contents)
        tracemalloc.start()
        try:
            with pytest.raises(DataError):
                read_idx(path)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def same(left: NDArray[Any], right: NDArray[Any]) -> bool:
    """Equal to the bit, NaN and minus zero included."""
    return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()


@st.composite
def idx_arrays(draw: st.DrawFn) -> NDArray[Any]:
    dtype = np.dtype(draw(st.sampled_from(list(CODES.values())))).newbyteorder(draw(st.sampled_from("<>")))
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=4))
    array: NDArray[Any] = draw(hnp.arrays(dtype, shape))
    layout = draw(st.sampled_from(["C", "Fortran", "strided", "backwards", "broadcast", "read-only"]))
    if layout == "Fortran":
        array = np.asfortranarray(array)
    elif layout == "strided":
        array = np.repeat(array, 2, axis=-1)[..., ::2]
    elif layout == "backwards":
        array = array[::-1]
    elif layout == "broadcast":
        array = np.broadcast_to(array, (2, *shape))
    elif layout == "read-only":
        array.setflags(write=False)
    return array


# What is written is read.


@settings(max_examples=200, deadline=None)
@given(array=idx_arrays(), name=st.sampled_from(NAMES))
def test_what_is_written_is_read_to_the_bit(array: NDArray[Any], name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        write_idx(path, array)
        result = read_idx(path)
    assert same(result, array.astype(array.dtype.newbyteorder("=")))


@settings(max_examples=50, deadline=None)
@given(array=idx_arrays(), name=st.sampled_from(NAMES))
def test_the_result_is_native_contiguous_aligned_and_read_only(array: NDArray[Any], name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        write_idx(path, array)
        result = read_idx(path)
    assert result.dtype.isnative
    assert result.flags.c_contiguous
    assert result.flags.aligned
    assert not result.flags.writeable


@settings(max_examples=50, deadline=None)
@given(array=idx_arrays(), name=st.sampled_from(NAMES))
def test_the_bytes_of_a_file_depend_on_the_values_alone(array: NDArray[Any], name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder, name), Path(folder, f"other-{name}")
        write_idx(first, array)
        write_idx(second, np.asfortranarray(array.astype(array.dtype.newbyteorder("S"))))
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("array", "data"),
    [
        (np.array([[1, 255]], "uint8"), "08 02 00000001 00000002 01 ff"),
        (np.array([[1, -1]], "int8"), "09 02 00000001 00000002 01 ff"),
        (np.array([258, -2], "int16"), "0b 01 00000002 0102 fffe"),
        (np.array([16909060, -2], "int32"), "0c 01 00000002 01020304 fffffffe"),
        (np.array([1.0, -2.5], "float32"), "0d 01 00000002 3f800000 c0200000"),
        (np.array([1.0, -2.5], "float64"), "0e 01 00000002 3ff0000000000000 c004000000000000"),
    ],
    ids=list(CODES.values()),
)
def test_the_bytes_are_those_of_the_published_format(array: NDArray[Any], data: str, name: str, tmp_path: Path) -> None:
    published = bytes.fromhex("0000" + data)
    path = tmp_path / name
    write_idx(path, array)
    written = path.read_bytes()
    assert (gzip.decompress(written) if name.endswith(".gz") else written) == published
    assert same(read_bytes(under(name, published), name), array)


def test_a_path_may_be_a_string_or_a_path(tmp_path: Path) -> None:
    array = np.arange(3, dtype=np.int16)
    write_idx(str(tmp_path / "a.idx"), array)
    assert same(read_idx(str(tmp_path / "a.idx")), read_idx(tmp_path / "a.idx"))


def test_a_written_gzip_holds_no_name_and_no_time(tmp_path: Path) -> None:
    write_idx(tmp_path / "a.idx.gz", np.arange(3, dtype=np.uint8))
    assert (tmp_path / "a.idx.gz").read_bytes()[:8] == bytes([0x1F, 0x8B, 8, 0, 0, 0, 0, 0])


@each("level", [0, 1, 9])
def test_a_gzip_of_many_pieces_is_read_whole(level: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 100_000), dtype=np.uint8)
    noise[1] = 0  # a run that unpacks to much more than one piece
    packed = gzip.compress(idx(noise.shape, noise.tobytes()), level)
    assert same(read_bytes(packed, "a.idx.gz"), noise)


def test_a_gzip_header_may_hold_a_name_a_time_a_comment_and_extra_bytes() -> None:
    flags, time, extra = 0x04 | 0x08 | 0x10, struct.pack("<I", 948_000_000), struct.pack("<H", 5) + b"extra"
    header = bytes([0x1F, 0x8B, 8, flags]) + time + bytes([0, 3]) + extra + b"train-labels\0" + b"a comment\0"
    assert same(read_bytes(header + SMALL_GZIP[10:], "a.idx.gz"), read_bytes(SMALL, "a.idx"))


@each("name", NAMES)
@each("sizes", [(0,), (0, 28, 28), (3, 0, 0xFFFFFFFF)])
@each("code", CODES)
def test_a_dimension_of_0_without_data_is_an_empty_array(name: str, sizes: tuple[int, ...], code: int) -> None:
    result = read_bytes(under(name, idx(sizes, b"", code=code)), name)
    assert same(result, np.empty(sizes, CODES[code]))


@pytest.mark.parametrize("name", NAMES)
def test_64_dimensions_come_back(name: str, tmp_path: Path) -> None:
    array = np.arange(4, dtype=np.float64).reshape((1,) * 31 + (2,) + (1,) * 31 + (2,))
    write_idx(tmp_path / name, array)
    assert same(read_idx(tmp_path / name), array)


# What is cut, spoilt or too long is refused; tests/test_faults_damage.py cuts files everywhere and flips every bit.


@each("name", NAMES)
@each("length", range(1, len(SMALL)))
def test_a_file_that_ends_early_is_refused_at_its_end(name: str, length: int) -> None:
    text = why_unread(under(name, SMALL[:length]), name)
    assert f"byte {length}: " in text
    assert ("magic" if length < 4 else "header" if length < 12 else "18 bytes in all for uint8 (2, 3)") in text


@each(
    ("contents", "words"),
    [
        (b"", "byte 0: expected an IDX file, got an empty file"),
        (SMALL[:-1], "byte 17: expected 18 bytes in all for uint8 (2, 3), got 17"),
        (SMALL + b"x", "byte 18: expected 18 bytes in all for uint8 (2, 3), got 19"),
        (b"\0\1\x08\1\0\0\0\0", "byte 0: expected two zero bytes"),
        (b"<!DOCTYPE html>", "looks like an HTML"),
        (b"\n <html><body>404", "looks like an HTML"),
        (b"\xef\xbb\xbf<html>", "looks like an HTML"),
        (b"\x89PNG\r\n\x1a\n", "looks like a PNG"),
        (b"PARQUET", "looks like no known format"),
        (b"\3\x08\0\0\1\0\0\0", "looks like a little-endian IDX header"),
        (idx((2,), b"12", code=0x0A), "byte 2: expected a type code of 0x08, "),
        (idx((2,), b"12", code=0x0A), "got 0x0a"),
        (idx((2,), b"12", code=0), "got 0x00"),
        (idx((), b"1"), "byte 3: expected 1 to 64 dimensions, got 0"),
        (idx((1,) * 65, b"1"), "expected 1 to 64 dimensions, got 65"),
        (idx((1,) * 255, b"1"), "expected 1 to 64 dimensions, got 255"),
        (idx((2, 3), bytes(6), order="<"), "little-endian, as (2, 3) fits"),
        (idx((0, 28, 28), bytes(784)), "uint8 (0, 28, 28), got 800"),
        (idx((5, 0), b"1"), "byte 12: expected 12 bytes in all"),
    ],
)
def test_a_malformed_raw_file_is_refused_by_name(contents: bytes, words: str) -> None:
    assert words in why_unread(contents)


@each("length", range(1, 4))
def test_wrong_magic_bytes_in_a_stub_are_refused(length: int) -> None:
    assert f"byte {length}: expected 4 bytes of magic" in why_unread(b"<!D"[:length])


@each(
    ("contents", "words"),
    [
        (b"", "unpacked byte 0: expected 4 bytes of magic"),
        (SMALL[:-1], "unpacked byte 17: expected 18 bytes in all"),
        (SMALL + b"x", "unpacked byte 18: expected 18 bytes in all for uint8 (2, 3), got 19"),
        (SMALL + bytes(10**6), "got at least "),
        (b"<html></html>", "looks like an HTML"),
        (SMALL_GZIP, "looks like gzip"),
        (idx((2,), b"12", code=0x0A), "unpacked byte 2: expected a type code"),
        (idx((), b"1"), "expected 1 to 64 dimensions, got 0"),
        (idx((1,) * 255, b"1"), "expected 1 to 64 dimensions, got 255"),
        (idx((2, 3), bytes(6), order="<"), "little-endian, as (2, 3) fits"),
        (idx((0, 28, 28), bytes(784)), "uint8 (0, 28, 28), got 800"),
    ],
)
def test_a_gzip_of_a_malformed_file_is_refused_by_name(contents: bytes, words: str) -> None:
    assert words in why_unread(gzip.compress(contents), "a.idx.gz")


@each("name", NAMES)
@each(
    ("sizes", "wrapped"),
    [
        ((0xFFFFFFFF,), 0),
        ((0xFFFFFFFF, 0xFFFFFFFF), 1),
        ((0xFFFFFFFF,) * 64, 1),
        ((2**16, 2**16), 0),
        ((2**31, 2**31, 4), 0),
        ((22_414_547, 13_309, 61_836_419), 21),
        ((0, 0xFFFFFFFF, 0xFFFFFFFF), 0),
    ],
)
def test_sizes_whose_product_overflows_are_refused(name: str, sizes: tuple[int, ...], wrapped: int) -> None:
    for length in {0, 1, wrapped}:
        assert str(sizes) in why_unread(under(name, idx(sizes, bytes(length))), name)


@each("name", NAMES)
def test_an_empty_array_too_wide_for_an_address_is_refused_by_its_bytes(name: str) -> None:
    sizes = (0, 2**31, 2**30)
    assert read_bytes(under(name, idx(sizes, b"", code=0x08)), name).shape == sizes
    assert "fits an address" in why_unread(under(name, idx(sizes, b"", code=0x0E)), name)


# Nothing is believed before it is seen.


def test_a_gzip_bomb_is_refused_before_it_unpacks() -> None:
    bomb = gzip.compress(SMALL + bytes(2**25), 1)
    assert "got at least" in why_unread(bomb, "a.idx.gz")
    assert traced_peak(bomb, "a.idx.gz") < 2**20


def test_a_promise_in_a_small_file_costs_no_memory() -> None:
    promise = idx((2**29,), b"1")
    for name in NAMES:
        assert f"expected {2**29 + 8} bytes in all" in why_unread(under(name, promise), name)
        assert traced_peak(under(name, promise), name) < 2**20


def test_reading_holds_little_more_than_the_elements(tmp_path: Path) -> None:
    array = np.zeros(2**20, np.float32)
    for name in NAMES:
        write_idx(tmp_path / name, array)
        tracemalloc.start()
        try:
            result = read_idx(tmp_path / name)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert same(result, array)
        assert peak < array.nbytes * 1.25


def test_the_limit_is_the_most_that_a_gzip_may_unpack_to(tmp_path: Path) -> None:
    path = tmp_path / "a.idx.gz"
    path.write_bytes(SMALL_GZIP)
    assert read_idx(path, limit=len(SMALL)).shape == (2, 3)
    with pytest.raises(DataError) as caught:
        read_idx(path, limit=len(SMALL) - 1)
    assert f"{path}, unpacked byte 4: expected at most limit=17 bytes, got 18 bytes for uint8 (2, 3)" in str(
        caught.value
    )
    assert "raise limit" in caught.value.remedy


def test_sizes_over_the_limit_that_fit_little_endian_say_so() -> None:
    text = why_unread(gzip.compress(idx((0x80,), bytes(0x80), order="<")), "a.idx.gz")
    assert "at most limit=" in text
    assert "little-endian, as (128,) fits" in text


def test_a_raw_file_needs_no_limit(tmp_path: Path) -> None:
    (tmp_path / "a.idx").write_bytes(SMALL)
    assert read_idx(tmp_path / "a.idx", limit=0).shape == (2, 3)


@pytest.mark.parametrize("limit", [-1, math.nan])
def test_a_limit_below_0_or_not_a_number_is_refused(limit: float, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="limit >= 0"):
        read_idx(tmp_path / "a.idx", limit=limit)  # type: ignore[arg-type]
