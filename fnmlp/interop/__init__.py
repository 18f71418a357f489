"""Bridges to other libraries and programs, one room for each; what needs a library says how to get it."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
