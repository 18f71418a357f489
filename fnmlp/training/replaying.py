"""Replay: repeat one step of a run."""

from collections.abc import Callable, Iterable
from typing import Any

from attrs import frozen

from fnmlp.checks import as_iterator, check_function, check_kind
from fnmlp.errors import DataError, OptionError
from fnmlp.scalars import as_integer
from fnmlp.training.loop import TrainState

__all__ = ["ReplayedStep", "replay"]


@frozen(eq=False)
class ReplayedStep:
    """A step of a run: the state before it, its batch, and the state after it."""

    before: TrainState
    batch: Any
    after: TrainState


def replay(
    step: Callable[[TrainState, Any], TrainState], state: TrainState, batches: Iterable[Any], *, number: int
) -> ReplayedStep:
    """Repeat the step with a given number, bit for bit; return the state before it, its batch, and the state after it.

    `state` is any state of the run before that step, for instance from `resume`, or the first one. `batches` are those
    that the run took from there on. From the result you can compute anything else about the step:
    `value_and_grad(model, loss, before.params, batch, fold_in(before.key, before.step))` gives its gradients, and
    `update_ratios(before.params, after.params)` how far it moved the parameters.
    Raises:   OptionError unless the state is before the step; DataError if the batches end before it; whatever the step
              raises.

    >>> from functools import partial
    >>> import numpy as np
    >>> from fnmlp.batching import Batch, batches
    >>> from fnmlp.key import Key
    >>> from fnmlp.layers import linear
    >>> from fnmlp.losses import mse
    >>> from fnmlp.optimizers import sgd
    >>> from fnmlp.training.loop import train_state, train_step
    >>> data = Batch(np.ones((8, 2), np.float32), np.ones((8, 1), np.float32))
    >>> state = train_state(linear(1), sgd(0.1), key=Key(0), example=(2,))
    >>> epoch = batches(data, size=2, key=Key(1), epoch=0)
    >>> seen = replay(partial(train_step, linear(1), mse, sgd(0.1)), state, epoch, number=3)
    >>> seen.before.step, len(seen.batch), seen.after.step
    (2, 2, 3)
    """
    check_function("replay(step)", step, 2, "partial(train_step, model, loss, optimizer)")
    check_kind("replay(state)", state, TrainState, "train_state(…)")
    number = as_integer("replay(number)", number)
    if number <= state.step:
        remedy = "give an earlier state, such as the one before the first step"
        raise OptionError("replay(number)", f"a step after {state.step}, where the state stands", number, remedy)
    for batch in as_iterator("replay(batches)", batches, "batches"):
        after = step(state, batch)
        if after.step == number:
            return ReplayedStep(state, batch, after)
        state = after
    remedy = "give the batches from the state's own step on"
    raise DataError("replay(batches)", f"a batch for step {number}", f"none after step {state.step}", remedy)
