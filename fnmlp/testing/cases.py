"""One trial of a layer: what the laws of layers are checked on, and the layouts that memory comes in."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeAlias

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array, Shape
from fnmlp.key import Key, fold_in
from fnmlp.layer import Layer
from fnmlp.testing.numeric import cast, normal, random_like
from fnmlp.testing.report import expect_same_bits
from fnmlp.tree import Tree, tree_map, tree_paths

Draw: TypeAlias = Callable[[Key, Shape], Array]
"""(key, shape with the batch axis) -> inputs: normally distributed unless a layer needs others."""


@frozen(slots=False, eq=False)
class LayerCase:
    """One trial: a layer, the shape of an example, and a key that everything random in it comes from.

    `noisy`    the layer draws noise where a key is given.
    `rowwise`  the layer treats each row of a batch by itself.
    """

    layer: Layer[Any]
    example: Shape
    key: Key
    rows: int = 3
    draw: Draw = normal
    noisy: bool = False
    rowwise: bool = True

    @cached_property
    def params(self) -> Tree:
        """Parameters in float64: what init drew, moved a little so that zeros and ones are not special."""
        drawn = cast(self.layer.init(fold_in(self.key, 0), self.example)[0], np.float64)
        return tree_map(lambda p, noise: p + noise / 8, drawn, random_like(drawn, fold_in(self.key, 1)))

    @cached_property
    def x(self) -> Array:
        """Inputs, in float64 unless they are integers."""
        x = self.draw(fold_in(self.key, 2), (self.rows, *self.example))
        return x if x.dtype.kind in "iub" else x.astype(np.float64)

    @cached_property
    def dy(self) -> Array:
        """A cotangent of the output, in the output's dtype."""
        y = self.layer.apply(self.params, self.x)
        return normal(fold_in(self.key, 3), y.shape).astype(y.dtype)

    @property
    def differentiable(self) -> bool:
        """Whether the input has a derivative; integers have none."""
        return self.x.dtype.kind == "f"

    def run(self, params: Tree, x: Array, dy: Array, key: Key | None = None) -> tuple[Array, Tree, Array]:
        """Return the output, and the gradients of the parameters and of the input."""
        y, pullback = self.layer.vjp(params, x, key)
        dparams, delayed_dx = pullback(dy)
        return y, dparams, delayed_dx()

    def gradients(self, params: Tree, x: Array, dy: Array, key: Key | None = None) -> tuple[Any, ...]:
        """Return the gradients of the parameters, and of the input where it has one."""
        return self.run(params, x, dy, key)[1:] if self.differentiable else self.run(params, x, dy, key)[1:2]

    def parts(self, key: Key | None = None) -> list[tuple[Any, ...]]:
        """Return the gradients of the rows of dy, one by one: their sum is the gradient."""
        rows = np.eye(len(self.dy))
        return [self.gradients(self.params, self.x, (self.dy.T * row).T, key) for row in rows]

    def as_float32(self) -> tuple[Tree, Array, Array]:
        """Return parameters, inputs and cotangent in float32."""
        x = self.x.astype(np.float32) if self.differentiable else self.x
        return cast(self.params, np.float32), x, self.dy.astype(np.float32)


def expect_same_tree(where: str, expected: Tree, got: Tree) -> None:
    """Refuse two trees that differ anywhere in any bit."""
    for (path, left), (_, right) in zip(tree_paths(expected, where), tree_paths(got, where), strict=True):
        expect_same_bits(path, left, right)


def _strided(x: Array) -> Array:
    wide = np.full((*x.shape, 2), 7, dtype=x.dtype)
    wide[..., 0] = x
    return wide[..., 0]


def _reversed(x: Array) -> Array:
    return np.flip(np.flip(x).copy())


def _read_only(x: Array) -> Array:
    copy = x.copy()
    copy.setflags(write=False)
    return copy


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "strided": _strided,
    "reversed": _reversed,
    "Fortran-ordered": np.asfortranarray,
    "read-only": _read_only,
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
}
