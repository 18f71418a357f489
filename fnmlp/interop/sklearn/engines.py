"""Engines: an epoch of penalised steps, folded by NumPy or compiled by JAX."""

from collections.abc import Callable
from functools import lru_cache, partial
from importlib import import_module
from typing import Any, TypeAlias

from attrs import evolve, frozen
import numpy as np

from fnmlp.arrays import Array, namespace
from fnmlp.batching import Batch, batches, epoch_order
from fnmlp.key import Key
from fnmlp.layer import Layer
from fnmlp.losses import Loss
from fnmlp.moving import to
from fnmlp.optimizers import Optimizer, is_weight
from fnmlp.training import TrainState, train_step
from fnmlp.tree import Tree, tree_leaves, tree_paths

Make: TypeAlias = Callable[[Any, Any], Optimizer]
"""(rate, penalty) -> optimiser."""


@frozen(eq=False)
class Steps:
    """Hold what the steps of a fit need: the model, its loss, a constructor of optimisers, and the penalty.

    `alpha`   the penalty on squared weights; it is divided by the number of rows in a batch, or by their weights' sum.
    `places`  the places of the weights among the leaves of the parameters.
    """

    model: Layer[Any]
    loss: Loss
    make: Make
    alpha: float
    places: tuple[int, ...]


def weight_places(params: Tree) -> tuple[int, ...]:
    """Return the places of the weights, which are penalised, among the leaves of the parameters.

    >>> weight_places((1.0, 2.0))
    ()
    """
    return tuple(place for place, (path, _) in enumerate(tree_paths(params)) if is_weight(path))


def penalised_step(steps: Steps, make: Callable[[Any], Optimizer], state: TrainState, batch: Batch) -> TrainState:
    """Take a training step whose loss has a penalty: alpha / rows times half the sum of the squared weights."""
    rows = len(batch) if isinstance(batch.weights, tuple) else namespace(batch.weights).sum(batch.weights)
    penalty = steps.alpha / (float(rows) if isinstance(rows, np.generic) else rows)
    after = train_step(steps.model, steps.loss, make(penalty), state, batch)
    if not steps.alpha:
        return after
    leaves = tree_leaves(state.params)
    value = after.loss + penalty / 2 * sum(_square(leaves[place]) for place in steps.places)
    return TrainState(after.step, after.params, after.optimizer_state, after.key, value)


def _square(x: Array) -> Any:
    xp = namespace(x)
    flat = xp.reshape(x, (-1,))
    square = xp.vecdot(flat, flat)
    return float(square) if isinstance(square, np.generic) else square


@frozen(eq=False)
class Rows:
    """Hold the rows of a fit, the size of a batch, and the key of their order; `shuffle` tells whether it changes."""

    data: Batch
    size: int
    key: Key
    shuffle: bool


def rows_of(data: Batch, *, size: int, key: Key, shuffle: bool) -> Rows:
    """Return the rows of a fit; without `shuffle`, they are laid out so that each epoch takes them in their own order.

    >>> rows = rows_of(Batch(np.arange(5), np.arange(5)), size=2, key=Key(0), shuffle=False)
    >>> [batch.inputs.tolist() for batch in batches(rows.data, size=2, key=Key(0), epoch=0)]
    [[0, 1], [2, 3], [4]]
    """
    if not shuffle:
        data = data[np.argsort(epoch_order(len(data), key=key, epoch=0))]
    return Rows(data, size, key, shuffle)


def by_numpy(steps: Steps, rows: Rows, first: int) -> Callable[[float, TrainState, int], tuple[TrainState, float]]:
    """Return a function that folds the steps of an epoch; `first` is the number of epochs before."""
    # Steps at one rate share an optimiser, because making one takes a tenth of the time of a small step.
    return partial(_numpy_epoch, evolve(steps, make=lru_cache(maxsize=8)(steps.make)), rows, first)


def _numpy_epoch(
    steps: Steps, rows: Rows, first: int, rate: float, state: TrainState, epoch: int
) -> tuple[TrainState, float]:
    step = partial(penalised_step, steps, partial(steps.make, rate))
    total, number = 0.0, first + epoch if rows.shuffle else 0
    for batch in batches(rows.data, size=rows.size, key=rows.key, epoch=number):
        state = step(state, batch)
        total += state.loss * len(batch)
    return state, total / len(rows.data)


def by_jax(steps: Steps, rows: Rows, first: int) -> Callable[[float, TrainState, int], tuple[TrainState, float]]:
    """Return a function that takes the steps of an epoch as one compiled loop, from and to states of NumPy.

    JAX computes in the precision of the rows, whatever jax_enable_x64 is outside.
    """
    jax = import_module("fnmlp.interop.jax").jax  # which says how to get JAX
    wide = rows.data.inputs.dtype == np.float64
    with jax.enable_x64(wide):
        data = to(rows.data, like=jax.numpy.zeros(()))
    rows = Rows(data, rows.size, rows.key, rows.shuffle)
    return partial(_jax_epoch, partial(_rated_step, steps), rows, first, wide)


def _rated_step(steps: Steps, rate: Any, state: TrainState, batch: Batch) -> TrainState:
    return penalised_step(steps, partial(steps.make, rate), state, batch)


def _jax_epoch(
    step: Callable[..., TrainState], rows: Rows, first: int, wide: bool, rate: float, state: TrainState, epoch: int
) -> tuple[TrainState, float]:
    room = import_module("fnmlp.interop.jax")
    number = first + epoch if rows.shuffle else 0
    with room.jax.enable_x64(wide):
        rated = room.Partial(
            step, room.jnp.asarray(rate)
        )  # an argument of the compiled loop: a new rate compiles nothing
        state, losses = room.fold_epoch(rated, state, rows.data, size=rows.size, key=rows.key, epoch=number)
        state = to(state, like=np.zeros(()))
    count = len(rows.data)
    sizes = np.minimum(rows.size, count - np.arange(0, count, rows.size))
    return state, float(np.asarray(losses) @ sizes / count)
