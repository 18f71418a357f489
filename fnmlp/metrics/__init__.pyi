# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.metrics.classification import (
    accuracy as accuracy,
    confusion_matrix as confusion_matrix,
    expected_calibration_error as expected_calibration_error,
    f1 as f1,
    precision as precision,
    recall as recall,
    top_k_accuracy as top_k_accuracy,
)
from fnmlp.metrics.fold import (Metric as Metric, fold_metric as fold_metric, mean_over_rows as mean_over_rows)
from fnmlp.metrics.regression import (mean_absolute_error as mean_absolute_error, r2 as r2)

__all__: list[str]
