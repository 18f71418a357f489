"""Files of state dicts: safetensors as torch's users write and read them; neither torch nor ml_dtypes is needed."""

from collections.abc import Mapping
from itertools import accumulate, pairwise
from operator import itemgetter
import os
from typing import Any, NoReturn

import numpy as np

from fnmlp.arrays import Array, as_array, read_only
from fnmlp.checks import as_bool, as_choice, as_path, check_kind
from fnmlp.errors import CheckpointError, FnmlpError, quoted
from fnmlp.files import opened
from fnmlp.kinds import kind_of
from fnmlp.moving import to
from fnmlp.whole_files import save_whole

__all__ = ["read_safetensors", "write_safetensors"]

PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle")
"""The usual endings of files that torch.save wrote."""

NUMPY = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BOOL": "?",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
}
"""The dtypes of the format that NumPy has too."""

KINDS = {"float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16"}
"""The format's names of the dtypes that floats can be written in."""


def read_safetensors(path: str | os.PathLike[str], *, widen: bool = True) -> dict[str, Array]:
    """Read a safetensors file, such as a state dict of torch's, as read-only NumPy arrays by name.

    float16 and bfloat16 become float32, exactly. With `widen=False` float16 stays as it is; NumPy has no bfloat16, so a
    file that holds some is then refused. To get the same bits back, write with `dtype="bfloat16"`.
    Raises:   CheckpointError if the file is missing, damaged, or of another kind. Files of torch.save (.pt, .pth) are
              pickles, which run any code that they contain: the error shows the two lines that convert them.
    Source:   https://huggingface.co/docs/safetensors.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_safetensors(f"{folder}/m.safetensors", {"0.bias": np.ones(2, np.float32)}, dtype="bfloat16")
    ...     read_safetensors(f"{folder}/m.safetensors")
    {'0.bias': array([1., 1.], dtype=float32)}
    """
    place, widen = as_path(path), as_bool("read_safetensors(widen)", widen)
    tensors = sorted(_tensors(place, _content(place)), key=itemgetter(0))
    return {name: _decoded(f"{place}: {name!r}", told, widen=widen) for name, told in tensors}


def write_safetensors(path: str | os.PathLike[str], state: Mapping[str, Any], *, dtype: str | None = None) -> None:
    """Write arrays by name, such as a state dict, to one safetensors file, atomically.

    The arrays keep their dtype, unless you give one: floats then become "float64", "float32", "float16" or "bfloat16",
    rounded to the nearest, ties to even.
    Raises:   CheckpointError if the file can't be written, in which case the old one is intact, for a name that ends as
              pickles do, and for anything but arrays of numbers; OptionError for another dtype.

    >>> write_safetensors("m.pt", {})
    Traceback (most recent call last):
    fnmlp.errors.CheckpointError: m.pt: expected a name that ends with .safetensors, got .pt; torch takes ...
    """
    place = as_path(path)
    check_kind("write_safetensors(state)", state, Mapping, "to_state_dict(model, params)")
    kind = None if dtype is None else as_choice("write_safetensors(dtype)", dtype, tuple(KINDS))
    if place.endswith(PICKLES):
        ending = place[place.rindex(".") :]
        remedy = "torch takes files with such names for pickles"
        raise CheckpointError(place, "a name that ends with .safetensors", ending, remedy)
    save_whole(place, _encoded(place, state, kind))


def _content(place: str) -> bytes:
    """Read a file unless its name or its first bytes are those of another kind."""
    with opened(place) as file:
        beginning = file.read(64)
        if place.endswith(PICKLES) or beginning[:4] == b"PK\3\4" or beginning[:1] == b"\x80":
            _refuse_pickle(place)
        if beginning[8:9] != b"{":
            raise CheckpointError(place, "a safetensors file", *kind_of(beginning))
        return beginning + file.read()


def _refuse_pickle(place: str) -> NoReturn:
    name = os.path.basename(place)
    to_name = repr(f"{name.rpartition('.')[0] or name}.safetensors")
    lines = f"state = torch.load({name!r}, weights_only=True); safetensors.torch.save_file(state, {to_name})"
    got = "a file of torch.save, a pickle that could run any code"
    raise CheckpointError(place, "a safetensors file", got, f"convert it where torch is installed: {lines}")


def _tensors(place: str, content: bytes) -> list[tuple[str, Mapping[str, Any]]]:
    from safetensors import SafetensorError, deserialize

    try:
        tensors: list[tuple[str, Mapping[str, Any]]] = deserialize(content)  # type: ignore[no-untyped-call]
    except (SafetensorError, ValueError, OverflowError) as error:
        got = f"one that is damaged ({quoted(str(error))})"
        raise CheckpointError(place, "a safetensors file", got, "restore it from a copy") from error
    for name, _ in tensors:
        if not name.isprintable():
            raise CheckpointError(place, "names of printable letters", repr(name), "write the file with other names")
    return tensors


def _decoded(where: str, told: Mapping[str, Any], *, widen: bool) -> Array:
    kind, shape = told["dtype"], tuple(told["shape"])
    if kind == "BF16" and not widen:
        remedy = "read it with widen=True, and write it again with dtype='bfloat16'"
        raise CheckpointError(where, "a dtype that NumPy has", "bfloat16", remedy)
    if kind == "BF16":  # the first two of the four bytes of a float32
        array = (np.frombuffer(told["data"], "<u2").astype("<u4") << 16).view("<f4")
    elif kind in NUMPY:
        array = np.frombuffer(told["data"], NUMPY[kind])
    else:
        remedy = "convert it where torch is installed, with .float()"
        raise CheckpointError(where, "real numbers of 16 to 64 bits, or integers", kind, remedy)
    wide = array.astype("f4") if kind == "F16" and widen else array.astype(array.dtype.newbyteorder("="))
    return read_only(wide.reshape(shape))


def _encoded(place: str, state: Mapping[str, Any], dtype: str | None) -> bytes:
    """Return the bytes of a file: the header's length, the header in JSON, and the numbers, the widest first."""
    import json

    arrays = {name: _array(f"{place}: {name!r}", name, given) for name, given in state.items()}
    order = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    data = [_of_dtype(arrays[name], dtype) for name in order]
    ends = [*accumulate((len(numbers) for _, numbers in data), initial=0)]
    # Other programs look at this entry to tell whose layout it is.
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    for name, (kind, _), offsets in zip(order, data, pairwise(ends), strict=True):
        header[name] = {"dtype": kind, "shape": arrays[name].shape, "data_offsets": offsets}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers are aligned
    return b"".join([len(text).to_bytes(8, "little"), text, *(numbers for _, numbers in data)])


def _array(where: str, name: object, given: Any) -> Array:
    if not isinstance(name, str) or not name.isprintable() or name == "__metadata__":
        raise CheckpointError(
            where, "names of printable letters", repr(name), "name it as torch does, as in '0.weight'"
        )
    try:
        array: Array = to(as_array(where, given), like=np.zeros(()))
    except FnmlpError as error:
        raise CheckpointError(where, error.expected, error.got, error.remedy) from error
    if _kind_of(array) is None:
        raise CheckpointError(where, "an array of numbers", array.dtype, "convert it with .astype('float32')")
    return array


def _kind_of(array: Array) -> str | None:
    """Return the format's name of an array's dtype, or None."""
    return next((kind for kind, dtype in NUMPY.items() if array.dtype.newbyteorder("<") == np.dtype(dtype)), None)


def _of_dtype(array: Array, dtype: str | None) -> tuple[str, bytes]:
    """Return the format's name of a dtype, and the numbers in it; only floats change theirs."""
    kind = _kind_of(array) if dtype is None or array.dtype.kind != "f" else KINDS[dtype]
    if kind == "BF16":
        return kind, _to_bfloat16(array).tobytes()
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # what is too large for a narrower dtype becomes infinite, as in torch
        return str(kind), array.astype(NUMPY[str(kind)]).tobytes()


def _to_bfloat16(array: Array) -> Array:
    """Round to the first two bytes of a float32, to the nearest, ties to even; NaN stays NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        bits = array.astype("<f4").view("<u4").astype("u8")
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    return np.where(np.isnan(array), bits >> 16 | 0x40, rounded).astype("<u2")
