"""What the wrong layers are made of: a forward pass, and a backward pass with a chosen mistake."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from attrs import field, frozen
import numpy as np

import fnmlp as fn

Array: TypeAlias = Any
"""NumPy's: these layers know no other library."""


@frozen
class Slip:
    """What was made, a slip in one sentence, the layer that makes it, and the same code without it."""

    made: str
    says: str
    wrong: fn.Layer[Any]
    right: fn.Layer[Any]
    example: tuple[int, ...] = (3,)
    options: dict[str, Any] = field(factory=dict)

    def __str__(self) -> str:
        return f"{self.made}: {self.says}"


def slips(
    make: Callable[[str], fn.Layer[Any]], *says: str, example: tuple[int, ...] = (3,), **options: Any
) -> list[Slip]:
    """List the slips of one layer, which it makes when it is told their sentence, and none if told nothing."""
    return [Slip(make.__name__, text, make(text), make(""), example, options) for text in says]


def layer(
    name: str,
    apply: Callable[[Any, Array], Array],
    pull: Callable[[Any, Array, Array], tuple[Any, Array]],
    init: Callable[[fn.Key, fn.Shape], tuple[Any, fn.Shape]] | None = None,
) -> fn.Layer[Any]:
    """Make a layer without noise of its forward pass, and of (params, x, dy) -> (their gradient, dx)."""
    return fn.Layer(f"{name}()", init or _no_parameters, apply, partial(_vjp, apply, pull))


def _no_parameters(key: fn.Key, shape: fn.Shape) -> tuple[Any, fn.Shape]:
    return (), shape


def _vjp(apply: Any, pull: Any, params: Any, x: Array, key: fn.Key | None) -> Any:
    return apply(params, x), partial(_pullback, pull, params, x)


def _pullback(pull: Any, params: Any, x: Array, dy: Array) -> Any:
    gradient, dx = pull(params, x, dy)
    return gradient, lambda: dx


def normal(key: fn.Key, shape: fn.Shape) -> Array:
    return fn.generator(key).standard_normal(shape).astype(np.float32)


def bell(x: Array) -> Array:
    """Return the slope of tanh, without an overflow far out."""
    e = np.exp(-np.abs(x))
    return (2 * e / (1 + e * e)) ** 2
