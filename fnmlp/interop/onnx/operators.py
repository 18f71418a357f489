"""What each operator alone becomes: a table, with the operators that are linear or normalize."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from fnmlp.arrays import Shape, read_only
from fnmlp.checks import FLOATS
from fnmlp.interop.onnx.curves import CURVES
from fnmlp.interop.onnx.moves import MOVES
from fnmlp.interop.onnx.pieces import Affine, Made, Numbers, affine, linear_of
from fnmlp.interop.onnx.streams import Node, Result, Stream, kept, per_feature
from fnmlp.layers import LayerNorm, RmsNorm, layer_norm, rms_norm


def _gemm(node: Node) -> Result:
    if node.option("transA", 0):
        raise node.refused("rows along the first axis", "transA=1")
    weight = node.needed(1)
    weight = weight.T if node.option("transB", 0) else weight
    factor, share = node.option("alpha", 1.0), node.option("beta", 1.0)
    pieces, example, dtype = _product(node, weight if factor == 1 else weight * weight.dtype.type(factor))
    bias = node.constant(2)
    if bias is None:
        return pieces, example, dtype
    return (*pieces, _shift(node, bias if share == 1 else bias * bias.dtype.type(share), example)), example, dtype


def _matmul(node: Node) -> Result:
    return _product(node, node.needed(1))


def _product(node: Node, weight: Numbers) -> Result:
    x = node.x
    if weight.ndim != 2 or x.example != weight.shape[:1] or 0 in weight.shape or str(weight.dtype) != x.dtype:
        got = f"{weight.dtype} {weight.shape} for rows of {x.dtype} {x.example}"
        raise node.refused("a matrix for rows of numbers", got)
    return (linear_of(read_only(weight.copy()), ()),), weight.shape[1:], x.dtype


def _shift(node: Node, numbers: Numbers, example: Shape) -> Affine:
    return affine(str(numbers.dtype), offset=per_feature(node, numbers, example))


Map: TypeAlias = Callable[[Numbers], tuple[Any, Any]]
"""A constant -> the factor and the offset of an affine map."""


def _arithmetic(forwards: Map, backwards: Map | None) -> Callable[[Node], Result]:
    """Return the rule of an operator of a stream and a constant, in this order and in the other."""

    def rule(node: Node) -> Result:
        if len(node.inputs) != 2 or len(node.streams) != 1:
            raise node.refused("one tensor that depends on the input, and a constant", len(node.streams))
        (x,), first = node.streams, isinstance(node.inputs[0], Stream)
        of, numbers = (forwards if first else backwards), node.needed(1 if first else 0)
        if of is None or x.dtype != str(numbers.dtype) or x.dtype not in FLOATS:
            raise node.refused("floats, and a constant as divisor", f"{x.dtype} and {numbers.dtype}")
        factor, offset = of(per_feature(node, numbers.astype(np.float64), x.example))
        if not np.isfinite(factor).all() or not np.isfinite(offset).all():
            raise node.refused("finite numbers", "others")
        return (affine(x.dtype, factor=factor, offset=offset),), x.example, x.dtype

    return rule


def _layer_norm(node: Node) -> Result:
    gain, offset = node.needed(1), node.constant(2)
    epsilon = _of_rows(node, gain, 1e-5)
    offset = np.zeros_like(gain) if offset is None else offset
    if offset.shape != gain.shape or offset.dtype != gain.dtype:
        raise node.refused(f"an offset of shape {gain.shape}", f"shape {offset.shape}")
    return kept(node, Made(layer_norm(epsilon=epsilon), LayerNorm(gain, offset)))


def _rms_norm(node: Node) -> Result:
    gain = node.needed(1)
    return kept(node, Made(rms_norm(epsilon=_of_rows(node, gain, 1e-5)), RmsNorm(gain)))


def _of_rows(node: Node, gain: Numbers, usual: float) -> float:
    """Return epsilon; raise unless a layer normalizes rows of features."""
    example = node.x.example
    if len(example) != 1 or node.option("axis", -1) not in (-1, 1) or gain.shape != example:
        raise node.refused("the normalization of rows of features", f"{example} with a gain of shape {gain.shape}")
    if str(gain.dtype) != node.x.dtype:
        raise node.refused(node.x.dtype, gain.dtype)
    return float(node.option("epsilon", usual))


def _batch_norm(node: Node) -> Result:
    x = node.x
    if len(x.example) != 1 or node.option("training_mode", 0):
        raise node.refused("rows of features, and no training", x.example)
    numbers = [node.needed(place).astype(np.float64) for place in range(1, 5)]
    if any(one.shape != x.example for one in numbers):
        raise node.refused(f"four arrays of shape {x.example}", [one.shape for one in numbers])
    gain, offset, mean, variance = numbers
    factor = gain / np.sqrt(variance + node.option("epsilon", 1e-5))
    if not np.isfinite(factor).all():
        raise node.refused("variances above 0", "others")
    return kept(node, affine(x.dtype, factor=factor, offset=offset - mean * factor))


def _scaler(node: Node) -> Result:
    """Subtract an offset and multiply: the scalers of scikit-learn, as skl2onnx writes them."""
    x = node.x
    told = [np.asarray(node.options.get(name, []), np.float32) for name in ("offset", "scale")]
    if x.dtype != "float32":
        raise node.refused("float32", x.dtype)
    center, factor = (per_feature(node, numbers, x.example).astype(np.float64) for numbers in told)
    return kept(node, affine(x.dtype, factor=factor, offset=-center * factor))


OPERATORS: Mapping[str, Callable[[Node], Result]] = {
    **CURVES,
    **MOVES,
    "Add": _arithmetic(lambda numbers: (1.0, numbers), lambda numbers: (1.0, numbers)),
    "BatchNormalization": _batch_norm,
    "Div": _arithmetic(lambda numbers: (1 / numbers, 0.0), None),
    "Gemm": _gemm,
    "LayerNormalization": _layer_norm,
    "MatMul": _matmul,
    "Mul": _arithmetic(lambda numbers: (numbers, 0.0), lambda numbers: (numbers, 0.0)),
    "RMSNormalization": _rms_norm,
    "Scaler": _scaler,
    "Sub": _arithmetic(lambda numbers: (1.0, -numbers), lambda numbers: (-1.0, numbers)),
}
"""What an operator of one stream becomes."""
