"""Layers that normalize the features of each example."""

from collections.abc import Callable
from functools import partial

from attrs import frozen

from fnmlp.arrays import Array, Shape, namespace, sum_rows
from fnmlp.expressions import expression
from fnmlp.initializers import constant
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback
from fnmlp.layers.checks import check_example, check_record, fits, misfit
from fnmlp.rows import stacked
from fnmlp.rules import on_numbers
from fnmlp.scalars import as_positive

__all__ = ["LayerNorm", "RmsNorm", "layer_norm", "rms_norm"]

EPSILON = 1e-5
"""The default number that is added to a variance, as in torch.nn.LayerNorm."""


@frozen(eq=False)
class LayerNorm:
    """The parameters of `layer_norm()`: gain (n,) and offset (n,)."""

    gain: Array
    offset: Array


@frozen(eq=False)
class RmsNorm:
    """The parameter of `rms_norm()`: gain (n,)."""

    gain: Array


def layer_norm(*, epsilon: float = EPSILON) -> Layer[LayerNorm]:
    """Centre and scale each example over its features, then stretch and shift.

    Shapes:   (batch, n) -> (batch, n). Parameters: gain (n,), initially 1; offset (n,), initially 0.
    Units:    epsilon is added to the variance, so it has units of x².
    Gradient: the pullback removes the mean and the x̂ component of dy · gain, and divides by the deviation.
    Raises:   OptionError unless epsilon is finite and above 0; ShapeError at init unless an example has one axis.
    Source:   Ba, Kiros & Hinton 2016, arXiv:1607.06450, eq. 4.

    >>> layer_norm().init(Key(0), (3,))[1]
    (3,)
    """
    epsilon = as_positive("layer_norm(epsilon)", epsilon)
    name = expression("layer_norm", (), {} if epsilon == EPSILON else {"epsilon": epsilon})
    init = partial(_layer_norm_init, name)
    apply, vjp = partial(_layer_norm_apply, epsilon), partial(_layer_norm_vjp, epsilon)
    return Layer(name, init, apply, vjp, rows=partial(_layer_norm_rows, epsilon))


def _layer_norm_init(where: str, key: Key, shape: Shape) -> tuple[LayerNorm, Shape]:
    check_example(where, shape)
    gain, offset = (constant(value)(key, shape, (1, 1)) for value in (1.0, 0.0))
    return LayerNorm(gain, offset), shape


@on_numbers
def _layer_norm_apply(epsilon: float, params: LayerNorm, x: Array) -> Array:
    normal, _ = _centred_and_scaled(epsilon, params, x)
    return normal * params.gain + params.offset


@on_numbers
def _layer_norm_vjp(
    epsilon: float,
    params: LayerNorm,
    x: Array,
    key: Key | None,
) -> tuple[Array, Pullback[LayerNorm]]:
    normal, deviation = _centred_and_scaled(epsilon, params, x)
    return normal * params.gain + params.offset, partial(_layer_norm_pull, params, normal, deviation)


@on_numbers
def _layer_norm_pull(
    params: LayerNorm, normal: Array, deviation: Array, dy: Array
) -> tuple[LayerNorm, Callable[[], Array]]:
    gradient = LayerNorm(sum_rows(dy * normal), sum_rows(dy))
    return gradient, partial(_layer_norm_dx, params, normal, deviation, dy)


@on_numbers
def _layer_norm_dx(params: LayerNorm, normal: Array, deviation: Array, dy: Array) -> Array:
    dx = dy * params.gain
    dx -= namespace(dy).mean(dx, axis=-1, keepdims=True)
    return _without_normal(dx, normal, deviation)


def _layer_norm_rows(epsilon: float, params: LayerNorm, x: Array, dy: Array) -> LayerNorm:
    normal, _ = _centred_and_scaled(epsilon, params, x)
    return LayerNorm(stacked(dy * normal, params.gain.shape), stacked(dy, params.offset.shape))


def _centred_and_scaled(epsilon: float, params: LayerNorm, x: Array) -> tuple[Array, Array]:
    check_record("layer_norm", LayerNorm, params)
    if not fits(x, params.gain):
        raise misfit("layer_norm", x, params.gain)
    return _scaled(epsilon, x - namespace(x).mean(x, axis=-1, keepdims=True))


def rms_norm(*, epsilon: float = EPSILON) -> Layer[RmsNorm]:
    """Divide each example by the root mean square of its features, then stretch.

    Shapes:   (batch, n) -> (batch, n). Parameters: gain (n,), initially 1.
    Units:    epsilon is added to the mean square, so it has units of x².
    Gradient: the pullback removes the x̂ component of dy · gain, and divides by the root mean square.
    Raises:   OptionError unless epsilon is finite and above 0; ShapeError at init unless an example has one axis.
    Source:   Zhang & Sennrich 2019, arXiv:1910.07467, eq. 4.

    >>> rms_norm().init(Key(0), (3,))[1]
    (3,)
    """
    epsilon = as_positive("rms_norm(epsilon)", epsilon)
    name = expression("rms_norm", (), {} if epsilon == EPSILON else {"epsilon": epsilon})
    init = partial(_rms_norm_init, name)
    apply, vjp = partial(_rms_norm_apply, epsilon), partial(_rms_norm_vjp, epsilon)
    return Layer(name, init, apply, vjp, rows=partial(_rms_norm_rows, epsilon))


def _rms_norm_init(where: str, key: Key, shape: Shape) -> tuple[RmsNorm, Shape]:
    check_example(where, shape)
    return RmsNorm(constant(1.0)(key, shape, (1, 1))), shape


@on_numbers
def _rms_norm_apply(epsilon: float, params: RmsNorm, x: Array) -> Array:
    return _checked_and_scaled(epsilon, params, x)[0] * params.gain


@on_numbers
def _rms_norm_vjp(
    epsilon: float,
    params: RmsNorm,
    x: Array,
    key: Key | None,
) -> tuple[Array, Pullback[RmsNorm]]:
    normal, size = _checked_and_scaled(epsilon, params, x)
    return normal * params.gain, partial(_rms_norm_pull, params, normal, size)


@on_numbers
def _rms_norm_pull(params: RmsNorm, normal: Array, size: Array, dy: Array) -> tuple[RmsNorm, Callable[[], Array]]:
    return RmsNorm(sum_rows(dy * normal)), partial(_rms_norm_dx, params, normal, size, dy)


@on_numbers
def _rms_norm_dx(params: RmsNorm, normal: Array, size: Array, dy: Array) -> Array:
    return _without_normal(dy * params.gain, normal, size)


def _rms_norm_rows(epsilon: float, params: RmsNorm, x: Array, dy: Array) -> RmsNorm:
    normal, _ = _checked_and_scaled(epsilon, params, x)
    return RmsNorm(stacked(dy * normal, params.gain.shape))


def _checked_and_scaled(epsilon: float, params: RmsNorm, x: Array) -> tuple[Array, Array]:
    check_record("rms_norm", RmsNorm, params)
    if not fits(x, params.gain):
        raise misfit("rms_norm", x, params.gain)
    return _scaled(epsilon, x)


def _scaled(epsilon: float, x: Array) -> tuple[Array, Array]:
    """Divide rows by the root of their mean square plus epsilon; return them and these roots."""
    xp = namespace(x)
    size = xp.sqrt(xp.mean(x * x, axis=-1, keepdims=True) + epsilon)
    return x / size, size


def _without_normal(gradient: Array, normal: Array, size: Array) -> Array:
    """Remove the gradient's component along the scaled rows, and divide by the same roots."""
    dx: Array = gradient - normal * namespace(gradient).mean(gradient * normal, axis=-1, keepdims=True)
    dx /= size
    return dx
