"""Checkpoints of the trainer's runs: what is saved of one, and how it goes on."""

from collections.abc import Mapping, Sequence
import json
from pathlib import Path
from typing import Any

import fnmlp as fn
from fnmlp.data import Dataset
from fnmlp.environment import differences, environment
from fnmlp.recipes import Recipe
from training_run import Member, Progress, Settings, first_state, learned


def identity_of(recipe: Recipe, data: Dataset, settings: Settings) -> dict[str, str]:
    """Tell in texts what decides every bit of a run and of its history."""
    arrays = (data.train.inputs, data.train.targets, data.test.inputs, data.test.targets)
    judged = f"validation {settings.validation}, no_eval {settings.no_eval}, each_epoch {settings.each_epoch}"
    return {
        "recipe": repr(recipe),
        "seed": str(settings.seed),
        "judged": judged,
        "data": f"{data.name} {fn.tree_sha256(arrays)}",
    }


def saved_parts(identity: Mapping[str, str], progress: Progress) -> tuple[Any, Mapping[str, str]]:
    """Return what of a progress is saved: a tree and texts."""
    history = json.dumps(progress.history)
    return (progress.state, progress.total, progress.finished), {**identity, "history": history}


def resumed(path: Path, members: Sequence[Member], identity: Mapping[str, str]) -> tuple[Progress, tuple[str, ...]]:
    """Return the progress that a file holds, and in what the environment has changed since."""
    saved = fn.load(path)
    for name, value in identity.items():
        if (found := saved.description.get(name)) != value:
            remedy = "give the options that it was started with, or another --checkpoint"
            raise fn.CheckpointError(str(path), f"a run of {name} {value}", found, remedy)
    history = tuple(json.loads(saved.description["history"]))
    done = len(history) // members[0].recipe.epochs
    like = first_state(members[min(done, len(members) - 1)])
    form = (like, 0.0, (learned(members[0], like),) * done)
    state, total, finished = fn.restore(saved, form)
    return Progress(state, total, finished, history), differences(saved.written_by, environment())
