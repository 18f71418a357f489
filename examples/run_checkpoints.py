"""Checkpoints of the trainer's runs: what they store, and how to resume."""

from ast import literal_eval
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
import json
import math
from pathlib import Path
import re
from typing import Any

from attrs import asdict, evolve, fields, frozen

from engines import KNOWN, Engine
import fnmlp as fn
from fnmlp.data import Dataset
from fnmlp.expressions import spell
from fnmlp.scalars import as_count
from fnmlp.storage.environment import differences, environment
from fnmlp.training.checking import check_state
from image_models import is_run, model_parts
from recipes import Recipe
from run_members import Member, first_state, learned, members_of
from run_settings import Settings
from training_run import Progress, accuracies, model_of


def identity_of(recipe: Recipe, data: Dataset, settings: Settings) -> dict[str, str]:
    """Describe, as texts, everything that decides the bits of a run and its history."""
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
    """Return the parts of a progress to save: a tree and texts."""
    check_state(model, progress.state)
    history = json.dumps(progress.history)
    return (progress.state, progress.total, progress.finished), {**identity, "history": history}


def check_is_run(saved: fn.Checkpoint) -> None:
    """Raise unless a file is a checkpoint of this trainer, for instance for a model."""
    if not is_run(saved):
        is_model = "model" in saved.description
        got = "a model" if is_model else "the checkpoint of another program"
        remedy = "`evaluate` and `predict` take it" if is_model else "give a file that `train --checkpoint` wrote"
        raise fn.CheckpointError(saved.path, "the checkpoint of a run", got, remedy)


def check_run(saved: fn.Checkpoint, identity: Mapping[str, str]) -> None:
    """Raise for a checkpoint of another run."""
    check_is_run(saved)
    for name, value in identity.items():
        if (found := saved.description.get(name)) != value:
            remedy = "pass the options that it was started with, or another --checkpoint"
            raise fn.CheckpointError(saved.path, f"a run of {name} {value}", found, remedy)


def resumed(saved: fn.Checkpoint, members: Sequence[Member]) -> Progress:
    """Return the saved progress of a run."""
    history = tuple(json.loads(saved.description["history"]))
    done = len(history) // members[0].recipe.epochs
    like = first_state(members[min(done, len(members) - 1)])
    form = (like, 0.0, (learned(members[0], like),) * done)
    state, total, finished = fn.restore(saved, form)
    return Progress(state, total, finished, history)


def engines_of(engine: Engine, saved: fn.Checkpoint | None = None) -> dict[str, str]:
    """Describe, as texts, the engine of a run, and which engines it had before, if it is resumed with another."""
    before = saved.description.get("engines", "numpy").split(", ") if saved else []
    names = before if before[-1:] == [engine.name] else [*before, engine.name]
    return {"engines": ", ".join(names), "engine_version": engine.version} | shards_of(engine)


def shards_of(engine: Engine) -> dict[str, str]:
    """Describe, as a text, how an engine cuts batches, if it does."""
    return {"shards": str(engine.shards)} if engine.shards else {}


def taken_up(
    path: Path, engine: Engine, recipe: Recipe, data: Dataset, settings: Settings, identity: Mapping[str, str]
) -> tuple[Progress, dict[str, str], list[str]]:
    """Return a run's progress from a checkpoint, its engines, and what has changed since, in sentences.

    With a constant rate, a run may continue for more epochs than it was started with.
    """
    saved = fn.load(path)
    found = saved.description.get("epochs", "")
    begun = evolve(recipe, epochs=int(found)) if re.fullmatch(r"[1-9]\d{0,8}", found) else recipe
    cut = shards_of(engine) if engine_before(saved) == engine.name else {}
    check_run(saved, {**identity, **cut, "epochs": repr(begun.epochs)})
    progress = resumed(saved, members_of(begun, data, settings.seed))
    return longer(path, progress, begun, recipe, settings), engines_of(engine, saved), warnings_of(saved, engine)


def longer(path: Path, progress: Progress, begun: Recipe, recipe: Recipe, settings: Settings) -> Progress:
    """Return the progress that a run with more epochs would have at the same step."""
    if recipe.epochs == begun.epochs:
        return progress
    expected, got = f"--epochs {begun.epochs}, as when the run was started", f"--epochs {recipe.epochs}"
    if recipe.epochs < begun.epochs:
        raise fn.CheckpointError(str(path), f"{expected}, or more", got, "start another run with fewer epochs")
    if recipe.schedule != "constant" or recipe.warm_up:
        remedy = "the rate of each step depends on the total number of steps, so start another run"
        raise fn.CheckpointError(str(path), expected, got, remedy)
    if progress.finished and recipe.members > 1:
        remedy = "with several networks only the last one could continue, so start another run"
        raise fn.CheckpointError(str(path), expected, got, remedy)
    history = progress.history
    if progress.finished and not settings.each_epoch:  # the test set is evaluated after the new last epoch
        unseen = {f"{settings.judge}_loss": None, f"{settings.judge}_accuracy": None}
        history = (*history[:-1], history[-1] | unseen)
    return evolve(progress, finished=(), history=history)


def warnings_of(saved: fn.Checkpoint, engine: Engine) -> list[str]:
    """Say in sentences what a resumed run may do to its results.

    A run may go on with another engine: its state is the same in both. Only rounding differs, and random numbers.
    """
    changes, before = changes_since(saved, engine), engine_before(saved)
    if before == engine.name:
        return [f"the last bits may differ from an uninterrupted run: {'; '.join(changes)}"] if changes else []
    differing = "rounding and random numbers differ from an uninterrupted run"
    return [f"the run continues with {typed(engine.name)} after {typed(before)}: {differing}"]


def typed(engine: str) -> str:
    """Return the option of an engine."""
    return "--parallel" if engine == "parallel" else f"--engine {engine}"


def engine_before(saved: fn.Checkpoint) -> str:
    """Return the name of the engine that wrote a checkpoint."""
    return saved.description.get("engines", "numpy").rpartition(", ")[2]


def changes_since(saved: fn.Checkpoint, engine: Engine) -> list[str]:
    """Describe how the environment has changed since a file was written."""
    several = saved.description.get("engines", "").partition(", ")[2]
    found = [*differences(saved.written_by, environment())]
    if engine.name == "jax":  # NumPy's version is in the environment already
        found += differences({"engine": saved.description.get("engine_version", "")}, {"engine": engine.version})
    return [*found, f"the run changed its engine: {saved.description['engines']}"] if several else found


def best_so_far(path: Path, settings: Settings, progress: Progress) -> float:
    """Return the best accuracy so far; raise unless the file holds the model that reached it."""
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
    """Pass a run on, and save the model of each epoch with the best accuracy so far."""

    def accuracy(progress: Progress) -> float:  # between epochs it is that of the last one, which is no new best
        return accuracies(settings, progress.history[-1:])[-1]

    def parts(progress: Progress) -> tuple[Any, Mapping[str, str]]:
        return model_parts(*model_of(members, progress), data, members[0].recipe)

    pairs = fn.best_checkpoint(fn.scored(progresses, accuracy), path, above=best, parts=parts)
    return (progress for progress, _ in pairs)


@frozen
class Origin:
    """Hold what decides the steps of a run, from its checkpoint."""

    dataset: str
    validation: float
    seed: int
    recipe: Recipe
    engine: str
    shards: int


def origin_of(saved: fn.Checkpoint) -> Origin:
    """Read from a checkpoint which run it belongs to."""
    check_is_run(saved)
    told = saved.description
    with suppress(KeyError, ValueError, SyntaxError, RecursionError, MemoryError):
        options = {field.name: literal_eval(told[field.name]) for field in fields(Recipe)}
        kinds = all(isinstance(options[name], type(value)) for name, value in asdict(Recipe()).items())
        if kinds and engine_before(saved) in KNOWN:
            numbers = float(told["validation"]), int(told["seed"])
            parallel = engine_before(saved) == "parallel"
            shards = as_count("shards", int(told["shards"])) if parallel else 0
            return Origin(told["dataset"], *numbers, Recipe(**options), engine_before(saved), shards)
    remedy = "give a file that `train --checkpoint` wrote"
    raise fn.CheckpointError(saved.path, "the options of a run", "none that fit", remedy)
