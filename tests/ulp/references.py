"""Activations and their derivatives in float64, written for accuracy, with other formulas than the library's."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

Float64 = NDArray[np.float64]
Reference = tuple[Callable[[Float64], Float64], Callable[[Float64], Float64]]
"""The function and its derivative."""

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
GELU_TANH = np.sqrt(2 / np.pi)


def _density(x: Float64) -> Float64:
    return np.asarray(np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi))


def _sigmoid_slope(x: Float64) -> Float64:
    return np.asarray(special.expit(x) * special.expit(-x))


def _where(condition: Any, yes: Any, no: Any) -> Float64:
    chosen: Float64 = np.where(condition, yes, no)
    return chosen


def _tanh_gelu_inner(x: Float64) -> tuple[Float64, Float64]:
    """Return 2u and its derivative; the tanh form of gelu is x σ(2u)."""
    inner = 2 * GELU_TANH * (x + 0.044715 * x**3)
    return inner, 2 * GELU_TANH * (1 + 3 * 0.044715 * x * x)


def _tanh_gelu(x: Float64) -> Float64:
    result: Float64 = x * special.expit(_tanh_gelu_inner(x)[0])
    return result


def _tanh_gelu_slope(x: Float64) -> Float64:
    inner, slope = _tanh_gelu_inner(x)
    # Beyond 20 the sigmoid is 0 or 1, and cubes would overflow.
    return _where(np.abs(x) > 20, special.expit(inner), special.expit(inner) + x * slope * _sigmoid_slope(inner))


REFERENCES: dict[str, Reference] = {
    "identity()": (lambda x: x, np.ones_like),
    "relu()": (lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(np.float64)),
    "sigmoid()": (special.expit, _sigmoid_slope),
    "tanh()": (np.tanh, lambda x: 4 * _sigmoid_slope(2 * x)),
    "gelu()": (lambda x: x * special.ndtr(x), lambda x: special.ndtr(x) + x * _density(x)),
    "gelu(approximate='tanh')": (_tanh_gelu, _tanh_gelu_slope),
    "silu()": (lambda x: x * special.expit(x), lambda x: special.expit(x) * (1 + x * special.expit(-x))),
    "elu()": (lambda x: _where(x > 0, x, np.expm1(x)), lambda x: _where(x > 0, 1, np.exp(x))),
    "selu()": (
        lambda x: SELU_SCALE * _where(x > 0, x, SELU_ALPHA * np.expm1(x)),
        lambda x: SELU_SCALE * _where(x > 0, 1, SELU_ALPHA * np.exp(x)),
    ),
    "leaky_relu()": (
        lambda x: _where(x > 0, x, 0.01 * x),
        lambda x: _where(x > 0, 1, 0.01),
    ),
    "softplus()": (lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), special.expit),
    "hardtanh()": (lambda x: np.clip(x, -1, 1), lambda x: ((x > -1) & (x < 1)).astype(np.float64)),
    "hardswish()": (
        lambda x: _where(x <= -3, 0, _where(x >= 3, x, x * (x + 3) / 6)),
        lambda x: _where(x <= -3, 0, _where(x >= 3, 1, (2 * x + 3) / 6)),
    ),
    "mish()": (
        lambda x: x * np.tanh(np.logaddexp(0, x)),
        lambda x: np.tanh(np.logaddexp(0, x)) + x * special.expit(x) / np.cosh(np.logaddexp(0, x)) ** 2,
    ),
    "softsign()": (lambda x: x * (1 + np.abs(x)) ** -1.0, lambda x: (1 + np.abs(x)) ** -2.0),
    "celu()": (lambda x: _where(x > 0, x, np.expm1(x)), lambda x: _where(x > 0, 1, np.exp(x))),
    "relu6()": (lambda x: np.clip(x, 0, 6), lambda x: ((x > 0) & (x < 6)).astype(np.float64)),
    "hardsigmoid()": (
        lambda x: _where(x <= -3, 0, _where(x >= 3, 1, (x + 3) / 6)),
        lambda x: _where((x > -3) & (x < 3), 1 / 6, 0),
    ),
}
