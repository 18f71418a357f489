"""Metrics as folds: add up totals over batches, and compute the result at the end."""

from collections.abc import Callable, Iterable
from functools import partial, reduce
from typing import Any, TypeAlias

from attrs import frozen

from fnmlp.arrays import Array, as_array, at_hand, namespace
from fnmlp.checks import as_iterator, check_function, check_kind
from fnmlp.conditions import nan_unless, plain
from fnmlp.errors import DataError, StructureError
from fnmlp.tree import Tree, tree_map
from fnmlp.weights import Weights, row_weights, with_weights

__all__ = ["Metric", "fold_metric", "mean_over_rows"]


@frozen
class Metric:
    """A metric as a fold over batches, made of three pure functions; call it to get the metric of one batch.

    `init`    () -> the total before any batch: a tree of numbers.
    `update`  (total, y, targets) -> the total with this batch; with an option `sample_weights` for weighted rows.
    `result`  total -> the metric: a number or an array.
    """

    init: Callable[[], Tree]
    update: Callable[..., Tree]
    result: Callable[[Tree], Any]

    def __call__(self, y: Array, target: Array, *, sample_weights: Weights = ()) -> Any:
        """Return the metric of a single batch."""
        return self.result(with_weights(partial(self.update, self.init()), y, target, sample_weights))


def fold_metric(metric: Metric, batches: Iterable[tuple[Array, ...]]) -> Any:
    """Compute a metric over batches, as pairs of outputs and targets or triples with weights, one at a time.

    Raises:   DataError without batches; whatever the metric raises.

    >>> import numpy as np
    >>> from fnmlp.metrics import mean_absolute_error
    >>> pairs = [(np.array([[1.0]]), np.array([[2.0]])), (np.array([[5.0], [6.0]]), np.array([[5.0], [6.0]]))]
    >>> round(fold_metric(mean_absolute_error(), pairs), 4)
    0.3333
    """
    check_kind("fold_metric(metric)", metric, Metric, "mean_over_rows(accuracy)")
    pairs = (_pair(batch) for batch in as_iterator("fold_metric(batches)", batches, "pairs of outputs and targets"))
    for first in pairs:
        return metric.result(reduce(partial(_next, metric), pairs, _next(metric, metric.init(), first)))
    raise DataError("fold_metric", "at least one batch", "none", "pass a fresh iterable, not one that is used up")


def _pair(batch: tuple[Array, ...]) -> tuple[Array, ...]:
    if not isinstance(batch, (tuple, list)) or len(batch) not in {2, 3}:
        remedy = "pass (model.apply(params, batch.inputs), batch.targets)"
        raise StructureError("fold_metric(batches)", "pairs of outputs and targets", type(batch).__name__, remedy)
    return tuple(batch)


def _next(metric: Metric, total: Tree, batch: tuple[Array, ...]) -> Tree:
    return with_weights(partial(metric.update, total), *batch)


Measure: TypeAlias = Callable[[Array, Array, Weights], tuple[Any, ...]]
"""(y, targets, weights of the rows) -> totals that add up over batches."""


def summed(measure: Measure, result: Callable[[Tree], Any], sums: int) -> Metric:
    """Make a metric from totals that are computed for a batch and add up over batches.

    >>> import numpy as np
    >>> rows = summed(lambda y, target, weights: (y.shape[0],), lambda total: total[0], sums=1)
    >>> fold_metric(rows, [(np.zeros((2, 1)), np.zeros(2)), (np.zeros((3, 1)), np.zeros(3))])
    5.0
    """
    return Metric(partial(_zeros, sums), partial(_add, measure), result)


def _zeros(sums: int) -> tuple[float, ...]:
    return (0.0,) * sums


def _add(measure: Measure, total: Tree, y: Array, target: Array, *, sample_weights: Weights = ()) -> Tree:
    return tree_map(_plus, total, measure(y, target, sample_weights))


def _plus(total: Any, more: Any) -> Any:
    return total + more


def mean_over_rows(metric: Callable[..., float]) -> Metric:
    """Make a metric of a function that returns a mean over rows, such as `accuracy`.

    It weights each batch by its rows, so the function must count every row. To leave out rows by their label, use
    `top_k_accuracy(1, ignore_label=-100)`.
    Raises:   whatever the function raises.

    >>> import numpy as np
    >>> from fnmlp.metrics import accuracy
    >>> y, labels = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]]), np.array([0, 1, 1])
    >>> fold_metric(mean_over_rows(accuracy), [(y[:2], labels[:2]), (y[2:], labels[2:])]) == accuracy(y, labels)
    True
    """
    check_function("mean_over_rows(metric)", metric, 2, "accuracy")
    return summed(partial(_rows_and_sum, metric), ratio, sums=2)


def _rows_and_sum(metric: Callable[..., float], y: Array, target: Array, weights: Weights) -> tuple[float, float]:
    y = as_array("mean_over_rows(y)", y)
    counts = row_weights("mean_over_rows", weights, y, "float64")
    rows = weight_of_all(y, counts)
    if counts is not None and at_hand(rows) and not rows:
        return 0.0, 0.0
    return plain(with_weights(metric, y, target, weights)) * rows, rows


def weight_of_all(y: Array, weights: Array | None) -> float:
    """Return the total weight of all rows.

    >>> import numpy as np
    >>> weight_of_all(np.zeros((3, 2)), None)
    3
    """
    return int(y.shape[0]) if weights is None else plain(namespace(y).sum(weights))


def ratio(total: tuple[float, float]) -> float:
    """Return the first sum divided by the second.

    Raises:   DataError if that is 0, because no row counts.

    >>> ratio((1.0, 2.0))
    0.5
    """
    return total[0] / check_counting(total[1])


def check_counting(total: Any) -> Any:
    """Return the sum of all weights; raise if it is 0, because no metric is defined then.

    A sum of 0 that can't be read yet becomes NaN.
    """
    if not at_hand(total):
        return nan_unless(total != 0, total)
    if not total:
        raise DataError("metric", "weights with a sum above 0", "0", "leave out data in which nothing counts")
    return total
