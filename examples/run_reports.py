"""Reports of a run: a progress bar, a line per epoch, and the history file."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from itertools import chain, groupby
import json
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from command_line import PATIENCE, fail, signals_noted
import fnmlp as fn
from fnmlp.whole_files import write_whole
from progress_bars import progress_bar
from run_settings import Saving
from training_run import Entry

Say: TypeAlias = Callable[[str], None]
"""Prints a line, or with --quiet does nothing."""


AnyProgress = TypeVar("AnyProgress", bound=Any)
"""The progress of a run, with at least a `state` and a `history`."""


def completed(
    progress: AnyProgress,
    progresses: Generator[AnyProgress, None, None],
    follow: Callable[[Iterator[AnyProgress]], Iterator[AnyProgress]],
    *,
    checkpoint: Path | None,
    patience: float = PATIENCE,
) -> AnyProgress:
    """Follow a run to its end and return its last progress, or after a signal let it save itself, and exit."""
    with signals_noted(patience=patience) as (received, going_on), closing(progresses), suppress(KeyboardInterrupt):
        for progress in follow(_until(going_on, progresses)):  # noqa: B007, PLR1704 (the last one stays)
            pass
    if received:
        kept = checkpoint and checkpoint.exists()
        advice = f"; continue from {checkpoint} with --resume" if kept else ""
        fail(f"interrupted at step {progress.state.step}{advice}", 128 + received[0])
    return progress


def _until(going_on: Callable[[object], bool], progresses: Iterator[AnyProgress]) -> Iterator[AnyProgress]:
    """Pass a run on, up to the first progress after which it is told to stop."""
    for progress in progresses:
        yield progress
        if not going_on(progress):
            return


def _epochs(progress: Any) -> int:
    return len(progress.history)


def follow(
    progresses: Iterator[AnyProgress],
    *,
    steps: int,
    epochs: int,
    line: Callable[[Entry], str],
    settings: Saving,
    say: Say,
) -> Iterator[AnyProgress]:
    """Pass a run on, with a progress bar, a line per epoch, and the history file.

    `steps` are those of an epoch. An empty line is not printed.
    """
    progress = next(progresses, None)
    if progress is None:  # it was stopped before it began
        return
    known = len(progress.history)
    if known and settings.history:  # the checkpoint may be ahead of the history file
        write_history(settings.history, progress.history)
    for epoch, group in groupby(chain([progress], progresses), key=_epochs):
        progress = next(group)
        if epoch > known:
            if text := line(progress.history[-1]):
                say(text)
            if settings.history:
                write_history(settings.history, progress.history)
        yield progress
        hidden = settings.quiet or epoch == epochs
        yield from with_bar(group, progress, steps, hidden=hidden)  # noqa: B031 (the rest of it)


def with_bar(
    progresses: Iterator[AnyProgress], progress: AnyProgress, steps: int, *, hidden: bool
) -> Iterator[AnyProgress]:
    """Pass on what comes after a progress within its epoch, with a bar unless it is hidden."""
    description = f"epoch {len(progress.history) + 1}"
    with progress_bar(hidden=hidden, total=steps, desc=description, unit="step") as bar:
        for progress in progresses:  # noqa: PLR1704 (the last one stays)
            if progress.state.step % steps - bar.n >= 50:
                show(bar, progress, steps)
            yield progress
        show(bar, progress, steps)
        bar.update(steps - bar.n)
        bar.refresh()


def show(bar: Any, progress: Any, steps: int) -> None:
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


def matrix_text(matrix: fn.Array, classes: tuple[str, ...]) -> str:
    """Format a confusion matrix, with a dot for 0."""
    width = max(map(len, (*classes, str(matrix.max())))) + 1
    cells = [[name, *(str(count or ".") for count in row)] for name, row in zip(classes, matrix.tolist(), strict=True)]
    return "\n".join("".join(cell.rjust(width) for cell in row) for row in [["", *classes], *cells])
