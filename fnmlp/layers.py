"""Layers: each a constructor and its three pure functions, in that order."""

from functools import partial
from math import prod

from attrs import frozen

from fnmlp.arrays import Array, Shape, namespace, read_only, same_dtype, to_dtype, unshared
from fnmlp.errors import DtypeError, OptionError, ShapeError, StructureError
from fnmlp.initializers import Initializer, kaiming_uniform
from fnmlp.key import Key, fold_in
from fnmlp.layer import Layer, Pullback, expression, input_pullback, no_parameters
from fnmlp.options import count, finite, one_of

TORCH_UNIFORM = kaiming_uniform(a=5**0.5)
"""Uniform over ±1/√fan_in: what torch.nn.Linear draws weights and biases from."""


@frozen(eq=False)
class Linear:
    """The parameters of `linear(out)`: weight (in, out), and bias (out,) or () without one."""

    weight: Array
    bias: Array | tuple[()]


def linear(
    out: int,
    *,
    bias: bool = True,
    weight_init: Initializer = TORCH_UNIFORM,
    bias_init: Initializer = TORCH_UNIFORM,
) -> Layer[Linear]:
    """Map each example linearly: y = x W + b.

    Shapes:   (batch, in) -> (batch, out).  Parameters: weight (in, out), bias (out,).
    Gradient: the pullback gives xᵀ dy to the weight, the sum of dy over the batch to the bias, dy Wᵀ to the input.
    Raises:   OptionError unless out >= 1; ShapeError at init unless an example has one axis.
    Source:   torch.nn.Linear, whose default initialization this is; its weight is stored transposed.

    >>> linear(2).init(Key(0), (3,))[1]
    (2,)
    """
    for name, value in (("weight_init", weight_init), ("bias_init", bias_init)):
        if not callable(value):
            raise OptionError(f"linear({name})", "an initializer", repr(value), "use for instance glorot_normal()")
    options: dict[str, object] = {"bias": False} if not bias else {}
    if weight_init is not TORCH_UNIFORM:
        options["weight_init"] = weight_init
    if bias and bias_init is not TORCH_UNIFORM:
        options["bias_init"] = bias_init
    name = expression("linear", [count("linear(out)", out)], options)
    init = partial(_linear_init, int(out), weight_init, bias_init if bias else None)
    return Layer(name, init, _linear_apply, _linear_vjp)


def _linear_init(
    out: int, weight_init: Initializer, bias_init: Initializer | None, key: Key, shape: Shape
) -> tuple[Linear, Shape]:
    if len(shape) != 1 or shape[0] < 1:
        remedy = "put flatten() before it" if len(shape) > 1 else "give examples at least one feature"
        raise ShapeError(f"linear({out})", "examples of shape (n,)", shape, remedy)
    fans = (shape[0], out)
    weight = weight_init(fold_in(key, 0), (shape[0], out), fans)
    bias = () if bias_init is None else bias_init(fold_in(key, 1), (out,), fans)
    return Linear(weight, bias), (out,)


def _linear_apply(params: Linear, x: Array) -> Array:
    if not isinstance(params, Linear):
        raise StructureError("linear", "Linear parameters", type(params).__name__, "pass what init returned")
    weight = params.weight
    if x.ndim != 2 or x.shape[1] != weight.shape[0] or not same_dtype(x, weight):
        raise _linear_misfit(weight, x)
    y = x @ weight
    if not isinstance(params.bias, tuple):
        y += params.bias
    return y


def _linear_vjp(params: Linear, x: Array, key: Key | None) -> tuple[Array, Pullback[Linear]]:  # noqa: ARG001 (no noise)
    def pullback(dy: Array) -> tuple[Linear, partial[Array]]:
        bias = () if isinstance(params.bias, tuple) else _sum_rows(dy)
        return Linear(x.T @ dy, bias), partial(_times_transposed, dy, params.weight)

    return _linear_apply(params, x), pullback


def _sum_rows(x: Array) -> Array:
    """Sum by halves, because adding 60,000 rows one after another in float32 loses two digits."""
    rows = x.shape[0]
    if rows <= 128:
        total: Array = namespace(x).sum(x, axis=0)
        return total
    return _sum_rows(x[: rows // 2, :]) + _sum_rows(x[rows // 2 :, :])


def _times_transposed(dy: Array, weight: Array) -> Array:
    return dy @ weight.T


def _linear_misfit(weight: Array, x: Array) -> ShapeError | DtypeError:
    inputs, out = weight.shape
    where = f"linear({out})"
    if x.ndim != 2 or x.shape[1] != inputs:
        remedy = "give the model the examples that it was initialized for"
        return ShapeError(where, f"inputs of shape (batch, {inputs})", tuple(x.shape), remedy)
    remedy = f"convert the inputs with .astype({str(weight.dtype)!r}); for pixels put scale(1 / 255) first"
    return DtypeError(where, f"inputs of {weight.dtype}, as the weight is", x.dtype, remedy)


def relu() -> Layer[tuple[()]]:
    """Rectify: max(x, 0).

    Shapes:   any; kept.
    Gradient: the pullback passes dy where x > 0 and stops it elsewhere, at 0 and -0.0 too, as torch does. It is a
              product with 0 or 1, so that an infinite dy becomes NaN where x <= 0.
    Source:   Nair & Hinton 2010.

    >>> import numpy as np
    >>> relu().apply((), np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return Layer("relu()", no_parameters, _relu_apply, _relu_vjp)


def _relu_apply(params: tuple[()], x: Array) -> Array:  # noqa: ARG001 (no parameters)
    y: Array = namespace(x).maximum(x, 0)
    return y


def _relu_vjp(params: tuple[()], x: Array, key: Key | None) -> tuple[Array, Pullback[tuple[()]]]:  # noqa: ARG001
    y = read_only(_relu_apply(params, x))
    return y, input_pullback(partial(_relu_pull, y))


def _relu_pull(y: Array, dy: Array) -> Array:
    # A product, because where() takes seven times as long.
    dx = to_dtype(y > 0, dy.dtype)
    dx *= dy
    return dx


def softmax(*, axis: int = -1) -> Layer[tuple[()]]:
    """Turn numbers along an axis into probabilities: exp(x) over the sum of exp(x).

    Shapes:   any; kept. `axis` counts in the batch, so that 0 is the batch axis itself.
    Gradient: the pullback is (dy - Σ dy·y) y along the axis.
    A row with +inf, and a row of -inf alone, has no limit that all approaches share: it becomes NaN, as in torch.
    Raises:   OptionError for an axis that is no integer; ShapeError at init for one that examples do not have.
    Source:   Bridle 1990; shifted by the maximum so that exp never overflows.

    >>> import numpy as np
    >>> softmax().apply((), np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise OptionError("softmax(axis)", "an integer", repr(axis), "use -1 for the last axis")
    name = expression("softmax", (), {} if axis == -1 else {"axis": axis})
    return Layer(name, partial(_softmax_init, axis), partial(_softmax_apply, axis), partial(_softmax_vjp, axis))


def _softmax_init(axis: int, key: Key, shape: Shape) -> tuple[tuple[()], Shape]:  # noqa: ARG001 (nothing is drawn)
    axes = len(shape) + 1
    if not -axes <= axis < axes:
        where = f"softmax(axis={axis})"
        raise ShapeError(where, f"an axis from {-axes} to {axes - 1} for examples of shape {shape}", axis, "use -1")
    return (), shape


def _softmax_apply(axis: int, params: tuple[()], x: Array) -> Array:  # noqa: ARG001 (no parameters)
    if 0 in x.shape:
        return unshared(x)
    xp = namespace(x)
    exponentials: Array = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    total: Array = xp.sum(exponentials, axis=axis, keepdims=True)
    return exponentials / total


def _softmax_vjp(
    axis: int,
    params: tuple[()],
    x: Array,
    key: Key | None,  # noqa: ARG001 (no noise)
) -> tuple[Array, Pullback[tuple[()]]]:
    y = read_only(_softmax_apply(axis, params, x))
    return y, input_pullback(partial(_softmax_pull, axis, y))


def _softmax_pull(axis: int, y: Array, dy: Array) -> Array:
    mean: Array = namespace(dy).sum(dy * y, axis=axis, keepdims=True)
    dx = dy - mean
    dx *= y
    return dx


def identity() -> Layer[tuple[()]]:
    """Return the input as it is.

    Shapes:   any; kept.
    Gradient: the pullback returns dy as it is.

    >>> import numpy as np
    >>> identity().apply((), np.array([3.0]))
    array([3.])
    """
    return Layer("identity()", no_parameters, _identity_apply, _identity_vjp)


def _identity_apply(params: tuple[()], x: Array) -> Array:  # noqa: ARG001 (no parameters)
    return unshared(x)


def _identity_vjp(params: tuple[()], x: Array, key: Key | None) -> tuple[Array, Pullback[tuple[()]]]:  # noqa: ARG001
    return unshared(x), input_pullback(unshared)


def flatten() -> Layer[tuple[()]]:
    """Lay out each example in one axis.

    Shapes:   (batch, …) -> (batch, product of …).
    Gradient: the pullback gives dy the shape of x.

    >>> flatten().init(Key(0), (28, 28))[1]
    (784,)
    """
    return Layer("flatten()", _flatten_init, _flatten_apply, _flatten_vjp)


def _flatten_init(key: Key, shape: Shape) -> tuple[tuple[()], Shape]:  # noqa: ARG001 (nothing is drawn)
    return (), (prod(shape),)


def _flatten_apply(params: tuple[()], x: Array) -> Array:  # noqa: ARG001 (no parameters)
    return _reshape((x.shape[0], prod(x.shape[1:])), x)


def _flatten_vjp(params: tuple[()], x: Array, key: Key | None) -> tuple[Array, Pullback[tuple[()]]]:  # noqa: ARG001
    return _flatten_apply(params, x), input_pullback(partial(_reshape, x.shape))


def _reshape(shape: Shape, x: Array) -> Array:
    y: Array = namespace(x).reshape(unshared(x), shape)
    return y


def scale(factor: float, *, offset: float = 0.0, dtype: str = "float32") -> Layer[tuple[()]]:
    """Map the input by a fixed affine function, x · factor + offset; 1/255 brings pixels into [0, 1].

    Shapes:   any; kept. Integers become floats of `dtype`; floats keep their own.
    Units:    factor has units of y per x, offset those of y.
    Gradient: the pullback multiplies dy by the factor.
    Raises:   OptionError unless factor and offset are finite and dtype is float32 or float64.

    >>> import numpy as np
    >>> scale(1 / 255).apply((), np.array([0, 255], dtype=np.uint8))
    array([0., 1.], dtype=float32)
    """
    factor, offset = finite("scale(factor)", factor), finite("scale(offset)", offset)
    one_of("scale(dtype)", dtype, ("float32", "float64"))
    options: dict[str, object] = {"offset": offset} if offset else {}
    if dtype != "float32":
        options["dtype"] = dtype
    name = expression("scale", [factor], options)
    bound = (factor, offset, dtype)
    return Layer(name, no_parameters, partial(_scale_apply, *bound), partial(_scale_vjp, *bound))


def _scale_apply(factor: float, offset: float, dtype: str, params: tuple[()], x: Array) -> Array:  # noqa: ARG001
    xp = namespace(x)
    if xp.isdtype(x.dtype, ("integral", "bool")):
        y = to_dtype(x, dtype)
        y *= factor
    else:
        y = x * factor
    if offset:
        y += offset
    return y


def _scale_vjp(
    factor: float,
    offset: float,
    dtype: str,
    params: tuple[()],
    x: Array,
    key: Key | None,  # noqa: ARG001 (no noise)
) -> tuple[Array, Pullback[tuple[()]]]:
    return _scale_apply(factor, offset, dtype, params, x), input_pullback(partial(_times, factor))


def _times(factor: float, dy: Array) -> Array:
    return dy * factor
