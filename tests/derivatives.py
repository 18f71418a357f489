"""References for derivatives along a direction: pullbacks, and differences of gradients."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import fnmlp as fn
from fnmlp.testing.numeric import random_like
from fnmlp.tree import Tree, tree_leaves, tree_map
from tests.steps import same_bits


def products(left: Tree, right: Tree) -> tuple[float, float]:
    """Return the inner product of two trees, and the size of its terms."""
    pairs = zip(tree_leaves(left), tree_leaves(right), strict=True)
    terms = [np.ravel(np.multiply(u, v, dtype=np.float64)) for u, v in pairs]
    flat = np.concatenate([np.zeros(1), *terms])
    return float(flat.sum()), float(np.abs(flat).sum())


def assert_adjoint(
    layer: fn.Layer[Any], params: Tree, x: NDArray[Any], u: NDArray[Any], key: fn.Key | None, eps: float
) -> None:
    """Claim that <J v, u> = <v, Jᵀ u> for one random v."""
    dparams, dx = random_like((params, x), fn.Key(1))
    floats = x.dtype.kind == "f"
    y, dy = fn.jvp(layer, params, x, dparams, dx if floats else None, key)
    assert same_bits(y, layer.vjp(params, x, key)[0])
    assert (dy.dtype, dy.shape) == (y.dtype, y.shape)
    gradients = fn.gradients(layer, params, x, u, key)
    left, left_size = products((dy,), (u,))
    right, right_size = products(gradients if floats else gradients[:1], (dparams, dx) if floats else (dparams,))
    assert abs(left - right) <= eps * np.finfo(u.dtype).eps * (left_size + right_size)


def change_of_gradient(
    model: fn.Layer[Any], loss: fn.Loss, params: Tree, batch: fn.Batch, direction: Tree, key: fn.Key | None
) -> Tree:
    """Return the derivative of the gradient by central differences."""

    def moved(step: float) -> Tree:
        at = tree_map(lambda p, v: p + step * v, params, direction)
        return fn.value_and_grad(model, loss, at, batch, key)[1]

    return tree_map(lambda up, down: (up - down) / 2e-5, moved(1e-5), moved(-1e-5))


def assert_within(found: Tree, expected: Tree, tolerance: float) -> None:
    for left, right in zip(tree_leaves(found), tree_leaves(expected), strict=True):
        np.testing.assert_allclose(left, right, rtol=0, atol=tolerance * (1 + float(np.abs(right).max())))
