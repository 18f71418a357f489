"""Presets: named sets of hyperparameters, which an estimator uses wherever you give none.

A preset is plain data. Each field of `Settings` is also an option of the estimators, under the same name.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any

from attrs import evolve, frozen

__all__ = ["PRESETS", "Preset", "Settings"]


@frozen(kw_only=True)
class Settings:
    """Hold a value for each hyperparameter of an estimator; the defaults are scikit-learn's own.

    What scikit-learn names, means what it means there:
    `hidden_layer_sizes`, `activation`, `solver`, `alpha`, `batch_size`, `learning_rate`, `learning_rate_init`,
    `power_t`, `max_iter`, `shuffle`, `tol`, `momentum`, `nesterovs_momentum`, `early_stopping`, `validation_fraction`,
    `beta_1`, `beta_2`, `epsilon`, `n_iter_no_change`, `max_fun`.
    `activation` may also be the name of any activation of fnmlp, and `learning_rate` that of a schedule over the whole
    fit: "linear", "cosine", "one_cycle" or "cosine_cycles".

    Preparation of the columns, fitted on the training rows:
    `scaling`           "none", "standard" (mean and deviation) or "robust" (median and quartiles).
    `clip`              the limit of a smooth clip of the scaled numbers; 0 for none.
    `missing`           "refuse" NaN, or "median" to put the column's median in its place.
    `categories`        a column of whole numbers from 0 to below this counts as categories, which become one-hot
                        columns; 0 for none. Columns of text always count.
    `category_numbers`  whether such columns of numbers also stay numbers, because their order may tell something.
    `target_scaling`    whether to train a regressor on standardized targets.

    The network:
    `feature_scale`     whether a learnable factor for each feature comes first.
    `periodic`          the width of a periodic embedding of each feature; 0 for none.
    `frequencies`       the number of frequencies of that embedding.
    `deviation`         the standard deviation of these frequencies at the start.
    `parametric`        whether each unit learns how much of its activation to apply.
    `parametrization`   "standard", or "ntk" for weights of deviation 1 that are divided by the root of their number.
    `norm`              "none", "layer" or "rms", before each activation.
    `dropout`           the probability to drop a hidden unit.
    `members`           the number of networks that are trained at once, and whose predictions are averaged.
    `shared`            whether these members share most of their weights (TabM).

    Training:
    `cross_validation`  with several members and early stopping, each member holds out its own part of the rows. The fit
                        keeps the epoch in which these are predicted best, and no row is lost to all members.
    `label_smoothing`   the share of each target that is spread over all classes.
    `weight_decay`      decoupled decay of the weights, for each unit of the rate; `alpha` is a penalty instead.
    `rate_factors`      pairs of the end of a parameter's path, such as ".bias", and what multiplies its rate.
    `cycles`            the number of periods of "cosine_cycles".
    `average`           the decay of a running mean of the parameters, which predicts in their place; 0 for none.
    `precision`         "float32", "float64", or "auto" for that of the data.
    `small`             with fewer rows than this, early stopping and dropout are off, and the precision is "auto":
                        then a row of weight 2 trains exactly like two rows.
    `large`             with at least this many rows, batches have twice as many rows, and the rate is √2 times as high;
                        0 for never.
    """

    hidden_layer_sizes: tuple[int, ...] = (100,)
    activation: str = "relu"
    solver: str = "adam"
    alpha: float = 1e-4
    batch_size: int | str = "auto"
    learning_rate: str = "constant"
    learning_rate_init: float = 1e-3
    power_t: float = 0.5
    max_iter: int = 200
    shuffle: bool = True
    tol: float = 1e-4
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_iter_no_change: float = 10
    max_fun: int = 15_000

    scaling: str = "none"
    clip: float = 0.0
    missing: str = "refuse"
    categories: int = 0
    category_numbers: bool = False
    target_scaling: bool = False

    feature_scale: bool = False
    periodic: int = 0
    frequencies: int = 16
    deviation: float = 0.1
    parametric: bool = False
    parametrization: str = "standard"
    norm: str = "none"
    dropout: float = 0.0
    members: int = 1
    shared: bool = True

    cross_validation: bool = False
    label_smoothing: float = 0.0
    weight_decay: float = 0.0
    rate_factors: tuple[tuple[str, float], ...] = ()
    cycles: int = 4
    average: float = 0.0
    precision: str = "auto"
    small: int = 0
    large: int = 0


@frozen
class Preset:
    """Hold the settings of a preset for both kinds of tasks."""

    classification: Settings
    regression: Settings


TABULAR = Settings(
    hidden_layer_sizes=(64, 64),
    alpha=0.0,
    batch_size=64,
    learning_rate_init=0.004,
    beta_2=0.99,
    max_iter=60,
    early_stopping=True,
    n_iter_no_change=15,
    scaling="robust",
    clip=3.0,
    missing="median",
    categories=11,
    category_numbers=True,
    members=8,
    shared=False,
    cross_validation=True,
    label_smoothing=0.05,
    precision="float32",
    small=100,
    large=1500,
)

PRESETS: Mapping[str, Preset] = {
    "sklearn": Preset(Settings(), Settings()),
    "tabular": Preset(TABULAR, evolve(TABULAR, target_scaling=True)),
}
"""The presets by name."""

OF_SKLEARN = (
    *("hidden_layer_sizes", "activation", "solver", "alpha", "batch_size", "learning_rate", "learning_rate_init"),
    *("power_t", "max_iter", "shuffle", "tol", "momentum", "nesterovs_momentum", "early_stopping"),
    *("validation_fraction", "beta_1", "beta_2", "epsilon", "n_iter_no_change", "max_fun"),
)
"""The settings that scikit-learn has too."""


def default_preset(given: Mapping[str, Any]) -> str:
    """Return the name of the preset for options that name none, from those that are not None.

    A program that was written for scikit-learn, and gives hyperparameters of its, is to do as it did.

    >>> default_preset({}), default_preset({"dropout": 0.1}), default_preset({"alpha": 0.1})
    ('tabular', 'tabular', 'sklearn')
    """
    return "sklearn" if "model" in given or not given.keys().isdisjoint(OF_SKLEARN) else "tabular"


def for_rows(settings: Settings, rows: int) -> Settings:
    """Return the settings for so many rows.

    >>> for_rows(Settings(dropout=0.5, small=100), 99).dropout
    0.0
    """
    if rows < settings.small:
        return evolve(settings, early_stopping=False, dropout=0.0, precision="auto")
    if not settings.large or rows < settings.large:
        return settings
    size = 200 if settings.batch_size == "auto" else int(settings.batch_size)
    return evolve(settings, batch_size=2 * size, learning_rate_init=sqrt(2) * settings.learning_rate_init)


def overridden(settings: Settings, given: Mapping[str, Any]) -> Settings:
    """Return settings with the given values in place of their own, but for those that are None.

    >>> overridden(Settings(), {"alpha": 0.5, "tol": None}).alpha
    0.5
    """
    return evolve(settings, **{name: value for name, value in given.items() if value is not None})
