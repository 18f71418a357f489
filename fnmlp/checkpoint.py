"""Checkpoints: a parameter tree and the description of its model in one safetensors file.

The file holds each leaf under its path, such as `[2].weight`, and a text-to-text description in its header.
It appears under its name only when it is whole: written beside it, synced, and renamed over it.
"""

from collections.abc import Mapping
import os
from typing import Any

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array, read_only
from fnmlp.errors import CheckpointError
from fnmlp.files import write_whole
from fnmlp.tree import Tree, tree_flatten, tree_paths, tree_sha256

FORMAT = "fnmlp 1"
"""The value of the header's `format`; another number is another format."""

DTYPES = ("float32", "float64")


@frozen(eq=False)
class Checkpoint:
    """What a file holds: where it came from, the description, and the leaves by path."""

    path: str
    description: Mapping[str, str]
    arrays: Mapping[str, Array]


def save(path: str | os.PathLike[str], params: Tree, description: Mapping[str, str]) -> None:
    """Write parameters and a description of their model to one file, whole or not at all.

    Raises:   CheckpointError where the file can't be written; what stood there before is then intact.
    Source:   https://huggingface.co/docs/safetensors, with the description as its `__metadata__`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/m.safetensors", (np.ones(2, np.float32),), {"model": "m()"})
    ...     load(f"{folder}/m.safetensors").description["model"]
    'm()'
    """
    import json

    from safetensors.numpy import save as to_bytes

    arrays = {name: np.asarray(leaf, order="C") for name, leaf in tree_paths(params)}
    for name, array in arrays.items():
        _check_dtype(os.fspath(path), name, array)
    if reserved := {FORMAT, "parameters_sha256"} & set(description):
        raise CheckpointError(os.fspath(path), "other keys in the description", min(reserved), "rename it")
    for key, text in description.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise CheckpointError(os.fspath(path), "a description of texts", f"{key!r}: {text!r}", "use str()")
    # One entry, because safetensors writes several in an order that changes from call to call.
    told = json.dumps({**description, "parameters_sha256": tree_sha256(params)}, sort_keys=True, ensure_ascii=False)
    header = {FORMAT: _digest(told, arrays) + told}
    try:
        write_whole(path, to_bytes(arrays, metadata=header))
    except OSError as error:
        reason = error.strerror or str(error)
        remedy = "choose a file in a folder that exists, may be written to and has room"
        raise CheckpointError(os.fspath(path), "a place to save to", reason, remedy) from error


def load(path: str | os.PathLike[str]) -> Checkpoint:
    """Read what `save` wrote, and verify it.

    Raises:   CheckpointError where the file is missing, unreadable, no checkpoint of this format, or damaged.
    """
    import json

    from safetensors import SafetensorError, safe_open

    place = os.fspath(path)
    if os.path.exists(place) and not os.path.isfile(place):  # a pipe would wait for its writer
        raise CheckpointError(place, "a model file", "a directory, pipe or device", "check the path")
    try:
        with open(place, "rb"):
            pass
        with safe_open(place, framework="numpy") as file:
            header = dict(file.metadata() or {})
            arrays = {name: read_only(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except OSError as error:
        reason = error.strerror or str(error)
        raise CheckpointError(
            os.fspath(path), "a model file", reason, "check the path; `train --output` writes one"
        ) from error
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
        remedy = "give a file that was saved by fnmlp"
        raise CheckpointError(
            os.fspath(path), "a safetensors file", f"one that can't be read ({error})", remedy
        ) from error
    if set(header) != {FORMAT}:
        got = f"entries {sorted(header)}"
        raise CheckpointError(
            os.fspath(path), f"a header of {FORMAT!r}", got, "give a file that was saved by this fnmlp"
        )
    for name, array in arrays.items():
        _check_dtype(place, name, array)
    digest, told = header[FORMAT][:64], header[FORMAT][64:]
    if digest != _digest(told, arrays):
        raise CheckpointError(place, "the bytes that were saved", "others", "restore the file from a copy")
    return Checkpoint(place, json.loads(told), arrays)


def _digest(told: str, arrays: Mapping[str, Array]) -> str:
    """Return the SHA-256 of all that a file says: safetensors has no checksum of its own."""
    from hashlib import sha256

    outline = [(name, str(array.dtype), array.shape) for name, array in sorted(arrays.items())]
    leaves = tree_sha256(tuple(array for _, array in sorted(arrays.items())))
    return sha256(f"{told}{outline}{leaves}".encode()).hexdigest()


def restore(checkpoint: Checkpoint, like: Tree) -> Tree:
    """Build a tree with the structure and shapes of `like` from the leaves of a checkpoint.

    Raises:   CheckpointError where a leaf is missing, left over or of another shape.
    """
    wanted = tree_paths(like)
    where = checkpoint.path
    remedy = "load it with the model that it was saved with"
    names = [name for name, _ in wanted]
    missing = sorted(set(names) - set(checkpoint.arrays))
    extra = sorted(set(checkpoint.arrays) - set(names))
    if missing or extra:
        got = f"{missing[0]} missing" if missing else f"also {extra[0]}"
        raise CheckpointError(where, f"the {len(names)} parameters of the model", got, remedy)
    for name, leaf in wanted:
        found = checkpoint.arrays[name].shape
        if found != leaf.shape:
            raise CheckpointError(f"{where}: {name}", f"shape {leaf.shape}", found, remedy)
    return tree_flatten(like)[1]([checkpoint.arrays[name] for name in names])


def _check_dtype(path: str, name: str, array: Any) -> None:
    if str(array.dtype) not in DTYPES:
        remedy = "convert the parameters with .astype('float32')"
        raise CheckpointError(f"{path}: {name}", " or ".join(DTYPES), array.dtype, remedy)
