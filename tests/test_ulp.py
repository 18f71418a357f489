"""Activations within 4 units in the last place, derivatives within 8, tails included; softmax and log_softmax in 16."""

import mpmath
import numpy as np
from numpy.typing import NDArray
import pytest

from fnmlp import expressions
from fnmlp.layers import log_softmax, softmax
from tests.catalogue import CURVES
from tests.ulp.measure import errors, worst
from tests.ulp.references import REFERENCES

STRIDE = 1031
"""A prime, so that all low bits of the numbers occur; `python -m tests.ulp` takes every number."""


@pytest.mark.parametrize("text", REFERENCES)
def test_an_activation_is_within_4_ulp_and_its_derivative_within_8(text: str) -> None:
    value, slope = worst(expressions.build(text), REFERENCES[text], stride=STRIDE)
    assert value.ulp <= 4, f"{text} at {value.x!r}"
    assert slope.ulp <= 8, f"the derivative of {text} at {slope.x!r}"


def test_every_reference_is_of_an_activation_that_has_a_curve() -> None:
    # tests/test_oracles.py measures those without a reference at some points.
    assert {*REFERENCES} <= {*CURVES}
    assert {"gelu()", "silu()", "sigmoid()", "tanh()", "softplus()", "mish()"} <= {*REFERENCES}


@pytest.fixture(scope="module")
def million_rows() -> NDArray[np.float32]:
    random = np.random.default_rng(0)
    return (random.normal(size=(10**6, 10)) * 10 ** random.uniform(-3, 2, size=(10**6, 1))).astype(np.float32)


def test_softmax_is_within_16_ulp_over_a_million_rows(million_rows: NDArray[np.float32]) -> None:
    x = million_rows
    exact = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
    exact /= exact.sum(axis=1, keepdims=True)
    with np.errstate(under="ignore"):
        assert errors(softmax().apply((), x).ravel(), exact.ravel()).max() <= 16


def test_log_softmax_is_within_16_ulp_over_a_million_rows(million_rows: NDArray[np.float32]) -> None:
    # The log of the largest share is log1p(-others); that of another share is lower by the difference in x.
    x = million_rows
    exact = x.astype(np.float64) - x.max(axis=1, keepdims=True)
    shares = np.exp(exact)
    shares /= shares.sum(axis=1, keepdims=True)
    np.put_along_axis(shares, x.argmax(axis=1)[:, None], 0, axis=1)
    exact += np.log1p(-shares.sum(axis=1, keepdims=True))
    assert errors(log_softmax().apply((), x).ravel(), exact.ravel()).max() <= 16


@pytest.mark.parametrize("row", [[0.0, 1.0, 2.0], [-80.0, 0.0, 3.5], [1e-8, -1e-8, 0.0], [30.0, 29.0, -30.0]])
def test_softmax_agrees_with_fifty_digits(row: list[float]) -> None:
    with mpmath.workdps(50):
        powers = [mpmath.exp(number) for number in row]
        exact = np.array([float(power / mpmath.fsum(powers)) for power in powers])
    found = softmax().apply((), np.array([row]))[0]
    assert np.abs(found / exact - 1).max() <= 4 * np.finfo(np.float64).eps
