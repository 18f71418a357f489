"""What Keras's layers become, with their options and arrays."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array, Shape, read_only
from fnmlp.expressions import build, expression
from fnmlp.interop.batch_norm import as_rescale
from fnmlp.layer import Layer
from fnmlp.layers import (
    Embedding,
    LayerNorm,
    Linear,
    Prelu,
    RmsNorm,
    dropout,
    embedding,
    flatten,
    gaussian_noise,
    layer_norm,
    linear,
    prelu,
    rescale,
    rms_norm,
    scale,
)
from fnmlp.tree import Tree

ACTIVATIONS = {
    "linear": "identity()",
    "leaky_relu": "leaky_relu(slope=0.2)",
    "hard_sigmoid": "hardsigmoid()",
    "hard_silu": "hardswish()",
    "hard_swish": "hardswish()",
    "hard_tanh": "hardtanh()",
    "swish": "silu()",
    **{
        name: f"{name}()"
        for name in (
            *("celu", "elu", "exponential", "gelu", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu"),
            *("softmax", "softplus", "softsign", "tanh"),
        )
    },
}
"""Keras's names of activations, and our layers."""

Stage: TypeAlias = tuple[Layer[Any], Tree]


@frozen(eq=False)
class Place:
    """A layer of Keras's where it stands: its options, the shape of an example before it, and its arrays.

    `read`  (number of an array, its shape) -> the array.
    """

    config: Mapping[str, Any]
    example: Shape
    read: Callable[[int, Shape], Array]

    @property
    def width(self) -> int:
        """The number of features."""
        (width,) = self.example
        return width

    def only(self, **expected: object) -> None:
        """Raise unless options have the only values that our layer has; those that are not there have them."""
        for name, value in expected.items():
            if self.config.get(name, value) != value:
                raise ValueError(f"{name}={self.config[name]!r}")

    def last_axis(self) -> None:
        """Raise unless the layer works along the features."""
        axis = self.config.get("axis", -1)
        if axis not in (-1, 1, [-1], [1]):
            raise ValueError(f"axis={axis!r}")


def _dense(place: Place) -> Iterator[Stage]:
    place.only(quantization_config=None, lora_rank=None)
    out, bias = int(place.config["units"]), bool(place.config["use_bias"])
    weight = place.read(0, (place.width, out))
    yield linear(out, bias=bias), Linear(weight, place.read(1, (out,)) if bias else ())
    if place.config["activation"] != "linear":
        yield from _activation(place)


def _activation(place: Place) -> Iterator[Stage]:
    name = place.config["activation"]
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise ValueError(f"activation={name!r}")
    yield build(ACTIVATIONS[name]), ()


def _relu(place: Place) -> Iterator[Stage]:
    place.only(threshold=0.0)
    most, slope = place.config.get("max_value"), place.config.get("negative_slope", 0.0)
    if (most not in (None, 6.0)) or (most and slope):
        raise ValueError(f"max_value={most!r}")
    yield build("relu6()" if most else expression("leaky_relu", (), {"slope": float(slope)}) if slope else "relu()"), ()


def _leaky_relu(place: Place) -> Iterator[Stage]:
    yield build(expression("leaky_relu", (), {"slope": float(place.config["negative_slope"])})), ()


def _elu(place: Place) -> Iterator[Stage]:
    yield build(expression("elu", (), {"alpha": float(place.config["alpha"])})), ()


def _prelu(place: Place) -> Iterator[Stage]:
    place.only(shared_axes=None)
    yield prelu(per_feature=True), Prelu(place.read(0, (place.width,)))


def _softmax(place: Place) -> Iterator[Stage]:
    place.last_axis()
    yield build("softmax()"), ()


def _dropout(place: Place) -> Iterator[Stage]:
    place.only(noise_shape=None)
    yield dropout(float(place.config["rate"])), ()


def _gaussian_noise(place: Place) -> Iterator[Stage]:
    yield gaussian_noise(float(place.config["stddev"])), ()


def _flatten(place: Place) -> Iterator[Stage]:
    place.only(data_format="channels_last")
    yield flatten(), ()


def _rescaling(place: Place) -> Iterator[Stage]:
    yield scale(float(place.config["scale"]), offset=float(place.config["offset"])), ()


def _embedding(place: Place) -> Iterator[Stage]:
    place.only(mask_zero=False, quantization_config=None, lora_rank=None)
    count, width = int(place.config["input_dim"]), int(place.config["output_dim"])
    yield embedding(count, width), Embedding(place.read(0, (count, width)))


def _learned(place: Place) -> tuple[Array, Array, int]:
    """Return the gain and the offset of a norm, and the number of arrays that it has learned."""
    gained, moved = bool(place.config.get("scale", True)), bool(place.config.get("center", True))
    ones = np.ones(place.width, np.float32)
    gain = place.read(0, ones.shape) if gained else read_only(ones)
    offset = place.read(int(gained), ones.shape) if moved else read_only(0 * ones)
    return gain, offset, gained + moved


def _layer_norm(place: Place) -> Iterator[Stage]:
    place.last_axis()
    place.only(rms_scaling=False)
    gain, offset, _ = _learned(place)
    yield layer_norm(epsilon=float(place.config["epsilon"])), LayerNorm(gain, offset)


def _rms_norm(place: Place) -> Iterator[Stage]:
    place.last_axis()
    yield rms_norm(epsilon=float(place.config["epsilon"])), RmsNorm(place.read(0, (place.width,)))


def _batch_norm(place: Place) -> Iterator[Stage]:
    place.last_axis()
    gain, offset, learned = _learned(place)
    mean, variance = (place.read(learned + number, gain.shape) for number in (0, 1))
    epsilon = float(place.config["epsilon"])
    found = as_rescale(mean=mean, variance=variance, epsilon=epsilon, gain=gain, offset=offset)
    if found is None:
        raise ValueError("a gain of 0, or no variance")
    yield rescale(), found


LAYERS: Mapping[str, Callable[[Place], Iterator[Stage]]] = {
    "Activation": _activation,
    "BatchNormalization": _batch_norm,
    "Dense": _dense,
    "Dropout": _dropout,
    "ELU": _elu,
    "Embedding": _embedding,
    "Flatten": _flatten,
    "GaussianNoise": _gaussian_noise,
    "LayerNormalization": _layer_norm,
    "LeakyReLU": _leaky_relu,
    "PReLU": _prelu,
    "RMSNormalization": _rms_norm,
    "ReLU": _relu,
    "Rescaling": _rescaling,
    "Softmax": _softmax,
}
"""What each layer of Keras's becomes, by the name of its class."""
