"""ONNX's own tests of the operators that are read; `python -m tests.onnx_nodes` prints their counts."""

import pytest

pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from tests.onnx_nodes import CLAIMED, run_nodes

WITHOUT = {"Cast", "Concat", "Gather", "Slice"}
"""Operators whose tests all ask for more than layers do: conversions of floats, constants, several axes at once."""


def test_onnx_own_tests_of_each_operator_pass_or_are_refused() -> None:
    for operator, counts in run_nodes().items():
        assert bool(counts["passed"] + counts["passed as rows"]) == (operator not in WITHOUT), operator
        assert sum(counts.values()) > 0, operator
    assert set(CLAIMED) > WITHOUT
