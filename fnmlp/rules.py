"""Run rules on arrays so that underflow is not an error, and inputs that aren't numbers get a clear one.

In softmax, products and fading sums, some results always underflow to 0. That is harmless, so numpy.seterr(all="raise")
should not stop training for it. Setting NumPy's state around every rule would take as long as the rule. Instead, a rule
that NumPy stopped is called again with underflow ignored, which is safe because it is pure.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np

from fnmlp.arrays import no_array
from fnmlp.errors import DtypeError, FnmlpError

F = TypeVar("F", bound=Callable[..., Any])

CLEAR = (AttributeError, IndexError, TypeError, ValueError)
"""What Python and NumPy raise for anything but an array of numbers."""


def on_numbers(function: F) -> F:
    """Decorate a pure function of arrays: ignore underflow, and raise a clear error for anything but numbers.

    The caller's numpy.seterr state stays as it was.
    Raises:   DtypeError for lists, strings and objects instead of arrays of numbers; whatever the function raises.

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

    # Passing options on takes time even if there are none.
    return cast("F", run_with_options if function.__code__.co_kwonlyargcount else run)


def retried(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a pure function so that underflow can't stop it.

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
    """Find the argument that made Python or NumPy raise, because a rule can't compute with it."""
    if isinstance(error, FnmlpError):
        return
    where, asked = name.strip("_").replace("_", " "), getattr(error, "obj", ())
    for x in arguments:
        if isinstance(x, np.ndarray):
            if x.dtype.kind not in "biufc":
                raise DtypeError(where, "numbers", x.dtype, "convert them with .astype('float32')") from error
        elif isinstance(x, (list, str)) or (asked != () and x is asked):
            raise no_array(where, x) from error
