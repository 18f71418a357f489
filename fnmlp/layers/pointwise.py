"""Layers that apply a function to each number, and the function's derivative."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from fnmlp.arrays import Array
from fnmlp.checks import check_function, check_kind
from fnmlp.errors import OptionError
from fnmlp.expressions import expression
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback, input_pullback, no_parameters
from fnmlp.layers.checks import check_floats
from fnmlp.rules import on_numbers

__all__ = ["elementwise"]

Function: TypeAlias = Callable[[Array], Array]
"""Maps an array to one of the same shape and dtype, by operators and functions of `namespace(x)`."""


def elementwise(f: Function, df: Function, *, name: str | None = None) -> Layer[tuple[()]]:
    """Apply a function of your own to each number, y = f(x), given f and its derivative df.

    Define f and df at module level, so that the layer can be pickled. If you wrap this in a constructor of your own,
    pass the expression that calls it as `name`: with `known={"sine": sine}`, `fnmlp.build` reads "sine()" back.
    Shapes:   any; kept. f and df must keep them too.
    Gradient: the pullback multiplies dy by df(x).
    Raises:   OptionError unless f and df are callable; DtypeError for integers.

    >>> import numpy as np
    >>> sine = elementwise(np.sin, np.cos)
    >>> sine, sine.apply((), np.array([0.0]))
    (elementwise(sin, cos), array([0.]))
    """
    for option, value in (("f", f), ("df", df)):
        if not callable(value) or isinstance(value, Layer):
            raise OptionError(
                f"elementwise({option})", "a function of an array", repr(value), "pass np.sin, for instance"
            )
        check_function(f"elementwise({option})", value, 1, "np.sin")
    if name is not None:
        check_kind("elementwise(name)", name, str, "'sine()'")
    text = expression("elementwise", (f, df)) if name is None else name
    return Layer(text, no_parameters, partial(_elementwise_apply, f), partial(_elementwise_vjp, f, df), pointwise=True)


@on_numbers
def _elementwise_apply(f: Function, params: tuple[()], x: Array) -> Array:
    check_floats("activation", x)
    return f(x)


@on_numbers
def _elementwise_vjp(
    f: Function,
    df: Function,
    params: tuple[()],
    x: Array,
    key: Key | None,
) -> tuple[Array, Pullback[tuple[()]]]:
    check_floats("activation", x)
    return f(x), input_pullback(partial(_elementwise_pull, df, x))


@on_numbers
def _elementwise_pull(df: Function, x: Array, dy: Array) -> Array:
    return df(x) * dy
