"""Reports of a run: a progress bar, a line per epoch, and the history file."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, groupby
import json
from pathlib import Path
from typing import NoReturn, TypeAlias

from tqdm import tqdm

import fnmlp as fn
from fnmlp.files import write_whole
from run_members import Member, steps_of
from run_settings import Settings
from training_run import Entry, Progress

Say: TypeAlias = Callable[[str], None]
"""Prints a line, or with --quiet does nothing."""


def _epochs(progress: Progress) -> int:
    return len(progress.history)


def follow(
    progresses: Iterator[Progress], members: Sequence[Member], settings: Settings, say: Say
) -> Iterator[Progress]:
    """Pass a run on, with a progress bar, a line per epoch, and the history file."""
    steps, epochs = steps_of(members[0].recipe, members[0].train), len(members) * members[0].recipe.epochs
    progress = next(progresses, None)
    if progress is None:  # it was stopped before it began
        return
    known = len(progress.history)
    if known and settings.history:  # the checkpoint may be ahead of the history file
        write_history(settings.history, progress.history)
    for epoch, group in groupby(chain([progress], progresses), key=_epochs):
        progress = next(group)
        if epoch > known:
            say(epoch_line(progress.history[-1]))
            if settings.history:
                write_history(settings.history, progress.history)
        yield progress
        hidden = settings.quiet or epoch == epochs or None
        yield from with_bar(group, progress, steps, hidden=hidden)  # noqa: B031 (the rest of it)


def with_bar(
    progresses: Iterator[Progress], progress: Progress, steps: int, *, hidden: bool | None
) -> Iterator[Progress]:
    """Pass on what comes after a progress within its epoch, with a bar; it is hidden, or None leaves that to tqdm."""
    description = f"epoch {len(progress.history) + 1}"
    with tqdm(total=steps, desc=description, unit="step", leave=False, disable=hidden) as bar:
        for progress in progresses:  # noqa: PLR1704 (the last one stays)
            if progress.state.step % steps - bar.n >= 50:
                show(bar, progress, steps)
            yield progress
        show(bar, progress, steps)
        bar.update(steps - bar.n)
        bar.refresh()


def show(bar: "tqdm[NoReturn]", progress: Progress, steps: int) -> None:
    """Update a bar in the middle of an epoch."""
    done = progress.state.step % steps
    if done:
        bar.set_postfix_str(f"loss {progress.total / done:.5f}", refresh=False)
        bar.update(done - bar.n)


def epoch_line(entry: Entry) -> str:
    """Format the results of an epoch as a line."""
    judge = "validation" if "validation_loss" in entry else "test"
    judged = "not tested"
    if entry[f"{judge}_loss"] is not None:
        judged = f"{judge} loss {entry[f'{judge}_loss']:.5f}  {judge} accuracy {entry[f'{judge}_accuracy']:.4f}"
    return f"epoch {entry['epoch']:2d}  train loss {entry['train_loss']:.5f}  {judged}  {entry['seconds']:.2f} s"


def write_history(path: Path, history: Sequence[Entry]) -> None:
    """Write the history so far, atomically."""
    try:
        write_whole(path, "".join(json.dumps(entry) + "\n" for entry in history).encode())
    except OSError as error:
        remedy = "choose another --history"
        raise fn.DataError(str(path), "a place for the history", error.strerror or error, remedy) from error
