"""The library of ONNX, or the error that says how to get it."""

from typing import Any

from fnmlp.errors import MissingDependencyError

try:
    import onnx as installed
    import onnx.numpy_helper
except ImportError as error:
    raise MissingDependencyError.of("fnmlp.interop.onnx", "onnx", error, "pip install 'fnmlp[onnx]'") from error

onnx: Any = installed
helper: Any = installed.helper
numpy_helper: Any = installed.numpy_helper
