"""`python -m tests.onnx_nodes` runs ONNX's own tests of the operators that `import_onnx` reads, and counts them.

Such a test has a node and its inputs. The first input is the model's input, whose first axis holds the rows; the others
become constants. A test passes, or the node is refused by its name: many ask for what no layer does, such as a constant
for each row, or arithmetic of integers. If an operator works on each number, or on each channel, and the test has more
axes than a layer's rows, the test is tried again with the same numbers laid out as rows.
"""

from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any
import warnings

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.backend.test.case import node as cases

import fnmlp as fn
from fnmlp.interop.onnx import import_onnx
from fnmlp.interop.onnx.operators import OPERATORS
from tests.faults.processes import new_folder

CLAIMED = (*sorted({*OPERATORS} - {"Scaler"}), "Concat")
"""The operators of ONNX itself that are read."""

MODULES = {"BatchNormalization": "batch_normalization"}
"""The modules of ONNX that hold tests, where they are not called as their operator."""

STREAM = {"Gather": 1}
"""The place of the input that holds rows, where it is not the first."""

EACH_NUMBER = ("Add", "Div", "Mul", "PRelu", "Sub")
"""Operators that work on each number."""


def array(value: Any) -> Any:
    """Return the numbers of a test as an array."""
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)


def laid_out(operator: str, inputs: list[Any], wanted: Any) -> tuple[list[Any], Any] | None:
    """Return the inputs and the output of a test as rows, or None if the operator must see all axes."""
    if operator in EACH_NUMBER:
        shaped = [np.broadcast_to(one, wanted.shape) for one in inputs]
        return [shaped[0].reshape(1, -1), *(one.reshape(-1) for one in shaped[1:])], wanted.reshape(1, -1)
    if operator == "BatchNormalization":
        x, y = (np.moveaxis(one, 1, -1).reshape(-1, one.shape[1]) for one in (inputs[0], wanted))
        return [x, *inputs[1:]], y
    return None


def outcome(case: Any, place: Path) -> str:
    """Return whether a test passed, or that it was refused; raise if the result is wrong."""
    (node,), (given, outputs) = case.model.graph.node, case.data_sets[0]
    inputs, wanted = [*map(array, given)], array(outputs[0])
    if passes(case, inputs, wanted, place):
        return "passed"
    rows = laid_out(node.op_type, inputs, wanted)
    return "passed as rows" if rows is not None and passes(case, *rows, place) else "refused"


def passes(case: Any, inputs: list[Any], wanted: Any, place: Path) -> bool:
    """Tell whether a test's node is read, and assert that it then computes what the test wants."""
    own = type(case.model).FromString(case.model.SerializeToString())
    place_of_x = STREAM.get(own.graph.node[0].op_type, 0)
    for number, value in enumerate(inputs):
        tensor = numpy_helper.from_array(value, own.graph.input[number].name)
        if number == place_of_x:
            kind = helper.make_tensor_value_info(tensor.name, tensor.data_type, value.shape)
            own.graph.input[number].CopyFrom(kind)
        else:
            own.graph.initializer.append(tensor)
    place.write_bytes(own.SerializeToString())
    try:
        layer, params = import_onnx(place, output=own.graph.output[0].name)
    except fn.CheckpointError:
        return False
    with np.errstate(all="ignore"):
        y = layer.apply(params, inputs[place_of_x])
    np.testing.assert_allclose(y, wanted, rtol=case.rtol, atol=case.atol, err_msg=case.name)
    return True


def run_nodes(operators: tuple[str, ...] = CLAIMED) -> dict[str, Counter[str]]:
    """Return how the tests of each operator ended."""
    counts: dict[str, Counter[str]] = {operator: Counter() for operator in operators}
    with new_folder() as folder, warnings.catch_warnings(action="ignore"):  # of the overflows that tests are about
        for operator in operators:
            import_module(f"{cases.__name__}.{MODULES.get(operator, operator.lower())}")
        for case in cases._NodeTestCases:  # to which these modules have added theirs
            nodes = case.model.graph.node
            if len(nodes) == 1 and nodes[0].op_type in counts:
                counts[nodes[0].op_type][outcome(case, folder / "m.onnx")] += 1
    return counts


if __name__ == "__main__":
    total: Counter[str] = Counter()
    for operator, count in run_nodes().items():
        total += count
        print(f"{operator:20}", *(f"{what} {number}" for what, number in sorted(count.items())))  # noqa: T201
    print("all", *(f"{what} {number}" for what, number in sorted(total.items())))  # noqa: T201
