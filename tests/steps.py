"""What laws are tested with: complex steps, points to test at, and what counts as close."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray

from fnmlp.arrays import Shape
from fnmlp.key import Key
from fnmlp.layer import Layer, gradients
from fnmlp.tree import Tree, tree_flatten, tree_leaves, tree_map

STEP = 1e-20
"""So small that the step's square vanishes beside 1, and no difference is ever taken."""

seeds = st.integers(0, 2**32 - 1)


def complex_step(function: Callable[[Tree], NDArray[Any]], point: Tree) -> NDArray[np.float64]:
    """Differentiate a smooth function at a tree of float64 arrays: (coordinates of the point, *shape of the value).

    Source: Squire & Trapp 1998, SIAM Review 40(1), 110-112: f'(x) = Im f(x + ih) / h.
    """
    leaves, rebuild = tree_flatten(tree_map(lambda leaf: np.asarray(leaf, np.complex128), point))
    columns = []
    for position, leaf in enumerate(leaves):
        for index in np.ndindex(leaf.shape):
            moved = leaf.copy()
            moved[index] += 1j * STEP
            value = function(rebuild([*leaves[:position], moved, *leaves[position + 1 :]]))
            columns.append(np.asarray(value).imag / STEP)
    return np.array(columns)


def flat(tree: Tree) -> NDArray[np.float64]:
    """Lay all leaves of a tree in one row, in the order of the coordinates of `complex_step`."""
    return np.concatenate([np.ravel(np.asarray(leaf, np.float64)) for leaf in tree_leaves(tree)] or [np.empty(0)])


def assert_is_gradient(
    gradient: Tree, function: Callable[[Tree], NDArray[Any]], point: Tree, dy: NDArray[Any], bound: float
) -> None:
    """Claim that a gradient is the derivative of Σ dy · function at a point, to within `bound` of its terms.

    The error is measured against Σ |dy_j ∂y_j/∂x_i|, the terms of the gradient before they cancel, so that a
    gradient that is 0 by cancellation is not asked for more digits than its terms have.
    """
    jacobian = complex_step(function, point)
    jacobian = jacobian.reshape(len(jacobian), dy.size)
    error = np.abs(flat(gradient) - jacobian @ dy.astype(np.float64).ravel()).sum()
    terms = (np.abs(jacobian) @ np.abs(dy.astype(np.float64).ravel())).sum()
    assert error <= bound * terms, f"the gradient is {error / terms:.2e} of its terms off, allowed are {bound:.2e}"


def gradient_bound(dtype: Any) -> float:
    """Return what a gradient may be off: 50 eps in float64, 32 eps in float32 (measured: 0.5 and 0.3)."""
    return (32 if dtype == np.float32 else 50) * float(np.finfo(dtype).eps)


def assert_vjp_is_complex_step(
    layer: Layer[Any], params: Tree, x: NDArray[Any], dy: NDArray[Any], key: Key | None = None
) -> None:
    """Claim that both gradients of a layer are those of its `apply`."""
    found = gradients(layer, params, x, dy, key)
    assert_is_gradient(found, lambda point: layer.apply(*point), (params, x), dy, gradient_bound(x.dtype))


def draw(seed: int, shape: Shape, dtype: Any = np.float64) -> NDArray[Any]:
    """Draw numbers of ±[1/64, 1]: away from the kink at 0, and small enough that softmax does not saturate."""
    random = np.random.default_rng(seed)
    drawn: NDArray[Any] = (random.uniform(1 / 64, 1, shape) * random.choice([-1.0, 1.0], shape)).astype(dtype)
    return drawn


def point_of(
    layer: Layer[Any], example: Shape, seed: int, rows: int, dtype: Any = np.float64
) -> tuple[Tree, NDArray[Any], NDArray[Any]]:
    """Return parameters, inputs and a cotangent to test a layer with."""
    params, out = layer.init(Key(seed), example)
    params = tree_map(lambda leaf: leaf.astype(dtype), params)
    return params, draw(seed, (rows, *example), dtype), draw(seed + 1, (rows, *out), dtype)


def assert_close(found: Tree, expected: Tree, *, eps: float = 64, at_least: float = 0) -> None:
    """Claim that trees agree to `eps` units in the last place of their largest number, or of `at_least`.

    Where BLAS may sum in another order, the γₙ bound holds: 64 covers sums of up to 64 terms. A sum that cancels
    is as exact as its terms are large: `at_least` gives their size.
    """
    for left, right in zip(tree_leaves(found), tree_leaves(expected), strict=True):
        a, b = np.asarray(left), np.asarray(right)
        assert a.shape == b.shape
        assert a.dtype.newbyteorder("=") == b.dtype.newbyteorder("=")
        largest = float(np.abs(b).max(initial=at_least))
        np.testing.assert_allclose(a, b, rtol=0, atol=eps * float(np.finfo(b.dtype).eps) * largest)


def same_bits(left: Tree, right: Tree) -> bool:
    """Tell whether two trees hold the same numbers bit for bit, whatever byte order and library they are in."""
    pairs = zip(tree_leaves(left), tree_leaves(right), strict=True)
    return all(_bits(a) == _bits(b) for a, b in pairs)


def _bits(x: Any) -> tuple[str, Shape, bytes]:
    array = np.asarray(x)
    native = array.astype(array.dtype.newbyteorder("="))
    return str(native.dtype), native.shape, native.tobytes()
