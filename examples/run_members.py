"""The networks of a run, with everything that their training depends on."""

from collections.abc import Callable, Iterator
from functools import partial
import math
from typing import Any

from attrs import frozen

import fnmlp as fn
from fnmlp.data import Dataset
from fnmlp.training.objectives import Objective
from recipe_building import (
    Augment,
    build_augmentation,
    build_loss,
    build_model,
    build_objective,
    build_optimizer,
)
from recipes import Recipe


@frozen(eq=False)
class Member:
    """Hold everything that one network's training depends on: images, model, loss, objective, optimiser and keys."""

    recipe: Recipe
    white: int
    train: fn.Batch
    model: fn.Layer[Any]
    loss: fn.Loss
    objective: Objective
    optimizer: fn.Optimizer
    start_key: fn.Key
    order_key: fn.Key
    augment_key: fn.Key


def members_of(recipe: Recipe, data: Dataset, seed: int) -> list[Member]:
    """Build the networks of a recipe; member m is the network that the seed `seed * members + m` trains alone."""
    model = build_model(recipe, white=data.white, classes=len(data.classes))
    optimizer = build_optimizer(recipe, steps=steps_of(recipe, data.train) * recipe.epochs)
    loss, objective = build_loss(recipe), build_objective(recipe, white=data.white)
    # All have one model, loss, objective and optimiser, so that an engine that compiles them does so once.
    member = partial(Member, recipe, data.white, data.train, model, loss, objective, optimizer)
    first = seed * recipe.members
    return [member(*fn.split(fn.Key(first + place), 3)) for place in range(recipe.members)]


def step_of(step: Callable[..., fn.TrainState], member: Member) -> Callable[[fn.TrainState, fn.Batch], fn.TrainState]:
    """Bind everything but a state and a batch of `train_step` or `checked_step`."""
    return partial(step, member.model, member.loss, member.optimizer, objective=member.objective)


def steps_of(recipe: Recipe, data: fn.Batch) -> int:
    """Count the steps of an epoch."""
    return math.ceil(len(data) / recipe.batch_size)


def steps_in_all(member: Member) -> int:
    """Count the steps of a network's training."""
    return steps_of(member.recipe, member.train) * member.recipe.epochs


def first_state(member: Member) -> fn.TrainState:
    """Return the state before the first step."""
    example, dtype = member.train.inputs.shape[1:], member.recipe.dtype
    return fn.train_state(member.model, member.optimizer, key=member.start_key, example=example, dtype=dtype)


def augmentation_of(member: Member) -> Augment | None:
    """Build the augmentation, for one member at a time, because thousands of maps take memory."""
    key, shape = fn.fold_in(member.augment_key, 0), member.train.inputs.shape[1:]
    return build_augmentation(member.recipe, key=key, shape=shape)


def augment_key(member: Member) -> fn.Key:
    """Return the key of an augmentation that folds in the epoch and the batch; key 0 drew the maps."""
    return fn.fold_in(member.augment_key, 1)


def batches_of(member: Member, augment: Augment | None, epoch: int, start: int) -> Iterator[fn.Batch]:
    """Yield the batches of an epoch, from a given one on."""
    size = member.recipe.batch_size
    batches = fn.batches(member.train, size=size, key=member.order_key, epoch=epoch, start=start)
    if augment is None:
        return batches
    from fnmlp.augmentation import augmented

    return augmented(batches, augment, key=fn.fold_in(member.augment_key, epoch + 1), start=start)


def learned(member: Member, state: fn.TrainState) -> Any:
    """Return the parameters to evaluate and save: their running mean if the recipe keeps one."""
    return fn.averaged_params(state.optimizer_state) if member.recipe.average else state.params
