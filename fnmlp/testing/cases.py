"""One trial of a layer, on which the laws are checked, and the memory layouts that it uses."""

from collections.abc import Callable
from functools import cached_property
from math import prod
from typing import Any, TypeAlias

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array, Shape
from fnmlp.key import Key, fold_in
from fnmlp.layer import Layer
from fnmlp.testing.magnitudes import spread
from fnmlp.testing.numeric import cast, normal, random_like
from fnmlp.testing.report import expect_close, expect_same_bits
from fnmlp.testing.rounding import answers, largest, nudged, row_maxima
from fnmlp.tree import Tree, tree_leaves, tree_map, tree_paths

Draw: TypeAlias = Callable[[Key, Shape], Array]
"""(key, shape with the batch axis) -> inputs; normally distributed by default."""

SHRINKINGS = 12
"""The number of times that inputs are divided by 4 if outputs overflow; then they are used anyway."""

LARGEST_OUTPUT = 1e30
"""The largest outputs allowed; larger ones come too near the limit of float32."""


@frozen(slots=False, eq=False)
class LayerCase:
    """Hold one trial: a layer, the shape of an example, and the key for everything random.

    `noisy`    the layer draws noise if it gets a key.
    `rowwise`  the layer treats each row of a batch by itself.
    `kinks`    inputs where the derivative jumps.
    `spread`   which of "inputs", "params", "cotangents" are drawn over magnitudes from 1e-3 to 1e3.
    `repeats`  the last row of inputs repeats the first.
    """

    layer: Layer[Any]
    example: Shape
    key: Key
    rows: int = 3
    draw: Draw = normal
    noisy: bool = False
    rowwise: bool = True
    kinks: tuple[float, ...] = ()
    spread: tuple[str, ...] = ()
    repeats: bool = False

    @cached_property
    def params(self) -> Tree:
        """Parameters in float64: those of init, moved a little so that zeros and ones are not special."""
        return self._point[0]

    @cached_property
    def x(self) -> Array:
        """Inputs, in float64 unless they are integers."""
        return self._point[1]

    @cached_property
    def _point(self) -> tuple[Tree, Array]:
        """Parameters and inputs, as widely spread as outputs bear: from what overflows, 2 powers of ten are taken."""
        drawn = cast(self.layer.init(fold_in(self.key, 0), self.example)[0], np.float64)
        params = tree_map(lambda p, noise: p + noise / 8, drawn, random_like(drawn, fold_in(self.key, 1)))
        x = self.inputs(fold_in(self.key, 2))
        wide = self.draw is normal and "inputs" in self.spread
        tried = params
        for shrunk in range(SHRINKINGS):
            tried = self._spread_out(params, 0.25**shrunk) if "params" in self.spread else params
            y = self.layer.apply(tried, x)
            fits = np.abs(y).reshape(len(y), -1).max(axis=1, initial=0.0) < LARGEST_OUTPUT
            if fits.all() or len(y) != len(x):
                break
            if wide:
                x = (x.T * np.where(fits, 1.0, 0.25)).T
        return tried, x

    def _spread_out(self, params: Tree, share: float) -> Tree:
        """Add numbers of all magnitudes to half of the parameters."""
        places = iter(range(2**31))

        def leaf(p: Array) -> Array:
            key = fold_in(fold_in(self.key, 6), next(places))
            return p + share * spread(fold_in(key, 0), p.shape) * (normal(fold_in(key, 1), p.shape) > 0)

        return tree_map(leaf, params)

    def inputs(self, key: Key) -> Array:
        """Draw the inputs of this trial."""
        wide = self.draw is normal and "inputs" in self.spread
        x = (spread if wide else self.draw)(key, (self.rows, *self.example))
        if self.repeats and self.rows > 1:
            x = np.concatenate([x[:-1], x[:1]])
        return x if x.dtype.kind in "iub" else x.astype(np.float64)

    @cached_property
    def dy(self) -> Array:
        """A cotangent of the output, in the output's dtype."""
        y = self.layer.apply(self.params, self.x)
        draw = spread if "cotangents" in self.spread else normal
        return draw(fold_in(self.key, 3), y.shape).astype(y.dtype)

    @property
    def differentiable(self) -> bool:
        """Whether the input has a derivative; integers have none."""
        return self.x.dtype.kind == "f"

    @cached_property
    def elementwise(self) -> bool:
        """Whether each output depends only on the input in the same place, and the layer has no parts."""
        x = self.draw(fold_in(self.key, 11), self.x.shape)
        y = self.layer.apply(self.params, x)
        if not self.differentiable or y.shape != x.shape or self.layer.name.count("(") > 1:
            return False
        kept = np.indices(x.shape).sum(axis=0) % 2 == 0
        return bool((self.layer.apply(self.params, np.where(kept, x, x / 2)) == y)[kept].all())

    def output(self, x: Array) -> Array:
        """Return the output for inputs; if these are complex, the parameters are made complex too."""
        return self.layer.apply(self.params if x.dtype.kind != "c" else cast(self.params, x.dtype), x)

    def run(self, params: Tree, x: Array, dy: Array, key: Key | None = None) -> tuple[Array, Tree, Array]:
        """Return the output, and the gradients of the parameters and of the input."""
        y, pullback = self.layer.vjp(params, x, key)
        dparams, delayed_dx = pullback(dy)
        return y, dparams, delayed_dx()

    def gradients(self, params: Tree, x: Array, dy: Array, key: Key | None = None) -> tuple[Any, ...]:
        """Return the gradients of the parameters, and of the input where it has one."""
        return self.run(params, x, dy, key)[1:] if self.differentiable else self.run(params, x, dy, key)[1:2]

    def rounding(self, params: Tree, x: Array, dy: Array, key: Key | None = None) -> tuple[Array, Tree, Array]:
        """Return how far rounding may move the output and gradients, in units of eps; see `answers`.

        A parameter may be added in one term and taken away in another, so an output counts as large as the largest.
        If a layer treats each number by itself, each element counts by itself, however small. If the numbers of a row
        interact, they may cancel, so the largest in the row counts, and the size of dy. In layers made of others
        anything in between may cancel. There the largest of all counts, and how far dy may grow on its way through
        inputs and parameters.
        """
        plain = self.run(params, x, dy, key)

        def results(nudge: Key) -> tuple[Array, Tree, Array]:
            places = iter(range(2**31))
            moved = tree_map(lambda p: nudged(p, largest(p), fold_in(nudge, 2 + next(places))), params)
            size = np.abs(x) if self.elementwise else row_maxima(x)
            return self.run(
                moved, nudged(x, size + 1, fold_in(nudge, 0)), nudged(dy, np.abs(dy), fold_in(nudge, 1)), key
            )

        y, dparams, dx = answers(results, plain, fold_in(self.key, 12))
        y = y + largest(params)
        if self.elementwise:
            return y, dparams, dx
        pulled = largest(dy)
        if self.layer.name.count("(") > 1:
            level = max(largest((dparams, dx)), grown(params, x, dy))
            return y + largest(y), tree_map(lambda g: g + level, dparams), dx + level
        return y + row_maxima(y), tree_map(lambda g: g + max(largest(g), pulled), dparams), dx + row_maxima(dx) + pulled

    def as_float32(self) -> tuple[Tree, Array, Array]:
        """Return parameters, inputs and cotangent in float32."""
        x = self.x.astype(np.float32) if self.differentiable else self.x
        return cast(self.params, np.float32), x, self.dy.astype(np.float32)


def grown(params: Tree, x: Array, dy: Array) -> float:
    """Return how large dy may become on its way through inputs and parameters.

    >>> grown((np.array([3.0, -4.0]),), np.array([0.5]), np.array([2.0]))
    8.0
    """
    return largest(dy) * max(1.0, largest(x)) * prod(max(1.0, largest(leaf)) for leaf in tree_leaves(params))


def expect_same_tree(where: str, expected: Tree, got: Tree) -> None:
    """Raise if two trees differ in any bit."""
    for (path, left), (_, right) in zip(tree_paths(expected, where), tree_paths(got, where), strict=True):
        expect_same_bits(path, left, right)


def expect_within_rounding(
    where: str, expected: Tree, got: Tree, share: float, rounding: Callable[[], Tree], floor: float
) -> None:
    """Raise if results differ by more than a share of the rounding error, which is computed only if necessary."""
    pairs = list(zip(tree_paths(expected, where), tree_leaves(got), strict=True))
    if all(e.shape == g.shape and (np.abs(g - e) <= share * np.abs(e)).all() for (_, e), g in pairs):
        return
    for ((path, left), right), size in zip(pairs, tree_leaves(rounding()), strict=True):
        expect_close(path, left, right, share * size + floor)


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
