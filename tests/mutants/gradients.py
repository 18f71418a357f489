"""Wrong gradients of a layer: one slip in the rule of a parameter or of the input."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from fnmlp.arrays import Array
from fnmlp.key import Key
from fnmlp.layer import Layer
from fnmlp.tree import Tree, tree_flatten, tree_paths

Run: TypeAlias = Callable[[Tree, Array, Array], Array]
"""(params, x, dy) -> the right gradient, for slips that compute it from the wrong rows or the wrong operands."""

Slip: TypeAlias = Callable[[Array, Run, Tree, Array, Array], Array]
"""(right gradient, how to compute it, params, x, dy) -> wrong gradient."""


def value_slips() -> dict[str, Slip]:
    """Slips that need only the right gradient."""
    return {
        "sign flipped": lambda g, *_: -g,
        "factor 1.001": lambda g, *_: g * g.dtype.type(1.001),
        "factor 2 forgotten": lambda g, *_: g / 2,
        "factor 2 too many": lambda g, *_: g * 2,
        "1/N too many": lambda g, _run, _p, _x, dy: g / max(len(dy), 1),
        "N too many": lambda g, _run, _p, _x, dy: g * max(len(dy), 1),
        "dropped": lambda g, *_: np.zeros_like(g),
        "transposed": lambda g, *_: g.T.reshape(g.shape).copy(),
        "one column off": lambda g, *_: np.roll(g, 1, axis=-1) if g.ndim else g,
        "one row off": lambda g, *_: np.roll(g, 1, axis=0) if g.ndim else g,
        "reversed": lambda g, *_: np.flip(g).copy(),
        "absolute": lambda g, *_: np.abs(g),
        "squared": lambda g, *_: g * g,
        "clipped": lambda g, *_: np.clip(g, -0.1, 0.1),
        "last element dropped": _without_last,
        "mean removed": lambda g, *_: g - (g.mean(axis=-1, keepdims=True) if g.size else 0),
        "rounded to float16": lambda g, *_: g.astype(np.float16).astype(g.dtype),
        "float64 leaked": lambda g, *_: g * np.float64(1.0) if g.dtype != np.float32 else g.astype(np.float64),
        "an axis too many": lambda g, *_: g[None],
        "offset 1e-6": lambda g, *_: g + g.dtype.type(1e-6),
    }


def operand_slips() -> dict[str, Slip]:
    """Slips that feed the rule wrong operands."""
    return {
        "stale activation": lambda _g, run, p, x, dy: run(p, np.roll(x, 1, axis=0), dy),
        "rows of dy off by one": lambda _g, run, p, x, dy: run(p, x, np.roll(dy, 1, axis=0)),
        "first row only": lambda g, run, p, x, dy: run(p, x[:1], dy[:1]) if len(dy) else g,
        "last row lost": lambda g, run, p, x, dy: run(p, x[:-1], dy[:-1]) if len(dy) else g,
        "dy squared": lambda _g, run, p, x, dy: run(p, x, dy * dy),
        "dy forgotten": lambda _g, run, p, x, dy: run(p, x, np.ones_like(dy)),
        "stale parameters": lambda _g, run, p, x, dy: run(_doubled(p), x, dy),
        "half a row's weight": lambda _g, run, p, x, dy: run(p, x, _halved_first(dy)),
    }


def _without_last(g: Array, *_: Any) -> Array:
    changed = g.copy()
    changed.reshape(-1)[-1:] = 0
    return changed


def _doubled(params: Tree) -> Tree:
    leaves, rebuild = tree_flatten(params)
    return rebuild([leaf * 2 for leaf in leaves])


def _halved_first(dy: Array) -> Array:
    changed = dy.copy()
    changed[:1] /= 2
    return changed


def gradient_mutants(layer: Layer[Any], params: Tree) -> Iterator[tuple[str, Layer[Any]]]:
    """Make every slip in the gradient of every parameter and of the input."""
    for name, slip in {**value_slips(), **operand_slips()}.items():
        for place, (path, _) in enumerate(tree_paths(params, "d")):
            yield f"{path}: {name}", _with_vjp(layer, partial(_slipped_parameter, slip, place, layer))
        yield f"dx: {name}", _with_vjp(layer, partial(_slipped_input, slip, layer))


def _with_vjp(layer: Layer[Any], vjp: Callable[..., Any]) -> Layer[Any]:
    return Layer(layer.name, layer.init, layer.apply, vjp)


def _gradients(layer: Layer[Any], params: Tree, x: Array, dy: Array, key: Key | None) -> tuple[Tree, Array]:
    _, pullback = layer.vjp(params, x, key)
    dparams, delayed_dx = pullback(dy)
    return dparams, delayed_dx()


def _slipped_parameter(slip: Slip, place: int, layer: Layer[Any], params: Tree, x: Array, key: Key | None) -> Any:
    y, right = layer.vjp(params, x, key)

    def run(params: Tree, x: Array, dy: Array) -> Array:
        return tree_flatten(_gradients(layer, params, x, dy, key)[0])[0][place]

    def pullback(dy: Array) -> tuple[Tree, Callable[[], Array]]:
        dparams, delayed_dx = right(dy)
        leaves, rebuild = tree_flatten(dparams)
        wrong = slip(leaves[place], run, params, x, dy)
        return rebuild([*leaves[:place], wrong, *leaves[place + 1 :]]), delayed_dx

    return y, pullback


def _slipped_input(slip: Slip, layer: Layer[Any], params: Tree, x: Array, key: Key | None) -> Any:
    y, right = layer.vjp(params, x, key)

    def run(params: Tree, x: Array, dy: Array) -> Array:
        return _gradients(layer, params, x, dy, key)[1]

    def pullback(dy: Array) -> tuple[Tree, Callable[[], Array]]:
        dparams, delayed_dx = right(dy)
        return dparams, lambda: _fitted(slip(delayed_dx(), run, params, x, dy), x)

    return y, pullback


def _fitted(dx: Array, x: Array) -> Array:
    """Fill the rows that a slip left out, so that the numbers are wrong and not the shape."""
    if dx.ndim == x.ndim and dx.shape[1:] == x.shape[1:] and len(dx) < len(x):
        return np.concatenate([dx, np.zeros((len(x) - len(dx), *dx.shape[1:]), dx.dtype)])
    return dx
