"""Networks: the hidden layers of the settings, and an output layer."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain as chain_up
from itertools import repeat
from math import sqrt
from typing import Any, TypeAlias

from fnmlp import layers
from fnmlp.arrays import Array, Shape
from fnmlp.combinators import chain
from fnmlp.errors import OptionError
from fnmlp.initializers import Fans, kaiming_normal, signs, uniform, zeros
from fnmlp.interop.sklearn.presets import Settings
from fnmlp.key import Key
from fnmlp.layer import Layer, walk
from fnmlp.layers import (
    Linear,
    batch_ensemble,
    dropout,
    ensemble_linear,
    layer_norm,
    linear,
    ntk_linear,
    parametric,
    periodic,
    rescale,
    rms_norm,
    tile,
)
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

Affine: TypeAlias = Callable[[int], Layer[Any]]
"""The constructor of a linear layer, by the number of outputs."""

NORMS: dict[str, Callable[[], Layer[Any]]] = {"layer": layer_norm, "rms": rms_norm}


def network_of(settings: Settings, outputs: int, *, bare: bool = False) -> Layer[Any]:
    """Return the network of some settings, with as many outputs; a `bare` one names no initializers.

    >>> network_of(Settings(hidden_layer_sizes=(8,), dropout=0.5, parametrization="ntk"), 1)
    chain(ntk_linear(8), relu(), dropout(0.5), ntk_linear(1))
    """
    affines = _of_members(settings, bare=bare) if settings.members > 1 else repeat(_affine(settings, bare=bare))
    hidden = _hidden(settings, affines)
    if settings.members == 1:
        return chain(*_first(settings), *hidden, next(affines)(outputs))
    last = ensemble_linear if bare or settings.shared else partial(ensemble_linear, weight_init=kaiming_normal(a=1.0))
    return chain(*_first(settings), tile(settings.members), *hidden, last(outputs))


def _affine(settings: Settings, *, bare: bool) -> Affine:
    """Return the constructor of linear layers, by default with scikit-learn's initial weights."""
    if settings.parametrization == "ntk":
        return ntk_linear
    drawn = partial(_glorot, 2.0 if settings.activation == "logistic" else 6.0)
    return linear if bare else partial(linear, weight_init=drawn, bias_init=drawn)


def _of_members(settings: Settings, *, bare: bool) -> Iterator[Affine]:
    """Return the constructors of the linear layers of an ensemble, in order."""
    for name, usual in (("parametrization", "standard"), ("norm", "none"), ("parametric", False)):
        if getattr(settings, name) != usual:
            got, remedy = repr(getattr(settings, name)), "leave it out, or set members=1"
            raise OptionError(name, f"{usual!r} with several members", got, remedy)
    if not settings.shared:
        first = partial(ensemble_linear, weight_init=kaiming_normal(a=1.0))
        others = partial(ensemble_linear, weight_init=kaiming_normal(), bias_init=zeros())
        return repeat(ensemble_linear) if bare else chain_up([first], repeat(others))
    return chain_up([partial(batch_ensemble, scale_init=signs())], repeat(batch_ensemble))


def _first(settings: Settings) -> Iterator[Layer[Any]]:
    """Yield what comes before the first linear layer."""
    if settings.feature_scale:
        yield rescale()
    if settings.periodic:
        yield periodic(settings.periodic, frequencies=settings.frequencies, deviation=settings.deviation)


def _hidden(settings: Settings, affines: Iterator[Affine]) -> Iterator[Layer[Any]]:
    given = settings.activation
    activation = given if isinstance(given, Layer) else ACTIVATIONS[given]()
    for width, affine in zip(settings.hidden_layer_sizes, affines, strict=False):
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
