"""Initializers: the distribution that the paper says, in float32, from the key alone."""

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
import pytest

from fnmlp import initializers as made
from fnmlp.errors import OptionError
from fnmlp.initializers import Initializer
from fnmlp.key import Key
from tests.catalogue import INITIALIZERS
from tests.steps import same_bits

FANS = (256, 128)
SAMPLES = FANS[0] * FANS[1]
over_initializers = pytest.mark.parametrize(
    ("name", "initializer"), INITIALIZERS, ids=[name for name, _ in INITIALIZERS]
)


@over_initializers
@pytest.mark.parametrize("shape", [(3, 2), (5,), (1, 1)])
def test_an_initializer_gives_read_only_float32_of_the_shape(
    name: str, initializer: Initializer, shape: tuple[int, ...]
) -> None:
    x = initializer(Key(0), shape, (4, 2))
    assert (x.shape, str(x.dtype), x.flags.writeable) == (shape, "float32", False), name


@over_initializers
def test_another_key_draws_other_numbers_and_the_same_key_the_same(name: str, initializer: Initializer) -> None:
    first, again, other = (initializer(key, (8, 4), (8, 4)) for key in (Key(1), Key(1), Key(2)))
    assert same_bits(first, again)
    assert same_bits(first, other) == name.startswith(("zeros", "constant"))


@pytest.mark.parametrize(
    ("initializer", "bound"),
    [
        (made.kaiming_uniform(), sqrt(6 / 256)),
        (made.kaiming_uniform(a=sqrt(5)), 1 / sqrt(256)),
        (made.glorot_uniform(), sqrt(6 / (256 + 128))),
        (made.uniform(0.25), 0.25),
    ],
)
def test_uniform_numbers_fill_their_bounds_evenly(initializer: Initializer, bound: float) -> None:
    x = initializer(Key(3), FANS, FANS).astype(np.float64)
    assert bound * 0.999 < np.abs(x).max() <= np.float32(bound)
    # Five standard deviations of each sample moment; a uniform on ±b has variance b²/3 and fourth moment b⁴/5.
    assert abs(x.mean()) < 5 * bound / sqrt(3 * SAMPLES)
    assert abs((x**2).mean() - bound**2 / 3) < 5 * bound**2 * sqrt((1 / 5 - 1 / 9) / SAMPLES)


@pytest.mark.parametrize(
    ("initializer", "deviation"),
    [
        (made.kaiming_normal(), sqrt(2 / 256)),
        (made.kaiming_normal(a=0.5), sqrt(2 / (1.25 * 256))),
        (made.glorot_normal(), sqrt(2 / (256 + 128))),
    ],
)
def test_normal_numbers_have_the_mean_deviation_and_tails_of_their_source(
    initializer: Initializer, deviation: float
) -> None:
    # A library passed the mean as the scale, and its test asserted only that the weights had changed.
    x = initializer(Key(4), FANS, FANS).astype(np.float64) / deviation
    assert abs(x.mean()) < 5 / sqrt(SAMPLES)
    assert abs((x**2).mean() - 1) < 5 * sqrt(2 / SAMPLES)
    assert abs((x**4).mean() - 3) < 5 * sqrt(96 / SAMPLES)
    assert 3.5 < np.abs(x).max() < 6


def test_constants_are_what_they_say() -> None:
    assert made.constant(-0.5)(Key(0), (2,), (1, 2)).tolist() == [-0.5, -0.5]
    assert made.zeros()(Key(0), (2,), (1, 2)).tolist() == [0, 0]


@pytest.mark.parametrize(
    "make", [lambda a: made.kaiming_uniform(a=a), lambda a: made.kaiming_normal(a=a), made.constant, made.uniform]
)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "1"], ids=repr)
def test_options_that_are_no_finite_number_are_refused(make: Callable[[Any], Initializer], value: Any) -> None:
    with pytest.raises(OptionError, match="finite"):
        make(value)


@pytest.mark.parametrize("bound", [0, -1.0])
def test_a_uniform_bound_must_be_positive(bound: float) -> None:
    with pytest.raises(OptionError, match="above 0"):
        made.uniform(bound)


def test_the_initial_weights_of_a_key_are_pinned() -> None:
    # NumPy promises a stream for one build only: where this fails after an upgrade, say so in the changelog.
    weight = made.kaiming_uniform(a=sqrt(5))(Key(0), (784, 512), (784, 512))
    assert weight.flat[:3].tolist() == PINNED


PINNED = [-0.03470949828624725, -0.017302339896559715, -0.002031044103205204]
