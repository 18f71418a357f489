"""The work in plain NumPy: the whole step by hand, and its matrix products alone, the lower bound for all libraries."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from benchmark.work import Peer, Weights, Work, hot_targets, pixel_rows, rows_of, scaled, start_weights
import fnmlp as fn
from fnmlp.data import Dataset


def hand_peer(work: Work, data: Dataset) -> Peer:
    """Train with SGD in plain NumPy: no trees, no layers, no checks."""
    images, hot, size = pixel_rows(data.train.inputs), hot_targets(data), work.batch_size
    forward, every = partial(hand_forward, data.white), len(data.train)

    def epoch(weights: Weights, number: int, batches: int | None) -> Weights:
        order = rows_of(work, every, number, batches)
        for first in range(0, len(order), size):
            rows = order[first : first + size]
            x, h, y = forward(weights, images.take(rows, axis=0))
            weights, _ = hand_update(work.rate, weights, x, h, y, hot.take(rows, axis=0))
        return weights

    return Peer(
        start=start_weights(work, data),
        epoch=epoch,
        weights=lambda weights: weights,
        hold=lambda pixels: pixel_rows(pixels).copy(),
        predict=lambda weights, pixels: forward(weights, pixels)[2],
    )


def hand_forward(white: int, weights: Weights, pixels: fn.Array) -> tuple[fn.Array, fn.Array, fn.Array]:
    """Return the inputs of both products, and the probabilities."""
    w1, b1, w2, b2 = weights
    x = pixels.astype(np.float32)
    x *= 1 / white
    h = x @ w1
    h += b1
    np.maximum(h, 0, out=h)
    y = h @ w2
    y += b2
    y -= y.max(axis=1, keepdims=True)
    np.exp(y, out=y)
    y /= y.sum(axis=1, keepdims=True)
    return x, h, y


def hand_update(
    rate: float, weights: Weights, x: fn.Array, h: fn.Array, y: fn.Array, hot: fn.Array
) -> tuple[Weights, float]:
    """Return the weights after a step, and the loss before it."""
    dy = y - hot
    loss = float(np.vdot(dy, dy)) / dy.size
    dy *= 2 / dy.size
    dy -= (dy * y).sum(axis=1, keepdims=True)
    dy *= y
    dh = dy @ weights[2].T
    dh *= h > 0
    grads = (x.T @ dh, dh.sum(axis=0), h.T @ dy, dy.sum(axis=0))
    return tuple(map(partial(_moved, rate), grads, weights)), loss


def _moved(rate: float, grad: fn.Array, old: fn.Array) -> fn.Array:
    grad *= -rate
    grad += old
    return grad


def products_peer(work: Work, data: Dataset) -> Peer:
    """Compute only the matrix products that every step needs, of one batch, into preallocated memory."""
    w1, _, w2, _ = weights = start_weights(work, data)
    size, every = work.batch_size, len(data.train)
    first = scaled(data.train.inputs[:size], data.white)
    ready = (
        np.empty((size, w1.shape[1]), np.float32),
        np.empty((size, w2.shape[1]), np.float32),
        np.empty_like(w1),
        np.empty_like(w2),
    )

    def epoch(weights: Weights, number: int, batches: int | None) -> Weights:
        rows = every if batches is None else min(batches * size, every)
        for done in range(0, rows, size):
            multiply(first[: rows - done], w1, w2, ready)
        return weights

    return Peer(
        start=weights,
        epoch=epoch,
        weights=lambda weights: weights,
        hold=partial(scaled, white=data.white),
        predict=lambda _, x: [x[row : row + 1024] @ w1 @ w2 for row in range(0, len(x), 1024)],
    )


def multiply(x: fn.Array, w1: fn.Array, w2: fn.Array, ready: Sequence[fn.Array]) -> None:
    """Compute the five products of a step with this many rows."""
    hidden, outputs, dw1, dw2 = ready
    h, y = hidden[: len(x)], outputs[: len(x)]
    np.matmul(x, w1, out=h)
    np.matmul(h, w2, out=y)
    np.matmul(h.T, y, out=dw2)
    np.matmul(y, w2.T, out=h)
    np.matmul(x.T, h, out=dw1)
