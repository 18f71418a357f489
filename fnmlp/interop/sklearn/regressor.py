"""`MLPRegressor`: a network that predicts numbers, with the interface of scikit-learn."""

from collections.abc import Callable, Sequence
import os
from typing import Any, ClassVar

import numpy as np

from fnmlp.arrays import Array
from fnmlp.errors import MissingDependencyError
from fnmlp.interop.sklearn.presets import Preset, Settings
from fnmlp.interop.sklearn.targets import (
    Targets,
    decoded,
    numbers_of,
)
from fnmlp.layer import Layer
from fnmlp.losses import Loss
from fnmlp.optimizers import Optimizer

try:
    from sklearn.base import RegressorMixin, _fit_context
    from sklearn.utils.metaestimators import available_if
    from sklearn.utils.validation import column_or_1d

    from fnmlp.interop.sklearn.base import Shell, has_epochs
    from fnmlp.interop.sklearn.constraints import OF_REGRESSOR
except ImportError as error:
    way = "pip install 'fnmlp[sklearn]'"
    raise MissingDependencyError.of("fnmlp.interop.sklearn", "scikit-learn", error, way) from error

__all__ = ["MLPRegressor"]


class MLPRegressor(RegressorMixin, Shell):  # type: ignore[misc]
    """Predict numbers by a multilayer perceptron.

    Options and attributes are those of `MLPClassifier`, but for:
    `loss`            "squared_error", "absolute_error", "huber", "poisson" for counts, which predicts their rates, or a
                      function (outputs, targets) -> (value, gradient).
    `target_scaling`  whether to train on standardized targets; predictions have the original units.
    `scoring`         None stands for R².

    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> linear = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", tol=0.1)  # without hidden layers, by L-BFGS
    >>> linear.fit(X, y).score(X, y) > 0.4
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = OF_REGRESSOR
    _task = "regression"

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] | None = None,
        activation: str | Layer[Any] | None = None,
        *,
        solver: str | None = None,
        alpha: float | None = None,
        batch_size: int | str | None = None,
        learning_rate: str | None = None,
        learning_rate_init: float | None = None,
        power_t: float | None = None,
        max_iter: int | None = None,
        shuffle: bool | None = None,
        random_state: Any = None,
        tol: float | None = None,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float | None = None,
        nesterovs_momentum: bool | None = None,
        early_stopping: bool | None = None,
        validation_fraction: float | None = None,
        beta_1: float | None = None,
        beta_2: float | None = None,
        epsilon: float | None = None,
        n_iter_no_change: float | None = None,
        max_fun: int | None = None,
        preset: str | Preset | Settings | None = None,
        model: Layer[Any] | None = None,
        loss: str | Loss | None = None,
        optimizer: Optimizer | None = None,
        scoring: str | Callable[..., float] | None = None,
        engine: str = "numpy",
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_epochs: int = 1,
        callbacks: Sequence[Callable[..., Any]] | None = None,
        scaling: str | None = None,
        clip: float | None = None,
        missing: str | None = None,
        categories: int | None = None,
        category_numbers: bool | None = None,
        target_scaling: bool | None = None,
        feature_scale: bool | None = None,
        periodic: int | None = None,
        frequencies: int | None = None,
        deviation: float | None = None,
        parametric: bool | None = None,
        parametrization: str | None = None,
        norm: str | None = None,
        dropout: float | None = None,
        members: int | None = None,
        shared: bool | None = None,
        cross_validation: bool | None = None,
        weight_decay: float | None = None,
        rate_factors: tuple[tuple[str, float], ...] | None = None,
        cycles: int | None = None,
        average: float | None = None,
        precision: str | None = None,
        small: int | None = None,
        large: int | None = None,
    ) -> None:
        self._hold(locals())

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MLPRegressor":
        """Train on rows and their numbers, from the start unless warm_start is set.

        Shapes:   X as for `MLPClassifier`; y (n,), or (n, outputs). sample_weight (n,).
        """
        return self._fit(X, y, sample_weight)

    @available_if(has_epochs)  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MLPRegressor":
        """Go through some rows once."""
        return self._fit(X, y, sample_weight, once=True)

    def predict(self, X: Any) -> Array:
        """Return the number of each row, or several.

        Shapes:   (n, features) -> (n,), or (n, outputs).
        """
        outputs = self._outputs(X)
        return decoded(self.targets_, outputs)

    def _cleaned(self, y: Any) -> Array:
        y = column_or_1d(y, warn=True) if np.ndim(y) == 1 or np.shape(y)[1] == 1 else np.asarray(y)
        return y.reshape(len(y), -1)

    def _targets(self, settings: Settings, y: Array, train: Array, own: Any, classes: Any) -> Targets:
        counts = self.loss == "poisson"
        return numbers_of(y[train], own, scaled=settings.target_scaling, counts=counts)

    def _check_known(self, y: Array, *, exactly: bool) -> None:
        if y.shape[1] != self.targets_.outputs:
            raise ValueError(f"`y` has {y.shape[1]} outputs, but there were {self.targets_.outputs} before")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
