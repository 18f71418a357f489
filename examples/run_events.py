"""TensorBoard events of a run: losses, accuracies, histograms of parameters and gradients, and its worst mistakes."""

from collections.abc import Generator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from engines import Engine
import fnmlp as fn
from fnmlp import reports
from fnmlp.data import Dataset
from fnmlp.interop.tensorboard import log_events
from fnmlp.tree import Tree
from recipe_building import build_schedule
from run_members import Member, steps_of
from run_settings import Settings
from training_run import Progress, model_of, steps_taken

EVERY = 10
"""The number of steps from one logged loss of a batch to the next, on NumPy; with JAX each stretch of steps has one."""
MISTAKES = 25


def check_folder(settings: Settings) -> None:
    """Raise if a new run would add its events to those of another."""
    if settings.tensorboard and not (settings.resume or settings.overwrite) and has_events(settings.tensorboard):
        remedy = "choose another, or continue that run with --checkpoint FILE --resume"
        raise click.UsageError(f"{settings.tensorboard} holds the events of another run; {remedy}")


def has_events(folder: Path) -> bool:
    """Tell whether a folder holds event files of any program."""
    return folder.is_dir() and any("tfevents" in path.name for path in folder.iterdir())


def events_logged(
    folder: Path,
    engine: Engine,
    members: Sequence[Member],
    data: Dataset,
    settings: Settings,
    progresses: Iterator[Progress],
) -> Generator[Progress, None, None]:
    """Pass a run on, and log it for TensorBoard."""
    run = engine, members, data, settings
    return log_events(
        progresses,
        folder,
        scalars=partial(scalars, *run),
        histograms=partial(histograms, *run),
        images=partial(images, *run),
        step_of=partial(steps_taken, members),
    )


def ends_epoch(members: Sequence[Member], progress: Progress) -> bool:
    """Tell whether an epoch ends here: at its last step, or at the next network's first state, which stands for it."""
    return bool(progress.history) and progress.state.step % steps_of(members[0].recipe, members[0].train) == 0


def scalars(
    engine: Engine, members: Sequence[Member], data: Dataset, settings: Settings, progress: Progress
) -> dict[str, float]:
    """Return the loss of a batch and the learning rate of its step, and after an epoch its results."""
    found: dict[str, float] = {}
    state = progress.state
    if state.step and (engine.name == "jax" or state.step % EVERY == 0):
        recipe, steps = members[0].recipe, steps_of(members[0].recipe, members[0].train)
        schedule = build_schedule(recipe, steps=steps * recipe.epochs)
        found |= {"loss/batch": state.loss, "rate": float(schedule(state.step - 1))}
    if ends_epoch(members, progress):
        last = progress.history[-1]
        told = {f"{measure}/{part}": last.get(f"{part}_{measure}") for measure, part in MEASURES}
        found |= {tag: value for tag, value in told.items() if value is not None}
    return found


MEASURES = [(measure, part) for measure in ("loss", "accuracy") for part in ("train", "validation", "test")]


def histograms(
    engine: Engine, members: Sequence[Member], data: Dataset, settings: Settings, progress: Progress
) -> dict[str, Tree]:
    """Return, before the first step and after each epoch, the parameters, and their gradients on the first images."""
    state, begins = progress.state, not steps_taken(members, progress)
    if not (begins or ends_epoch(members, progress)):
        return {}
    member, params = members[0], progress.finished[-1] if progress.finished and not state.step else state.params
    size = member.recipe.batch_size
    batch = fn.Batch(data.train.inputs[:size], data.train.targets[:size])
    _, grads = fn.value_and_grad(member.model, member.loss, params, batch)
    return {"parameters": params, "gradients": grads}


def images(
    engine: Engine, members: Sequence[Member], data: Dataset, settings: Settings, progress: Progress
) -> dict[str, Any]:
    """Return the worst mistakes, after each epoch that ends with an evaluation."""
    if not ends_epoch(members, progress) or progress.history[-1][f"{settings.judge}_accuracy"] is None:
        return {}
    outputs = engine.predict(*model_of(members, progress), data.test.inputs)
    rows = reports.worst_mistakes(outputs, data.test.targets, most=MISTAKES)
    return {"worst mistakes": data.test.inputs[rows]} if len(rows) else {}
