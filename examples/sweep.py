"""Compare settings on held-out training images, and test the best one: `python examples/sweep.py --help`.

Layers, losses and optimisers are values that can be pickled, so one process can build a model and another train it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import islice, product
from math import nan
from multiprocessing import get_context
import os
from pathlib import Path
from signal import SIG_DFL, SIGINT, signal
import sys
from typing import Any, TypeAlias

from imports import THREADS, import_failure, one_thread_each

one_thread_each(sys.argv[1:])

try:
    import click
    import numpy as np

    from command_line import check_used, data_dir_option, option, option_group, run
    from data_sets import DATASETS, with_validation
    from engines import NUMPY, Engine, engine_of, engine_options, parallel_option
    import fnmlp as fn
    from parallel_ranks import ranks, shared_out
    from recipe_options import KINDS, read_field, recipe_for, recipe_option, spelled, with_fields
    from recipes import Recipe
    from run_members import Member, members_of
    from run_settings import Settings
    from training_run import beginning, training
except Exception as error:  # noqa: BLE001 (a broken library may raise anything)
    sys.exit(f"error: {import_failure(error)}")

QUIETLY = Settings(recipe="", seed=0, dataset="", data_dir=None, validation=0.0, no_eval=False, quiet=True)


def read_axes(context: click.Context, option: click.Parameter, texts: Sequence[str]) -> dict[str, list[Any]]:
    """Parse the values to try, such as `rate=0.5,1.0`; join the parts of a tuple with x, as in `hidden=64x32`."""
    axes: dict[str, list[Any]] = {}
    for text in texts:
        name, _, values = text.partition("=")
        if name not in KINDS:
            raise click.BadParameter(f"{name!r} is not a field of a recipe; choose from {', '.join(KINDS)}")
        if name in axes:
            raise click.BadParameter(f"{name} is given twice; join its values, as in {name}=A,B")
        try:
            axes[name] = [read_field(name, value, separator="x") for value in values.split(",")]
        except ValueError as error:
            raise click.BadParameter(f"{name}: {error}") from error
        if len(set(axes[name])) < len(axes[name]):
            raise click.BadParameter(f"{name}: a value stands twice in {values}; name each once")
    return axes


def named(setting: Recipe, names: Iterable[str]) -> str:
    """Write the varied fields of a setting."""
    return " ".join(f"{name}={spelled(setting, name, separator='x')}" for name in names)


def varied(name: str) -> str:
    """Write the beginning of an option that varies a field."""
    return f"--vary {name}="


def score(judge: fn.Batch, members: Sequence[Member]) -> float:
    """Train the networks of a recipe; return their accuracy on held-out images, or NaN if they diverge."""
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            trained = deque(training(NUMPY, members, judge, QUIETLY, beginning(members)), maxlen=1).pop()
    except fn.DivergenceError:
        return nan
    return float(trained.history[-1]["test_accuracy"])


setting_options = option_group(
    recipe_option("The values of all other fields."),
    option(
        "--vary",
        multiple=True,
        default=("hidden=32,128", "rate=0.25,0.5,1.0"),
        callback=read_axes,
        metavar="FIELD=A,B,...",
        help="Values to try for a field; repeatable, to try all combinations.",
    ),
)
judging_options = option_group(
    option("--seeds", type=click.IntRange(1), default=3, help="Runs per setting, with the seeds 0, 1, ..."),
    option(
        "--validation",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        default=0.2,
        help="Share of the training images to compare settings on.",
    ),
)
data_options = option_group(
    option("--dataset", type=click.Choice([*DATASETS]), default="digits", help="Images to train on."), data_dir_option
)


@click.command(context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]})
@setting_options
@judging_options
@data_options
@engine_options
@parallel_option
@option(
    "--jobs",
    type=click.IntRange(1),
    default=os.cpu_count() or 1,
    help="Number of processes with --engine numpy; it does not change the results.",
)
@click.pass_context
def sweep(
    context: click.Context, /, seeds: int, validation: float, dataset: str, data_dir: Path | None, **wanted: Any
) -> None:
    """Train a recipe with all combinations of some values, from several seeds, and test the best one.

    The table shows accuracies on held-out training images. Then the best setting is trained on the whole training set,
    and evaluated on the test set. The test set is used only for that last line. With --parallel, the processes that
    mpiexec started share the runs; their number does not change the results. With --engine jax, all networks of one
    shape are trained at once: those that differ only in their seeds, rates, momenta, decays and epsilons.
    """
    judged = judged_by(context, *(wanted.pop(name) for name in ("engine", "device", "jobs", "parallel")))
    settings = settings_of(dataset, **wanted)
    data = DATASETS[dataset](data_dir)
    split = with_validation(data, validation)
    runs = [members_of(setting, split, seed) for setting in settings.values() for seed in range(seeds)]
    click.echo(f"{data.name}: {len(split.train)} images to train on, {len(split.test)} to validate on")
    with judged as judge:
        scores = judge(split.test, runs)
        best = best_of([*settings], (list(islice(scores, seeds)) for _ in settings))
        [accuracy] = judge(data.test, [members_of(settings[best], data, 0)])
    click.echo(f"trained on all {len(data.train)} training images with seed 0: test accuracy {accuracy:.4f}")


def settings_of(dataset: str, recipe: str | None, vary: dict[str, list[Any]]) -> dict[str, Recipe]:
    """Return the settings, named by their varied fields."""
    choices = (dict(zip(vary, values, strict=True)) for values in product(*vary.values()))
    settings = (with_fields(recipe_for(dataset, recipe), values, spell=varied) for values in choices)
    return {named(setting, vary): setting for setting in settings}


Judge: TypeAlias = Callable[[fn.Batch, list[list[Member]]], Iterator[float]]
"""(held-out images, runs) -> the accuracy of each run."""


def judged_by(
    context: click.Context, name: str, device: str | None, jobs: int, parallel: bool
) -> AbstractContextManager[Judge]:
    """Return what trains and judges runs: processes or ranks with NumPy, or JAX."""
    need = "--engine numpy: with JAX, one process trains all networks of one shape at once"
    check_used(context, dict.fromkeys(("jobs", "parallel"), (name == "numpy", need)))
    check_used(context, {"jobs": (not parallel, "no --parallel: mpiexec -n says how many processes there are")})
    engine = engine_of(name, device)
    if parallel:
        return on_ranks(ranks())
    return in_processes(jobs) if engine is NUMPY else together(engine)


@contextmanager
def on_ranks(comm: Any) -> Iterator[Judge]:
    """Train runs with NumPy, each on one of the ranks of MPI."""
    yield lambda judge, runs: shared_out(comm, partial(score, judge), runs)


@contextmanager
def in_processes(jobs: int) -> Iterator[Judge]:
    """Train runs with NumPy, each in one of several processes."""
    try:
        with processes(jobs) as pool:
            yield lambda judge, runs: pool.map(partial(score, judge), runs)
    except BrokenProcessPool as error:
        raise click.ClickException("a process was stopped, perhaps because memory ran out; use fewer --jobs") from error


@contextmanager
def together(engine: Engine) -> Iterator[Judge]:
    """Train runs with JAX, many at once."""
    from sweep_jax import scores_together

    yield partial(scores_together, engine, QUIETLY)


def processes(jobs: int) -> ProcessPoolExecutor:
    """Start processes with one BLAS thread each: more would compete for cores, and round in another order."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    return ProcessPoolExecutor(jobs, get_context("spawn"), signal, (SIGINT, SIG_DFL))


def best_of(names: Sequence[str], scores: Iterable[Sequence[float]]) -> str:
    """Print a line for each setting when its runs have ended, and return the name of the best one."""
    means = []
    for name, of_setting in zip(names, scores, strict=True):
        mean, spread = np.mean(of_setting), np.std(of_setting, ddof=min(1, len(of_setting) - 1))
        found = "diverged" if np.isnan(mean) else f"{mean:.4f} ± {spread:.4f}"
        click.echo(f"{name:{max(map(len, names))}}  validation accuracy {found}")
        means.append(mean)
    if np.isnan(means).all():
        raise fn.DivergenceError("sweep", "a setting that can be trained", "none", "vary other values")
    best = names[int(np.nanargmax(means))]
    click.echo(f"best: {best}")
    return best


if __name__ == "__main__":
    run(sweep)
