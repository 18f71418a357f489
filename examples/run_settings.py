"""The settings of a run apart from its recipe: their options, and which of them go together."""

from collections.abc import Iterator, Mapping
import os
from pathlib import Path
import re
from typing import Any

from attrs import evolve, fields, frozen
import click

from command_line import (
    FILE,
    check_distinct,
    check_used,
    data_dir_option,
    new_file,
    new_folder,
    new_page,
    option,
    option_group,
    plot_option,
)
from data_sets import DATASETS
from fnmlp.files import is_there


@frozen(kw_only=True)
class Saving:
    """Hold what a run saves, where, and how often."""

    checkpoint: Path | None = None
    checkpoint_every: int | None = None
    checkpoint_seconds: float = 0.0
    checkpoint_keep: int = 1
    resume: bool = False
    overwrite: bool = False
    best: Path | None = None
    output: Path | None = None
    history: Path | None = None
    plot: Path | None = None
    report: Path | None = None
    tensorboard: Path | None = None
    quiet: bool = False

    def steps_between_saves(self, steps: int) -> int:
        """Return the steps between saves in a run of so many steps.

        >>> Saving().steps_between_saves(500), Saving().steps_between_saves(50_000)
        (50, 1000)
        """
        return self.checkpoint_every or min(1000, max(steps // 10, 1))


@frozen(kw_only=True)
class Settings(Saving):
    """Hold where a run gets its data, how it is evaluated, and where its results go."""

    recipe: str | None
    seed: int
    dataset: str
    data_dir: Path | None
    validation: float
    no_eval: bool
    engine: str = "numpy"
    device: str | None = None
    parallel: bool = False
    shards: int = 8

    @property
    def judge(self) -> str:
        """The name of the held-out images: "validation" or "test"."""
        return "validation" if self.validation else "test"

    @property
    def purpose(self) -> str:
        """The purpose of the held-out images."""
        return "to validate on" if self.validation else "to test on"

    @property
    def each_epoch(self) -> bool:
        """Whether to evaluate after each epoch; only `lab` does that on the test set."""
        return self.recipe == "lab" or self.validation > 0


data_options = option_group(
    option(
        "--dataset",
        type=click.Choice(["auto", *DATASETS]),
        default="auto",
        help="auto: the one in --data-dir, or MNIST, or digits.",
    ),
    data_dir_option,
    click.option("--no-eval", is_flag=True, help="Don't evaluate."),
    option(
        "--validation",
        type=click.FloatRange(0, 1, max_open=True),
        default=0.0,
        help="Share of the training images to evaluate on, instead of the test set.",
    ),
)
checkpoint_options = option_group(
    click.option("--checkpoint", type=FILE, callback=new_file, help="Save the run to this file regularly."),
    click.option(
        "--checkpoint-every",
        type=click.IntRange(1),
        show_default="1000, or a tenth of a shorter run",
        help="Steps between saves of --checkpoint.",
    ),
    option(
        "--checkpoint-seconds", type=click.FloatRange(0), default=0.0, help="Seconds between saves; 0 for no limit."
    ),
    option(
        "--checkpoint-keep",
        type=click.IntRange(1),
        default=1,
        help="Number of files to keep: FILE, and the older FILE.1 and so on.",
    ),
    click.option("--resume", is_flag=True, help="Continue from --checkpoint, if the file exists."),
    click.option("--overwrite", is_flag=True, help="Start a new run, even if --checkpoint exists."),
)
output_options = option_group(
    click.option(
        "--best", type=FILE, callback=new_file, help="Save the model of the epoch with the best validation accuracy."
    ),
    click.option("--output", type=FILE, callback=new_file, help="Save the trained model to this file."),
    click.option("--history", type=FILE, callback=new_file, help="Write one JSON object for each epoch to this file."),
    plot_option,
    click.option("--report", type=FILE, callback=new_page, help="Write a report on the run to this .html file."),
    click.option(
        "--tensorboard",
        type=FILE,
        metavar="DIR",
        callback=new_folder,
        help="Log the run for TensorBoard to this folder.",
    ),
    click.option("--quiet", is_flag=True, help="Print nothing but errors."),
)


def settings_of(typed: Mapping[str, Any]) -> Settings:
    """Return the settings from all options."""
    return Settings(**{field.name: typed[field.name] for field in fields(Settings)})


def check_settings(context: click.Context, settings: Settings) -> None:
    """Raise for options that would be ignored or contradict each other, and files that would overwrite others."""
    if settings.best and (settings.no_eval or not settings.validation):
        raise click.UsageError("--best needs --validation: the test set is not for choosing")
    if settings.no_eval and settings.validation:
        raise click.UsageError("--no-eval contradicts --validation: the held-out images would never be used")
    check_used(context, {"shards": (settings.parallel, "--parallel")})
    check_saving(context, settings)


def of_rank(settings: Settings, *, first: bool) -> Settings:
    """Return the settings of one rank of several: only the first writes files, and all resume from the checkpoint."""
    if first:
        return settings
    unwritten: dict[str, Any] = dict.fromkeys(("best", "output", "history", "plot", "report", "tensorboard"))
    return evolve(settings, **unwritten, checkpoint=settings.checkpoint if settings.resume else None)


def nothing_yet(checkpoint: Path) -> str:
    """Tell that a run with --resume begins anew."""
    return f"{checkpoint} is not there yet: the run starts at step 0"


def check_saving(context: click.Context, settings: Saving) -> None:
    """Raise if two options write to the same file, or a new run would overwrite a checkpoint."""
    need = "--checkpoint FILE: nothing is saved without it"
    saving = ("resume", "overwrite", "checkpoint_every", "checkpoint_seconds", "checkpoint_keep")
    check_used(context, dict.fromkeys(saving, (settings.checkpoint, need)))
    if settings.resume and settings.overwrite:
        raise click.UsageError("--resume contradicts --overwrite: give one of them")
    named = {
        name: getattr(settings, name)
        for name in ("output", "best", "history", "plot", "report", "tensorboard", "checkpoint")
    }
    written = [(f"--{name}", path) for name, path in named.items() if path]
    kept = [("--checkpoint-keep", path) for path in earlier_files(settings, [path for _, path in written])]
    check_distinct(written)
    check_distinct([pair for pair in written if pair[0] != "--checkpoint"], kept)
    if settings.checkpoint and not (settings.resume or settings.overwrite):
        for path in (settings.checkpoint, *(path for _, path in kept)):
            if is_there(path):
                raise click.UsageError(f"{path} holds a run; continue it with --resume, or replace it with --overwrite")


def earlier_files(settings: Saving, others: list[Path]) -> Iterator[Path]:
    """Yield the names FILE.1, FILE.2 and so on of older checkpoints that exist, or that other options name."""
    if not settings.checkpoint or settings.checkpoint_keep == 1:
        return
    for place in {settings.checkpoint.absolute(), Path(os.path.realpath(settings.checkpoint))}:
        there = [entry.name for entry in place.parent.iterdir()]
        typed = [name for path in others for name in (path.name, Path(os.path.realpath(path)).name)]
        for name in sorted({*there, *typed}):
            number = re.fullmatch(re.escape(place.name) + r"\.([1-9]\d{0,18})", name)
            if number and int(number[1]) < settings.checkpoint_keep:
                yield place.with_name(name)
