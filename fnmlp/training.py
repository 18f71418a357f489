"""Training is a fold of a pure step over batches; everything that watches it consumes the states."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial, reduce
from itertools import count as count_from
from math import nan
from typing import Any

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array, Shape, bring, namespace, read_only, to_dtype
from fnmlp.batches import Batch, check_data
from fnmlp.errors import DataError, StructureError
from fnmlp.key import Key, fold_in, split
from fnmlp.layer import Layer, P
from fnmlp.losses import Loss
from fnmlp.metrics import accuracy
from fnmlp.optimizers import Optimizer
from fnmlp.optimizers.core import step_of
from fnmlp.options import count, one_of
from fnmlp.tree import Tree, tree_leaves, tree_map


@frozen(eq=False)
class TrainState:
    """All that training needs to go on: a value.

    `step`             how many steps were taken.
    `params`           the parameters.
    `optimizer_state`  what the optimiser remembers.
    `key`              the randomness of the steps; that of step i is `fold_in(key, i)`.
    `loss`             the loss of the last step's batch before that step; NaN before the first.
    """

    step: int
    params: Tree
    optimizer_state: Tree
    key: Key
    loss: float


def train_state(
    model: Layer[Any], optimizer: Optimizer, *, key: Key, example: Shape, dtype: str = "float32"
) -> TrainState:
    """Return the state before the first step.

    `example` is the shape of one input, without the batch axis; `dtype` that of the parameters.
    Raises:   what the layers' init raises where shapes do not fit; OptionError for another dtype.

    >>> from fnmlp.layers import linear
    >>> from fnmlp.optimizers import sgd
    >>> train_state(linear(2), sgd(0.1), key=Key(0), example=(3,)).params.weight.shape
    (3, 2)
    """
    one_of("train_state(dtype)", dtype, ("float32", "float64"))
    init_key, step_key = split(key, 2)
    params, _ = model.init(init_key, tuple(example))
    params = tree_map(partial(_cast, dtype=dtype), params)
    return TrainState(0, params, optimizer.init(params), step_key, nan)


def _cast(x: Array, *, dtype: str) -> Array:
    return read_only(to_dtype(x, dtype))


def value_and_grad(model: Layer[P], loss: Loss, params: P, batch: Batch, key: Key | None = None) -> tuple[Any, P]:
    """Return the loss of a batch and its gradient with respect to the parameters.

    The gradient has the structure, shapes and dtypes of the parameters.
    Raises:   what the model and the loss raise.

    >>> from fnmlp.layers import linear
    >>> from fnmlp.losses import mse
    >>> params = linear(1).init(Key(0), (2,))[0]
    >>> batch = Batch(np.ones((3, 2), np.float32), np.ones((3, 1), np.float32))
    >>> value_and_grad(linear(1), mse, params, batch)[1].weight.shape
    (2, 1)
    """
    y, pullback = model.vjp(params, batch.inputs, key)
    value, dy = loss(y, batch.targets)
    grads, _ = pullback(dy)
    return value, grads


def train_step(
    model: Layer[Any], loss: Loss, optimizer: Optimizer, state: TrainState, batch: Batch | Iterable[Any]
) -> TrainState:
    """Take one step on one batch: the function that training folds over batches.

    Bind the first three arguments with functools.partial. A pair of arrays, such as torch's DataLoader yields,
    is as good as a Batch; its arrays are brought to the library of the parameters.
    Raises:   what the model, the loss and the optimiser raise; StructureError for anything but a batch.

    >>> from functools import partial, reduce
    >>> from fnmlp.batches import batches
    >>> from fnmlp.layers import linear
    >>> from fnmlp.losses import mse
    >>> from fnmlp.optimizers import sgd
    >>> step = partial(train_step, linear(1), mse, sgd(0.1))
    >>> data = Batch(np.ones((8, 2), np.float32), np.ones((8, 1), np.float32))
    >>> state = train_state(linear(1), sgd(0.1), key=Key(0), example=(2,))
    >>> reduce(step, batches(data, size=4, key=Key(1), epoch=0), state).step
    2
    """
    if not isinstance(batch, Batch):
        batch = _as_batch(state.params, batch)
    value, grads = value_and_grad(model, loss, state.params, batch, fold_in(state.key, state.step))
    # The gradients are this function's own: it had them from a pullback, and gives them to nobody else.
    params, optimizer_state = step_of(optimizer, spend=True)(state.params, grads, state.optimizer_state)
    return TrainState(state.step + 1, params, optimizer_state, state.key, float(value))


def _as_batch(params: Tree, pair: Any) -> Batch:
    try:
        inputs, targets = pair
    except (TypeError, ValueError) as error:
        remedy = "yield Batch(inputs, targets) or (inputs, targets)"
        raise StructureError("train_step", "a batch", type(pair).__name__, remedy) from error
    like = next(iter(tree_leaves(params)), np.empty(0))
    return Batch(bring(inputs, like), bring(targets, like))


def epochs(
    step: Callable[[TrainState, Any], TrainState],
    state: TrainState,
    batches_of: Callable[[int], Iterable[Any]],
    *,
    first: int = 0,
) -> Iterator[TrainState]:
    """Yield the state after each epoch, without end: take as many as you want with itertools.

    `batches_of(epoch)` gives the batches of one epoch. An epoch without batches is an error, because a
    consumer that waits for progress would wait for ever.
    Raises:   DataError for an epoch without batches; what the step raises.

    >>> from itertools import islice
    >>> states = epochs(lambda state, batch: state + batch, 0, lambda epoch: (1, 2))
    >>> list(islice(states, 3))
    [3, 6, 9]
    """
    for epoch in count_from(first):  # pragma: no branch (it has no end)
        batches = iter(batches_of(epoch))
        try:
            first_batch = next(batches)
        except StopIteration:
            remedy = "return a fresh iterable for each epoch, not one that is used up"
            raise DataError(f"epochs: epoch {epoch}", "at least one batch", "none", remedy) from None
        state = reduce(step, batches, step(state, first_batch))
        yield state


def predict(model: Layer[P], params: P, inputs: Array, *, size: int = 1024) -> Array:
    """Apply a model to any number of inputs in batches of at most `size`, so that memory stays bounded.

    Shapes:   (n, …) -> (n, …), as the model maps an example.
    Raises:   OptionError for a bad size; what the model raises.

    >>> from fnmlp.layers import relu
    >>> predict(relu(), (), np.array([[-1.0], [2.0], [3.0]]), size=2)
    array([[0.],
           [2.],
           [3.]])
    """
    rows = range(0, max(inputs.shape[0], 1), count("predict(size)", size))
    outputs = [model.apply(params, inputs[row : min(row + size, inputs.shape[0]), ...]) for row in rows]
    if len(outputs) == 1:
        return outputs[0]
    joined: Array = namespace(outputs[0]).concat(outputs)
    return joined


def evaluate(
    model: Layer[P],
    loss: Loss,
    params: P,
    data: Batch,
    *,
    metrics: tuple[Callable[[Array, Array], Any], ...] = (accuracy,),
    size: int = 1024,
) -> tuple[float, ...]:
    """Return the loss over all of `data`, and then each metric: a function of outputs and targets, or a `Metric`.

    Raises:   DataError for empty data; what the model, the loss and the metrics raise.

    >>> from fnmlp.layers import identity
    >>> from fnmlp.losses import mse, on_labels
    >>> data = Batch(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1]))
    >>> evaluate(identity(), on_labels(mse), (), data)
    (0.5, 0.5)
    """
    check_data(data)
    y = predict(model, params, data.inputs, size=size)
    value, _ = loss(y, data.targets)
    return (float(value), *(metric(y, data.targets) for metric in metrics))
