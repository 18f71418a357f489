"""A running bound on the rounding errors in a graph of ONNX, node by node.

Each bound holds for any order of summation, so for any library, kernel of BLAS and number of threads. The values
themselves are computed here in float64, by a second set of formulas.
Source: Higham 2002, "Accuracy and Stability of Numerical Algorithms", section 3.3 (running error analysis).
"""

from collections.abc import Callable
from math import erf, pi
from typing import Any

from attrs import frozen
import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, helper, numpy_helper

Numbers = NDArray[Any]

FUNCTION = 8
"""Units in the last place of 1, or of the result if that is larger, by which a library's functions may be off."""


@frozen(eq=False)
class Bounded:
    """Numbers, and how far off any correct implementation may be, in arithmetic of this unit roundoff."""

    value: Numbers
    off: Numbers
    u: float

    @property
    def most(self) -> Numbers:
        return np.abs(self.value) + self.off

    def made(self, value: Any, off: Any, roundings: float = 1) -> "Bounded":
        """Return a result whose inputs made it wrong by `off`, and which is rounded itself."""
        share = roundings * self.u / (1 - roundings * self.u)
        tiny = 1e4 * (np.finfo(np.float32).tiny if self.u > 1e-10 else np.finfo(np.float64).tiny)
        return Bounded(value, off + share * (np.abs(value) + off) + tiny, self.u)

    def moved(self, function: Callable[[Numbers], Numbers]) -> "Bounded":
        """Return the same numbers in other places."""
        return Bounded(function(self.value), function(self.off), self.u)

    def bent(self, function: Callable[[Numbers], Numbers], steepest: Any) -> "Bounded":
        """Return the value of a function whose slope is nowhere larger than `steepest`."""
        value = function(self.value)
        made: Bounded = self.made(value, steepest * self.off + 2 * FUNCTION * self.u * (1 + np.abs(value)))
        return made

    def __add__(self, other: "Bounded") -> "Bounded":
        return self.made(self.value + other.value, self.off + other.off)

    def __sub__(self, other: "Bounded") -> "Bounded":
        return self.made(self.value - other.value, self.off + other.off)

    def __mul__(self, other: "Bounded") -> "Bounded":
        off = np.abs(self.value) * other.off + self.off * other.most
        return self.made(self.value * other.value, off)

    def __truediv__(self, other: "Bounded") -> "Bounded":
        value, least = self.value / other.value, np.abs(other.value) - other.off
        off = np.where(least > 0, (self.off + np.abs(value) * other.off) / np.where(least > 0, least, 1), np.inf)
        return self.made(value, np.where(self.most + other.off == 0, 0, off))

    def __matmul__(self, other: "Bounded") -> "Bounded":
        terms = self.value.shape[-1]
        off = np.abs(self.value) @ other.off + self.off @ other.most
        return self.made(
            self.value @ other.value, off + (terms * self.u) / (1 - terms * self.u) * self.most @ other.most
        )


def _mean(x: Bounded, axes: tuple[int, ...], *, keepdims: bool) -> Bounded:
    off, most = (np.mean(part, axis=axes, keepdims=keepdims) for part in (x.off, x.most))
    terms = x.value.size // max(1, off.size)
    return x.made(np.mean(x.value, axis=axes, keepdims=keepdims), off + 2 * terms * x.u * most)


def _sqrt(x: Bounded) -> Bounded:
    root = np.sqrt(x.value)
    return x.made(root, np.maximum(np.sqrt(x.value + x.off) - root, root - np.sqrt(np.maximum(x.value - x.off, 0))))


def _exp(x: Bounded) -> Bounded:
    return x.bent(np.exp, np.exp(x.value + x.off))


def _log(x: Bounded) -> Bounded:
    return x.bent(np.log, 1 / (x.value - x.off))


def _softmax(x: Bounded, axis: int) -> Bounded:
    shifted = x.value - np.max(x.value, axis=axis, keepdims=True)
    exponentials = np.exp(shifted)
    value = exponentials / np.sum(exponentials, axis=axis, keepdims=True)
    far = np.max(x.off + x.u * np.abs(shifted), axis=axis, keepdims=True)
    return x.made(value, value * np.expm1(2 * far + (x.value.shape[axis] + 4 * FUNCTION) * x.u))


def _log_softmax(x: Bounded, axis: int) -> Bounded:
    shifted = x.value - np.max(x.value, axis=axis, keepdims=True)
    value = shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
    far = np.max(x.off + x.u * np.abs(shifted), axis=axis, keepdims=True)
    return x.made(value, 2 * far + (x.value.shape[axis] + 4 * FUNCTION) * x.u * (1 + np.abs(value)))


def _layer_norm(x: Bounded, gain: Bounded, offset: Bounded, epsilon: float) -> Bounded:
    centred = x - _mean(x, (-1,), keepdims=True)
    variance = _mean(centred * centred, (-1,), keepdims=True)
    # A library may compute it as the mean of squares without the square of the mean.
    squares = np.mean(x.most**2, axis=-1, keepdims=True)
    cancelled = variance.off + 2 * (x.value.shape[-1] + 4) * (x.u * squares)
    return centred / _sqrt(x.made(variance.value + epsilon, cancelled)) * gain + offset


def _choice(condition: Bounded, then: Bounded, otherwise: Bounded) -> Bounded:
    value, off = (np.where(condition.value, *pair) for pair in zip(_pair(then), _pair(otherwise), strict=True))
    return Bounded(value, off, then.u)


def _pair(x: Bounded) -> tuple[Numbers, Numbers]:
    return x.value, np.broadcast_to(x.off, x.value.shape)


def _extreme(function: Callable[..., Numbers], x: Bounded, y: Bounded) -> Bounded:
    return Bounded(function(x.value, y.value), np.maximum(x.off, y.off), x.u)


def _elu(alpha: float, width: float, scale: float = 1.0) -> Callable[[Numbers], Numbers]:
    return lambda x: scale * (np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0) / width))


def _sigmoid(x: Numbers) -> Numbers:
    result: Numbers = np.exp(-np.logaddexp(0, -x))
    return result


def _clipped(x: Numbers) -> Numbers:
    result: Numbers = np.clip(x / 6 + 0.5, 0, 1)
    return result


def _softplus(x: Numbers) -> Numbers:
    result: Numbers = np.logaddexp(0, x)
    return result


FUNCTIONS: dict[str, Callable[[Bounded, dict[str, Any]], Bounded]] = {
    "Abs": lambda x, _: Bounded(np.abs(x.value), x.off, x.u),
    "Celu": lambda x, o: x.bent(_elu(o["alpha"], o["alpha"]), 1),
    "Cos": lambda x, _: x.bent(np.cos, 1),
    "Elu": lambda x, o: x.bent(_elu(o["alpha"], 1), max(1, o["alpha"])),
    "Erf": lambda x, _: x.bent(np.vectorize(erf, otypes=[float]), 2 / pi**0.5),
    "Exp": lambda x, _: _exp(x),
    "Flatten": lambda x, _: x.moved(lambda a: a.reshape(len(a), -1)),
    "HardSigmoid": lambda x, _: x.bent(_clipped, 1 / 6),
    "HardSwish": lambda x, _: x.bent(lambda a: a * _clipped(a), 1.5),
    "Identity": lambda x, _: x,
    "IsNaN": lambda x, _: x.moved(np.isnan),
    "LeakyRelu": lambda x, o: x.bent(lambda a: np.where(a > 0, a, o["alpha"] * a), 1),
    "Log": lambda x, _: _log(x),
    "LogSoftmax": lambda x, o: _log_softmax(x, o["axis"]),
    "ReduceMax": lambda x, o: x.moved(lambda a: np.max(a, axis=tuple(o["axes"]))),
    "ReduceMean": lambda x, o: _mean(x, tuple(o["axes"]), keepdims=bool(o["keepdims"])),
    "Relu": lambda x, _: Bounded(np.maximum(x.value, 0), x.off, x.u),
    "Selu": lambda x, o: x.bent(_elu(o["alpha"], 1, o["gamma"]), 1.76),
    "Sigmoid": lambda x, _: x.bent(_sigmoid, 0.25),
    "Softmax": lambda x, o: _softmax(x, o["axis"]),
    "Softplus": lambda x, _: x.bent(_softplus, 1),
    "Softsign": lambda x, _: x.bent(lambda a: a / (1 + np.abs(a)), 1),
    "Sqrt": lambda x, _: _sqrt(x),
    "Tanh": lambda x, _: x.bent(np.tanh, 1),
    "Transpose": lambda x, o: x.moved(lambda a: np.transpose(a, o["perm"])),
}
"""What an operator of one tensor makes of it, given its options."""


OPERATORS: dict[str, Callable[..., Bounded]] = {
    "Add": lambda x, y: x + y,
    "Div": lambda x, y: x / y,
    "Equal": lambda x, y: Bounded(x.value == y.value, np.zeros(()), x.u),
    "Expand": lambda x, shape: x.moved(lambda a: a * np.ones(shape.value)),
    "Gather": lambda x, places, axis: x.moved(lambda a: np.take(a, places.value, axis)),
    "Gemm": lambda x, weight, bias: x @ weight + bias,
    "LayerNormalization": lambda x, gain, offset, epsilon, **_: _layer_norm(x, gain, offset, epsilon),
    "MatMul": lambda x, y: x @ y,
    "Max": lambda x, y: _extreme(np.maximum, x, y),
    "Min": lambda x, y: _extreme(np.minimum, x, y),
    "Mul": lambda x, y: x * y,
    "PRelu": lambda x, slope: _choice(x.moved(lambda a: a > 0), x, x * slope),
    "Reshape": lambda x, shape: x.moved(lambda a: a.reshape(len(a), *shape.value[1:])),
    "Slice": lambda x, start, stop, _: x.moved(lambda a: a[..., start.value[0] : stop.value[0]]),
    "Sub": lambda x, y: x - y,
    "Unsqueeze": lambda x, axis: x.moved(lambda a: np.expand_dims(a, axis.value[0])),
    "Where": _choice,
}
"""What an operator of several tensors makes of them, given its options by name."""


def bounded(model: ModelProto, x: Numbers) -> Bounded:
    """Return the output of a graph that `export_onnx` wrote, and how far off a correct one may be."""
    kinds = {initializer.data_type for initializer in model.graph.initializer} | {
        end.type.tensor_type.elem_type for end in (*model.graph.input, *model.graph.output)
    }
    u = float(np.finfo(np.float64 if helper.np_dtype_to_tensor_dtype(np.dtype("float64")) in kinds else "f4").eps) / 2
    known = {"input": Bounded(x, np.zeros(x.shape), u)}
    for initializer in model.graph.initializer:
        array = numpy_helper.to_array(initializer)
        own = initializer.name.startswith("constant_") and array.dtype.kind == "f"  # a number of Python's, rounded
        value = array.astype(np.float64) if array.dtype.kind == "f" else array
        known[initializer.name] = Bounded(value, u * np.abs(value) if own else np.zeros(array.shape), u)
    for node in model.graph.node:
        inputs = [known[name] for name in node.input]
        options = {option.name: helper.get_attribute_value(option) for option in node.attribute}
        known[node.output[0]] = _result(node.op_type, inputs, options)
    last = known["output"]
    # Twice, because what is compared with it is off too. The layer's own formula may take a few roundings more.
    return Bounded(last.value, 2 * (last.off + 2 * FUNCTION * u * np.abs(last.value)), u)


def _result(operator: str, inputs: list[Bounded], options: dict[str, Any]) -> Bounded:
    if operator == "Concat":
        value, off = (np.concatenate(parts, options["axis"]) for parts in zip(*map(_pair, inputs), strict=True))
        return Bounded(value, off, inputs[0].u)
    if operator == "Cast":
        dtype = helper.tensor_dtype_to_np_dtype(options["to"])
        return inputs[0].moved(lambda a: a.astype(np.float64 if dtype.kind == "f" else dtype))
    if operator in FUNCTIONS:
        return FUNCTIONS[operator](inputs[0], options)
    return OPERATORS[operator](*inputs, **options)
