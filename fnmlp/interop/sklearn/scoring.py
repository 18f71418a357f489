"""Scores of held-out rows, by which a fit stops and keeps its best epoch."""

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any, TypeAlias

from attrs import frozen
import numpy as np
from sklearn.metrics import check_scoring

from fnmlp.arrays import Array
from fnmlp.interop.sklearn.targets import Targets, decoded, encoded
from fnmlp.losses import Loss
from fnmlp.metrics import r2
from fnmlp.tree import Tree
from fnmlp.weights import Weights, with_weights


@frozen(eq=False)
class Held:
    """Hold the rows that are held out: as they were given, and as the network takes them."""

    rows: Any
    x: Array
    y: Array
    weights: Weights


Outputs: TypeAlias = Callable[[Tree], Array]
"""Parameters -> the outputs for the rows that are held out."""


def score_of(estimator: Any, scoring: Any, loss: Loss, held: Held, outputs: Outputs) -> Callable[[Tree], float]:
    """Return the function from parameters to the score of held-out rows.

    `scoring` is "loss" for minus the loss, a scorer of scikit-learn's or its name, or None for accuracy or R².
    """
    if scoring == "loss":
        return partial(_loss, outputs, loss, encoded(estimator.targets_, held.y, held.x.dtype.name), held)
    if scoring is not None:
        scorer: Any = check_scoring(estimator, scoring)
        return partial(_scorer, outputs, estimator, scorer, held)
    return partial(_r2 if estimator.targets_.numeric else _accuracy, outputs, estimator.targets_, held)


def _accuracy(outputs: Outputs, targets: Targets, held: Held, params: Tree) -> float:
    right = decoded(targets, outputs(params)) == held.y
    right = right if right.ndim == 1 else right.all(axis=1)
    return float(np.average(right, weights=held.weights if len(held.weights) else None))


def _r2(outputs: Outputs, targets: Targets, held: Held, params: Tree) -> float:
    y = decoded(targets, outputs(params)).reshape(held.y.shape)
    return float(with_weights(r2(), y, held.y, held.weights))


def _loss(outputs: Outputs, loss: Loss, target: Array, held: Held, params: Tree) -> float:
    return -float(with_weights(loss, outputs(params), target, held.weights)[0])


def _scorer(outputs: Outputs, estimator: Any, scorer: Callable[..., float], held: Held, params: Tree) -> float:
    view = copy(estimator)
    view.params_ = params
    vars(view)["_outputs"] = partial(_given, outputs(params))  # of the members that hold a row out, if they do
    options = {"sample_weight": held.weights} if len(held.weights) else {}
    return float(scorer(view, held.rows, held.y, **options))


def _given(outputs: Array, _: Any) -> Array:
    return outputs
