"""The engine on MPI: each rank computes its shards of a batch. Without MPI, one process computes them all."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import click
import numpy as np

from engines import Engine, Stretch, Trainer
import fnmlp as fn
from fnmlp.interop.mpi import Shards, parallel_batches, parallel_grad, parallel_predict, parallel_step
from fnmlp.training.objectives import value_and_grad
from fnmlp.tree import Tree
from recipe_building import Augment
from run_members import Member, augment_key, augmentation_of, step_of, steps_of


def parallel_engine(shards: int, comm: Any) -> Engine:
    """Return the engine on the ranks of a communicator, or on this process alone if it is None."""
    predict, grads = partial(parallel_predict, comm=comm), partial(gradients, shards)
    return Engine("parallel", f"numpy {np.__version__}", partial(trainer, shards, comm), predict, grads, shards=shards)


def trainer(shards: int, comm: Any, member: Member, _before: int, _every: int) -> Trainer:
    """Return what trains a network."""
    if member.objective is not value_and_grad and member.recipe.loss == "mse-sum":
        need = "--loss mse: it takes the mean of the shards of a batch"
        raise click.UsageError(f"--parallel with --objective {member.recipe.objective} needs {need}")
    augment = augmentation_of(member)
    read, step = partial(batches_of, member, augment, shards), partial(parallel_step, shards=shards, comm=comm)
    return Trainer(
        partial(epoch_of, member, partial(read, comm), step_of(step, member)),
        partial(batch_of, partial(read, None)),
        partial(blame, member, partial(read, None), shards),
    )


def batches_of(
    member: Member, augment: Augment | None, shards: int, comm: Any, epoch: int, start: int
) -> Iterator[Shards]:
    """Yield this rank's part of the batches of an epoch, from a given one on."""
    return parallel_batches(
        member.train,
        size=member.recipe.batch_size,
        key=member.order_key,
        epoch=epoch,
        start=start,
        shards=shards,
        comm=comm,
        augment=augment,
        augment_key=augment_key(member),
    )


def epoch_of(member: Member, read: Any, step: Any, state: fn.TrainState, epoch: int, stop: int) -> Iterator[Stretch]:
    """Take the steps of an epoch one by one."""
    place = state.step - epoch * steps_of(member.recipe, member.train)
    for batch in islice(read(epoch, place), stop - place):
        state = step(state, batch)
        yield state, (state.loss,)


def batch_of(read: Any, epoch: int, place: int) -> fn.Batch:
    """Return the whole batch that a step is taken on."""
    batch = next(read(epoch, place))
    return fn.Batch(batch.inputs, batch.targets, batch.weights)


def blame(member: Member, read: Any, shards: int, state: fn.TrainState, epoch: int, _: Sequence[float]) -> None:
    """Raise for the step after a state that ends in infinities or NaN, naming the layer; each rank finds the same."""
    batch = batch_of(read, epoch, state.step - epoch * steps_of(member.recipe, member.train))
    objective = partial(parallel_grad, shards=shards, objective=member.objective)
    fn.checked_step(member.model, member.loss, member.optimizer, state, batch, objective=objective)


def gradients(shards: int, member: Member, state: fn.TrainState, batch: fn.Batch) -> Tree:
    """Return the gradients of the step that is taken from a state on a whole batch."""
    key = fn.fold_in(state.key, state.step)
    grad = partial(parallel_grad, shards=shards, objective=member.objective)
    return grad(member.model, member.loss, state.params, batch, key)[1]
