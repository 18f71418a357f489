"""What an estimator holds: its options, and after a fit its attributes, predictions and pure model."""

from typing import Any

import attrs
from attrs import evolve
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from fnmlp.arrays import Array
from fnmlp.checks import as_float_dtype
from fnmlp.combinators import chain
from fnmlp.errors import OptionError
from fnmlp.interop.sklearn.inputs import checked_rows
from fnmlp.interop.sklearn.networks import linear_records
from fnmlp.interop.sklearn.preparation import Preparation, prepared
from fnmlp.interop.sklearn.presets import PRESETS, Preset, Settings, default_preset, for_rows, overridden
from fnmlp.interop.sklearn.targets import Targets, head
from fnmlp.layer import Layer
from fnmlp.moving import in_dtype
from fnmlp.training import TrainState, predict
from fnmlp.tree import Tree


class Fitted(BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Holds the options of an estimator, and after `fit` what predicts."""

    preset: str | Preset | Settings | None
    small: int | None
    large: int | None
    early_stopping: bool | None
    random_state: Any
    verbose: Any
    warm_start: bool
    model: Any
    loss: Any
    optimizer: Any
    scoring: Any
    engine: str
    checkpoint: Any
    checkpoint_epochs: int
    callbacks: Any

    _task: str
    """The field of a preset: "classification" or "regression"."""

    settings_: Settings
    preparation_: Preparation
    targets_: Targets
    model_: Layer[Any]
    params_: Tree
    t_: int
    _dtype: str
    _members: int
    _epochs: int
    _costs: tuple[float, int, int]
    _train: TrainState

    def _hold(self, given: dict[str, Any]) -> None:
        """Store the options of the constructor, as they are."""
        self.__dict__.update({name: value for name, value in given.items() if name not in ("self", "__class__")})

    def _settings(self, rows: int | None = None) -> Settings:
        """Return the preset's settings for so many rows, with the options that were given in place of its own."""
        given = {name: value for name, value in self.get_params(deep=False).items() if value is not None}
        named = default_preset(given) if self.preset is None else self.preset
        preset = PRESETS[named] if isinstance(named, str) else named
        base = getattr(preset, self._task) if isinstance(preset, Preset) else preset
        base = base if rows is None else for_rows(overridden(base, {"small": self.small, "large": self.large}), rows)
        settings = overridden(base, {field.name: getattr(self, field.name, None) for field in attrs.fields(Settings)})
        sizes = tuple(np.atleast_1d(np.asarray(settings.hidden_layer_sizes, int)).tolist())
        if sizes and min(sizes) < 1:
            raise OptionError("hidden_layer_sizes", "sizes > 0", list(sizes), "leave out layers without units")
        return evolve(settings, hidden_layer_sizes=sizes)

    def _outputs(self, X: Any) -> Array:
        """Return the network's outputs for some rows."""
        check_is_fitted(self)
        rows = checked_rows(self, X, gaps=self.settings_.missing != "refuse")
        outputs = predict(self.model_, self.params_, prepared(self.preparation_, rows, self._dtype))
        return outputs.astype(self.preparation_.dtype, copy=False)

    def to_model(self, *, dtype: str | None = None) -> tuple[Layer[Any], Tree]:
        """Return a pure layer with its parameters, which predicts as this estimator does, and needs no scikit-learn.

        It takes rows of numbers, prepares them, and returns probabilities, or numbers in the units of the targets. Two
        classes have one probability, that of the second. For a frame with columns of text, the rows are those that
        `fnmlp.tables.encode` makes with `preparation_.schema`. Parameters and rows are of the `dtype` "float32" or
        "float64"; by default it is that of the rows in training. Save the model with `save_model`.
        """
        check_is_fitted(self)
        name = as_float_dtype("to_model(dtype)", self.preparation_.dtype if dtype is None else dtype)
        first = self.preparation_.layer, self.preparation_.params
        stages = [
            *([first] if first[0].name != "identity()" else []),
            (self.model_, self.params_),
            *((layer, ()) for layer in head(self.targets_, self._members)),
        ]
        layers, params = zip(*stages, strict=True)
        return chain(*layers), in_dtype(params, name)

    @property
    def coefs_(self) -> list[Any]:
        """Return the weights of the linear layers, (in, out) each; they are read-only."""
        return [record.weight for record in linear_records(self.model_, self.params_)]

    @property
    def intercepts_(self) -> list[Any]:
        """Return the biases of the linear layers, (out,) each; they are read-only."""
        return [record.bias for record in linear_records(self.model_, self.params_)]

    @property
    def n_layers_(self) -> int:
        """Return the number of layers of units, those of the inputs and the outputs included."""
        return len(self.coefs_) + 1

    @property
    def n_outputs_(self) -> int:
        """Return the number of outputs."""
        return self.targets_.outputs

    @property
    def out_activation_(self) -> str:
        """Return scikit-learn's name of the function that makes predictions of outputs."""
        return self.targets_.activation

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self._settings().missing != "refuse"
        return tags
