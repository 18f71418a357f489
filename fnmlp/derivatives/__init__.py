"""Derivatives beyond the gradient of a batch: per example, along a direction, second order, and saliency."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
