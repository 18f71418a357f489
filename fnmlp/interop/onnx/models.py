"""Expressions as models of ONNX: nodes, initializers, the input and the output."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen
import numpy as np
from numpy.typing import NDArray

from fnmlp.arrays import Shape
from fnmlp.interop.onnx.library import helper, numpy_helper, onnx
from fnmlp.interop.onnx.values import Value

OPSET, IR_VERSION = 17, 8
"""The first opset with LayerNormalization, and the version of the format for it; onnxruntime reads both since 1.12."""

INPUT, OUTPUT, BATCH = "input", "output", "batch"
"""The names of the input, of the output, and of their first axis."""


@frozen(eq=False)
class End:
    """The input or the output of a model: its tensor, and the shape of an example."""

    value: Value
    example: Shape


def model_of(x: End, y: End, leaves: Mapping[str, NDArray[Any]]) -> Any:
    """Return the model of ONNX that computes y from x; its initializers are the leaves, under their names."""
    result = y.value if y.value.inputs else Value(y.value.dtype, "Identity", (y.value,))
    values = [value for value in _in_order(result) if value is not x.value]
    constants = [*_named_constants([value for value in values if value.array is not None], leaves)]
    computed = [value for value in values if value.array is None]
    names = {id(value): f"{value.operator}_{place}" for place, value in enumerate(computed)}
    names |= {id(x.value): INPUT, id(result): OUTPUT} | {id(value): name for name, value in constants}
    arrays = {name: np.asarray(value.array) for name, value in constants} | dict(leaves)
    graph = helper.make_graph(
        [_node(value, f"{value.operator}_{place}", names) for place, value in enumerate(computed)],
        "fnmlp",
        [_end(INPUT, x.value, x.example)],
        [_end(OUTPUT, result, y.example)],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in arrays.items()],
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="fnmlp")


def _in_order(last: Value) -> list[Value]:
    """Return a tensor and all that it is made of, each once, after those that it is made of."""
    seen: set[int] = set()
    order: list[Value] = []
    waiting = [(last, False)]
    while waiting:
        value, done = waiting.pop()
        if done:
            order.append(value)
        elif id(value) not in seen:
            seen.add(id(value))
            waiting.append((value, True))
            waiting.extend((one, False) for one in reversed(value.inputs))
    return order


def _named_constants(constants: Sequence[Value], leaves: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, Value]]:
    """Yield each constant with its name: that of a leaf, or a number that equal constants share."""
    of_leaves = {id(leaf): name for name, leaf in leaves.items()}
    numbers: dict[object, str] = {}
    for value in constants:
        array = np.asarray(value.array)
        content = value.dtype, array.shape, array.tobytes() if id(array) not in of_leaves else b""
        yield of_leaves.get(id(array)) or numbers.setdefault(content, f"constant_{len(numbers)}"), value


def _node(value: Value, name: str, names: Mapping[int, str]) -> Any:
    options = dict(value.options)
    if value.operator == "Cast":
        options["to"] = _type(value.dtype)
    inputs = [names[id(one)] for one in value.inputs]
    return helper.make_node(value.operator, inputs, [names[id(value)]], name, **options)


def _end(name: str, value: Value, example: Shape) -> Any:
    return helper.make_tensor_value_info(name, _type(value.dtype), [BATCH, *example])


def _type(dtype: str) -> int:
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def checked(model: Any) -> bytes:
    """Return the file of a model that ONNX's own checker accepts, with full shape inference."""
    content: bytes = model.SerializeToString(deterministic=True)
    onnx.checker.check_model(content, full_check=True)
    return content


def digest_of(nodes: Iterable[Any]) -> str:
    """Return the SHA-256 of nodes: the same unless another program has changed the graph."""
    from hashlib import sha256

    digest = sha256()
    for node in nodes:
        digest.update(node.SerializeToString(deterministic=True))
    return digest.hexdigest()
