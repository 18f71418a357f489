"""What each operator alone becomes: the pieces that it is made of, and the shape of a row after it."""

from collections.abc import Callable, Mapping
from math import inf, prod
from typing import Any, TypeAlias

import numpy as np

from fnmlp.arrays import Shape, read_only
from fnmlp.interop.onnx.library import helper
from fnmlp.interop.onnx.pieces import Affine, Made, Numbers, Piece, affine, linear_of
from fnmlp.interop.onnx.streams import Node, Stream
from fnmlp.layer import Layer
from fnmlp.layers import (
    Embedding,
    LayerNorm,
    Prelu,
    RmsNorm,
    activations,
    celu,
    columns,
    dropout,
    elu,
    embedding,
    exponential,
    flatten,
    gelu,
    hardsigmoid,
    hardswish,
    hardtanh,
    identity,
    layer_norm,
    leaky_relu,
    log_softmax,
    mish,
    prelu,
    relu,
    relu6,
    rms_norm,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    tanh,
)

Result: TypeAlias = tuple[tuple[Piece, ...], Shape, str]
"""The pieces, the shape of a row, and the dtype."""

FLOATS = ("float32", "float64")

WHOLE = ("bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
"""The dtypes that `scale` converts to floats."""


def _kept(node: Node, *pieces: Piece) -> Result:
    return pieces, node.x.example, node.x.dtype


def _pointwise(layer: Callable[[Node], Layer[Any]]) -> Callable[[Node], Result]:
    return lambda node: _kept(node, Made(layer(_of_floats(node))))


def _of_floats(node: Node) -> Node:
    if node.x.dtype not in FLOATS:
        raise node.refused("floats", node.x.dtype)
    return node


def _selu(node: Node) -> Result:
    """Return `selu`, or a scaled `elu` for constants of another program."""
    alpha, gamma = node.option("alpha", activations.SELU_ALPHA), node.option("gamma", activations.SELU_SCALE)
    dtype = _of_floats(node).x.dtype
    if _close(alpha, activations.SELU_ALPHA) and _close(gamma, activations.SELU_SCALE):
        return _kept(node, Made(selu()))
    return _kept(node, Made(elu(alpha=alpha)), affine(dtype, factor=gamma))


def _hardsigmoid(node: Node) -> Result:
    """Return `hardsigmoid`, after a map of its inputs if the slope is another."""
    alpha, beta, dtype = node.option("alpha", 0.2), node.option("beta", 0.5), _of_floats(node).x.dtype
    if _close(alpha, 1 / 6) and beta == 0.5:
        return _kept(node, Made(hardsigmoid()))
    return _kept(node, affine(dtype, factor=6 * alpha, offset=6 * (beta - 0.5)), Made(hardsigmoid()))


def _swish(node: Node) -> Result:
    """Return `silu`, between two maps if the slope in its sigmoid is another."""
    alpha, dtype = node.option("alpha", 1.0), _of_floats(node).x.dtype
    if not np.isfinite(alpha) or not alpha:
        raise node.refused("a finite alpha other than 0", alpha)
    return _kept(node, affine(dtype, factor=alpha), Made(silu()), affine(dtype, factor=1 / alpha))


def _close(value: float, usual: float) -> bool:
    return abs(value - usual) <= 1e-6 * abs(usual)


def _clip(node: Node) -> Result:
    """Return the layer that has these limits, or `hardtanh` between two maps."""
    least, most, dtype = node.number(1, "min"), node.number(2, "max"), _of_floats(node).x.dtype
    far = float(np.finfo(dtype).max)
    limits = -inf if least is None or least <= -far else least, inf if most is None or most >= far else most
    for layer, known in ((identity, (-inf, inf)), (relu, (0, inf)), (relu6, (0, 6)), (hardtanh, (-1, 1))):
        if limits == known:
            return _kept(node, Made(layer()))
    middle, half = (limits[0] + limits[1]) / 2, (limits[1] - limits[0]) / 2
    if not 0 < half < inf:
        raise node.refused("two limits, or only 0 below", limits)
    before = affine(dtype, factor=1 / half, offset=-middle / half)
    return _kept(node, before, Made(hardtanh()), affine(dtype, factor=half, offset=middle))


def _along(node: Node, made: Callable[..., Layer[Any]]) -> Layer[Any]:
    rank = len(node.x.example) + 1
    axis = node.option("axis", -1 if node.opset >= 13 else 1)
    place = axis + rank if axis < 0 else axis
    if not 0 <= place < rank or (node.opset < 13 and place != rank - 1):
        raise node.refused(f"an axis of {rank}", axis)
    return made() if place == rank - 1 else made(axis=place)


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


def _per_feature(node: Node, numbers: Numbers, example: Shape) -> Numbers:
    """Return one number for all features, or one for each."""
    if numbers.dtype.kind != "f":
        raise node.refused("floats", numbers.dtype)
    if numbers.size == 1 and numbers.ndim <= len(example) + 1:
        return numbers.reshape(())
    if len(example) == 1 and numbers.size == example[0] and numbers.shape in (example, (1, *example)):
        return numbers.reshape(example)
    raise node.refused(f"one number, or one for each feature of {example}", f"shape {numbers.shape}")


def _shift(node: Node, numbers: Numbers, example: Shape) -> Affine:
    return affine(str(numbers.dtype), offset=_per_feature(node, numbers, example))


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
        factor, offset = of(_per_feature(node, numbers.astype(np.float64), x.example))
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
    return _kept(node, Made(layer_norm(epsilon=epsilon), LayerNorm(gain, offset)))


def _rms_norm(node: Node) -> Result:
    gain = node.needed(1)
    return _kept(node, Made(rms_norm(epsilon=_of_rows(node, gain, 1e-5)), RmsNorm(gain)))


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
    return _kept(node, affine(x.dtype, factor=factor, offset=offset - mean * factor))


def _scaler(node: Node) -> Result:
    """Subtract an offset and multiply: the scalers of scikit-learn, as skl2onnx writes them."""
    x = node.x
    told = [np.asarray(node.options.get(name, []), np.float32) for name in ("offset", "scale")]
    if x.dtype != "float32":
        raise node.refused("float32", x.dtype)
    center, factor = (_per_feature(node, numbers, x.example).astype(np.float64) for numbers in told)
    return _kept(node, affine(x.dtype, factor=factor, offset=-center * factor))


def _flatten(node: Node) -> Result:
    axis, rank = node.option("axis", 1), len(node.x.example) + 1
    if axis not in (1, 1 - rank):
        raise node.refused("axis 1, which keeps the rows", axis)
    return _reshaped(node, (prod(node.x.example),))


def _reshape(node: Node) -> Result:
    wanted, example = node.integers(1, "shape"), node.x.example
    if not wanted or wanted[0] not in ({0, -1, node.rows} if node.rows else {0, -1}):
        raise node.refused("a shape that keeps the rows", wanted)
    rest = wanted[1:]
    if not node.option("allowzero", 0):
        rest = [example[place] if size == 0 and place < len(example) else size for place, size in enumerate(rest)]
    if rest.count(-1) == 1 and (known := prod(size for size in rest if size != -1)) > 0:
        rest = [prod(example) // known if size == -1 else size for size in rest]
    if min(rest, default=0) < 0 or prod(rest) != prod(example):
        raise node.refused(f"a shape that keeps rows of {example}", wanted)
    return _reshaped(node, tuple(rest))


def _reshaped(node: Node, shape: Shape) -> Result:
    x = node.x
    if shape == x.example:
        return _kept(node)
    if len(shape) != 1:
        raise node.refused("rows that stay, or become flat", f"{x.example} -> {shape}")
    return (Made(flatten()),), shape, x.dtype


def _cast(node: Node) -> Result:
    before, after = node.x.dtype, str(helper.tensor_dtype_to_np_dtype(node.option("to", 1)))
    if after == before:
        return _kept(node)
    if before not in WHOLE or after not in FLOATS:
        raise node.refused("a conversion of integers to floats", f"{before} -> {after}")
    return (affine(after, casts=True),), node.x.example, after


def _identity(node: Node) -> Result:
    return _kept(node)


def _dropout(node: Node) -> Result:
    training, rate = node.constant(2), node.number(1, "ratio")
    if training is not None and np.any(training):
        raise node.refused("no training", "training_mode")
    rate = 0.5 if rate is None else float(str(np.float32(rate)))
    return _kept(node, *([Made(dropout(rate))] if 0 < rate < 1 else []))


def _prelu(node: Node) -> Result:
    slope = _per_feature(_of_floats(node), node.needed(1), node.x.example)
    return _kept(node, Made(prelu(per_feature=slope.ndim == 1), Prelu(read_only(slope.reshape(-1).copy()))))


def _gather(node: Node) -> Result:
    table, (ids,) = node.needed(0), node.streams
    if table.ndim != 2 or node.option("axis", 0) or len(ids.example) > 1 or 0 in table.shape or table.dtype.kind != "f":
        raise node.refused("rows of a table", f"shape {table.shape}")
    return (Made(embedding(*table.shape), Embedding(table)),), (*ids.example, table.shape[1]), str(table.dtype)


def _slice(node: Node) -> Result:
    (start, stop), (axes, steps) = (
        [node.integers(place, name) for place, name in named]
        for named in (((1, "starts"), (2, "ends")), ((3, "axes"), (4, "steps")))
    )
    rank = len(node.x.example)
    alone = rank > 0 and start is not None and stop is not None and len(start) == len(stop) == 1
    if start is None or stop is None or not alone or axes not in ([-1], [rank]) or steps not in (None, [1]):
        raise node.refused("features next to each other", f"{start} to {stop} along {axes} by {steps}")
    return _columns(node, *slice(start[0], stop[0]).indices(node.x.example[-1])[:2])


def _split(node: Node) -> Result:
    rank, sizes = len(node.x.example), node.integers(1, "split")
    if rank < 1 or node.option("axis", 0) not in (-1, rank):
        raise node.refused("a split of the features", node.option("axis", 0))
    width = node.x.example[-1]
    if sizes is None:
        size = -(-width // node.outputs)
        sizes = [min(size, width - size * place) for place in range(node.outputs)]
    if sum(sizes) != width or len(sizes) != node.outputs:
        raise node.refused(f"{node.outputs} sizes that add up to {width}", sizes)
    return _columns(node, sum(sizes[: node.output]), sum(sizes[: node.output + 1]))


def _columns(node: Node, start: int, stop: int) -> Result:
    if stop <= start:
        raise node.refused("some features", f"{start} to {stop}")
    return (Made(columns(start, stop)),), (*node.x.example[:-1], stop - start), node.x.dtype


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

OPERATORS: Mapping[str, Callable[[Node], Result]] = {
    **{operator: _pointwise(layer) for operator, layer in ACTIVATIONS.items()},
    "Add": _arithmetic(lambda numbers: (1.0, numbers), lambda numbers: (1.0, numbers)),
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Div": _arithmetic(lambda numbers: (1 / numbers, 0.0), None),
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "HardSigmoid": _hardsigmoid,
    "Identity": _identity,
    "LayerNormalization": _layer_norm,
    "MatMul": _matmul,
    "Mul": _arithmetic(lambda numbers: (numbers, 0.0), lambda numbers: (numbers, 0.0)),
    "PRelu": _prelu,
    "RMSNormalization": _rms_norm,
    "Reshape": _reshape,
    "Scaler": _scaler,
    "Selu": _selu,
    "Slice": _slice,
    "Split": _split,
    "Sub": _arithmetic(lambda numbers: (1.0, -numbers), lambda numbers: (-1.0, numbers)),
    "Swish": _swish,
}
"""What an operator of one stream becomes."""
