"""Random arrays as functions of a key: by NumPy, or by JAX for a key that is made of its arrays.

The same key gives the same numbers in one library, and others in another.
"""

from importlib import import_module
from typing import Any

import numpy as np

from fnmlp.arrays import Array, Shape
from fnmlp.key import Key, generator, is_jax_key, jax_key, random_words


def uniform(key: Key, shape: Shape, bound: float) -> Array:
    """Draw uniformly from -bound to bound.

    >>> uniform(Key(0), (2,), 0.5).round(3)
    array([-0.486, -0.242])
    """
    if drawn_by_numpy(key):
        return generator(key).uniform(-bound, bound, shape)
    return _drawn_by_jax("uniform", key, shape, minval=-bound, maxval=bound)


def normal(key: Key, shape: Shape, deviation: float) -> Array:
    """Draw from a normal distribution with mean 0.

    >>> normal(Key(0), (2,), 0.5).round(3)
    array([-0.103, -0.064])
    """
    if drawn_by_numpy(key):
        return generator(key).normal(0.0, deviation, shape)
    return _drawn_by_jax("normal", key, shape) * deviation


def words(key: Key, shape: Shape) -> Array:
    """Draw integers from 0 to 65535 uniformly.

    >>> words(Key(0), (2,)).dtype
    dtype('uint16')
    """
    if drawn_by_numpy(key):
        return random_words(key, shape)
    return _drawn_by_jax("bits", key, shape, "uint16")


def integers(key: Key, shape: Shape, limit: int | Shape) -> Array:
    """Draw integers from 0 to limit - 1 uniformly; a tuple holds a limit for each place along the last axis.

    >>> integers(Key(0), (3,), 10)
    array([1, 0, 9])
    """
    if drawn_by_numpy(key):
        return generator(key).integers(limit, size=shape)
    return _drawn_by_jax("randint", key, shape, 0, np.asarray(limit))


def _drawn_by_jax(function: str, key: Key, *arguments: Any, **options: Any) -> Any:
    return getattr(import_module("jax.random"), function)(jax_key(key), *arguments, **options)


def drawn_by_numpy(key: Any) -> bool:
    """Tell whether NumPy draws the numbers of a key: unless it is JAX's own, or made of JAX's arrays.

    >>> drawn_by_numpy(Key(0))
    True
    """
    return not is_jax_key(key) and type(getattr(key, "entropy", 0)) is int
