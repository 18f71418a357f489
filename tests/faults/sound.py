"""Sound files of every kind that the library reads, and what a damaged one may be read as."""

from collections.abc import Callable
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, TypeAlias

from attrs import frozen
import numpy as np
from numpy.typing import NDArray

import fnmlp as fn
from fnmlp.data.cache import sha256_of_idx
from fnmlp.data.idx import encode_header, read_idx, write_idx
from fnmlp.key import Key
from fnmlp.tree import Tree, tree_paths
from tests.faults.processes import new_folder
from tests.steps import draw

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}

Found: TypeAlias = tuple[Any, ...]
"""What was read, in a form that compares bit for bit."""


@frozen
class Sound:
    """A whole file, and its reader.

    `name`      the file's name; some readers look at its ending.
    `content`   its bytes.
    `size`      its bytes when unpacked.
    `read`      path -> what was read.
    `error`     the only kind of error that damage may raise.
    `described` damaged bytes -> what else they may be read as, if the format has no checksum.
    """

    name: str
    content: bytes
    size: int
    read: Callable[[Path], Found]
    error: type[fn.FnmlpError]
    described: Callable[[bytes], Found | None]


def small_files() -> list[Sound]:
    """Make files of some hundreds of bytes, small enough to try every kind of damage."""
    arrays = [_draw(np.dtype(name), (2, 3)) for name in TYPES.values()]
    return [*_checkpoints(3, 2), *_idx_files(_draw(np.dtype("u1"), (5,)), *arrays)]


def large_files() -> list[Sound]:
    """Make files of about a megabyte, large beside a reader's fixed memory."""
    return [*_checkpoints(1000, 200), *_idx_files(_draw(np.dtype("u1"), (1000, 28, 28)))]


def _draw(dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    return draw(0, shape, dtype) if dtype.kind == "f" else abs(100 * draw(0, shape)).astype(dtype)


def _checkpoints(width: int, out: int) -> list[Sound]:
    """Save a state in training, and a model."""
    model, state = model_and_state(width, out)
    save_model = partial(fn.save_model, model=model, params=state.params, example=(width,))
    return [
        _checkpoint("state", partial(fn.save, tree=state, description={"run": "1"}), partial(found_in_state, state)),
        _checkpoint("model", save_model, found_in_model),
    ]


def model_and_state(width: int, out: int) -> tuple[fn.Layer[Any], fn.TrainState]:
    """Make a model and its first training state."""
    model = fn.chain(fn.linear(out), fn.relu())
    return model, fn.train_state(model, fn.sgd(0.1, momentum=0.9), key=Key(3), example=(width,))


def _checkpoint(name: str, save: Callable[[Path], None], read: Callable[[Path], Found]) -> Sound:
    content = written(name, save)
    return Sound(name, content, len(content), read, fn.CheckpointError, _nothing)


def _idx_files(*arrays: NDArray[Any]) -> list[Sound]:
    """Save each array as a raw file, and as a gzip file, which has a checksum."""
    files = []
    for array in arrays:
        size = len(encode_header(array)) + array.nbytes
        described = partial(_described_by_idx, sha256_of_idx(array))
        for name, other in ((f"{array.dtype}.idx", described), (f"{array.dtype}.idx.gz", _nothing)):
            content = written(name, partial(write_idx, array=array))
            files.append(Sound(name, content, size, found_in_idx, fn.DataError, other))
    return files


def written(name: str, write: Callable[[Path], None]) -> bytes:
    """Return the bytes that a function writes to a file of this name."""
    with new_folder() as folder:
        write(folder / name)
        return (folder / name).read_bytes()


def put(path: Path, content: bytes) -> None:
    """Write a new file; overwriting one takes some file systems a hundred times as long."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def found_in_state(like: Tree, path: Path) -> Found:
    """Read the state that training resumes from."""
    return _bits_of_tree(fn.resume(path, like))


def found_in_model(path: Path) -> Found:
    """Read all that `predict` needs."""
    saved = fn.load_model(path)
    return saved.model.name, saved.example, dict(saved.notes), _bits_of_tree(saved.params)


def found_in_idx(path: Path) -> Found:
    """Read an array."""
    return bits(read_idx(path))


def _bits_of_tree(tree: Tree) -> Found:
    return tuple((name, type(leaf), *bits(np.asarray(leaf))) for name, leaf in tree_paths(tree))


def bits(array: NDArray[Any]) -> Found:
    """Return dtype, shape and bytes: what makes two arrays the same."""
    return str(array.dtype), array.shape, array.tobytes()


def _nothing(_: bytes) -> None:
    """Return None: damaged bytes have no other meaning."""


def _described_by_idx(digest: str, content: bytes) -> Found | None:
    """Return the array that a damaged raw file describes, if its digest differs from the one written."""
    array = decoded(content)
    return None if array is None or sha256_of_idx(array) == digest else bits(array)


def decoded(content: bytes) -> NDArray[Any] | None:
    """Read a raw IDX file by its published format, without checks; return None if it is none."""
    if content[:2] != b"\0\0" or len(content) < 4 or content[2] not in TYPES or content[3] == 0:
        return None
    start = 4 + 4 * content[3]
    shape = tuple(int.from_bytes(content[place : place + 4], "big") for place in range(4, start, 4))
    dtype = np.dtype(">" + TYPES[content[2]])
    if len(content) != start + prod(shape) * dtype.itemsize:
        return None
    return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
