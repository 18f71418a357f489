"""Smooth activations: each a constructor, its function and its derivative, in that order."""

from functools import partial

from fnmlp.arrays import Array, namespace, to_dtype
from fnmlp.expressions import expression
from fnmlp.layer import Layer
from fnmlp.layers import special
from fnmlp.layers.pointwise import elementwise
from fnmlp.scalars import as_positive

__all__ = ["celu", "elu", "exponential", "selu", "sigmoid", "smooth_clip", "softplus", "softsign", "tanh"]

FARTHEST = 750.0
"""Below minus this, exp is 0 in float64."""

SMALLEST = 2.0**-126
"""The smallest normal number of float32, in which JAX computes unless it has float64."""

SELU_ALPHA = 1.6732632423543772
"""The first constant of `selu`, to the precision of a float."""

SELU_SCALE = 1.0507009873554805
"""The second."""


def sigmoid() -> Layer[tuple[()]]:
    """Squash into (0, 1): σ(x) = 1 / (1 + exp(-x)).

    Shapes:   any; kept.
    Gradient: the pullback multiplies dy by σ(x) σ(-x), which keeps the tail that y (1 - y) rounds to 0.
    Source:   Cox 1958.

    >>> import numpy as np
    >>> sigmoid().apply((), np.array([-100.0, 0.0]))
    array([3.72007598e-44, 5.00000000e-01])
    """
    return elementwise(special.sigmoid, special.sigmoid_slope, name="sigmoid()")


def tanh() -> Layer[tuple[()]]:
    """Squash into (-1, 1) by the hyperbolic tangent.

    Shapes:   any; kept.
    Gradient: the pullback multiplies dy by 4 σ(2x) σ(-2x), which keeps the tail that 1 - y² rounds to 0.
    Source:   LeCun et al. 1998, "Efficient backprop", section 4.4.

    >>> import numpy as np
    >>> tanh().apply((), np.array([0.0, 1.0]))
    array([0.        , 0.76159416])
    """
    return elementwise(_tanh, _tanh_slope, name="tanh()")


def _tanh(x: Array) -> Array:
    return namespace(x).tanh(x)


def _tanh_slope(x: Array) -> Array:
    return special.in_float64(_squared_secant, x)


def _squared_secant(x: Array) -> Array:
    xp = namespace(x)
    tail = xp.exp(xp.minimum(x, -x))
    secant: Array = 2 * tail / (1 + tail * tail)
    return secant * secant


def softplus() -> Layer[tuple[()]]:
    """Approximate `relu` smoothly: log(1 + exp(x)).

    Shapes:   any; kept.
    Gradient: the pullback multiplies dy by σ(x). Neither overflows for any x.
    Source:   Dugas et al. 2001, "Incorporating second-order functional knowledge for better option pricing".

    >>> import numpy as np
    >>> softplus().apply((), np.array([0.0, 1000.0]))
    array([6.93147181e-01, 1.00000000e+03])
    """
    return elementwise(special.softplus, special.sigmoid, name="softplus()")


def elu(*, alpha: float = 1.0) -> Layer[tuple[()]]:
    """Pass x above 0, and approach -alpha exponentially below: alpha (exp(x) - 1).

    Shapes:   any; kept.
    Units:    alpha has units of y.
    Gradient: the pullback multiplies dy by 1 above 0, and by alpha exp(x) elsewhere. At 0 that is alpha, as in torch.
    Raises:   OptionError unless alpha is finite and above 0.
    Source:   Clevert, Unterthiner & Hochreiter 2016, arXiv:1511.07289, eq. 15.

    >>> import numpy as np
    >>> elu().apply((), np.array([-100.0, 2.0]))
    array([-1.,  2.])
    """
    alpha = as_positive("elu(alpha)", alpha)
    name = expression("elu", (), {} if alpha == 1 else {"alpha": alpha})
    return elementwise(partial(_elu, alpha, 1.0), partial(_elu_slope, alpha, 1.0), name=name)


def _elu(alpha: float, scale: float, x: Array) -> Array:
    return special.in_float64(partial(_wide_elu, alpha, scale), x)


def _elu_slope(alpha: float, scale: float, x: Array) -> Array:
    return special.in_float64(partial(_wide_elu_slope, alpha, scale), x)


def _wide_elu(alpha: float, scale: float, x: Array) -> Array:
    xp = namespace(x)
    return xp.maximum(x, 0) * scale + xp.expm1(xp.minimum(x, 0)) * (alpha * scale)


def _wide_elu_slope(alpha: float, scale: float, x: Array) -> Array:
    xp = namespace(x)
    above = to_dtype(x > 0, x.dtype)
    return above * scale + (1 - above) * xp.exp(xp.minimum(x, 0)) * (alpha * scale)


def celu(*, alpha: float = 1.0) -> Layer[tuple[()]]:
    """Pass x above 0, and approach -alpha below without a kink at 0: alpha (exp(x / alpha) - 1).

    Shapes:   any; kept.
    Units:    alpha has units of x, and of y.
    Gradient: the pullback multiplies dy by 1 above 0, and by exp(x / alpha) below.
    Raises:   OptionError unless alpha is finite and above 0.
    Source:   Barron 2017, arXiv:1704.07483, eq. 2.

    >>> import numpy as np
    >>> celu(alpha=2.0).apply((), np.array([-100.0, 2.0]))
    array([-2.,  2.])
    """
    alpha = as_positive("celu(alpha)", alpha)
    name = expression("celu", (), {} if alpha == 1 else {"alpha": alpha})
    return elementwise(partial(_celu, alpha), partial(_celu_slope, alpha), name=name)


def _celu(alpha: float, x: Array) -> Array:
    return special.in_float64(partial(_wide_celu, alpha), x)


def _celu_slope(alpha: float, x: Array) -> Array:
    return special.in_float64(partial(_wide_celu_slope, alpha), x)


def _wide_celu(alpha: float, x: Array) -> Array:
    xp = namespace(x)
    return xp.maximum(x, 0) + xp.expm1(_in_alphas(alpha, x)) * alpha


def _wide_celu_slope(alpha: float, x: Array) -> Array:
    return namespace(x).exp(_in_alphas(alpha, x))


def _in_alphas(alpha: float, x: Array) -> Array:
    """Return min(x, 0) / alpha, clipped where its exponential is 0, so that a small alpha does not overflow."""
    xp = namespace(x)
    alpha = max(alpha, SMALLEST) if x.dtype == xp.float32 else alpha
    return xp.maximum(xp.minimum(x, 0), -alpha * FARTHEST) / alpha


def exponential() -> Layer[tuple[()]]:
    """Map logarithms to the positive numbers that they stand for: exp(x).

    Put it after a model that was trained with `poisson_nll`, to predict rates.
    Shapes:   any; kept.
    Gradient: the pullback multiplies dy by exp(x).
    Source:   keras.activations.exponential.

    >>> import numpy as np
    >>> exponential().apply((), np.array([-np.inf, 0.0, 1.0]))
    array([0.        , 1.        , 2.71828183])
    """
    return elementwise(_exponential, _exponential, name="exponential()")


def _exponential(x: Array) -> Array:
    return namespace(x).exp(x)


def selu() -> Layer[tuple[()]]:
    """Apply a scaled `elu` that draws activations towards mean 0 and variance 1.

    Shapes:   any; kept.
    Gradient: the pullback multiplies dy by 1.0507… above 0, and by 1.7581… exp(x) elsewhere, at 0 too, as in torch.
    Source:   Klambauer et al. 2017, arXiv:1706.02515, eq. 2. Initialize weights with a standard deviation of 1/√fan_in.

    >>> import numpy as np
    >>> selu().apply((), np.array([-100.0, 1.0]))
    array([-1.75809934,  1.05070099])
    """
    options = SELU_ALPHA, SELU_SCALE
    return elementwise(partial(_elu, *options), partial(_elu_slope, *options), name="selu()")


def softsign() -> Layer[tuple[()]]:
    """Squash into (-1, 1): x / (1 + |x|), which approaches its limits far more slowly than `tanh`.

    Shapes:   any; kept.
    Gradient: the pullback multiplies dy by 1 / (1 + |x|)².
    Source:   Bergstra et al. 2009, "Quadratic polynomials learn better image features", section 2.

    >>> import numpy as np
    >>> softsign().apply((), np.array([-3.0, 0.0, np.inf]))
    array([-0.75,  0.  ,  1.  ])
    """
    return elementwise(_softsign, _softsign_slope, name="softsign()")


def _softsign(x: Array) -> Array:
    # Equal to x / (1 + |x|), but defined at infinity, and kinder to a complex step far out.
    xp = namespace(x)
    size = xp.maximum(x, -x)
    return xp.minimum(xp.maximum(x, -1), 1) * (1 - xp.minimum(size, 1) / (1 + size))


def _softsign_slope(x: Array) -> Array:
    share = 1 / (1 + namespace(x).maximum(x, -x))
    return share * share


def smooth_clip(*, limit: float = 3.0) -> Layer[tuple[()]]:
    """Squash into (-limit, limit), and hardly change numbers near 0: x / √(1 + (x / limit)²).

    After `rescale`, it keeps outliers and infinities from dominating.
    Shapes:   any; kept.
    Units:    limit has units of x, and of y.
    Gradient: the pullback multiplies dy by (1 + (x / limit)²)^(-3/2).
    Raises:   OptionError unless the limit is finite and above 0.
    Source:   Holzmüller et al. 2024, arXiv:2407.04491, section 3.

    >>> import numpy as np
    >>> smooth_clip().apply((), np.array([-np.inf, 0.0, 4.0]))
    array([-3. ,  0. ,  2.4])
    """
    limit = as_positive("smooth_clip(limit)", limit)
    name = expression("smooth_clip", (), {} if limit == 3 else {"limit": limit})
    return elementwise(partial(_smooth_clip, limit), partial(_smooth_clip_slope, limit), name=name)


def _smooth_clip(limit: float, x: Array) -> Array:
    return special.in_float64(partial(_wide_smooth_clip, limit), x)


def _smooth_clip_slope(limit: float, x: Array) -> Array:
    return special.in_float64(partial(_wide_smooth_clip_slope, limit), x)


def _wide_smooth_clip(limit: float, x: Array) -> Array:
    inside, _, hypotenuse = _triangle(limit, x)
    return inside / hypotenuse


def _wide_smooth_clip_slope(limit: float, x: Array) -> Array:
    _, of_limit, hypotenuse = _triangle(limit, x)
    cosine = of_limit / hypotenuse
    return cosine * cosine * cosine


def _triangle(limit: float, x: Array) -> tuple[Array, Array, Array]:
    """Return x within the limits, and two parts of a right triangle whose longer leg has length 1.

    Its legs are as |x| to the limit. The parts are the leg of the limit, and the hypotenuse. So nothing overflows, and
    infinity has a limit.
    """
    xp = namespace(x)
    inside = xp.minimum(xp.maximum(x, -limit), limit)
    of_x, of_limit = inside / limit, limit / xp.maximum(xp.maximum(x, -x), limit)
    return inside, of_limit, xp.sqrt(of_x * of_x + of_limit * of_limit)
