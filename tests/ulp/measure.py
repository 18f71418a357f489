"""Measure the errors of an activation and its derivative in units in the last place, over all float32 numbers."""

from collections.abc import Callable, Iterator
from typing import Any

from attrs import frozen
import numpy as np
from numpy.typing import NDArray

from fnmlp.layer import Layer
from tests.ulp.references import Float64, Reference

Float32 = NDArray[np.float32]
CHUNK = 2**20
PATTERNS = 2**32


@frozen
class Worst:
    """The largest error in ULP, and the number at which it occurs."""

    ulp: float
    x: float


def patterns(stride: int, offset: int = 0) -> Iterator[Float32]:
    """Yield the finite numbers among every `stride`-th of the 2**32 bit patterns, in pieces."""
    for first in range(offset, PATTERNS, CHUNK * stride):
        bits = np.arange(first, min(first + CHUNK * stride, PATTERNS), stride, dtype=np.uint64).astype(np.uint32)
        x = bits.view(np.float32)
        yield x[np.isfinite(x)]


def errors(found: Float32, exact: Float64) -> Float64:
    """Return the distance in units in the last place of float32 at the exact value; infinity for NaN."""
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float32)
    unit = np.spacing(np.abs(np.where(np.isfinite(rounded), rounded, np.finfo(np.float32).max))).astype(np.float64)
    with np.errstate(invalid="ignore"):
        # Infinity takes the place of the number after the largest, so that overflow counts in units too.
        distance = np.abs(_bounded(found.astype(np.float64)) - _bounded(exact)) / unit
    distance[found == rounded] = np.minimum(distance[found == rounded], 0.5)
    distance[np.isnan(distance)] = np.inf
    return distance


def _bounded(x: Float64) -> Float64:
    return np.clip(x, -(2.0**128), 2.0**128)


def worst(layer: Layer[Any], reference: Reference, *, stride: int) -> tuple[Worst, Worst]:
    """Return the worst errors of an activation and of its derivative over every `stride`-th float32 number."""
    of_value = of_slope = Worst(0.0, 0.0)
    value, slope = reference
    with np.errstate(all="ignore"):
        for x in patterns(stride):
            y, pullback = layer.vjp((), x, None)
            of_value = _worse(of_value, x, y, value)
            of_slope = _worse(of_slope, x, pullback(np.ones_like(x))[1](), slope)
    return of_value, of_slope


def _worse(so_far: Worst, x: Float32, found: Float32, exact: Callable[[Float64], Float64]) -> Worst:
    if not x.size:
        return so_far
    distance = errors(found, exact(x.astype(np.float64)))
    place = int(np.argmax(distance))
    return Worst(float(distance[place]), float(x[place])) if distance[place] > so_far.ulp else so_far
