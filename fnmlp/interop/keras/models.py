"""Keras's model files, read without Keras."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from io import BytesIO
from itertools import pairwise
import json
import os
import re
from typing import Any, BinaryIO
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np

from fnmlp.arrays import Array, Shape, read_only
from fnmlp.checks import as_path
from fnmlp.combinators import chain
from fnmlp.errors import CheckpointError, FnmlpError, MissingDependencyError, one_line, quoted
from fnmlp.files import opened
from fnmlp.interop.keras.layers import LAYERS, Place, Stage
from fnmlp.key import OutlineKey
from fnmlp.layer import Layer
from fnmlp.tree import Tree

try:
    h5py: Any = import_module("h5py")
except ImportError as error:
    raise MissingDependencyError.of("fnmlp.interop.keras", "h5py", error, "pip install 'fnmlp[keras]'") from error

__all__ = ["from_keras"]

CONFIG_LIMIT = 2**24
"""The most bytes of a model's description."""


def from_keras(path: str | os.PathLike[str]) -> tuple[Layer[Any], Tree]:
    """Read a `.keras` file, and return the layer that predicts as its model does, and its parameters.

    It needs h5py, and no Keras. The model is a Sequential, or a Functional whose layers stand in a row: Dense,
    activations, Dropout, GaussianNoise, LayerNormalization, RMSNormalization, BatchNormalization (as it predicts, it
    becomes `rescale`), Embedding, Flatten and Rescaling. Files of weights alone hold no model.
    Raises:   CheckpointError for another file, for a layer or an option that has no counterpart, by name, and for files
              that lie about sizes or shapes, or can't be read.
    Source:   https://keras.io/guides/serialization_and_saving

    >>> from_keras("weights.h5")
    Traceback (most recent call last):
    fnmlp.errors.CheckpointError: weights.h5: expected a .keras file, got another ending; save the whole model with m...
    """
    place = as_path(path)
    if not place.endswith(".keras"):
        remedy = "save the whole model with model.save('model.keras')"
        raise CheckpointError(place, "a .keras file", "another ending", remedy)
    with opened(place) as stream:
        try:
            config, weights = _members(stream)
            with h5py.File(BytesIO(weights), "r") as file:
                layers, params = zip(*_stages(json.loads(config), file, len(weights)), strict=True)
        except Exception as error:
            got = one_line(error) if isinstance(error, FnmlpError) else f"{type(error).__name__}: {error}"
            remedy = "save a Sequential of such layers with Keras 3, or export it with model.export and import_onnx"
            expected = "a file of Keras 3 with layers that fnmlp has"
            raise CheckpointError(place, expected, quoted(got), remedy) from error
    return chain(*layers), params


def _members(stream: BinaryIO) -> tuple[bytes, bytes]:
    """Return the description and the weights; stored as they are, so that they take no more memory than the file."""
    with ZipFile(stream) as archive:
        found = []
        for name in ("config.json", "model.weights.h5"):
            member = archive.getinfo(name)
            if member.compress_type != ZIP_STORED or (name == "config.json" and member.file_size > CONFIG_LIMIT):
                raise BadZipFile(f"{name} is compressed or too large")
            found.append(archive.read(member))
    return found[0], found[1]


def _stages(config: Any, file: Any, size: int) -> Iterator[Stage]:
    """Yield our layers, in order, with their parameters."""
    counts: Counter[str] = Counter()
    example: Shape | None = None
    for told in _in_a_row(config):
        kind, options = told["class_name"], told["config"]
        group = _snake_case(kind) + (f"_{counts[kind]}" if counts[kind] else "")
        counts[kind] += 1
        if example is None:
            shape = options.get("batch_shape") or told["build_config"]["input_shape"]
            example = tuple(int(length) for length in shape[1:])
        if kind == "InputLayer":
            continue
        if kind not in LAYERS:
            raise ValueError(f"layer {str(told.get('name', ''))!r} is {kind}")
        for layer, params in LAYERS[kind](Place(options, example, _reader(file, group, size))):
            example = layer.init(OutlineKey(0), example)[1]
            yield layer, params


def _in_a_row(config: Any) -> Sequence[Any]:
    """Return the layers of a model; each takes what the one before it makes."""
    layers: Sequence[Any] = config["config"]["layers"]
    if config["class_name"] == "Sequential":
        return layers
    if config["class_name"] not in ("Functional", "Model"):
        raise ValueError(f"the model is {config['class_name']}")
    for before, layer in pairwise(layers):
        (node,) = layer["inbound_nodes"]
        (tensor,) = node["args"]
        if tensor["config"]["keras_history"] != [before["name"], 0, 0]:
            raise ValueError(f"layer {str(layer['name'])!r} does not follow {str(before['name'])!r} alone")
    return layers


def _snake_case(name: str) -> str:
    """Return the name of a class as Keras writes it in a path.

    >>> _snake_case("LeakyReLU"), _snake_case("LayerNormalization")
    ('leaky_re_lu', 'layer_normalization')
    """
    parted = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", parted).lower()


def _reader(file: Any, group: str, size: int) -> Callable[[int, Shape], Array]:
    """Return the function that reads an array of a layer; it must be in the file, and of this shape."""

    def read(number: int, shape: Shape) -> Array:
        found, path = file, f"layers/{group}/vars/{number}"
        for name in path.split("/"):
            link = found.get(name, getlink=True)  # others may lead out of the file
            if type(link) is not h5py.HardLink:
                raise ValueError(f"{path} is not in the file")
            found = found[name]
        if found.shape != shape or found.dtype not in (np.float32, np.float64):
            raise ValueError(f"{path} has shape {found.shape} and dtype {found.dtype}, and not {shape} of float32")
        if found.nbytes > size or found.external or found.is_virtual:
            raise ValueError(f"{path} is not stored as it is")
        return read_only(np.asarray(found[()]))

    return read
