"""scikit-learn's own fitted networks, and pipelines that scale before them, as layers."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fnmlp.arrays import Array, read_only
from fnmlp.combinators import chain
from fnmlp.errors import MissingDependencyError, StructureError
from fnmlp.expressions import build
from fnmlp.layer import Layer
from fnmlp.layers import Linear, linear, softmax, standardize
from fnmlp.tree import Tree

try:
    from sklearn import neural_network, preprocessing
    from sklearn.pipeline import Pipeline

    from fnmlp.interop.sklearn.base import Shell
except ImportError as error:
    way = "pip install 'fnmlp[sklearn]'"
    raise MissingDependencyError.of("fnmlp.interop.sklearn", "scikit-learn", error, way) from error

__all__ = ["from_sklearn"]

Stage = tuple[Layer[Any], Tree]

ACTIVATIONS = {"identity": "identity()", "logistic": "sigmoid()", "tanh": "tanh()", "relu": "relu()"}
"""scikit-learn's names of activations, and our layers."""

NETWORKS = (neural_network.MLPClassifier, neural_network.MLPRegressor)

Numbers = Callable[[Any], tuple[Any, Any]]

SCALERS: Mapping[type, Numbers] = {
    preprocessing.StandardScaler: lambda scaler: (scaler.mean_ if scaler.with_mean else None, scaler.scale_),
    preprocessing.RobustScaler: lambda scaler: (
        scaler.center_ if scaler.with_centering else None,
        scaler.scale_ if scaler.with_scaling else None,
    ),
    preprocessing.MaxAbsScaler: lambda scaler: (None, scaler.scale_),
    preprocessing.MinMaxScaler: lambda scaler: (-scaler.min_ / scaler.scale_, 1 / scaler.scale_),
}
"""By class: scaler -> what it subtracts from each feature, and what it then divides it by; None for nothing."""


def from_sklearn(estimator: Any) -> tuple[Layer[Any], Tree]:
    """Return the layer that predicts as a fitted estimator of scikit-learn's does, and its parameters.

    It takes MLPClassifier and MLPRegressor, and a Pipeline that ends with one, after StandardScaler, MinMaxScaler,
    RobustScaler or MaxAbsScaler; these become `standardize`. Estimators of fnmlp's own become their `to_model()`.
    Shapes:   a classifier's outputs are those of `predict_proba`, a column for each of `classes_`. scikit-learn keeps
              one output for two classes: here it gets two columns and a softmax. For several labels a row each column
              is the probability of a label. A regressor's outputs are (rows, targets), with one target too.
    Units:    parameters have the dtype of the rows in training, often float64; give the layer rows of that dtype.
    Raises:   StructureError for other estimators and steps, by name, and unless it is fitted.
    Source:   sklearn.neural_network.

    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn.pipeline import make_pipeline
    >>> X, y = np.eye(8), [0, 1] * 4
    >>> network = neural_network.MLPClassifier((5,), max_iter=400, tol=0.1, random_state=0)
    >>> pipeline = make_pipeline(StandardScaler(with_mean=False, with_std=False), network).fit(X, y)
    >>> model, params = from_sklearn(pipeline)
    >>> model
    chain(linear(5), relu(), linear(2), softmax())
    >>> bool(np.allclose(model.apply(params, X), pipeline.predict_proba(X)))
    True
    """
    layers, params = zip(*_stages(estimator), strict=True)
    return chain(*layers), params


def _stages(estimator: Any) -> list[Stage]:
    if isinstance(estimator, Pipeline):
        last = _stages(estimator.steps[-1][1])
        kind = _dtype_of(last)
        return [*(stage for name, step in estimator.steps[:-1] for stage in _scaling(name, step, kind)), *last]
    if isinstance(estimator, Shell):
        layer, params = estimator.to_model()
        return [*zip(layer.parts, params, strict=True)]
    if type(estimator) not in NETWORKS:
        remedy = "pass an MLPClassifier, an MLPRegressor, or a Pipeline that ends with one"
        got = estimator if isinstance(estimator, str) else type(estimator).__name__
        raise StructureError("from_sklearn", "a network of scikit-learn's", got, remedy)
    return _network(estimator)


def _dtype_of(stages: list[Stage]) -> str:
    """Return the dtype of a network's parameters."""
    return next((str(params.weight.dtype) for _, params in stages if isinstance(params, Linear)), "float64")


def _scaling(name: str, step: Any, dtype: str) -> list[Stage]:
    """Return what a step of a pipeline does to rows, as `standardize`, or as nothing."""
    where = f"from_sklearn: step {name!r} of the pipeline"
    if step is None or isinstance(step, str):  # "passthrough"
        return []
    if type(step) not in SCALERS:
        remedy = f"use one of {', '.join(kind.__name__ for kind in SCALERS)}, and do the rest before the model"
        raise StructureError(where, "a step that scales", type(step).__name__, remedy)
    if getattr(step, "clip", False):
        raise StructureError(where, "a step that scales alone", "clip=True", "use clip=False")
    _check_fitted(where, step, "n_features_in_")
    centre, width = SCALERS[type(step)](step)
    if centre is None and width is None:
        return []
    ones = np.ones(step.n_features_in_)
    mean: Any
    deviation: Any
    mean, deviation = 0 * ones if centre is None else centre, ones if width is None else width
    return [(standardize(mean, deviation, dtype=dtype), ())]


def _check_fitted(where: str, estimator: Any, attribute: str) -> None:
    if not hasattr(estimator, attribute):
        raise StructureError(where, "a fitted estimator", "one that is not", "call its fit first")


def _network(network: Any) -> list[Stage]:
    where = f"from_sklearn: {type(network).__name__}"
    _check_fitted(where, network, "coefs_")
    final = network.out_activation_
    records = [Linear(*map(_array, pair)) for pair in zip(network.coefs_, network.intercepts_, strict=True)]
    if final == "logistic" and network.n_outputs_ == 1:
        records[-1], final = _of_two_classes(records[-1]), "softmax"
    if final != "softmax" and final not in ACTIVATIONS:
        remedy = "train it with another loss"
        raise StructureError(where, "outputs that a layer here computes", f"the activation {final!r}", remedy)
    bend = build(ACTIVATIONS[network.activation])
    stages: list[Stage] = []
    for record in records:
        stages += [(linear(record.weight.shape[1]), record), (bend, ())]
    last = softmax() if final == "softmax" else build(ACTIVATIONS[final])
    return [*stages[:-1], *([] if final == "identity" else [(last, ())])]


def _of_two_classes(record: Linear) -> Linear:
    """Give the first of two classes an output that is always 0; then softmax returns σ(-z) and σ(z)."""
    return Linear(*(_array(np.concatenate([np.zeros_like(x), x], axis=-1)) for x in (record.weight, record.bias)))


def _array(x: Any) -> Array:
    return read_only(np.array(x, order="C"))
