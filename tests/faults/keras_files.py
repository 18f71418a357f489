"""Files of Keras for the fuzzer: what stands in the archive, and the archive around it."""

from io import BytesIO
import json
from zipfile import ZipFile

import h5py
import numpy as np

LAYERS = (
    ("Dense", {"units": 2, "use_bias": True, "activation": "relu"}, ((3, 2), (2,))),
    ("BatchNormalization", {"axis": -1, "epsilon": 0.001}, ((2,), (2,), (2,), (2,))),
    ("Dropout", {"rate": 0.5}, ()),
)
"""The class, the options and the shapes of each layer."""


def described() -> bytes:
    """Return the description of a model as Keras writes it."""
    first = {"class_name": "InputLayer", "name": "in", "config": {"batch_shape": [None, 3]}}
    layers = [{"class_name": kind, "name": kind, "config": options} for kind, options, _ in LAYERS]
    return json.dumps({"class_name": "Sequential", "config": {"layers": [first, *layers]}}).encode()


def weights() -> bytes:
    """Return the file of that model's weights."""
    stream = BytesIO()
    with h5py.File(stream, "w") as file:
        for kind, _, shapes in LAYERS:
            for number, shape in enumerate(shapes):
                name = {"Dense": "dense", "BatchNormalization": "batch_normalization"}[kind]
                file[f"layers/{name}/vars/{number}"] = np.ones(shape, np.float32)
    return stream.getvalue()


def archive(config: bytes, arrays: bytes) -> bytes:
    """Return the whole file."""
    stream = BytesIO()
    with ZipFile(stream, "w") as file:
        file.writestr("config.json", config)
        file.writestr("model.weights.h5", arrays)
    return stream.getvalue()
