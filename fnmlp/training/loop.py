"""Training as a fold of a pure step over batches; whatever watches it consumes the states."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from itertools import count as count_from
from math import nan
from typing import Any

from attrs import evolve, frozen
import numpy as np

from fnmlp.arrays import Array, Shape, as_array, namespace
from fnmlp.batching import Batch, Pair, as_batch, check_data
from fnmlp.checks import as_float_dtype, as_iterator, as_shape, check_function, check_kind
from fnmlp.conditions import plain
from fnmlp.errors import DataError, FnmlpError, ShapeError, StructureError
from fnmlp.key import Key, fold_in, split
from fnmlp.layer import Layer, P
from fnmlp.losses import Loss
from fnmlp.metrics import accuracy
from fnmlp.moving import in_dtype
from fnmlp.optimizers import Optimizer
from fnmlp.optimizers.core import apart, spending
from fnmlp.scalars import as_count, as_natural
from fnmlp.training.objectives import Objective, check_objective, value_and_grad
from fnmlp.tree import Tree, tree_leaves
from fnmlp.weights import with_weights

__all__ = [
    "TrainState",
    "apply_remainder",
    "epochs",
    "evaluate",
    "predict",
    "train_state",
    "train_step",
]


@frozen(eq=False)
class TrainState:
    """Hold everything that training needs to continue.

    `step`             the number of steps taken.
    `params`           the parameters.
    `optimizer_state`  the optimiser's state.
    `key`              the source of randomness; step i uses `fold_in(key, i)`.
    `loss`             the loss of the last batch, before the step on it; NaN before the first step. It is a float, or
                       with another library than NumPy an array of one number, so that nobody waits for it.
    """

    step: int
    params: Tree
    optimizer_state: Tree
    key: Key
    loss: float


def train_state(
    model: Layer[Any], optimizer: Optimizer, *, key: Key, example: Shape, dtype: object = "float32"
) -> TrainState:
    """Return the state before the first step.

    `example` is the shape of one input, without the batch axis; `dtype` is the dtype of the parameters.
    Raises:   whatever the layers' init raises for shapes that don't fit; OptionError for a dtype other than float32 and
              float64; StructureError for anything but a layer, an optimiser and a key.

    >>> from fnmlp.layers import linear
    >>> from fnmlp.optimizers import sgd
    >>> train_state(linear(2), sgd(0.1), key=Key(0), example=(3,)).params.weight.shape
    (3, 2)
    """
    check_kind("train_state(model)", model, Layer, "linear(10)")
    check_kind("train_state(optimizer)", optimizer, Optimizer, "sgd(0.1)")
    check_kind("train_state(key)", key, Key, "Key(0)")
    name = as_float_dtype("train_state(dtype)", dtype)
    init_key, step_key = split(key, 2)
    params, _ = model.init(init_key, as_shape("train_state(example)", example))
    params = in_dtype(params, name)
    return TrainState(0, params, optimizer.init(params), step_key, nan)


def train_step(
    model: Layer[Any],
    loss: Loss,
    optimizer: Optimizer,
    state: TrainState,
    batch: Batch | Iterable[Any],
    *,
    objective: Objective = value_and_grad,
) -> TrainState:
    """Take one training step on one batch; fold this function over batches to train.

    Bind the first three arguments with functools.partial. Instead of a Batch you can pass a pair of arrays, such as
    those from torch's DataLoader, or a triple with a weight for each row. Its arrays are converted to the library of
    the parameters.

    The step minimises the loss, or another objective of the model and the loss: a function with the arguments of
    `value_and_grad`, such as `adversarial`, with its options bound by functools.partial.
    Raises:   whatever the model, the loss, the objective and the optimiser raise; StructureError for anything but a
              batch.

    >>> from functools import partial, reduce
    >>> import numpy as np
    >>> from fnmlp.batching import batches
    >>> from fnmlp.layers import linear
    >>> from fnmlp.losses import mse
    >>> from fnmlp.optimizers import sgd
    >>> step = partial(train_step, linear(1), mse, sgd(0.1))
    >>> data = Batch(np.ones((8, 2), np.float32), np.ones((8, 1), np.float32))
    >>> state = train_state(linear(1), sgd(0.1), key=Key(0), example=(2,))
    >>> reduce(step, batches(data, size=4, key=Key(1), epoch=0), state).step
    2
    """
    try:
        if not isinstance(batch, Batch):
            batch = as_batch("train_step", batch, state.params)
        value, grads = objective(model, loss, state.params, batch, fold_in(state.key, state.step))
        return after_gradient(optimizer, state, value, grads)
    except FloatingPointError:
        if np.geterr()["under"] == "ignore":
            raise
        with np.errstate(under="ignore"):
            return train_step(model, loss, optimizer, state, batch, objective=objective)
    except (AttributeError, TypeError) as error:
        if not isinstance(error, FnmlpError):
            check_kind("train_step(optimizer)", optimizer, Optimizer, "sgd(0.1)")
            check_kind("train_step(state)", state, TrainState, "train_state(…)")
            check_objective("train_step(objective)", objective)
        raise


def after_gradient(optimizer: Optimizer, state: TrainState, value: Any, grads: Tree) -> TrainState:
    """Return the state after a step, given the loss and its gradient, whose memory is given away.

    >>> from fnmlp.optimizers import sgd
    >>> one = np.ones(1)
    >>> after_gradient(sgd(0.5), TrainState(0, one, (), Key(0), nan), 3.0, one.copy()).params
    array([0.5])
    """
    grads = apart(grads, state.params)
    params, optimizer_state = spending(optimizer)(state.params, grads, state.optimizer_state)
    loss_value = float(value) if isinstance(value, (np.generic, np.ndarray, float)) else value
    return TrainState(state.step + 1, params, optimizer_state, state.key, loss_value)


def apply_remainder(optimizer: Optimizer, state: TrainState) -> TrainState:
    """Take the last step of an `accumulated` optimiser when training ends before its group of gradients is full.

    The step uses the mean of the gradients that there are, as if they came from one large batch. Without any, nothing
    changes. The count of steps stays, because no batch is taken.
    Raises:   StructureError unless `accumulated` is the outermost part of the optimiser.

    >>> from fnmlp.layers import linear
    >>> from fnmlp.losses import mse
    >>> from fnmlp.optimizers import accumulated, sgd
    >>> from fnmlp.tree import tree_equal
    >>> import numpy as np
    >>> optimizer, ones = accumulated(sgd(0.1), steps=8), np.ones((2, 1), np.float32)
    >>> start = train_state(linear(1), optimizer, key=Key(0), example=(1,))
    >>> state = train_step(linear(1), mse, optimizer, start, Batch(ones, ones))
    >>> tree_equal(state.params, start.params), tree_equal(apply_remainder(optimizer, state).params, start.params)
    (True, False)
    """
    check_kind("apply_remainder(optimizer)", optimizer, Optimizer, "accumulated(sgd(0.1), steps=8)")
    check_kind("apply_remainder(state)", state, TrainState, "train_state(…)")
    if optimizer.finish is None:
        remedy = "make the optimizer with accumulated(…) as its outermost part"
        raise StructureError("apply_remainder", "an optimizer that accumulates gradients", "one that does not", remedy)
    params, optimizer_state = optimizer.finish(state.params, state.optimizer_state)
    return evolve(state, params=params, optimizer_state=optimizer_state)


def epochs(
    step: Callable[[TrainState, Any], TrainState],
    state: TrainState,
    batches_of: Callable[[int], Iterable[Any]],
    *,
    first: int = 0,
) -> Iterator[TrainState]:
    """Yield the state after each epoch, without end; stop with itertools, for instance `islice`.

    `batches_of(epoch)` returns the batches of one epoch. An epoch without batches is an error, because a consumer that
    waits for progress would wait forever.
    Raises:   DataError for an epoch without batches; whatever the step raises.

    >>> from itertools import islice
    >>> states = epochs(lambda state, batch: state + batch, 0, lambda epoch: (1, 2))
    >>> list(islice(states, 3))
    [3, 6, 9]
    """
    check_function("epochs(step)", step, 2, "partial(train_step, model, loss, optimizer)")
    check_function("epochs(batches_of)", batches_of, 1, "lambda epoch: batches(data, size=64, key=key, epoch=epoch)")
    return _epochs(step, state, batches_of, as_natural("epochs(first)", first))


def _epochs(
    step: Callable[[TrainState, Any], TrainState],
    state: TrainState,
    batches_of: Callable[[int], Iterable[Any]],
    first: int,
) -> Iterator[TrainState]:
    for epoch in count_from(first):  # pragma: no branch (it has no end)
        batches = as_iterator(f"epochs: epoch {epoch}", batches_of(epoch), "batches")
        try:
            first_batch = next(batches)
        except StopIteration:
            remedy = "return a fresh iterable for each epoch, not one that is used up"
            raise DataError(f"epochs: epoch {epoch}", "at least one batch", "none", remedy) from None
        state = reduce(step, batches, step(state, first_batch))
        yield state


def predict(model: Layer[P], params: P, inputs: Array, *, size: int = 1024) -> Array:
    """Apply a model to any number of inputs, in batches of at most `size` to bound memory.

    Shapes:   (n, …) -> (n, …), as the model maps an example.
    Raises:   OptionError for a bad size; whatever the model raises.

    >>> import numpy as np
    >>> from fnmlp.layers import relu
    >>> predict(relu(), (), np.array([[-1.0], [2.0], [3.0]]), size=2)
    array([[0.],
           [2.],
           [3.]])
    """
    check_kind("predict(model)", model, Layer, "linear(10)")
    inputs = as_array("predict(inputs)", inputs, next(iter(tree_leaves(params)), None))
    if not inputs.ndim:
        raise ShapeError("predict(inputs)", "rows of inputs", "a single number", "give it a row axis, as in x[None]")
    size = as_count("predict(size)", size)
    rows = range(0, max(inputs.shape[0], 1), size)
    outputs = [model.apply(params, inputs[row : min(row + size, inputs.shape[0]), ...]) for row in rows]
    if len(outputs) == 1:
        return outputs[0]
    return namespace(outputs[0]).concat(outputs)


def evaluate(
    model: Layer[P],
    loss: Loss,
    params: P,
    data: Batch | Pair,
    *,
    metrics: Sequence[Callable[[Array, Array], Any]] = (accuracy,),
    size: int = 1024,
) -> tuple[float, ...]:
    """Return the loss over `data`, followed by each metric.

    A metric is a function of outputs and targets, or a `Metric`. If the data have weights, the loss and the metrics get
    them as `sample_weights`. The loss is a float, or an array of one number if its value is not at hand: while JAX
    traces this function, and on another device than the processor.
    Raises:   DataError for empty data; StructureError for anything but a model, a loss, metrics and a batch; whatever
              the model, the loss and the metrics raise.

    >>> import numpy as np
    >>> from fnmlp.layers import identity
    >>> from fnmlp.losses import mse, on_labels
    >>> data = Batch(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1]))
    >>> evaluate(identity(), on_labels(mse), (), data)
    (0.5, 0.5)
    """
    data = as_batch("evaluate", data, params)
    check_data(data)
    check_function("evaluate(loss)", loss, 2, "mse")
    if not isinstance(metrics, (tuple, list)):
        remedy = "write a tuple, as in metrics=(accuracy,)"
        raise StructureError("evaluate(metrics)", "a tuple of metrics", type(metrics).__name__, remedy)
    for metric in metrics:
        check_function("evaluate(metrics)", metric, 2, "accuracy")
    y = predict(model, params, data.inputs, size=size)
    value, _ = with_weights(loss, y, data.targets, data.weights)
    return (plain(value), *(with_weights(metric, y, data.targets, data.weights) for metric in metrics))
