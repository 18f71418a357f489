"""Specimens of every metric, each with the same in plain loops over rows."""

from functools import partial

from fnmlp.metrics import (
    accuracy,
    confusion_matrix,
    expected_calibration_error,
    f1,
    mean_absolute_error,
    mean_over_rows,
    precision,
    r2,
    recall,
    top_k_accuracy,
)
from fnmlp.testing.numeric import normal as normal_numbers
from tests.oracles import metrics as loops
from tests.specimens import MetricSpecimen, shares_like, some_ignored

METRICS = (
    MetricSpecimen("accuracy", accuracy, partial(loops.top, 1)),
    MetricSpecimen("confusion_matrix", confusion_matrix, loops.matrix),
    MetricSpecimen("top_k_accuracy(2)", top_k_accuracy(2), partial(loops.top, 2)),
    MetricSpecimen("precision()", precision(), partial(loops.of_classes, "precision", "macro")),
    MetricSpecimen(
        "precision(average=none)", precision(average="none"), partial(loops.of_classes, "precision", "none")
    ),
    MetricSpecimen("recall()", recall(), partial(loops.of_classes, "recall", "macro")),
    MetricSpecimen("recall(average=micro)", recall(average="micro"), partial(loops.of_classes, "recall", "micro")),
    MetricSpecimen("f1()", f1(), partial(loops.of_classes, "f1", "macro")),
    MetricSpecimen("f1(average=weighted)", f1(average="weighted"), partial(loops.of_classes, "f1", "weighted")),
    MetricSpecimen(
        "expected_calibration_error(bins=5)",
        expected_calibration_error(bins=5),
        partial(loops.calibration, 5),
        draw_outputs=shares_like,
    ),
    MetricSpecimen(
        "top_k_accuracy(2, ignore_label=255)",
        top_k_accuracy(2, ignore_label=255),
        partial(loops.without_ignored, partial(loops.top, 2)),
        some_ignored,
    ),
    MetricSpecimen(
        "precision(ignore_label=255)",
        precision(ignore_label=255),
        partial(loops.without_ignored, partial(loops.of_classes, "precision", "macro")),
        some_ignored,
    ),
    MetricSpecimen(
        "recall(average=weighted, ignore_label=255)",
        recall(average="weighted", ignore_label=255),
        partial(loops.without_ignored, partial(loops.of_classes, "recall", "weighted")),
        some_ignored,
    ),
    MetricSpecimen(
        "f1(average=none, ignore_label=255)",
        f1(average="none", ignore_label=255),
        partial(loops.without_ignored, partial(loops.of_classes, "f1", "none")),
        some_ignored,
    ),
    MetricSpecimen(
        "expected_calibration_error(bins=5, ignore_label=255)",
        expected_calibration_error(bins=5, ignore_label=255),
        partial(loops.without_ignored, partial(loops.calibration, 5)),
        some_ignored,
        draw_outputs=shares_like,
    ),
    MetricSpecimen("mean_over_rows(accuracy)", mean_over_rows(accuracy), partial(loops.top, 1)),
    MetricSpecimen("mean_absolute_error()", mean_absolute_error(), loops.absolute_error, draw=normal_numbers),
    MetricSpecimen("r2()", r2(), loops.determination, draw=normal_numbers),
)
