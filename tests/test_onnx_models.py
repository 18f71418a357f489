"""Random models of the kit's strategies leave as ONNX and come back; `python -m tests.onnx_models` tries 500."""

import pytest

pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from tests.onnx_models import try_models


def test_random_models_come_back_bit_for_bit_and_compute_the_same_elsewhere() -> None:
    counts = try_models(15)
    assert counts.models >= 15
    assert {"onnxruntime", "reference", "graph alone"} < counts.farthest.keys()
