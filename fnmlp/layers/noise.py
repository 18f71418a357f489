"""Layers that add noise if they get a key, in training; `apply`, and `vjp` without a key, add none."""

from functools import partial

from fnmlp import draws
from fnmlp.arrays import Array, bring, namespace, to_dtype, unshared
from fnmlp.errors import DtypeError
from fnmlp.expressions import expression
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback, input_pullback, no_parameters
from fnmlp.rules import on_numbers
from fnmlp.scalars import as_fraction, as_positive

__all__ = ["dropout", "gaussian_noise"]

STEPS = 2**16
"""The resolution of a rate: 16 random bits a number, because 32 would take twice the time."""


def dropout(rate: float) -> Layer[tuple[()]]:
    """Set each number to 0 with probability `rate`, and divide the others by 1 - rate, so that the mean stays.

    Shapes:   any; kept.
    Units:    the rate is the probability to be *dropped*, as in torch, to the nearest 1/65536. The other numbers are
              divided by their exact probability to be kept. Rate 0 draws nothing.
    Gradient: the pullback applies the same mask and scale to dy.
    Raises:   OptionError unless 0 <= rate < 1, because rate 1 would leave nothing to scale; DtypeError for integers if
              there is a key.
    Source:   Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting", section 4.

    >>> import numpy as np
    >>> dropout(0.5).vjp((), np.ones(6), Key(0))[0]
    array([0., 0., 2., 0., 0., 2.])
    """
    rate = as_fraction("dropout(rate)", rate)
    dropped = min(round(rate * STEPS), STEPS - 1)
    return Layer(expression("dropout", [rate]), no_parameters, _noiseless, partial(_dropout_vjp, dropped))


@on_numbers
def _noiseless(params: tuple[()], x: Array) -> Array:
    namespace(x)  # raises for masked arrays and matrices
    return unshared(x)


@on_numbers
def _dropout_vjp(dropped: int, params: tuple[()], x: Array, key: Key | None) -> tuple[Array, Pullback[tuple[()]]]:
    if key is None or dropped == 0:
        return _noiseless(params, x), input_pullback(unshared)
    _check_floats("dropout", x)
    kept = draws.words(key, x.shape) >= dropped
    mask = to_dtype(bring(kept, x), x.dtype)
    mask *= STEPS / (STEPS - dropped)
    return x * mask, input_pullback(partial(_masked, mask))


@on_numbers
def _masked(mask: Array, dy: Array) -> Array:
    return dy * mask


def gaussian_noise(deviation: float) -> Layer[tuple[()]]:
    """Add normally distributed noise with mean 0 to each number.

    Shapes:   any; kept.
    Units:    the standard deviation has units of x. The same key gives the same noise in float32 and float64.
    Gradient: the pullback returns dy unchanged.
    Raises:   OptionError unless the deviation is finite and above 0; DtypeError for integers if there is a key.
    Source:   Bishop 1995, "Training with noise is equivalent to Tikhonov regularization".

    >>> import numpy as np
    >>> y, _ = gaussian_noise(0.1).vjp((), np.zeros(1000), Key(0))
    >>> round(float(y.std()), 2)
    0.1
    """
    deviation = as_positive("gaussian_noise(deviation)", deviation)
    name = expression("gaussian_noise", [deviation])
    return Layer(name, no_parameters, _noiseless, partial(_gaussian_noise_vjp, deviation))


@on_numbers
def _gaussian_noise_vjp(
    deviation: float, params: tuple[()], x: Array, key: Key | None
) -> tuple[Array, Pullback[tuple[()]]]:
    if key is None:
        return _noiseless(params, x), input_pullback(unshared)
    _check_floats("gaussian_noise", x)
    noise = draws.normal(key, x.shape, deviation)
    return x + to_dtype(bring(noise, x), x.dtype), input_pullback(unshared)


def _check_floats(where: str, x: Array) -> None:
    if namespace(x).isdtype(x.dtype, ("integral", "bool")):
        raise DtypeError(where, "floats", x.dtype, "put scale(1 / 255) before it for pixels")
