"""Laws, and the error for a broken one: which law, where, the values, and how to reproduce it."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array

__all__ = ["Law", "LawBrokenError"]

Case = TypeVar("Case")


@frozen
class Law(Generic[Case]):
    """Hold a law: its name, its statement, and the function that checks a case.

    The check returns nothing, and raises LawBrokenError if the law does not hold.
    """

    name: str
    kind: str
    statement: str
    check: Callable[[Case], None]

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}: {self.statement}"


class LawBrokenError(AssertionError):
    """A law does not hold.

    `law` is its name, `subject` what broke it, `where` the place (a parameter path and an index), `expected` and `got`
    the two values that should agree, and `reproduce` a call that reproduces the failure.
    """

    def __init__(self, law: str, subject: str, where: str, expected: object, got: object, reproduce: str) -> None:
        super().__init__(law, subject, where, expected, got, reproduce)
        self.law = law
        self.subject = subject
        self.where = where
        self.expected = expected
        self.got = got
        self.reproduce = reproduce

    def __str__(self) -> str:
        return (
            f"{self.subject} breaks the law '{self.law}'\n"
            f"  where:      {self.where}\n"
            f"  expected:   {self.expected}\n"
            f"  got:        {self.got}\n"
            f"  reproduce:  {self.reproduce}"
        )


def law(kind: str) -> Callable[[Callable[[Any], None]], Law[Any]]:
    """Make a law from a function: its name, and the first line of its docstring as the statement."""

    def make(check: Callable[[Any], None]) -> Law[Any]:
        statement = (check.__doc__ or "").strip().splitlines()[0]
        return Law(check.__name__.strip("_").replace("_", " "), kind, statement, check)

    return make


class DifferenceFound(Exception):  # noqa: N818 (not an error: the law that called turns it into one)
    """Two values that should agree differ; holds the place and both values."""

    def __init__(self, where: str, expected: object, got: object) -> None:
        super().__init__(where, expected, got)
        self.where = where
        self.expected = expected
        self.got = got


def expect_same_bits(where: str, expected: Array, got: Array) -> None:
    """Raise, naming the first element, if two arrays differ in shape, dtype or any bit."""
    expect_same_form(where, expected, got)
    left, right = np.ascontiguousarray(expected), np.ascontiguousarray(got)
    if left.tobytes() == right.tobytes():
        return
    size = left.dtype.itemsize
    differ = (
        left.reshape(-1).view(np.uint8).reshape(-1, size) != right.reshape(-1).view(np.uint8).reshape(-1, size)
    ).any(1)
    _raise_at(where, left, right, int(np.argmax(differ)))


def expect_close(where: str, expected: Array, got: Array, bound: Array | float) -> None:
    """Raise, naming the worst element, if two arrays differ by more than the bound (NaN equals NaN)."""
    if expected.shape != got.shape:
        raise DifferenceFound(where, f"shape {expected.shape}", f"shape {got.shape}")
    with np.errstate(invalid="ignore"):
        error = np.abs(got - expected)
    if (error <= bound).all():  # NaN and equal infinities are handled below
        return
    with np.errstate(invalid="ignore"):
        excess = error - bound
    same = (expected == got) | (np.isnan(expected) & np.isnan(got))
    excess = np.where(same, -1.0, np.where(np.isnan(excess), np.inf, excess))
    if excess.size and excess.max() > 0:
        _raise_at(where, expected, got, int(np.argmax(excess)))


def expect_same_form(where: str, expected: Any, got: Any) -> None:
    """Raise unless the value is an array with the right shape and dtype."""
    if not isinstance(got, np.ndarray | np.generic):
        raise DifferenceFound(where, "an array", type(got).__name__)
    if got.shape != expected.shape:
        raise DifferenceFound(where, f"shape {expected.shape}", f"shape {got.shape}")
    if got.dtype != expected.dtype:
        raise DifferenceFound(where, f"dtype {expected.dtype}", f"dtype {got.dtype}")


def expect_pair(where: str, expected: str, got: Any, *, function: bool = False) -> tuple[Any, Any]:
    """Return a pair; raise unless it is one, and unless a function stands second where one must."""
    if isinstance(got, tuple | list) and len(got) == 2 and (callable(got[1]) or not function):
        return got[0], got[1]
    parts = f"({', '.join(type(part).__name__ for part in got)})" if type(got) is tuple else type(got).__name__
    raise DifferenceFound(where, expected, parts)


def _raise_at(where: str, expected: Array, got: Array, flat: int) -> None:
    index = tuple(int(i) for i in np.unravel_index(flat, expected.shape))
    place = f"{where}[{', '.join(map(str, index))}]" if index else where
    raise DifferenceFound(place, repr(expected[index]), repr(got[index]))
