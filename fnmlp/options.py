"""Options of optimisers and losses: numbers that a compiler may trace.

A number that is known is checked at once, and becomes a Python float, which never promotes float32. One that a compiler
traces, or that another device holds, can't be checked yet. It becomes NaN where it turns out to be out of range, and so
do the parameters or the loss: nothing is wrong unnoticed.
"""

from typing import Any

from fnmlp.arrays import at_hand, namespace
from fnmlp.conditions import nan_unless
from fnmlp.errors import OptionError
from fnmlp.scalars import FINITE, FRACTION, NONNEGATIVE, POSITIVE, SHARE, Range, as_real


def positive(where: str, value: Any) -> Any:
    """Check that a number is finite and above 0.

    >>> positive("sgd(rate)", 1)
    1.0
    """
    return _checked(where, value, POSITIVE)


def nonnegative(where: str, value: Any) -> Any:
    """Check that a number is finite and not below 0.

    >>> nonnegative("adamw(weight_decay)", 0)
    0.0
    """
    return _checked(where, value, NONNEGATIVE)


def finite(where: str, value: Any) -> Any:
    """Check that a number is neither infinite nor NaN.

    >>> finite("muon(ns_coefficients)", -4.775)
    -4.775
    """
    return _checked(where, value, FINITE)


def fraction(where: str, value: Any) -> Any:
    """Check that a number is at least 0 and below 1.

    >>> fraction("sgd(momentum)", 0.9)
    0.9
    """
    return _checked(where, value, FRACTION)


def share(where: str, value: Any) -> Any:
    """Check that a number is from 0 to 1.

    >>> share("binary_focal(alpha)", 1)
    1.0
    """
    return _checked(where, value, SHARE)


def fractions(where: str, values: Any) -> tuple[Any, Any]:
    """Check that both numbers of a pair are at least 0 and below 1.

    >>> fractions("adam(betas)", (0.9, 0.999))
    (0.9, 0.999)
    """
    if not isinstance(values, tuple) or len(values) != 2:
        raise OptionError(where, "a pair of numbers", repr(values), "choose for instance (0.9, 0.99)")
    return fraction(f"{where}[0]", values[0]), fraction(f"{where}[1]", values[1])


def _checked(where: str, value: Any, allowed: Range) -> Any:
    if type(value) is float and allowed.holds(value):  # at once, because a schedule makes an optimiser at each step
        return value
    if at_hand(value):
        return as_real(where, value, allowed)
    return _valid_or_nan(where, value, allowed)


def _valid_or_nan(where: str, value: Any, allowed: Range) -> Any:
    if value.ndim or not namespace(value).isdtype(value.dtype, ("integral", "real floating")):
        got = f"an array of shape {tuple(value.shape)} and dtype {value.dtype}"
        raise OptionError(where, "one real number", got, "map over several with jax.vmap")
    return nan_unless(allowed.holds(value), value)
