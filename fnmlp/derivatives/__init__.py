"""Derivatives beyond the gradient of a batch: example by example, along a direction, of second order, of the input."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
