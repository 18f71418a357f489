"""Augmentation: pure functions (key, images) -> images, precomputed warps, and augmented batches."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
