"""What rules on arrays do when NumPy stops them: over underflow, which is no error here, or over what are no numbers.

A result too small for its dtype becomes 0 or loses digits, as softmax, products and sums that fade do all the time. Who
asks NumPy to raise for what goes wrong, by numpy.seterr(all="raise"), does not ask for that. To set the state for each
rule would cost as much as the rule. So a rule is called as it is, and where NumPy stops it, once more: it is pure.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np

from fnmlp.arrays import no_array
from fnmlp.errors import DtypeError, FnmlpError

F = TypeVar("F", bound=Callable[..., Any])

CLEAR = (AttributeError, IndexError, TypeError, ValueError)
"""What Python and NumPy raise over something that is no array of numbers."""


def on_numbers(function: F) -> F:
    """Decorate a pure function of arrays: underflow does not stop it, and what is no array of numbers is named.

    The state of numpy.seterr is the caller's own, and stays as it is.
    Raises:   DtypeError for lists, strings and objects in place of an array of numbers; what the function raises.

    >>> @on_numbers
    ... def square(x):
    ...     return x * x
    >>> with np.errstate(all="raise"):
    ...     square(np.array([1e-200]))
    array([0.])
    >>> square("text")
    Traceback (most recent call last):
    fnmlp.errors.DtypeError: square: expected an array, got str; convert it with numpy.asarray(x)
    """
    names = function.__code__.co_varnames[: function.__code__.co_argcount]

    @wraps(function)
    def run(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except FloatingPointError:
            return _once_more(function, arguments, {})
        except CLEAR as error:
            _check(function.__name__, error, arguments)
            raise

    @wraps(function)
    def run_with_options(*arguments: Any, **options: Any) -> Any:
        try:
            return function(*arguments, **options)
        except FloatingPointError:
            return _once_more(function, arguments, options)
        except CLEAR as error:
            _check(function.__name__, error, (*arguments, *(options[name] for name in names if name in options)))
            raise

    # Options cost time to pass on, though there be none.
    return cast("F", run_with_options if function.__code__.co_kwonlyargcount else run)


def retried(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a pure function, so that underflow does not stop it.

    >>> with np.errstate(all="raise"):
    ...     retried(np.exp, -1000.0)
    np.float64(0.0)
    """
    try:
        return function(*arguments)
    except FloatingPointError:
        return _once_more(function, arguments, {})


def _once_more(function: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    with np.errstate(under="ignore"):
        return function(*arguments, **options)


def _check(name: str, error: Exception, arguments: tuple[Any, ...]) -> None:
    """Find the argument that a rule can't compute with, where Python's or NumPy's own error comes from one."""
    if isinstance(error, FnmlpError):
        return
    where, asked = name.strip("_").replace("_", " "), getattr(error, "obj", ())
    for x in arguments:
        if isinstance(x, np.ndarray):
            if x.dtype.kind not in "biufc":
                raise DtypeError(where, "numbers", x.dtype, "convert them with .astype('float32')") from error
        elif isinstance(x, (list, str)) or (asked != () and x is asked):
            raise no_array(where, x) from error
