"""What a run of the trainer writes, and which options of it make sense together: checked before any work is done."""

from collections.abc import Iterator
import os
from pathlib import Path
import re

import click

from command_line import check_distinct, is_typed
from fnmlp.files import is_there
from training_run import Settings


def check_settings(context: click.Context, settings: Settings) -> None:
    """Refuse options that would be ignored, or that contradict each other, and files that would overwrite others."""
    for name in ("resume", "overwrite", "checkpoint_every", "checkpoint_seconds", "checkpoint_keep"):
        if is_typed(context, name) and not settings.checkpoint:
            raise click.UsageError(f"--{name.replace('_', '-')} needs --checkpoint FILE: nothing is saved without it")
    if settings.best and (settings.no_eval or not settings.validation):
        raise click.UsageError("--best needs --validation: the test set is not there to choose by")
    if settings.no_eval and settings.validation:
        raise click.UsageError("--no-eval contradicts --validation: images would be held out and never looked at")
    if settings.resume and settings.overwrite:
        raise click.UsageError("--resume contradicts --overwrite: give one of them")
    named = {name: getattr(settings, name) for name in ("output", "best", "history", "plot", "checkpoint")}
    written = [(f"--{name}", path) for name, path in named.items() if path]
    kept = [("--checkpoint-keep", path) for path in earlier_files(settings, [path for _, path in written])]
    check_distinct(written)
    check_distinct([pair for pair in written if pair[0] != "--checkpoint"], kept)
    if settings.checkpoint and not (settings.resume or settings.overwrite):
        for path in (settings.checkpoint, *(path for _, path in kept)):
            if is_there(path):
                raise click.UsageError(f"{path} holds a run; go on with it by --resume, or replace it by --overwrite")


def earlier_files(settings: Settings, others: list[Path]) -> Iterator[Path]:
    """Yield the names FILE.1, FILE.2 and so on of earlier files that are there, or that other options give."""
    if not settings.checkpoint or settings.checkpoint_keep == 1:
        return
    for place in {settings.checkpoint.absolute(), Path(os.path.realpath(settings.checkpoint))}:
        there = [entry.name for entry in place.parent.iterdir()]
        typed = [name for path in others for name in (path.name, Path(os.path.realpath(path)).name)]
        for name in sorted({*there, *typed}):
            number = re.fullmatch(re.escape(place.name) + r"\.([1-9]\d{0,18})", name)
            if number and int(number[1]) < settings.checkpoint_keep:
                yield place.with_name(name)
