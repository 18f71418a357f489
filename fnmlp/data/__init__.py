"""Data: the IDX format, and where MNIST and its kin come from."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
