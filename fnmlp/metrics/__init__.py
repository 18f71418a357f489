"""Metrics: (y, targets) -> how good the outputs are, at once or as a fold over batches.

`accuracy` and `confusion_matrix` are functions. The others are constructors of a `Metric`, which is called like one,
and which `fold_metric` carries over batches.
"""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
