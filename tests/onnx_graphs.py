"""Small graphs of ONNX, as other programs write them, and the outputs that onnxruntime computes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper
import onnxruntime

from fnmlp.interop.onnx import import_onnx


def session(content: bytes | str) -> Any:
    """Return a session of onnxruntime with one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def model(
    nodes: Sequence[Any],
    constants: Mapping[str, Any] | None = None,
    *,
    shape: Sequence[Any] = ("rows", 4),
    dtype: str = "float32",
    opset: int = 17,
    outputs: Sequence[str] = ("y",),
) -> Any:
    """Return a model with an input x; lists of floats become float32."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    arrays = {
        name: np.asarray(value, np.float32 if np.asarray(value).dtype == np.float64 else None)
        for name, value in (constants or {}).items()
    }
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    domains = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(graph, opset_imports=domains, ir_version=8)


def node(operator: str, *inputs: str, out: str = "y", **options: Any) -> Any:
    """Return a node; its name is that of its output."""
    return helper.make_node(operator, list(inputs), [out], name=out, **options)


def imported(folder: Path, made: Any, **options: Any) -> tuple[Any, Any]:
    """Import a model through a file."""
    (folder / "m.onnx").write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return import_onnx(folder / "m.onnx", **options)


def rows(shape: Sequence[int] = (4,), dtype: str = "float32", count: int = 5) -> NDArray[Any]:
    """Return normally distributed rows, or small integers."""
    random = np.random.default_rng(7)
    drawn = random.integers(0, 4, (count, *shape)) if dtype[0] in "iub" else 2 * random.normal(size=(count, *shape))
    result: NDArray[Any] = drawn.astype(dtype)
    return result


def agree(folder: Path, made: Any, x: NDArray[Any], **options: Any) -> str:
    """Assert that an imported model computes what onnxruntime computes, and return the name of its layer.

    A path stands for the model in that file.
    """
    if isinstance(made, Path):
        (layer, params), runs = import_onnx(made, **options), session(str(made))
    else:
        content = made if isinstance(made, bytes) else made.SerializeToString()
        (layer, params), runs = imported(folder, content, **options), session(content)
    wanted = [options["output"]] if "output" in options else [runs.get_outputs()[0].name]
    expected = runs.run(wanted, {runs.get_inputs()[0].name: x})[0]
    np.testing.assert_allclose(layer.apply(params, x), expected, rtol=1e-5, atol=1e-5)
    return str(layer)
