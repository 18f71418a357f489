"""One run of the trainer: a fold over the batches of every epoch of each of its networks."""

from collections.abc import Generator, Sequence
from functools import partial, reduce
import math
from operator import add
from time import perf_counter
from typing import Any, TypeAlias

from attrs import evolve, frozen

from engines import Engine
import fnmlp as fn
from fnmlp.tree import first_not_finite
from image_models import scores_of
from recipe_building import classifier
from run_members import Member, first_state, learned, steps_in_all, steps_of
from run_settings import Settings

Entry: TypeAlias = dict[str, Any]


@frozen(eq=False)
class Progress:
    """Hold the progress of a run: all that it needs to continue.

    `state`     the state of the network that is being trained.
    `total`     the sum of the losses of its epoch so far.
    `finished`  the parameters of networks that are trained already.
    `history`   the results of each epoch.
    """

    state: fn.TrainState
    total: float
    finished: tuple[Any, ...]
    history: tuple[Entry, ...]


def beginning(members: Sequence[Member]) -> Progress:
    """Return the first progress of a run."""
    return Progress(first_state(members[0]), 0.0, (), ())


def steps_between_saves(members: Sequence[Member], settings: Settings) -> int:
    """Return the steps between checkpoints, 0 if none are asked for."""
    return settings.steps_between_saves(len(members) * steps_in_all(members[0])) if settings.checkpoint else 0


def steps_taken(members: Sequence[Member], progress: Progress) -> int:
    """Count the steps of all networks so far."""
    done = len(progress.finished)
    return done * steps_in_all(members[0]) + (progress.state.step if done < len(members) else 0)


def training(
    engine: Engine, members: Sequence[Member], held_out: fn.Batch, settings: Settings, progress: Progress
) -> Generator[Progress, None, None]:
    """Train to the end of a run, and yield the progress: first the given one, then after each stretch of steps."""
    yield progress
    every = steps_between_saves(members, settings)
    for member in members[len(progress.finished) :]:
        recipe, steps = member.recipe, steps_of(member.recipe, member.train)
        trainer = engine.trainer(member, len(progress.finished) * steps_in_all(member), every)
        for epoch in range(len(progress.history) % recipe.epochs, recipe.epochs):
            began = perf_counter()
            for state, losses in trainer.epoch(progress.state, epoch, steps):
                ends = state.step == (epoch + 1) * steps
                # The loss after a step is the one before the next; the last step has none, so check its parameters.
                if not all(map(math.isfinite, losses)) or (ends and first_not_finite(state.params)):
                    trainer.blame(progress.state, epoch, losses)
                # One by one, so that the sum doesn't depend on where a stretch ends.
                progress = evolve(progress, state=state, total=reduce(add, losses, progress.total))
                if not ends:
                    yield progress
            progress = after_epoch(engine, members, held_out, settings, progress, perf_counter() - began)
            yield progress


def after_epoch(
    engine: Engine,
    members: Sequence[Member],
    held_out: fn.Batch,
    settings: Settings,
    progress: Progress,
    seconds: float,
) -> Progress:
    """Record the results of an epoch; after a network's last epoch, continue with the next one."""
    member, state = members[len(progress.finished)], progress.state
    so_far, steps = (*progress.finished, learned(member, state)), steps_of(member.recipe, member.train)
    rest, ends = members[len(so_far) :], state.step == member.recipe.epochs * steps
    looked = not settings.no_eval and (settings.each_epoch or (ends and not rest))
    judged = partial(scores, engine, member, so_far, held_out, settings)
    loss, accuracy = judged(state.step) if looked else (None, None)
    entry = {
        "epoch": len(progress.history) + 1,
        "train_loss": progress.total / steps,
        f"{settings.judge}_loss": loss,
        f"{settings.judge}_accuracy": accuracy,
        "seconds": round(seconds, 3),
        "steps": state.step,
        "parameters_sha256": fn.tree_sha256(state.params),
    }
    history = (*progress.history, entry)
    if not ends:
        return Progress(state, 0.0, progress.finished, history)
    # The next network has no loss yet, and NaN is not saved.
    return Progress(evolve(first_state(rest[0]), loss=0.0) if rest else state, 0.0, so_far, history)


def scores(
    engine: Engine,
    member: Member,
    so_far: Sequence[Any],
    held_out: fn.Batch,
    settings: Settings,
    step: int,
) -> tuple[float, float]:
    """Return the loss and accuracy, on held-out images, of the networks trained so far."""
    model, params = classifier(member.recipe, member.model, so_far)
    loss, accuracy = scores_of(engine.predict(model, params, held_out.inputs), held_out.targets, member.recipe.loss)
    if not math.isfinite(loss):
        where, remedy = f"step {step}: the outputs", "train with a smaller --rate"
        raise fn.DivergenceError(where, f"a finite {settings.judge} loss", loss, remedy)
    return loss, accuracy


def model_of(members: Sequence[Member], progress: Progress) -> tuple[fn.Layer[Any], Any]:
    """Return the model to use after an epoch, and its parameters."""
    place = len(progress.finished)
    begun = place < len(members) and progress.state.step > 0
    so_far = (*progress.finished, learned(members[place], progress.state)) if begun else progress.finished
    return classifier(members[0].recipe, members[0].model, so_far)


def accuracies(settings: Settings, history: Sequence[Entry]) -> list[float]:
    """Return -inf, followed by the accuracies of epochs on held-out images."""
    found = (entry[f"{settings.judge}_accuracy"] for entry in history)
    return [-math.inf, *(score for score in found if score is not None)]
