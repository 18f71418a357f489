"""What flows through a graph: constants, and streams, which depend on the input and have an axis of rows."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from attrs import frozen
import numpy as np

from fnmlp.arrays import Shape
from fnmlp.checks import FLOATS
from fnmlp.errors import FnmlpError, StructureError
from fnmlp.expressions import shortened
from fnmlp.interop.onnx.library import helper
from fnmlp.interop.onnx.pieces import Numbers, Piece


@frozen(eq=False)
class Stream:
    """A tensor with an axis of rows.

    `example`    the shape of a row.
    `node`       the node that computes it, or None for the input.
    `pieces`     what the node alone does to its only stream, or None if it does nothing that a layer does.
    `refusal`    why it doesn't.
    `number`     its place among all streams: it depends on those of smaller numbers only.
    `dominator`  the nearest stream that all paths from the input to this one pass, or None for the input.
    `depth`      the number of dominators.
    """

    example: Shape
    dtype: str
    node: "Node | None" = None
    pieces: tuple[Piece, ...] | None = None
    refusal: FnmlpError | None = None
    number: int = 0
    dominator: "Stream | None" = None
    depth: int = 0


Tensor: TypeAlias = Stream | Numbers | None
"""A stream, a constant, or an input of a node that is left out."""


@frozen(eq=False)
class Node:
    """A node of a graph: its operator and options, what goes into it, and which of its outputs is meant.

    `opset`  the version of the operators.
    `rows`   the number of rows that the input has, or 0 if that is open.
    """

    name: str
    operator: str
    options: Mapping[str, Any]
    inputs: tuple[Tensor, ...]
    opset: int
    rows: int = 0
    outputs: int = 1
    output: int = 0

    @property
    def where(self) -> str:
        """Name the node in an error."""
        return f"import_onnx: {shortened(self.operator)} {shortened(self.name)}"

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Return the inputs that depend on the input of the graph."""
        return tuple(one for one in self.inputs if isinstance(one, Stream))

    @property
    def x(self) -> Stream:
        """Return the only stream, which must be the first input."""
        if len(self.streams) != 1 or self.streams[0] is not self.inputs[0]:
            raise self.refused("one tensor that depends on the input, as its first", f"{len(self.streams)} or another")
        return self.streams[0]

    def refused(self, expected: str, got: object) -> StructureError:
        """Return the error for a node that can't be imported."""
        return StructureError(self.where, expected, got, "change the model, or leave this part out")

    def option(self, name: str, default: Any) -> Any:
        """Return an option of the same type as its default."""
        value = self.options.get(name, default)
        if type(value) is not type(default):
            raise self.refused(f"{name} to be like {default!r}", shortened(str(value)))
        return float(str(np.float32(value))) if isinstance(value, float) else value

    def constant(self, place: int) -> Numbers | None:
        """Return an input that must be a constant, or None if it is left out."""
        value = self.inputs[place] if place < len(self.inputs) else None
        if isinstance(value, Stream):
            raise self.refused(f"input {place} to be a constant", "a tensor that depends on the input")
        return value

    def needed(self, place: int) -> Numbers:
        """Return an input that must be there and be a constant."""
        value = self.constant(place)
        if value is None:
            raise self.refused(f"input {place}", "none")
        return value

    def integers(self, place: int, name: str) -> list[int] | None:
        """Return integers that older versions take as an option, and newer ones as an input; None if left out."""
        value = self.options.get(name) if place >= len(self.inputs) else self.constant(place)
        if value is None:
            return None
        numbers = np.asarray(value)
        if numbers.dtype.kind not in "iu" or numbers.ndim > 1 or numbers.size > 64:
            raise self.refused(f"{name} to be a few integers", f"{numbers.dtype} of shape {numbers.shape}")
        return [int(number) for number in np.atleast_1d(numbers)]

    def number(self, place: int, name: str) -> float | None:
        """Return a number that older versions take as an option, and newer ones as an input; None if left out."""
        value = self.options.get(name) if place >= len(self.inputs) else self.constant(place)
        if value is None:
            return None
        if np.size(value) != 1 or not isinstance(value, float | np.ndarray):
            raise self.refused(f"{name} to be a number", f"{np.size(value)} of them")
        return float(np.reshape(value, ()))


def options_of(proto: Any) -> dict[str, Any]:
    """Return the options of a node by name; texts are decoded."""
    values = {one.name: helper.get_attribute_value(one) for one in proto.attribute}
    return {
        name: value.decode("utf-8", "replace") if isinstance(value, bytes) else value for name, value in values.items()
    }


Result: TypeAlias = tuple[tuple[Piece, ...], Shape, str]
"""What a node alone becomes: its pieces, and the shape and the dtype of a row after them."""


def kept(node: Node, *pieces: Piece) -> Result:
    """Return the result of a node that keeps the shape and the dtype."""
    return pieces, node.x.example, node.x.dtype


def of_floats(node: Node) -> Node:
    """Return the node; raise unless it works on floats."""
    if node.x.dtype not in FLOATS:
        raise node.refused("floats", node.x.dtype)
    return node


def per_feature(node: Node, numbers: Numbers, example: Shape) -> Numbers:
    """Return one number for all features, or one for each."""
    if numbers.dtype.kind != "f":
        raise node.refused("floats", numbers.dtype)
    if numbers.size == 1 and numbers.ndim <= len(example) + 1:
        return numbers.reshape(())
    if len(example) == 1 and numbers.size == example[0] and numbers.shape in (example, (1, *example)):
        return numbers.reshape(example)
    raise node.refused(f"one number, or one for each feature of {example}", f"shape {numbers.shape}")
