"""scikit-learn's fitted networks as layers: their predictions, and what is refused by name."""

from functools import cache, partial
from typing import Any
import warnings

import numpy as np
import pytest

import fnmlp as fn
from tests.refusals import refusal
from tests.steps import assert_close
from tests.sweep import each

sklearn = pytest.importorskip("sklearn", reason="its estimators become layers")
from sklearn import neural_network, pipeline, preprocessing  # noqa: E402 (skipped without scikit-learn)
from sklearn.datasets import load_iris, make_multilabel_classification  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402

from fnmlp.interop.sklearn import MLPClassifier, from_sklearn  # noqa: E402

X, Y = load_iris(return_X_y=True)
OPTIONS: dict[str, Any] = {"hidden_layer_sizes": (6, 4), "solver": "lbfgs", "max_iter": 3, "random_state": 0}


def fitted(estimator: Any, y: Any = Y, x: Any = X) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it stops early
        return estimator.fit(x, y)


@cache
def network_in(dtype: Any) -> Any:
    return fitted(neural_network.MLPClassifier(**OPTIONS | {"solver": "adam"}), Y, X.astype(dtype))


TEXTS = np.array(["no", "yes"])[Y % 2]


@each("activation, classes", [("identity", Y), ("logistic", Y % 2), ("tanh", TEXTS), ("relu", Y)])
def test_a_classifiers_layer_returns_its_probabilities(activation: str, classes: Any) -> None:
    network = fitted(neural_network.MLPClassifier(activation=activation, **OPTIONS), classes)
    model, params = from_sklearn(network)
    assert_close(model.apply(params, X), network.predict_proba(X), eps=256, at_least=1)
    assert model.init(fn.Key(0), (4,))[1] == (len(network.classes_),)


def test_several_labels_a_row_have_a_probability_each() -> None:
    x, labels = make_multilabel_classification(60, 5, n_classes=3, random_state=0)
    network = fitted(neural_network.MLPClassifier(**OPTIONS), labels, x)
    model, params = from_sklearn(network)
    assert model.name.endswith("sigmoid())")
    assert_close(model.apply(params, x), network.predict_proba(x), eps=256, at_least=1)


@each("targets", [X[:, 0], X[:, :2]])
def test_a_regressors_layer_returns_its_predictions(targets: Any) -> None:
    network = fitted(neural_network.MLPRegressor(**OPTIONS), targets)
    model, params = from_sklearn(network)
    assert_close(model.apply(params, X).squeeze(), network.predict(X), eps=256, at_least=8)


SCALERS: tuple[Any, ...] = (
    preprocessing.StandardScaler(),
    preprocessing.StandardScaler(with_std=False),
    preprocessing.StandardScaler(with_mean=False),
    preprocessing.StandardScaler(with_mean=False, with_std=False),
    preprocessing.MinMaxScaler((-1, 2)),
    preprocessing.RobustScaler(),
    preprocessing.RobustScaler(with_scaling=False),
    preprocessing.RobustScaler(with_centering=False),
    preprocessing.MaxAbsScaler(),
)


@each("scaler", SCALERS)
@each("dtype", [np.float32, np.float64])
def test_a_pipeline_that_scales_becomes_one_model(scaler: Any, dtype: Any) -> None:
    rows = X.astype(dtype)
    whole = pipeline.Pipeline([("none", "passthrough"), ("scale", scaler.fit(rows)), ("net", network_in(dtype))])
    model, params = from_sklearn(whole)
    assert_close(model.apply(params, rows), whole.predict_proba(rows), eps=256, at_least=1)
    assert fn.build(model.name).name == model.name


def test_our_own_estimators_become_their_model() -> None:
    ours = fitted(MLPClassifier((4,), preset="sklearn", max_iter=2, random_state=0))
    whole = pipeline.make_pipeline(preprocessing.StandardScaler().fit(X), ours)
    model, params = from_sklearn(whole)
    assert model.name.startswith("chain(standardize(")
    assert_close(model.apply(params, X), whole.predict_proba(X), eps=256, at_least=1)


REFUSED: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (neural_network.BernoulliRBM(), ("BernoulliRBM", "MLPClassifier")),
    (neural_network.MLPClassifier(), ("MLPClassifier", "fit")),
    (pipeline.make_pipeline(preprocessing.StandardScaler()), ("StandardScaler",)),
    (pipeline.Pipeline([("a", "passthrough")]), ("passthrough",)),
)


@each("estimator, places", REFUSED)
def test_other_estimators_are_refused_by_name(estimator: Any, places: tuple[str, ...]) -> None:
    refusal(partial(from_sklearn, estimator), fn.StructureError, "from_sklearn", *places)


def test_steps_that_do_more_than_scale_are_refused_by_their_name_in_the_pipeline() -> None:
    network = network_in(np.float64)
    for step, got in (
        (preprocessing.PolynomialFeatures(), "PolynomialFeatures"),
        (preprocessing.MinMaxScaler(clip=True), "clip=True"),
        (preprocessing.StandardScaler(), "fit"),
    ):
        made = pipeline.Pipeline([("mine", step), ("net", network)])
        refusal(partial(from_sklearn, made), fn.StructureError, "step 'mine'", got)


def test_an_output_without_a_layer_is_refused() -> None:
    network = fitted(neural_network.MLPRegressor(**OPTIONS), X[:, 0])
    network.out_activation_ = "exp"  # that of loss="poisson", from scikit-learn 1.7 on
    refusal(partial(from_sklearn, network), fn.StructureError, "MLPRegressor", "'exp'")
