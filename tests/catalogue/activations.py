"""Every activation as a formula in mpmath, differentiated with enough digits for the tails."""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, TypeAlias

from attrs import field, frozen
import mpmath as mp

Number: TypeAlias = Any
"""A number of mpmath."""


@frozen
class Curve:
    """An activation: its formula, the derivative where its pieces meet, and its limits.

    `meets`   point -> derivative there: torch's convention where the sides differ.
    `ends`    the limits at -inf and inf.
    `slopes`  those of the derivative.
    `digits`  for the derivative. The default keeps the digits of the smallest float64 beside a 1. Fewer are faster, and
              enough where the limits are 0 and no pieces meet.
    """

    value: Callable[[Number], Number]
    ends: tuple[float, float]
    slopes: tuple[float, float]
    meets: Mapping[float, float] = field(factory=dict)
    digits: int = 340


def _sigmoid(x: Number) -> Number:
    return 1 / (1 + mp.exp(-x))


def _softplus(x: Number) -> Number:
    return mp.log1p(mp.exp(x))


def _tanh_gelu(x: Number) -> Number:
    return x / 2 * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mp.mpf(0.044715) * x**3)))


def _elu(alpha: float, scale: float = 1.0) -> Callable[[Number], Number]:
    return lambda x: scale * (x if x > 0 else alpha * mp.expm1(x))


def _celu(alpha: float) -> Callable[[Number], Number]:
    return lambda x: x if x > 0 else alpha * mp.expm1(x / alpha)


def _leaky(slope: float) -> Callable[[Number], Number]:
    return lambda x: x if x > 0 else slope * x


def _clip(x: Number, least: float, most: float) -> Number:
    return min(max(x, mp.mpf(least)), mp.mpf(most))


def _smooth_clip(limit: float) -> Callable[[Number], Number]:
    return lambda x: x / mp.sqrt(1 + (x / mp.mpf(limit)) ** 2)


SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

CURVES: dict[str, Curve] = {
    "identity()": Curve(lambda x: x, (-inf, inf), (1, 1)),
    "relu()": Curve(lambda x: max(x, mp.mpf(0)), (0, inf), (0, 1), {0: 0}),
    "relu6()": Curve(lambda x: _clip(x, 0, 6), (0, 6), (0, 0), {0: 0, 6: 0}),
    "leaky_relu()": Curve(_leaky(0.01), (-inf, inf), (0.01, 1), {0: 0.01}),
    "leaky_relu(slope=0.25)": Curve(_leaky(0.25), (-inf, inf), (0.25, 1), {0: 0.25}),
    "hardtanh()": Curve(lambda x: _clip(x, -1, 1), (-1, 1), (0, 0), {-1: 0, 1: 0}),
    "hardsigmoid()": Curve(lambda x: _clip(x + 3, 0, 6) / 6, (0, 1), (0, 0), {-3: 0, 3: 0}),
    "hardswish()": Curve(lambda x: x * _clip(x + 3, 0, 6) / 6, (0, inf), (0, 1), {-3: 0, 3: 1}),
    "sigmoid()": Curve(_sigmoid, (0, 1), (0, 0)),
    "tanh()": Curve(mp.tanh, (-1, 1), (0, 0)),
    "softsign()": Curve(lambda x: x / (1 + abs(x)), (-1, 1), (0, 0), {0: 1}),
    "smooth_clip()": Curve(_smooth_clip(3.0), (-3, 3), (0, 0)),
    "smooth_clip(limit=0.5)": Curve(_smooth_clip(0.5), (-0.5, 0.5), (0, 0)),
    "exponential()": Curve(mp.exp, (0, inf), (0, inf)),
    "softplus()": Curve(_softplus, (0, inf), (0, 1), digits=50),
    "elu()": Curve(_elu(1.0), (-1, inf), (0, 1), {0: 1}),
    "elu(alpha=0.5)": Curve(_elu(0.5), (-0.5, inf), (0, 1), {0: 0.5}),
    "celu()": Curve(_celu(1.0), (-1, inf), (0, 1), {0: 1}),
    "celu(alpha=0.5)": Curve(_celu(0.5), (-0.5, inf), (0, 1), {0: 1}),
    "celu(alpha=1e-300)": Curve(_celu(1e-300), (-1e-300, inf), (0, 1), {0: 1}),
    "selu()": Curve(
        _elu(SELU_ALPHA, SELU_SCALE),
        (-SELU_ALPHA * SELU_SCALE, inf),
        (0, SELU_SCALE),
        {0: SELU_ALPHA * SELU_SCALE},
    ),
    "gelu()": Curve(lambda x: x * mp.erfc(-x / mp.sqrt(2)) / 2, (0, inf), (0, 1), digits=50),
    "gelu(approximate='tanh')": Curve(_tanh_gelu, (0, inf), (0, 1)),
    "silu()": Curve(lambda x: x * _sigmoid(x), (0, inf), (0, 1), digits=50),
    "mish()": Curve(lambda x: x * mp.tanh(_softplus(x)), (0, inf), (0, 1), digits=50),
}
