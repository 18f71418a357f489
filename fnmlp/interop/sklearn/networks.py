"""Networks: the hidden layers of the settings, and an output layer."""

from collections.abc import Callable, Iterator
from functools import partial
from math import sqrt
from typing import Any

from fnmlp import layers
from fnmlp.arrays import Array, Shape
from fnmlp.combinators import chain
from fnmlp.initializers import Fans, uniform
from fnmlp.interop.sklearn.presets import Settings
from fnmlp.key import Key
from fnmlp.layer import Layer, walk
from fnmlp.layers import Linear, dropout, layer_norm, linear, ntk_linear, parametric, periodic, rescale, rms_norm
from fnmlp.tree import Tree

ACTIVATIONS: dict[str, Callable[[], Layer[Any]]] = {
    "logistic": layers.sigmoid,
    **{
        name: getattr(layers, name)
        for name in (
            "celu",
            "elu",
            "gelu",
            "hardsigmoid",
            "hardswish",
            "hardtanh",
            "identity",
            "leaky_relu",
            "mish",
            "prelu",
            "relu",
            "relu6",
            "selu",
            "sigmoid",
            "silu",
            "softplus",
            "softsign",
            "tanh",
        )
    },
}
"""Activations by name: scikit-learn's four, and fnmlp's own."""

NORMS: dict[str, Callable[[], Layer[Any]]] = {"layer": layer_norm, "rms": rms_norm}


def network_of(settings: Settings, outputs: int, *, bare: bool = False) -> Layer[Any]:
    """Return the network of some settings, with as many outputs; a `bare` one names no initializers.

    >>> network_of(Settings(hidden_layer_sizes=(8,), dropout=0.5, parametrization="ntk"), 1)
    chain(ntk_linear(8), relu(), dropout(0.5), ntk_linear(1))
    """
    affine = _affine(settings, bare=bare)
    return chain(*_first(settings), *_hidden(settings, affine), affine(outputs))


def _affine(settings: Settings, *, bare: bool) -> Callable[[int], Layer[Any]]:
    """Return the constructor of linear layers, by default with scikit-learn's initial weights."""
    if settings.parametrization == "ntk":
        return ntk_linear
    drawn = partial(_glorot, 2.0 if settings.activation == "logistic" else 6.0)
    return linear if bare else partial(linear, weight_init=drawn, bias_init=drawn)


def _first(settings: Settings) -> Iterator[Layer[Any]]:
    """Yield what comes before the first linear layer."""
    if settings.feature_scale:
        yield rescale()
    if settings.periodic:
        yield periodic(settings.periodic, frequencies=settings.frequencies, deviation=settings.deviation)


def _hidden(settings: Settings, affine: Callable[[int], Layer[Any]]) -> Iterator[Layer[Any]]:
    given = settings.activation
    activation = given if isinstance(given, Layer) else ACTIVATIONS[given]()
    for width in settings.hidden_layer_sizes:
        yield affine(width)
        if settings.norm != "none":
            yield NORMS[settings.norm]()
        yield parametric(activation) if settings.parametric else activation
        if settings.dropout:
            yield dropout(settings.dropout)


def _glorot(factor: float, key: Key, shape: Shape, fans: Fans) -> Array:
    """Draw uniformly from ±√(factor / (fan in + fan out)), weights and biases alike, as scikit-learn does."""
    return uniform(sqrt(factor / sum(fans)))(key, shape, fans)


def linear_records(model: Layer[Any], params: Tree) -> list[Linear]:
    """Return the parameters of each linear layer inside a model, in order.

    >>> model = network_of(Settings(hidden_layer_sizes=(8,)), 1)
    >>> [record.weight.shape for record in linear_records(model, model.init(Key(0), (4,))[0])]
    [(4, 8), (8, 1)]
    """
    return [own for _, _, own in walk(model, params) if isinstance(own, Linear)]
