"""What a step costs in one process as a network, its batch and its data grow, and the constants of the cost model."""

from collections.abc import Callable, Mapping
from functools import partial, reduce
from itertools import pairwise
from time import perf_counter
from typing import Any, TypeAlias

from attrs import frozen
import numpy as np

import fnmlp as fn
from tests.growth.ranks import BATCH, CLASSES, MODELS, OPTIMIZER, QUIET, images, network

Work: TypeAlias = Callable[[], object]


@frozen
class Growth:
    """Hold what grows, from where to where, and how many times the operations and the time do."""

    what: str
    first: str
    last: str
    operations: float
    time: float


def quiet(pieces: Mapping[Any, Work], rounds: int) -> dict[Any, float]:
    """Return the seconds of each piece of work, in the fastest tenth of rounds in which they take turns."""
    took: dict[Any, list[float]] = {name: [] for name in pieces}
    for _ in range(rounds + 1):
        for name, piece in pieces.items():
            began = perf_counter()
            piece()
            took[name].append(perf_counter() - began)
    return {name: float(np.quantile(each[1:], QUIET)) for name, each in took.items()}


def operations(*widths: int, batch: int) -> int:
    """Count the multiplications and additions of a step's matrix products; the first layer needs no input gradient.

    >>> operations(784, 512, 10, batch=64) == 64 * 2 * (2 * 784 * 512 + 3 * 512 * 10)
    True
    """
    products = [a * b for a, b in pairwise(widths)]
    return 2 * batch * (3 * sum(products) - products[0])


def bytes_of(hidden: tuple[int, ...]) -> float:
    """Return the bytes of a network's gradients.

    >>> bytes_of((512,))
    1628200.0
    """
    params, _ = network(hidden).init(fn.Key(0), (784,))
    return float(sum(leaf.nbytes for leaf in fn.tree_leaves(params)))


def step_of(hidden: tuple[int, ...], batch: int) -> Work:
    """Return a step of a network for MNIST's images."""
    return _step(network(hidden), fn.cross_entropy, images(batch))


def _step(model: fn.Layer[Any], loss: fn.Loss, batch: fn.Batch) -> Work:
    state = fn.train_state(model, OPTIMIZER, key=fn.Key(0), example=batch.inputs.shape[1:])
    return partial(fn.train_step, model, loss, OPTIMIZER, state, batch)


def epoch_of(rows: int) -> Work:
    """Return an epoch over some rows."""
    model, data = network((500,)), images(rows)
    state = fn.train_state(model, OPTIMIZER, key=fn.Key(0), example=(784,))
    step = partial(fn.train_step, model, fn.cross_entropy, OPTIMIZER)
    return lambda: reduce(step, fn.batches(data, size=BATCH, key=fn.Key(1), epoch=0), state)


def networks_of(members: int) -> Work:
    """Return a step of several networks that are stacked into one."""
    layers = fn.tile(members), fn.ensemble_linear(250), fn.relu(), fn.ensemble_linear(CLASSES)
    return _step(fn.chain(*layers), fn.over_members(fn.cross_entropy), images(BATCH))


def growths(rounds: int) -> list[Growth]:
    """Measure how the time of a step or an epoch grows."""
    return [
        _growth(
            "width of 784-h-h-10",
            {h: (operations(784, h, h, CLASSES, batch=BATCH), step_of((h, h), BATCH)) for h in (250, 500, 1000, 2000)},
            rounds,
        ),
        _growth(
            "hidden layers of 500",
            {d: (operations(784, *[500] * d, CLASSES, batch=BATCH), step_of((500,) * d, BATCH)) for d in (2, 4, 8, 16)},
            rounds,
        ),
        _growth(
            "rows of a batch, 784-500-500-10",
            {b: (b, step_of((500, 500), b)) for b in (64, 128, 256, 512)},
            rounds,
        ),
        _growth(
            "rows of an epoch, 784-500-10",
            {n: (n, epoch_of(n)) for n in (1024, 2048, 4096, 8192)},
            max(3, rounds // 4),
        ),
        _growth(
            "stacked networks 784-250-10",
            {k: (k, networks_of(k)) for k in (1, 2, 4, 8)},
            rounds,
        ),
    ]


def _growth(what: str, sizes: dict[int, tuple[float, Work]], rounds: int) -> Growth:
    took = quiet({size: work for size, (_, work) in sizes.items()}, rounds)
    first, last = min(sizes), max(sizes)
    return Growth(what, f"{first:,}", f"{last:,}", sizes[last][0] / sizes[first][0], took[last] / took[first])


@frozen
class Machine:
    """Hold the constants of one process, in seconds.

    `shard`   a gradient, whatever its number of rows: it reads the weights, and writes as many numbers.
    `row`     each row of it.
    `loss`    each row of the loss, which every rank computes for all rows.
    `update`  the step of the optimiser.
    `add`     each byte of an addition of arrays that are too large for the cache.
    """

    shard: float
    row: float
    loss: float
    update: float
    add: float


def machine(hidden: tuple[int, ...], rounds: int) -> Machine:
    """Measure the constants of a model."""
    model = network(hidden)
    state = fn.train_state(model, OPTIMIZER, key=fn.Key(0), example=(784,))
    few, many = 8, BATCH
    y, labels = np.zeros((64 * BATCH, CLASSES), np.float32), np.zeros(64 * BATCH, int)
    grads = fn.value_and_grad(model, fn.cross_entropy, state.params, images(few))[1]
    number = np.ones(1_000_000, np.float32)
    took = quiet(
        {
            few: partial(fn.value_and_grad, model, fn.cross_entropy, state.params, images(few)),
            many: partial(fn.value_and_grad, model, fn.cross_entropy, state.params, images(many)),
            "loss": partial(fn.cross_entropy, y, labels),
            "update": partial(OPTIMIZER.update, state.params, grads, state.optimizer_state),
            "add": partial(np.add, number, number),
        },
        rounds,
    )
    row = (took[many] - took[few]) / (many - few)
    shard = max(took[few] - few * row, 0.0)
    return Machine(shard, row, took["loss"] / len(y), took["update"], took["add"] / number.nbytes)


def machines(rounds: int) -> dict[str, Machine]:
    """Measure the constants of each model."""
    return {name: machine(hidden, rounds) for name, hidden in MODELS.items()}
