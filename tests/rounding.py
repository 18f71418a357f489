"""A running bound on the rounding errors in one SGD step of linear, ReLU, linear, softmax with mean squared error.

Each bound holds for any order of summation, so for any library, kernel of BLAS and number of threads.
Source: Higham 2002, "Accuracy and Stability of Numerical Algorithms", sections 3.3 (running error analysis) and 3.5.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import fnmlp as fn
from fnmlp.layers import Linear
from fnmlp.tree import Tree

Matrix = NDArray[np.float64]

EXP = 4
"""Units in the last place by which a library's exp may be off."""


def step_bound(params: Any, batch: fn.Batch, rate: float) -> Tree:
    """Return how far apart, element by element, two correct implementations can leave the parameters."""
    u = float(np.finfo(batch.inputs.dtype).eps) / 2
    tiny = 1e4 * float(np.finfo(batch.inputs.dtype).tiny)  # the largest error of underflow

    def gamma(n: int) -> float:
        return n * u / (1 - n * u)

    first, _, second, _ = params
    x, t = batch.inputs.astype(np.float64), batch.targets.astype(np.float64)
    w1, b1, w2, b2 = (leaf.astype(np.float64) for leaf in (first.weight, first.bias, second.weight, second.bias))
    rows, (units, classes) = len(x), w2.shape

    h = x @ w1 + b1
    h_off = gamma(w1.shape[0] + 1) * (np.abs(x) @ np.abs(w1) + np.abs(b1))
    a = np.maximum(h, 0)
    a_most = a + h_off
    z = a @ w2 + b2
    z_off = h_off @ np.abs(w2) + gamma(units + 1) * (a_most @ np.abs(w2) + np.abs(b2))

    shifted = z - z.max(axis=1, keepdims=True)
    y = np.exp(shifted)
    y /= y.sum(axis=1, keepdims=True)
    share = 2 * z_off.max(axis=1) + 2 * u * np.abs(shifted).max(axis=1) + gamma(classes + 2 * EXP + 2)
    y_off = np.expm1(share)[:, None] * y + tiny
    y_most = y + y_off

    dy = 2 * (y - t) / t.size
    dy_off = 2 * (y_off + 3 * u * (y_most + t)) / t.size
    s = (dy * y).sum(axis=1, keepdims=True)
    s_terms = ((np.abs(dy) + dy_off) * y_most).sum(axis=1, keepdims=True)
    s_off = (dy_off * y_most + np.abs(dy) * y_off).sum(axis=1, keepdims=True) + gamma(classes + 1) * s_terms
    dz = (dy - s) * y
    dz_off = (dy_off + s_off) * y_most + np.abs(dy - s) * y_off
    dz_off += gamma(3) * (np.abs(dy) + dy_off + s_terms) * y_most
    dz_most = np.abs(dz) + dz_off

    da = dz @ w2.T
    da_off = dz_off @ np.abs(w2.T) + gamma(classes) * (dz_most @ np.abs(w2.T))
    # Where rounding decides whether a unit is on, one implementation may pass da on and the other 0.
    undecided = np.abs(h) <= 2 * h_off
    dh_off = np.where(undecided, np.abs(da) + da_off, np.where(h > 0, da_off, 0))
    dh_most = np.where(undecided | (h > 0), np.abs(da) + da_off, 0)

    def moved(p: Matrix, off: Matrix, most: Matrix) -> Matrix:
        """Bound p - rate · g, where g is within `off` and no larger than `most`."""
        bound: Matrix = 1.01 * (2 * (rate * off + 3 * u * rate * most + u * (np.abs(p) + rate * most)) + tiny)
        return bound

    ones = np.ones((rows, 1))
    return (
        Linear(
            *(moved(p, *_product(left, 0 * left, dh_most, dh_off, gamma(rows))) for p, left in ((w1, x), (b1, ones)))
        ),
        (),
        Linear(
            moved(w2, *_product(a_most, h_off, dz_most, dz_off, gamma(rows))),
            moved(b2, *_product(ones, 0 * ones, dz_most, dz_off, gamma(rows))),
        ),
        (),
    )


def _product(left_most: Matrix, left_off: Matrix, right_most: Matrix, right_off: Matrix, g: float) -> tuple[Any, Any]:
    """Bound the error of leftᵀ · right, and its size, from those of its factors."""
    most = np.abs(left_most).T @ right_most
    off = np.abs(left_most).T @ right_off + left_off.T @ right_most + g * most
    return off.squeeze(), most.squeeze()
