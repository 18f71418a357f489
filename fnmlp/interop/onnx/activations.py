"""What each activation becomes in a graph, by the name of its constructor.

ONNX has an operator for many of them. In float64 they are written as formulas, because the options of such an operator
are float32, and onnxruntime computes most of them in float32 only.
"""

from collections.abc import Callable, Mapping
from math import pi, sqrt
from typing import Any

from fnmlp.interop.onnx.values import Value, arithmetic
from fnmlp.layers.activations import SELU_ALPHA, SELU_SCALE, SMALLEST

CUBIC = 0.044715
"""The constant of gelu's approximation."""


def identity(x: Value) -> Value:
    """Return the tensor itself."""
    return x


def _relu(x: Value) -> Value:
    return arithmetic("Relu", x)


def _clip(x: Value, least: float, most: float) -> Value:
    return arithmetic("Min", arithmetic("Max", x, least), most)


def _hardtanh(x: Value) -> Value:
    return _clip(x, -1, 1)


def _relu6(x: Value) -> Value:
    return _clip(x, 0, 6)


def _leaky_relu(x: Value, slope: float) -> Value:
    return _native("LeakyRelu", x, alpha=slope) or arithmetic("Max", x, x * slope)


def _hardsigmoid(x: Value) -> Value:
    return _native("HardSigmoid", x, alpha=1 / 6, beta=0.5) or _clip(x + 3, 0, 6) / 6


def _hardswish(x: Value) -> Value:
    return _native("HardSwish", x) or x * (_clip(x + 3, 0, 6) / 6)


def sigmoid(x: Value) -> Value:
    """Return the sigmoid of a tensor."""
    return arithmetic("Sigmoid", x)


def _tanh(x: Value) -> Value:
    return arithmetic("Tanh", x)


def _softsign(x: Value) -> Value:
    return _native("Softsign", x) or x / (arithmetic("Abs", x) + 1)


def _smooth_clip(x: Value, limit: float) -> Value:
    # As the layer computes it, so that nothing overflows and infinity has a limit.
    inside, size = _clip(x, -limit, limit), arithmetic("Max", arithmetic("Abs", x), limit)
    of_x, of_limit = inside / limit, limit / size
    return inside / arithmetic("Sqrt", of_x * of_x + of_limit * of_limit)


def _softplus(x: Value) -> Value:
    return _native("Softplus", x) or _relu(x) + arithmetic("Log", arithmetic("Exp", arithmetic("Abs", x) * -1) + 1)


def _elu(x: Value, alpha: float) -> Value:
    return _native("Elu", x, alpha=alpha) or _relu(x) + _expm1(arithmetic("Min", x, 0)) * alpha


def _celu(x: Value, alpha: float) -> Value:
    native = _native("Celu", x, alpha=max(alpha, SMALLEST))
    return native or _relu(x) + _expm1(arithmetic("Min", x, 0) / alpha) * alpha


def _selu(x: Value) -> Value:
    native = _native("Selu", x, alpha=SELU_ALPHA, gamma=SELU_SCALE)
    return native or _elu(x, SELU_ALPHA) * SELU_SCALE


def _exponential(x: Value) -> Value:
    return arithmetic("Exp", x)


def _expm1(x: Value) -> Value:
    return _exponential(x) - 1


def _gelu(x: Value, approximate: str) -> Value:
    # The common form, which onnxruntime recognises and fuses.
    if approximate == "tanh":
        return x * 0.5 * (_tanh((x + x * x * x * CUBIC) * sqrt(2 / pi)) + 1)
    return x * (arithmetic("Erf", x / sqrt(2)) + 1) * 0.5


def silu(x: Value) -> Value:
    """Return the silu of a tensor."""
    return x * sigmoid(x)


def _mish(x: Value) -> Value:
    return x * _tanh(_softplus(x))


def _native(operator: str, x: Value, **options: float) -> Value | None:
    """Apply ONNX's own operator to float32; return None for others."""
    return None if x.dtype == "float64" else arithmetic(operator, x, **options)


ACTIVATIONS: Mapping[str, Callable[..., Any]] = {
    "celu": _celu,
    "elu": _elu,
    "exponential": _exponential,
    "gelu": _gelu,
    "hardsigmoid": _hardsigmoid,
    "hardswish": _hardswish,
    "hardtanh": _hardtanh,
    "identity": identity,
    "leaky_relu": _leaky_relu,
    "mish": _mish,
    "relu": _relu,
    "relu6": _relu6,
    "selu": _selu,
    "sigmoid": sigmoid,
    "silu": silu,
    "smooth_clip": _smooth_clip,
    "softplus": _softplus,
    "softsign": _softsign,
    "tanh": _tanh,
}
"""(x, the options of the constructor) -> y."""
