"""Moments against exact rational arithmetic: large offsets cost no digits, in `fit_standardize` and in `r2`."""

from fractions import Fraction
from math import log2, sqrt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest

import fnmlp as fn
from fnmlp.moments import NOTHING, merged, moments
from tests.steps import draw, seeds

UNIT = 2.0**-53


def exact_moments(x: NDArray[Any]) -> tuple[Fraction, Fraction]:
    """Return the mean and the sum of squared distances of float64 numbers, without any rounding."""
    numbers = [Fraction(float(number)) for number in x]
    mean = sum(numbers, Fraction(0)) / len(numbers)
    return mean, sum(((number - mean) ** 2 for number in numbers), Fraction(0))


def bound(x: NDArray[Any], merges: float) -> float:
    """Return how far off the sum of squares may be, as a share of it.

    Let A be the largest distance from the first row, D the deviation, and m the number of merges that a row goes
    through. A mean of at most 128 distances is off by d = (128 + 3 m) u A, and the distances themselves by u A. In a
    merge that puts 2 d · 2 |apart| · w into the squares, where the w of all merges add up to (1 + m) n at most, and
    those of apart² · w to n D²; by Cauchy and Schwarz it is 4 d D n √(1 + m) in all. The squares of a block are
    rounded (128 + 4) times, and a distance that is off by u A changes them by 2 u A / D.
    """
    largest = float(np.abs(x - x[0]).max())
    deviation = sqrt(exact_moments(x)[1] / len(x))
    spread = largest / deviation
    return UNIT * (132 + 3 * merges + 2 * spread + 4 * (128 + 3 * merges) * spread * sqrt(1 + merges))


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e6, -1e12, 1e12])
@pytest.mark.parametrize("per_feature", [True, False])
@given(seed=seeds, rows=st.integers(2, 700))
def test_a_deviation_is_as_exact_beside_a_mean_that_is_1e12_times_as_large(
    offset: float, per_feature: bool, seed: int, rows: int
) -> None:
    # Parts were merged by their means, which keep only 4 digits there: the deviation was off by 3e-6.
    x = offset + draw(seed, (rows, 1))
    mean, deviation = fn.fit_standardize(x, per_feature=per_feature)
    exact_mean, squares = exact_moments(x[:, 0])
    error = bound(x[:, 0], log2(rows))
    assert abs(np.max(deviation) ** 2 / float(squares / rows) - 1) <= error + 8 * UNIT
    apart = abs(Fraction(float(np.max(mean))) - exact_mean)
    assert apart <= 2 * UNIT * abs(exact_mean) + Fraction(error) * Fraction(float(np.abs(x - x[0]).max()))


def test_numpys_own_deviation_is_no_better() -> None:
    x = 1e12 + draw(1, (1000, 1))
    _, squares = exact_moments(x[:, 0])
    ours = abs(fn.fit_standardize(x)[1][0] ** 2 / float(squares / 1000) - 1)
    theirs = abs(float(x.var()) / float(squares / 1000) - 1)
    assert ours <= theirs + bound(x[:, 0], 10)


@given(seed=seeds, cuts=st.lists(st.integers(1, 200), min_size=1, max_size=5))
def test_r2_is_as_exact_beside_targets_that_are_1e12_times_as_large(seed: int, cuts: list[int]) -> None:
    # Batches were merged by their means, and the share was off by 6e-6.
    rows = sum(cuts) + 2
    target = 1e12 + draw(seed, (rows,))
    y = target + draw(seed + 1, (rows,)) / 4
    ends = np.cumsum([2, *cuts]).tolist()
    pairs = [(y[end - size : end], target[end - size : end]) for size, end in zip([2, *cuts], ends, strict=True)]
    found = fn.fold_metric(fn.r2(), pairs)
    errors = sum(
        ((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(y.tolist(), target.tolist(), strict=True)), Fraction(0)
    )
    unexplained = float(errors / exact_moments(target)[1])
    assert abs(found - (1 - unexplained)) <= unexplained * (bound(target, len(pairs) + 1) + 2 * rows * UNIT) + 2 * UNIT


def test_a_first_row_far_from_all_others_costs_no_digits() -> None:
    x = np.concatenate([[0.0], 1e9 + draw(3, (500,))])
    _, squares = exact_moments(x)
    assert abs(fn.fit_standardize(x)[1] ** 2 / float(squares / 501) - 1) <= bound(x, log2(501)) + 8 * UNIT


@given(seed=seeds, rows=st.integers(1, 400))
def test_moments_of_weighted_rows_are_those_of_repeated_rows(seed: int, rows: int) -> None:
    x, times = draw(seed, (rows, 2)), np.random.default_rng(seed).integers(0, 3, rows)
    count, mean, squares = moments(x, x[:1], times.astype(float))
    if not times.any():
        assert count == 0
        return
    expected = moments(np.repeat(x, times, axis=0), x[:1])
    assert count == expected[0]
    np.testing.assert_allclose(mean, expected[1], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(squares, expected[2], rtol=1e-12, atol=1e-13)


def test_to_merge_with_nothing_changes_nothing() -> None:
    some = moments(np.array([[1.0], [4.0]]), np.array([[1.0]]))
    assert merged(some, NOTHING) is merged(NOTHING, some) is some
