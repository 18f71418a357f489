"""Checkpoints of the trainer's runs: what is saved of one, and how it goes on."""

from ast import literal_eval
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
import json
import math
from pathlib import Path
from typing import Any

from attrs import asdict, fields, frozen

import fnmlp as fn
from fnmlp.data import Dataset
from fnmlp.environment import differences, environment
from fnmlp.layer import spell
from fnmlp.recipes import Recipe
from fnmlp.steps import check_state
from image_models import is_run, model_parts
from training_run import (
    Member,
    Progress,
    Settings,
    accuracies,
    first_state,
    learned,
    model_of,
)


def identity_of(recipe: Recipe, data: Dataset, settings: Settings) -> dict[str, str]:
    """Tell in texts what decides every bit of a run and of its history."""
    return {
        "dataset": data.name,
        "seed": str(settings.seed),
        "validation": str(settings.validation),
        "no_eval": str(settings.no_eval),
        "each_epoch": str(settings.each_epoch),
        **{option: spell(value) for option, value in asdict(recipe).items()},
        "data": digest_of(data),
    }


def digest_of(data: Dataset) -> str:
    """Return a digest of all images and labels that a run sees."""
    return fn.tree_sha256((data.train.inputs, data.train.targets, data.test.inputs, data.test.targets))


def saved_parts(identity: Mapping[str, str], model: fn.Layer[Any], progress: Progress) -> tuple[Any, Mapping[str, str]]:
    """Return what of a progress is saved: a tree and texts."""
    check_state(model, progress.state)
    history = json.dumps(progress.history)
    return (progress.state, progress.total, progress.finished), {**identity, "history": history}


def check_is_run(saved: fn.Checkpoint) -> None:
    """Refuse what is a model, or nothing of the trainer's."""
    if not is_run(saved):
        is_model = "model" in saved.description
        got = "a model" if is_model else "the checkpoint of another program"
        remedy = "`evaluate` and `predict` take it" if is_model else "give a file that `train --checkpoint` wrote"
        raise fn.CheckpointError(saved.path, "the checkpoint of a run", got, remedy)


def check_run(saved: fn.Checkpoint, identity: Mapping[str, str]) -> None:
    """Refuse what was saved of another run."""
    check_is_run(saved)
    for name, value in identity.items():
        if (found := saved.description.get(name)) != value:
            remedy = "give the options that it was started with, or another --checkpoint"
            raise fn.CheckpointError(saved.path, f"a run of {name} {value}", found, remedy)


def resumed(saved: fn.Checkpoint, members: Sequence[Member]) -> Progress:
    """Return the progress that was saved of a run."""
    history = tuple(json.loads(saved.description["history"]))
    done = len(history) // members[0].recipe.epochs
    like = first_state(members[min(done, len(members) - 1)])
    form = (like, 0.0, (learned(members[0], like),) * done)
    state, total, finished = fn.restore(saved, form)
    return Progress(state, total, finished, history)


def changes_since(saved: fn.Checkpoint) -> str:
    """Say in what the environment has changed since a file was written; nothing where it has not."""
    return "; ".join(differences(saved.written_by, environment()))


def best_so_far(path: Path, settings: Settings, progress: Progress) -> float:
    """Return the accuracy that the next best epoch has to surpass; its model must be in the file."""
    best = max(accuracies(settings, progress.history))
    found = fn.saved_score(path) if best > -math.inf else best
    if found < best:
        got = "no file" if found == -math.inf else f"one of {found}"
        remedy = "give the --best that the run was started with, or none"
        raise fn.CheckpointError(str(path), f"the model of the best epoch so far, of accuracy {best}", got, remedy)
    return best


def best_kept(
    progresses: Iterator[Progress],
    members: Sequence[Member],
    data: Dataset,
    settings: Settings,
    path: Path,
    best: float,
) -> Generator[Progress, None, None]:
    """Pass a run on, and save the model of each epoch whose accuracy is above all before it."""

    def accuracy(progress: Progress) -> float:  # between two epochs that of the earlier one, which is above nothing
        return accuracies(settings, progress.history[-1:])[-1]

    def parts(progress: Progress) -> tuple[Any, Mapping[str, str]]:
        return model_parts(*model_of(members, progress), data, members[0].recipe)

    pairs = fn.best_checkpoint(fn.scored(progresses, accuracy), path, above=best, parts=parts)
    return (progress for progress, _ in pairs)


@frozen
class Origin:
    """What decides the steps of a run, as its checkpoints tell it."""

    dataset: str
    validation: float
    seed: int
    recipe: Recipe


def origin_of(saved: fn.Checkpoint) -> Origin:
    """Read from a checkpoint which run it was saved of."""
    check_is_run(saved)
    told = saved.description
    with suppress(KeyError, ValueError, SyntaxError, RecursionError, MemoryError):
        options = {field.name: literal_eval(told[field.name]) for field in fields(Recipe)}
        if all(isinstance(options[name], type(value)) for name, value in asdict(Recipe()).items()):
            return Origin(told["dataset"], float(told["validation"]), int(told["seed"]), Recipe(**options))
    remedy = "give a file that `train --checkpoint` wrote"
    raise fn.CheckpointError(saved.path, "the options of a run", "none that fit", remedy)
