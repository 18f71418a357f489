"""Constants of a graph, and what nodes compute from constants alone."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fnmlp.interop.onnx.files import DTYPES, array_of
from fnmlp.interop.onnx.library import helper
from fnmlp.interop.onnx.pieces import Numbers
from fnmlp.interop.onnx.streams import Node

ROOM = 64
"""How many numbers more than its inputs a node may compute from constants; more would fill the memory."""


def constant_of(place: str, node: Node) -> Numbers:
    """Return the numbers of a node "Constant"."""
    kinds = {"value_float": "float32", "value_floats": "float32", "value_int": "int64", "value_ints": "int64"}
    for name, value in node.options.items():
        if name == "value":
            return array_of(place, value)
        if name in kinds:
            return np.array(value, kinds[name])
    raise node.refused("numbers", ", ".join(node.options) or "nothing")


def _cast(node: Node, x: Numbers) -> Numbers:
    dtype = str(helper.tensor_dtype_to_np_dtype(node.option("to", 1)))
    return x.astype(DTYPES[dtype])


def _reshape(node: Node, x: Numbers, _: Numbers) -> Numbers:
    shape = node.integers(1, "shape") or []
    return x.reshape([x.shape[place] if size == 0 else size for place, size in enumerate(shape)])


def _squeeze(node: Node, x: Numbers, *_: Numbers) -> Numbers:
    axes = node.integers(1, "axes")
    return np.squeeze(x, None if axes is None else tuple(axes))


def _unsqueeze(node: Node, x: Numbers, *_: Numbers) -> Numbers:
    return np.expand_dims(x, tuple(node.integers(1, "axes") or ()))


def _gather(node: Node, x: Numbers, places: Numbers) -> Numbers:
    if x.ndim != 1:
        raise node.refused("a list of numbers", f"shape {x.shape}")
    return np.take(x, places, 0)


def _slice(node: Node, x: Numbers, *_: Numbers) -> Numbers:
    start, stop = node.integers(1, "starts"), node.integers(2, "ends")
    steps = node.integers(4, "steps") or [1]
    if x.ndim != 1 or start is None or stop is None:
        raise node.refused("a list of numbers", f"shape {x.shape}")
    return x[start[0] : stop[0] : steps[0]]


def _divide(node: Node, x: Numbers, y: Numbers) -> Numbers:
    result: Numbers = x / y if x.dtype.kind == "f" else x // y
    return result


RULES: Mapping[str, Callable[..., Any]] = {
    "Add": lambda _, x, y: x + y,
    "Cast": _cast,
    "Concat": lambda node, *parts: np.concatenate(parts, node.option("axis", 0)),
    "Div": _divide,
    "Exp": lambda _, x: np.exp(x),
    "Gather": _gather,
    "Identity": lambda _, x: x,
    "Mul": lambda _, x, y: x * y,
    "Neg": lambda _, x: -x,
    "Reciprocal": lambda _, x: 1 / x,
    "Reshape": _reshape,
    "Slice": _slice,
    "Sqrt": lambda _, x: np.sqrt(x),
    "Squeeze": _squeeze,
    "Sub": lambda _, x, y: x - y,
    "Transpose": lambda node, x: np.transpose(x, node.options.get("perm")),
    "Unsqueeze": _unsqueeze,
}
"""What operators compute from constants."""


def folded(node: Node) -> Numbers:
    """Return what a node computes from constants alone."""
    rule = RULES.get(node.operator)
    inputs = [one for one in node.inputs if isinstance(one, np.ndarray)]
    if rule is None or not inputs or node.output:
        raise node.refused("an operator that is computed for constants", node.operator)
    size = int(np.prod(np.broadcast_shapes(*(one.shape for one in inputs)))) if node.operator in ARITHMETIC else 0
    if size > sum(one.size for one in inputs) + ROOM:
        raise node.refused("no more numbers than its inputs have", size)
    result: Numbers = np.asarray(rule(node, *inputs))
    return result


ARITHMETIC = ("Add", "Div", "Mul", "Sub")
"""Operators whose result may be larger than their inputs."""
