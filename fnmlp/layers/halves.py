"""Gated linear units: one half of the features gates the other.

The linear maps before and after are separate layers. A gated feed-forward block of width n is `chain(linear(2 * n),
swiglu(), linear(out))`: the first matrix holds the weights of both halves.
"""

from functools import partial

from fnmlp.arrays import Array, Shape, namespace
from fnmlp.checks import as_shape
from fnmlp.errors import ShapeError
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback, input_pullback
from fnmlp.layers import special
from fnmlp.layers.checks import check_floats
from fnmlp.layers.gates import wide_silu, wide_silu_with_slope
from fnmlp.rules import on_numbers

__all__ = ["glu", "swiglu"]


def glu() -> Layer[tuple[()]]:
    """Gate the first half of the features by the sigmoid of the second: y = a σ(b), where x = [a, b].

    Shapes:   (batch, …, 2n) -> (batch, …, n), halved along the last axis.
    Gradient: dy σ(b) for a, and dy a σ(b) σ(-b) for b.
    Raises:   ShapeError unless the last axis of an example holds an even number of features, at least 2.
    Source:   Dauphin et al. 2017, arXiv:1612.08083, eq. 1; the halves are those of torch.nn.GLU.

    >>> import numpy as np
    >>> glu().apply((), np.array([[3.0, -2.0, 0.0, 100.0]]))
    array([[ 1.5, -2. ]])
    """
    return Layer("glu()", partial(_halved_init, "glu()"), _glu_apply, _glu_vjp)


@on_numbers
def _glu_apply(params: tuple[()], x: Array) -> Array:
    passing, gate = _halves("glu()", x)
    return passing * special.sigmoid(gate)


@on_numbers
def _glu_vjp(params: tuple[()], x: Array, key: Key | None) -> tuple[Array, Pullback[tuple[()]]]:
    passing, gate = _halves("glu()", x)
    opening = special.sigmoid(gate)
    return passing * opening, input_pullback(partial(_glu_pull, passing, gate, opening))


@on_numbers
def _glu_pull(passing: Array, gate: Array, opening: Array, dy: Array) -> Array:
    return _joined(dy * opening, dy * (passing * special.sigmoid_slope(gate)))


def swiglu() -> Layer[tuple[()]]:
    """Gate the second half of the features by the `silu` of the first: y = a σ(a) b, where x = [a, b].

    Unlike the block in the paper it has no weights of its own: put `linear` before and after. The gate comes first, as
    in the paper and in language models; in `glu` it comes last, as in torch.
    Shapes:   (batch, …, 2n) -> (batch, …, n), halved along the last axis.
    Gradient: dy b σ(a) (1 + a σ(-a)) for a, and dy a σ(a) for b.
    Raises:   as `glu`.
    Source:   Shazeer 2020, arXiv:2002.05202, eq. 5 and 6, with β = 1.

    >>> import numpy as np
    >>> swiglu().apply((), np.array([[0.0, 100.0, 5.0, -0.5]]))
    array([[  0., -50.]])
    """
    return Layer("swiglu()", partial(_halved_init, "swiglu()"), _swiglu_apply, _swiglu_vjp)


@on_numbers
def _swiglu_apply(params: tuple[()], x: Array) -> Array:
    gate, passing = _halves("swiglu()", x)
    return special.in_float64(wide_silu, gate) * passing


@on_numbers
def _swiglu_vjp(params: tuple[()], x: Array, key: Key | None) -> tuple[Array, Pullback[tuple[()]]]:
    gate, passing = _halves("swiglu()", x)
    opening, slope = special.each_in_float64(wide_silu_with_slope, gate)
    return opening * passing, input_pullback(partial(_swiglu_pull, opening, slope, passing))


@on_numbers
def _swiglu_pull(opening: Array, slope: Array, passing: Array, dy: Array) -> Array:
    return _joined(dy * (passing * slope), dy * opening)


def _halved_init(where: str, key: Key, shape: Shape) -> tuple[tuple[()], Shape]:
    shape = as_shape(where, shape)
    if not shape or shape[-1] < 2 or shape[-1] % 2:
        remedy = "put linear(2 * n) before it, for n features"
        raise ShapeError(where, "examples whose last axis is even", shape, remedy)
    return (), (*shape[:-1], shape[-1] // 2)


def _halves(where: str, x: Array) -> tuple[Array, Array]:
    check_floats(where, x)
    if x.shape[-1] % 2:
        remedy = "give the model the examples that it was initialized for"
        raise ShapeError(where, "inputs whose last axis is even", tuple(x.shape), remedy)
    half = x.shape[-1] // 2
    return x[..., :half], x[..., half:]


def _joined(first: Array, second: Array) -> Array:
    return namespace(first).concat([first, second], axis=-1)
