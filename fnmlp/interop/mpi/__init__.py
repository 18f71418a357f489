"""MPI: train and evaluate on several processes, with the same bits for any number of them."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
