"""The library of ONNX, or the error that says how to get it."""

from importlib import import_module
from typing import Any

from fnmlp.errors import MissingDependencyError

try:
    onnx: Any = import_module("onnx")
    helper: Any = import_module("onnx.helper")
    numpy_helper: Any = import_module("onnx.numpy_helper")
except ImportError as error:
    raise MissingDependencyError.of("fnmlp.interop.onnx", "onnx", error, "pip install 'fnmlp[onnx]'") from error
