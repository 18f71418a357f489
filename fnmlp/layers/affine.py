"""Layers with weights: linear, in two parametrizations, and maxout, the maximum of several linear maps."""

from collections.abc import Callable
from functools import partial
from typing import Any, Never, TypeAlias

from attrs import frozen

from fnmlp.arrays import Array, Shape, namespace, sum_rows, to_dtype
from fnmlp.checks import as_bool
from fnmlp.errors import OptionError
from fnmlp.expressions import expression
from fnmlp.initializers import STANDARD_NORMAL, Initializer, kaiming_uniform
from fnmlp.key import Key, fold_in
from fnmlp.layer import Layer, Pullback
from fnmlp.layers.checks import check_example, check_record, fits, initial, initializer_options, misfit
from fnmlp.rows import outer, stacked
from fnmlp.rules import on_numbers
from fnmlp.scalars import as_count

__all__ = ["Linear", "linear", "maxout", "ntk_linear"]

TORCH_UNIFORM = kaiming_uniform(a=5**0.5)
"""Uniform over ±1/√fan_in, as in torch.nn.Linear."""

USUAL: dict[str, Initializer] = {"weight_init": TORCH_UNIFORM, "bias_init": TORCH_UNIFORM}
"""The initializers of `linear`."""


@frozen(eq=False)
class Linear:
    """The parameters of `linear(out)` and `ntk_linear(out)`: weight (in, out), and bias (out,) or () without one."""

    weight: Array
    bias: Array | tuple[()]


def linear(
    out: int,
    *more: Never,
    bias: bool = True,
    weight_init: Initializer = TORCH_UNIFORM,
    bias_init: Initializer = TORCH_UNIFORM,
) -> Layer[Linear]:
    """Map each example linearly: y = x W + b.

    Shapes:   (batch, in) -> (batch, out).  Parameters: weight (in, out), bias (out,).
    Gradient: xᵀ dy for the weight, the sum of dy over the batch for the bias, dy Wᵀ for the input.
    Raises:   OptionError unless out >= 1; ShapeError at init unless an example has one axis.
    Source:   torch.nn.Linear, with the same default initialization; torch stores the weight transposed.

    >>> linear(2).init(Key(0), (3,))[1]
    (2,)
    """
    if more:
        remedy = f"write linear({more[0]}): how many inputs there are, the example says that init is given"
        raise OptionError("linear", "the number of outputs alone", f"{out!r} and {more[0]!r}", remedy)
    return _affine("linear", out, bias, weight_init, bias_init, USUAL, (_linear_apply, _linear_vjp, _linear_rows))


Rules: TypeAlias = tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]
"""The `apply`, `vjp` and `rows` of a layer."""


def _affine(
    where: str,
    out: int,
    bias: bool,
    weight_init: Initializer,
    bias_init: Initializer,
    usual: dict[str, Initializer],
    rules: Rules,
) -> Layer[Linear]:
    bias = as_bool(f"{where}(bias)", bias)
    options: dict[str, object] = {"bias": False} if not bias else {}
    given = {"weight_init": weight_init} | ({"bias_init": bias_init} if bias else {})
    options |= initializer_options(where, given, usual)
    out = as_count(f"{where}(out)", out)
    init = partial(_linear_init, out, weight_init, bias_init if bias else None)
    apply, vjp, rows = rules
    return Layer(expression(where, [out], options), init, apply, vjp, rows=rows)


def _linear_init(
    out: int, weight_init: Initializer, bias_init: Initializer | None, key: Key, shape: Shape
) -> tuple[Linear, Shape]:
    check_example(f"linear({out})", shape)
    fans = (shape[0], out)
    weight = initial("weight_init", weight_init, fold_in(key, 0), (shape[0], out), fans)
    bias = () if bias_init is None else initial("bias_init", bias_init, fold_in(key, 1), (out,), fans)
    return Linear(weight, bias), (out,)


@on_numbers
def _linear_apply(params: Linear, x: Array) -> Array:
    check_record("linear", Linear, params)
    weight = params.weight
    if not fits(x, weight):
        raise misfit(f"linear({weight.shape[1]})", x, weight)
    y = x @ weight
    if not isinstance(params.bias, tuple):
        y += params.bias
    return y


def _linear_vjp(params: Linear, x: Array, key: Key | None) -> tuple[Array, Pullback[Linear]]:
    return _linear_apply(params, x), partial(_linear_pull, params, x)


@on_numbers
def _linear_pull(params: Linear, x: Array, dy: Array) -> tuple[Linear, Callable[[], Array]]:
    bias = () if isinstance(params.bias, tuple) else sum_rows(dy)
    return Linear(x.T @ dy, bias), partial(_times_transposed, dy, params.weight)


@on_numbers
def _times_transposed(dy: Array, weight: Array) -> Array:
    return dy @ weight.T


def _linear_rows(params: Linear, x: Array, dy: Array) -> Linear:
    bias = () if isinstance(params.bias, tuple) else stacked(dy, params.bias.shape)
    return Linear(outer(x, dy, params.weight.shape), bias)


def ntk_linear(
    out: int, *, bias: bool = True, weight_init: Initializer = STANDARD_NORMAL, bias_init: Initializer = TORCH_UNIFORM
) -> Layer[Linear]:
    """Map each example linearly, by weights of about 1 whatever the number of inputs: y = x W / √in + b.

    This is the NTK parametrization. A layer computes what `linear` does with W / √in; but as all weights have one size,
    one rate suits Adam in layers of any width.
    Shapes:   as `linear`.
    Gradient: xᵀ dy / √in for the weight, the sum of dy over the batch for the bias, dy Wᵀ / √in for the input.
    Raises:   as `linear`.
    Source:   Jacot, Gabriel & Hongler 2018, arXiv:1806.07572, eq. 1; Holzmüller et al. 2024, arXiv:2407.04491,
              section 3.

    >>> import numpy as np
    >>> ntk_linear(1).apply(Linear(np.ones((4, 1)), np.array([0.5])), np.ones((1, 4)))
    array([[2.5]])
    """
    rules = _ntk_apply, _ntk_vjp, _ntk_rows
    return _affine("ntk_linear", out, bias, weight_init, bias_init, USUAL | {"weight_init": STANDARD_NORMAL}, rules)


@on_numbers
def _ntk_apply(params: Linear, x: Array) -> Array:
    check_record("ntk_linear", Linear, params)
    weight = params.weight
    if not fits(x, weight):
        raise misfit(f"ntk_linear({weight.shape[1]})", x, weight)
    y = x @ weight
    y *= _share(params)
    if not isinstance(params.bias, tuple):
        y += params.bias
    return y


def _ntk_vjp(params: Linear, x: Array, key: Key | None) -> tuple[Array, Pullback[Linear]]:
    return _ntk_apply(params, x), partial(_ntk_pull, params, x)


@on_numbers
def _ntk_pull(params: Linear, x: Array, dy: Array) -> tuple[Linear, Callable[[], Array]]:
    bias = () if isinstance(params.bias, tuple) else sum_rows(dy)
    reduced = dy * _share(params)
    return Linear(x.T @ reduced, bias), partial(_times_transposed, reduced, params.weight)


def _ntk_rows(params: Linear, x: Array, dy: Array) -> Linear:
    bias = () if isinstance(params.bias, tuple) else stacked(dy, params.bias.shape)
    return Linear(outer(x, dy * _share(params), params.weight.shape), bias)


def _share(params: Linear) -> float:
    return float(params.weight.shape[0] ** -0.5)


def maxout(
    out: int,
    pieces: int,
    *,
    weight_init: Initializer = TORCH_UNIFORM,
    bias_init: Initializer = TORCH_UNIFORM,
) -> Layer[Linear]:
    """Take the maximum of several linear maps, for each unit: y_j = max over k of (x W + b)_kj.

    Shapes:   (batch, in) -> (batch, out). Parameters: those of linear(pieces · out); piece k of unit j is column k ·
              out + j.
    Gradient: the pullback passes dy to the largest piece, or shares it among equal ones as torch.amax does; then it is
              linear's.
    Raises:   OptionError unless out >= 1 and pieces >= 2; ShapeError at init unless an example has one axis.
    Source:   Goodfellow et al. 2013, arXiv:1302.4389, section 3.

    >>> maxout(2, 3).init(Key(0), (4,))[0].weight.shape
    (4, 6)
    """
    out, pieces = as_count("maxout(out)", out), as_count("maxout(pieces)", pieces)
    if pieces == 1:
        raise OptionError("maxout(pieces)", "at least 2 pieces", pieces, "use linear(out) for a single one")
    options = initializer_options("maxout", {"weight_init": weight_init, "bias_init": bias_init}, USUAL)
    name = expression("maxout", [out, pieces], options)
    init = partial(_maxout_init, out, pieces, weight_init, bias_init)
    apply, vjp, rows = partial(_maxout_apply, pieces), partial(_maxout_vjp, pieces), partial(_maxout_rows, pieces)
    return Layer(name, init, apply, vjp, rows=rows)


def _maxout_init(
    out: int, pieces: int, weight_init: Initializer, bias_init: Initializer, key: Key, shape: Shape
) -> tuple[Linear, Shape]:
    check_example(f"maxout({out}, {pieces})", shape)
    params, _ = _linear_init(out * pieces, weight_init, bias_init, key, shape)
    return params, (out,)


@on_numbers
def _maxout_apply(pieces: int, params: Linear, x: Array) -> Array:
    candidates = _candidates(pieces, params, x)
    return namespace(candidates).max(candidates, axis=1)


@on_numbers
def _maxout_vjp(
    pieces: int,
    params: Linear,
    x: Array,
    key: Key | None,
) -> tuple[Array, Pullback[Linear]]:
    candidates = _candidates(pieces, params, x)
    y: Array = namespace(candidates).max(candidates, axis=1)
    return y, partial(_maxout_pull, params, x, candidates == y[:, None, :])


@on_numbers
def _maxout_pull(params: Linear, x: Array, largest: Array, dy: Array) -> tuple[Linear, Callable[[], Array]]:
    return _linear_pull(params, x, _shares(largest, dy))


def _maxout_rows(pieces: int, params: Linear, x: Array, dy: Array) -> Linear:
    candidates = _candidates(pieces, params, x)
    largest = candidates == namespace(candidates).max(candidates, axis=1)[:, None, :]
    return _linear_rows(params, x, _shares(largest, dy))


def _shares(largest: Array, dy: Array) -> Array:
    """Share dy among the largest pieces: (batch, pieces, out) and (batch, out) -> (batch, pieces · out)."""
    xp = namespace(dy)
    shares = to_dtype(largest, dy.dtype)
    winners = xp.maximum(xp.sum(shares, axis=1), 1)  # NaN equals nothing
    shares *= (dy / winners)[:, None, :]
    rows, pieces, out = largest.shape
    y: Array = xp.reshape(shares, (rows, pieces * out))
    return y


def _candidates(pieces: int, params: Linear, x: Array) -> Array:
    """Return the outputs of all pieces: (batch, pieces, out)."""
    every = _linear_apply(params, x)
    return namespace(every).reshape(every, (every.shape[0], pieces, every.shape[1] // pieces))
