"""Activations within 4 units in the last place, derivatives within 8, tails included; softmax within 16."""

import mpmath
import numpy as np
import pytest

from fnmlp import layers, models
from fnmlp.layers import softmax
from tests.ulp.measure import errors, worst
from tests.ulp.references import REFERENCES

STRIDE = 64


@pytest.mark.parametrize("text", REFERENCES)
def test_an_activation_is_within_4_ulp_and_its_derivative_within_8(text: str) -> None:
    value, slope = worst(models.build(text), REFERENCES[text], stride=STRIDE)
    assert value.ulp <= 4, f"{text} at {value.x!r}"
    assert slope.ulp <= 8, f"the derivative of {text} at {slope.x!r}"


def test_every_activation_has_a_reference() -> None:
    # softmax and log_softmax are measured by rows; elementwise and maxout have no function of their own.
    others = {"linear", "flatten", "scale", "softmax", "log_softmax", "elementwise", "maxout", "dropout"}
    others |= {"gaussian_noise", "layer_norm", "rms_norm", "embedding"}
    names = {name for name, made in models.constructors().items() if made.__module__.startswith(layers.__name__)}
    assert {text.split("(")[0] for text in REFERENCES} == names - others


def test_softmax_is_within_16_ulp_over_a_million_rows() -> None:
    random = np.random.default_rng(0)
    x = (random.normal(size=(10**6, 10)) * 10 ** random.uniform(-3, 2, size=(10**6, 1))).astype(np.float32)
    exact = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
    exact /= exact.sum(axis=1, keepdims=True)
    with np.errstate(under="ignore"):
        assert errors(softmax().apply((), x).ravel(), exact.ravel()).max() <= 16


@pytest.mark.parametrize("row", [[0.0, 1.0, 2.0], [-80.0, 0.0, 3.5], [1e-8, -1e-8, 0.0], [30.0, 29.0, -30.0]])
def test_softmax_agrees_with_fifty_digits(row: list[float]) -> None:
    with mpmath.workdps(50):
        powers = [mpmath.exp(number) for number in row]
        exact = np.array([float(power / mpmath.fsum(powers)) for power in powers])
    found = softmax().apply((), np.array([row]))[0]
    assert np.abs(found / exact - 1).max() <= 4 * np.finfo(np.float64).eps
