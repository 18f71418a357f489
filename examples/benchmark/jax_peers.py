"""The work in JAX, compiled for each batch or as one loop over an epoch: fnmlp's own functions, and plain JAX."""

from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from benchmark.work import (
    ORDER_KEY,
    Peer,
    Work,
    hot_targets,
    layers_of,
    optimizer_of,
    pixel_rows,
    rows_of,
    start_of,
    start_weights,
)
import fnmlp as fn
from fnmlp.data import Dataset


def fnmlp_jax_peer(work: Work, data: Dataset, *, scanned: bool) -> Peer:
    """Compile fnmlp's functions as they are: the step, one call for each batch, or `fold_epoch`, one for an epoch."""
    jax: Any = import_module("jax")
    fold_epoch = import_module("fnmlp.interop.jax").fold_epoch
    like = jax.numpy.zeros(())
    model, held = fn.chain(*layers_of(work, data)), fn.to(data.train, like=like)
    train = partial(fn.train_step, model, fn.on_labels(fn.mse), optimizer_of(work))
    size, compiled_forward = work.batch_size, jax.jit(model.apply)

    def step(state: fn.TrainState, data: fn.Batch, rows: Any) -> fn.TrainState:
        return train(state, jax.tree.map(lambda x: x[rows], data))

    compiled_step = jax.jit(step, donate_argnums=0)

    def call_by_call(state: fn.TrainState, number: int, batches: int | None) -> fn.TrainState:
        order = rows_of(work, len(held), number, batches).astype(np.int32)
        for first in range(0, len(order), size):
            state = compiled_step(state, held, order[first : first + size])
        return jax.block_until_ready(state)

    def at_once(state: fn.TrainState, number: int, batches: int | None) -> fn.TrainState:
        options: Any = {"size": size, "key": ORDER_KEY, "stop": batches and min(batches, -(-len(held) // size))}
        return jax.block_until_ready(fold_epoch(train, state, held, epoch=number, donate=True, **options))[0]

    return Peer(
        start=fn.to(start_of(work, data), like=like),
        epoch=at_once if scanned else call_by_call,
        weights=lambda state: tuple(map(np.array, fn.tree_leaves(state.params))),
        hold=jax.numpy.array,
        predict=lambda state, images: compiled_forward(state.params, images).block_until_ready(),
    )


def jax_peer(work: Work, data: Dataset, *, scanned: bool) -> Peer:
    """Compile a step with XLA: one call for each batch, or one that scans the whole epoch; memory is donated."""
    jax: Any = import_module("jax")
    jnp = jax.numpy
    images, hot = jnp.asarray(pixel_rows(data.train.inputs)), jnp.asarray(hot_targets(data))
    size, rows_in, bound = work.batch_size, partial(rows_of, work, len(images)), (jax, work, data.white)
    compiled_step, compiled_scan = (jax.jit(partial(own, *bound), donate_argnums=2) for own in (step, scan))
    compiled_forward = jax.jit(partial(forward, *bound, key=None))

    def epoch(state: Any, number: int, batches: int | None) -> Any:
        order = rows_in(number, batches).astype(np.int32)
        rest = len(order) // size * size if scanned else 0
        if rest:
            state, _ = compiled_scan(images, hot, state, order[:rest].reshape(-1, size))
        for first in range(rest, len(order), size):
            state, _ = compiled_step(images, hot, state, order[first : first + size])
        return jax.block_until_ready(state)

    return Peer(
        start=start_in(jnp, work, data),
        epoch=epoch,
        weights=lambda state: tuple(map(np.array, state[1])),
        hold=lambda pixels: jnp.array(pixel_rows(pixels)),
        predict=lambda state, pixels: compiled_forward(state[1], pixels).block_until_ready(),
    )


def start_in(jnp: Any, work: Work, data: Dataset) -> tuple[Any, Any, Any]:
    """Return the step, the parameters and the optimiser's state."""
    params = tuple(map(jnp.array, start_weights(work, data)))
    kinds = 2 if work.optimizer == "adam" else int(work.momentum > 0)
    return jnp.zeros((), jnp.int32), params, tuple(tuple(map(jnp.zeros_like, params)) for _ in range(kinds))


def forward(jax: Any, work: Work, white: int, params: Any, pixels: Any, key: Any) -> Any:
    """Return the probabilities, with dropout if there is a key."""
    w1, b1, w2, b2 = params
    jnp = jax.numpy
    h = jax.nn.relu(pixels.astype(jnp.float32) * (1 / white) @ w1 + b1)
    if key is not None:
        h = jnp.where(jax.random.bernoulli(key, 1 - work.dropout, h.shape), h / (1 - work.dropout), 0)
    return jax.nn.softmax(h @ w2 + b2)


def step(jax: Any, work: Work, white: int, images: Any, hot: Any, state: Any, rows: Any) -> tuple[Any, Any]:
    """Return the state after a batch, and the loss before it."""
    count, params, sums = state
    key = jax.random.fold_in(jax.random.key(0), count) if work.dropout else None

    def loss_of(params: Any) -> Any:
        return jax.numpy.mean((forward(jax, work, white, params, images[rows], key) - hot[rows]) ** 2)

    loss, grads = jax.value_and_grad(loss_of)(params)
    return (count + 1, *update(jax.numpy, work, count + 1, params, grads, sums)), loss


def scan(jax: Any, work: Work, white: int, images: Any, hot: Any, state: Any, rows: Any) -> Any:
    """Return the state after many batches, and the losses."""
    return jax.lax.scan(partial(step, jax, work, white, images, hot), state, rows)


def update(jnp: Any, work: Work, count: Any, params: Any, grads: Any, sums: Any) -> tuple[Any, Any]:
    """Return new parameters and optimiser state for step number `step`."""
    if work.optimizer == "adam":
        means = tuple(0.9 * m + 0.1 * g for m, g in zip(sums[0], grads, strict=True))
        squares = tuple(0.999 * v + 0.001 * g * g for v, g in zip(sums[1], grads, strict=True))
        rate, root = work.rate / (1 - 0.9**count), jnp.sqrt(1 - 0.999**count)
        moves = zip(params, means, squares, strict=True)
        return tuple(p - rate * m / (jnp.sqrt(v) / root + 1e-8) for p, m, v in moves), (means, squares)
    if work.momentum:
        grads = tuple(work.momentum * v + g for v, g in zip(sums[0], grads, strict=True))
        sums = (grads,)
    return tuple(p - work.rate * g for p, g in zip(params, grads, strict=True)), sums
