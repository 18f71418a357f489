"""The readers of untrusted files, and how a fuzzer gets past their checksums."""

from collections.abc import Callable
from functools import partial
import gzip
import json
from pathlib import Path
import struct
from typing import Any
import zlib

from attrs import frozen
import numpy as np
from numpy.typing import NDArray
import onnx

import fnmlp as fn
from fnmlp.data.idx import read_idx
from fnmlp.expressions import constructors
from fnmlp.interop.keras import from_keras
from fnmlp.interop.onnx import import_onnx
from fnmlp.interop.onnx.exporting import onnx_bytes
from fnmlp.interop.torch.files import KINDS, NUMPY, read_safetensors, write_safetensors
from fnmlp.key import Key, generator
from fnmlp.storage import format as checkpoint
from fnmlp.tree import Tree, tree_paths
from tests.catalogue import INITIALIZERS, LAYERS
from tests.faults import keras_files
from tests.faults.grammar import chosen, description, expression
from tests.faults.graphs import KINDS as OPERATORS
from tests.faults.graphs import OPTIONS, choices_of, graph_of
from tests.faults.sound import TYPES, bits, decoded, model_and_state, put, small_files, written

DTYPES = {"F32": "<f4", "F64": "<f8"}

UNPACKED = 2**20
"""The most bytes of a gzip file that are unpacked to compute its checksum."""


@frozen
class Door:
    """A reader, and how to feed it.

    `name`   the name of the file that it reads.
    `seeds`  inputs to begin with.
    `words`  what inputs are made of.
    `made`   input -> the content of a file.
    `read`   reads the file; an AssertionError means that it read something else than the file says.
    `error`  the one kind of error that any content may raise.
    """

    name: str
    seeds: tuple[bytes, ...]
    words: tuple[str, ...]
    made: Callable[[bytes], bytes]
    read: Callable[[Path], object]
    error: type[fn.FnmlpError]


def feed(door: Door, folder: Path, content: bytes) -> bool:
    """Have a reader read an input, and tell whether it did. If it refuses, its error must be one printable line."""
    path = folder / door.name
    put(path, door.made(content))
    try:
        door.read(path)
    except door.error as error:
        assert str(error).isprintable(), repr(str(error))  # noqa: PT017 (no test)
        return False
    return True


def doors() -> dict[str, Door]:
    """Return every door under its name."""
    return {**_of_checkpoints(), **_of_models(), **_of_idx(), **_of_state_dicts(), **_of_graphs(), **_of_keras()}


def _of_checkpoints() -> dict[str, Door]:
    words = ("__metadata__", "description", "numbers", "written_by", "dtype", "F32", "F64", "shape", "data_offsets")
    _, like = model_and_state(3, 2)
    (content,) = _contents("state")
    door = partial(Door, "state", words=words, read=partial(_read_state, like), error=fn.CheckpointError)
    return {
        "checkpoint": door(seeds=(content,), made=bytes),
        "checkpoint-digest": door(seeds=(content,), made=with_digest),
        "checkpoint-header": door(seeds=(b"\n".join(_parts(content)),), made=_with_length),
    }


def _of_models() -> dict[str, Door]:
    layers = [specimen for specimen in LAYERS if specimen.named]
    initialized = (f"linear(2, weight_init={name})" for name, _ in INITIALIZERS)
    names = *(specimen.layer.name for specimen in layers), *initialized
    described = f"{model_and_state(3, 2)[0]}\n(3,)", *(f"{specimen.layer}\n{specimen.example}" for specimen in layers)
    words = *(f"{name}(" for name in constructors()), "bias=", "weight_init=", "False", "'float64'"
    in_file = partial(_with_model, *_contents("model"))
    of_text = partial(Door, "text", read=_build, error=fn.FnmlpError)
    of_file = partial(Door, "model", read=fn.load_model, error=fn.CheckpointError)
    of_relu = written("model", partial(fn.save_model, model=fn.relu(), params=(), example=(3,)))
    drawn = [generator(Key(number)).bytes(40) for number in range(100)]
    return {
        "build": of_text(seeds=_encoded(names), words=words, made=bytes),
        "build-grammar": of_text(seeds=(chosen("relu"), *drawn), words=(), made=_text_of_choices),
        "model": of_file(seeds=_encoded(described), words=words, made=in_file),
        "model-grammar": of_file(
            seeds=(b"\0" + chosen("relu"), *drawn), words=(), made=partial(_file_of_choices, of_relu)
        ),
    }


def _of_idx() -> dict[str, Door]:
    raw, packed = _contents(".idx"), _contents(".gz")
    words = *(rf"\x00\x00\x{code:02x}\x{axes:02x}" for code in TYPES for axes in (1, 3, 64)), r"\x00\x00\x00\x02"
    door = partial(Door, "a.idx.gz", words=words, read=_read_gzip, error=fn.DataError)
    return {
        "idx": Door("a.idx", raw, words, bytes, _read_raw, fn.DataError),
        "gzip": door(seeds=packed, made=bytes),
        "gzip-crc": door(seeds=packed, made=with_crc),
        "gzip-content": door(seeds=raw, made=partial(gzip.compress, mtime=0)),
    }


def _of_state_dicts() -> dict[str, Door]:
    words = (
        "__metadata__",
        "dtype",
        "F64",
        "F32",
        "F16",
        "BF16",
        "I64",
        "BOOL",
        "F8_E4M3",
        "shape",
        "data_offsets",
        "[0]",
    )
    arrays = {"0.weight": np.arange(6.0).reshape(2, 3), "0.bias": np.arange(2), "e": np.zeros((0, 3), np.float32)}
    seeds = tuple(written("a.safetensors", partial(write_safetensors, state=arrays, dtype=dtype)) for dtype in KINDS)
    door = partial(Door, "a.safetensors", words=words, read=_read_state_dict, error=fn.CheckpointError)
    return {
        "safetensors": door(seeds=seeds, made=bytes),
        "safetensors-header": door(seeds=tuple(b"\n".join(_parts(seed)) for seed in seeds), made=_with_bare_length),
    }


def _of_graphs() -> dict[str, Door]:
    model = fn.chain(fn.flatten(), fn.linear(3), fn.gelu(), fn.residual(fn.chain(fn.layer_norm(), fn.linear(3))))
    ours = onnx_bytes(model, model.init(Key(0), (2, 2))[0], example=(2, 2))
    graph = onnx.load_from_string(ours)
    del graph.metadata_props[:]
    words = *OPERATORS, *OPTIONS, "fnmlp.model", "fnmlp.nodes", "fnmlp.example", "location", "params"
    door = partial(Door, "a.onnx", read=_read_graph, error=fn.CheckpointError)
    drawn = [generator(Key(number)).bytes(60) for number in range(100)]
    return {
        "onnx": door(seeds=(ours, graph.SerializeToString()), words=words, made=bytes),
        "onnx-graph": door(seeds=(choices_of("Relu", "Tanh"), *drawn), words=(), made=graph_of),
    }


def _of_keras() -> dict[str, Door]:
    config, arrays = keras_files.described(), keras_files.weights()
    words = ("class_name", "config", "layers", "units", "batch_shape", "activation", "Functional", "Dense", "Embedding")
    door = partial(Door, "a.keras", words=words, read=_read_keras, error=fn.CheckpointError)
    return {
        "keras": door(seeds=(keras_files.archive(config, arrays),), made=bytes),
        "keras-config": door(seeds=(config,), made=lambda content: keras_files.archive(content, arrays)),
        "keras-weights": door(seeds=(arrays,), made=lambda content: keras_files.archive(config, content)),
    }


def _contents(end: str) -> tuple[bytes, ...]:
    """Return the contents of the small files whose names end with `end`."""
    return tuple(file.content for file in small_files() if file.name.endswith(end))


def _encoded(texts: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(text.encode() for text in texts)


def with_digest(content: bytes) -> bytes:
    """Correct the digest of a checkpoint."""
    place = checkpoint.DIGEST
    return content[: place.start] + checkpoint._digest(content) + content[place.stop :]


def _with_length(content: bytes) -> bytes:
    """Make a checkpoint from a header, a newline and the bytes of arrays, with correct lengths."""
    return with_digest(_with_bare_length(content))


def _with_bare_length(content: bytes) -> bytes:
    """Make a safetensors file from a header, a newline and the bytes of arrays, with the header's length."""
    header, _, data = content.partition(b"\n")
    return len(header).to_bytes(8, "little") + header + data


def with_crc(content: bytes) -> bytes:
    """Correct the checksum and length of a gzip file if its header is as short as ours and its body is sound."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        body = inflater.decompress(content[10:], UNPACKED)
    except zlib.error:
        return content
    after = len(content) - len(inflater.unused_data)
    return content[:after] + struct.pack("<2I", zlib.crc32(body), len(body)) + content[after + 8 :]


def _with_model(file: bytes, content: bytes) -> bytes:
    """Put another description into a model file: first line the model, second line the shape of an example."""
    model, _, example = content.decode("utf-8", "replace").partition("\n")
    told = {"description": {"model": model, "example": example}, "numbers": {}, "written_by": {}}
    header, data = _parts(file)
    metadata = {"__metadata__": {checkpoint.FORMAT: checkpoint.BLANK + json.dumps(told)}}
    return _with_length(json.dumps(json.loads(header) | metadata, separators=(",", ":")).encode() + b"\n" + data)


def _text_of_choices(content: bytes) -> bytes:
    return expression(content).encode()


def _file_of_choices(file: bytes, content: bytes) -> bytes:
    return _with_model(file, description(content).encode())


def _parts(content: bytes) -> tuple[bytes, bytes]:
    """Return the header of a checkpoint, and the bytes of its arrays."""
    start = 8 + int.from_bytes(content[:8], "little")
    return content[8:start], content[start:]


def _build(path: Path) -> None:
    layer = fn.build(path.read_bytes().decode("utf-8", "surrogateescape"))
    assert fn.build(layer.name).name == layer.name


def _read_raw(path: Path) -> None:
    assert _same(read_idx(path), decoded(path.read_bytes()))


def _read_gzip(path: Path) -> None:
    assert _same(read_idx(path), decoded(gzip.decompress(path.read_bytes())))


def _same(found: NDArray[Any], expected: NDArray[Any] | None) -> bool:
    return expected is not None and bits(found) == bits(expected)


def _read_graph(path: Path) -> None:
    """Import a model, and compare its parameters with what its layer takes."""
    layer, params = import_onnx(path)
    assert fn.build(layer.name).name == layer.name
    assert all(leaf.dtype.kind == "f" for _, leaf in tree_paths(params))


def _read_keras(path: Path) -> None:
    """Read a model, and look at it as at a graph's."""
    layer, params = from_keras(path)
    assert fn.build(layer.name).name == layer.name
    assert all(leaf.dtype.kind == "f" for _, leaf in tree_paths(params))


def _read_state(like: Tree, path: Path) -> None:
    """Resume from a state, and compare it with a plain reading of the file."""
    state = fn.resume(path, like)
    text, data = _parts(path.read_bytes())
    header = json.loads(text)
    numbers = json.loads(header["__metadata__"][checkpoint.FORMAT][len(checkpoint.BLANK) :])["numbers"]
    for name, leaf in tree_paths(state):
        if name in numbers:
            assert repr(leaf) == repr(numbers[name])
        else:
            told = header[name]
            array = np.frombuffer(data[slice(*told["data_offsets"])], DTYPES[told["dtype"]])
            assert _same(leaf, array.reshape(told["shape"]))


def _read_state_dict(path: Path) -> None:
    """Read a state dict, and compare it with a plain reading of the file; bfloat16 is widened."""
    arrays = read_safetensors(path)
    text, data = _parts(path.read_bytes())
    header = json.loads(text)
    for name, array in arrays.items():
        told = header[name]
        numbers = data[slice(*told["data_offsets"])]
        if told["dtype"] == "BF16":
            expected = np.frombuffer(numbers, "<u2").astype(np.uint32)
            assert (array.reshape(-1).view(np.uint32) == expected << 16).all()
        else:
            expected = np.frombuffer(numbers, NUMPY[told["dtype"]])
            expected = expected.astype("f4") if told["dtype"] == "F16" else expected
            assert np.array_equal(array, expected.reshape(told["shape"]), equal_nan=array.dtype.kind == "f")
        assert array.shape == tuple(told["shape"])
