"""Combinators: layers made of layers."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
