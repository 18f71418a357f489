"""ONNX: models as graphs of standard operators, written for other programs to run, and read from theirs."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
