"""Errors for parameters, initial values and inputs that don't fit a layer."""

import numpy as np

from fnmlp.arrays import Array, Shape, namespace, same_dtype
from fnmlp.checks import as_shape, check_function
from fnmlp.errors import DtypeError, FnmlpError, OptionError, ShapeError, StructureError, one_line
from fnmlp.initializers import Fans, Initializer
from fnmlp.key import Key


def check_record(where: str, kind: type, params: object) -> None:
    """Raise unless the parameters have the layer's own type.

    >>> check_record("linear", int, 3.0)
    Traceback (most recent call last):
    fnmlp.errors.StructureError: linear: expected int parameters, got float; pass what init returned
    """
    if not isinstance(params, kind):
        raise StructureError(where, f"{kind.__name__} parameters", type(params).__name__, "pass what init returned")


def check_example(where: str, shape: Shape) -> None:
    """Raise unless examples have one axis and at least one number.

    >>> check_example("layer_norm()", (2, 3))
    Traceback (most recent call last):
    fnmlp.errors.ShapeError: layer_norm(): expected examples of shape (n,), got (2, 3); put flatten() before it
    """
    shape = as_shape(where, shape)
    if len(shape) != 1 or shape[0] < 1:
        remedy = "put flatten() before it" if len(shape) > 1 else "give examples at least one feature"
        raise ShapeError(where, "examples of shape (n,)", shape, remedy)


def initial(where: str, initializer: Initializer, key: Key, shape: Shape, fans: Fans) -> Array:
    """Return the array that an initializer makes, after checking its shape.

    Raises:   StructureError for anything but an array of this shape, or if the initializer does not take these
              arguments.

    >>> initial("weight_init", lambda key, shape, fans: 0.5, Key(0), (2, 3), (2, 3))
    Traceback (most recent call last):
    fnmlp.errors.StructureError: weight_init: expected an array of shape (2, 3), got float; return one, as constant(0...
    """
    expected = f"an array of shape {shape}"
    try:
        array = initializer(key, shape, fans)
    except (AttributeError, TypeError, ValueError) as error:
        if isinstance(error, FnmlpError):
            raise
        got, remedy = f"{type(error).__name__}: {one_line(error)}", "pass a function of (key, shape, fans)"
        raise StructureError(where, expected, got, remedy) from error
    found = getattr(array, "shape", None)
    if found is None or tuple(found) != shape:
        got = type(array).__name__ if found is None else f"shape {tuple(found)}"
        raise StructureError(where, expected, got, "return one, as constant(0.5) does")
    return array


def initializer_options(where: str, given: dict[str, Initializer], usual: dict[str, Initializer]) -> dict[str, object]:
    """Check that these are initializers, and return those that are not the usual ones, to write them in a name.

    >>> initializer_options("linear", {"weight_init": 0.5}, {})
    Traceback (most recent call last):
    fnmlp.errors.OptionError: linear(weight_init): expected an initializer, got 0.5; use for instance glorot_normal()
    """
    for name, value in given.items():
        if not callable(value):
            raise OptionError(f"{where}({name})", "an initializer", repr(value), "use for instance glorot_normal()")
        check_function(f"{where}({name})", value, 3, "glorot_normal()")
    return {name: value for name, value in given.items() if value is not usual[name]}


def check_floats(where: str, x: Array) -> None:
    """Raise unless inputs are floating-point numbers: NumPy's integers wrap around, or become half precision.

    >>> check_floats("softmax", np.array([0, 255], np.uint8))
    Traceback (most recent call last):
    fnmlp.errors.DtypeError: softmax: expected floating-point inputs, got uint8; convert them with .astype('float32'...
    """
    if type(x) is np.ndarray:
        floating = x.dtype.kind in "fc"
    else:
        floating = namespace(x).isdtype(x.dtype, ("real floating", "complex floating"))
    if not floating:
        remedy = "convert them with .astype('float32'), or for pixels put scale(1 / 255) first"
        raise DtypeError(where, "floating-point inputs", x.dtype, remedy)


def fits(x: Array, parameter: Array) -> bool:
    """Tell whether inputs have the parameter's dtype, and rows as long as its first axis.

    >>> fits(np.zeros((5, 2)), np.zeros((2, 3))), fits(np.zeros((5, 3)), np.zeros((2, 3)))
    (True, False)
    """
    if type(x) is not np.ndarray:
        namespace(x)  # raises for masked arrays and matrices
    return x.ndim == 2 and x.shape[1] == parameter.shape[0] and same_dtype(x, parameter)


def misfit(where: str, x: Array, parameter: Array) -> ShapeError | DtypeError:
    """Return the error for inputs that do not fit a parameter."""
    features = parameter.shape[0]
    if x.ndim != 2 or x.shape[1] != features:
        remedy = "give the model the examples that it was initialized for"
        return ShapeError(where, f"inputs of shape (batch, {features})", tuple(x.shape), remedy)
    return wrong_dtype(where, x, parameter)


def wrong_dtype(where: str, x: Array, parameter: Array) -> DtypeError:
    """Return the error for inputs with another dtype than a parameter."""
    remedy = f"convert the inputs with .astype({str(parameter.dtype)!r}); for pixels put scale(1 / 255) first"
    return DtypeError(where, f"inputs of {parameter.dtype}, as the parameters are", x.dtype, remedy)
