"""Files of ONNX, and the numbers in them, read with care: anyone may have written them."""

from collections.abc import Iterable
from math import prod
import os
from typing import Any

from numpy.typing import NDArray

from fnmlp.arrays import read_only
from fnmlp.errors import CheckpointError, quoted
from fnmlp.expressions import shortened
from fnmlp.files import opened
from fnmlp.interop.onnx.library import helper, numpy_helper, onnx

FILE_LIMIT = 2**31
"""The most bytes that a file of protobuf may have."""

DTYPES = {
    **{kind: kind for kind in ("float32", "float64", "bool")},
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float16": "float32",
    "bfloat16": "float32",
}
"""The dtypes of constants that are read, and what they are read as."""


def refused(place: str, expected: str, got: object, remedy: str = "give another file") -> CheckpointError:
    """Return the error for a file that can't be imported; what it quotes from the file is printable and short."""
    return CheckpointError(place, expected, quoted(str(got)), remedy)


def read_model(place: str) -> Any:
    """Read the model that a file holds.

    Raises:   CheckpointError if the file is missing, unreadable, or not one of ONNX.
    """
    content, model = _content(place, 0, None), onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # the kind of protobuf's error depends on its implementation
        raise refused(place, "a file of ONNX", "one that protobuf can't read") from error
    if not model.HasField("graph") or not model.opset_import:
        raise refused(place, "a file of ONNX", "one without a graph or the version of its operators")
    return model


def _content(place: str, start: int, length: int | None) -> bytes:
    """Read a stretch of a file, or the rest of it."""
    with opened(place) as file:
        size = os.fstat(file.fileno()).st_size
        wanted = size - start if length is None else length
        if not 0 <= start <= start + wanted <= min(size, start + FILE_LIMIT):
            raise refused(place, f"{wanted} bytes from byte {start} on", f"{size} in all")
        file.seek(start)
        return file.read(wanted)


def array_of(place: str, tensor: Any) -> NDArray[Any]:
    """Return the numbers of a tensor; those outside the file must lie in its folder.

    Raises:   CheckpointError for a dtype that isn't read, for sizes that lie, and for a path that leaves the folder.
    """
    where = f"{place}: constant {shortened(tensor.name)}"
    try:
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
    except (KeyError, ValueError) as error:
        raise refused(where, "numbers of a known dtype", f"type {tensor.data_type}") from error
    if str(dtype) not in DTYPES:
        raise refused(where, ", ".join(DTYPES), dtype, "save the model in float32")
    shape = tuple(tensor.dims)
    if min(shape, default=0) < 0:
        raise refused(where, "sizes of at least 0", shape)
    size = prod(shape)
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        content = _outside(place, where, {entry.key: entry.value for entry in tensor.external_data})
        tensor = onnx.TensorProto(dims=shape, data_type=tensor.data_type, raw_data=content)
    elif not tensor.HasField("raw_data"):
        return _listed(where, tensor, str(dtype), shape)
    if len(tensor.raw_data) != size * dtype.itemsize:
        raise refused(where, f"{size * dtype.itemsize} bytes for shape {shape}", len(tensor.raw_data))
    return read_only(numpy_helper.to_array(tensor).astype(DTYPES[str(dtype)]))


def _listed(where: str, tensor: Any, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the numbers of a tensor that lists them one by one."""
    fields = {"float32": tensor.float_data, "float64": tensor.double_data, "int64": tensor.int64_data}
    wide = tensor.uint64_data if dtype in ("uint32", "uint64") else tensor.int32_data
    numbers = fields.get(dtype, wide)
    if len(numbers) != prod(shape):
        raise refused(where, f"{prod(shape)} numbers for shape {shape}", len(numbers))
    return read_only(numpy_helper.to_array(tensor).astype(DTYPES[dtype]))


def _outside(place: str, where: str, told: dict[str, str]) -> bytes:
    """Return the bytes of a tensor that stand in another file of the same folder."""
    other = _beside(place, where, told.get("location", ""))
    try:
        start, length = int(told.get("offset", "0")), int(told["length"]) if "length" in told else None
    except ValueError as error:
        raise refused(where, "an offset and a length", shortened(str(told))) from error
    return _content(other, start, length)


def _beside(place: str, where: str, location: str) -> str:
    """Return the path of another file in the folder of the model, symbolic links followed."""
    folder = os.path.realpath(os.path.dirname(place) or os.curdir)
    inside = bool(location) and not os.path.isabs(location) and location.isprintable()
    other = os.path.realpath(os.path.join(folder, location)) if inside else folder
    if not other.startswith(os.path.join(folder, "")):
        raise refused(where, "a path inside the folder of the model", shortened(location))
    return other


def check_outside(place: str, tensors: Iterable[Any]) -> None:
    """Raise if tensors take more bytes from another file than it has: each could be all of a large one."""
    taken: dict[str, int] = {}
    for tensor in tensors:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            where = f"{place}: constant {shortened(tensor.name)}"
            location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
            other = _beside(place, where, location)
            dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
            taken[other] = taken.get(other, 0) + prod(tensor.dims) * dtype.itemsize
            if taken[other] > (os.path.getsize(other) if os.path.exists(other) else 0):
                raise refused(where, "tensors that fit their file", f"{taken[other]} bytes of {shortened(location)}")
