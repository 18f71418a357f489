"""Graphs of ONNX as streams: what each node does to the rows that flow through it."""

from collections.abc import Iterable, Mapping
from functools import reduce
from math import prod
from typing import Any, cast

import numpy as np

from fnmlp.arrays import Shape
from fnmlp.errors import FnmlpError, StructureError
from fnmlp.expressions import shortened
from fnmlp.interop.onnx.constants import constant_of, folded
from fnmlp.interop.onnx.files import array_of, check_outside, refused
from fnmlp.interop.onnx.library import helper
from fnmlp.interop.onnx.operators import OPERATORS
from fnmlp.interop.onnx.recognition import OVER_FEATURES, evaluable
from fnmlp.interop.onnx.streams import Node, Stream, Tensor, options_of

NODE_LIMIT = 4096
"""The most nodes that are read."""

EXAMPLE_LIMIT = 2**24
"""The most numbers that an example may have."""

ROWS = 7919
"""Stands for the number of rows where shapes are broadcast."""

OWN = ("", "ai.onnx")
"""The names of ONNX's own operators' domain."""


SCALER = "ai.onnx.ml", "Scaler"
"""The only operator of another domain that is read."""


def streams_of(place: str, model: Any, example: Shape | None, output: str | None) -> tuple[Stream, Stream]:
    """Return the input and the output of a graph as streams.

    Raises:   FnmlpError for a node that can't be imported.
    """
    graph = model.graph
    if len(graph.node) > NODE_LIMIT or graph.sparse_initializer:
        raise refused(place, f"at most {NODE_LIMIT} nodes, and no sparse constants", len(graph.node))
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    check_outside(place, tensors.values())
    name, x, rows = _input(place, graph, tensors, example)
    known: dict[str, Tensor] = {"": None, name: x}
    last = _output(place, graph, output)
    for number, proto in enumerate(_leading_to(graph.node, last), 1):
        for one in proto.input:
            if one in tensors and one not in known:
                known[one] = array_of(place, tensors[one])
        for one in proto.output:
            if one and (one in known or one in tensors):
                raise refused(f"{place}: {shortened(proto.name)}", "a new name for each tensor", shortened(one))
        known.update(_outputs(place, model, proto, known, number, rows))
    y = known.get(last)
    if not isinstance(y, Stream):
        raise refused(place, f"an output {shortened(last)} that depends on the input", "none")
    return x, y


def _input(place: str, graph: Any, tensors: Mapping[str, Any], example: Shape | None) -> tuple[str, Stream, int]:
    """Return the name of the only input, the stream that begins there, and the number of rows if it is fixed."""
    inputs = [one for one in graph.input if one.name not in tensors]
    if len(inputs) != 1:
        raise refused(place, "a graph of one input", ", ".join(shortened(one.name) for one in inputs[:5]) or "none")
    kind = inputs[0].type.tensor_type
    dtype = str(helper.tensor_dtype_to_np_dtype(kind.elem_type))
    sizes = [axis.dim_value for axis in kind.shape.dim]
    shape = tuple(sizes[1:]) if example is None else example
    if not sizes and example is None:
        raise refused(place, "an input of a known shape", "none", "pass example=(784,), for instance")
    if min(shape, default=1) < 1 or prod(shape) > EXAMPLE_LIMIT:
        remedy = "pass example=(784,), for instance"
        raise refused(place, f"a shape of an example of at most {EXAMPLE_LIMIT} numbers", shape, remedy)
    return inputs[0].name, Stream(shape, dtype), max(sizes[0], 0) if sizes else 0


def _output(place: str, graph: Any, output: str | None) -> str:
    names = [one.name for one in graph.output]
    if output is None and len(names) == 1:
        return str(names[0])
    if output not in names:
        listed = ", ".join(map(shortened, names[:5])) or "none"
        raise refused(place, "one output" if output is None else f"an output {output!r}", listed, "pass output=")
    return str(output)


def _leading_to(nodes: Iterable[Any], last: str) -> list[Any]:
    """Return the nodes that an output depends on, in their order."""
    makers = {name: (number, proto) for number, proto in enumerate(nodes) for name in proto.output if name}
    found: dict[int, Any] = {}
    waiting = [last]
    while waiting:
        name = waiting.pop()
        if name in makers and makers[name][0] not in found:
            number, proto = makers[name]
            found[number] = proto
            waiting.extend(proto.input)
    return [found[number] for number in sorted(found)]


def _outputs(
    place: str, model: Any, proto: Any, known: Mapping[str, Tensor], number: int, rows: int
) -> dict[str, Tensor]:
    """Return what a node computes: constants, or streams."""
    opset = next((one.version for one in model.opset_import if one.domain in OWN), 0)
    node = Node(proto.name or proto.output[0], proto.op_type, options_of(proto), (), opset, rows, len(proto.output))
    if proto.domain not in OWN and (proto.domain, proto.op_type) != SCALER:
        raise node.refused("operators of ONNX itself", f"one of {shortened(proto.domain)}")
    missing = [name for name in proto.input if name not in known]
    if missing:
        raise node.refused("inputs that earlier nodes compute", shortened(missing[0]))
    inputs = tuple(known[name] for name in proto.input)
    results: dict[str, Tensor] = {}
    for output, name in enumerate(proto.output[: None if proto.op_type == "Split" else 1]):  # no layer has others
        one = Node(node.name, node.operator, node.options, inputs, opset, rows, node.outputs, output)
        try:
            results[name] = _result(place, one, number)
        except FnmlpError:
            raise
        except (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError, MemoryError) as error:
            raise node.refused("inputs and options that fit it", f"{type(error).__name__}") from error
    return {name: result for name, result in results.items() if name}


def _result(place: str, node: Node, number: int) -> Tensor:
    if node.operator == "Constant":
        return constant_of(place, node)
    if not node.streams:
        return folded(node)
    if node.operator == "Shape":
        ends = slice(node.options.get("start"), node.options.get("end"))
        return np.array([-1, *node.x.example], np.int64)[ends]
    return _stream(node, number)


def _stream(node: Node, number: int) -> Stream:
    """Return the stream that a node computes."""
    above = reduce(_common, node.streams)
    depth = above.depth + 1
    try:
        if node.operator not in OPERATORS:
            raise node.refused("an operator that is a layer of fnmlp's", node.operator)
        pieces, example, dtype = OPERATORS[node.operator](node)
        return Stream(example, dtype, node, pieces, None, number, above, depth)
    except StructureError as error:
        if not evaluable(node) and node.operator != "Concat":
            raise
        return Stream(_shape_of(node, error), node.streams[0].dtype, node, None, error, number, above, depth)


def _common(first: Stream, second: Stream) -> Stream:
    """Return the nearest stream that all paths to both pass."""
    while first is not second:
        if first.depth < second.depth:
            first, second = second, first
        first = cast("Stream", first.dominator)
    return first


def _shape_of(node: Node, refusal: StructureError) -> Shape:
    """Return the shape of a row after a node that is no layer by itself, for the reason given."""
    shapes = [(ROWS, *one.example) if isinstance(one, Stream) else one.shape for one in node.inputs if one is not None]
    first = shapes[0]
    if node.operator == "Concat":
        if node.option("axis", 1) not in (-1, len(first) - 1) or len({shape[:-1] for shape in shapes}) > 1:
            raise node.refused("features of rows of the same shape", shapes)
        return (*first[1:-1], sum(shape[-1] for shape in shapes))
    if node.operator in OVER_FEATURES:
        return (*node.streams[0].example[:-1], 1)
    try:
        together = first if node.operator == "Clip" else np.broadcast_shapes(*shapes)
    except ValueError:
        raise refusal from None
    if together[:1] != (ROWS,):
        raise refusal
    return tuple(together[1:])
