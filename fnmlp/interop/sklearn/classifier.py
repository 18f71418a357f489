"""`MLPClassifier`: a network that tells classes apart, with the interface of scikit-learn."""

from collections.abc import Callable, Mapping, Sequence
import os
from typing import Any, ClassVar

import numpy as np

from fnmlp.arrays import Array
from fnmlp.errors import MissingDependencyError
from fnmlp.interop.sklearn.presets import Preset, Settings
from fnmlp.interop.sklearn.targets import (
    Targets,
    classes_of,
    decoded,
    log_probabilities,
    probabilities,
)
from fnmlp.layer import Layer
from fnmlp.losses import Loss
from fnmlp.optimizers import Optimizer

try:
    from sklearn.base import ClassifierMixin, _fit_context
    from sklearn.utils.metaestimators import available_if
    from sklearn.utils.multiclass import check_classification_targets, type_of_target
    from sklearn.utils.validation import column_or_1d

    from fnmlp.interop.sklearn.base import Shell, has_epochs
    from fnmlp.interop.sklearn.constraints import OF_CLASSIFIER
except ImportError as error:
    way = "pip install 'fnmlp[sklearn]'"
    raise MissingDependencyError.of("fnmlp.interop.sklearn", "scikit-learn", error, way) from error

__all__ = ["MLPClassifier"]


class MLPClassifier(ClassifierMixin, Shell):  # type: ignore[misc]
    """Classify rows by a multilayer perceptron.

    Options that are None take the value of the preset. Those of scikit-learn mean what they mean there. The others are
    the fields of `Settings`, and:
    `preset`             "tabular" for defaults that suit tables, "sklearn" for scikit-learn's own, or a `Preset` or
                         `Settings` of yours. None, the default, is "tabular" unless you give a `model` or one of
                         scikit-learn's hyperparameters: then it is "sklearn".
    `model`              any layer, in place of the network of the settings. It takes an example, and returns one output
                         for each class.
    `loss`               a function (outputs, labels) -> (value, gradient), such as those of fnmlp.losses. With one, two
                         classes have two outputs. For several labels a row, it gets zeros and ones.
    `optimizer`          any optimiser of fnmlp, in place of the solver.
    `class_weight`       how much each class counts: a dict, or "balanced".
    `scoring`            what the held-out rows are scored by: a scorer of scikit-learn's or its name, "loss", or None
                         for accuracy.
    `engine`             "numpy", or "jax" to compile each epoch.
    `checkpoint`         a file to save the fit to, every `checkpoint_epochs` epochs. A killed fit that is started again
                         with the same rows and options ends with the same bits.
    `callbacks`          functions that take the states of the fit, one for each epoch, and pass them on.

    Attributes are scikit-learn's: `classes_`, `coefs_`, `intercepts_`, `loss_curve_`, `validation_scores_`, `n_iter_`
    and so on. `model_` is the network, `params_` are its parameters; `to_model` adds the preparation of the rows.
    Raises:   InvalidParameterError for options out of range; ValueError, TypeError for rows and targets that can't be
              used; DivergenceError if the loss is no longer a finite number.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> MLPClassifier(max_iter=400, tol=1e-3, random_state=0).fit(X, y).score(X, y) > 0.9
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = OF_CLASSIFIER
    _task = "classification"

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
        class_weight: Mapping[Any, float] | str | None = None,
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
        label_smoothing: float | None = None,
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
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "MLPClassifier":
        """Train on rows and their classes, from the start unless warm_start is set.

        Shapes:   X (n, features): an array, a sparse matrix, or a frame of pandas or polars, whose columns of text are
                  categories. y (n,) of classes, or (n, labels) of zeros and ones. sample_weight (n,).
        """
        return self._fit(X, y, sample_weight)

    @available_if(has_epochs)  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> "MLPClassifier":
        """Go through some rows once; the first call needs all classes that there will be."""
        if classes is None and not hasattr(self, "classes_"):
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if classes is not None and hasattr(self, "classes_") and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"`classes={classes!r}` is not the same as on last call to partial_fit: {self.classes_!r}")
        return self._fit(X, y, sample_weight, once=True, classes=classes)

    def predict(self, X: Any) -> Array:
        """Return the most probable class of each row, or for several labels zeros and ones.

        Shapes:   (n, features) -> (n,), or (n, labels).
        """
        outputs = self._outputs(X)
        return decoded(self.targets_, outputs)

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, in the order of `classes_`.

        Shapes:   (n, features) -> (n, classes).
        """
        outputs = self._outputs(X)
        return probabilities(self.targets_, outputs)

    def predict_log_proba(self, X: Any) -> Array:
        """Return the logarithms of the probabilities, which are finite even where these round to 0.

        Shapes:   (n, features) -> (n, classes).
        """
        outputs = self._outputs(X)
        return log_probabilities(self.targets_, outputs)

    def _cleaned(self, y: Any) -> Array:
        check_classification_targets(y)
        if type_of_target(y) == "multiclass-multioutput":
            raise ValueError("Multioutput target data is not supported: give one class a row, or zeros and ones")
        return column_or_1d(y, warn=True) if np.ndim(y) == 1 or np.shape(y)[1] == 1 else np.asarray(y)

    def _targets(self, settings: Settings, y: Array, train: Array, own: Any, classes: Any) -> Targets:
        named = y if classes is None or y.ndim == 2 else np.asarray(classes)
        if not np.isin(y, named).all():
            raise ValueError(f"`y` has classes not in `classes`: {np.setdiff1d(y, named)}")
        targets = classes_of(named, single=not callable(self.loss))
        self.classes_ = targets.classes
        return targets

    def _check_known(self, y: Array, *, exactly: bool) -> None:
        if y.ndim == 2:
            if y.shape[1] != self.targets_.outputs:
                raise ValueError(f"`y` has {y.shape[1]} labels, but there were {self.targets_.outputs} before")
            return
        found = np.unique(y)
        if exactly and not np.array_equal(found, self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. Previously "
                f"got {self.classes_}, `y` has {found}"
            )
        if new := np.setdiff1d(found, self.classes_).tolist():
            raise ValueError(f"`y` has classes not in `self.classes_`: {new}; `self.classes_` has {self.classes_}")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
