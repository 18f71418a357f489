"""A learning-rate finder: train briefly with a growing rate, and choose a rate by the losses."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import inf, isfinite
from typing import Any

import numpy as np

from fnmlp.checks import as_iterator, check_function, check_kind
from fnmlp.errors import DataError, OptionError, StructureError
from fnmlp.layer import Layer
from fnmlp.losses import Loss
from fnmlp.optimizers import Optimizer
from fnmlp.scalars import as_count, as_fraction, as_positive, is_number
from fnmlp.training.loop import TrainState, train_step
from fnmlp.training.objectives import Objective, value_and_grad

__all__ = ["rate_range", "suggested_rate"]

DIVERGED = 4.0
"""The sweep ends when the loss exceeds this many times its lowest value."""


def rate_range(
    model: Layer[Any],
    loss: Loss,
    make: Callable[[float], Optimizer],
    state: TrainState,
    batches: Iterable[Any],
    *,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
    smoothing: float = 0.9,
    objective: Objective = value_and_grad,
) -> Iterator[tuple[float, float]]:
    """Train with a rate that grows geometrically at each step, and yield each rate with the smoothed loss, lazily.

    `make` is a constructor such as `sgd` or `adam`, with its other options bound by functools.partial. Training starts
    from the parameters of `state`, which stays unchanged, with a new optimiser state. Each loss is that of a batch
    before the step on it, smoothed by an exponential mean with decay `smoothing`; 0 turns smoothing off. The sweep ends
    after the highest rate. It ends early, with a loss of infinity, if the smoothed loss is not finite or exceeds four
    times its lowest value. `objective` is as in `train_step`.
    Units:    those of the rate, and of the loss.
    Raises:   OptionError unless 0 < lowest < highest, steps is at least 2, and 0 <= smoothing < 1; DataError if there
              are fewer batches than steps; whatever the model, the loss and the optimiser raise.
    Source:   Smith 2017, arXiv:1506.01186, sec. 3.3; the geometric growth, the smoothing and the end: fastai's lr_find.

    >>> from itertools import repeat
    >>> from fnmlp.batching import Batch
    >>> from fnmlp.key import Key
    >>> from fnmlp.layers import linear
    >>> from fnmlp.losses import mse
    >>> from fnmlp.optimizers import sgd
    >>> from fnmlp.training.loop import train_state
    >>> data = Batch(np.ones((8, 2), np.float32), np.ones((8, 1), np.float32))
    >>> state = train_state(linear(1), sgd(0.1), key=Key(0), example=(2,))
    >>> sweep = rate_range(linear(1), mse, sgd, state, repeat(data), lowest=0.001, highest=1.0, steps=4)
    >>> [round(rate, 6) for rate, _ in sweep]
    [0.001, 0.01, 0.1, 1.0]
    """
    check_function("rate_range(make)", make, 1, "sgd")
    check_kind("rate_range(state)", state, TrainState, "train_state(…)")
    first, last = as_positive("rate_range(lowest)", lowest), as_positive("rate_range(highest)", highest)
    if first >= last:
        remedy = "choose for instance lowest=1e-6, highest=10.0"
        raise OptionError("rate_range", "lowest < highest", f"lowest={first}, highest={last}", remedy)
    steps = as_count("rate_range(steps)", steps)
    if steps < 2:
        raise OptionError("rate_range(steps)", "an integer of at least 2", steps, "choose for instance 100")
    ways = [step / (steps - 1) for step in range(steps)]
    rates = [first ** (1 - way) * last**way for way in ways]
    optimizer = make(first)
    check_kind("rate_range(make): its result", optimizer, Optimizer, "sgd as `make`")
    start = TrainState(state.step, state.params, optimizer.init(state.params), state.key, state.loss)
    smoothing = as_fraction("rate_range(smoothing)", smoothing)
    passed = as_iterator("rate_range(batches)", batches, "batches")
    return _until_diverged(
        partial(_step, partial(train_step, model, loss, objective=objective), make), start, rates, passed, smoothing
    )


def _step(
    step: Callable[[Optimizer, TrainState, Any], TrainState],
    make: Callable[[float], Optimizer],
    rate: float,
    state: TrainState,
    batch: Any,
) -> TrainState:
    with np.errstate(all="ignore"):  # overflow shows that a rate is too high
        return step(make(rate), state, batch)


def _until_diverged(
    step: Callable[[float, TrainState, Any], TrainState],
    state: TrainState,
    rates: list[float],
    batches: Iterator[Any],
    smoothing: float,
) -> Iterator[tuple[float, float]]:
    average, lowest = 0.0, inf
    for number, rate in enumerate(rates, start=1):
        batch = next(batches, None)
        if batch is None:
            remedy = "chain the batches of several epochs"
            raise DataError("rate_range", f"{len(rates)} batches", number - 1, remedy)
        state = step(rate, state, batch)
        average = smoothing * average + (1 - smoothing) * float(state.loss)
        smoothed = average / (1 - smoothing**number)  # the mean starts at 0, so correct its bias
        lowest = min(lowest, smoothed)
        if not isfinite(smoothed) or smoothed > lowest + (DIVERGED - 1) * abs(lowest):
            yield rate, inf
            return
        yield rate, smoothed


def suggested_rate(pairs: Iterable[tuple[float, float]]) -> float:
    """Suggest a learning rate: a tenth of the rate with the lowest loss, among the pairs from `rate_range`.

    The loss still falls there, well below the rates at which it rises. The rate with the steepest fall is not used,
    because it depends on the noise of single batches. For the same reason the first tenth of the pairs is left out.
    Units:    those of the rate.
    Raises:   DataError unless the loss falls and then rises.

    >>> suggested_rate([(0.01, 3.0), (0.1, 2.0), (1.0, 1.0), (10.0, 4.0)])
    0.1
    """
    sweep = list(as_iterator("suggested_rate(pairs)", pairs, "rates and losses"))
    for pair in sweep:
        if not isinstance(pair, tuple) or len(pair) != 2 or not all(map(is_number, pair)):
            remedy = "pass what rate_range yields"
            raise StructureError("suggested_rate", "pairs of rate and loss", type(pair).__name__, remedy)
    sweep = sweep[len(sweep) // 10 :]
    losses = [loss for _, loss in sweep]
    place = losses.index(min(losses)) if losses else 0
    if place == 0 or place == len(losses) - 1:
        got = f"the lowest loss at the {'first' if place == 0 else 'last'} of {len(losses)} rates"
        remedy = "start at a lower rate" if place == 0 else "continue to a higher rate"
        raise DataError("suggested_rate", "a loss that falls and then rises", got, f"{remedy}, or take more steps")
    return sweep[place][0] / 10
