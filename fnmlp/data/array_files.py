"""Files of arrays as shards: `.npy` and IDX, of which only the rows that are asked for are read."""

from collections.abc import Iterable
from functools import partial
from io import BufferedReader
import math
import os
from typing import Any, SupportsIndex

from attrs import frozen
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from fnmlp.batching import PARTS, Batch
from fnmlp.data.idx import raw_header
from fnmlp.data.paths import Path, path_names
from fnmlp.data.shards import BLOCK, Shard, ShardedData
from fnmlp.errors import DataError, quoted
from fnmlp.files import opened, reading
from fnmlp.scalars import as_count

__all__ = ["array_shards"]


@frozen
class ArrayFile:
    """Say where the array of a file is: its dtype, its shape, and the byte that it begins at."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int


def array_shards(
    inputs: Path | Iterable[Path],
    targets: Path | Iterable[Path],
    *,
    weights: Path | Iterable[Path] = (),
    block: SupportsIndex = BLOCK,
) -> ShardedData:
    """Open files of arrays as a data set that may be larger than memory: one shard for each pair of files.

    The files are `.npy`, or IDX under any other name, not gzipped. Only their headers are read now. Later the rows are
    read in blocks of `block` rows, by ordinary reads into arrays of their own; no file stays open or mapped.
    Raises:   DataError, with the file's name, if one can't be read, is longer or shorter than its header says, has
              another number of rows than its pair, or is not in C order; as ShardedData for files that differ.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     x, y = os.path.join(folder, "x.npy"), os.path.join(folder, "y.npy")
    ...     np.save(x, np.zeros((1000, 28, 28), np.uint8))
    ...     np.save(y, np.zeros(1000, np.int64))
    ...     data = array_shards([x], [y])
    >>> len(data), data.like.inputs.shape
    (1000, (0, 28, 28))
    """
    rows = as_count("array_shards(block)", block)
    without = isinstance(weights, tuple) and not weights
    files = (inputs, targets) if without else (inputs, targets, weights)
    named = [(name, path_names(f"array_shards({name})", paths)) for name, paths in zip(PARTS, files, strict=False)]
    if len({len(paths) for _, paths in named}) > 1:
        got = " and ".join(f"{len(paths)} of {name}" for name, paths in named)
        raise DataError("array_shards", "files in pairs", got, "pass as many of each")
    return ShardedData(
        _shard(tuple(map(_layout, names)), rows) for names in zip(*(paths for _, paths in named), strict=True)
    )


def _shard(files: tuple[ArrayFile, ...], block: int) -> Shard:
    first = files[0]
    for name, file in zip(PARTS, files, strict=False):
        if not file.shape:
            raise DataError(file.name, "an array of rows", "a single number", "give it a row axis")
        if file.shape[0] != first.shape[0]:
            expected = f"{first.shape[0]} rows of {name}, as {first.name} has"
            raise DataError(file.name, expected, file.shape[0], "take both from one place")
    like = Batch(*(np.zeros((0, *file.shape[1:]), file.dtype) for file in files))
    rows = first.shape[0]
    return Shard(first.name, rows=rows, like=like, read=partial(_read, files), starts=range(0, rows, block))


def _read(files: tuple[ArrayFile, ...], first: int, stop: int) -> Batch:
    return Batch(*(_rows_of(file, first, stop) for file in files))


def _rows_of(file: ArrayFile, first: int, stop: int) -> NDArray[Any]:
    rows = np.empty((stop - first, *file.shape[1:]), file.dtype)
    view = rows.reshape(-1).view(np.uint8).data
    length = rows.nbytes // len(rows)
    with reading(file.name, DataError), open(file.name, "rb", buffering=0) as source:
        source.seek(file.offset + first * length)
        done = 0
        while done < len(view) and (count := source.readinto(view[done:])):  # a read may bring less than asked for
            done += count
    if done < len(view):
        got = f"the end after {first + done // length}"
        raise DataError(file.name, f"{stop} rows", got, "it became shorter after it was opened; get it again")
    return rows


def _layout(name: str) -> ArrayFile:
    if name.endswith(".gz"):
        remedy = "unpack it with gunzip"
        raise DataError(name, "a file that can be read in parts", "one packed by gzip", remedy)
    with opened(name, DataError) as file:
        if name.endswith(".npy"):
            return _npy_layout(file, name)
        header = raw_header(file, name)
        return ArrayFile(name, header.dtype, header.shape, header.length)


_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def _npy_layout(file: BufferedReader, name: str) -> ArrayFile:
    try:
        shape, by_columns, dtype = _HEADERS[npy.read_magic(file)](file)
    except (ValueError, KeyError) as error:
        raise DataError(
            name, "a .npy file of format 1.0 or 2.0", quoted(str(error)), "write it with numpy.save"
        ) from error
    if dtype.hasobject:
        raise DataError(name, "numbers", "Python objects", "save arrays of numbers")
    if by_columns and len(shape) > 1:
        remedy = "save numpy.ascontiguousarray(x)"
        raise DataError(name, "rows one after another (C order)", "columns one after another", remedy)
    expected, size = file.tell() + math.prod(shape) * dtype.itemsize, os.fstat(file.fileno()).st_size
    if size != expected:
        promise = f"{expected} bytes in all for {dtype} {shape}"
        raise DataError(name, promise, f"{size} bytes", "get the file again")
    return ArrayFile(name, dtype, shape, file.tell())
