"""What every public layer is, written down once more and without the library.

CURVES holds the activations as formulas of mpmath, which are differentiated with so many digits that nothing is lost in
the tails. FORMULAS holds all other layers as plain NumPy, which survives a complex step. A layer that stands in neither
makes `tests/test_oracles.py` fail by its name.
"""

import ast
from collections.abc import Callable, Mapping
from functools import reduce
from math import inf
from typing import Any, TypeAlias

from attrs import field, frozen
import mpmath as mp
import numpy as np

from fnmlp.arrays import Shape
from fnmlp.expressions import constructors
from fnmlp.key import Key
from fnmlp.layer import Layer
from fnmlp.layers import linear
from fnmlp.tree import tree_map

Number: TypeAlias = Any
"""A number of mpmath."""


@frozen
class Curve:
    """An activation: its value, the derivative at the points where its pieces meet, and what infinities become.

    `meets`   point -> derivative there: torch's convention where the sides differ.
    `ends`    the limits at -inf and inf.
    `slopes`  those of the derivative.
    `digits`  that the derivative is taken with: so many that the smallest float64 keeps its own beside a 1. Fewer save
              time where no value approaches a limit other than 0, and no pieces meet.
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

Formula: TypeAlias = Callable[..., Any]
"""(parameters, x, what the constructor was called with) -> y, in NumPy, for real and complex numbers."""


def _softmax(_: Any, x: Any, axis: int = -1) -> Any:
    powers = np.exp(x - np.real(x).max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def _log_softmax(_: Any, x: Any, axis: int = -1) -> Any:
    shifted = x - np.real(x).max(axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


def _linear(params: Any, x: Any, *_: Any, bias: bool = True, **__: Any) -> Any:
    return x @ params.weight + params.bias if bias else x @ params.weight


def _maxout(params: Any, x: Any, out: int, pieces: int, **_: Any) -> Any:
    every = (x @ params.weight + params.bias).reshape(len(x), pieces, out)
    return np.take_along_axis(every, np.real(every).argmax(1)[:, None], 1)[:, 0]


def _layer_norm(params: Any, x: Any, epsilon: float = 1e-5) -> Any:
    centred = x - x.mean(1, keepdims=True)
    return params.gain * centred / np.sqrt((centred**2).mean(1, keepdims=True) + epsilon) + params.offset


def _rms_norm(params: Any, x: Any, epsilon: float = 1e-5) -> Any:
    return params.gain * x / np.sqrt((x**2).mean(1, keepdims=True) + epsilon)


def _prelu(params: Any, x: Any, **_: Any) -> Any:
    return np.where(np.real(x) > 0, x, params.slope * x)


def _logistic(x: Any) -> Any:
    return np.where(np.real(x) < 0, np.exp(-_size(x)), 1) / (1 + np.exp(-_size(x)))


def _size(x: Any) -> Any:
    return np.where(np.real(x) < 0, -x, x)


def _halves(x: Any) -> Any:
    return np.split(x, 2, axis=-1)


def _glu(_: Any, x: Any) -> Any:
    passing, gate = _halves(x)
    return passing * _logistic(gate)


def _swiglu(_: Any, x: Any) -> Any:
    gate, passing = _halves(x)
    return gate * _logistic(gate) * passing


def _chain(params: Any, x: Any, *layers: Layer[Any]) -> Any:
    return reduce(lambda y, both: both[0].apply(both[1], y), zip(layers, params, strict=True), x)


def _each(params: Any, x: Any, layers: tuple[Layer[Any], ...]) -> list[Any]:
    return [layer.apply(own, x) for layer, own in zip(layers, params, strict=True)]


def _parallel(params: Any, x: Any, *layers: Layer[Any], widths: Shape) -> Any:
    pieces = np.split(x, np.cumsum(widths)[:-1], axis=-1)
    return np.concatenate(
        [layer.apply(own, piece) for layer, own, piece in zip(layers, params, pieces, strict=True)], -1
    )


FORMULAS: dict[str, Formula] = {
    "linear": _linear,
    "maxout": _maxout,
    "embedding": lambda params, x, *_, **__: params.table[x],
    "flatten": lambda _, x: x.reshape(len(x), -1),
    "scale": lambda _, x, factor, offset=0.0, **__: x * factor + offset,
    "standardize": lambda _, x, mean, deviation, **__: (x - np.array(mean)) / np.array(deviation),
    "unstandardize": lambda _, x, mean, deviation: x * np.array(deviation) + np.array(mean),
    "dropout": lambda _, x, *__: x,
    "gaussian_noise": lambda _, x, *__: x,
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "prelu": _prelu,
    "glu": _glu,
    "swiglu": _swiglu,
    "elementwise": lambda _, x, f, __: f(x),
    "chain": _chain,
    "repeat": lambda params, x, layer, times: _chain(params, x, *[layer] * times),
    "tied": lambda params, x, *layers: _chain([params] * len(layers), x, *layers),
    "frozen": lambda _, x, layer, params: layer.apply(tree_map(lambda leaf: leaf.astype(x.dtype), params), x),
    "strict": lambda params, x, layer: layer.apply(params, x),
    "residual": lambda params, x, layer: x + layer.apply(params, x),
    "concat": lambda params, x, *layers: np.concatenate(_each(params, x, layers), -1),
    "add": lambda params, x, *layers: sum(_each(params, x, layers)),
    "parallel": _parallel,
}

BARE = {"sine": np.sin, "cosine": np.cos, "params": linear(2).init(Key(0), (3,))[0]}
"""What the names mean that stand in names of the catalogue's layers."""


def formula_of(layer: Layer[Any]) -> Callable[[Any, Any], Any]:
    """Return the formula of a layer, with the options that its name shows."""
    call = ast.parse(layer.name, mode="eval").body
    assert isinstance(call, ast.Call)
    options = {str(option.arg): _argument(option.value) for option in call.keywords}
    arguments = [_argument(argument) for argument in call.args]
    formula = FORMULAS[constructor_of(layer.name)]
    return lambda params, x: formula(params, x, *arguments, **options)


def constructor_of(text: str) -> str:
    """Return the name of what constructs the layer of a name."""
    return text.partition("(")[0]


def _argument(node: ast.expr) -> Any:
    if isinstance(node, ast.Name):
        return BARE[node.id]
    if isinstance(node, ast.Call):
        made = constructors()[ast.unparse(node.func)]
        options = {str(option.arg): _argument(option.value) for option in node.keywords}
        return made(*map(_argument, node.args), **options)
    return ast.literal_eval(node)
