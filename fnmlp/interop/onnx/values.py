"""Tensors of a graph as expressions: what operators make of an input and of constants.

An expression is written in Python's operators, so that an exported layer reads as its formula. Nothing is computed.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from attrs import field, frozen
import numpy as np
from numpy.typing import NDArray

from fnmlp.checks import FLOATS
from fnmlp.errors import DtypeError


@frozen(eq=False)
class Value:
    """A tensor: the input, a constant, or what an operator makes of other tensors.

    >>> x = Value("float32")
    >>> y = x * 2 + 1
    >>> y.operator, y.inputs[0].operator, y.inputs[0].inputs[1].array
    ('Add', 'Mul', array(2., dtype=float32))
    """

    dtype: str
    operator: str = ""
    inputs: "tuple[Value, ...]" = ()
    options: Mapping[str, Any] = field(factory=dict)
    array: NDArray[Any] | None = None

    def __add__(self, other: "Operand") -> "Value":
        return arithmetic("Add", self, other)

    def __sub__(self, other: "Operand") -> "Value":
        return arithmetic("Sub", self, other)

    def __rsub__(self, other: "Operand") -> "Value":
        return arithmetic("Sub", constant(other, self.dtype), self)

    def __mul__(self, other: "Operand") -> "Value":
        return arithmetic("Mul", self, other)

    def __truediv__(self, other: "Operand") -> "Value":
        return arithmetic("Div", self, other)

    def __rtruediv__(self, other: "Operand") -> "Value":
        return arithmetic("Div", constant(other, self.dtype), self)

    def __matmul__(self, other: "Operand") -> "Value":
        return arithmetic("MatMul", self, other)


Operand: TypeAlias = Value | float | NDArray[Any]


def constant(value: Any, dtype: str | None = None) -> Value:
    """Return a tensor of known numbers; an array of the dtype is not copied.

    >>> constant([0, 1], "int64").array
    array([0, 1])
    """
    array = np.asarray(value, dtype)
    return Value(str(array.dtype), array=array)


def operate(operator: str, x: Value, *others: Operand, dtype: str | None = None, **options: Any) -> Value:
    """Apply an operator to tensors; numbers and arrays among them become constants.

    The result has the dtype of the first tensor unless you give another.

    >>> operate("Cast", Value("uint8"), dtype="float32").dtype
    'float32'
    """
    inputs = (x, *(one if isinstance(one, Value) else constant(one, _dtype_of(one, x)) for one in others))
    return Value(dtype or x.dtype, operator, inputs, options)


def _dtype_of(number: object, x: Value) -> str | None:
    return None if isinstance(number, np.ndarray) else x.dtype


def arithmetic(operator: str, x: Value, *others: Operand, **options: Any) -> Value:
    """Apply an operator that computes with floats.

    Raises:   DtypeError for tensors of integers.

    >>> arithmetic("Relu", Value("uint8"))
    Traceback (most recent call last):
    fnmlp.errors.DtypeError: export_onnx: Relu: expected floats, got uint8; put scale(1 / 255) before it for pixels
    """
    if x.dtype not in FLOATS:
        raise DtypeError(f"export_onnx: {operator}", "floats", x.dtype, "put scale(1 / 255) before it for pixels")
    return operate(operator, x, *others, **options)


def cast(x: Value, dtype: str) -> Value:
    """Convert a tensor to a dtype.

    >>> x = Value("float32")
    >>> cast(x, "float32") is x
    True
    """
    return x if x.dtype == dtype else operate("Cast", x, dtype=dtype)


def part_of(x: Value, start: int, stop: int) -> Value:
    """Take the features from `start` to `stop` - 1 along the last axis."""
    return operate("Slice", x, *(constant([number], "int64") for number in (start, stop, -1)))


def reshape(x: Value, *shape: int) -> Value:
    """Give the examples another shape; the batch axis stays."""
    return operate("Reshape", x, constant([0, *shape], "int64"))


def swap(x: Value) -> Value:
    """Swap the first two axes of three."""
    return operate("Transpose", x, perm=[1, 0, 2])


def insert_axis(x: Value, axis: int) -> Value:
    """Insert an axis of length 1."""
    return operate("Unsqueeze", x, constant([axis], "int64"))


def join(parts: "list[Value]", axis: int) -> Value:
    """Join tensors along an axis."""
    return operate("Concat", *parts, axis=axis)
