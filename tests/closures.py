"""Layers made of closures, right and wrong, for the tests of the kit; they keep every law but that of pickling."""

from typing import Any

import numpy as np

import fnmlp as fn
from fnmlp.testing.layers import LAYER_LAWS
from fnmlp.testing.magnitudes import spread


def layer(apply: Any, slope: Any, *, name: str = "mine()") -> fn.Layer[tuple[()]]:
    """Make an elementwise layer from a function and its supposed derivative."""

    def init(key: fn.Key, shape: fn.Shape) -> tuple[tuple[()], fn.Shape]:
        return (), shape

    def vjp(params: tuple[()], x: fn.Array, key: fn.Key | None) -> Any:
        return apply(x), lambda dy: ((), lambda: dy * slope(x))

    return fn.Layer(name, init, lambda params, x: apply(x), vjp)  # noqa: ARG005


PICKLING = LAYER_LAWS[-1]

UNPICKLED = LAYER_LAWS[:-1]


def away_from_zero(key: fn.Key, shape: fn.Shape) -> fn.Array:
    """Draw numbers of all sizes that are at least 1."""
    x = spread(key, shape)
    moved: fn.Array = x + np.sign(x)
    return moved
