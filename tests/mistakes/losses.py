"""Mistakes with losses and metrics."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.right_calls import DATA, LABELS, TARGETS, X, fn

LOSSES: dict[str, tuple[Callable[[], Any], ...]] = {
    "accuracy": (
        lambda: fn.accuracy(TARGETS, None),
        lambda: fn.accuracy(None, LABELS),
        lambda: fn.accuracy(LABELS, TARGETS),
        lambda: fn.accuracy(TARGETS, 1),
    ),
    "binary_cross_entropy": (
        lambda: fn.binary_cross_entropy(TARGETS, None),
        lambda: fn.binary_cross_entropy(TARGETS, LABELS),
    ),
    "confusion_matrix": (lambda: fn.confusion_matrix(None, LABELS),),
    "cross_entropy": (
        lambda: fn.cross_entropy(TARGETS, None),
        lambda: fn.cross_entropy(TARGETS, 1),
        lambda: fn.cross_entropy(LABELS, TARGETS),
        lambda: fn.cross_entropy(TARGETS, LABELS.astype(float)),
        lambda: fn.cross_entropy(TARGETS, LABELS, label_smoothing="a"),
        lambda: fn.cross_entropy(TARGETS, ["a", "b", "c", "d"]),
        lambda: fn.cross_entropy(y=None, target=LABELS),
    ),
    "expected_calibration_error": (lambda: fn.expected_calibration_error(bins="a"),),
    "fold_metric": (
        lambda: fn.fold_metric(fn.accuracy, [(TARGETS, LABELS)]),
        lambda: fn.fold_metric(fn.precision, [(TARGETS, LABELS)]),
        lambda: fn.fold_metric(None, [(TARGETS, LABELS)]),
        lambda: fn.fold_metric([(TARGETS, LABELS)], fn.precision()),
        lambda: fn.fold_metric(fn.r2(), [DATA]),
        lambda: fn.fold_metric(fn.r2(), DATA),
        lambda: fn.fold_metric(fn.r2(), None),
        lambda: fn.fold_metric(fn.r2(), (TARGETS, TARGETS)),
    ),
    "hinge": (
        lambda: fn.hinge(TARGETS, None),
        lambda: fn.hinge(TARGETS, LABELS, margin="a"),
    ),
    "huber": (
        lambda: fn.huber(X, X, delta="a"),
        lambda: fn.huber(X, None),
    ),
    "kl": (lambda: fn.kl(TARGETS, None),),
    "l1": (lambda: fn.l1(X, None),),
    "mean_absolute_error": (lambda: fn.mean_absolute_error()(None, TARGETS),),
    "mean_over_rows": (
        lambda: fn.mean_over_rows("accuracy"),
        lambda: fn.mean_over_rows(None),
    ),
    "mse": (
        lambda: fn.mse(X, None),
        lambda: fn.mse(None, X),
        lambda: fn.mse(X.tolist(), X.tolist()),
        lambda: fn.mse(X, 1.0),
        lambda: fn.mse(X, X, reduction=None),
        lambda: fn.mse(X, X, reduction="avg"),
        lambda: fn.mse(X, X, "sum"),
        lambda: fn.mse(y=None, target=X),
        lambda: fn.mse(y=X.tolist(), target=X),
        lambda: fn.mse(X, X, sample_weights=np.ones(4), reduction=X),
    ),
    "nll": (lambda: fn.nll(TARGETS, None),),
    "over_members": (
        lambda: fn.over_members("mse"),
        lambda: fn.over_members(fn.mse)(TARGETS[0], TARGETS[0]),
        lambda: fn.over_members(fn.mse)(TARGETS, TARGETS),
        lambda: fn.over_members(fn.mse)(TARGETS.tolist(), TARGETS),
        lambda: fn.over_members(fn.mse)(TARGETS[:, :0], TARGETS[:, 0]),
    ),
    "on_labels": (
        lambda: fn.on_labels("mse"),
        lambda: fn.on_labels(None),
        lambda: fn.on_labels(fn.mse)(TARGETS, None),
        lambda: fn.on_labels(fn.on_labels)(TARGETS, LABELS),
        lambda: fn.on_labels(fn.mse)(None, LABELS),
        lambda: fn.on_labels(fn.mse)(TARGETS.tolist(), LABELS),
    ),
    "precision": (lambda: fn.precision(average=None),),
    "r2": (lambda: fn.r2()(TARGETS, None),),
    "top_k_accuracy": (
        lambda: fn.top_k_accuracy("2"),
        lambda: fn.top_k_accuracy(2)(TARGETS, None),
    ),
}
