"""What each metric comes to, by loops over Python's own numbers: they share no line with the package.

An oracle takes rows of outputs, their targets, and the weight of each row.
"""

from collections.abc import Callable, Sequence
from math import fsum
from typing import Any, TypeAlias

Rows: TypeAlias = Sequence[Any]
Oracle: TypeAlias = Callable[[Rows, Rows, Sequence[float]], Any]


def total(rows: Sequence[bool], weights: Sequence[float]) -> float:
    return fsum(weight for row, weight in zip(rows, weights, strict=True) if row)


def guesses(y: Rows) -> list[int]:
    return [row.index(max(row)) for row in y]


def top(k: int, y: Rows, labels: Rows, weights: Sequence[float]) -> float:
    before = (sum(other > row[label] for other in row) for row, label in zip(y, labels, strict=True))
    return total([others < k for others in before], weights) / fsum(weights)


def matrix(y: Rows, labels: Rows, weights: Sequence[float]) -> list[list[float]]:
    pairs, classes = list(zip(labels, guesses(y), strict=True)), range(len(y[0]))
    return [[total([pair == (label, guess) for pair in pairs], weights) for guess in classes] for label in classes]


def of_classes(score: str, average: str, y: Rows, labels: Rows, weights: Sequence[float]) -> Any:
    table, scores, sizes = matrix(y, labels, weights), [], []
    for place in range(len(table)):
        right, given, own = table[place][place], fsum(row[place] for row in table), fsum(table[place])
        whole = {"precision": given, "recall": own, "f1": (given + own) / 2}[score]
        scores.append(right / whole if whole else 0.0)
        sizes.append(own)
    if average == "none":
        return scores
    if average == "macro":
        return fsum(scores) / len(scores)
    if average == "weighted":
        return fsum(map(float.__mul__, scores, sizes)) / fsum(sizes)
    return fsum(table[place][place] for place in range(len(table))) / fsum(sizes)


def calibration(bins: int, y: Rows, labels: Rows, weights: Sequence[float]) -> float:
    surplus = [0.0] * bins
    for row, label, weight in zip(y, labels, weights, strict=True):
        place = next(bin_ for bin_ in range(bins) if max(row) <= (bin_ + 1) / bins or bin_ == bins - 1)
        surplus[place] += weight * (max(row) - (row.index(max(row)) == label))
    return fsum(map(abs, surplus)) / fsum(weights)


def absolute_error(y: Rows, target: Rows, weights: Sequence[float]) -> float:
    errors = (
        fsum(abs(a - b) for a, b in zip(*pair, strict=True)) / len(pair[0]) for pair in zip(y, target, strict=True)
    )
    return fsum(weight * error for weight, error in zip(weights, errors, strict=True)) / fsum(weights)


def determination(y: Rows, target: Rows, weights: Sequence[float]) -> float:
    scores = []
    for outputs, truths in zip(zip(*y, strict=True), zip(*target, strict=True), strict=True):
        mean = fsum(w * t for w, t in zip(weights, truths, strict=True)) / fsum(weights)
        missed = fsum(w * (o - t) ** 2 for w, o, t in zip(weights, outputs, truths, strict=True))
        scores.append(1 - missed / fsum(w * (t - mean) ** 2 for w, t in zip(weights, truths, strict=True)))
    return fsum(scores) / len(scores)


def without_ignored(oracle: Oracle, y: Rows, labels: Rows, weights: Sequence[float]) -> Any:
    """Return what a metric comes to over the rows whose label is not 255."""
    return oracle(*zip(*[row for row in zip(y, labels, weights, strict=True) if row[1] != 255], strict=True))
