"""Bridges to other libraries, one module for each; each needs its library, and says how to get it."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
