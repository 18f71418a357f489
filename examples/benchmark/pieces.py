"""Where the time of a step goes: fnmlp's step, taken piece by piece with its public functions."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from time import perf_counter
from typing import Any, TypeAlias

from benchmark.work import ORDER_KEY, Work, layers_of, optimizer_of
import fnmlp as fn
from fnmlp.data import Dataset
from fnmlp.optimizers.core import spending

Timed: TypeAlias = Callable[..., Any]
"""(name of a piece, function, its arguments …) -> what the function returns."""


def pieces(
    work: Work, data: Dataset, state: fn.TrainState, number: int, batches: int | None
) -> tuple[fn.TrainState, dict[str, float]]:
    """Train for an epoch piece by piece; return the last state, and the total seconds of each piece."""
    seconds: defaultdict[str, float] = defaultdict(float)

    def timed(piece: str, function: Callable[..., Any], *arguments: Any) -> Any:
        began = perf_counter()
        result = function(*arguments)
        seconds[piece] += perf_counter() - began
        return result

    draw = partial(fn.batches, data.train, size=work.batch_size, key=ORDER_KEY, epoch=number)
    served = islice(timed("draw the order of the epoch", draw), batches)
    bound = layers_of(work, data), fn.on_labels(fn.mse), optimizer_of(work), timed
    while (batch := timed("gather the batch", next, served, None)) is not None:
        state = step(*bound, state, batch)
    return state, dict(seconds)


def step(
    layers: Sequence[fn.Layer[Any]],
    loss: fn.Loss,
    optimizer: fn.Optimizer,
    timed: Timed,
    state: fn.TrainState,
    batch: fn.Batch,
) -> fn.TrainState:
    """Do what `fn.train_step` does for a chain of layers."""
    step_key = timed("keys", fn.fold_in, state.key, state.step)
    keys = timed("keys", fn.split, step_key, len(layers))
    y, pullbacks = batch.inputs, []
    for layer, own, key in zip(layers, state.params, keys, strict=True):
        y, pullback = timed(f"forward {layer}", layer.vjp, own, y, key)
        pullbacks.append(pullback)
    value, dy = timed("loss", loss, y, batch.targets)
    first = next(place for place, own in enumerate(state.params) if fn.tree_leaves(own))
    grads: tuple[Any, ...] = ()
    delayed_dx = partial(_itself, dy)
    for layer, pullback in reversed([*zip(layers, pullbacks, strict=True)][first:]):
        gradient, delayed_dx = timed(f"backward {layer}", _pull, pullback, delayed_dx)
        grads = (gradient, *grads)
    grads = (*state.params[:first], *grads)
    params, optimizer_state = timed("update", spending(optimizer), state.params, grads, state.optimizer_state)
    return fn.TrainState(state.step + 1, params, optimizer_state, state.key, float(value))


def _itself(dy: fn.Array) -> fn.Array:
    return dy


def _pull(pullback: fn.Pullback[Any], delayed_dy: Callable[[], fn.Array]) -> tuple[Any, Callable[[], fn.Array]]:
    return pullback(delayed_dy())
