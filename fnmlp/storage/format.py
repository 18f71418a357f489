"""Checkpoints: a tree of arrays and numbers, and a description, in one safetensors file.

The file stores each array under its path, such as `[2].weight`, and all else as one text in its header. It is written
atomically: to a temporary file, which is synced and renamed.
"""

from collections.abc import Mapping
import os
from typing import Any, NoReturn

from attrs import frozen
import numpy as np

from fnmlp.arrays import as_array, is_foreign, read_only
from fnmlp.checks import as_path, check_kind
from fnmlp.errors import CheckpointError, DtypeError, FnmlpError, one_line
from fnmlp.files import opened
from fnmlp.kinds import kind_of
from fnmlp.moving import to
from fnmlp.storage.environment import environment
from fnmlp.tree import Tree, tree_flatten, tree_leaves, tree_paths
from fnmlp.whole_files import save_whole

__all__ = ["Checkpoint", "load", "restore", "save"]

FORMAT = "fnmlp 1"
"""The name of the header's only entry; another number means another format."""

DTYPES = ("float32", "float64")

NUMBERS = (bool, int, float)
"""Python's own numbers, which an optimiser's state may hold beside arrays."""

START = b'{"__metadata__":{"' + FORMAT.encode() + b'":"'
"""The first bytes of the header, after its length in 8 bytes; the digest comes next."""

DIGEST = slice(8 + len(START), 8 + len(START) + 64)
"""The place of the whole file's SHA-256, in hexadecimal; it is computed with 64 zeros in this place."""

BLANK = "0" * 64


@frozen(eq=False)
class Checkpoint:
    """Hold the contents of a file.

    `path`         where it came from.
    `description`  texts that were passed to `save`.
    `written_by`   the environment that wrote it, as `fnmlp.storage.environment` describes it.
    `leaves`       arrays and numbers, by their paths in the tree.
    """

    path: str
    description: Mapping[str, str]
    written_by: Mapping[str, str]
    leaves: Mapping[str, Any]


def save(path: str | os.PathLike[str], tree: Tree, description: Mapping[str, str]) -> None:
    """Save a tree of arrays and numbers, with a description, to one file, atomically.

    The tree may be a model's parameters or a whole TrainState. Arrays of other libraries are saved bit for bit as those
    of NumPy, and a state that JAX or torch trained as one that NumPy trained.
    Raises:   CheckpointError if the file can't be written, in which case the old one is intact, and for leaves other
              than float32 and float64 arrays and Python's own numbers.
    Source:   https://huggingface.co/docs/safetensors; everything but arrays is in its `__metadata__`.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(f"{folder}/m.safetensors", (np.ones(2, np.float32), 3), {"model": "m()"})
    ...     load(f"{folder}/m.safetensors").leaves
    {'[1]': 3, '[0]': array([1., 1.], dtype=float32)}
    """
    place = as_path(path)
    check_kind("save(description)", description, Mapping, "{'author': 'Ada'}")
    save_whole(place, _to_bytes(place, tree, description))


def _to_bytes(place: str, tree: Tree, description: Mapping[str, str]) -> bytes:
    import json

    from safetensors.numpy import save as to_bytes

    for key, text in description.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise CheckpointError(place, "a description of texts", f"{key!r}: {text!r}", "use str()")
    leaves = [(name, _plain(leaf)) for name, leaf in tree_paths(_by_numpy(place, tree))]
    numbers = {name: leaf for name, leaf in leaves if type(leaf) in NUMBERS}
    # safetensors writes an array's memory without regard to its strides.
    arrays = {name: np.asarray(_unmasked(place, name, leaf), order="C") for name, leaf in leaves if name not in numbers}
    for name, array in arrays.items():
        _check_dtype(place, name, array)
    told = {"description": dict(description), "numbers": numbers, "written_by": environment()}
    # One entry, because safetensors writes several in an order that changes from call to call.
    text = json.dumps(told, sort_keys=True, ensure_ascii=False)
    content = to_bytes(arrays, metadata={FORMAT: BLANK + text})
    return content[: DIGEST.start] + _digest(content) + content[DIGEST.stop :]


def _by_numpy(place: str, tree: Tree) -> Tree:
    """Move a tree to NumPy if it holds arrays of another library."""
    if not any(map(is_foreign, tree_leaves(tree))):
        return tree
    try:
        return to(tree, like=np.zeros(()))
    except FnmlpError as error:
        raise CheckpointError(place, error.expected, error.got, error.remedy) from error


def _plain(leaf: Any) -> Any:
    """Convert NumPy integers and booleans to Python's own; floats stay arrays, to keep their dtype."""
    whole = isinstance(leaf, np.ndarray | np.generic) and leaf.ndim == 0 and leaf.dtype.kind in "biu"
    return leaf.item() if whole else leaf


def _unmasked(place: str, name: str, leaf: Any) -> Any:
    """Raise unless a leaf is a plain array: the gaps of a masked array would be saved as numbers."""
    try:
        return as_array(f"{place}: {name}", leaf)
    except DtypeError as error:
        raise CheckpointError(error.where, error.expected, error.got, error.remedy) from error


def _digest(content: bytes) -> bytes:
    """Return the SHA-256 of a file with zeros in its place; safetensors has no checksum of its own."""
    from hashlib import sha256

    digest = sha256(memoryview(content)[: DIGEST.start])
    digest.update(BLANK.encode())
    digest.update(memoryview(content)[DIGEST.stop :])
    return digest.hexdigest().encode()


def load(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a file that `save` wrote, and verify its digest.

    Raises:   CheckpointError if the file is missing, unreadable, damaged, or not a checkpoint of this format.
    """
    place = as_path(path)
    content = _read(place)
    if content[DIGEST] != _digest(content):
        raise CheckpointError(place, "the bytes that were saved", "others", "restore the file from a copy")
    return _parse(place, content)


def _read(place: str) -> bytes:
    """Read a file if it begins like one of ours; of others read only the beginning."""
    with opened(place) as file:
        beginning = file.read(DIGEST.stop)
        if beginning[8 : DIGEST.start] != START or len(beginning) < DIGEST.stop:
            cut = START.startswith(beginning[8 : DIGEST.start]) and len(beginning) > 8
            got, remedy = ("only its beginning", "restore it from a copy") if cut else kind_of(beginning)
            raise CheckpointError(place, f"a file that fnmlp saved (format {FORMAT!r})", got, remedy)
        return beginning + file.read()


def _parse(place: str, content: bytes) -> Checkpoint:
    """Parse a file whose digest is right; it may still be malformed, because anyone can compute a digest."""
    import json

    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    try:
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        told = json.loads(header["__metadata__"][FORMAT][len(BLANK) :])
        parts = {name: told[name] for name in ("description", "numbers", "written_by")}
        arrays = from_bytes(content)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        _refuse(place, f"one that can't be read ({type(error).__name__})")
    kinds: dict[str, tuple[type, ...]] = {"description": (str,), "numbers": NUMBERS, "written_by": (str,)}
    for name, part in parts.items():
        if not isinstance(part, dict) or not all(type(value) in kinds[name] for value in part.values()):
            _refuse(place, f"one whose {name} can't be read")
    names = [*parts["numbers"], *arrays]
    if len(set(names)) < len(names) or not all(map(str.isprintable, names)):
        _refuse(place, "one whose names can't be those of leaves")
    for name, array in arrays.items():
        _check_dtype(place, name, array)
    leaves = parts["numbers"] | {name: read_only(array) for name, array in arrays.items()}
    return Checkpoint(place, parts["description"], parts["written_by"], leaves)


def _refuse(place: str, got: str) -> NoReturn:
    raise CheckpointError(place, "a file that fnmlp saved", got, "give another file")


def restore(checkpoint: Checkpoint, like: Tree) -> Tree:
    """Build a tree like `like` from the leaves of a checkpoint, with the same structure, shapes and kinds of numbers.

    It is made of arrays of the library of `like`, on its device.
    Raises:   CheckpointError if a leaf is missing, left over, or of another shape or kind.
    """
    check_kind("restore(checkpoint)", checkpoint, Checkpoint, "load(path)")
    foreign = next(filter(is_foreign, tree_leaves(like)), None)
    if foreign is not None:
        return to(restore(checkpoint, to(like, like=np.zeros(()))), like=foreign)
    where, leaves = checkpoint.path, checkpoint.leaves
    remedy = "load it with the model that it was saved with"
    check_leaves(where, leaves, like, remedy)
    try:
        return tree_flatten(like)[1]([leaves[name] for name, _ in tree_paths(like)])
    except FnmlpError as error:  # a node may raise for a number, as a key does
        raise CheckpointError(where, "leaves of a tree like this", one_line(error), remedy) from error


def check_leaves(where: str, leaves: Mapping[str, Any], like: Tree, remedy: str) -> None:
    """Raise unless leaves have the paths, kinds and shapes of a tree's.

    >>> check_leaves("here", {"[0]": np.zeros(2)}, (np.zeros(3),), "initialize it anew")
    Traceback (most recent call last):
    fnmlp.errors.CheckpointError: here: [0]: expected shape (3,), got shape (2,); initialize it anew
    """
    wanted = dict(tree_paths(like))
    missing, extra = sorted(wanted.keys() - leaves.keys()), sorted(leaves.keys() - wanted.keys())
    if missing or extra:
        got = f"{missing[0]} missing" if missing else f"also {extra[0]}"
        raise CheckpointError(where, f"the {len(wanted)} parameters of the model", got, remedy)
    for name, leaf in wanted.items():
        expected, got = _form(leaf), _form(leaves[name])
        if got != expected:
            raise CheckpointError(f"{where}: {name}", expected, got, remedy)


def _form(leaf: Any) -> str:
    """Describe a leaf by its kind, or by the shape of an array, whose dtype may differ."""
    number = _plain(leaf)
    return type(number).__name__ if type(number) in NUMBERS else f"shape {tuple(np.shape(leaf))}"


def _check_dtype(place: str, name: str, array: Any) -> None:
    if str(array.dtype) not in DTYPES:
        remedy = "convert the parameters with .astype('float32')"
        raise CheckpointError(f"{place}: {name}", " or ".join(DTYPES), array.dtype, remedy)
