"""Choose a setting on held-out training images, and look at the test set once: `python examples/sweep.py --help`.

Layers, losses and optimisers are values that can be pickled, so that any process can train what another one built.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice, product
from math import nan
from multiprocessing import get_context
import os
from pathlib import Path
from signal import SIG_DFL, SIGINT, signal
import sys
from typing import Any, get_args, get_origin

try:
    from attrs import evolve, fields
    import click
    import numpy as np

    from command_line import data_dir_option, option, run
    import fnmlp as fn
    from fnmlp.options import count
    from fnmlp.recipes import RECIPES, Recipe
    from image_models import DATASETS, with_validation
    from training_run import Member, Settings, beginning, members_of, training
except ImportError as missing:
    sys.exit(f"error: {missing.name} is not installed; run: pip install -e '.[examples]'")

KINDS: Mapping[str, Any] = {field.name: field.type for field in fields(Recipe)}
QUIETLY = Settings("", 0, "", None, validation=0.0, no_eval=False, quiet=True)
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def read_axes(context: click.Context, option: click.Parameter, texts: Sequence[str]) -> dict[str, list[Any]]:  # noqa: ARG001
    """Read what is varied, such as `rate=0.5,1.0`."""
    axes: dict[str, list[Any]] = {}
    for text in texts:
        name, _, values = text.partition("=")
        if name not in KINDS:
            raise click.BadParameter(f"{name!r} is no field of a recipe; choose from {', '.join(KINDS)}")
        if name in axes:
            raise click.BadParameter(f"{name} is given twice; join its values, as in {name}=A,B")
        axes[name] = [read_value(name, value) for value in values.split(",")]
    return axes


def read_value(name: str, text: str) -> Any:
    """Read one value of a field of a recipe; the parts of a tuple are joined by x, as in `hidden=64x32`."""
    several = get_origin(KINDS[name]) is tuple
    kinds = get_args(KINDS[name]) if several else (KINDS[name],)
    try:
        parts = tuple(kinds[0](part) for part in (text.split("x") if several else [text]))
    except ValueError:
        parts = ()
    if not parts or (len(parts) != len(kinds) and Ellipsis not in kinds):
        example = spelled(Recipe(), name)
        raise click.BadParameter(f"{text!r} is no value of {name}; write such as {example}, with commas between values")
    if kinds[0] is int:
        parts = tuple(count(f"--vary {name}", part) for part in parts)
    return parts if several else parts[0]


def spelled(setting: Recipe, name: str) -> str:
    """Write a field and its value as `--vary` reads them."""
    value = getattr(setting, name)
    return f"{name}={'x'.join(map(str, value)) if isinstance(value, tuple) else value}"


def score(judge: fn.Batch, members: Sequence[Member]) -> float:
    """Train the networks of a recipe; return their accuracy on images that they have not seen, NaN if they diverge."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            trained = deque(training(members, judge, QUIETLY, beginning(members)), maxlen=1).pop()
    except fn.DivergenceError:
        return nan
    return float(trained.history[-1]["test_accuracy"])


@click.command(context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]})
@option("--recipe", type=click.Choice([*RECIPES]), default="lab", help="Gives all that is not varied.")
@option(
    "--vary",
    multiple=True,
    default=("hidden=32,128", "rate=1.0,2.0,4.0"),
    callback=read_axes,
    metavar="FIELD=A,B,...",
    help="Values of a field of the recipe; repeatable, for all combinations.",
)
@option("--seeds", type=click.IntRange(1), default=3, help="Runs of each setting, with the seeds 0, 1, ...")
@option("--validation", type=float, default=0.2, help="Share of the training images that settings are judged on.")
@option("--dataset", type=click.Choice([*DATASETS]), default="digits", help="Images to train on.")
@data_dir_option
@option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, help="Processes; the results are the same.")
def sweep(
    recipe: str,
    vary: dict[str, list[Any]],
    seeds: int,
    validation: float,
    dataset: str,
    data_dir: Path | None,
    jobs: int,
) -> None:
    """Train a recipe with all combinations of some values, each from several seeds, and test the best one once.

    The table gives accuracies on images that are held out of the training set. The test set is not looked at before the
    last line, for which the best setting is trained on the whole training set.
    """
    data = DATASETS[dataset](data_dir)
    split = with_validation(data, validation)
    settings = [evolve(RECIPES[recipe], **dict(zip(vary, values, strict=True))) for values in product(*vary.values())]
    runs = [members_of(setting, split, seed) for setting in settings for seed in range(seeds)]
    names = [" ".join(spelled(setting, name) for name in vary) for setting in settings]
    click.echo(f"{data.name}: {len(split.train)} images to train on, {len(split.test)} to validate on")
    # One thread of BLAS in each process: more would get into each other's way, and round sums in another order.
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        with ProcessPoolExecutor(jobs, get_context("spawn"), signal, (SIGINT, SIG_DFL)) as processes:
            scores = processes.map(partial(score, split.test), runs)
            best = best_of(names, (list(islice(scores, seeds)) for _ in names))
            accuracy = processes.submit(score, data.test, members_of(settings[best], data, 0)).result()
    except BrokenProcessPool as error:
        raise click.ClickException("a process was stopped, perhaps for want of memory; use fewer --jobs") from error
    click.echo(f"trained on all {len(data.train)} training images with seed 0: test accuracy {accuracy:.4f}")


def best_of(names: Sequence[str], scores: Iterable[Sequence[float]]) -> int:
    """Print a line for each setting as soon as its runs have ended, and return the place of the best one."""
    means = []
    for name, of_setting in zip(names, scores, strict=True):
        mean, spread = np.mean(of_setting), np.std(of_setting, ddof=min(1, len(of_setting) - 1))
        found = "diverged" if np.isnan(mean) else f"{mean:.4f} ± {spread:.4f}"
        click.echo(f"{name:{max(map(len, names))}}  validation accuracy {found}")
        means.append(mean)
    if np.isnan(means).all():
        raise fn.DivergenceError("sweep", "a setting that can be trained", "none", "vary other values")
    best = int(np.nanargmax(means))
    click.echo(f"best: {names[best]}")
    return best


if __name__ == "__main__":
    run(sweep)
