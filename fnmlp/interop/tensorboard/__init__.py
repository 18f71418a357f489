"""TensorBoard: a run's numbers, histograms and pictures as event files. Writing them needs no other package."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
