"""Special functions that stay accurate in the tails, written in operators and array-API functions only.

|x| is written `maximum(x, -x)`. NumPy orders complex numbers by their real parts, so these functions stay analytic, and
a complex step can differentiate them.
"""

from collections.abc import Callable
from functools import partial
from math import pi, sqrt

import numpy as np

from fnmlp.arrays import Array, namespace, narrow, to_dtype, widen

BLOCK = 8192
"""The number of float64s in a block: 64 KiB. From 128 KiB on the allocator maps fresh pages."""

CENTRE = 3.75
"""The constant of x -> (x - 3.75) / (x + 3.75), which maps x >= 0 to [-1, 1)."""

RATIO = (
    5.392807753354833e-09,
    3.0323623376712937e-08,
    -2.254634702767312e-09,
    -2.575140817700576e-07,
    -2.5581266539623046e-08,
    1.7597132126857644e-06,
    -9.956502040010542e-07,
    -1.1453138351263368e-05,
    2.2393702901745032e-05,
    5.165379166049963e-05,
    -0.0002901566411301495,
    0.0002937122660162288,
    0.0017556262883106747,
    -0.009746579312515304,
    0.028362277374061027,
    -0.05869339861394963,
    0.09230432116297194,
    -0.10880393014053827,
    0.08227673849007397,
    0.0035854154854412144,
    -0.14024059858554636,
    1.2375126308378277,
)
"""The polynomial of (1 + 2 x) exp(x²) erfc(x) in that map, highest power first: the Chebyshev interpolation of 22
terms over 0 <= x <= 28, computed with 60 digits; its error is at most 9e-17."""

SPLITTER = 2.0**27 + 1
"""Cuts a float64 into two halves of 26 bits, whose products are exact (Veltkamp 1968, Dekker 1971)."""


def in_float64(function: Callable[[Array], Array], x: Array) -> Array:
    """Apply a function in float64; float32 numbers give float32 results, rounded once.

    >>> in_float64(np.expm1, np.array([1e-7], np.float32))
    array([1.0000001e-07], dtype=float32)
    """
    return each_in_float64(partial(_alone, function), x)[0]


def each_in_float64(function: Callable[[Array], tuple[Array, ...]], x: Array) -> tuple[Array, ...]:
    """Apply a function with several results in float64, as `in_float64` does.

    Large NumPy arrays are processed in blocks, because temporaries beyond the cache cost several times the arithmetic.

    >>> each_in_float64(lambda x: (np.cos(x), np.sin(x)), np.array([0.0], np.float32))
    (array([1.], dtype=float32), array([0.], dtype=float32))
    """
    if isinstance(x, np.ndarray) and x.size > BLOCK:
        flat = x.reshape(-1)
        blocks = [each_in_float64(function, flat[start : start + BLOCK]) for start in range(0, x.size, BLOCK)]
        return tuple(np.concatenate(parts).reshape(x.shape) for parts in zip(*blocks, strict=True))
    wide = widen(x)
    return tuple(narrow(y, wide, x) for y in function(wide))


def _alone(function: Callable[[Array], Array], x: Array) -> tuple[Array]:
    return (function(x),)


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), computed from exp(-|x|), which neither overflows nor loses the tail.

    >>> sigmoid(np.array([-800.0, -100.0, 0.0, 100.0]))
    array([0.00000000e+00, 3.72007598e-44, 5.00000000e-01, 1.00000000e+00])
    """
    xp = namespace(x)
    tail = xp.exp(xp.minimum(x, -x))
    return _until_1(x, tail) / (1 + tail)


def _until_1(x: Array, tail: Array) -> Array:
    """Return exp(min(x, 0)); for NumPy from exp(-|x|), which spares it a second exponential.

    Other libraries differentiate it. Of the maximum of two numbers that are equal at x = 0, and meet there at an angle,
    they would find a wrong derivative.
    """
    xp = namespace(x)
    return xp.maximum(tail, to_dtype(x >= 0, x.dtype)) if isinstance(x, np.ndarray) else xp.exp(xp.minimum(x, 0))


def sigmoid_slope(x: Array) -> Array:
    """Return the derivative of sigmoid, σ(x) σ(-x); written y (1 - y) it would lose the tail.

    >>> sigmoid_slope(np.array([-100.0, 0.0, 100.0]))
    array([3.72007598e-44, 2.50000000e-01, 3.72007598e-44])
    """
    xp = namespace(x)
    tail = xp.exp(xp.minimum(x, -x))
    return tail / ((1 + tail) * (1 + tail))


def softplus(x: Array) -> Array:
    """Return log(1 + exp(x)) without overflow: max(x, 0) + log(1 + exp(-|x|)).

    >>> softplus(np.array([-100.0, 0.0, 1000.0]))
    array([3.72007598e-44, 6.93147181e-01, 1.00000000e+03])
    """
    xp = namespace(x)
    return xp.maximum(x, 0) + xp.log1p(xp.exp(xp.minimum(x, -x)))


def normal_tail(x: Array) -> Array:
    """Return the probability that a normally distributed number exceeds x, for float64 numbers x >= 0.

    >>> normal_tail(np.array([0.0, 1.0, 37.0]))
    array([5.00000000e-001, 1.58655254e-001, 5.72557122e-300])
    """
    return _scaled_erfc(x * sqrt(0.5)) * (0.5 * _gaussian(x))


def normal_density(x: Array) -> Array:
    """Return the density of the normal distribution, exp(-x²/2) / √(2π), for float64 numbers.

    >>> normal_density(np.array([0.0, 1.0, 37.0]))
    array([3.98942280e-001, 2.41970725e-001, 2.12000655e-298])
    """
    return _gaussian(x) * (1 / sqrt(2 * pi))


def _scaled_erfc(x: Array) -> Array:
    """Return exp(x²) erfc(x) for x >= 0."""
    mapped = (x - CENTRE) / (x + CENTRE)
    ratio: Array = mapped * RATIO[0]
    for coefficient in RATIO[1:-1]:
        ratio += coefficient
        ratio *= mapped
    ratio += RATIO[-1]
    ratio /= 1 + 2 * x
    return ratio


def _gaussian(x: Array) -> Array:
    """Return exp(-x²/2), from the exact square of the upper half of x and the rest."""
    xp = namespace(x)
    upper = x * SPLITTER
    upper = upper - (upper - x)
    return xp.exp(upper * upper * -0.5) * xp.exp((upper - x) * (upper + x) * 0.5)
