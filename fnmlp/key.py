"""Keys: randomness as a value. The same key gives the same numbers, wherever and whenever you use it.

This is the only module that uses numpy.random. Under JAX a key is made of arrays, and JAX draws its numbers.
"""

from importlib import import_module
from math import prod
from typing import TYPE_CHECKING, Any, SupportsIndex

from attrs import field, frozen

from fnmlp.arrays import at_hand
from fnmlp.errors import OptionError
from fnmlp.scalars import shown, to_int

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

__all__ = ["Key", "fold_in", "generator", "split"]

ENTROPY_LIMIT = 2**128
"""`SeedSequence` pads its entropy to 128 bits; beyond that, entropy and path could be confused."""

INDEX_LIMIT = 2**32
"""`SeedSequence` takes an index as one word of 32 bits; a larger one would look like two steps."""


def _integer(where: str, value: SupportsIndex, limit: int, limit_text: str) -> int:
    number = to_int(value)
    if number is None:
        raise OptionError(where, "an integer", repr(value), "use a Python int")
    if not 0 <= number < limit:
        remedy = "choose another number, for instance modulo it"
        raise OptionError(where, f"0 <= value < {limit_text}", shown(number), remedy)
    return number


def _entropy(value: SupportsIndex) -> int:
    return _integer("Key(entropy)", value, ENTROPY_LIMIT, "2**128")


def _path(path: tuple[SupportsIndex, ...]) -> tuple[int, ...]:
    if not isinstance(path, tuple):
        raise OptionError("Key(path)", "a tuple of integers", repr(path), "use fold_in(key, index)")
    return tuple(_integer("Key(path)", index, INDEX_LIMIT, "2**32") for index in path)


@frozen
class Key:
    """Hold a source of randomness, as a value: entropy, and the path of indices folded into it.

    You can pass integers of any library; the key holds Python ints. Inside a function that JAX traces, the entropy is
    an array of four words of 32 bits, and the indices are traced numbers.
    Raises:   OptionError unless 0 <= entropy < 2**128 and 0 <= index < 2**32 for each index of the path.

    >>> Key(7) == Key(7), Key(7) == fold_in(Key(7), 0)
    (True, False)
    """

    entropy: int = field(converter=_entropy)
    path: tuple[int, ...] = field(default=(), converter=_path)


@frozen
class OutlineKey(Key):
    """A key for outlines: initializers draw nothing from it, and return arrays of the right shape that take no memory.

    With it, `init` tells you the shapes of a model's parameters, however large the model is.

    >>> from fnmlp.initializers import normal
    >>> normal(1.0)(OutlineKey(0), (10**6, 10**6), (1, 1)).shape
    (1000000, 1000000)
    """


def fold_in(key: Key, index: SupportsIndex) -> Key:
    """Derive a new key from a key and a number, such as a step, an epoch, or the position of a layer.

    A key that is made of JAX's arrays becomes JAX's own, and so does any key by a traced index, which can't be checked.
    Raises:   OptionError unless 0 <= index < 2**32.

    >>> fold_in(fold_in(Key(7), 3), 1)
    Key(entropy=7, path=(3, 1))
    """
    if (type(index) is not int or not 0 <= index < INDEX_LIMIT) and at_hand(index):
        index = _integer("fold_in(index)", index, INDEX_LIMIT, "2**32")
    # Not through the constructor: the key was checked already, and a chain folds in a number for each layer.
    try:
        entropy, path = key.entropy, key.path
    except AttributeError as error:
        if is_jax_key(key):
            return import_module("jax.random").fold_in(key, index)
        raise _no_key(key) from error
    if type(entropy) is not int or type(index) is not int:
        return import_module("jax.random").fold_in(jax_key(key), index)
    derived = _new(type(key))
    _set(derived, "entropy", entropy)
    _set(derived, "path", (*path, index))
    return derived


_new, _set = object.__new__, object.__setattr__


def is_jax_key(key: object) -> bool:
    """Tell whether a key is one of JAX's own, as jax.random.key makes them.

    >>> is_jax_key(Key(0))
    False
    """
    return str(getattr(key, "dtype", "")).startswith("key<")


def jax_key(key: Any) -> Any:
    """Return JAX's key for a key: words 0 and 1 of the entropy, into which words 2 and 3 and then the path are folded.

    The words are those of the entropy in base 2**32, the lowest first. A key of JAX's own is returned unchanged.
    """
    if is_jax_key(key):
        return key
    random = import_module("jax.random")
    entropy = import_module("jax.numpy").asarray(entropy_words(key))
    derived = random.wrap_key_data(entropy[:2], impl="threefry2x32")
    for word in (*entropy[2:], *key.path):
        derived = random.fold_in(derived, word)
    return derived


def entropy_words(key: Any) -> Any:
    """Return the entropy of a key as four words of 32 bits, the lowest first.

    >>> entropy_words(Key(2**32 + 7))
    array([7, 1, 0, 0], dtype=uint32)
    """
    if type(key.entropy) is not int:
        return key.entropy
    from numpy import array, uint32

    return array([key.entropy >> 32 * place & 0xFFFFFFFF for place in range(4)], uint32)


def split(key: Key, count: SupportsIndex) -> tuple[Key, ...]:
    """Derive `count` independent keys; the i-th is `fold_in(key, i)`.

    Raises:   OptionError unless 0 <= count <= 2**32.

    >>> split(Key(7), 2)
    (Key(entropy=7, path=(0,)), Key(entropy=7, path=(1,)))
    """
    last = _integer("split(count)", count, INDEX_LIMIT + 1, "2**32 + 1")
    return tuple(fold_in(key, index) for index in range(last))


def generator(key: Key) -> "Generator":
    """Return a new NumPy generator at the start of the key's stream.

    Raises:   OptionError for a key of JAX's.
    Source:   `numpy.random.SeedSequence` (entropy and spawn key) keys Philox, a counter-based generator, so that a
              stream is a function of its key: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".

    >>> float(generator(Key(7)).random()) == float(generator(Key(7)).random())
    True
    """
    from numpy.random import Generator, Philox, SeedSequence

    try:
        entropy, path = key.entropy, key.path
    except AttributeError as error:
        raise _no_key(key) from error
    if type(entropy) is not int:
        raise _no_key(key)
    return Generator(Philox(SeedSequence(entropy, spawn_key=path)))


def random_words(key: Key, shape: tuple[int, ...]) -> "NDArray[np.uint16]":
    """Draw integers from 0 to 65535 uniformly, as `generator(key).integers` does, in half the time.

    >>> import numpy as np
    >>> random_words(Key(7), (3,)).tolist() == generator(Key(7)).integers(0, 2**16, 3, np.uint16).tolist()
    True
    """
    count = prod(shape)
    words = generator(key).bit_generator.random_raw(-(-count // 4)).astype("<u8", copy=False)
    return words.view("<u2")[:count].reshape(shape)


def _no_key(key: object) -> OptionError:
    if is_jax_key(key) or isinstance(key, Key):
        return OptionError("key", "a Key for NumPy's numbers", "a key of JAX's", "draw them outside of jax.jit")
    remedy = f"pass Key({key})" if type(key) is int else "pass for instance Key(0)"
    return OptionError("key", "a Key", repr(key), remedy)
