"""The training of a network on a table: a fold over batches that remembers the best epoch, and its checkpoints."""

from collections.abc import Generator, Mapping
from functools import partial
from itertools import accumulate, islice
import json
from math import isfinite
from pathlib import Path
from time import perf_counter
from typing import Any

from attrs import evolve, frozen
import numpy as np

import fnmlp as fn
from fnmlp.files import is_there
from fnmlp.initializers import kaiming_normal, zeros
from fnmlp.storage.environment import differences, environment
from fnmlp.tables import schema_to_json
from fnmlp.tree import first_not_finite
from image_models import scores_of
from run_checkpoints import check_run
from run_reports import Say
from run_settings import nothing_yet
from table_problem import Problem, network_of
from training_run import Entry

DECIDING = (
    "epochs",
    "batch_size",
    "rate",
    "weight_decay",
    "hidden",
    "members",
    "dropout",
    "label_smoothing",
    "validation",
    "test",
    "seed",
)
"""The options that decide the bits of a run, beside its data."""
BETAS = (0.9, 0.99)
"""The decays of the averages of AdamW; the second is shorter than usual, because runs are short."""


@frozen(eq=False)
class Progress:
    """Hold the progress of a run: all that it needs to continue.

    `state`    the state of the network.
    `total`    the sum of the losses of its epoch so far.
    `best`     the parameters after the epoch with the lowest validation loss.
    `history`  the results of each epoch.
    """

    state: fn.TrainState
    total: float
    best: Any
    history: tuple[Entry, ...]


def optimizer_of(problem: Problem) -> fn.Optimizer:
    """Build the optimiser, whose rate falls to 0 by the last step."""
    settings = problem.settings
    make = partial(fn.adamw, betas=BETAS, weight_decay=settings.weight_decay, only=fn.is_weight)
    return fn.scheduled(make, fn.cosine_decay(settings.rate, steps=problem.steps * settings.epochs))


def beginning(problem: Problem) -> Progress:
    """Return the first progress of a run."""
    example, key = problem.parts["train"].data.inputs.shape[1:], fn.fold_in(fn.Key(problem.settings.seed), 1)
    drawn = network_of(problem.settings, len(problem.classes) or 1, weight_init=kaiming_normal(), bias_init=zeros())
    state = fn.train_state(drawn, optimizer_of(problem), key=key, example=example)
    return Progress(state, 0.0, state.params, ())


def training(problem: Problem, progress: Progress) -> Generator[Progress, None, None]:
    """Train to the end of a run, and yield the progress: first the given one, then after each step."""
    yield progress
    data, settings, steps = problem.parts["train"].data, problem.settings, problem.steps
    step = partial(fn.train_step, problem.network, problem.loss, optimizer_of(problem))
    batches = partial(fn.batches, data, size=problem.size, key=fn.fold_in(fn.Key(settings.seed), 2))
    for epoch in range(progress.state.step // steps, settings.epochs):
        began = perf_counter()
        rest = batches(epoch=epoch, start=progress.state.step % steps)
        for state in islice(accumulate(rest, step, initial=progress.state), 1, None):
            ends = state.step % steps == 0
            # The loss after a step is the one before the next; the last step has none, so check its parameters.
            if not isfinite(state.loss) or (ends and first_not_finite(state.params)):
                where, remedy = f"step {state.step}", "train with a smaller --rate"
                raise fn.DivergenceError(where, "a finite loss and parameters", state.loss, remedy)
            progress = evolve(progress, state=state, total=progress.total + state.loss)
            if not ends:
                yield progress
        progress = after_epoch(problem, progress, perf_counter() - began)
        yield progress


def after_epoch(problem: Problem, progress: Progress, seconds: float) -> Progress:
    """Record the results of an epoch, and keep its parameters if they are the best so far."""
    state, targets = progress.state, problem.parts["validation"].targets
    outputs = problem.outputs(state.params, "validation")
    if problem.classes:
        loss, score = scores_of(outputs, targets, "cross-entropy")
    else:
        loss, score = float(np.mean(((outputs - targets) / problem.deviation) ** 2)), fn.r2()(outputs, targets)
    name = "accuracy" if problem.classes else "r2"
    if not isfinite(loss):
        where, remedy = f"step {state.step}: the outputs", "train with a smaller --rate"
        raise fn.DivergenceError(where, "a finite validation loss", loss, remedy)
    entry = {
        "epoch": len(progress.history) + 1,
        "train_loss": progress.total / problem.steps,
        "validation_loss": loss,
        f"validation_{name}": score,
        "seconds": round(seconds, 3),
        "steps": state.step,
        "parameters_sha256": fn.tree_sha256(state.params),
    }
    history = (*progress.history, entry)
    return Progress(state, 0.0, state.params if best_epoch(history) is entry else progress.best, history)


def best_epoch(history: tuple[Entry, ...]) -> Entry:
    """Return the results of the first epoch with the lowest validation loss.

    >>> best_epoch(({"validation_loss": 0.5}, {"validation_loss": 0.5, "epoch": 2}))
    {'validation_loss': 0.5}
    """
    return min(history, key=lambda entry: float(entry["validation_loss"]))


def identity_of(problem: Problem) -> dict[str, str]:
    """Describe, as texts, everything that decides the bits of a run and its history."""
    parts = problem.parts.values()
    arrays = tuple((part.encoded, np.asarray(part.targets, np.float64)) for part in parts)
    return {
        "data": fn.tree_sha256(arrays),
        "table": schema_to_json(problem.schema),
        **{name: repr(getattr(problem.settings, name)) for name in DECIDING},
    }


def started(problem: Problem, say: Say) -> tuple[Progress, Generator[Progress, None, None]]:
    """Start or resume a run; return its first progress, and an iterator that continues and saves it."""
    settings, progress = problem.settings, beginning(problem)
    path = settings.checkpoint
    if path is None:
        return progress, training(problem, progress)
    identity = identity_of(problem)
    if settings.resume and is_there(path):
        progress, changes = resumed(path, progress, identity)
        say(f"resumed from {path}: epoch {len(progress.history) + 1}, step {progress.state.step}")
        if changes:
            say(f"the last bits may differ from an uninterrupted run: {'; '.join(changes)}")
    elif settings.resume:
        say(nothing_yet(path))
    return progress, fn.checkpoints(
        training(problem, progress),
        path,
        steps=settings.steps_between_saves(problem.steps * settings.epochs),
        seconds=settings.checkpoint_seconds,
        keep=settings.checkpoint_keep,
        parts=partial(saved_parts, identity),
        step_of=lambda progress: progress.state.step,
    )


def saved_parts(identity: Mapping[str, str], progress: Progress) -> tuple[Any, Mapping[str, str]]:
    """Return the parts of a progress to save: a tree and texts."""
    tree = progress.state, progress.total, progress.best
    return tree, {**identity, "history": json.dumps(progress.history)}


def resumed(path: Path, like: Progress, identity: Mapping[str, str]) -> tuple[Progress, tuple[str, ...]]:
    """Return the saved progress of a run, and how the environment has changed since."""
    saved = fn.load(path)
    check_run(saved, identity)
    state, total, best = fn.restore(saved, (like.state, 0.0, like.best))
    history = tuple(json.loads(saved.description["history"]))
    return Progress(state, total, best, history), differences(saved.written_by, environment())
