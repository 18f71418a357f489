"""Libraries of arrays that a layer or a loss can be checked on: how each makes, compiles and differentiates."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array
from fnmlp.checks import FLOATS, as_choice
from fnmlp.errors import MissingDependencyError
from fnmlp.key import Key
from fnmlp.moving import as_numpy
from fnmlp.testing.report import DifferenceFound
from fnmlp.tree import Tree, tree_leaves, tree_map, tree_paths

Function: TypeAlias = Callable[..., Any]
"""A function of arrays of the library; under its compiler it returns a tuple of arrays."""


def pulls_nothing(function: Function, points: Sequence[Any], cotangent: Any) -> Sequence[Any]:
    """Return nothing: a library with this does not differentiate.

    >>> pulls_nothing(abs, (1.0,), 1.0)
    ()
    """
    return ()


def as_it_is(function: Function) -> Function:
    """Return a function itself: a library with this does not compile."""
    return function


@frozen
class Library:
    """Hold what a check needs to know of a library.

    `kind`     the type of its arrays.
    `array`    makes one of NumPy's.
    `floats`   the dtypes that it computes in.
    `pull`     (function, points, cotangent) -> the derivatives with respect to the points.
    `compiled` compiles a function.
    `key`      makes a random key, one of its own if it has any, from a number.
    """

    name: str
    kind: Any
    array: Callable[[Array], Any]
    floats: tuple[str, ...] = FLOATS
    pull: Callable[[Function, Sequence[Any], Any], Sequence[Any]] = pulls_nothing
    compiled: Callable[[Function], Function] = as_it_is
    key: Callable[[int], Any] = Key

    def brought(self, tree: Tree) -> Any:
        """Return a tree of NumPy arrays as arrays of this library, which share no memory with them."""
        return tree_map(lambda leaf: self.array(np.array(leaf)), tree)

    def returned(self, tree: Tree) -> Any:
        """Return a tree of this library's arrays as NumPy's."""
        return tree_map(as_numpy, tree)

    def results(self, where: str, tree: Tree, like: Tree) -> Any:
        """Return results as NumPy arrays; raise unless they are this library's arrays, and in the dtypes of others."""
        others: tuple[Any, ...] = tree_leaves(like)
        for (path, leaf), other in zip(tree_paths(tree, where), others, strict=True):
            if not isinstance(leaf, self.kind):
                raise DifferenceFound(path, f"an array of {self.name}", type(leaf).__name__)
            expected = other.dtype.name if other.dtype.name in self.floats else self.floats[0]
            found = f"weak {leaf.dtype}" if getattr(leaf, "weak_type", False) else str(leaf.dtype).rpartition(".")[2]
            if found != expected:
                raise DifferenceFound(path, f"dtype {expected}", f"dtype {found}")
        return self.returned(tree)


def library(where: str, name: str) -> Library | None:
    """Return a library by its name; None for NumPy, on which all other laws are checked.

    Raises:   OptionError for another name; MissingDependencyError if it is not installed.

    >>> library("check_layer", "cupy")
    Traceback (most recent call last):
    fnmlp.errors.OptionError: check_layer(on): expected 'numpy' or 'jax' or 'torch' or 'array_api_strict', got 'cupy'...
    """
    name = as_choice(f"{where}(on)", name, ("numpy", *LIBRARIES))
    if name == "numpy":
        return None
    make, remedy = LIBRARIES[name]
    try:
        return make()
    except ImportError as error:
        raise MissingDependencyError.of(f"{where}(on={name!r})", name, error, remedy) from error


def _array_api_strict() -> Library:
    import array_api_strict

    return Library("array_api_strict", type(array_api_strict.zeros(1)), array_api_strict.asarray)


def _torch() -> Library:
    import torch

    return Library("torch", torch.Tensor, torch.from_numpy, pull=_pulled_by_torch)


def _pulled_by_torch(function: Function, points: Sequence[Any], cotangent: Any) -> Sequence[Any]:
    from torch import autograd

    leaves = [point.clone().requires_grad_() for point in points]
    return autograd.grad(function(*leaves), leaves, cotangent, materialize_grads=True)


def _jax() -> Library:
    import jax

    widest = jax.dtypes.canonicalize_dtype("float64").name
    floats = FLOATS[: FLOATS.index(widest) + 1]
    return Library(
        "jax", jax.Array, jax.numpy.asarray, floats, pull=_pulled_by_jax, compiled=_compiled_by_jax, key=jax.random.key
    )


def _pulled_by_jax(function: Function, points: Sequence[Any], cotangent: Any) -> Sequence[Any]:
    import jax

    return jax.vjp(function, *points)[1](cotangent)


def _compiled_by_jax(function: Function) -> Function:
    """Compile without the slowest optimizations, which take half the time, and are not what is checked here."""
    import jax

    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})


LIBRARIES: dict[str, tuple[Callable[[], Library], str]] = {
    "jax": (_jax, "pip install 'fnmlp[jax]'"),
    "torch": (_torch, "pip install torch"),
    "array_api_strict": (_array_api_strict, "pip install array-api-strict array-api-compat"),
}
"""How to get to each library, and how to install it."""
