"""Layers from streams: sequences, branches that join, and layers that are written in several nodes."""

from collections.abc import Sequence
from typing import Any

from fnmlp.combinators import add, chain, concat, residual
from fnmlp.errors import StructureError
from fnmlp.interop.onnx.pieces import Made, Piece, joined
from fnmlp.interop.onnx.recognition import REGION, between, recognised
from fnmlp.interop.onnx.streams import Node, Stream
from fnmlp.layers import identity

DEPTH = 32
"""How deep branches may lie in each other."""


def assembled(y: Stream, x: Stream) -> Made:
    """Return the layer that leads from the input to the output, and its parameters."""
    return _sequence(_between(y, x, set(), 0))


def _sequence(pieces: Sequence[Piece]) -> Made:
    made = joined(pieces) or [Made(identity())]
    if len(made) == 1:
        return made[0]
    return Made(chain(*(one.layer for one in made)), tuple(one.params for one in made))


def _between(y: Stream, start: Stream, used: set[Stream], depth: int) -> list[Piece]:
    """Return the pieces that lead from one stream to another, which all paths from the input pass."""
    backwards: list[Sequence[Piece]] = []
    while y is not start:
        node = y.node
        if node is None or depth > DEPTH:
            raise StructureError("import_onnx", f"branches that lie at most {DEPTH} deep", "more", "simplify the model")
        whole = _whole(y, start)
        if whole is not None:
            pieces, region, before = whole
        elif y.pieces is not None:
            pieces, region, before = y.pieces, [y], node.streams[0]
        else:
            pieces, region, before = (_branches(y, node, used, depth),), [y], y.dominator or start
        if used.intersection(region):
            raise node.refused("branches that share no nodes", "some that do")
        used.update(region)
        backwards.append(pieces)
        y = before
    return [piece for pieces in reversed(backwards) for piece in pieces]


def _whole(y: Stream, start: Stream) -> tuple[tuple[Piece, ...], list[Stream], Stream] | None:
    """Return a layer that is written in several nodes and ends here, those nodes, and the stream before them."""
    regions: list[tuple[list[Stream], Stream]] = []
    before = y
    while before is not start and before.dominator is not None and len(regions) < REGION:
        before = before.dominator
        region = between(y, before)
        if region is None:
            break
        if any(stream.pieces is None for stream in region):
            regions.append((region, before))
    for region, before in reversed(regions):
        made = recognised(region, before)
        if made is not None:
            return (made,), region, before
    return None


def _branches(y: Stream, node: Node, used: set[Stream], depth: int) -> Made:
    """Return the layer of branches that part at a stream and join at another."""
    start = y.dominator
    if start is None or len(node.streams) < 2 or len(node.streams) < len(node.inputs) or y.refusal is None:
        raise y.refusal or node.refused("branches", "none")
    if node.operator not in ("Add", "Concat"):
        raise node.refused("branches that are added or joined, or a layer of fnmlp's in several nodes", node.operator)
    parts = [_between(one, start, used, depth + 1) for one in node.streams]
    if node.operator == "Concat":
        return _beside(concat, parts)
    if len({one.example for one in node.streams}) > 1:
        raise node.refused("branches of one shape", [one.example for one in node.streams])
    if len(parts) == 2 and sum(not part for part in parts) == 1:
        inside = _sequence(parts[0] or parts[1])
        return Made(residual(inside.layer), inside.params)
    return _beside(add, parts)


def _beside(combinator: Any, parts: Sequence[Sequence[Piece]]) -> Made:
    made = [*map(_sequence, parts)]
    return Made(combinator(*(one.layer for one in made)), tuple(one.params for one in made))
