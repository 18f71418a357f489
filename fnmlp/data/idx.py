"""The IDX format of MNIST and similar data sets: read strictly, written atomically.

A file is two zero bytes, a type code, the number of dimensions, one unsigned 32-bit size per dimension, then
the elements in C order; every number has its most significant byte first.
"""

from collections.abc import Iterator
import gzip
from io import BufferedReader
import math
import os
import struct
from typing import Any, NamedTuple
import zlib

import numpy as np
from numpy.typing import NDArray

from fnmlp.arrays import as_array
from fnmlp.checks import as_path
from fnmlp.errors import DataError, OptionError
from fnmlp.files import opened, os_errors_named
from fnmlp.scalars import is_number, shown
from fnmlp.whole_files import write_whole

__all__ = ["read_idx", "write_idx"]

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}
_MAX_DIMENSIONS = 64  # NumPy's limit; the format allows 255
_LONGEST_HEADER = 4 + 4 * _MAX_DIMENSIONS
_GIBIBYTE = 2**30
_PIECE = 2**16  # bytes per call of zlib, in and out; larger pieces gain less than a tenth
_GZIP = b"\x1f\x8b"
_KNOWN_STARTS = {_GZIP: "gzip", b"<": "an HTML or XML page", b"\x89PNG": "a PNG image", b"\0\0": "raw IDX"}


class _Header(NamedTuple):
    """The contents of a file's header."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    length: int
    total: int


def read_idx(path: str | os.PathLike[str], *, limit: int = _GIBIBYTE) -> NDArray[Any]:
    """Read an IDX file: gzip if its name ends in .gz, raw under any other name.

    Shapes:   the sizes in the file: 1 to 64 dimensions, any of which may be 0.
    Units:    limit is in bytes, and caps the unpacked size of a gzip file (1 GiB); a raw file needs no cap.
    Returns:  a read-only, C-ordered array of uint8, int8, int16, int32, float32 or float64 in native byte order.
    Raises:   DataError, with the byte, if the file can't be read or does not match its header exactly; OptionError if
              limit is negative.
    Source:   Y. LeCun, C. Cortes & C. Burges, "The MNIST database", section "THE IDX FILE FORMAT".

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "labels-idx1-ubyte")
    ...     with open(path, "wb") as file:
    ...         _ = file.write(bytes([0, 0, 0x08, 1, 0, 0, 0, 3, 7, 2, 1]))
    ...     read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    if not is_number(limit) or not limit >= 0:
        raise OptionError("read_idx", "limit >= 0 bytes", shown(limit), f"leave it out for {_GIBIBYTE}")
    name = as_path(path)
    with opened(name, DataError) as file:
        size = os.fstat(file.fileno()).st_size
        return _read_gzip(file, name, size, limit) if name.endswith(".gz") else _read_raw(file, name, size)


def write_idx(path: str | os.PathLike[str], array: NDArray[Any]) -> None:
    """Write an array as an IDX file, gzip if the name ends in .gz; the bytes depend only on the array.

    Shapes:   1 to 64 dimensions, each below 2**32, in any memory layout and byte order.
    Raises:   OptionError if IDX can't hold the array; DataError if the file can't be written, in which case the old
              file is intact.
    Source:   Y. LeCun, C. Cortes & C. Burges, "The MNIST database", section "THE IDX FILE FORMAT".

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "pixels-idx2-ubyte.gz")
    ...     write_idx(path, np.eye(2, dtype=np.uint8))
    ...     read_idx(path)
    array([[1, 0],
           [0, 1]], dtype=uint8)
    """
    name = as_path(path)
    array = as_array("write_idx(array)", array)
    header = encode_header(array)
    content = header + array.astype(array.dtype.newbyteorder(">"), copy=False).tobytes()
    with os_errors_named(name, "a file that can be written", DataError):
        # No name and no time in the gzip header. Level 9 would take several times as long to save a few per cent.
        write_whole(name, gzip.compress(content, 6, mtime=0) if name.endswith(".gz") else content)


def _fault(place: str, offset: int, expected: str, got: object, remedy: str = "get the file again") -> DataError:
    return DataError(f"{place} {offset}", expected, got, remedy)


def _looks_like(head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf\t\r\n ")
    guesses = [what for start, what in _KNOWN_STARTS.items() if head.startswith(start) or text.startswith(start)]
    if head[2:] == b"\0\0" and head[1] in _TYPES:
        guesses = ["a little-endian IDX header"]
    return f"{head.hex(' ')} (it looks like {guesses[0] if guesses else 'no known format'})"


def _check_name(name: str, head: bytes) -> None:
    place, packed = f"{name}, byte", name.endswith(".gz")
    if not head:
        raise _fault(place, 0, "an IDX file", "an empty file")
    if packed and not _GZIP.startswith(head[:2]):
        remedy = f"rename it to {name.removesuffix('.gz')}" if head[:2] == b"\0\0" else "get the file again"
        raise _fault(place, 0, "gzip (1f 8b), by the name", _looks_like(head), remedy)
    if not packed and head.startswith(_GZIP):
        raise _fault(place, 0, "a raw IDX file, by the name", "gzip (1f 8b)", f"rename it to {name}.gz")


def raw_header(file: BufferedReader, name: str) -> _Header:
    """Return the header of an open IDX file that isn't packed.

    Raises:   DataError unless the file matches its header exactly.
    """
    place, size = f"{name}, byte", os.fstat(file.fileno()).st_size
    file.seek(0)
    _check_name(name, file.read(4))
    file.seek(0)
    header = _decode_header(file.read(_LONGEST_HEADER), place)
    _check_total(header, place, size, size)
    return header


def _read_raw(file: BufferedReader, name: str, size: int) -> NDArray[Any]:
    place, header = f"{name}, byte", raw_header(file, name)
    file.seek(header.length)
    elements = np.empty(header.total - header.length, np.uint8)
    # Checked again, because the file may have been cut since.
    _check_total(header, place, header.length + file.readinto(elements.data), size)
    return _as_array(elements, header)


def _read_gzip(file: BufferedReader, name: str, size: int, limit: int) -> NDArray[Any]:
    place = f"{name}, unpacked byte"
    _check_name(name, file.read(4))
    file.seek(max(0, size - 4))
    # The unpacked length that the file states, modulo 2**32; used for hints only.
    stated = int.from_bytes(file.read(4), "little")
    file.seek(0)
    pieces = _unpack(file, name)
    body = _gather(bytearray(), pieces, _LONGEST_HEADER)
    header = _decode_header(bytes(body[:_LONGEST_HEADER]), place)
    if header.total > limit:
        got = f"{header.total} bytes for {header.dtype.name} {header.shape}"
        remedy = _size_remedy(header, stated, "raise limit if you trust the file")
        raise _fault(place, 4, f"at most limit={limit} bytes", got, remedy)
    # A slice is a new allocation: cutting the front off would misalign 8-byte elements.
    body = _gather(body[header.length :], pieces, header.total - header.length + 1)
    _check_total(header, place, header.length + len(body), stated)
    return _as_array(np.frombuffer(body, np.uint8), header)


def _unpack(file: BufferedReader, name: str) -> Iterator[bytes]:
    inflater = zlib.decompressobj(wbits=31)
    while not inflater.eof:
        packed = inflater.unconsumed_tail or file.read(_PIECE)
        offset = file.tell() - len(packed)
        if not packed:
            raise _fault(f"{name}, byte", offset, "the rest of the gzip data", "the end of the file")
        try:
            yield inflater.decompress(packed, _PIECE)
        except zlib.error as error:
            raise _fault(f"{name}, at or after byte", offset, "sound gzip data with its CRC", error) from error
    after = inflater.unused_data + file.read(2)
    if after:
        got = "a second gzip member" if after.startswith(_GZIP) else f"junk ({after[:4].hex(' ')})"
        offset = file.tell() - len(after)
        raise _fault(f"{name}, byte", offset, "the end after one gzip member", got, "unpack it and pack it again")


def _gather(body: bytearray, pieces: Iterator[bytes], enough: int) -> bytearray:
    while len(body) < enough and (piece := next(pieces, None)) is not None:
        body += piece
    return body


def _decode_header(head: bytes, place: str) -> _Header:
    if len(head) < 4:
        raise _fault(place, len(head), "4 bytes of magic", f"the end after {len(head)}")
    if head[:2] != b"\0\0":
        raise _fault(place, 0, "two zero bytes of magic", _looks_like(head[:4]), "pass an IDX file")
    code, dimensions = head[2:4]
    if code not in _TYPES:
        raise _fault(place, 2, f"a type code of {', '.join(f'{known:#04x}' for known in _TYPES)}", f"{code:#04x}")
    if not 1 <= dimensions <= _MAX_DIMENSIONS:
        raise _fault(place, 3, f"1 to {_MAX_DIMENSIONS} dimensions", dimensions)
    length = 4 + 4 * dimensions
    if len(head) < length:
        raise _fault(place, len(head), f"{length} bytes of header", f"the end after {len(head)}")
    dtype, shape = np.dtype(">" + _TYPES[code]), struct.unpack(f">{dimensions}I", head[4:length])
    # NumPy raises for such a shape even if another dimension is 0.
    if math.prod(size or 1 for size in shape) * dtype.itemsize > np.iinfo(np.intp).max:
        raise _fault(place, 4, "sizes whose product fits an address", shape)
    return _Header(dtype, shape, length, length + math.prod(shape) * dtype.itemsize)


def _check_total(header: _Header, place: str, total: int, stated: int) -> None:
    if total != header.total:
        promise = f"{header.total} bytes in all for {header.dtype.name} {header.shape}"
        # Unpacking a gzip file stops soon after it exceeds the stated size.
        exact = total < header.total or total == stated
        got = f"{total} bytes" if exact else f"at least {total} bytes"
        remedy = _size_remedy(header, stated, "get the file again")
        raise _fault(place, min(total, header.total), promise, got, remedy)


def _size_remedy(header: _Header, stated: int, otherwise: str) -> str:
    swapped = tuple(int.from_bytes(size.to_bytes(4, "big"), "little") for size in header.shape)
    fits = header.length + math.prod(swapped) * header.dtype.itemsize == stated
    return f"the sizes are little-endian, as {swapped} fits: write them big-endian" if fits else otherwise


def _as_array(elements: NDArray[np.uint8], header: _Header) -> NDArray[Any]:
    array: NDArray[Any] = elements.view(header.dtype)
    if not array.dtype.isnative:
        array = array.byteswap(inplace=True).view(array.dtype.newbyteorder())
    array = array.reshape(header.shape)
    array.setflags(write=False)
    return array


def encode_header(array: NDArray[Any]) -> bytes:
    """Return the header of an IDX file that holds this array.

    Raises:   OptionError if IDX can't hold the array.

    >>> encode_header(np.zeros(3, np.uint8)).hex(" ")
    '00 00 08 01 00 00 00 03'
    """
    codes = [code for code, name in _TYPES.items() if name == f"{array.dtype.kind}{array.dtype.itemsize}"]
    if not codes:
        known = "uint8, int8, int16, int32, float32 or float64"
        raise OptionError("write_idx", known, array.dtype, "convert it with array.astype(...)")
    if not 1 <= array.ndim <= _MAX_DIMENSIONS:
        raise OptionError("write_idx", f"1 to {_MAX_DIMENSIONS} dimensions", array.ndim, "reshape it")
    if max(array.shape) >= 2**32:
        raise OptionError("write_idx", "dimensions below 2**32", array.shape, "split it into several files")
    return bytes([0, 0, codes[0], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
