"""A model at a glance: its layers, their output shapes and parameters."""

from collections.abc import Iterator
from functools import partial
from itertools import groupby
from math import prod
from typing import Any, TypeAlias

from attrs import evolve, frozen

from fnmlp.arrays import Shape
from fnmlp.checks import as_shape, check_kind
from fnmlp.key import Key, OutlineKey
from fnmlp.layer import Layer, with_parts
from fnmlp.tree import Tree, tree_leaves

__all__ = ["summary"]

WIDEST = 48
"""The number of characters of a name that a table shows; a name with the means of many features has thousands."""

Row: TypeAlias = tuple[str, str, str, str]
"""A name, a shape, a number of parameters, and a remark."""


def summary(model: Layer[Any], example: Shape) -> str:
    """Return a table of a model's layers, their output shapes and their numbers of parameters, to print.

    The layers of a combinator are indented below it. Equal layers in a row share a line, as in "3 x linear(4)", with
    the parameters of all of them. Of tied layers the first has the parameters, and the others are marked "shared".
    Parameters inside `frozen` are marked, and have their own total. No numbers are drawn, so this works at once even
    for a model that would not fit in memory.
    Shapes:   those of one example, without the batch axis, as in `example`.
    Units:    bytes of float32 parameters. Gradients need as much memory again, and so does each of an optimiser's
              averages.
    Raises:   StructureError unless the model is a layer; ShapeError unless the example is a shape; whatever the layers
              raise at init, with the place added.

    >>> from fnmlp.combinators import chain, residual
    >>> from fnmlp.layers import flatten, linear, relu
    >>> print(summary(chain(flatten(), linear(64), residual(chain(relu(), linear(64))), linear(10)), (8, 8)))
    Layer           Output shape  Parameters
    flatten()       (64,)                  0
    linear(64)      (64,)              4,160
    residual        (64,)
      chain         (64,)
        relu()      (64,)                  0
        linear(64)  (64,)              4,160
    linear(10)      (10,)                650
    Total                              8,970  35.9 kB
    """
    check_kind("summary(model)", model, Layer, "linear(10)")
    outline, _ = _outlined(model, OutlineKey(0), as_shape("summary(example)", example))
    rows = [("Layer", "Output shape", "Parameters", ""), *_rows(outline), *_totals(outline)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        f"{name:{widths[0]}}  {shape:{widths[1]}}  {size:>{widths[2]}}  {remark}".rstrip()
        for name, shape, size, remark in rows
    )


@frozen(eq=False)
class _Outline:
    """Hold what `init` told about a layer: its number of parameters, its output shape, and the layers inside."""

    name: str
    size: int
    shape: Shape
    parts: tuple["_Outline", ...]

    @property
    def constructor(self) -> str:
        return self.name.partition("(")[0]

    def looks(self) -> tuple[Any, ...]:
        """Return the fields that decide whether two outlines look the same."""
        return (self.name, self.size, self.shape, *(part.looks() for part in self.parts))


def _outlined(layer: Layer[Any], key: Key, shape: Shape) -> tuple[_Outline, Tree]:
    """Initialize a layer, and record its parts."""
    parts: list[_Outline] = []
    params, out = with_parts(layer, map(partial(_watched, parts), layer.parts)).init(key, shape)
    size = sum(prod(leaf.shape) for leaf in tree_leaves(params))
    return _Outline(layer.name, size, out, tuple(parts)), params


def _watched(parts: list[_Outline], part: Layer[Any]) -> Layer[Any]:
    """Return a copy of a layer that records its outline at init."""
    return evolve(part, init=partial(_watched_init, part, parts))


def _watched_init(layer: Layer[Any], parts: list[_Outline], key: Key, shape: Shape) -> tuple[Tree, Shape]:
    outline, params = _outlined(layer, key, shape)
    parts.append(outline)
    return params, outline.shape


def _rows(outline: _Outline) -> Iterator[Row]:
    """Yield a row for each layer of a model, without one for the outermost chain."""
    if outline.constructor == "chain" and outline.parts:
        return _rows_of_parts(outline, "", 1, "")
    return _rows_of(outline, "", 1, 1, "")


def _rows_of(outline: _Outline, indent: str, copies: int, times: int, remark: str) -> Iterator[Row]:
    """Yield the rows of a layer that occurs `copies` times in a row, and `times` times in all."""
    own = outline.size - sum(part.size for part in outline.parts)
    name = outline.constructor if outline.parts else _short(outline.name)
    size = f"{times * own:,}" if own > 0 or not outline.parts else ""
    if remark == "shared" and own > 0:
        size = remark
    label = f"{indent}{copies} x {name}" if copies > 1 else f"{indent}{name}"
    yield label, str(outline.shape), size, "frozen" if remark == "frozen" and own > 0 else ""
    yield from _rows_of_parts(outline, f"{indent}  ", times, remark)


def _rows_of_parts(outline: _Outline, indent: str, times: int, remark: str) -> Iterator[Row]:
    parts = [(_remark(outline.constructor, place, remark), part) for place, part in enumerate(outline.parts)]
    for _, run in groupby(parts, lambda pair: (pair[0], pair[1].looks())):
        alike = [*run]
        yield from _rows_of(alike[0][1], indent, len(alike), times * len(alike), alike[0][0])


def _remark(constructor: str, place: int, inherited: str) -> str:
    """Say what becomes of the parameters of the layer at a place of a combinator."""
    if constructor == "tied" and place:
        return "shared"
    return "frozen" if constructor == "frozen" else inherited


def _totals(outline: _Outline) -> Iterator[Row]:
    held = _held(outline)
    yield "Total", "", f"{outline.size + held:,}", _bytes(outline.size + held)
    if held:
        yield "Trainable", "", f"{outline.size:,}", _bytes(outline.size)
        yield "Frozen", "", f"{held:,}", _bytes(held)


def _held(outline: _Outline) -> int:
    """Count the parameters that layers hold as options."""
    own = sum(part.size for part in outline.parts) if outline.constructor == "frozen" else 0
    return own + sum(map(_held, outline.parts))


def _bytes(numbers: int) -> str:
    size = 4 * numbers
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"


def _short(name: str) -> str:
    return name if len(name) <= WIDEST else f"{name[: WIDEST - 1]}…"
