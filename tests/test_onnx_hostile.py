"""Files of ONNX that lie about sizes, names, paths and shapes are refused by one kind of error, in bounded memory."""

from collections.abc import Callable
import os
from pathlib import Path
import tracemalloc
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from tests.sweep import each

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from onnx import TensorProto, numpy_helper  # noqa: E402

from fnmlp.interop.onnx import import_onnx  # noqa: E402
from tests.onnx_graphs import imported, model, node, rows  # noqa: E402

MATRIX = np.linspace(-1, 1, 12).reshape(4, 3).astype(np.float32)
BILLION = 10**9


def linear() -> Any:
    return model([node("MatMul", "x", "w")], {"w": MATRIX})


def tensor_with(**fields: Any) -> Callable[[Any], None]:
    """Return what changes fields of the only constant."""

    def change(made: Any) -> None:
        tensor = made.graph.initializer[0]
        for name, value in fields.items():
            tensor.ClearField(name)
            if isinstance(value, list):
                getattr(tensor, name).extend(value)
            elif value is not None:
                setattr(tensor, name, value)

    return change


def outside(**told: str) -> Callable[[Any], None]:
    """Return what moves the only constant to another file."""

    def change(made: Any) -> None:
        tensor = made.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in told.items():
            tensor.external_data.add(key=key, value=value)

    return change


def input_of(elem_type: int) -> Callable[[Any], None]:
    return lambda made: setattr(made.graph.input[0].type.tensor_type, "elem_type", elem_type)


LIES: dict[str, Callable[[Any], None]] = {
    "more bytes than there are": tensor_with(dims=[4, BILLION]),
    "far more bytes than there are": tensor_with(dims=[BILLION] * 9),
    "fewer bytes than there are": tensor_with(dims=[4, 2]),
    "a size below 0": tensor_with(dims=[-4, -3]),
    "no numbers": tensor_with(raw_data=None, float_data=[]),
    "too few numbers": tensor_with(raw_data=None, float_data=[1.0] * 11),
    "an unknown dtype": tensor_with(data_type=99),
    "texts": tensor_with(data_type=TensorProto.STRING, raw_data=None, string_data=[b"a"] * 12),
    "complex numbers": tensor_with(data_type=TensorProto.COMPLEX64),
    "halves of bytes": tensor_with(data_type=TensorProto.INT4),
    "a path that climbs": outside(location="../secret"),
    "a path that climbs within": outside(location="a/../../secret"),
    "an absolute path": outside(location="/etc/passwd"),
    "the folder itself": outside(location="."),
    "no path": outside(),
    "a link out of the folder": outside(location="link"),
    "a file that is not there": outside(location="nowhere"),
    "a path with a null character": outside(location="a\0b"),
    "a pipe": outside(location="pipe"),
    "an offset beyond the end": outside(location="weights", offset="40", length="48"),
    "an offset below 0": outside(location="weights", offset="-8", length="48"),
    "a length that is none": outside(location="weights", length="much"),
    "another length": outside(location="weights", length="4"),
    "texts as input": input_of(TensorProto.STRING),
    "an unknown type of input": input_of(99),
    "two inputs": lambda made: made.graph.input.add(name="z"),
    "no opset": lambda made: made.ClearField("opset_import"),
    "no graph": lambda made: made.ClearField("graph"),
    "sparse constants": lambda made: made.graph.sparse_initializer.add(),
}


@each("lie", LIES)
def test_a_file_that_lies_is_refused_in_one_line_and_little_memory(tmp_path: Path, lie: str) -> None:
    folder = tmp_path / lie.replace(" ", "-")
    folder.mkdir()
    (tmp_path / "secret").write_bytes(MATRIX.tobytes())
    (folder / "weights").write_bytes(MATRIX.tobytes())
    (folder / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "pipe")
    made = linear()
    LIES[lie](made)
    tracemalloc.start()
    try:
        with pytest.raises(fn.CheckpointError) as caught:
            imported(folder, made)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()
    assert str(caught.value).isprintable()


@each("told", [{}, {"offset": "0"}, {"offset": "0", "length": "48"}])
def test_numbers_in_another_file_of_the_folder_are_read(tmp_path: Path, told: dict[str, str]) -> None:
    (tmp_path / "weights").write_bytes(MATRIX.tobytes())
    made = linear()
    outside(location="weights", **told)(made)
    layer, params = imported(tmp_path, made)
    np.testing.assert_array_equal(params.weight, MATRIX)
    assert layer.apply(params, rows()).shape == (5, 3)


def test_many_constants_that_are_all_of_one_large_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(MATRIX.tobytes())
    made = linear()
    outside(location="weights")(made)
    made.graph.initializer.add().CopyFrom(made.graph.initializer[0])
    made.graph.initializer[1].name = "v"
    with pytest.raises(fn.CheckpointError, match="tensors that fit their file"):
        imported(tmp_path, made)


@each("content", [b"", b"\0", b"\x08", b"\xff" * 100, b"PK\x03\x04" + bytes(100), b":\x80\x80\x80\x80\x08"])
def test_what_is_no_file_of_onnx_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(fn.CheckpointError, match="a file of ONNX"):
        import_onnx(tmp_path / "m.onnx")


def test_graphs_nested_six_thousand_deep_are_refused(tmp_path: Path) -> None:
    content = b""
    for _ in range(2000):  # the field 6, a graph, of an attribute; its field 5 of a node; its field 1 of a graph
        for field in (b"\x32", b"\x2a", b"\x0a"):
            length, size = len(content), b""
            while True:
                size += bytes([length & 127 | (128 if length > 127 else 0)])
                length >>= 7
                if not length:
                    break
            content = field + size + content
    made = linear()
    with pytest.raises(fn.CheckpointError):
        imported(tmp_path, made.SerializeToString() + b"\x3a" + _varint(len(content)) + content)


def _varint(number: int) -> bytes:
    return bytes([number & 127 | 128]) + _varint(number >> 7) if number > 127 else bytes([number])


@each("name", ["nowhere.onnx", ".", "pipe"])
def test_what_can_not_be_read_is_refused(tmp_path: Path, name: str) -> None:
    if name == "pipe":
        os.mkfifo(tmp_path / "pipe")
    with pytest.raises(fn.CheckpointError):
        import_onnx(tmp_path / name)


def test_long_chains_of_functions_that_are_no_layer_are_refused_at_once(tmp_path: Path) -> None:
    nodes = [node("Sqrt", f"h{place}", out=f"h{place + 1}") for place in range(4000)]
    made = model([node("Tanh", "x", out="h0"), *nodes], outputs=("h4000",))
    with pytest.raises(fn.CheckpointError, match="Sqrt"):
        imported(tmp_path, made)


def test_texts_of_a_file_are_quoted_in_one_short_line(tmp_path: Path) -> None:
    # The fuzzer found an operator with a line break in its name, which the error repeated as it was.
    for name in ("Re\nlu\x1b[2J", "a" * 10**5):
        with pytest.raises(fn.CheckpointError) as caught:
            imported(tmp_path, model([node(name, "x")]))
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 1000


def test_numbers_of_every_dtype_are_read(tmp_path: Path) -> None:
    for dtype in (np.float16, np.float32, np.float64, np.int8, np.uint8, np.int64, np.uint32, np.bool_):
        tensor = numpy_helper.from_array(np.ones(3, dtype), "c")
        listed = onnx.helper.make_tensor("c", tensor.data_type, [3], np.ones(3, dtype))
        for one in (tensor, listed):
            made = model(
                [node("Constant", out="c", value=one), node("Cast", "c", to=1, out="d"), node("Add", "x", "d")],
                shape=("n", 3),
            )
            assert str(imported(tmp_path, made)[0]) == "rescale()"
