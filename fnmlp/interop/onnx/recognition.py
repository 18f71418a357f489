"""Layers that other programs write as several operators, recognised by what these compute.

Programs write gelu, silu or a normalization in many ways. So such a part of a graph is evaluated on sample rows, in
float64, and compared with the layers. It may hold no array of numbers, only single ones.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import chain
from math import erf
from typing import Any, cast

import numpy as np

from fnmlp.checks import FLOATS
from fnmlp.interop.onnx.pieces import Made, Numbers
from fnmlp.interop.onnx.streams import Node, Stream
from fnmlp.layers import (
    LayerNorm,
    RmsNorm,
    celu,
    elu,
    exponential,
    gelu,
    hardsigmoid,
    hardswish,
    hardtanh,
    layer_norm,
    leaky_relu,
    log_softmax,
    mish,
    relu,
    relu6,
    rms_norm,
    selu,
    sigmoid,
    silu,
    smooth_clip,
    softmax,
    softplus,
    softsign,
    tanh,
)

INSIDE = (*FLOATS, "bool")
"""The dtypes in a layer that is written in several nodes: floats, and how they compare."""

REGION = 24
"""The most nodes that one layer is written in."""

WIDTH = 8
"""The number of features of the sample rows."""

CLOSE = 1e-6
"""How near the values must be, relative to 1 or to themselves: other programs round their constants to float32."""

RULES: Mapping[str, Callable[..., Any]] = {
    "Abs": np.abs,
    "Add": np.add,
    "Div": np.divide,
    "Erf": np.vectorize(erf, otypes=[float]),
    "Exp": np.exp,
    "Greater": np.greater,
    "Identity": np.asarray,
    "Less": np.less,
    "Log": np.log,
    "Max": np.maximum,
    "Min": np.minimum,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Pow": np.power,
    "Reciprocal": np.reciprocal,
    "Relu": lambda x: np.maximum(x, 0),
    "Sigmoid": lambda x: np.exp(-np.logaddexp(0, -x)),
    "Softplus": lambda x: np.logaddexp(0, x),
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
    "Tanh": np.tanh,
    "Where": np.where,
}
"""Operators that compute each number by itself."""

OVER_FEATURES: Mapping[str, Callable[..., Any]] = {"ReduceMax": np.max, "ReduceMean": np.mean, "ReduceSum": np.sum}
"""Operators that reduce the features of a row to one number."""


def evaluable(node: Node) -> bool:
    """Tell whether a node may be part of a layer that is written in several."""
    return node.operator in RULES or node.operator in OVER_FEATURES or node.operator == "Clip"


def between(y: Stream, start: Stream) -> list[Stream] | None:
    """Return the streams from after one up to another, or None if they are too many, or one can't be evaluated."""
    found: dict[Stream, None] = {}
    waiting = [y]
    while waiting:
        stream = waiting.pop()
        if stream is start or stream in found:
            continue
        if stream.node is None or not evaluable(stream.node) or stream.dtype not in INSIDE or len(found) == REGION:
            return None
        found[stream] = None
        waiting.extend(stream.node.streams)
    return sorted(found, key=lambda stream: stream.number)


def recognised(region: list[Stream], start: Stream) -> Made | None:
    """Return the layer that leads from a stream to the last of a region, or None if that is no layer known here."""
    numbers: list[float] = []
    values: dict[Stream, Any] = {start: SAMPLES}
    for stream in region:
        value = _evaluated(stream, values, numbers)
        if value is None:
            return None
        values[stream] = value
    last = values[region[-1]]
    if np.shape(last) != SAMPLES.shape:
        return None
    for made, expected in chain(
        _known(), map(_sampled, _with_options(numbers)), map(_sampled, _normalizations(numbers, start))
    ):
        if bool((np.abs(last - expected) <= CLOSE * (1 + np.abs(expected))).all()):
            return _for_rows(made, start)
    return None


def _evaluated(stream: Stream, values: Mapping[Stream, Any], numbers: list[float]) -> Any:
    """Return the value of a stream from those before it, or None if that is not known; collect its single numbers."""
    node, inputs = cast("Node", stream.node), []
    for one in node.inputs:
        if isinstance(one, Stream):
            inputs.append(values[one])
        elif one is not None and node.operator not in OVER_FEATURES:
            if one.size != 1 or one.dtype.kind not in "fi":
                return None
            inputs.append(np.float64(one.reshape(())))
            numbers.append(float(str(one.reshape(()))))
    if node.operator in OVER_FEATURES:
        last = [-1], [len(node.streams[0].example)]
        alone = node.integers(1, "axes") in last and node.option("keepdims", 1)
        return OVER_FEATURES[node.operator](inputs[0], axis=-1, keepdims=True) if alone else None
    if node.operator == "Clip":
        least, most = node.number(1, "min"), node.number(2, "max")
        return np.clip(inputs[0], -np.inf if least is None else least, np.inf if most is None else most)
    return RULES[node.operator](*inputs)


def _sample_rows() -> Numbers:
    grid = np.linspace(-12, 12, 96).reshape(WIDTH, -1).T
    far = np.array([[1e-3, -1e-3, 0.0, 30.0, -30.0, 80.0, -80.0, 0.5]])
    waves = [size * np.sin(np.arange(1.0, WIDTH + 1) * place) for place, size in enumerate((1e-3, 1e-2, 0.1, 1, 10), 1)]
    return np.concatenate([grid, far, np.stack(waves)])


SAMPLES = _sample_rows()


@cache
def _known() -> tuple[tuple[Made, Numbers], ...]:
    """Return the layers without options, and what they compute from the samples."""
    layers = (relu, relu6, hardtanh, hardsigmoid, hardswish, sigmoid, tanh, softplus, softsign, selu, silu, mish, gelu)
    others = gelu(approximate="tanh"), exponential(), softmax(), log_softmax()
    return tuple(_sampled(Made(layer)) for layer in (*(layer() for layer in layers), *others))


def _sampled(made: Made) -> tuple[Made, Numbers]:
    return made, made.layer.apply(made.params, SAMPLES)


def _with_options(numbers: list[float]) -> Iterator[Made]:
    """Yield the activations whose option is one of the numbers."""
    for number in sorted({abs(number) for number in numbers if number and np.isfinite(number)}):
        yield from map(Made, (elu(alpha=number), celu(alpha=number), smooth_clip(limit=number)))
        if number < 1:
            yield Made(leaky_relu(slope=number))


def _normalizations(numbers: list[float], start: Stream) -> Iterator[Made]:
    """Yield the normalizations of rows whose epsilon is one of the numbers."""
    for epsilon in sorted({number for number in numbers if 0 < number < 1} if len(start.example) == 1 else ()):
        yield Made(layer_norm(epsilon=epsilon), LayerNorm(np.ones(WIDTH), np.zeros(WIDTH)))
        yield Made(rms_norm(epsilon=epsilon), RmsNorm(np.ones(WIDTH)))


def _for_rows(made: Made, start: Stream) -> Made:
    """Give a normalization parameters for rows of the stream."""
    kind = type(made.params)
    if made.params == ():
        return made
    ones, zeros = np.ones(start.example, start.dtype), np.zeros(start.example, start.dtype)
    return Made(made.layer, LayerNorm(ones, zeros) if kind is LayerNorm else RmsNorm(ones))
