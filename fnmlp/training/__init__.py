"""Training: a fold of pure steps, consumers of its states, and tools to inspect single steps."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
