"""Augmentation: pure functions (key, images) -> images, precomputed warps, and batches that pass through them."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
