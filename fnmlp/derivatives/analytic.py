"""Arrays for the complex step: a tiny imaginary part carries the rate of change, and only its first power matters.

An analytic rule that was written for real numbers gives its derivative, up to rounding, if you run it on such complex
numbers. Any other rule would silently give a wrong number, so these arrays raise instead.
Source: Squire & Trapp 1998, "Using complex variables to estimate derivatives of real functions".
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
import warnings

import numpy as np

from fnmlp.arrays import Array
from fnmlp.errors import DtypeError

STEP = 2.0**-66
"""The imaginary part that stands for a rate of 1. Its square vanishes beside 1, and scaling by it is exact."""


class Analytic(np.ndarray[Any, Any]):
    """A complex array that raises for any operation that would lose or reverse its imaginary part.

    Comparisons and maxima use the real parts, and the imaginary parts if those are equal. So at a kink the derivative
    is that of the side which the direction leads to. `numpy.asarray` removes the guard; a result without it raises
    later.
    """

    def __array_finalize__(self, source: Any, /) -> None:
        """Raise if the result is real, after `.real` or a cast."""
        if self.dtype.kind == "f":
            raise _refusal("a real array")

    def __getitem__(self, place: Any, /) -> Any:
        """Keep the guard on single numbers too."""
        return _guarded("an element", super().__getitem__(place))

    def __float__(self) -> float:
        """Raise instead of converting to a real number."""
        raise _refusal("float")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """Compute on plain arrays, and guard the result."""
        rule = CONTINUED.get(ufunc, getattr(ufunc, method))
        if "out" in options:
            options["out"] = tuple(map(_plain, options["out"]))
        try:
            return _guarded(ufunc, rule(*map(_plain, inputs), **options))
        except TypeError as error:
            raise _refusal(ufunc) from error

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        """Guard the result, because some functions return a plain array."""
        return _guarded(function, super().__array_function__(function, types, arguments, options))


def _plain(x: Any) -> Any:
    return x.view(np.ndarray) if isinstance(x, Analytic) else x


def _guarded(function: Any, result: Any) -> Any:
    """Return a result if it kept its imaginary part, or never had one, as in comparisons; else raise."""
    kind = result.dtype.kind if isinstance(result, np.ndarray | np.generic) else ""
    if kind == "f" or function in CONJUGATING:
        raise _refusal(function)
    return np.asanyarray(result).view(Analytic) if kind == "c" else _plain(result)


@contextmanager
def nothing_lost() -> Iterator[None]:
    """Raise if moving numbers are written into an array of floats; NumPy would only warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning)
        try:
            yield
        except np.exceptions.ComplexWarning as warning:
            raise _refusal("a cast to real numbers") from warning


def _refusal(function: Any) -> DtypeError:
    got = function if isinstance(function, str) else f"numpy.{function.__name__}"
    remedy = "write it in operators and functions such as exp, log and maximum, without asarray"
    return DtypeError("derivative along a direction", "what is analytic in complex numbers", got, remedy)


def kept(z: Array, where: str) -> Array:
    """Return a result that should move; raise if it lost its guard."""
    if not isinstance(z, Analytic):
        raise _refusal(f"a plain array from {where}")
    return z


def _sign(z: Array) -> Array:
    return np.sign(np.real(z)) + 0j


def _absolute(z: Array) -> Array:
    return z * np.sign(np.real(z))


CONTINUED: dict[Any, Any] = {np.sign: _sign, np.absolute: _absolute}
"""Analytic functions of real numbers that NumPy defines differently for complex numbers."""

CONJUGATING = tuple(getattr(np, name) for name in ("conjugate", "vdot", "vecdot", "vecmat") if hasattr(np, name))
"""Functions that are complex but not analytic."""


def moving(x: Array, rate: Array) -> Analytic:
    """Give x a rate of change.

    >>> rate_of(moving(np.array([3.0]), np.array([1.0])) ** 2)
    array([6.])
    """
    z = np.empty(x.shape, np.complex128)
    z.real, z.imag = x, STEP * np.asarray(rate, np.float64)
    return z.view(Analytic)


def still(x: Array) -> Array:
    """Give floats a rate of 0; return integers, and numbers that move already, unchanged."""
    return moving(x, np.zeros(())) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def value_of(z: Array) -> Array:
    """Return the real part of moving numbers, and others unchanged."""
    return np.real(np.asarray(z))


def rate_of(z: Array) -> Array:
    """Return the rate at which z changes."""
    return np.imag(np.asarray(z)) / STEP
