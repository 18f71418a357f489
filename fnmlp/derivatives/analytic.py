"""Numbers that carry their rate of change along: as imaginary part, and so tiny that only its first power matters.

A rule written for real numbers, run on such complex ones, gives the derivative to rounding where it is analytic. Where
it is not it would give a wrong number without a sign of it, so these arrays refuse.
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
"""The imaginary part of what changes at rate 1: its square is lost beside 1, and to scale by it is exact."""


class Analytic(np.ndarray[Any, Any]):
    """Complex numbers that refuse whatever would lose their imaginary part, or turn it round.

    Comparisons, maxima and the like go by the real parts, and by the imaginary ones where those are equal, so that a
    function made of them is followed into the piece that it moves to. `numpy.asarray` takes the guard off; what comes
    back without it is refused.
    """

    def __array_finalize__(self, source: Any, /) -> None:
        """Refuse to become real: a part, a cast."""
        if self.dtype.kind == "f":
            raise _refusal("a real array")

    def __getitem__(self, place: Any, /) -> Any:
        """Keep the guard of single numbers too."""
        return _guarded("an element", super().__getitem__(place))

    def __float__(self) -> float:
        """Refuse to become a real number."""
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
        """Guard the result, which some functions give as a plain array."""
        return _guarded(function, super().__array_function__(function, types, arguments, options))


def _plain(x: Any) -> Any:
    return x.view(np.ndarray) if isinstance(x, Analytic) else x


def _guarded(function: Any, result: Any) -> Any:
    """Return a result that has kept its imaginary part, or never had one, as a comparison's."""
    kind = result.dtype.kind if isinstance(result, np.ndarray | np.generic) else ""
    if kind == "f" or function in CONJUGATING:
        raise _refusal(function)
    return np.asanyarray(result).view(Analytic) if kind == "c" else _plain(result)


@contextmanager
def nothing_lost() -> Iterator[None]:
    """Refuse to write what moves into an array of floats, of which NumPy only warns."""
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
    """Return what should move; refuse it where it comes without its guard."""
    if not isinstance(z, Analytic):
        raise _refusal(f"a plain array from {where}")
    return z


def _sign(z: Array) -> Array:
    return np.sign(np.real(z)) + 0j


def _absolute(z: Array) -> Array:
    return z * np.sign(np.real(z))


CONTINUED: dict[Any, Any] = {np.sign: _sign, np.absolute: _absolute}
"""What is analytic as a function of real numbers, while NumPy's of complex numbers is another one."""

CONJUGATING = tuple(getattr(np, name) for name in ("conjugate", "vdot", "vecdot", "vecmat") if hasattr(np, name))
"""What is no longer analytic though it is complex."""


def moving(x: Array, rate: Array) -> Analytic:
    """Return x as it changes at a rate.

    >>> rate_of(moving(np.array([3.0]), np.array([1.0])) ** 2)
    array([6.])
    """
    z = np.empty(x.shape, np.complex128)
    z.real, z.imag = x, STEP * np.asarray(rate, np.float64)
    return z.view(Analytic)


def still(x: Array) -> Array:
    """Return x as it rests: floats as complex numbers, what moves already and integers as they are."""
    return moving(x, np.zeros(())) if isinstance(x, np.ndarray) and x.dtype.kind == "f" else x


def value_of(z: Array) -> Array:
    """Return the real part of what moves; what does not, as it is."""
    return np.real(np.asarray(z))


def rate_of(z: Array) -> Array:
    """Return the rate at which z changes."""
    return np.imag(np.asarray(z)) / STEP
