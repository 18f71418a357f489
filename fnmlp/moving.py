"""Move trees between libraries and devices, and convert them to a dtype."""

from functools import partial
from typing import Any

import attrs
import numpy as np

from fnmlp.arrays import Array, as_array, device_of, is_jax, is_traced, namespace, read_only, to_dtype
from fnmlp.draws import drawn_by_numpy
from fnmlp.errors import DtypeError, OptionError
from fnmlp.key import Key, entropy_words, is_jax_key
from fnmlp.tree import Tree, tree_children, tree_map

__all__ = ["to"]


def to(tree: Tree, *, like: Array) -> Tree:
    """Move the arrays and keys of a tree to the library and the device of another array, bit for bit.

    On JAX keys and Python's numbers become arrays too, because a compiled function takes and returns arrays. On the way
    back to NumPy, single integers, truth values, and numbers in fields of type float become Python's again. So a state
    that JAX trained can be saved, and trained further by NumPy.
    Raises:   DtypeError for numbers that the other library can't hold, such as float64 on JAX without jax_enable_x64;
              OptionError for a key that jax.random made, because no other library can use it.

    >>> to((np.zeros(2), 3), like=np.zeros(()))
    (array([0., 0.]), 3)
    """
    like = as_array("to(like)", like)
    return _moved(tree, like, single=False)


def _moved(tree: Tree, like: Array, *, single: bool) -> Tree:
    """Move a tree; `single` says that it stands in a field of type float."""
    if isinstance(tree, Key):
        return _moved_key(tree, like)
    children = tree_children(tree)
    if children is None:
        return _moved_leaf(tree, like, single=single)
    kinds = _float_fields(type(tree)) if attrs.has(type(tree)) else (False,) * len(children)
    moved = [_moved(child, like, single=kind) for child, kind in zip(children, kinds, strict=True)]
    return tuple(moved) if isinstance(tree, tuple) else type(tree)(*moved)


def _float_fields(kind: type) -> tuple[bool, ...]:
    return tuple(field.type in (float, "float") for field in attrs.fields(kind))


def _moved_leaf(leaf: Any, like: Array, *, single: bool) -> Any:
    if isinstance(leaf, (int, float)):
        return _moved_number(leaf, like)
    if is_jax_key(leaf):
        remedy = "train with a Key of fnmlp's, which every library can use"
        raise OptionError("to", "a tree of arrays, numbers and Keys", "a key that jax.random made", remedy)
    if isinstance(like, np.ndarray):
        array = as_numpy(leaf)
        number = array.ndim == 0 and array is not leaf and (single or array.dtype.kind in "biu")
        return array.item() if number else array
    own, target = namespace(leaf), namespace(like)
    moved = _placed(leaf if own is target else np.array(as_numpy(leaf)), like)
    if _name(moved) != _name(leaf):
        remedy = (
            f"convert it with .astype({_name(moved)!r}), or let JAX hold it: jax.config.update('jax_enable_x64', True)"
        )
        raise DtypeError("to", f"numbers that {target.__name__} can hold", _name(leaf), remedy)
    return moved


def _moved_number(number: float, like: Array) -> Any:
    """Return a number as an array of JAX's default dtype if that holds it exactly, else as it is."""
    if not is_jax(like) or (type(number) is int and number.bit_length() > 31):
        return number
    array = np.asarray(number, namespace(like).result_type(number))
    return _placed(array, like) if array.item() == number or number != number else number  # noqa: PLR0124 (NaN)


def _placed(x: Any, like: Array) -> Any:
    """Return an array as one of the library of another, on its device."""
    if not is_jax(like):
        return namespace(like).asarray(x, device=device_of(like))
    from jax import device_put  # without compiling a program for each shape, as jax.numpy.asarray does

    return device_put(x, device_of(like))


def _name(x: Array) -> str:
    return str(x.dtype).rpartition(".")[2]


def as_numpy(x: Any) -> Array:
    """Return an array of any library and device as NumPy's, read-only unless it is NumPy's already.

    Raises:   DtypeError for an array without values, or of numbers that NumPy doesn't have.

    >>> x = np.zeros(2)
    >>> as_numpy(x) is x
    True
    """
    if isinstance(x, np.ndarray):
        return x
    try:
        if hasattr(x, "detach"):  # torch
            return read_only(x.detach().cpu().numpy().copy())
        # CuPy has `get`. A view, because NumPy may return the very array that another library holds.
        return read_only(np.asarray(x.get() if hasattr(x, "get") else x).view())
    except (TypeError, RuntimeError) as error:
        got = "one that a compiler traces" if is_traced(x) else f"{_name(x)} on {x.device}"
        remedy = "do this outside of compiled functions" if is_traced(x) else "convert it to float32 numbers first"
        raise DtypeError("to", "an array that NumPy can hold", got, remedy) from error


def _moved_key(key: Key, like: Array) -> Key:
    words = entropy_words(key)
    if is_jax(like):
        moved = object.__new__(type(key))  # past the checks, which want Python's integers
        object.__setattr__(moved, "entropy", _placed(words, like))
        object.__setattr__(moved, "path", tuple(_placed(np.uint32(index), like) for index in key.path))
        return moved
    if drawn_by_numpy(key):
        return key
    return type(key)(sum(int(word) << 32 * place for place, word in enumerate(as_numpy(words))), key.path)


def in_dtype(tree: Tree, dtype: str) -> Tree:
    """Convert all arrays of a tree to a dtype, read-only.

    >>> in_dtype((np.ones(1),), "float32")
    (array([1.], dtype=float32),)
    """
    return tree_map(partial(_in_dtype, dtype), tree)


def _in_dtype(dtype: str, x: Array) -> Array:
    return read_only(to_dtype(x, dtype))
