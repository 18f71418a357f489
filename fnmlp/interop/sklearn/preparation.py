"""Preparation: the columns of the training rows as features of a network."""

from typing import Any

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array
from fnmlp.interop.sklearn.inputs import Rows
from fnmlp.interop.sklearn.presets import Settings
from fnmlp.layer import Layer
from fnmlp.layers import identity
from fnmlp.tree import Tree


@frozen(eq=False)
class Preparation:
    """Hold a layer that prepares rows, and its parameters."""

    layer: Layer[Any]
    params: Tree


def preparation_of(settings: Settings, rows: Rows) -> Preparation:
    """Fit the preparation of rows to those of training."""
    return Preparation(identity(), ())


def prepared(preparation: Preparation, rows: Rows, dtype: str) -> Array:
    """Return rows as the network takes them."""
    return np.asarray(preparation.layer.apply(preparation.params, rows), dtype)


def precision_of(settings: Settings, rows: Rows, engine: str) -> str:
    """Return the dtype of the parameters: as the settings say, or that of the rows if the engine has it."""
    if settings.precision != "auto":
        return settings.precision
    wide = not isinstance(rows, np.ndarray) or rows.dtype == np.float64
    if not wide or engine == "numpy":
        return "float64" if wide else "float32"
    import jax

    return "float64" if jax.config.jax_enable_x64 else "float32"
