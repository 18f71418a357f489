"""Search a grid of options on Dask: `python examples/grid_dask.py`, with `pip install -e '.[dask]'`.

The same lines run on a cluster of many machines: give the address of its scheduler. The workers need fnmlp too.
"""

import sys
from typing import Any

from imports import import_failure

try:
    import click
    import distributed
    from joblib import parallel_config
    from sklearn.datasets import load_digits
    from sklearn.model_selection import GridSearchCV, train_test_split

    from command_line import option, run
    from fnmlp.interop.sklearn import MLPClassifier
except Exception as error:  # noqa: BLE001 (a broken library may raise anything)
    sys.exit(f"error: {import_failure(error, extra='dask')}")

connect: Any = distributed.Client
start: Any = distributed.LocalCluster
GRID: dict[str, list[Any]] = {"hidden_layer_sizes": [(32,), (64,)], "activation": ["relu", "silu"], "dropout": [0, 0.2]}


def search(epochs: int) -> GridSearchCV:
    """Return a search over the grid, by the accuracy in three folds; `n_jobs=-1` takes all workers."""
    network = MLPClassifier(max_iter=epochs, n_iter_no_change=float("inf"), learning_rate_init=3e-3, random_state=0)
    return GridSearchCV(network, GRID, cv=3, n_jobs=-1)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--scheduler", help="The address of a running cluster, such as tcp://10.0.0.1:8786.")
@option("--workers", type=click.IntRange(1), default=2, help="Without --scheduler: processes on this machine.")
@option("--epochs", type=click.IntRange(1), default=20, help="Passes over the training images, for each fit.")
def main(scheduler: str | None, workers: int, epochs: int) -> None:
    """Compare eight kinds of networks on scikit-learn's 8x8 digits, each in three folds."""
    pixels, labels = load_digits(return_X_y=True)
    first, second, third, fourth = train_test_split(pixels / 16, labels, test_size=0.3, random_state=0)
    if scheduler is not None:
        report(connect(scheduler), first, third, second, fourth, epochs)
        return
    with start(n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        report(connect(cluster), first, third, second, fourth, epochs)


def report(client: Any, rows: Any, labels: Any, test_rows: Any, test_labels: Any, epochs: int) -> None:
    """Run the search on a cluster, and print what it found."""
    with client, parallel_config("dask"):
        found = search(epochs).fit(rows, labels)
        workers = len(client.scheduler_info()["workers"])
    ranked = sorted(zip(found.cv_results_["mean_test_score"], found.cv_results_["params"], strict=True), key=score)
    click.echo(f"{len(ranked)} settings on {workers} workers, the best last")
    for accuracy, options in ranked:
        click.echo(f"  {accuracy:.3f}  " + ", ".join(f"{name} {value}" for name, value in options.items()))
    click.echo(f"the best one scores {found.score(test_rows, test_labels):.3f} on test images")


def score(pair: tuple[float, Any]) -> float:
    """Return the accuracy of a pair of accuracy and options."""
    return pair[0]


if __name__ == "__main__":
    run(main)
