"""A training step that several ranks take together: each folds its shards, and all end with the same bits."""

from typing import Any

import numpy as np

from fnmlp.arrays import namespace
from fnmlp.batching import Batch, Pair
from fnmlp.checks import as_choice, check_kind
from fnmlp.errors import StructureError
from fnmlp.interop.mpi.exchange import check_numpy, gathered, total_gradient
from fnmlp.interop.mpi.shards import Comm, Shards, own_shards, plan_of
from fnmlp.key import Key, fold_in
from fnmlp.layer import Layer, P
from fnmlp.losses import Loss
from fnmlp.optimizers import Optimizer
from fnmlp.training import TrainState
from fnmlp.training.loop import after_gradient
from fnmlp.training.objectives import loss_and_gradient
from fnmlp.tree import Tree

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
) -> tuple[Any, P]:
    """Return the loss of a batch and its gradient with respect to the parameters, computed by all ranks together.

    The batch is cut into `shards`, however many ranks there are. The loss is that of all outputs at once, so weights of
    rows and classes count as in `value_and_grad`. Shard i draws its noise with `fold_in(key, i)`. With the order
    "fixed", gradients are added along one tree over the shards: the result has the same bits for any number of ranks.
    With "any", MPI's Allreduce adds them up, in an order that depends on the ranks.
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
    fixed = as_choice(f"{where}(order)", order, ("fixed", "any")) == "fixed"
    check_numpy(where, params, comm)
    batch = own_shards(where, batch, lambda rows: plan_of(where, rows, shards, comm))
    plan = plan_of(where, int(batch.targets.shape[0]), shards, comm)
    if len(batch.inputs) != plan.rows[plan.rank]:
        got, remedy = f"{len(batch.inputs)} rows", "read the batch with the same shards and communicator"
        raise StructureError(f"{where}(batch)", f"this rank's {plan.rows[plan.rank]} rows", got, remedy)
    first = plan.edges[plan.spans[plan.rank][0]]
    passes = {}
    for shard in plan.own:
        rows = slice(plan.edges[shard] - first, plan.edges[shard + 1] - first)
        own_key = None if key is None else fold_in(key, shard)
        passes[shard] = model.vjp(params, batch.inputs[rows, ...], own_key)
    outputs = [y for y, _ in passes.values()] or [model.apply(params, batch.inputs)]
    joined = outputs[0] if len(outputs) == 1 else namespace(outputs[0]).concat(outputs)
    y = gathered(joined, plan.rows, comm)
    value, dy = loss_and_gradient(where, loss, y, batch.targets, batch.weights)

    def gradient(shard: int) -> Tree:
        _, pullback = passes.pop(shard)
        return pullback(dy[plan.slice_of(shard), ...])[0]

    return value, total_gradient(gradient, params, plan, comm, fixed=fixed)


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
) -> TrainState:
    """Take one training step on one batch, together with all ranks; each returns the same state.

    It is `train_step` with the gradient of `parallel_grad`: with the order "fixed", any number of ranks ends with the
    same bits, if all have the same BLAS kernels and threads. Without a communicator, this process computes all shards:
    the same function without MPI. Every rank needs the same state and the same batch, or its part of
    `parallel_batches`.
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
        value, grads = parallel_grad(model, loss, state.params, batch, key, shards=shards, comm=comm, order=order)
        return after_gradient(optimizer, state, value, grads)
