"""Files: the format, checkpoints of runs, models, and a record of the environment that wrote them."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
