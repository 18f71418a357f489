"""Activations that multiply x by a smooth gate between 0 and 1: gelu, silu and mish.

The gates of gelu and silu are symmetric. Let t(a) be the tail of such a gate: its value at -a, and 1 minus its value at
a. Then x times the gate is max(x, 0) - |x| t(|x|). That needs no branch, and keeps all digits of the tail. The
derivative is q = t(|x|) - |x| d(|x|) below 0, and 1 - q above, where d = -t'.
"""

from collections.abc import Callable
from functools import partial
from math import pi, sqrt
from typing import TypeAlias

from fnmlp.arrays import Array, namespace, to_dtype
from fnmlp.checks import as_choice
from fnmlp.expressions import expression
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback, input_pullback, no_parameters
from fnmlp.layers import special
from fnmlp.layers.checks import check_floats
from fnmlp.rules import on_numbers

__all__ = ["gelu", "mish", "silu"]

Tail: TypeAlias = Callable[[Array], Array]
"""a -> t(a), where the gate is t at -a and 1 - t at a, for a >= 0 in float64."""

Density: TypeAlias = Callable[[Array, Array], Array]
"""(a, t(a)) -> -t'(a)."""

Value: TypeAlias = Callable[[Array], Array]
"""x -> y, in float64."""

Both: TypeAlias = Callable[[Array], tuple[Array, Array]]
"""x -> y and its derivative, in float64."""

FARTHEST = 750.0
"""Beyond it every tail is 0 in float64. An infinite |x| is clipped to it, because infinity times 0 is NaN."""

WIDE_OPEN, WIDE_OPEN_IN_FLOAT32 = 40.0, 20.0
"""From here on the gate of `mish` is 1 in float64, or float32; later the square of its exponentials would overflow."""


def gelu(*, approximate: str = "none") -> Layer[tuple[()]]:
    """Gate by the normal distribution: x Φ(x), or approximately x σ(√(8/π) (x + 0.044715 x³)) with "tanh".

    Φ is computed by erfc. The usual 1 + erf(x/√2) would make y 57 % wrong near -5. The approximation "tanh" is faster.
    Shapes:   any; kept.
    Gradient: the pullback multiplies dy by Φ(x) + x φ(x), or by the derivative of the approximation.
    Raises:   OptionError unless `approximate` is "none" or "tanh".
    Source:   Hendrycks & Gimpel 2016, arXiv:1606.08415, section 2.

    >>> import numpy as np
    >>> gelu().apply((), np.array([-5.0, 0.0, 5.0]))
    array([-1.43325786e-06,  0.00000000e+00,  4.99999857e+00])
    """
    approximate = as_choice("gelu(approximate)", approximate, ("none", "tanh"))
    if approximate == "none":
        return _gate("gelu()", special.normal_tail, _normal_density)
    return _gate(expression("gelu", (), {"approximate": approximate}), _cubic_tail, _cubic_density)


def silu() -> Layer[tuple[()]]:
    """Gate by the sigmoid: x σ(x), also called swish.

    Shapes:   any; kept.
    Gradient: the pullback multiplies dy by σ(x) (1 + x σ(-x)).
    Source:   Elfwing, Uchibe & Doya 2018, arXiv:1702.03118, eq. 11.

    >>> import numpy as np
    >>> silu().apply((), np.array([-100.0, 0.0, 100.0]))
    array([-3.72007598e-42,  0.00000000e+00,  1.00000000e+02])
    """
    return _gate("silu()", _logistic_tail, _logistic_density)


def mish() -> Layer[tuple[()]]:
    """Gate by the hyperbolic tangent of softplus: x tanh(log(1 + exp(x))).

    Shapes:   any; kept.
    Gradient: the pullback multiplies dy by g + x g', where the gate g is n / (n + 2) with n = exp(x) (exp(x) + 2).
    Source:   Misra 2019, arXiv:1908.08681, eq. 1.

    >>> import numpy as np
    >>> mish().apply((), np.array([-100.0, 0.0, 100.0]))
    array([-3.72007598e-42,  0.00000000e+00,  1.00000000e+02])
    """
    return _layer("mish()", _mish, _mish_with_slope)


def _normal_density(size: Array, tail: Array) -> Array:
    return special.normal_density(size)


def _cubic_tail(size: Array) -> Array:
    return _logistic_tail(size * (1 + 0.044715 * (size * size)) * sqrt(8 / pi))


def _cubic_density(size: Array, tail: Array) -> Array:
    return tail * (1 - tail) * ((1 + 3 * 0.044715 * (size * size)) * sqrt(8 / pi))


def _logistic_tail(size: Array) -> Array:
    exponential = namespace(size).exp(-size)
    return exponential / (1 + exponential)


def _logistic_density(size: Array, tail: Array) -> Array:
    return tail * (1 - tail)


def _gate(name: str, tail: Tail, density: Density) -> Layer[tuple[()]]:
    """Make the layer of a symmetric gate."""
    return _layer(name, partial(_gated, tail), partial(_gated_with_slope, tail, density))


def _layer(name: str, value: Value, both: Both) -> Layer[tuple[()]]:
    return Layer(name, no_parameters, partial(_gate_apply, value), partial(_gate_vjp, both), pointwise=True)


@on_numbers
def _gate_apply(value: Value, params: tuple[()], x: Array) -> Array:
    check_floats("activation", x)
    return special.in_float64(value, x)


@on_numbers
def _gate_vjp(
    both: Both,
    params: tuple[()],
    x: Array,
    key: Key | None,
) -> tuple[Array, Pullback[tuple[()]]]:
    check_floats("activation", x)
    # Both at once, because the gate is the costly part of both.
    y, slope = special.each_in_float64(both, x)
    return y, input_pullback(partial(_gate_pull, slope))


@on_numbers
def _gate_pull(slope: Array, dy: Array) -> Array:
    return slope * dy


def _gated(tail: Tail, x: Array) -> Array:
    size = _size(x)
    return namespace(x).maximum(x, 0) - size * tail(size)


def _gated_with_slope(tail: Tail, density: Density, x: Array) -> tuple[Array, Array]:
    size = _size(x)
    closed = tail(size)
    y = namespace(x).maximum(x, 0) - size * closed
    below = closed - size * density(size, closed)
    return y, below + to_dtype(x > 0, x.dtype) * (1 - 2 * below)


def _size(x: Array) -> Array:
    xp = namespace(x)
    return xp.minimum(xp.maximum(x, -x), FARTHEST)


def wide_silu(x: Array) -> Array:
    """Return x σ(x), for numbers in float64.

    >>> import numpy as np
    >>> wide_silu(np.array([-100.0, 0.0]))
    array([-3.72007598e-42,  0.00000000e+00])
    """
    return _gated(_logistic_tail, x)


def wide_silu_with_slope(x: Array) -> tuple[Array, Array]:
    """Return x σ(x) and its derivative, for numbers in float64.

    >>> import numpy as np
    >>> wide_silu_with_slope(np.array([0.0]))
    (array([0.]), array([0.5]))
    """
    return _gated_with_slope(_logistic_tail, _logistic_density, x)


def _mish(x: Array) -> Array:
    return _mish_with_slope(x)[0]


def _mish_with_slope(x: Array) -> tuple[Array, Array]:
    xp = namespace(x)
    above = xp.maximum(x, -FARTHEST)
    within = xp.minimum(above, WIDE_OPEN_IN_FLOAT32 if x.dtype == xp.float32 else WIDE_OPEN)
    exponential = xp.exp(within)
    shut = exponential * (exponential + 2)
    gate = shut / (shut + 2)
    steepness = 4 * exponential * (exponential + 1) / ((shut + 2) * (shut + 2))
    return above * gate, gate + within * steepness
