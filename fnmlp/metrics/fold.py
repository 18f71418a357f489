"""Metrics as folds: totals that batches are added to, and a number at the end."""

from collections.abc import Callable, Iterable
from functools import partial, reduce
from typing import Any

from attrs import frozen

from fnmlp.arrays import Array
from fnmlp.errors import DataError
from fnmlp.tree import Tree, tree_map


@frozen
class Metric:
    """A fold over batches, made of three pure functions; called with all outputs and targets it is the whole fold.

    `init`    () -> the total before any batch: a tree of numbers.
    `update`  (total, y, targets) -> the total with this batch.
    `result`  total -> the number, or the array, that it comes to.
    """

    init: Callable[[], Tree]
    update: Callable[[Tree, Array, Array], Tree]
    result: Callable[[Tree], Any]

    def __call__(self, y: Array, target: Array) -> Any:
        """Return what the fold over a single batch comes to."""
        return self.result(self.update(self.init(), y, target))


def fold_metric(metric: Metric, batches: Iterable[tuple[Array, Array]]) -> Any:
    """Carry a metric over pairs of outputs and targets, holding no more than one of them.

    Raises:   DataError for no batches; what the metric raises.

    >>> import numpy as np
    >>> from fnmlp.metrics import mean_absolute_error
    >>> pairs = [(np.array([[1.0]]), np.array([[2.0]])), (np.array([[5.0], [6.0]]), np.array([[5.0], [6.0]]))]
    >>> round(fold_metric(mean_absolute_error(), pairs), 4)
    0.3333
    """
    pairs = iter(batches)
    for first in pairs:
        return metric.result(reduce(partial(_next, metric), pairs, metric.update(metric.init(), *first)))
    raise DataError("fold_metric", "at least one batch", "none", "pass a fresh iterable, not one that is used up")


def _next(metric: Metric, total: Tree, pair: tuple[Array, Array]) -> Tree:
    return metric.update(total, *pair)


def summed(measure: Callable[[Array, Array], tuple[Any, ...]], result: Callable[[Tree], Any], sums: int) -> Metric:
    """Make a metric of what is measured on a batch and adds up over batches.

    >>> import numpy as np
    >>> rows = summed(lambda y, target: (y.shape[0],), lambda total: total[0], sums=1)
    >>> fold_metric(rows, [(np.zeros((2, 1)), np.zeros(2)), (np.zeros((3, 1)), np.zeros(3))])
    5.0
    """
    return Metric(partial(_zeros, sums), partial(_add, measure), result)


def _zeros(sums: int) -> tuple[float, ...]:
    return (0.0,) * sums


def _add(measure: Callable[[Array, Array], tuple[Any, ...]], total: Tree, y: Array, target: Array) -> Tree:
    return tree_map(_plus, total, measure(y, target))


def _plus(total: Any, more: Any) -> Any:
    return total + more


def mean_over_rows(metric: Callable[[Array, Array], float]) -> Metric:
    """Lift a function whose value is a mean over rows, such as `accuracy` or a loss's value, to a fold.

    Raises:   what the function raises.

    >>> import numpy as np
    >>> from fnmlp.metrics import accuracy
    >>> y, labels = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3]]), np.array([0, 1, 1])
    >>> fold_metric(mean_over_rows(accuracy), [(y[:2], labels[:2]), (y[2:], labels[2:])]) == accuracy(y, labels)
    True
    """
    return summed(partial(_rows_and_sum, metric), ratio, sums=2)


def _rows_and_sum(metric: Callable[[Array, Array], float], y: Array, target: Array) -> tuple[float, int]:
    rows = int(y.shape[0])
    return float(metric(y, target)) * rows, rows


def ratio(total: tuple[float, float]) -> float:
    """Return the first sum divided by the second.

    >>> ratio((1.0, 2.0))
    0.5
    """
    return total[0] / total[1]
