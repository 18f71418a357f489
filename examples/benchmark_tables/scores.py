"""Scores of predictions, and what they say over tables and folds."""

from collections.abc import Mapping

from attrs import frozen
import numpy as np

import fnmlp as fn

BINS = 15
"""The bins of confidence over which the calibration error is taken."""


def expected_calibration_error(probabilities: fn.Array, right: fn.Array) -> float:
    """Return how far confidence is from accuracy, on average over the rows: Guo et al. 2017, arXiv:1706.04599, eq. 3.

    >>> expected_calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([True, False])).round(2)
    np.float64(0.4)
    """
    confidence = probabilities.max(axis=1)
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, right - confidence, BINS)
    return np.abs(gaps).sum() / len(right)


def r_squared(predicted: fn.Array, targets: fn.Array) -> float:
    """Return the share of the targets' variance that predictions explain.

    >>> r_squared(np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    0.5
    """
    return float(1 - np.mean((predicted - targets) ** 2) / np.var(targets))


@frozen
class Result:
    """What an estimator reached on one fold: its score, its calibration error (NaN for regression), its seconds."""

    score: float
    calibration: float
    seconds: float


Results = Mapping[str, Mapping[str, list[Result]]]
"""Table -> estimator -> the results on its folds."""


@frozen
class Summary:
    """What an estimator reached over all tables.

    `score`        the mean over tables of the mean over folds; `error` is its standard error over folds.
    `rank`         the mean over tables of its place among the estimators: 1 is best, equal ones share their places.
    `wins`, `ties`, `losses`   tables on which the first estimator is better than this one, as good, and worse.
    `calibration`  the mean calibration error.
    `seconds`      the sum over tables and folds of fitting and predicting.
    """

    score: float
    error: float
    rank: float
    wins: int
    ties: int
    losses: int
    calibration: float
    seconds: float


def summaries(results: Results) -> dict[str, Summary]:
    """Return the summary of each estimator; the first one is compared with each of the others.

    >>> one = [Result(0.5, 0.1, 1.0), Result(0.5, 0.1, 1.0)]
    >>> found = summaries({"table": {"ours": one, "theirs": [Result(0.4, 0.2, 1.0), Result(0.4, 0.2, 1.0)]}})
    >>> found["ours"].rank, found["theirs"].rank, found["theirs"].wins
    (1.0, 2.0, 1)
    """
    names = [*next(iter(results.values()))]
    means = np.array([[np.mean([fold.score for fold in table[name]]) for table in results.values()] for name in names])
    ranks = np.stack([1 + (means > own).sum(0) + ((means == own).sum(0) - 1) / 2 for own in means])
    found = {}
    for place, name in enumerate(names):
        compared = [outcome(table[names[0]], table[name]) for table in results.values()]
        folds = [fold for table in results.values() for fold in table[name]]
        found[name] = Summary(
            float(means[place].mean()),
            _error_over_folds([table[name] for table in results.values()]),
            float(ranks[place].mean()),
            compared.count(1),
            compared.count(0),
            compared.count(-1),
            float(np.mean([fold.calibration for fold in folds])),
            sum(fold.seconds for fold in folds),
        )
    return found


def _error_over_folds(tables: list[list[Result]]) -> float:
    """Return the standard error of the mean over tables, from the variance over each one's folds; NaN for one fold."""
    if any(len(folds) < 2 for folds in tables):
        return float("nan")
    variances = [np.var([fold.score for fold in folds], ddof=1) / len(folds) for folds in tables]
    return float(np.sqrt(np.sum(variances)) / len(tables))


CERTAIN = 2.0
"""A difference of so many standard errors is a win or a loss."""


def outcome(ours: list[Result], theirs: list[Result]) -> int:
    """Return 1 if we are better by two standard errors of the paired differences over folds, -1 if worse, 0 otherwise.

    Training sets overlap, so the variance over k folds is corrected by 1/k + 1/(k - 1) in place of 1/k: Nadeau & Bengio
    2003, "Inference for the generalization error", section 3.

    >>> outcome([Result(0.5, 0.1, 1.0)] * 2, [Result(0.5, 0.1, 1.0)] * 2)
    0
    """
    differences = np.array([own.score - other.score for own, other in zip(ours, theirs, strict=True)])
    folds = len(differences)
    if folds == 1:
        return int(np.sign(differences[0]))
    error = np.sqrt(np.var(differences, ddof=1) * (1 / folds + 1 / (folds - 1)))
    return int(np.sign(differences.mean())) if abs(differences.mean()) > CERTAIN * error else 0
