"""Metrics: (y, targets) -> how good the outputs are, at once or as a fold over batches.

`accuracy` and `confusion_matrix` are functions. The others are constructors of a `Metric`, which is called like one,
and which `fold_metric` carries over batches.
"""

from fnmlp.metrics.classification import (
    accuracy,
    confusion_matrix,
    expected_calibration_error,
    f1,
    precision,
    recall,
    top_k_accuracy,
)
from fnmlp.metrics.fold import Metric, fold_metric, mean_over_rows
from fnmlp.metrics.regression import mean_absolute_error, r2

__all__ = [
    "Metric",
    "accuracy",
    "confusion_matrix",
    "expected_calibration_error",
    "f1",
    "fold_metric",
    "mean_absolute_error",
    "mean_over_rows",
    "precision",
    "r2",
    "recall",
    "top_k_accuracy",
]
