"""Activations in straight pieces: relu and its kin. What they do at their kinks is torch's convention."""

from functools import partial

from fnmlp.arrays import Array, namespace, read_only, to_dtype
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback, expression, input_pullback, no_parameters
from fnmlp.layers.pointwise import elementwise
from fnmlp.options import fraction


def relu() -> Layer[tuple[()]]:
    """Rectify: max(x, 0).

    Shapes:   any; kept.
    Gradient: the pullback passes dy where x > 0 and stops it elsewhere, at 0 and -0.0 too, as torch does. It is a
              product with 0 or 1, so that an infinite dy becomes NaN where x <= 0.
    Source:   Nair & Hinton 2010.

    >>> import numpy as np
    >>> relu().apply((), np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return Layer("relu()", no_parameters, _relu_apply, relu_vjp)


def _relu_apply(params: tuple[()], x: Array) -> Array:  # noqa: ARG001 (no parameters)
    y: Array = namespace(x).maximum(x, 0)
    return y


def relu_vjp(params: tuple[()], x: Array, key: Key | None) -> tuple[Array, Pullback[tuple[()]]]:  # noqa: ARG001
    """Be the `vjp` of `relu`."""
    y = read_only(_relu_apply(params, x))
    return y, input_pullback(partial(_relu_pull, y))


def _relu_pull(y: Array, dy: Array) -> Array:
    # A product, because where() takes seven times as long.
    dx = to_dtype(y > 0, dy.dtype)
    dx *= dy
    return dx


def leaky_relu(*, slope: float = 0.01) -> Layer[tuple[()]]:
    """Rectify, but let a little through below 0: max(x, slope · x).

    Shapes:   any; kept.
    Gradient: the pullback multiplies dy by 1 above 0, and by the slope elsewhere, at 0 too, as torch does.
    Raises:   OptionError unless 0 <= slope < 1.
    Source:   Maas, Hannun & Ng 2013, "Rectifier nonlinearities improve neural network acoustic models", eq. 2.

    >>> import numpy as np
    >>> leaky_relu(slope=0.25).apply((), np.array([-4.0, 2.0]))
    array([-1.,  2.])
    """
    slope = fraction("leaky_relu(slope)", slope)
    name = expression("leaky_relu", (), {} if slope == 0.01 else {"slope": slope})
    return elementwise(partial(_leaky_relu, slope), partial(_leaky_relu_slope, slope), name=name)


def _leaky_relu(slope: float, x: Array) -> Array:
    y: Array = namespace(x).maximum(x, x * slope)
    return y


def _leaky_relu_slope(slope: float, x: Array) -> Array:
    # 1 or 0 becomes 1 or the slope; where() takes many times as long.
    result: Array = namespace(x).maximum(to_dtype(x > 0, x.dtype), slope)
    return result


def hardtanh() -> Layer[tuple[()]]:
    """Clip to [-1, 1].

    Shapes:   any; kept.
    Gradient: the pullback passes dy where -1 < x < 1 and stops it elsewhere, at -1 and 1 too, as torch does.
    Source:   Collobert & Bengio 2004; torch.nn.Hardtanh.

    >>> import numpy as np
    >>> hardtanh().apply((), np.array([-4.0, 0.5, 2.0]))
    array([-1. ,  0.5,  1. ])
    """
    return elementwise(_hardtanh, _hardtanh_slope, name="hardtanh()")


def _hardtanh(x: Array) -> Array:
    xp = namespace(x)
    y: Array = xp.minimum(xp.maximum(x, -1), 1)
    return y


def _hardtanh_slope(x: Array) -> Array:
    return to_dtype((x > -1) & (x < 1), x.dtype)


def hardswish() -> Layer[tuple[()]]:
    """Gate by straight pieces: x clip(x + 3, 0, 6) / 6, which is near `silu` and needs no exponential.

    Shapes:   any; kept.
    Gradient: the pullback multiplies dy by 0 up to -3, by 1 from 3 on, and by (2x + 3) / 6 in between, as torch does.
    Source:   Howard et al. 2019, arXiv:1905.02244, section 5.2.

    >>> import numpy as np
    >>> hardswish().apply((), np.array([-4.0, 1.5, 4.0]))
    array([-0.   ,  1.125,  4.   ])
    """
    return elementwise(_hardswish, _hardswish_slope, name="hardswish()")


def _hardswish(x: Array) -> Array:
    xp = namespace(x)
    above = xp.maximum(x, -3)  # of -inf too the gate makes 0
    y: Array = above * (xp.minimum(above + 3, 6) / 6)
    return y


def _hardswish_slope(x: Array) -> Array:
    xp = namespace(x)
    between = to_dtype((x > -3) & (x < 3), x.dtype)
    slope: Array = between * ((2 * xp.minimum(xp.maximum(x, -3), 3) + 3) / 6) + to_dtype(x >= 3, x.dtype)
    return slope
