"""Layers: each a constructor and its three pure functions, in that order, in a module by kind."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
