"""Networks that see a shifted image: the weights of their first layer are shifted, and the image is not."""

from collections.abc import Iterator, Sequence
from typing import Any

from attrs import evolve
import numpy as np

from fnmlp.arrays import Array, Shape
from fnmlp.layers.affine import Linear
from fnmlp.tree import Tree

STEPS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
"""Shifts by up to one pixel: down and to the right; the first leaves the image in its place."""


def shifted_views(params: Sequence[Tree], shape: Shape) -> Iterator[tuple[Tree, ...]]:
    """Yield the parameters of a chain for the image in its place, and for its shifts by one pixel in four directions.

    The first layer with weights sums weight times pixel. So moving the weights against the shift gives the same sum as
    moving the image. Pixels that come in at the border count as 0.
    """
    place = next(place for place, own in enumerate(params) if isinstance(own, Linear))
    for down, right in STEPS:
        first: Any = params[place]
        moved = evolve(first, weight=weight_shifted(first.weight, shape, down, right))
        yield (*params[:place], moved, *params[place + 1 :])


def weight_shifted(weight: Array, shape: Shape, down: int, right: int) -> Array:
    """Return the weights that give for an image what the given ones give for the shifted image.

    Shapes:   (height * width, units), with `shape` = (height, width); kept.

    >>> weight_shifted(np.array([[1], [2], [3], [4]]), (2, 2), 0, 1).tolist()  # the image moves to the right
    [[2], [0], [4], [0]]
    """
    height, width = shape
    grid = np.asarray(weight).reshape(height, width, -1)
    framed = np.pad(grid, ((1, 1), (1, 1), (0, 0)))
    return framed[1 + down : 1 + down + height, 1 + right : 1 + right + width].reshape(weight.shape)
