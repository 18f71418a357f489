"""One run of the trainer: a fold over the batches of every epoch, watched from outside."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate
import json
import math
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

from attrs import frozen
import numpy as np
from tqdm import tqdm

import fnmlp as fn
from fnmlp.data import Dataset
from fnmlp.files import write_whole
from fnmlp.recipes import Augment, Recipe, build_augmentation, build_loss, build_model, build_optimizer, classifier
from image_models import loss_of_probabilities

Entry: TypeAlias = dict[str, Any]


@frozen
class Settings:
    """Where a run takes its data from, on what it is judged, and where its results go."""

    recipe: str
    seed: int
    dataset: str
    data_dir: Path | None
    validation: float
    no_eval: bool
    output: Path | None
    history: Path | None
    plot: Path | None
    quiet: bool

    @property
    def judge(self) -> str:
        """What held-out images are called: the share of the training images that --validation sets aside, or test."""
        return "validation" if self.validation else "test"

    @property
    def purpose(self) -> str:
        """What held-out images are for."""
        return "to validate on" if self.validation else "to test on"

    @property
    def each_epoch(self) -> bool:
        """Whether held-out images are looked at after each epoch: as the lab did, but else the test set only once."""
        return self.recipe == "lab" or self.validation > 0


@frozen(eq=False)
class Member:
    """All that the training of one network is a function of: what its recipe names, its images, and its keys."""

    recipe: Recipe
    train: fn.Batch
    model: fn.Layer[Any]
    loss: fn.Loss
    optimizer: fn.Optimizer
    start_key: fn.Key
    order_key: fn.Key
    augment_key: fn.Key


def members_of(recipe: Recipe, data: Dataset, seed: int) -> list[Member]:
    """Build the networks of a recipe: member m is what the seed `seed * members + m` trains alone."""
    first = seed * recipe.members
    return [member_of(recipe, data, fn.Key(first + place)) for place in range(recipe.members)]


def member_of(recipe: Recipe, data: Dataset, key: fn.Key) -> Member:
    """Build all that a recipe names."""
    start_key, order_key, augment_key = fn.split(key, 3)
    return Member(
        recipe=recipe,
        train=data.train,
        model=build_model(recipe, white=data.white, classes=len(data.classes)),
        loss=build_loss(recipe),
        optimizer=build_optimizer(recipe, steps=steps_of(recipe, data.train) * recipe.epochs),
        start_key=start_key,
        order_key=order_key,
        augment_key=augment_key,
    )


def steps_of(recipe: Recipe, data: fn.Batch) -> int:
    """Count the steps of an epoch."""
    return math.ceil(len(data) / recipe.batch_size)


def first_state(member: Member) -> fn.TrainState:
    """Return the state before the first step."""
    example, dtype = member.train.inputs.shape[1:], member.recipe.dtype
    return fn.train_state(member.model, member.optimizer, key=member.start_key, example=example, dtype=dtype)


def augmentation_of(member: Member) -> Augment | None:
    """Build what varies the images; of one member at a time, because thousands of maps are kept in memory."""
    key, shape = fn.fold_in(member.augment_key, 0), member.train.inputs.shape[1:]
    return build_augmentation(member.recipe, key=key, shape=shape)


def states_of_epoch(
    member: Member, augment: Augment | None, state: fn.TrainState, epoch: int
) -> Iterator[fn.TrainState]:
    """Yield the state that an epoch begins with, and the one after each of its steps."""
    batches = fn.batches(member.train, size=member.recipe.batch_size, key=member.order_key, epoch=epoch)
    if augment is not None:
        from fnmlp.augmentation import augmented

        batches = augmented(batches, augment, key=fn.fold_in(member.augment_key, epoch + 1))
    return accumulate(batches, partial(fn.train_step, member.model, member.loss, member.optimizer), initial=state)


def learned(member: Member, state: fn.TrainState) -> Any:
    """Return the parameters to evaluate and to save: their mean over time where the recipe keeps one."""
    return fn.averaged_params(state.optimizer_state) if member.recipe.average else state.params


@frozen(eq=False)
class Trained:
    """What training came to so far: a model that gives probabilities, its parameters, and what each epoch showed."""

    model: fn.Layer[Any]
    params: Any
    history: tuple[Entry, ...]


def training(members: Sequence[Member], held_out: fn.Batch, settings: Settings) -> Iterator[Trained]:
    """Train one network after another, and yield after each epoch what they are together."""
    finished: tuple[Any, ...] = ()
    history: tuple[Entry, ...] = ()
    for member in members:
        recipe, augment = member.recipe, augmentation_of(member)
        state = first_state(member)
        for epoch in range(recipe.epochs):
            began = perf_counter()
            states, steps = states_of_epoch(member, augment, state, epoch), steps_of(recipe, member.train)
            state, train_loss = consume(states, steps, epoch=len(history) + 1, quiet=settings.quiet)
            seconds = perf_counter() - began
            model, params = classifier(recipe, member.model, (*finished, learned(member, state)))
            last = member is members[-1] and epoch + 1 == recipe.epochs
            scores: tuple[float | None, ...] = None, None
            if not settings.no_eval and (last or settings.each_epoch):
                scores = fn.evaluate(model, loss_of_probabilities(recipe.loss), params, held_out)
            if scores[0] is not None and not math.isfinite(scores[0]):
                raise diverged(state.step, f"a finite {settings.judge} loss", scores[0])
            entry = {
                "epoch": len(history) + 1,
                "train_loss": train_loss,
                f"{settings.judge}_loss": scores[0],
                f"{settings.judge}_accuracy": scores[1],
                "seconds": round(seconds, 3),
                "steps": state.step,
                "parameters_sha256": fn.tree_sha256(state.params),
            }
            history = (*history, entry)
            yield Trained(model, params, history)
        finished = (*finished, learned(member, state))


def consume(states: Iterator[fn.TrainState], steps: int, *, epoch: int, quiet: bool) -> tuple[fn.TrainState, float]:
    """Watch the states of an epoch go by, showing the running loss; return the last state and the mean loss."""
    state, total = next(states), 0.0
    with tqdm(total=steps, desc=f"epoch {epoch}", unit="step", leave=False, disable=quiet or None) as bar:
        for done, state in enumerate(states, start=1):
            if not math.isfinite(state.loss):
                raise diverged(state.step, "a finite loss", state.loss)
            total += state.loss
            if done % 50 == 0 or done == steps:
                bar.set_postfix_str(f"loss {total / done:.5f}", refresh=False)
                bar.update(done - bar.n)
    # The loss of a step is that before it: what the last one did shows in the parameters.
    for name, leaf in fn.tree_paths(state.params):
        if not np.isfinite(leaf).all():
            raise diverged(state.step, f"finite parameters {name}", "infinities or NaN")
    return state, total / steps


def diverged(step: int, expected: str, got: object) -> fn.DivergenceError:
    """Name the step at which numbers stopped being finite."""
    return fn.DivergenceError(f"step {step}", expected, got, "train with a smaller --rate")


def epoch_line(entry: Entry) -> str:
    """Say what an epoch came to."""
    judge = "validation" if "validation_loss" in entry else "test"
    judged = "not tested"
    if entry[f"{judge}_loss"] is not None:
        judged = f"{judge} loss {entry[f'{judge}_loss']:.5f}  {judge} accuracy {entry[f'{judge}_accuracy']:.4f}"
    return f"epoch {entry['epoch']:2d}  train loss {entry['train_loss']:.5f}  {judged}  {entry['seconds']:.2f} s"


def write_history(path: Path, history: Sequence[Entry]) -> None:
    """Write the history so far, whole at every moment."""
    try:
        write_whole(path, "".join(json.dumps(entry) + "\n" for entry in history).encode())
    except OSError as error:
        remedy = "choose another --history"
        raise fn.DataError(str(path), "a place for the history", error.strerror or error, remedy) from error
