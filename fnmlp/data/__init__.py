"""Data: the IDX format, and loaders for MNIST and similar data sets."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
