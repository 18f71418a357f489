"""Claims about packed IDX files: the name decides whether gzip is expected, and the gzip is held to its word."""

import gzip
import zlib

import numpy as np

from tests.idx_bytes import SMALL, SMALL_GZIP, idx, read_bytes, why_unread
from tests.sweep import each


def test_a_gzip_under_a_raw_name_is_refused_with_the_remedy() -> None:
    text = why_unread(SMALL_GZIP)
    assert "expected a raw IDX file, by the name, got gzip" in text
    assert "rename it to " in text
    assert text.endswith("a.idx.gz")


def test_a_raw_file_under_a_gzip_name_is_refused_with_the_remedy() -> None:
    text = why_unread(SMALL, "a.idx.gz")
    assert "expected gzip (1f 8b), by the name, got 00 00 08 02 (it looks like raw IDX)" in text
    assert text.endswith("a.idx")


@each(("contents", "words"), [(b"<html>", "HTML"), (b"\x89PNG\r\n", "PNG"), (b"", "empty file")])
def test_what_is_no_gzip_under_a_gzip_name_is_refused(contents: bytes, words: str) -> None:
    text = why_unread(contents, "a.idx.gz")
    assert words in text
    assert "rename" not in text


# The gzip around it is held to its word.


def test_a_gzip_with_a_bad_crc_is_refused() -> None:
    bad = bytearray(SMALL_GZIP)
    bad[-8] ^= 1
    text = why_unread(bytes(bad), "a.idx.gz")
    assert "CRC" in text
    assert "incorrect data check" in text


def test_a_gzip_that_states_a_wrong_length_is_refused() -> None:
    bad = bytearray(SMALL_GZIP)
    bad[-1] ^= 1
    assert "incorrect length check" in why_unread(bytes(bad), "a.idx.gz")


def test_a_truncated_gzip_is_refused_at_its_end() -> None:
    text = why_unread(SMALL_GZIP[:-3], "a.idx.gz")
    assert f"byte {len(SMALL_GZIP) - 3}: expected the rest of the gzip data" in text


@each("data", [bytes(6), bytes(10**6)])
@each(
    ("junk", "words"),
    [
        (b"junk", "junk (6a 75 6e 6b)"),
        (b"\0", "junk (00)"),
        (bytes(512), "junk (00 00 00 00)"),
        (b"\x1f", "junk (1f)"),
        (SMALL_GZIP, "a second gzip member"),
        (gzip.compress(b"", mtime=0), "a second gzip member"),
    ],
)
def test_anything_after_the_first_gzip_member_is_refused(data: bytes, junk: bytes, words: str) -> None:
    packed = gzip.compress(idx((len(data),), data))
    text = why_unread(packed + junk, "a.idx.gz")
    assert f"byte {len(packed)}: expected the end after one gzip member, got {words}" in text


def test_junk_is_found_wherever_the_pieces_end() -> None:
    noise = np.random.default_rng(0).bytes(2**16)
    for length in range(2**16 - 40, 2**16):
        # Stored rather than deflated data keeps its length, so that its end moves over that of a piece here.
        packed = gzip.compress(idx((length,), noise[:length]), 0)
        assert read_bytes(packed, "a.idx.gz").tobytes() == noise[:length]
        assert "junk (6a" in why_unread(packed + b"j", "a.idx.gz")


def test_a_file_split_over_two_gzip_members_is_refused() -> None:
    halves = gzip.compress(SMALL[:14]) + gzip.compress(SMALL[14:])
    assert gzip.decompress(halves) == SMALL
    assert "a second gzip member" in why_unread(halves, "a.idx.gz")


def test_a_zlib_stream_without_the_gzip_around_it_is_refused() -> None:
    assert "expected gzip" in why_unread(zlib.compress(SMALL), "a.idx.gz")
