"""What each loss comes to, in Python's own floats: formulas that share no line with the package.

An oracle takes a row of outputs, its target and the options, and returns the row's cost, and how much the row counts in
a mean: the cost of a batch is the sum of the costs, or that divided by the sum of the counts.
"""

from collections.abc import Callable, Sequence
from math import cosh, exp, fsum, log
from typing import Any, TypeAlias

Row: TypeAlias = Sequence[float]
Oracle: TypeAlias = Callable[..., tuple[float, float]]


def each(cost: Callable[..., float]) -> Oracle:
    """Make an oracle of the cost of one number, whose mean is over all numbers."""

    def of_row(y: Row, target: Row, **options: Any) -> tuple[float, float]:
        return fsum(cost(a, b, **options) for a, b in zip(y, target, strict=True)), len(y)

    return of_row


def squared(y: float, target: float) -> float:
    return (y - target) ** 2


def over_members(y: Row, target: float) -> tuple[float, float]:
    return fsum(log_cosh(member, target) for member in y) / len(y), 1.0


def absolute(y: float, target: float) -> float:
    return abs(y - target)


def huber(y: float, target: float, delta: float = 1.0) -> float:
    error = abs(y - target)
    return error**2 / 2 if error <= delta else delta * (error - delta / 2)


def log_cosh(y: float, target: float) -> float:
    return log(cosh(y - target))


def poisson(y: float, target: float) -> float:
    return exp(y) - target * y


def sigmoid(y: float) -> float:
    return 1 / (1 + exp(-y))


def binary(y: float, target: float, pos_weight: float = 1.0) -> float:
    return -pos_weight * target * log(sigmoid(y)) - (1 - target) * log(sigmoid(-y))


def binary_focal(y: float, target: float, alpha: float = 0.25, gamma: float = 2.0) -> float:
    hit = sigmoid(y) * target + sigmoid(-y) * (1 - target)
    return (alpha * target + (1 - alpha) * (1 - target)) * float((1 - hit) ** gamma) * binary(y, target)


def log_softmax(y: Row) -> list[float]:
    total = log(fsum(map(exp, y)))
    return [number - total for number in y]


def cross_entropy(
    y: Row,
    target: Any,
    label_smoothing: float = 0.0,
    class_weights: Row = (),
    ignore_label: int | None = None,
) -> tuple[float, float]:
    if target == ignore_label:
        return 0.0, 0.0
    classes, weights = len(y), class_weights or [1.0] * len(y)
    shares = [float(place == target) for place in range(classes)] if isinstance(target, int) else target
    smooth = [share * (1 - label_smoothing) + label_smoothing / classes for share in shares]
    cost = -fsum(w * s * p for w, s, p in zip(weights, smooth, log_softmax(y), strict=True))
    return cost, weights[target] if isinstance(target, int) else 1.0


def nll(y: Row, label: int, class_weights: Row = (), ignore_label: int | None = None) -> tuple[float, float]:
    if label == ignore_label:
        return 0.0, 0.0
    weight = class_weights[label] if class_weights else 1.0
    return -weight * y[label], weight


def focal(
    y: Row, label: int, gamma: float = 2.0, class_weights: Row = (), ignore_label: int | None = None
) -> tuple[float, float]:
    if label == ignore_label:
        return 0.0, 0.0
    logarithm = log_softmax(y)[label]
    return -(class_weights[label] if class_weights else 1.0) * (1 - exp(logarithm)) ** gamma * logarithm, 1.0


def hinge(y: Row, label: int, margin: float = 1.0) -> tuple[float, float]:
    others = (number for place, number in enumerate(y) if place != label)
    return fsum(max(0.0, margin - y[label] + number) for number in others) / len(y), 1.0


def kl(y: Row, target: Row) -> tuple[float, float]:
    return fsum(share * (log(share) - number) for share, number in zip(target, y, strict=True) if share), 1.0


def on_labels(y: Row, label: int) -> tuple[float, float]:
    return each(squared)(y, [float(place == label) for place in range(len(y))])
