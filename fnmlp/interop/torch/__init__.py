"""PyTorch: models in both directions, state dicts and their files without torch, and layers under torch's autograd."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
