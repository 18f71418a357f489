"""Special functions against mpmath with 40 digits, in float64, and in float32 through `in_float64`."""

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray
import pytest

from fnmlp.arrays import narrow, widen
from fnmlp.layers import special
from tests.optional import optional

torch = optional("torch")

POINTS = np.concatenate([np.linspace(0, 26.5, 2001), np.logspace(-300, 0, 61), [0.0]])
SIGNED = np.concatenate([-POINTS[::-1], POINTS])
EXACT: dict[str, Callable[[Any], Any]] = {
    "normal_tail": lambda x: mpmath.erfc(x / mpmath.sqrt(2)) / 2,
    "normal_density": mpmath.npdf,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "sigmoid_slope": lambda x: 1 / (1 + mpmath.exp(-x)) / (1 + mpmath.exp(x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
}


def units_off(name: str, x: NDArray[Any]) -> float:
    """Return the largest error in units of the last place of float64."""
    with mpmath.workdps(40):
        exact = np.array([float(EXACT[name](mpmath.mpf(float(number)))) for number in x])
    found = getattr(special, name)(x)
    return float((np.abs(found - exact) / np.spacing(np.abs(exact))).max())


@pytest.mark.parametrize(
    ("name", "x", "bound"),
    [
        ("normal_tail", 1.4 * POINTS, 8),
        ("normal_density", 1.4 * POINTS, 4),
        ("sigmoid", 26 * SIGNED, 4),
        ("sigmoid_slope", 26 * SIGNED, 4),
        ("softplus", 26 * SIGNED, 4),
    ],
)
def test_a_function_is_within_a_few_units_in_the_last_place_tails_included(
    name: str, x: NDArray[Any], bound: float
) -> None:
    assert units_off(name, x) <= bound


def test_the_tail_of_the_normal_distribution_ends_in_0_and_keeps_nan() -> None:
    assert special.normal_tail(np.array([-0.0, 0.0, 39.0, 60.0])).tolist() == [0.5, 0.5, 0, 0]
    assert np.isnan(special.normal_tail(np.array([np.nan]))).all()


@pytest.mark.parametrize("name", ["sigmoid", "sigmoid_slope", "softplus"])
def test_complex_steps_differentiate(name: str) -> None:
    # What is made of these functions can be checked to the last digits only as long as they stay analytic.
    x = np.array([-5.0, -0.3, 0.4, 3.0])
    found = np.imag(getattr(special, name)(x + 1e-20j)) / 1e-20
    with mpmath.workdps(40):
        exact = [float(mpmath.diff(EXACT[name], mpmath.mpf(float(number)))) for number in x]
    np.testing.assert_allclose(found, exact, rtol=1e-14)


@pytest.mark.parametrize("name", ["sigmoid", "sigmoid_slope", "softplus"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_number_however_large_overflows_on_the_way(name: str, dtype: Any) -> None:
    largest = np.finfo(dtype).max
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y = getattr(special, name)(np.array([-np.inf, -largest, largest, np.inf], dtype))
    assert not np.isnan(y).any()


def test_widen_leaves_all_but_float32_alone() -> None:
    for x in (np.zeros(2), np.zeros(2, np.complex64), np.zeros(2, np.complex128)):
        assert widen(x) is x
        assert narrow(x, x, x) is x
    big_endian = np.ones(2, ">f4")
    assert widen(big_endian).dtype == np.float64
    assert special.in_float64(np.negative, big_endian).tolist() == [-1, -1]
