"""Activations that learn how much of them is used."""

from collections.abc import Callable
from functools import partial

from attrs import frozen

from fnmlp.arrays import Array, Shape, sum_rows
from fnmlp.checks import check_kind
from fnmlp.errors import OptionError
from fnmlp.expressions import expression
from fnmlp.initializers import constant
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback
from fnmlp.layers.checks import check_example, check_record, fits, misfit
from fnmlp.rows import stacked
from fnmlp.rules import on_numbers

__all__ = ["Parametric", "parametric"]


@frozen(eq=False)
class Parametric:
    """The parameter of `parametric(activation)`: the share of the activation in each feature, alpha (n,)."""

    alpha: Array


def parametric(activation: Layer[tuple[()]]) -> Layer[Parametric]:
    """Mix an activation with the identity, in shares that are learned: (1 - alpha) x + alpha f(x).

    Shapes:   (batch, n) -> (batch, n). Parameters: alpha (n,), initially 1, which is the activation itself.
    Gradient: the sum of dy · (f(x) - x) for alpha. The pullback is dy · (1 - alpha), plus the activation's for
              dy · alpha.
    Raises:   StructureError unless the activation is a layer; OptionError unless it maps each number by itself, without
              parameters and noise; ShapeError at init unless an example has one axis.
    Source:   Holzmüller et al. 2024, arXiv:2407.04491, section 3 and appendix A.

    >>> import numpy as np
    >>> from fnmlp.layers import relu
    >>> parametric(relu()).apply(Parametric(np.array([1.0, 0.5])), np.array([[-4.0, -4.0]]))
    array([[ 0., -2.]])
    """
    check_kind("parametric(activation)", activation, Layer, "silu()")
    if not activation.pointwise:
        remedy = "choose for instance silu()"
        raise OptionError("parametric(activation)", "an activation without parameters and noise", activation, remedy)
    name = expression("parametric", [activation])
    apply, vjp = partial(_parametric_apply, activation), partial(_parametric_vjp, activation)
    return Layer(name, partial(_parametric_init, name), apply, vjp, rows=partial(_parametric_rows, activation))


def _parametric_init(where: str, key: Key, shape: Shape) -> tuple[Parametric, Shape]:
    check_example(where, shape)
    return Parametric(constant(1.0)(key, shape, (1, 1))), shape


@on_numbers
def _parametric_apply(activation: Layer[tuple[()]], params: Parametric, x: Array) -> Array:
    _check(activation, params, x)
    return _mixed(params.alpha, x, activation.apply((), x))


@on_numbers
def _parametric_vjp(
    activation: Layer[tuple[()]], params: Parametric, x: Array, key: Key | None
) -> tuple[Array, Pullback[Parametric]]:
    _check(activation, params, x)
    bent, pullback = activation.vjp((), x, None)
    return _mixed(params.alpha, x, bent), partial(_parametric_pull, params.alpha, bent - x, pullback)


@on_numbers
def _parametric_pull(
    alpha: Array, change: Array, pullback: Pullback[tuple[()]], dy: Array
) -> tuple[Parametric, Callable[[], Array]]:
    return Parametric(sum_rows(dy * change)), partial(_parametric_dx, alpha, pullback, dy)


@on_numbers
def _parametric_dx(alpha: Array, pullback: Pullback[tuple[()]], dy: Array) -> Array:
    return dy * (1 - alpha) + pullback(dy * alpha)[1]()


def _parametric_rows(activation: Layer[tuple[()]], params: Parametric, x: Array, dy: Array) -> Parametric:
    return Parametric(stacked(dy * (activation.apply((), x) - x), params.alpha.shape))


def _mixed(alpha: Array, x: Array, bent: Array) -> Array:
    y = x * (1 - alpha)
    y += bent * alpha
    return y


def _check(activation: Layer[tuple[()]], params: Parametric, x: Array) -> None:
    check_record("parametric", Parametric, params)
    if not fits(x, params.alpha):
        raise misfit(f"parametric({activation})", x, params.alpha)
