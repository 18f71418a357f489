"""A training step that several ranks take together: each folds its shards, and all end with the same bits."""

from collections.abc import Callable, Iterator
from functools import partial
import math
from typing import Any, TypeAlias

import numpy as np

from fnmlp.arrays import Array, namespace
from fnmlp.batching import Batch, Pair
from fnmlp.checks import as_choice, check_kind
from fnmlp.errors import StructureError
from fnmlp.interop.mpi.exchange import check_numpy, gathered, total_gradient
from fnmlp.interop.mpi.shards import Comm, Plan, Shards, own_shards, plan_of
from fnmlp.key import Key, fold_in
from fnmlp.layer import Layer, P
from fnmlp.losses import Loss
from fnmlp.optimizers import Optimizer
from fnmlp.training import TrainState
from fnmlp.training.loop import after_gradient
from fnmlp.training.objectives import Objective, check_objective, loss_and_gradient, value_and_grad
from fnmlp.tree import Tree, tree_map

__all__ = ["parallel_grad", "parallel_step"]


def parallel_grad(
    model: Layer[P],
    loss: Loss,
    params: P,
    batch: Batch | Shards | Pair,
    key: Key | None = None,
    *,
    shards: int = 8,
    comm: Comm = None,
    order: str = "fixed",
    objective: Objective = value_and_grad,
) -> tuple[Any, P]:
    """Return the loss of a batch and its gradient with respect to the parameters, computed by all ranks together.

    The batch is cut into `shards`, however many ranks there are. The loss is that of all outputs at once, so weights of
    rows and classes count as in `value_and_grad`. Shard i draws its noise with `fold_in(key, i)`. With the order
    "fixed", gradients are added along one tree over the shards: the result has the same bits for any number of ranks.
    With "any", MPI's Allreduce adds them up, in an order that depends on the ranks.

    Another `objective` than `value_and_grad`, such as `adversarial` with its options bound, is computed for each shard,
    with the key of the shard. The shards' values and gradients are averaged, each with its share of the rows, or of
    their weights. So the loss must be a mean over rows; weights of classes count within a shard.
    Raises:   as `value_and_grad`; OptionError for fewer shards than ranks; StructureError for parameters of another
              library than NumPy, if there is a communicator.

    >>> from fnmlp.layers import linear
    >>> from fnmlp.losses import mse
    >>> params = linear(1).init(Key(0), (2,))[0]
    >>> batch = Batch(np.ones((3, 2), np.float32), np.ones((3, 1), np.float32))
    >>> parallel_grad(linear(1), mse, params, batch, shards=2)[1].weight.shape
    (2, 1)
    """
    where = "parallel_grad"
    check_kind(f"{where}(model)", model, Layer, "linear(10)")
    check_objective(f"{where}(objective)", objective)
    fixed = as_choice(f"{where}(order)", order, ("fixed", "any")) == "fixed"
    check_numpy(where, params, comm)
    batch = own_shards(where, batch, lambda rows: plan_of(where, rows, shards, comm))
    plan = plan_of(where, int(batch.targets.shape[0]), shards, comm)
    if len(batch.inputs) != plan.rows[plan.rank]:
        got, remedy = f"{len(batch.inputs)} rows", "read the batch with the same shards and communicator"
        raise StructureError(f"{where}(batch)", f"this rank's {plan.rows[plan.rank]} rows", got, remedy)
    taking = _whole_loss if objective is value_and_grad else partial(_mean_of_shards, objective)
    value, gradient = taking(model, loss, params, batch, key, plan, comm)
    return value, total_gradient(gradient, params, plan, comm, fixed=fixed)


Gradient: TypeAlias = Callable[[int], Tree]
"""The number of a shard of this rank -> its part of the gradient; it is asked for once."""


def own_parts(batch: Shards, key: Key | None, plan: Plan) -> Iterator[tuple[int, Array, Key | None]]:
    """Yield the number, the inputs and the key of each shard of this rank."""
    first = plan.edges[plan.spans[plan.rank][0]]
    for shard in plan.own:
        rows = slice(plan.edges[shard] - first, plan.edges[shard + 1] - first)
        yield shard, batch.inputs[rows, ...], None if key is None else fold_in(key, shard)


def _whole_loss(
    model: Layer[Any], loss: Loss, params: Tree, batch: Shards, key: Key | None, plan: Plan, comm: Comm
) -> tuple[Any, Gradient]:
    """Return the loss of all outputs at once, and what computes the part of each shard in its gradient."""
    passes = {shard: model.vjp(params, inputs, own_key) for shard, inputs, own_key in own_parts(batch, key, plan)}
    outputs = [y for y, _ in passes.values()] or [model.apply(params, batch.inputs)]
    joined = outputs[0] if len(outputs) == 1 else namespace(outputs[0]).concat(outputs)
    y = gathered(joined, plan.rows, comm)
    value, dy = loss_and_gradient("parallel_grad", loss, y, batch.targets, batch.weights)

    def gradient(shard: int) -> Tree:
        _, pullback = passes.pop(shard)
        return pullback(dy[plan.slice_of(shard), ...])[0]

    return value, gradient


def _mean_of_shards(
    objective: Objective,
    model: Layer[Any],
    loss: Loss,
    params: Tree,
    batch: Shards,
    key: Key | None,
    plan: Plan,
    comm: Comm,
) -> tuple[Any, Gradient]:
    """Return the mean of an objective over all shards, and what computes the part of each in its gradient."""
    shares, weighted = shares_of(batch, plan), not isinstance(batch.weights, tuple)
    nothing = 0.0, tree_map(np.zeros_like, params)
    found = {}
    for shard, inputs, own_key in own_parts(batch, key, plan):
        rows = plan.slice_of(shard)
        part = Batch(inputs, batch.targets[rows, ...], batch.weights[rows] if weighted else ())
        counts = shares[shard] > 0 or not any(shares)  # a loss refuses rows whose weights are all 0
        found[shard] = objective(model, loss, params, part, own_key) if counts else nothing
    values = np.array([value for value, _ in found.values()], np.float64)
    every = gathered(values, [last - first for first, last in plan.spans], comm)

    def gradient(shard: int) -> Tree:
        _, grads = found.pop(shard)
        return tree_map(lambda leaf: shares[shard] * leaf, grads)

    return math.fsum(share * value for share, value in zip(shares, every.tolist(), strict=True)), gradient


def shares_of(batch: Shards, plan: Plan) -> list[float]:
    """Return the share of each shard in a mean over the rows of a batch.

    >>> shares_of(Shards(np.ones(4), np.ones(4)), Plan([0, 1, 4], [(0, 2)], 0))
    [0.25, 0.75]
    """
    rows = np.ones(plan.edges[-1]) if isinstance(batch.weights, tuple) else np.asarray(batch.weights, np.float64)
    sums = [float(np.sum(rows[plan.slice_of(shard)])) for shard in range(len(plan.edges) - 1)]
    return [each / (sum(sums) or 1.0) for each in sums]


def parallel_step(
    model: Layer[Any],
    loss: Loss,
    optimizer: Optimizer,
    state: TrainState,
    batch: Batch | Shards | Pair,
    *,
    shards: int = 8,
    comm: Comm = None,
    order: str = "fixed",
    objective: Objective = value_and_grad,
) -> TrainState:
    """Take one training step on one batch, together with all ranks; each returns the same state.

    It is `train_step` with the gradient of `parallel_grad`, also of another `objective`. With the order "fixed", any
    number of ranks ends with the same bits, if all have the same BLAS kernels and threads. Without a communicator, this
    process computes all shards: the same function without MPI. Every rank needs the same state and the same batch, or
    its part of `parallel_batches`.
    Raises:   as `parallel_grad`.

    >>> from functools import partial
    >>> from fnmlp.layers import linear
    >>> from fnmlp.losses import mse
    >>> from fnmlp.optimizers import sgd
    >>> from fnmlp.training import train_state
    >>> step = partial(parallel_step, linear(1), mse, sgd(0.1), shards=2)
    >>> data = Batch(np.ones((8, 2), np.float32), np.ones((8, 1), np.float32))
    >>> step(train_state(linear(1), sgd(0.1), key=Key(0), example=(2,)), data).step
    1
    """
    check_kind("parallel_step(optimizer)", optimizer, Optimizer, "sgd(0.1)")
    check_kind("parallel_step(state)", state, TrainState, "train_state(…)")
    with np.errstate(under="ignore"):  # a rank that raised alone would leave the others waiting
        key = fold_in(state.key, state.step)
        options = {"shards": shards, "comm": comm, "order": order, "objective": objective}
        value, grads = parallel_grad(model, loss, state.params, batch, key, **options)
        return after_gradient(optimizer, state, value, grads)
