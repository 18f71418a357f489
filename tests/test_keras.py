"""Model files of Keras are read without it: each layer, each refusal, and files that lie."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import reduce
import json
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import numpy as np
import pytest

h5py = pytest.importorskip("h5py", reason="Keras keeps its weights in HDF5")

import fnmlp as fn  # noqa: E402
from fnmlp.errors import CheckpointError  # noqa: E402
from fnmlp.interop.keras import from_keras  # noqa: E402
from fnmlp.interop.keras.layers import LAYERS  # noqa: E402
from fnmlp.interop.keras.models import _snake_case  # noqa: E402

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(5, 3)).astype(np.float32)
GAIN, OFFSET, MEAN = (RANDOM.normal(size=3).astype(np.float32) for _ in range(3))
VARIANCE = RANDOM.uniform(0.5, 2, 3).astype(np.float32)
KERNEL = RANDOM.normal(size=(3, 2)).astype(np.float32)
BIAS = RANDOM.normal(size=2).astype(np.float32)
TABLE = RANDOM.normal(size=(4, 2)).astype(np.float32)

Told = tuple[str, dict[str, Any], Sequence[Any]]
"""A layer of Keras's: its class, its options, its arrays."""

DENSE: dict[str, Any] = {"units": 2, "use_bias": True, "activation": "linear"}


def write_model(path: Path, layers: Sequence[Told], example: Sequence[int] = (3,), *, kind: str = "Sequential") -> Path:
    """Write a file as Keras does."""
    told: list[dict[str, Any]] = [
        {"class_name": "InputLayer", "name": "in", "config": {"batch_shape": [None, *example]}, "inbound_nodes": []}
    ]
    counts: Counter[str] = Counter()
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        for name, config, arrays in layers:
            place = f"layers/{_snake_case(name)}" + (f"_{counts[name]}" if counts[name] else "")
            counts[name] += 1
            for number, array in enumerate(arrays):
                file[f"{place}/vars/{number}"] = array
            history = {"config": {"keras_history": [told[-1]["name"], 0, 0]}}
            node = {"args": [history], "kwargs": {}}
            told.append({"class_name": name, "name": f"{name} {len(told)}", "config": config, "inbound_nodes": [node]})
    write_parts(path, {"class_name": kind, "config": {"layers": told}}, path.with_suffix(".h5").read_bytes())
    return path


def write_parts(path: Path, config: Any, weights: bytes, *, compression: int = ZIP_STORED) -> Path:
    with ZipFile(path, "w", compression) as archive:
        archive.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        archive.writestr("model.weights.h5", weights)
    return path


def normal(x: Any, epsilon: float) -> Any:
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + epsilon)


CASES: dict[str, tuple[Told, Any, Callable[[Any], Any]]] = {
    "dense": (("Dense", DENSE, [KERNEL, BIAS]), X, lambda x: x @ KERNEL + BIAS),
    "no bias": (("Dense", DENSE | {"use_bias": False}, [KERNEL]), X, lambda x: x @ KERNEL),
    "tanh": (("Dense", DENSE | {"activation": "tanh"}, [KERNEL, BIAS]), X, lambda x: np.tanh(x @ KERNEL + BIAS)),
    "leaky": (("Activation", {"activation": "leaky_relu"}, []), X, lambda x: np.where(x > 0, x, 0.2 * x)),
    "relu": (("ReLU", {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}, []), X, lambda x: np.maximum(x, 0)),
    "relu6": (("ReLU", {"max_value": 6.0}, []), 4 * X, lambda x: np.clip(x, 0, 6)),
    "sloped": (("ReLU", {"negative_slope": 0.5}, []), X, lambda x: np.where(x > 0, x, 0.5 * x)),
    "leaky layer": (("LeakyReLU", {"negative_slope": 0.3}, []), X, lambda x: np.where(x > 0, x, 0.3 * x)),
    "elu": (("ELU", {"alpha": 2.0}, []), X, lambda x: np.where(x > 0, x, 2 * np.expm1(x))),
    "prelu": (("PReLU", {"shared_axes": None}, [GAIN]), X, lambda x: np.where(x > 0, x, GAIN * x)),
    "softmax": (("Softmax", {"axis": -1}, []), X, lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
    "dropout": (("Dropout", {"rate": 0.5, "noise_shape": None}, []), X, lambda x: x),
    "noise": (("GaussianNoise", {"stddev": 0.5}, []), X, lambda x: x),
    "flatten": (("Flatten", {"data_format": "channels_last"}, []), X.reshape(5, 3, 1), lambda x: x.reshape(5, 3)),
    "rescaling": (("Rescaling", {"scale": 0.5, "offset": 1.0}, []), X, lambda x: x * 0.5 + 1),
    "embedding": (
        ("Embedding", {"input_dim": 4, "output_dim": 2, "mask_zero": False}, [TABLE]),
        np.array([[0, 3, 1]] * 5),
        lambda x: TABLE[x],
    ),
    "layer norm": (
        ("LayerNormalization", {"axis": -1, "epsilon": 1e-3}, [GAIN, OFFSET]),
        X,
        lambda x: normal(x, 1e-3) * GAIN + OFFSET,
    ),
    "offset alone": (
        ("LayerNormalization", {"axis": [1], "epsilon": 1e-3, "scale": False}, [OFFSET]),
        X,
        lambda x: normal(x, 1e-3) + OFFSET,
    ),
    "gain alone": (
        ("LayerNormalization", {"axis": 1, "epsilon": 1e-3, "center": False}, [GAIN]),
        X,
        lambda x: normal(x, 1e-3) * GAIN,
    ),
    "rms norm": (
        ("RMSNormalization", {"axis": -1, "epsilon": 1e-3}, [GAIN]),
        X,
        lambda x: x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-3) * GAIN,
    ),
    "batch norm": (
        ("BatchNormalization", {"axis": -1, "epsilon": 1e-3}, [GAIN, OFFSET, MEAN, VARIANCE]),
        X,
        lambda x: GAIN * (x - MEAN) / np.sqrt(VARIANCE + 1e-3) + OFFSET,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_layer_computes_what_keras_computes(name: str, tmp_path: Path) -> None:
    told, x, formula = CASES[name]
    layer, params = from_keras(write_model(tmp_path / "m.keras", [told], x.shape[1:]))
    # A few dozen roundings of numbers near 1.
    np.testing.assert_allclose(layer.apply(params, x), formula(x), rtol=0, atol=1e-5)


def test_every_layer_of_the_table_is_tried() -> None:
    assert {told[0] for told, *_ in CASES.values()} == {*LAYERS}


@pytest.mark.parametrize("kind", ["Sequential", "Functional"])
def test_a_model_is_its_layers_in_a_row(kind: str, tmp_path: Path) -> None:
    back: Told = ("Dense", DENSE | {"units": 3}, [KERNEL.T.copy(), GAIN])
    layers = [CASES["tanh"][0], back, CASES["batch norm"][0], CASES["dense"][0]]
    layer, params = from_keras(write_model(tmp_path / "m.keras", layers, kind=kind))
    assert repr(layer) == "chain(linear(2), tanh(), linear(3), rescale(), linear(2))"
    steps = [CASES["tanh"][2], lambda x: x @ KERNEL.T + GAIN, CASES["batch norm"][2], CASES["dense"][2]]
    np.testing.assert_allclose(layer.apply(params, X), reduce(lambda x, step: step(x), steps, X), rtol=0, atol=1e-4)


def test_without_a_layer_for_its_input_a_model_knows_its_shape(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.keras", [CASES["dense"][0]])
    dense = {"class_name": "Dense", "config": DENSE, "build_config": {"input_shape": [None, 3]}}
    config = {"class_name": "Sequential", "config": {"layers": [dense]}}
    write_parts(path, config, path.with_suffix(".h5").read_bytes())
    assert repr(from_keras(path)[0]) == "chain(linear(2))"


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ([("Conv2D", {}, [])], "layer 'Conv2D 1' is Conv2D"),
        ([("Dense", DENSE | {"activation": {"class_name": "mine"}}, [KERNEL, BIAS])], "activation="),
        ([("Dense", DENSE | {"lora_rank": 2}, [KERNEL, BIAS])], "lora_rank=2"),
        ([("Dense", DENSE, [KERNEL.T.copy(), BIAS])], r"layers/dense/vars/0 has shape \(2, 3\)"),
        ([("Dense", DENSE, [KERNEL.astype(np.float16), BIAS])], "dtype float16"),
        ([("Dense", DENSE, [KERNEL])], "layers/dense/vars/1 is not in the file"),
        ([("Dense", DENSE | {"units": 10**12}, [KERNEL, BIAS])], r"not \(3, 1000000000000\)"),
        ([("Dense", DENSE | {"units": 0}, [KERNEL, BIAS])], r"not \(3, 0\)"),
        ([("Dense", {}, [])], "KeyError: 'units'"),
        ([("ReLU", {"max_value": 3.0}, [])], r"max_value=3\.0"),
        ([("ReLU", {"threshold": 1.0}, [])], r"threshold=1\.0"),
        ([("Softmax", {"axis": 2}, [])], "axis=2"),
        ([("Dropout", {"rate": 2.0}, [])], "dropout"),
        ([("BatchNormalization", {"epsilon": 1e-3}, [0 * GAIN, OFFSET, MEAN, VARIANCE])], "a gain of 0"),
        ([], "ValueError"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_has_no_counterpart_is_refused_by_name(layers: list[Told], words: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=words) as caught:
        from_keras(write_model(tmp_path / "m.keras", layers))
    assert str(caught.value).count("\n") == 0


def test_other_kinds_of_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="the model is Mine"):
        from_keras(write_model(tmp_path / "m.keras", [CASES["dense"][0]], kind="Mine"))
    path = write_model(tmp_path / "m.keras", [CASES["dense"][0], CASES["softmax"][0]], kind="Functional")
    config = json.loads(ZipFile(path).read("config.json"))
    config["config"]["layers"][-1]["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = ["in", 0, 0]
    with pytest.raises(CheckpointError, match="'Softmax 2' does not follow 'Dense 1' alone"):
        from_keras(write_parts(path, config, path.with_suffix(".h5").read_bytes()))


def linked(path: Path) -> bytes:
    """Return weights whose kernel is a link to another file."""
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/1"] = BIAS
        file["layers/dense/vars/0"] = h5py.ExternalLink("/etc/passwd", "/")
    return path.read_bytes()


def unwritten(path: Path) -> bytes:
    """Return weights whose kernel takes a terabyte in memory, and nothing in the file."""
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/1"] = BIAS
        file.create_dataset("layers/dense/vars/0", (3, 10**11), "f4", chunks=(1, 1024))
    return path.read_bytes()


def test_files_that_lie_are_refused(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.keras", [CASES["dense"][0]])
    weights = path.with_suffix(".h5").read_bytes()
    config = json.loads(ZipFile(path).read("config.json"))
    large = json.loads(json.dumps(config).replace('"units": 2', '"units": 100000000000'))
    for told, stored, words in (
        (config, b"no HDF5", "OSError"),
        (config, weights[: len(weights) // 2], "OSError"),
        (config, linked(tmp_path / "linked.h5"), "is not in the file"),
        (large, unwritten(tmp_path / "unwritten.h5"), "is not stored as it is"),
        (json.dumps(config).replace("InputLayer", "I\x7fLayer"), weights, r"layer 'in' is I\\x7fLayer"),
        ("no JSON", weights, "JSONDecodeError"),
        ("[" * 100_000, weights, "RecursionError|JSONDecodeError"),
        ("[]", weights, "TypeError"),
    ):
        with pytest.raises(CheckpointError, match=words):
            from_keras(write_parts(path, told, stored))
    with pytest.raises(CheckpointError, match="is compressed"):
        from_keras(write_parts(path, config, weights, compression=ZIP_DEFLATED))
    path.write_bytes(b"no zip")
    with pytest.raises(CheckpointError, match="BadZipFile"):
        from_keras(path)
    with pytest.raises(CheckpointError, match=r"nothing.keras: expected a file, got none"):
        from_keras(tmp_path / "nothing.keras")


def test_a_model_that_keras_saved_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    keras = pytest.importorskip("keras", reason="makes the file; reading it needs no Keras")
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(5, activation="relu"),
            layers.LayerNormalization(),
            layers.Dropout(0.5),
            layers.Dense(4, activation="gelu"),
            layers.BatchNormalization(),
            layers.PReLU(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.save(tmp_path / "m.keras")
    x = RANDOM.normal(size=(7, 6)).astype(np.float32)
    layer, params = from_keras(tmp_path / "m.keras")
    np.testing.assert_allclose(fn.predict(layer, params, x), model.predict(x, verbose=0), rtol=0, atol=1e-5)
