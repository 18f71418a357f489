"""Fits of the scikit-learn estimators in processes that are killed at any instant, and begun again."""

from collections.abc import Iterator
from functools import partial
import os
from pathlib import Path
import signal
import sys
import traceback
from typing import Any
import warnings

from sklearn.datasets import load_iris

import fnmlp as fn
from fnmlp.interop.sklearn import MLPClassifier, MLPRegressor
from tests.faults.stops import Report, stop_and_resume

OPTIONS: dict[str, Any] = {"hidden_layer_sizes": 8, "max_iter": 40, "batch_size": 50, "random_state": 0}
FITS: dict[str, Any] = {
    "classifier": MLPClassifier(**OPTIONS, early_stopping=True, n_iter_no_change=float("inf"), dropout=0.2),
    "regressor": MLPRegressor(**OPTIONS, preset="tabular", solver="sgd", average=0.9),
}
"""Fits that save after each epoch, so that most of their time goes into saving, where a kill could do harm."""


def start_fit(estimator: Any, folder: Path) -> int:
    """Fork a process that fits an estimator with a checkpoint in a folder; return its id."""
    if child := os.fork():
        return child
    status = 70  # of a failure that nothing else explains
    try:
        with open(folder / "errors", "w", encoding="utf-8") as sys.stderr, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                fitted = estimator.set_params(checkpoint=folder / "checkpoint").fit(*load_iris(return_X_y=True))
                arrays = fitted.params_, tuple(fitted.loss_curve_), tuple(fitted.validation_scores_ or ())
                (folder / "model").write_text(fn.tree_sha256(arrays), encoding="utf-8")
                status = 0
            except BaseException:  # noqa: BLE001 (the parent's code must not run in the child too)
                traceback.print_exc()
    finally:
        os._exit(status)


def kill_fits(trials: int, seed: int) -> Iterator[tuple[str, Iterator[Report]]]:
    """Kill so many fits, half of them of each estimator, and yield the reports of each."""
    for title, estimator in FITS.items():
        running = partial(start_fit, estimator)
        yield title, stop_and_resume(running, _outcome, signal.SIGKILL, -(-trials // len(FITS)), seed)


def _outcome(folder: Path) -> str:
    return (folder / "model").read_text(encoding="utf-8")
