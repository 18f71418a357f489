"""Training: a fold of pure steps, its consumers, and single steps looked at closely."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
