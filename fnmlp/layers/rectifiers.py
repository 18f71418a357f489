"""Piecewise linear activations: relu and its kin. At kinks they follow torch's convention."""

from collections.abc import Callable
from functools import partial
from math import prod

from attrs import frozen

from fnmlp.arrays import Array, Shape, namespace, read_only, same_dtype, sum_rows, to_dtype
from fnmlp.checks import as_bool
from fnmlp.expressions import expression
from fnmlp.initializers import constant
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback, input_pullback, no_parameters
from fnmlp.layers.checks import check_example, check_record, fits, misfit, wrong_dtype
from fnmlp.layers.pointwise import elementwise
from fnmlp.rows import stacked
from fnmlp.rules import on_numbers
from fnmlp.scalars import as_finite, as_fraction

__all__ = ["Prelu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "prelu", "relu", "relu6"]


def relu() -> Layer[tuple[()]]:
    """Set negative numbers to 0: max(x, 0).

    Shapes:   any; kept.
    Gradient: the pullback passes dy where x > 0 and returns 0 elsewhere, at 0 and -0.0 too, as in torch. It multiplies
              by 0 or 1, so an infinite dy becomes NaN where x <= 0.
    Source:   Nair & Hinton 2010.

    >>> import numpy as np
    >>> relu().apply((), np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return Layer("relu()", no_parameters, _relu_apply, _relu_vjp, pointwise=True)


@on_numbers
def _relu_apply(params: tuple[()], x: Array) -> Array:
    return namespace(x).maximum(x, 0)


@on_numbers
def _relu_vjp(params: tuple[()], x: Array, key: Key | None) -> tuple[Array, Pullback[tuple[()]]]:
    y = read_only(_relu_apply(params, x))
    return y, input_pullback(partial(_relu_pull, y))


@on_numbers
def _relu_pull(y: Array, dy: Array) -> Array:
    # A product, because where() takes seven times as long.
    dx = to_dtype(y > 0, dy.dtype)
    dx *= dy
    return dx


def leaky_relu(*, slope: float = 0.01) -> Layer[tuple[()]]:
    """Scale negative numbers by a small slope: max(x, slope · x).

    Shapes:   any; kept.
    Gradient: the pullback multiplies dy by 1 above 0, and by the slope elsewhere, at 0 too, as in torch.
    Raises:   OptionError unless 0 <= slope < 1.
    Source:   Maas, Hannun & Ng 2013, "Rectifier nonlinearities improve neural network acoustic models", eq. 2.

    >>> import numpy as np
    >>> leaky_relu(slope=0.25).apply((), np.array([-4.0, 2.0]))
    array([-1.,  2.])
    """
    slope = as_fraction("leaky_relu(slope)", slope)
    name = expression("leaky_relu", (), {} if slope == 0.01 else {"slope": slope})
    return elementwise(partial(_leaky_relu, slope), partial(_leaky_relu_slope, slope), name=name)


def _leaky_relu(slope: float, x: Array) -> Array:
    return namespace(x).maximum(x, x * slope)


def _leaky_relu_slope(slope: float, x: Array) -> Array:
    # 1 or 0 becomes 1 or the slope; where() takes many times as long.
    return namespace(x).maximum(to_dtype(x > 0, x.dtype), slope)


@frozen(eq=False)
class Prelu:
    """The parameter of `prelu()`: the slope below 0, (1,) for all features or (n,) with one for each."""

    slope: Array


def prelu(*, per_feature: bool = False, initial: float = 0.25) -> Layer[Prelu]:
    """Scale negative numbers by a slope that is learned: x above 0, slope · x below.

    Exclude the slope from weight decay, which would draw the layer towards `relu`.
    Shapes:   any, kept; with `per_feature` (batch, n) -> (batch, n). Parameters: slope (1,), or (n,) with
              `per_feature`; initially `initial`.
    Gradient: the sum of dy · min(x, 0) for the slope. For x, dy times 1 above 0, and times the slope elsewhere, at 0
              too, as in torch.
    Raises:   OptionError unless `initial` is finite and `per_feature` is True or False; ShapeError at init for
              `per_feature` unless an example has one axis.
    Source:   He et al. 2015, arXiv:1502.01852, eq. 1 and 3.

    >>> import numpy as np
    >>> prelu().apply(Prelu(np.array([0.25])), np.array([[-4.0, 2.0]]))
    array([[-1.,  2.]])
    """
    per_feature = as_bool("prelu(per_feature)", per_feature)
    options: dict[str, object] = {"per_feature": True} if per_feature else {}
    initial = as_finite("prelu(initial)", initial)
    name = expression("prelu", (), options if initial == 0.25 else {**options, "initial": initial})
    return Layer(name, partial(_prelu_init, name, per_feature, initial), _prelu_apply, _prelu_vjp, rows=_prelu_rows)


def _prelu_init(where: str, per_feature: bool, initial: float, key: Key, shape: Shape) -> tuple[Prelu, Shape]:
    if per_feature:
        check_example(where, shape)
    return Prelu(constant(initial)(key, shape if per_feature else (1,), (1, 1))), shape


@on_numbers
def _prelu_apply(params: Prelu, x: Array) -> Array:
    check_record("prelu", Prelu, params)
    slope = params.slope
    if slope.shape == (1,) and not same_dtype(x, slope):
        raise wrong_dtype("prelu", x, slope)
    if slope.shape != (1,) and not fits(x, slope):
        raise misfit("prelu", x, slope)
    xp = namespace(x)
    return xp.maximum(x, 0) + xp.minimum(x, 0) * slope


def _prelu_vjp(params: Prelu, x: Array, key: Key | None) -> tuple[Array, Pullback[Prelu]]:
    return _prelu_apply(params, x), partial(_prelu_pull, params, x)


@on_numbers
def _prelu_pull(params: Prelu, x: Array, dy: Array) -> tuple[Prelu, Callable[[], Array]]:
    return Prelu(sum_rows(_given(params, x, dy))), partial(_prelu_dx, params, x, dy)


def _given(params: Prelu, x: Array, dy: Array) -> Array:
    """Return each row's gradient of the slope: (batch, 1), or (batch, n) with a slope per feature."""
    xp = namespace(dy)
    given: Array = dy * xp.minimum(x, 0)
    if params.slope.shape != (1,):
        return given
    flat = xp.reshape(given, (x.shape[0], prod(x.shape[1:])))
    return xp.sum(flat, axis=1, keepdims=True)


def _prelu_rows(params: Prelu, x: Array, dy: Array) -> Prelu:
    return Prelu(stacked(_given(params, x, dy), params.slope.shape))


@on_numbers
def _prelu_dx(params: Prelu, x: Array, dy: Array) -> Array:
    above = to_dtype(x > 0, dy.dtype)
    return dy * (above + (1 - above) * params.slope)


def hardtanh() -> Layer[tuple[()]]:
    """Clip to [-1, 1].

    Shapes:   any; kept.
    Gradient: the pullback passes dy where -1 < x < 1 and returns 0 elsewhere, at -1 and 1 too, as in torch.
    Source:   Collobert & Bengio 2004; torch.nn.Hardtanh.

    >>> import numpy as np
    >>> hardtanh().apply((), np.array([-4.0, 0.5, 2.0]))
    array([-1. ,  0.5,  1. ])
    """
    return elementwise(partial(_clip, -1, 1), partial(_clip_slope, -1, 1), name="hardtanh()")


def relu6() -> Layer[tuple[()]]:
    """Clip to [0, 6]: `relu` with an upper limit.

    Shapes:   any; kept.
    Gradient: the pullback passes dy where 0 < x < 6 and returns 0 elsewhere, at 0 and 6 too, as in torch.
    Source:   Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10"; torch.nn.ReLU6.

    >>> import numpy as np
    >>> relu6().apply((), np.array([-4.0, 0.5, 8.0]))
    array([0. , 0.5, 6. ])
    """
    return elementwise(partial(_clip, 0, 6), partial(_clip_slope, 0, 6), name="relu6()")


def _clip(least: int, most: int, x: Array) -> Array:
    xp = namespace(x)
    return xp.minimum(xp.maximum(x, least), most)


def _clip_slope(least: int, most: int, x: Array) -> Array:
    return to_dtype((x > least) & (x < most), x.dtype)


def hardsigmoid() -> Layer[tuple[()]]:
    """Approximate `sigmoid` by straight lines: clip(x + 3, 0, 6) / 6.

    Shapes:   any; kept.
    Gradient: the pullback multiplies dy by 1/6 where -3 < x < 3 and by 0 elsewhere, at -3 and 3 too, as in torch.
    Source:   Howard et al. 2019, arXiv:1905.02244, section 5.2; torch.nn.Hardsigmoid. Other libraries use other slopes.

    >>> import numpy as np
    >>> hardsigmoid().apply((), np.array([-4.0, 0.0, 1.5, 4.0]))
    array([0.  , 0.5 , 0.75, 1.  ])
    """
    return elementwise(_hardsigmoid, _hardsigmoid_slope, name="hardsigmoid()")


def _hardsigmoid(x: Array) -> Array:
    return (_clip(-3, 3, x) + 3) / 6


def _hardsigmoid_slope(x: Array) -> Array:
    return _clip_slope(-3, 3, x) / 6


def hardswish() -> Layer[tuple[()]]:
    """Approximate `silu` without an exponential: x clip(x + 3, 0, 6) / 6.

    Shapes:   any; kept.
    Gradient: the pullback multiplies dy by 0 up to -3, by 1 from 3 on, and by (2x + 3) / 6 in between, as in torch.
    Source:   Howard et al. 2019, arXiv:1905.02244, section 5.2.

    >>> import numpy as np
    >>> hardswish().apply((), np.array([-4.0, 1.5, 4.0]))
    array([-0.   ,  1.125,  4.   ])
    """
    return elementwise(_hardswish, _hardswish_slope, name="hardswish()")


def _hardswish(x: Array) -> Array:
    xp = namespace(x)
    above = xp.maximum(x, -3)  # so that -inf becomes 0 too
    return above * (xp.minimum(above + 3, 6) / 6)


def _hardswish_slope(x: Array) -> Array:
    xp = namespace(x)
    between = to_dtype((x > -3) & (x < 3), x.dtype)
    return between * ((2 * xp.minimum(xp.maximum(x, -3), 3) + 3) / 6) + to_dtype(x >= 3, x.dtype)
