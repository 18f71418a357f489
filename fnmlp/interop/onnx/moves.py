"""What operators that move, choose or convert numbers become, or those that do nothing in inference."""

from collections.abc import Callable, Mapping
from math import prod

import numpy as np

from fnmlp.arrays import Shape
from fnmlp.checks import FLOATS
from fnmlp.interop.onnx.library import helper
from fnmlp.interop.onnx.pieces import Made, affine
from fnmlp.interop.onnx.streams import Node, Result, kept
from fnmlp.layers import Embedding, columns, dropout, embedding, flatten

WHOLE = ("bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
"""The dtypes that `scale` converts to floats."""


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
        return kept(node)
    if len(shape) != 1:
        raise node.refused("rows that stay, or become flat", f"{x.example} -> {shape}")
    return (Made(flatten()),), shape, x.dtype


def _cast(node: Node) -> Result:
    before, after = node.x.dtype, str(helper.tensor_dtype_to_np_dtype(node.option("to", 1)))
    if after == before:
        return kept(node)
    if before not in WHOLE or after not in FLOATS:
        raise node.refused("a conversion of integers to floats", f"{before} -> {after}")
    return (affine(after, casts=True),), node.x.example, after


def _identity(node: Node) -> Result:
    return kept(node)


def _dropout(node: Node) -> Result:
    training, rate = node.constant(2), node.number(1, "ratio")
    if training is not None and np.any(training):
        raise node.refused("no training", "training_mode")
    rate = 0.5 if rate is None else float(str(np.float32(rate)))
    return kept(node, *([Made(dropout(rate))] if 0 < rate < 1 else []))


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


MOVES: Mapping[str, Callable[[Node], Result]] = {
    "Cast": _cast,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Gather": _gather,
    "Identity": _identity,
    "Reshape": _reshape,
    "Slice": _slice,
    "Split": _split,
}
"""What each of these operators becomes."""
