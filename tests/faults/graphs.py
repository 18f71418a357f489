"""Graphs of ONNX made from bytes: a fuzzer that changes a byte gets another graph instead of a file that is none."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from fnmlp.interop.onnx.constants import RULES as FOLDED
from fnmlp.interop.onnx.operators import OPERATORS
from fnmlp.interop.onnx.recognition import OVER_FEATURES, RULES

KINDS = sorted({*OPERATORS, *FOLDED, *OVER_FEATURES, *RULES, "Shape", "Constant", "Conv", "If"})

NUMBERS: tuple[Any, ...] = (0, 1, -1, 2, 10**9, -(2**63), 0.5, float("nan"), float("inf"), 1e-45, "none", b"\xff\n")

OPTIONS = (
    *("axis", "alpha", "beta", "gamma", "epsilon", "transA", "transB", "to", "axes", "keepdims", "ratio", "perm"),
    *("min", "max", "starts", "ends", "split", "shape", "offset", "scale", "allowzero", "start", "end", "value"),
)

CONSTANTS = {
    "number": np.float32(0.5),
    "numbers": np.array([0.5, 0, -1, np.nan], np.float32),
    "matrix": np.ones((4, 4), np.float32),
    "deep": np.ones((1, 2, 1, 2), np.float32),
    "empty": np.ones((0, 4), np.float32),
    "place": np.array([1]),
    "places": np.array([0, -1, 4, 2**40]),
    "wide": np.ones((4, 4)),
    "truth": np.array(True),
    "half": np.float16(2),
}

SHAPES: tuple[list[Any], ...] = (["rows", 4], [5, 4], ["rows", 2, 2], ["rows"], [], ["rows", 0], ["rows", "n"], [1] * 9)

DTYPES = (TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT64, TensorProto.DOUBLE, TensorProto.STRING)

MOST = 40
"""The most nodes."""


def graph_of(content: bytes) -> bytes:
    """Make a file from bytes: the type and shape of the input, then node after node."""
    choices = iter(content)
    names, nodes = ["x", *CONSTANTS], []
    shape, dtype = SHAPES[next(choices, 0) % len(SHAPES)], DTYPES[next(choices, 0) % len(DTYPES)]
    for number, kind in zip(range(MOST), choices, strict=False):
        inputs = [names[-1 - next(choices, 0) % len(names)] for _ in range(next(choices, 0) % 6)]
        options = dict(_option(choices) for _ in range(next(choices, 0) % 3))
        outputs = [f"{place}of{number}" for place in range(1 + (kind > 250))]
        nodes.append(helper.make_node(KINDS[kind % len(KINDS)], inputs, outputs, f"node {number}", **options))
        names += outputs
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_empty_tensor_value_info(names[-1] if nodes else "x")],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in CONSTANTS.items()],
    )
    opset = 9 + len(content) % 16
    made: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]).SerializeToString()
    return made


def _option(choices: Iterator[int]) -> tuple[str, Any]:
    name, value = OPTIONS[next(choices, 0) % len(OPTIONS)], NUMBERS[next(choices, 0) % len(NUMBERS)]
    if name == "value":
        return name, numpy_helper.from_array(np.full((2,) * (next(choices, 0) % 4), 3, np.float32))
    return name, [value] if next(choices, 0) % 2 and not isinstance(value, float) else value


def choices_of(*kinds: str) -> bytes:
    """Return the bytes of a chain of operators of one input."""
    steps = (bytes([KINDS.index(kind), 1, 0, 0]) for kind in kinds)
    # The first takes x, which stands before the constants.
    return b"\0\0" + b"".join(steps).replace(b"\1\0\0", bytes([1, len(CONSTANTS), 0]), 1)
