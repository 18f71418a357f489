"""Metrics: (y, targets) -> a score, at once or as a fold over batches.

`accuracy` and `confusion_matrix` are functions. The others construct a `Metric`, which you can call like a function, or
fold over batches with `fold_metric`.
"""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
