"""What single nodes of a graph become: layers with their parameters, and affine maps that join those beside them."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from attrs import evolve, frozen
import numpy as np
from numpy.typing import NDArray

from fnmlp.arrays import read_only
from fnmlp.errors import StructureError
from fnmlp.layer import Layer
from fnmlp.layers import LayerNorm, Linear, Rescale, RmsNorm, linear, rescale, scale

Numbers: TypeAlias = NDArray[Any]


@frozen(eq=False)
class Made:
    """A layer and its parameters."""

    layer: Layer[Any]
    params: Any = ()


@frozen(eq=False)
class Affine:
    """A factor and an offset, each for all features or one for each: x · factor + offset, in float64."""

    factor: Numbers
    offset: Numbers
    dtype: str
    casts: bool = False

    @property
    def single(self) -> bool:
        """Whether there is one factor and one offset for all features."""
        return self.factor.ndim == 0 and self.offset.ndim == 0


Piece: TypeAlias = Made | Affine


def affine(dtype: str, *, factor: Any = 1.0, offset: Any = 0.0, casts: bool = False) -> Affine:
    """Make an affine map of numbers of any dtype.

    >>> affine("float32", offset=[1, 2]).offset
    array([1., 2.])
    """
    return Affine(np.asarray(factor, np.float64), np.asarray(offset, np.float64), dtype, casts)


def joined(pieces: Iterable[Piece]) -> list[Made]:
    """Join affine maps with each other and with the linear and normalizing layers before them.

    Others become `scale` or `rescale`.
    """
    made: list[Piece] = []
    for piece in pieces:
        before = made[-1] if made else None
        together = _joined(before, piece) if before is not None and isinstance(piece, Affine) else None
        made[len(made) - (together is not None) :] = [piece if together is None else together]
    return [layer for piece in made for layer in _layers(piece)]


def _joined(before: Piece, after: Affine) -> Piece | None:
    """Return one piece that does what both do, or None if there is none."""
    if after.casts:
        return None
    if isinstance(before, Affine):
        return evolve(before, factor=before.factor * after.factor, offset=before.offset * after.factor + after.offset)
    params, shifts = before.params, bool((after.factor == 1).all())
    if isinstance(params, Linear) and before.layer.name.startswith("linear(") and (shifts or not after.single):
        return _after_linear(params, after)
    if isinstance(params, LayerNorm):
        gain, offset = params.gain, params.offset
        return Made(before.layer, LayerNorm(_times(gain, after), _shifted(_times(offset, after), after)))
    if isinstance(params, RmsNorm) and not after.offset.any():
        return Made(before.layer, RmsNorm(_times(params.gain, after)))
    return None


def _after_linear(params: Linear, after: Affine) -> Made:
    weight, bias = params.weight, params.bias
    if not isinstance(bias, tuple):
        bias = _shifted(_times(bias, after), after)
    elif after.offset.ndim or after.offset != 0:
        bias = read_only(np.broadcast_to(after.offset, weight.shape[1:]).astype(weight.dtype))
    return linear_of(_times(weight, after), bias)


def linear_of(weight: Numbers, bias: Numbers | tuple[()]) -> Made:
    """Return the linear layer of a weight (in, out), and a bias (out,) or ()."""
    return Made(linear(weight.shape[1], bias=not isinstance(bias, tuple)), Linear(weight, bias))


def _times(x: Numbers, after: Affine) -> Numbers:
    """Multiply by the factor; where it is 1, the parameters stay the very same."""
    return x if (after.factor == 1).all() else read_only((x * after.factor).astype(x.dtype))


def _shifted(x: Numbers, after: Affine) -> Numbers:
    return read_only((x + after.offset).astype(x.dtype)) if after.offset.any() else x


def _layers(piece: Piece) -> Iterator[Made]:
    if isinstance(piece, Made):
        yield piece
    elif piece.single:
        if piece.casts or piece.factor != 1 or piece.offset != 0:
            yield Made(scale(float(piece.factor), offset=float(piece.offset), dtype=piece.dtype))
    else:
        if piece.casts:
            yield Made(scale(1.0, dtype=piece.dtype))
        yield Made(rescale(), _rescaling(piece))


def _rescaling(piece: Affine) -> Rescale:
    factor, offset = np.broadcast_arrays(piece.factor, piece.offset)
    if (offset[factor == 0] != 0).any():
        remedy = "leave out the features that it makes constant"
        raise StructureError("import_onnx", "factors other than 0 for a feature with an offset", 0, remedy)
    center = np.divide(-offset, factor, out=np.zeros_like(offset), where=factor != 0)
    return Rescale(*(read_only(part.astype(piece.dtype)) for part in (center, factor)))
