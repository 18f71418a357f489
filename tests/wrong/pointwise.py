"""Wrong functions of single numbers: in a tail, at a cut, by a branch, by a type."""

from functools import partial
from typing import Any

import numpy as np

import fnmlp as fn
from tests.wrong.pieces import Array, Slip, slips


def _pointwise(name: str, f: Any, df: Any, slip: str) -> fn.Layer[Any]:
    return fn.elementwise(partial(f, slip), partial(df, slip), name=f"{name}()")


def gelu(slip: str) -> fn.Layer[Any]:
    return _pointwise("gelu", _gelu, _gelu_slope, slip)


def _gelu(slip: str, x: Array) -> Array:
    return x * sigmoid_of(1.5957691 * (x + 0.044715 * x**3))


def _gelu_slope(slip: str, x: Array) -> Array:
    inner = (1.595 if "digits" in slip else 1.5957691) * (x + 0.044715 * x**3)
    share, bell = sigmoid_of(inner), sigmoid_of(inner) * sigmoid_of(-inner)
    rise = 1.5957691 * (1 + (1 if "cube" in slip else 3) * 0.044715 * x**2)
    term = x * bell * rise
    return share + np.where(np.abs(x) > 3, 0 * term, term) if "beyond 3" in slip else share + term


def softplus(slip: str) -> fn.Layer[Any]:
    return _pointwise("softplus", _softplus, _softplus_slope, slip)


def _softplus(slip: str, x: Array) -> Array:
    small = np.where(x.real > 20, 0 * x, x)
    log = np.log(1 + np.exp(small)) if "log1p" in slip else np.log1p(np.exp(small))
    return np.where(x.real > 20, x, log)


def _softplus_slope(slip: str, x: Array) -> Array:
    return np.where(x > (10 if "cut" in slip else 20), x.dtype.type(1), sigmoid_of(x))


def elu(slip: str) -> fn.Layer[Any]:
    return _pointwise("elu", _elu, _elu_slope, slip)


def _elu(slip: str, x: Array) -> Array:
    return np.where(x.real > 0, x, 0.5 * np.expm1(np.where(x.real > 0, 0 * x, x)))


def _elu_slope(slip: str, x: Array) -> Array:
    falling = 0.5 * np.exp(np.minimum(x, 0))
    if "forgets alpha" in slip:
        falling = _elu("", x) + 1
    one = x.dtype.type(1)
    return np.where(x < 0, one, falling) if "branches" in slip else np.where(x > 0, one, falling)


def sigmoid(slip: str) -> fn.Layer[Any]:
    return _pointwise("sigmoid", _sigmoid, _sigmoid_slope, slip)


def _sigmoid(slip: str, x: Array) -> Array:
    return sigmoid_of(x)


def sigmoid_of(x: Array) -> Array:
    e = np.exp(np.where(x.real > 0, -x, x))
    return np.where(x.real > 0, 1 / (1 + e), e / (1 + e))


def _sigmoid_slope(slip: str, x: Array) -> Array:
    if "quotient" in slip:
        with np.errstate(all="ignore"):
            return np.exp(-x) / (1 + np.exp(-x)) ** 2
    if "difference" in slip:
        h = x.dtype.type(1e-4)
        return (sigmoid_of(x + h) - sigmoid_of(x - h)) / (2 * h)
    y = sigmoid_of(x)
    slope = y * sigmoid_of(-x)
    if "1 - y" in slip:
        return y * (1 - y)
    if "input" in slip:
        return x * (1 - x)
    return np.where(np.abs(slope) < 1e-5, 0 * slope, slope) if "small" in slip else slope


def relu6(slip: str) -> fn.Layer[Any]:
    return _pointwise("relu6", _relu6, _relu6_slope, slip)


def _relu6(slip: str, x: Array) -> Array:
    return np.where(x.real < 0, 0 * x, np.where(x.real > 6, 0 * x + 6, x))


def _relu6_slope(slip: str, x: Array) -> Array:
    if "edge" in slip:
        return ((x > 0) & (x <= 6)).astype(x.dtype) + (x == 6)
    if "upper" in slip:
        return (x > 0).astype(x.dtype)
    if "batch" in slip:
        return np.full_like(x, x.mean() > 0)
    return ((x > 0) & (x < 6)).astype(x.dtype)


def softsign(slip: str) -> fn.Layer[Any]:
    return _pointwise("softsign", _softsign, _softsign_slope, slip)


def _softsign(slip: str, x: Array) -> Array:
    return x / (1 + np.abs(x))


def _softsign_slope(slip: str, x: Array) -> Array:
    return 1 / (1 + np.abs(x)) ** (1 if "constant" in slip else 2)


def mish(slip: str) -> fn.Layer[Any]:
    return _pointwise("mish", _mish, _mish_slope, slip)


def _mish(slip: str, x: Array) -> Array:
    y: Array = x * np.tanh(_softplus("", x))
    return y.astype(np.float64) if "float64" in slip and y.dtype == np.float32 else y


def _mish_slope(slip: str, x: Array) -> Array:
    inner = _softplus("", x)
    bell = 1 / np.cosh(np.minimum(inner, 50)) ** 2
    if "scalar" in slip:
        bell = bell * np.float64(1.0)
    rest = x * bell if "chain" in slip else x * bell * sigmoid_of(x)
    return np.tanh(inner) + np.where(x > 20, 0 * x, rest)


POINTWISE: list[Slip] = [
    *slips(
        gelu,
        "the cube loses its factor 3 in the slope",
        "the product rule loses a term beyond 3",
        "a constant has fewer digits in the slope",
    ),
    *slips(softplus, "the slope is cut at 10, the function at 20", "log(1 + e) instead of log1p"),
    *slips(elu, "the slope forgets alpha", "the branches of the slope are swapped"),
    *slips(
        sigmoid,
        "the slope is a quotient that overflows",
        "the slope is a central difference",
        "the slope takes the input for the output",
        "small slopes are set to 0",
        "the slope is y (1 - y), which cancels in the tail",
    ),
    *slips(
        relu6,
        "both masks count at the edge",
        "no upper end in the slope",
        "one decision for the whole batch",
        kinks=(0.0, 6.0),
    ),
    *slips(softsign, "|x| as a constant"),
    *slips(mish, "a float64 comes out", "a NumPy scalar promotes the gradient", "the chain rule ends one link early"),
]
