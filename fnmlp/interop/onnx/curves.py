"""What operators that bend numbers become: activations, and distributions over an axis."""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

import numpy as np

from fnmlp.arrays import read_only
from fnmlp.interop.onnx.pieces import Made, affine
from fnmlp.interop.onnx.streams import Node, Result, kept, of_floats, per_feature
from fnmlp.layer import Layer
from fnmlp.layers import (
    Prelu,
    activations,
    celu,
    elu,
    exponential,
    gelu,
    hardsigmoid,
    hardswish,
    hardtanh,
    identity,
    leaky_relu,
    log_softmax,
    mish,
    prelu,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    tanh,
)


def _selu(node: Node) -> Result:
    """Return `selu`, or a scaled `elu` for constants of another program."""
    alpha, gamma = node.option("alpha", activations.SELU_ALPHA), node.option("gamma", activations.SELU_SCALE)
    dtype = of_floats(node).x.dtype
    if _close(alpha, activations.SELU_ALPHA) and _close(gamma, activations.SELU_SCALE):
        return kept(node, Made(selu()))
    return kept(node, Made(elu(alpha=alpha)), affine(dtype, factor=gamma))


def _hardsigmoid(node: Node) -> Result:
    """Return `hardsigmoid`, after a map of its inputs if the slope is another."""
    alpha, beta, dtype = node.option("alpha", 0.2), node.option("beta", 0.5), of_floats(node).x.dtype
    if _close(alpha, 1 / 6) and beta == 0.5:
        return kept(node, Made(hardsigmoid()))
    return kept(node, affine(dtype, factor=6 * alpha, offset=6 * (beta - 0.5)), Made(hardsigmoid()))


def _swish(node: Node) -> Result:
    """Return `silu`, between two maps if the slope in its sigmoid is another."""
    alpha, dtype = node.option("alpha", 1.0), of_floats(node).x.dtype
    if not np.isfinite(alpha) or not alpha:
        raise node.refused("a finite alpha other than 0", alpha)
    return kept(node, affine(dtype, factor=alpha), Made(silu()), affine(dtype, factor=1 / alpha))


def _close(value: float, usual: float) -> bool:
    return abs(value - usual) <= 1e-6 * abs(usual)


def _clip(node: Node) -> Result:
    """Return the layer that has these limits, or `hardtanh` between two maps."""
    least, most, dtype = node.number(1, "min"), node.number(2, "max"), of_floats(node).x.dtype
    far = float(np.finfo(dtype).max)
    limits = -inf if least is None or least <= -far else least, inf if most is None or most >= far else most
    for layer, known in ((identity, (-inf, inf)), (relu, (0, inf)), (relu6, (0, 6)), (hardtanh, (-1, 1))):
        if limits == known:
            return kept(node, Made(layer()))
    middle, half = (limits[0] + limits[1]) / 2, (limits[1] - limits[0]) / 2
    if not 0 < half < inf:
        raise node.refused("two limits, or only 0 below", limits)
    before = affine(dtype, factor=1 / half, offset=-middle / half)
    return kept(node, before, Made(hardtanh()), affine(dtype, factor=half, offset=middle))


def _along(node: Node, made: Callable[..., Layer[Any]]) -> Layer[Any]:
    rank = len(node.x.example) + 1
    axis = node.option("axis", -1 if node.opset >= 13 else 1)
    place = axis + rank if axis < 0 else axis
    if not 0 <= place < rank or (node.opset < 13 and place != rank - 1):
        raise node.refused(f"an axis of {rank}", axis)
    return made() if place == rank - 1 else made(axis=place)


def _prelu(node: Node) -> Result:
    slope = per_feature(of_floats(node), node.needed(1), node.x.example)
    return kept(node, Made(prelu(per_feature=slope.ndim == 1), Prelu(read_only(slope.reshape(-1).copy()))))


def _pointwise(layer: Callable[[Node], Layer[Any]]) -> Callable[[Node], Result]:
    return lambda node: kept(node, Made(layer(of_floats(node))))


ACTIVATIONS: Mapping[str, Callable[[Node], Layer[Any]]] = {
    "Celu": lambda node: celu(alpha=node.option("alpha", 1.0)),
    "Elu": lambda node: elu(alpha=node.option("alpha", 1.0)),
    "Exp": lambda _: exponential(),
    "Gelu": lambda node: gelu(approximate=node.option("approximate", "none")),
    "HardSwish": lambda _: hardswish(),
    "LeakyRelu": lambda node: leaky_relu(slope=node.option("alpha", 0.01)),
    "LogSoftmax": lambda node: _along(node, log_softmax),
    "Mish": lambda _: mish(),
    "Relu": lambda _: relu(),
    "Sigmoid": lambda _: sigmoid(),
    "Softmax": lambda node: _along(node, softmax),
    "Softplus": lambda _: softplus(),
    "Softsign": lambda _: softsign(),
    "Tanh": lambda _: tanh(),
}
"""Operators that are layers without parameters."""

CURVES: Mapping[str, Callable[[Node], Result]] = {
    **{operator: _pointwise(layer) for operator, layer in ACTIVATIONS.items()},
    "Clip": _clip,
    "HardSigmoid": _hardsigmoid,
    "PRelu": _prelu,
    "Selu": _selu,
    "Swish": _swish,
}
"""What each of these operators becomes."""
