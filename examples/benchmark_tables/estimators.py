"""The estimators that are compared, each at its defaults; those of fnmlp suit tables."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from attrs import frozen


@frozen
class Estimator:
    """Hold what makes an estimator from a seed, and the package that it comes from."""

    package: str
    make: Callable[[int], Any]


def _fnmlp(kind: str) -> Callable[[int], Any]:
    return lambda seed: getattr(import_module("fnmlp.interop.sklearn"), f"MLP{kind}")(random_state=seed)


def _scaled_mlp(kind: str) -> Callable[[int], Any]:
    def make(seed: int) -> Any:
        mlp = getattr(import_module("sklearn.neural_network"), f"MLP{kind}")(random_state=seed)
        scaler = import_module("sklearn.preprocessing").StandardScaler()
        return import_module("sklearn.pipeline").make_pipeline(scaler, mlp)

    return make


def _ensemble(name: str) -> Callable[[int], Any]:
    return lambda seed: getattr(import_module("sklearn.ensemble"), name)(random_state=seed)


def _xgboost(kind: str) -> Callable[[int], Any]:
    return lambda seed: getattr(import_module("xgboost"), f"XGB{kind}")(random_state=seed)


def estimators(kind: str) -> Mapping[str, Estimator]:
    """Return the estimators of a kind, "Classifier" or "Regressor", by the names that are printed."""
    return {
        "fnmlp": Estimator("fnmlp", _fnmlp(kind)),
        "scikit-learn MLP": Estimator("scikit-learn", _scaled_mlp(kind)),
        "histogram boosting": Estimator("scikit-learn", _ensemble(f"HistGradientBoosting{kind}")),
        "random forest": Estimator("scikit-learn", _ensemble(f"RandomForest{kind}")),
        "XGBoost": Estimator("xgboost", _xgboost(kind)),
    }
