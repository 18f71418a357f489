"""IDX files built byte by byte, right and wrong, and the reader's answers."""

import gzip
import os
from pathlib import Path
import struct
import tempfile
from typing import Any

from numpy.typing import NDArray

from fnmlp.data.idx import read_idx
from fnmlp.errors import DataError
from tests.refusals import refusal

CODES = {0x08: "uint8", 0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
NAMES = ("a.idx", "a.idx.gz")


def idx(sizes: tuple[int, ...], data: bytes, *, code: int = 0x08, order: str = ">") -> bytes:
    """Build an IDX file by hand, right or wrong."""
    return bytes([0, 0, code, len(sizes)]) + struct.pack(f"{order}{len(sizes)}I", *sizes) + data


SMALL = idx((2, 3), bytes([1, 2, 3, 5, 8, 13]))
SMALL_GZIP = gzip.compress(SMALL, mtime=0)


def read_bytes(contents: bytes, name: str) -> NDArray[Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(contents)
        return read_idx(path)


def why_unread(contents: bytes, name: str = "a.idx") -> str:
    """Return why a file is refused; every refusal is a DataError that names the file and a byte."""
    return refusal(lambda: read_bytes(contents, name), DataError, f"{os.sep}{name}, ", "byte")


def under(name: str, contents: bytes) -> bytes:
    return gzip.compress(contents, mtime=0) if name.endswith(".gz") else contents
