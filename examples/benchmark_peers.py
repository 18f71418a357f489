"""One work in several libraries, each written as its users write it where speed matters; benchmark.py times them.

All start with the same parameters and see the same batches in the same order, so that they compute the same numbers.
They draw the order, gather the batches and convert the pixels within the time that is taken.
"""

from collections.abc import Mapping
from functools import partial, reduce
from importlib import import_module
from itertools import islice
from typing import Any

import numpy as np

from benchmark_work import (
    ORDER_KEY,
    Library,
    Peer,
    Weights,
    Work,
    hot_targets,
    layers_of,
    optimizer_of,
    pixel_rows,
    rows_of,
    scaled,
    start_of,
    start_weights,
)
import fnmlp as fn
from fnmlp.arrays import read_only
from fnmlp.data import Dataset


def fnmlp_peer(work: Work, data: Dataset) -> Peer:
    """Fold the public step over the public batches."""
    model, train = fn.chain(*layers_of(work, data)), data.train
    step = partial(fn.train_step, model, fn.on_labels(fn.mse), optimizer_of(work))

    def epoch(state: fn.TrainState, number: int, batches: int | None) -> fn.TrainState:
        served = fn.batches(train, size=work.batch_size, key=ORDER_KEY, epoch=number)
        return reduce(step, islice(served, batches), state)

    return Peer(
        start=start_of(work, data),
        epoch=epoch,
        weights=lambda state: fn.tree_leaves(state.params),
        hold=lambda images: read_only(images.copy()),
        predict=lambda state, images: fn.predict(model, state.params, images),
    )


def hand_peer(work: Work, data: Dataset) -> Peer:
    """Write the step of plain SGD out in NumPy: no trees, no layers, no checks."""
    images, hot, white, size = pixel_rows(data.train.inputs), hot_targets(data), data.white, work.batch_size
    rows_in = partial(rows_of, work, len(images))

    def forward(weights: Weights, pixels: fn.Array) -> tuple[fn.Array, fn.Array, fn.Array]:
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

    def step(weights: Weights, rows: fn.Array) -> tuple[Weights, float]:
        x, h, y = forward(weights, images.take(rows, axis=0))
        dy = y - hot.take(rows, axis=0)
        loss = float(np.vdot(dy, dy)) / dy.size
        dy *= 2 / dy.size
        dy -= (dy * y).sum(axis=1, keepdims=True)
        dy *= y
        dh = dy @ weights[2].T
        dh *= h > 0
        grads = (x.T @ dh, dh.sum(axis=0), h.T @ dy, dy.sum(axis=0))
        return tuple(map(move, grads, weights)), loss

    def move(grad: fn.Array, old: fn.Array) -> fn.Array:
        grad *= -work.rate
        grad += old
        return grad

    def epoch(weights: Weights, number: int, batches: int | None) -> Weights:
        order = rows_in(number, batches)
        for first in range(0, len(order), size):
            weights, _ = step(weights, order[first : first + size])
        return weights

    return Peer(
        start=start_weights(work, data),
        epoch=epoch,
        weights=lambda weights: weights,
        hold=lambda pixels: pixel_rows(pixels).copy(),
        predict=lambda weights, pixels: forward(weights, pixels)[2],
    )


def products_peer(work: Work, data: Dataset) -> Peer:
    """Take only the matrix products that a step can't do without, always of one batch, into memory that is ready."""
    w1, _, w2, _ = weights = start_weights(work, data)
    size, every = work.batch_size, len(data.train)
    first = scaled(data.train.inputs[:size], data.white)
    hidden, outputs = np.empty((size, w1.shape[1]), np.float32), np.empty((size, w2.shape[1]), np.float32)
    dw1, dw2 = np.empty_like(w1), np.empty_like(w2)

    def step(rows: int) -> None:
        x, h, y = first[:rows], hidden[:rows], outputs[:rows]
        np.matmul(x, w1, out=h)
        np.matmul(h, w2, out=y)
        np.matmul(h.T, y, out=dw2)
        np.matmul(y, w2.T, out=h)
        np.matmul(x.T, h, out=dw1)

    def epoch(weights: Weights, number: int, batches: int | None) -> Weights:
        rows = every if batches is None else min(batches * size, every)
        for done in range(0, rows, size):
            step(min(size, rows - done))
        return weights

    return Peer(
        start=weights,
        epoch=epoch,
        weights=lambda weights: weights,
        hold=partial(scaled, white=data.white),
        predict=lambda _, x: [x[row : row + 1024] @ w1 @ w2 for row in range(0, len(x), 1024)],
    )


def torch_peer(work: Work, data: Dataset) -> Peer:
    """Run PyTorch eagerly, with autograd and its fused optimisers, on images that are floats in memory already."""
    torch: Any = import_module("torch")
    nn, optim = torch.nn, torch.optim
    w1, b1, w2, b2 = start_weights(work, data)
    inner, outer = nn.Linear(*w1.shape), nn.Linear(*w2.shape)
    noise = [nn.Dropout(work.dropout)] if work.dropout else []
    model = nn.Sequential(inner, nn.ReLU(), *noise, outer, nn.Softmax(dim=1))
    noiseless = nn.Sequential(inner, nn.ReLU(), outer, nn.Softmax(dim=1))
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), (w1.T, b1, w2.T, b2), strict=True):
            parameter.copy_(torch.tensor(value))
    if work.optimizer == "adam":
        optimizer = optim.Adam(model.parameters(), lr=work.rate, fused=True)
    else:
        optimizer = optim.SGD(model.parameters(), lr=work.rate, momentum=work.momentum, fused=True)
    images, hot = torch.from_numpy(scaled(data.train.inputs, data.white)), torch.tensor(hot_targets(data))
    loss_of, white, rows_in = nn.MSELoss(), data.white, partial(rows_of, work, len(images))

    def epoch(_: None, number: int, batches: int | None) -> None:
        for rows in torch.from_numpy(rows_in(number, batches)).split(work.batch_size):
            loss = loss_of(model(images.index_select(0, rows)), hot.index_select(0, rows))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    def weights(_: None) -> Weights:
        v1, c1, v2, c2 = (parameter.detach().numpy() for parameter in model.parameters())
        return v1.T, c1, v2.T, c2

    return Peer(
        start=None,
        epoch=epoch,
        weights=weights,
        hold=lambda pixels: torch.from_numpy(scaled(pixels, white)),
        predict=torch.inference_mode()(lambda _, x: noiseless(x)),
    )


def jax_peer(work: Work, data: Dataset, *, scanned: bool) -> Peer:
    """Compile a step with XLA: one call for each batch, or one that scans the whole epoch; memory is donated."""
    jax: Any = import_module("jax")
    jnp = jax.numpy
    images, hot, white = jnp.asarray(pixel_rows(data.train.inputs)), jnp.asarray(hot_targets(data)), data.white
    size, rows_in = work.batch_size, partial(rows_of, work, len(images))

    def forward(params: Any, pixels: Any, key: Any) -> Any:
        w1, b1, w2, b2 = params
        h = jax.nn.relu(pixels.astype(jnp.float32) * (1 / white) @ w1 + b1)
        if key is not None:
            h = jnp.where(jax.random.bernoulli(key, 1 - work.dropout, h.shape), h / (1 - work.dropout), 0)
        return jax.nn.softmax(h @ w2 + b2)

    def loss_of(params: Any, pixels: Any, target: Any, key: Any) -> Any:
        return jnp.mean((forward(params, pixels, key) - target) ** 2)

    def step(images: Any, hot: Any, state: Any, rows: Any) -> Any:
        count, params, sums = state
        key = jax.random.fold_in(jax.random.key(0), count) if work.dropout else None
        loss, grads = jax.value_and_grad(loss_of)(params, images[rows], hot[rows], key)
        return (count + 1, *jax_update(jnp, work, count + 1, params, grads, sums)), loss

    def scan(images: Any, hot: Any, state: Any, rows: Any) -> Any:
        return jax.lax.scan(partial(step, images, hot), state, rows)

    compiled_step, compiled_scan = jax.jit(step, donate_argnums=2), jax.jit(scan, donate_argnums=2)
    compiled_forward = jax.jit(partial(forward, key=None))

    def epoch(state: Any, number: int, batches: int | None) -> Any:
        order = rows_in(number, batches).astype(np.int32)
        rest = len(order) // size * size if scanned else 0
        if rest:
            state, _ = compiled_scan(images, hot, state, order[:rest].reshape(-1, size))
        for first in range(rest, len(order), size):
            state, _ = compiled_step(images, hot, state, order[first : first + size])
        return jax.block_until_ready(state)

    params = tuple(map(jnp.array, start_weights(work, data)))
    kinds = 2 if work.optimizer == "adam" else int(work.momentum > 0)
    return Peer(
        start=(jnp.zeros((), jnp.int32), params, tuple(tuple(map(jnp.zeros_like, params)) for _ in range(kinds))),
        epoch=epoch,
        weights=lambda state: tuple(map(np.array, state[1])),
        hold=lambda pixels: jnp.array(pixel_rows(pixels)),
        predict=lambda state, pixels: compiled_forward(state[1], pixels).block_until_ready(),
    )


def jax_update(jnp: Any, work: Work, step: Any, params: Any, grads: Any, sums: Any) -> tuple[Any, Any]:
    """Return new parameters, and what the optimiser remembers, after so many steps."""
    if work.optimizer == "adam":
        means = tuple(0.9 * m + 0.1 * g for m, g in zip(sums[0], grads, strict=True))
        squares = tuple(0.999 * v + 0.001 * g * g for v, g in zip(sums[1], grads, strict=True))
        rate, root = work.rate / (1 - 0.9**step), jnp.sqrt(1 - 0.999**step)
        moves = zip(params, means, squares, strict=True)
        return tuple(p - rate * m / (jnp.sqrt(v) / root + 1e-8) for p, m, v in moves), (means, squares)
    if work.momentum:
        grads = tuple(work.momentum * v + g for v, g in zip(sums[0], grads, strict=True))
        sums = (grads,)
    return tuple(p - work.rate * g for p, g in zip(params, grads, strict=True)), sums


def sklearn_peer(work: Work, data: Dataset) -> Peer:
    """Call MLPClassifier.partial_fit once an epoch: it shuffles and cuts the batches itself, on floats in memory.

    Its loss is cross-entropy, for which a step computes a little less than for softmax and mean squared error.
    """
    network: Any = import_module("sklearn.neural_network")
    images, labels = scaled(data.train.inputs, data.white), data.train.targets
    model = network.MLPClassifier(
        (work.hidden,),
        solver=work.optimizer,
        alpha=0.0,
        batch_size=work.batch_size,
        learning_rate_init=work.rate,
        momentum=work.momentum,
        nesterovs_momentum=False,
        random_state=0,
    )
    model.partial_fit(images[: work.batch_size], labels[: work.batch_size], classes=np.arange(len(data.classes)))

    def weights(_: None) -> Weights:
        return model.coefs_[0], model.intercepts_[0], model.coefs_[1], model.intercepts_[1]

    for array, value in zip(weights(None), start_weights(work, data), strict=True):
        array[...] = value

    def epoch(_: None, number: int, batches: int | None) -> None:
        rows = slice(None if batches is None else batches * work.batch_size)
        model.partial_fit(images[rows], labels[rows])

    return Peer(
        start=None,
        epoch=epoch,
        weights=weights,
        hold=partial(scaled, white=data.white),
        predict=lambda _, x: model.predict_proba(x),
    )


LIBRARIES: Mapping[str, Library] = {
    "fnmlp": Library("fnmlp", fnmlp_peer, "fnmlp", "fnmlp", note="reduce(train_step, batches)"),
    "numpy": Library("NumPy by hand", hand_peer, "numpy", "numpy", ("reference",), "one function; plain SGD only"),
    "torch": Library(
        "PyTorch eager", torch_peer, "torch", "torch", note="images kept as float32, which is faster; fused optimisers"
    ),
    "jax": Library("JAX, jit", partial(jax_peer, scanned=False), "jax", "jax", note="one call a batch"),
    "jax-scan": Library("JAX, scan", partial(jax_peer, scanned=True), "jax", "jax", note="one call an epoch"),
    "sklearn": Library(
        "scikit-learn",
        sklearn_peer,
        "sklearn.neural_network",
        "scikit-learn",
        ("reference", "momentum", "adam"),
        "MLPClassifier, without dropout; its loss is cross-entropy, which takes a little less arithmetic",
    ),
    "products": Library(
        "matrix products", products_peer, "numpy", "numpy", note="the floor: the five of a step in NumPy, nothing else"
    ),
}
