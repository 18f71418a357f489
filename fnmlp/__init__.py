"""fnmlp: multilayer perceptrons as pure functions on NumPy.

A layer is three pure functions over an immutable parameter tree, an optimiser is a pure map, randomness is a
value, and training is a fold over batches.
"""

from fnmlp.lazy import offering

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = offering(__name__)
