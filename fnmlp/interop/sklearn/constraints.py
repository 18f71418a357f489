"""What each option of the estimators may be, in the way that scikit-learn checks options."""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import HasMethods, Interval, Options, StrOptions

from fnmlp.interop.sklearn.losses import NUMBERS
from fnmlp.interop.sklearn.networks import ACTIVATIONS, NORMS
from fnmlp.interop.sklearn.presets import PRESETS, Preset, Settings
from fnmlp.interop.sklearn.solvers import SCHEDULES
from fnmlp.layer import Layer
from fnmlp.optimizers import Optimizer


def _count(least: int = 1) -> Interval:
    return Interval(Integral, least, None, closed="left")


def _number(least: float | None, most: float | None = None, *, closed: str = "left") -> Interval:
    return Interval(Real, least, most, closed=closed)


OF_SETTINGS: Mapping[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", _count()],
    "activation": [StrOptions(set(ACTIVATIONS)), Layer],
    "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
    "alpha": [_number(0)],
    "batch_size": [StrOptions({"auto"}), _count()],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive", *SCHEDULES})],
    "learning_rate_init": [_number(0, closed="neither")],
    "power_t": [_number(0)],
    "max_iter": [_count()],
    "shuffle": ["boolean"],
    "tol": [_number(0)],
    "momentum": [_number(0, 1)],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [_number(0, 1)],
    "beta_1": [_number(0, 1)],
    "beta_2": [_number(0, 1)],
    "epsilon": [_number(0, closed="neither")],
    "n_iter_no_change": [_count(), Options(Real, {np.inf})],
    "max_fun": [_count()],
    "scaling": [StrOptions({"none", "standard", "robust"})],
    "clip": [_number(0)],
    "missing": [StrOptions({"refuse", "median"})],
    "categories": [_count(0)],
    "category_numbers": ["boolean"],
    "target_scaling": ["boolean"],
    "feature_scale": ["boolean"],
    "periodic": [_count(0)],
    "frequencies": [_count()],
    "deviation": [_number(0, closed="neither")],
    "parametric": ["boolean"],
    "parametrization": [StrOptions({"standard", "ntk"})],
    "norm": [StrOptions({"none", *NORMS})],
    "dropout": [_number(0, 1)],
    "members": [_count()],
    "shared": ["boolean"],
    "cross_validation": ["boolean"],
    "label_smoothing": [_number(0, 1)],
    "weight_decay": [_number(0)],
    "rate_factors": [tuple],
    "cycles": [_count()],
    "average": [_number(0, 1)],
    "precision": [StrOptions({"auto", "float32", "float64"})],
    "small": [_count(0)],
    "large": [_count(0)],
}
"""The constraints of the options that a preset has a value for; None means that value."""

CONSTRAINTS: Mapping[str, list[Any]] = {
    **{name: [*allowed, None] for name, allowed in OF_SETTINGS.items()},
    "preset": [StrOptions(set(PRESETS)), Preset, Settings, None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "scoring": [str, callable, None],
    "model": [Layer, None],
    "optimizer": [Optimizer, None],
    "engine": [StrOptions({"numpy", "jax"})],
    "checkpoint": [str, HasMethods("__fspath__"), None],
    "checkpoint_epochs": [_count()],
    "callbacks": ["array-like", None],
}
"""The constraints of the options of both estimators."""


def _without(name: str) -> dict[str, Any]:
    return {other: allowed for other, allowed in CONSTRAINTS.items() if other != name}


OF_CLASSIFIER: dict[str, Any] = {
    **_without("target_scaling"),
    "loss": [StrOptions({"log_loss"}), callable, None],
    "class_weight": [dict, StrOptions({"balanced"}), None],
}

OF_REGRESSOR: dict[str, Any] = {
    **_without("label_smoothing"),
    "loss": [StrOptions({*NUMBERS, "poisson"}), callable, None],
}
