"""Models of Keras: from_keras reads their files, without Keras."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
