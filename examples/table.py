"""Train an MLP on a table in a CSV or Parquet file, and use it: `python examples/table.py train --help`."""

from functools import partial
import json
from pathlib import Path
import sys
from typing import Any

from imports import import_failure

try:
    import click
    import numpy as np

    from command_line import FILE, check_distinct, new_file, plot_option, run
    import fnmlp as fn
    from fnmlp import plots
    from fnmlp.tables import encode_target
    from run_reports import Say, completed, follow, matrix_text
    from table_files import Table, Written, as_csv, in_file, read_table, write_table
    from table_models import TableModel, column_lines, described, load, target_lines
    from table_problem import FIRST_ROW, PURPOSES, Problem, pose
    from table_remarks import WARNING
    from table_reports import (
        compared,
        contribution_lines,
        contributions,
        falls_line,
        figure_of,
        scatter,
        score_table,
        scores_of,
    )
    from table_settings import TableSettings, reading_options, settings_of, train_options
    from table_training import Progress, best_epoch, started
    from training_run import Entry
except Exception as error:  # noqa: BLE001 (a broken library may raise anything)
    sys.exit(f"error: {import_failure(error, extra='table')}")

LINES = 10
"""About how many epochs are reported in a line each."""


@click.group(no_args_is_help=False, context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]})
@click.version_option(fn.__version__, prog_name="fnmlp")
def cli() -> None:
    """Train a multilayer perceptron on a table, and predict one of its columns, with pure functions on NumPy."""


@cli.command()
@click.argument("data", type=FILE)
@train_options
@click.pass_context
def train(context: click.Context, /, data: Path, **typed: Any) -> None:
    """Train a model on DATA, a CSV or Parquet file, to predict the column --target.

    The rows are split at random into some to train on, some to choose the best epoch, and some to test on. The model
    file holds all that `predict` needs: the names of the columns, their categories, medians and scales.
    """
    settings = settings_of(context, typed)
    say: Say = (lambda _: None) if settings.quiet else click.echo
    check_distinct(written_by(settings), [("DATA", data)])
    table = read_table(data, separator=settings.separator, encoding=settings.encoding)
    with in_file(data):
        problem, remarks = pose(table, settings)
    say(f"{data}: {table.rows:,} rows, {len(table.columns)} columns")
    for line in [*remarks, *target_lines(problem.target), *column_lines(problem.schema)]:
        say(line)
    say(", ".join(f"{len(part.data):,} rows to {PURPOSES[name]}" for name, part in problem.parts.items()))
    progress, progresses = started(problem, say)
    problem.model_parts(progress.best, {})  # raises for a model that could not be saved, before the work
    followed = partial(
        follow,
        steps=problem.steps,
        epochs=settings.epochs,
        line=partial(epoch_line, every=max(settings.epochs // LINES, 1)),
        settings=settings,
        say=say,
    )
    progress = completed(progress, progresses, followed, checkpoint=settings.checkpoint)
    finish(problem, progress, table, say)
    for line in remarks:
        if line.startswith(WARNING):
            say(line)


def written_by(settings: TableSettings) -> list[tuple[str, Path]]:
    """Return the files that a run writes, by their options."""
    named = {name: getattr(settings, name) for name in ("output", "history", "plot", "checkpoint")}
    return [(f"--{name}", path) for name, path in named.items() if path]


def epoch_line(entry: Entry, *, every: int) -> str:
    """Format the results of every so manieth epoch as a line; "" for others."""
    if entry["epoch"] % every:
        return ""
    name, measure = ("accuracy", "accuracy") if "validation_accuracy" in entry else ("r2", "R²")
    judged = f"validation loss {entry['validation_loss']:.5f}  {measure} {entry[f'validation_{name}']:.4f}"
    return f"epoch {entry['epoch']:3d}  train loss {entry['train_loss']:.5f}  {judged}  {entry['seconds']:.2f} s"


def finish(problem: Problem, progress: Progress, table: Table, say: Say) -> None:
    """Report on the best epoch of a run, and write its files."""
    settings, best = problem.settings, best_epoch(progress.history)
    say(f"best epoch: {best['epoch']}")
    scores, falls = compared(problem, progress.best), contributions(problem, progress.best)
    measure = "accuracy" if problem.classes else "R²"
    for line in [*score_table(scores), falls_line(measure), *contribution_lines(falls)]:
        say(line)
    if settings.history:
        say(f"history saved to {settings.history}")
    if settings.output:
        told = {
            "file": table.path.name,
            "decimal_commas": table.decimal_commas,
            "rows": len(problem.parts["train"].data),
            "epoch": best["epoch"],
            "seed": settings.seed,
            "scores": scores["network"],
            "contributions": falls,
        }
        fn.save(settings.output, *problem.model_parts(progress.best, {"training": json.dumps(told)}))
        say(f"model saved to {settings.output}")
    if settings.plot:
        plots.save_figure(settings.plot, figure_of(progress.history, falls, best["epoch"], measure))
        say(f"curves and contributions drawn to {settings.plot}")


@cli.command()
@click.argument("model", type=FILE)
@click.argument("data", type=FILE)
@click.option("--output", type=FILE, callback=new_file, help="Write to this .csv or .parquet file, not to the screen.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Copy a column of DATA to the output; repeatable.")
@reading_options
def predict(
    model: Path, data: Path, output: Path | None, keep: tuple[str, ...], separator: str | None, encoding: str
) -> None:
    """Predict the target for each row of DATA, with the probability of each class.

    MODEL is a file from `train --output`, or one of your own with a schema. DATA needs the columns that it was trained
    on, in any order. Remarks go to stderr.
    """
    check_distinct([("--output", output)] if output else [], [("MODEL", model), ("DATA", data)])
    known = load(model)
    table = read_table(data, separator=separator, encoding=encoding, decimal_commas=known.decimal_commas)
    outputs = known.predict(table)
    for remark in known.remarks(table):
        click.echo(f"note: {remark}", err=True)
    copied, made = kept(table, keep), predictions(known, outputs)
    if both := [name for name in copied if name in made]:
        raise click.UsageError(f"--keep {both[0]}: the output has a column of predictions of this name; rename yours")
    columns = {**copied, **made}
    if not output:
        click.echo(as_csv(columns), nl=False)
        return
    write_table(output, columns)
    click.echo(f"predictions for {table.rows:,} rows saved to {output}")


def kept(table: Table, names: tuple[str, ...]) -> dict[str, Written]:
    """Return the columns to copy, with the texts or values of the file: as numbers, long ids would lose digits."""
    for name in names:
        table.check_named(name, "--keep")
    return {name: table.frame[name] for name in names}


def predictions(model: TableModel, outputs: fn.Array) -> dict[str, fn.Array]:
    """Return the columns of predictions: the class and the probabilities of all, or the number."""
    name, classes = f"predicted {model.target.name}", model.target.classes
    if not classes:
        return {name: outputs[:, 0]}
    likeliest = np.array(classes, object)[outputs.argmax(axis=1)]
    shares = {f"probability of {label}": outputs[:, place] for place, label in enumerate(classes)}
    return {name: likeliest} | shares


@cli.command()
@click.argument("model", type=FILE)
@click.argument("data", type=FILE)
@reading_options
@plot_option
def evaluate(model: Path, data: Path, separator: str | None, encoding: str, plot: Path | None) -> None:
    """Compare predictions for DATA with its target column, and print the scores.

    MODEL is a file from `train --output`. For classes, the confusion matrix has true classes down and predicted ones
    across.
    """
    check_distinct([("--plot", plot)] if plot else [], [("MODEL", model), ("DATA", data)])
    known = load(model)
    table = read_table(data, separator=separator, encoding=encoding, decimal_commas=known.decimal_commas)
    if known.target.name not in table.columns:
        remedy = "evaluate rows whose target is known, or use `predict`"
        raise fn.DataError(str(table.path), f"the target column {known.target.name!r}", "none", remedy)
    with in_file(data):
        targets = encode_target(known.schema, table.columns, dtype="float64", first_row=FIRST_ROW)
    outputs, classes = known.predict(table), known.target.classes
    for remark in known.remarks(table):
        click.echo(f"note: {remark}", err=True)
    scores = scores_of(outputs, targets, classes=bool(classes))
    click.echo(f"{table.rows:,} rows  " + "  ".join(f"{name} {value:.4f}" for name, value in scores.items()))
    if classes:
        matrix = fn.confusion_matrix(outputs, targets)
        click.echo(matrix_text(matrix, classes))
        drawn, what = partial(plots.confusion, matrix, classes), "confusion matrix"
    else:
        drawn, what = partial(scatter, outputs, targets, known.target.name), "predictions"
    if plot:
        plots.save_figure(plot, drawn())
        click.echo(f"{what} drawn to {plot}")


@cli.command()
@click.argument("model", type=FILE)
def describe(model: Path) -> None:
    """Print what MODEL, a file from `train --output`, holds."""
    for line in described(load(model)):
        click.echo(line)


if __name__ == "__main__":
    run(cli)
