"""Predict the course of diabetes from real data: `python examples/diabetes.py --plot diabetes.png`."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, count, islice
from pathlib import Path
import sys
from typing import Any, TypeAlias

from imports import import_failure

try:
    import click
    from matplotlib.figure import Figure
    import numpy as np
    from sklearn.datasets import load_diabetes

    from command_line import FILE, check_distinct, new_file, option, plot_option, run
    import fnmlp as fn
    from fnmlp.plots import save_figure
except Exception as error:  # noqa: BLE001 (a broken library may raise anything)
    sys.exit(f"error: {import_failure(error)}")

Predict: TypeAlias = Callable[[fn.Array], fn.Array]
BATCH, PATIENCE, EPOCHS = 32, 10, 1000
MARKERS = "_", "s", "o"
"""Of the mean, of least squares, and of the network."""


def diabetes() -> fn.Batch:
    """Load ten measurements of 442 patients, from age to blood values, and the disease's progression a year later.

    The progression is a number from 25 to 346.

    Source:   Efron, Hastie, Johnstone & Tibshirani 2004, "Least angle regression", Annals of Statistics 32.
    """
    bundle: Any = load_diabetes(scaled=False)
    return fn.Batch(bundle.data.astype(np.float32), bundle.target[:, None].astype(np.float32))


def learn(train: fn.Batch, validation: fn.Batch, key: fn.Key, *, hidden: int) -> tuple[fn.Layer[Any], Any, str]:
    """Train until the validation score stops rising; return the best model, its parameters, and a summary.

    The network is trained on standardized inputs and targets. The returned model uses the original units.
    """
    of_inputs, of_targets = fn.fit_standardize(train.inputs), fn.fit_standardize(train.targets)
    network = fn.chain(fn.standardize(*of_inputs), fn.linear(hidden), fn.tanh(), fn.linear(1))
    model = fn.chain(network, fn.unstandardize(*of_targets))
    data = fn.Batch(train.inputs, fn.standardize(*of_targets).apply((), train.targets))
    start_key, order_key = fn.split(key, 2)
    start = fn.train_state(network, fn.sgd(1.0), key=start_key, example=train.inputs.shape[1:])

    def batches(epoch: int) -> Iterator[fn.Batch]:
        return fn.batches(data, size=BATCH, key=order_key, epoch=epoch)

    def score(state: fn.TrainState) -> float:
        return fn.evaluate(model, fn.mse, (state.params, ()), validation, metrics=(fn.r2(),))[1]

    rate = fn.suggested_rate(fn.rate_range(network, fn.mse, fn.sgd, start, chain.from_iterable(map(batches, count()))))
    states = fn.epochs(partial(fn.train_step, network, fn.mse, fn.sgd(rate)), start, batches)
    best, _ = fn.best_state(fn.early_stopping(fn.scored(islice(states, EPOCHS), score), patience=PATIENCE))
    return model, (best.params, ()), f"rate {rate:.2g}, best after {best.step} steps"


def least_squares(train: fn.Batch) -> Predict:
    """Fit the linear model, in float64."""
    columns = np.hstack([train.inputs, np.ones((len(train), 1))])
    weights = np.linalg.lstsq(columns, train.targets, rcond=None)[0]
    return lambda inputs: inputs @ weights[:-1] + weights[-1]


def baselines(train: fn.Batch) -> dict[str, Predict]:
    """Return the models to compare the network with."""
    return {
        "mean of targets": lambda inputs: np.full((len(inputs), 1), train.targets.mean()),
        "linear least squares": least_squares(train),
    }


def quality(predict: Predict, data: fn.Batch) -> str:
    """Describe how well targets are predicted."""
    y = predict(data.inputs)
    return f"R² {fn.r2()(y, data.targets):6.3f}, error {fn.mean_absolute_error()(y, data.targets):.1f}"


def scatter(data: fn.Batch, predictions: dict[str, Predict]) -> Figure:
    """Plot predictions against true values."""
    figure = Figure(figsize=(5.6, 5.4), layout="constrained")
    axes = figure.subplots()
    for (name, predict), marker in zip(predictions.items(), MARKERS, strict=True):
        axes.scatter(data.targets, predict(data.inputs), s=18, alpha=0.7, marker=marker, label=name)
    axes.plot([0, 360], [0, 360], color="grey", linewidth=1, label="predicted = true")
    axes.set(xlabel="true progression after a year", ylabel="predicted progression")
    axes.set_title("Diabetes: patients held out for testing")
    axes.set(xlim=(0, 360), ylim=(0, 360), aspect="equal")
    axes.legend(loc="upper left")
    return figure


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@option("--hidden", type=click.IntRange(1, 100_000), default=32, help="Units of the hidden layer.")
@option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, help="Seed of the split, initial weights and order.")
@click.option("--output", type=FILE, callback=new_file, help="Save the trained model to this file.")
@plot_option
def main(hidden: int, seed: int, output: Path | None, plot: Path | None) -> None:
    """Train a small network on scikit-learn's diabetes data, and compare it with linear least squares.

    Three fifths of the patients are for training, one to decide when to stop, and one for testing. R² is the share of
    the variance that is explained. The error is the mean absolute error, in the targets' units. The network is about as
    good as least squares: over the seeds 0 to 19 its test R² was 0.47 ± 0.08, that of least squares 0.48 ± 0.08.
    """
    check_distinct([(name, path) for name, path in (("--output", output), ("--plot", plot)) if path])
    data, (test_key, validation_key, train_key) = diabetes(), fn.split(fn.Key(seed), 3)
    rest, test = fn.split_data(data, key=test_key, share=0.2)
    train, validation = fn.split_data(rest, key=validation_key, share=0.25)
    click.echo(f"{len(train)} patients to train on, {len(validation)} to validate on, {len(test)} to test on")
    model, params, how = learn(train, validation, train_key, hidden=hidden)
    click.echo(f"network 10-{hidden}-1: {how}")
    predictions = baselines(train) | {"network": partial(fn.predict, model, params)}
    for name, predict in predictions.items():
        click.echo(f"{name:20}  validation {quality(predict, validation)}  test {quality(predict, test)}")
    if output:
        fn.save_model(output, model, params, example=data.inputs.shape[1:])
        click.echo(f"model saved to {output}")
    if plot:
        save_figure(plot, scatter(test, predictions))
        click.echo(f"predictions drawn to {plot}")


if __name__ == "__main__":
    run(main)
