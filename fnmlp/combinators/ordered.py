"""Arrays that compute each number in a fixed order, whatever else is in the array.

BLAS sums products in an order that depends on the batch size, the threads and the processor. NumPy chooses its loops,
and so the order of its sums, by memory layout. These arrays bring all data into one layout first, and multiply matrices
without BLAS. They raise for operations that have no fixed order.
"""

from math import prod
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from fnmlp.arrays import Array
from fnmlp.errors import DtypeError


class Ordered(np.ndarray[Any, Any]):
    """An array with a guard that its results keep; `numpy.asarray` removes it."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = (), **options: Any) -> Any:
        """Compute on plain arrays in one layout, and guard the result."""
        operands = tuple(map(_laid_out, inputs))
        if ufunc is np.matmul and not options:
            result = _written(_product(*operands), out)
        elif method == "reduce" and options.pop("where", True) is True:
            result = _written(_reduced(ufunc, *operands, **options), out)
        elif method in ("__call__", "accumulate", "outer") and ufunc.signature is None:
            laid_out = {"out": tuple(map(_laid_out, out))} if out else {}
            result = _written(getattr(ufunc, method)(*operands, **laid_out, **options), out)
        else:
            raise _refusal(ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}")
        return tuple(map(ordered, result)) if isinstance(result, tuple) else ordered(result)

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        """Guard the result, because some functions return a plain array."""
        if function in WITHOUT_ORDER or function.__module__ in ("numpy.linalg", "numpy.fft"):
            raise _refusal(function.__name__)
        return ordered(super().__array_function__(function, types, arguments, options))

    def dot(self, b: Any, out: Any = None) -> Any:  # noqa: ARG002 (the method that it stands for)
        """Raise, because this method would call BLAS unnoticed."""
        raise _refusal("dot")


WITHOUT_ORDER = (
    *(np.dot, np.inner, np.vdot, np.tensordot, np.einsum),
    *(np.convolve, np.correlate, np.cov, np.interp),
)
"""Functions that compute neither by ufuncs nor number by number."""


def ordered(x: Any) -> Any:
    """Put the guard on a NumPy array; return all else, masked arrays and matrices included, unchanged.

    >>> type(ordered(np.zeros(2)) + 1).__name__, ordered(3.0)
    ('Ordered', 3.0)
    """
    plain = isinstance(x, np.ndarray) and type(x).__array_ufunc__ is np.ndarray.__array_ufunc__
    return x.view(Ordered) if plain else x


def unordered(x: Any) -> Any:
    """Remove the guard; return all else unchanged.

    >>> type(unordered(ordered(np.zeros(2)))).__name__
    'ndarray'
    """
    return x.view(np.ndarray) if isinstance(x, Ordered) else x


def ordered_like(given: Any, x: Any) -> Any:
    """Put the guard on x if any of the other arguments has it."""
    return ordered(x) if isinstance(given, Ordered) else x


def _laid_out(x: Any) -> Any:
    """Return a contiguous array in native byte order: often x itself."""
    if type(x) not in (np.ndarray, Ordered):
        return x
    plain = unordered(x)
    fit = plain.flags.c_contiguous and plain.flags.aligned and plain.dtype.isnative
    return plain if fit else np.array(plain, plain.dtype.newbyteorder("="), order="C")


def _written(result: Any, out: tuple[Any, ...]) -> Any:
    """Copy a result into the array given as `out`, if there is one."""
    if not out:
        return result
    results = result if isinstance(result, tuple) else (result,)
    for target, values in zip(out, results, strict=True):
        unordered(target)[...] = values
    return out if isinstance(result, tuple) else out[0]


def _product(left: Array, right: Array) -> Array:
    """Multiply matrices without BLAS, adding products one after another."""
    if right.ndim == 1:
        return _product(left, right[:, None])[..., 0]
    if left.ndim == 1:
        return _product(left[None, :], right)[..., 0, :]
    if right.shape[-1] == 1:  # einsum would sum a single column in parts
        return _product(left, np.repeat(right, 2, axis=-1))[..., :1]
    dtype = np.matmul(left[..., :0, :], right[..., :0]).dtype  # or matmul's own error
    factors = (factor.astype(dtype, copy=False) for factor in (left, right))
    return np.einsum("...ij,...jk->...ik", *factors, optimize=False)  # with optimize, einsum would call BLAS


def _reduced(ufunc: Any, x: Array, axis: Any = 0, keepdims: bool = False, **options: Any) -> Array:
    """Reduce contiguous numbers, because the order would depend on any other layout."""
    axes = tuple(range(x.ndim)) if axis is None else tuple(sorted(normalize_axis_tuple(axis, x.ndim)))
    moved = np.moveaxis(x, axes, range(-len(axes), 0))
    kept = moved.shape[: x.ndim - len(axes)]
    y: Array = ufunc.reduce(_laid_out(moved).reshape(*kept, prod(x.shape[place] for place in axes)), axis=-1, **options)
    return np.expand_dims(y, axes) if keepdims else y


def _refusal(function: str) -> DtypeError:
    remedy = "write it as x @ w, and in operators and functions such as exp, sum and maximum"
    return DtypeError("strict", "operations with a fixed order", f"numpy's {function}", remedy)
