"""Initializers: (key, shape, (fan in, fan out)) -> float32 array. `train_state` casts to other dtypes."""

from collections.abc import Callable
from functools import partial
from math import sqrt
from typing import TypeAlias

import numpy as np

from fnmlp import draws
from fnmlp.arrays import Array, Shape, read_only
from fnmlp.key import Key, OutlineKey
from fnmlp.rules import on_numbers
from fnmlp.scalars import as_finite, as_positive

__all__ = [
    "constant",
    "glorot_normal",
    "glorot_uniform",
    "kaiming_normal",
    "kaiming_uniform",
    "normal",
    "signs",
    "uniform",
    "zeros",
]

Fans: TypeAlias = tuple[int, int]
"""The number of inputs of a unit, and the number of outputs that an input feeds."""

Initializer: TypeAlias = Callable[[Key, Shape, Fans], Array]


def kaiming_uniform(*, a: float = 0.0) -> Initializer:
    """Draw uniformly from ±sqrt(6 / ((1 + a²) fan_in)), which keeps the variance through leaky ReLUs of slope `a`.

    With a = √5 the bound is 1/√fan_in: torch's default for the weight and the bias of a linear layer.
    Raises:   OptionError unless `a` is finite.
    Source:   He et al. 2015, arXiv:1502.01852, eq. 14; torch.nn.init.kaiming_uniform_.

    >>> bool(abs(kaiming_uniform(a=5**0.5)(Key(0), (16, 3), (16, 3))).max() <= 0.25)
    True
    """
    return partial(_kaiming_uniform, a=as_finite("kaiming_uniform(a)", a))


def _kaiming_uniform(key: Key, shape: Shape, fans: Fans, *, a: float) -> Array:
    return _uniform(key, shape, fans, bound=sqrt(6 / ((1 + a * a) * fans[0])))


def kaiming_normal(*, a: float = 0.0) -> Initializer:
    """Draw from a normal distribution with standard deviation sqrt(2 / ((1 + a²) fan_in)).

    Raises:   OptionError unless `a` is finite.
    Source:   He et al. 2015, arXiv:1502.01852, eq. 14.

    >>> kaiming_normal()(Key(0), (4, 3), (4, 3)).shape
    (4, 3)
    """
    return partial(_kaiming_normal, a=as_finite("kaiming_normal(a)", a))


def _kaiming_normal(key: Key, shape: Shape, fans: Fans, *, a: float) -> Array:
    return _normal(key, shape, fans, deviation=sqrt(2 / ((1 + a * a) * fans[0])))


def glorot_uniform() -> Initializer:
    """Draw uniformly from ±sqrt(6 / (fan_in + fan_out)), which suits tanh and softmax.

    Source:   Glorot & Bengio 2010, eq. 16.

    >>> bool(abs(glorot_uniform()(Key(0), (3, 3), (3, 3))).max() <= 1)
    True
    """
    return partial(_glorot_uniform)


def _glorot_uniform(key: Key, shape: Shape, fans: Fans) -> Array:
    return _uniform(key, shape, fans, bound=sqrt(6 / sum(fans)))


def glorot_normal() -> Initializer:
    """Draw from a normal distribution with standard deviation sqrt(2 / (fan_in + fan_out)).

    Source:   Glorot & Bengio 2010, eq. 12.

    >>> glorot_normal()(Key(0), (3, 3), (3, 3)).dtype
    dtype('float32')
    """
    return partial(_glorot_normal)


def _glorot_normal(key: Key, shape: Shape, fans: Fans) -> Array:
    return _normal(key, shape, fans, deviation=sqrt(2 / sum(fans)))


def uniform(bound: float) -> Initializer:
    """Draw uniformly from ±bound, whatever the fans are.

    Raises:   OptionError unless `bound` is finite and above 0.

    >>> bool(abs(uniform(0.1)(Key(0), (9,), (9, 1))).max() <= 0.1)
    True
    """
    return partial(_uniform, bound=as_positive("uniform(bound)", bound))


def _uniform(key: Key, shape: Shape, fans: Fans, *, bound: float) -> Array:
    return _made(key, shape, lambda: draws.uniform(key, shape, bound))


def normal(deviation: float) -> Initializer:
    """Draw from a normal distribution with this standard deviation, whatever the fans are.

    Raises:   OptionError unless `deviation` is finite and above 0.

    >>> normal(0.01)(Key(0), (4, 3), (4, 3)).shape
    (4, 3)
    """
    return partial(_normal, deviation=as_positive("normal(deviation)", deviation))


def _normal(key: Key, shape: Shape, fans: Fans, *, deviation: float) -> Array:
    return _made(key, shape, lambda: draws.normal(key, shape, deviation))


STANDARD_NORMAL = normal(1.0)
"""What torch.nn.Embedding and the NTK parametrization begin with."""


def signs() -> Initializer:
    """Draw 1 or -1, each as likely as the other.

    Source:   Wen, Tran & Ba 2020, arXiv:2002.06715, for the scales of `batch_ensemble`.

    >>> sorted(set(signs()(Key(0), (9,), (9, 1)).tolist()))
    [-1.0, 1.0]
    """
    return partial(_signs)


def _signs(key: Key, shape: Shape, fans: Fans) -> Array:
    return _made(key, shape, lambda: draws.integers(key, shape, 2) * 2 - 1)


def zeros() -> Initializer:
    """Fill with 0, the usual choice for a bias.

    >>> zeros()(Key(0), (2,), (5, 2))
    array([0., 0.], dtype=float32)
    """
    return partial(_constant, value=0.0)


def constant(value: float) -> Initializer:
    """Fill with a single number.

    Raises:   OptionError unless `value` is finite.

    >>> constant(0.5)(Key(0), (2,), (5, 2))
    array([0.5, 0.5], dtype=float32)
    """
    return partial(_constant, value=as_finite("constant(value)", value))


def _constant(key: Key, shape: Shape, fans: Fans, *, value: float) -> Array:
    return _made(key, shape, lambda: np.full(shape, value, np.float32))


@on_numbers
def _made(key: Key, shape: Shape, fill: Callable[[], Array]) -> Array:
    """Make an array, or only its outline if the key is an `OutlineKey`."""
    if isinstance(key, OutlineKey):
        return np.broadcast_to(np.float32(0), shape)
    return read_only(fill().astype(np.float32, copy=False))
