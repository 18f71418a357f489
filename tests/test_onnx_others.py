"""Models that torch, scikit-learn's converter and Keras write as ONNX are read, or refused by the name of a node."""

from collections.abc import Iterator
import contextlib
import io
import logging
from pathlib import Path
from typing import Any
import warnings

import numpy as np
import pytest

import fnmlp as fn

pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from fnmlp.interop.onnx import import_onnx
from tests.onnx_graphs import agree, rows


@pytest.fixture
def quiet() -> Iterator[None]:
    """Keep exporters from writing to the terminal, and from warning of their own parts."""
    logging.disable(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            yield
    finally:
        logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("quiet")
def test_torch_by_both_of_its_exporters(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    nn = torch.nn

    class Residual(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, inner: Any) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Any) -> Any:
            return x + self.inner(x)

    class View(nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return x.view(x.size(0), -1)

    cases = [
        (
            nn.Sequential(View(), nn.Linear(12, 8), nn.GELU(), nn.Dropout(0.3), nn.Linear(8, 5), nn.LogSoftmax(1)),
            (3, 4),
            "chain(flatten(), linear(8), gelu(), linear(5), log_softmax())",
        ),
        (
            nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 8), nn.BatchNorm1d(8), nn.SiLU(), Residual(nn.Linear(8, 8))),
            (6,),
            "chain(layer_norm(), linear(8), silu(), residual(linear(8)))",
        ),
        (
            nn.Sequential(nn.Linear(6, 8), nn.Softplus(), nn.Softsign(), nn.CELU(0.5), nn.PReLU(), nn.Hardswish()),
            (6,),
            "chain(linear(8), softplus(), softsign(), celu(alpha=0.5), prelu(), hardswish())",
        ),
        (nn.Sequential(nn.Conv1d(3, 2, 2), nn.Flatten()), (3, 4), ""),
    ]
    for module, example, name in cases:
        module.eval()
        x = torch.from_numpy(rows(example))
        for dynamo in (False, True) if module is cases[0][0] else (False,):  # the newer exporter takes seconds
            axes: dict[str, Any] = {"dynamic_axes": {"x": {0: "rows"}}, "input_names": ["x"]}
            if dynamo:
                axes = {"dynamic_shapes": ({0: torch.export.Dim("rows")},)}
            path = tmp_path / f"{dynamo}.onnx"  # beside which the newer exporter writes the parameters
            torch.onnx.export(module, (x,), path, dynamo=dynamo, **axes)
            if name:
                assert agree(tmp_path, path, rows(example)) == name
            else:
                with pytest.raises(fn.CheckpointError, match="'Conv'"):
                    import_onnx(path)


def test_networks_of_scikit_learn_by_skl2onnx(tmp_path: Path) -> None:
    skl2onnx = pytest.importorskip("skl2onnx", reason="skl2onnx is not installed")
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    x = rows((4,), count=40)
    classes, options = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0), {"hidden_layer_sizes": (6,), "max_iter": 3}
    last = {"output": "probabilities"}
    cases: list[tuple[Any, Any, dict[str, str], str]] = [
        (MLPRegressor(**options), x @ np.arange(4), {}, "chain(linear(6), relu(), linear(1))"),
        (
            make_pipeline(StandardScaler(), MLPRegressor(**options, activation="tanh")),
            x @ np.arange(4),
            {},
            "chain(rescale(), linear(6), tanh(), linear(1))",
        ),
        (
            make_pipeline(MinMaxScaler(), MLPClassifier(**options)),
            classes,
            last,
            "chain(rescale(), linear(6), relu(), linear(3), softmax())",
        ),
        (
            MLPClassifier(**options, activation="logistic"),
            classes > 0,
            last,
            "chain(linear(6), sigmoid(), linear(1), sigmoid(), concat(scale(-1.0, offset=1.0), identity()))",
        ),
    ]
    for model, y, output, name in cases:
        with warnings.catch_warnings(action="ignore"):
            model.fit(x, y)
            network = model[-1] if hasattr(model, "steps") else model
            converted = skl2onnx.to_onnx(model, x[:1], options={id(network): {"zipmap": False}} if output else None)
        assert agree(tmp_path, converted, x, **output) == name


@pytest.mark.usefixtures("quiet")
def test_keras_by_its_own_exporter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="keras is not installed")
    if keras.backend.backend() != "torch":
        pytest.skip("Keras uses another backend in this process")
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, activation="gelu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(8),
            keras.layers.BatchNormalization(),
            keras.layers.Activation("silu"),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model(rows((6,)))  # Keras exports only what was called
    model.export(str(tmp_path / "keras.onnx"), format="onnx", verbose=False)
    name = agree(tmp_path, (tmp_path / "keras.onnx").read_bytes(), rows((6,)))
    assert name == "chain(linear(8), gelu(), linear(8), silu(), linear(3), softmax())"
