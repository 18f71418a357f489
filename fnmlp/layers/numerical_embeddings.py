"""Numerical embeddings: each number becomes itself and some learned periodic functions of it."""

from collections.abc import Callable
from functools import partial
from math import pi
from typing import SupportsIndex

from attrs import frozen

from fnmlp.arrays import Array, Shape, namespace, sum_rows
from fnmlp.errors import OptionError
from fnmlp.expressions import expression
from fnmlp.initializers import kaiming_uniform, normal, uniform
from fnmlp.key import Key, fold_in
from fnmlp.layer import Layer, Pullback
from fnmlp.layers.checks import check_example, check_record, fits, misfit
from fnmlp.layers.ensembles import swapped
from fnmlp.rows import stacked
from fnmlp.rules import on_numbers
from fnmlp.scalars import as_count, as_positive

__all__ = ["Periodic", "periodic"]

TURN = 2 * pi
"""The angle of one period."""


@frozen(eq=False)
class Periodic:
    """The parameters of `periodic(width)`, for n features and f frequencies.

    Of the waves: frequency (n, f) and phase (n, f). Of the linear map of each feature's waves: weight (n, f, width - 1)
    and bias (n, width - 1).
    """

    frequency: Array
    phase: Array
    weight: Array
    bias: Array


def periodic(width: SupportsIndex = 4, *, frequencies: int = 16, deviation: float = 0.1) -> Layer[Periodic]:
    """Turn each number into `width` numbers: itself, and linear combinations of cosines with learned frequencies.

    They are W cos(2π w x + c) + b, with w, c, W and b of its own for each feature. Rescale the features first.
    Shapes:   (batch, n) -> (batch, n · width), feature after feature. Parameters: frequency w and phase c
              (n, frequencies); weight W (n, frequencies, width - 1); bias b (n, width - 1).
    Units:    frequencies are per unit of x, phases in radians. The initial frequencies are normally distributed with
              this standard deviation.
    Gradient: that of a linear map of the cosines for W and b; the pullback of these, times -sin, gives the others.
    Raises:   OptionError unless width >= 2, frequencies >= 1, and the deviation is finite and above 0; ShapeError at
              init unless an example has one axis.
    Source:   Gorishniy, Rubachev & Babenko 2022, arXiv:2203.05556, section 3.3; Holzmüller et al. 2024,
              arXiv:2407.04491, section 3: PBLD embeddings.

    >>> periodic(4).init(Key(0), (3,))[1]
    (12,)
    """
    size = as_count("periodic(width)", width), as_count("periodic(frequencies)", frequencies)
    if size[0] == 1:
        raise OptionError("periodic(width)", "at least 2, of which one is x itself", 1, "leave the layer out")
    deviation = as_positive("periodic(deviation)", deviation)
    options: dict[str, object] = {"frequencies": size[1]} if size[1] != 16 else {}
    options |= {"deviation": deviation} if deviation != 0.1 else {}
    name = expression("periodic", [size[0]], options)
    return Layer(name, partial(_periodic_init, name, *size, deviation), _apply, _vjp, rows=_rows)


def _periodic_init(
    where: str, width: int, frequencies: int, deviation: float, key: Key, shape: Shape
) -> tuple[Periodic, Shape]:
    check_example(where, shape)
    (features,) = shape
    waves, outputs, fans = (features, frequencies), (features, width - 1), (frequencies, width - 1)
    linear = kaiming_uniform(a=5**0.5)  # uniform over ±1/√frequencies
    params = Periodic(
        normal(deviation)(fold_in(key, 0), waves, fans),
        uniform(pi)(fold_in(key, 1), waves, fans),
        linear(fold_in(key, 2), (features, frequencies, width - 1), fans),
        linear(fold_in(key, 3), outputs, fans),
    )
    return params, (features * width,)


@on_numbers
def _apply(params: Periodic, x: Array) -> Array:
    return _joined(params, x, namespace(x).cos(_angles(params, x)))


@on_numbers
def _vjp(params: Periodic, x: Array, key: Key | None) -> tuple[Array, Pullback[Periodic]]:
    xp, angles = namespace(x), _angles(params, x)
    waves = xp.cos(angles)
    return _joined(params, x, waves), partial(_pull, params, x, waves, xp.sin(angles))


@on_numbers
def _pull(params: Periodic, x: Array, waves: Array, sines: Array, dy: Array) -> tuple[Periodic, Callable[[], Array]]:
    own, given = _split(params, dy)
    xp, by_feature = namespace(dy), swapped(given)
    turning = swapped(by_feature @ params.weight.mT) * sines  # minus the gradient of the angles
    gradient = Periodic(
        sum_rows(turning * x[:, :, None]) * -TURN,
        -sum_rows(turning),
        xp.permute_dims(waves, (1, 2, 0)) @ by_feature,
        sum_rows(given),
    )
    return gradient, partial(_dx, params, own, turning)


@on_numbers
def _dx(params: Periodic, own: Array, turning: Array) -> Array:
    dx: Array = namespace(own).sum(turning * params.frequency, axis=2) * -TURN
    return dx + own


def _rows(params: Periodic, x: Array, dy: Array) -> Periodic:
    _, given = _split(params, dy)
    angles = _angles(params, x)
    xp = namespace(x)
    turning = swapped(swapped(given) @ params.weight.mT) * -xp.sin(angles)
    gradients = (
        turning * x[:, :, None] * TURN,
        turning,
        xp.cos(angles)[:, :, :, None] * given[:, :, None, :],
        given,
    )
    shapes = (leaf.shape for leaf in (params.frequency, params.phase, params.weight, params.bias))
    return Periodic(*map(stacked, gradients, shapes))


def _angles(params: Periodic, x: Array) -> Array:
    """Return the angle of each wave: (batch, n, frequencies)."""
    check_record("periodic", Periodic, params)
    if not fits(x, params.frequency):
        raise misfit("periodic", x, params.frequency)
    angles = x[:, :, None] * (params.frequency * TURN)
    angles += params.phase
    return angles


def _joined(params: Periodic, x: Array, waves: Array) -> Array:
    """Return each number followed by the linear map of its waves: (batch, n · width)."""
    xp = namespace(x)
    mapped = swapped(swapped(waves) @ params.weight) + params.bias
    y = xp.concat([x[:, :, None], mapped], axis=2)
    rows, features, width = y.shape
    joined: Array = xp.reshape(y, (rows, features * width))
    return joined


def _split(params: Periodic, dy: Array) -> tuple[Array, Array]:
    """Return the part of dy that belongs to x itself, (batch, n), and that of its waves, (batch, n, width - 1)."""
    features, outputs = params.bias.shape
    parts = namespace(dy).reshape(dy, (dy.shape[0], features, outputs + 1))
    return parts[:, :, 0], parts[:, :, 1:]
