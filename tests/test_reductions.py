"""Sums over very many rows keep their digits: NumPy's sum over axis 0 of float32 loses two of them."""

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.layers import Linear

ROWS = 1_000_000
EPSILON = float(np.finfo(np.float32).eps)


@pytest.fixture(scope="module")
def positive() -> fn.Array:
    return np.random.default_rng(0).random((ROWS, 3)).astype(np.float32)


def test_the_bias_gradient_of_a_million_rows_is_within_4_eps(positive: fn.Array) -> None:
    params = Linear(np.zeros((1, 3), np.float32), np.zeros(3, np.float32))
    grads, _ = fn.gradients(fn.linear(3), params, np.zeros((ROWS, 1), np.float32), positive)
    exact = positive.sum(axis=0, dtype=np.float64)
    assert isinstance(grads.bias, np.ndarray)
    assert np.abs(grads.bias / exact - 1).max() <= 4 * EPSILON
    assert np.abs(positive.sum(axis=0) / exact - 1).max() > 4 * EPSILON, "NumPy's own sum has become as good"


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_loss_of_a_million_rows_is_within_4_eps(positive: fn.Array, reduction: str) -> None:
    value, _ = fn.mse(positive, np.zeros_like(positive), reduction=reduction)
    squares = np.square(positive.astype(np.float64))
    exact = squares.mean() if reduction == "mean" else squares.sum()
    assert abs(float(value) / exact - 1) <= 4 * EPSILON
