"""Statistics of parameters, gradients and updates, leaf by leaf."""

from collections.abc import Sequence
from math import frexp, inf, ldexp, prod, sqrt

from attrs import frozen

from fnmlp.arrays import Array, Shape, is_foreign, namespace, to_dtype
from fnmlp.checks import as_iterator, check_kind
from fnmlp.moving import as_numpy
from fnmlp.rules import on_numbers
from fnmlp.tree import Tree, tree_map, tree_paths

__all__ = ["LeafStatistics", "statistics_table", "tree_statistics", "update_ratios"]


@frozen
class LeafStatistics:
    """Hold statistics of one leaf; all but the last count finite numbers only.

    `path`        the path of the leaf, such as `[0].weight`.
    `shape`       its shape.
    `mean`        the mean of its numbers.
    `deviation`   their standard deviation.
    `norm`        the root of the sum of their squares.
    `largest`     the largest magnitude.
    `zeros`       the share of numbers that are exactly 0.
    `not_finite`  the number of infinities and NaN.
    """

    path: str
    shape: Shape
    mean: float
    deviation: float
    norm: float
    largest: float
    zeros: float
    not_finite: int


def tree_statistics(tree: Tree, root: str = "") -> tuple[LeafStatistics, ...]:
    """Return statistics of each leaf of a tree: parameters, gradients, or their differences.

    They are computed in float64, and scaled so that no square overflows or underflows. For an empty leaf all are 0.

    >>> import numpy as np
    >>> [weight, bias] = tree_statistics((np.array([[3.0, -4.0]]), np.array([np.nan, 0.0])), root="params")
    >>> weight
    LeafStatistics(path='params[0]', shape=(1, 2), mean=-0.5, deviation=3.5, norm=5.0, largest=4.0, zeros=0.0, not_fi...
    >>> bias.mean, bias.zeros, bias.not_finite
    (0.0, 0.5, 1)
    """
    return tuple(_statistics(path, leaf) for path, leaf in tree_paths(tree, root))


@on_numbers
def _statistics(path: str, leaf: Array) -> LeafStatistics:
    leaf = as_numpy(leaf) if is_foreign(leaf) else leaf
    xp, size = namespace(leaf), prod(leaf.shape)
    wide = xp.reshape(to_dtype(leaf, "float64"), (-1,))
    x = wide[xp.isfinite(wide)]
    finite = prod(x.shape)
    largest = float(xp.max(xp.abs(x))) if finite else 0.0
    unit = ldexp(1.0, frexp(largest)[1] - 1)  # a power of two, so that the division is exact
    x = x / unit
    mean = _mean(x, finite)
    away, zeros = x - mean, to_dtype(wide == 0, "float64")
    return LeafStatistics(
        path,
        tuple(leaf.shape),
        mean * unit,
        sqrt(_mean(away * away, finite)) * unit,
        sqrt(float(xp.sum(x * x))) * unit,
        largest,
        _mean(zeros, size),
        size - finite,
    )


def _mean(x: Array, size: int) -> float:
    """Return the mean, or 0 of an empty array."""
    return float(namespace(x).sum(x)) / max(size, 1)


def statistics_table(statistics: Sequence[LeafStatistics]) -> str:
    """Format statistics as a table with a line for each leaf, to print.

    >>> import numpy as np
    >>> print(statistics_table(tree_statistics((np.array([3.0, -4.0]),))))
    path  shape  mean  deviation  norm  largest  zeros  not finite
    [0]     (2)  -0.5        3.5     5        4      0           0
    """
    headings = ["path", "shape", "mean", "deviation", "norm", "largest", "zeros", "not finite"]
    leaves = as_iterator("statistics_table(statistics)", statistics, "statistics")
    rows = [headings, *map(_cells, leaves)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows)


def _cells(leaf: LeafStatistics) -> list[str]:
    check_kind("statistics_table(statistics)", leaf, LeafStatistics, "tree_statistics(params)[0]")
    shape = f"({', '.join(map(str, leaf.shape))})"
    numbers = (leaf.mean, leaf.deviation, leaf.norm, leaf.largest, leaf.zeros)
    return [leaf.path, shape, *(f"{number:.3g}" for number in numbers), str(leaf.not_finite)]


def update_ratios(before: Tree, after: Tree) -> tuple[tuple[str, float], ...]:
    """Return how far each leaf of the parameters moved: the norm of the update divided by their norm before it.

    About 0.001 a step is usual. Much more means that the rate is too high, and much less that little is learned. For a
    leaf that was all 0 the ratio is infinite, or 0 if it did not move.
    Raises:   StructureError if the trees differ in structure.
    Source:   Karpathy, "CS231n: ratio of weights and updates", https://cs231n.github.io/neural-networks-3.

    >>> import numpy as np
    >>> update_ratios((np.array([3.0, 4.0]),), (np.array([3.0, 4.5]),))
    (('[0]', 0.1),)
    """
    moved = tree_statistics(tree_map(_difference, after, before))
    return tuple(
        (leaf.path, _ratio(leaf.norm, old.norm)) for leaf, old in zip(moved, tree_statistics(before), strict=True)
    )


def _difference(after: Array, before: Array) -> Array:
    return to_dtype(as_numpy(after), "float64") - to_dtype(as_numpy(before), "float64")


def _ratio(change: float, size: float) -> float:
    if not size:
        return inf if change else 0.0
    return change / size
