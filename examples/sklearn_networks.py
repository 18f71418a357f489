"""Three studies of small networks by scikit-learn's interface: `python examples/sklearn_networks.py --help`.

They follow scikit-learn's own examples of its MLP. Only the import differs between its estimators and those of fnmlp.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
import sys
from typing import Any
import warnings

from imports import import_failure

try:
    import click
    from matplotlib.figure import Figure
    import numpy as np
    from sklearn.datasets import load_digits, load_iris, make_circles, make_classification, make_moons
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    from command_line import option, plot_option, run
    from fnmlp.data import mnist
    from fnmlp.plots import save_figure
except Exception as error:  # noqa: BLE001 (a broken library may raise anything)
    sys.exit(f"error: {import_failure(error)}")

MODULES = {"fnmlp": "fnmlp.interop.sklearn", "sklearn": "sklearn.neural_network"}
library_option = option("--library", type=click.Choice([*MODULES]), default="fnmlp", help="Whose MLPClassifier.")


def classifier_of(library: str) -> Any:
    """Import the MLPClassifier of a library: the only line that differs between them."""
    return import_module(MODULES[library]).MLPClassifier


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Train small networks with the estimators of fnmlp, or with scikit-learn's own."""
    warnings.simplefilter("ignore", ConvergenceWarning)  # short runs are the point here


@main.command()
@library_option
@option("--dataset", type=click.Choice(("digits", "mnist")), default="digits", help="MNIST takes a minute.")
@option("--epochs", type=click.IntRange(1), default=8, help="Passes over the training images.")
@plot_option
def weights(library: str, dataset: str, epochs: int, plot: Path | None) -> None:
    """Look at the weights of the first layer, each as a picture of what its unit looks for."""
    train, test = images(dataset)
    network = classifier_of(library)(40, max_iter=epochs, solver="sgd", learning_rate_init=0.2, random_state=1)
    network.fit(*train)
    click.echo(f"training score {network.score(*train):.3f}, test score {network.score(*test):.3f}")
    if plot:
        save_figure(plot, pictures(network.coefs_[0][:, :16]))
        click.echo(f"weights drawn to {plot}")


def images(dataset: str) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Load images as rows of pixels from 0 to 1, and their labels, for training and for testing."""
    if dataset == "mnist":
        data = mnist()
        pairs = [(batch.inputs.reshape(len(batch), -1) / 255, batch.targets) for batch in (data.train, data.test)]
        return pairs[0], pairs[1]
    pixels, labels = load_digits(return_X_y=True)
    first, second, third, fourth = train_test_split(pixels / 16, labels, test_size=0.3, random_state=0)
    return (first, third), (second, fourth)


def pictures(columns: Any) -> Figure:
    """Draw each column of weights as a square picture."""
    side = round(len(columns) ** 0.5)
    figure = Figure(figsize=(5, 5), layout="constrained")
    limit = abs(columns).max() / 2
    for axes, column in zip(figure.subplots(4, 4).ravel(), columns.T, strict=True):
        axes.matshow(column.reshape(side, side), cmap="gray", vmin=-limit, vmax=limit)
        axes.set(xticks=(), yticks=())
    return figure


@main.command()
@library_option
@option("--epochs", type=click.IntRange(1), default=2000, help="The most iterations of each fit.")
@plot_option
def regularisation(library: str, epochs: int, plot: Path | None) -> None:
    """Vary the penalty on the weights: the larger alpha is, the smoother is the boundary between the classes."""
    alphas = 10.0 ** np.arange(-1, 3)
    kind, surfaces = classifier_of(library), []
    click.echo("test scores     " + "  ".join(f"alpha {alpha:<5g}" for alpha in alphas))
    for name, points, labels in planes():
        first, second, third, fourth = train_test_split(points, labels, test_size=0.4, random_state=42)
        fitted = []
        for alpha in alphas:
            network = kind((100, 100), solver="lbfgs", alpha=alpha, random_state=1, max_iter=epochs)
            fitted.append(make_pipeline(StandardScaler(), network).fit(first, third))
        click.echo(f"{name:15} " + "  ".join(f"{network.score(second, fourth):<11.2f}" for network in fitted))
        surfaces.append((points, labels, fitted))
    if plot:
        save_figure(plot, boundaries(alphas, surfaces))
        click.echo(f"boundaries drawn to {plot}")


def planes() -> Iterator[tuple[str, Any, Any]]:
    """Yield three sets of labelled points in the plane, with their names."""
    yield "moons", *make_moons(noise=0.3, random_state=0)
    yield "circles", *make_circles(noise=0.2, factor=0.5, random_state=1)
    options: dict[str, Any] = {"n_features": 2, "n_redundant": 0, "n_informative": 2, "n_clusters_per_class": 1}
    points, labels = make_classification(**options, random_state=1)[:2]
    yield "two clusters", points, labels


def boundaries(alphas: Any, surfaces: list[Any]) -> Figure:
    """Draw the probability of the second class over the plane, for each data set and each penalty."""
    figure = Figure(figsize=(2.4 * len(alphas), 2.4 * len(surfaces)), layout="constrained")
    for row, (points, labels, fitted) in zip(figure.subplots(len(surfaces), len(alphas)), surfaces, strict=True):
        sides = (np.linspace(low - 0.5, high + 0.5, 80) for low, high in zip(points.min(0), points.max(0), strict=True))
        x, y = np.meshgrid(*sides)
        for axes, alpha, network in zip(row, alphas, fitted, strict=True):
            chances = network.predict_proba(np.column_stack([x.ravel(), y.ravel()]))[:, 1].reshape(x.shape)
            axes.contourf(x, y, chances, levels=10, cmap="RdBu", vmin=0, vmax=1, alpha=0.8)
            axes.scatter(*points.T, c=labels, s=8, cmap="RdBu", edgecolors="black", linewidths=0.4)
            axes.set(xticks=(), yticks=(), title=f"alpha {alpha:g}")
    return figure


SOLVERS: dict[str, dict[str, Any]] = {
    "constant rate": {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.2},
    "momentum": {"solver": "sgd", "momentum": 0.9, "nesterovs_momentum": False, "learning_rate_init": 0.2},
    "Nesterov": {"solver": "sgd", "momentum": 0.9, "learning_rate_init": 0.2},
    "falling rate": {"solver": "sgd", "learning_rate": "invscaling", "momentum": 0.0, "learning_rate_init": 0.2},
    "falling, Nesterov": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.2},
    "Adam": {"solver": "adam", "learning_rate_init": 0.01},
}


@main.command()
@library_option
@option("--epochs", type=click.IntRange(1), default=100, help="The most iterations of each fit.")
@plot_option
def solvers(library: str, epochs: int, plot: Path | None) -> None:
    """Compare how fast stochastic gradient descent, its variants and Adam learn four small data sets."""
    figure = Figure(figsize=(9, 7), layout="constrained")
    named = [("iris", *load_iris(return_X_y=True)), ("digits", *load_digits(return_X_y=True)), *list(planes())[:2]]
    for axes, (name, rows, labels) in zip(figure.subplots(2, 2).ravel(), named, strict=True):
        click.echo(name)
        rows = MinMaxScaler().fit_transform(rows)  # noqa: PLW2901 (scaled rows take the place of others)
        for title, options in SOLVERS.items():
            network = classifier_of(library)(random_state=0, max_iter=min(epochs, 15) if name == "digits" else epochs)
            network.set_params(**options).fit(rows, labels)
            click.echo(f"  {title:18} training score {network.score(rows, labels):.3f}, loss {network.loss_:.3f}")
            axes.plot(network.loss_curve_, label=title)
        axes.set(title=name, xlabel="epoch", ylabel="loss")
    figure.axes[0].legend()
    if plot:
        save_figure(plot, figure)
        click.echo(f"learning curves drawn to {plot}")


if __name__ == "__main__":
    run(main)
