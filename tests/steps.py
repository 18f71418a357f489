"""Points to test at, and what counts as close or equal."""

from typing import Any

from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray

from fnmlp.arrays import Shape
from fnmlp.key import Key
from fnmlp.layer import Layer, gradients
from fnmlp.tree import Tree, tree_leaves, tree_map

seeds = st.integers(0, 2**32 - 1)


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


def everything(layer: Layer[Any], params: Tree, x: NDArray[Any], dy: NDArray[Any]) -> Tree:
    """Return the output, the leaves of the gradient, and dx."""
    grads, dx = gradients(layer, params, x, dy)
    return layer.apply(params, x), tree_leaves(grads), dx


def assert_close(found: Tree, expected: Tree, *, eps: float = 64, at_least: float = 0) -> None:
    """Claim that trees agree to `eps` units in the last place of their largest number, or of `at_least`.

    BLAS may sum in another order, so the γₙ bound applies: 64 covers sums of up to 64 terms. A sum that cancels
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
