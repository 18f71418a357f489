"""Linear layers of an ensemble in one network: inputs have an axis of members, which share most of their weights."""

from collections.abc import Callable
from functools import partial

from attrs import frozen

from fnmlp.arrays import Array, Shape, namespace, same_dtype, sum_rows
from fnmlp.checks import as_shape
from fnmlp.errors import ShapeError
from fnmlp.expressions import expression
from fnmlp.initializers import Initializer, constant
from fnmlp.key import Key, fold_in
from fnmlp.layer import Layer, Pullback
from fnmlp.layers.affine import TORCH_UNIFORM, Linear
from fnmlp.layers.checks import check_record, initial, initializer_options, wrong_dtype
from fnmlp.rows import Rows, stacked
from fnmlp.rules import on_numbers
from fnmlp.scalars import as_count

__all__ = ["BatchEnsemble", "batch_ensemble", "ensemble_linear"]

ONES = constant(1.0)
"""The usual initial scales."""

DEFAULTS: dict[str, Initializer] = {"weight_init": TORCH_UNIFORM, "scale_init": ONES, "bias_init": TORCH_UNIFORM}
"""The usual initializers."""


@frozen(eq=False)
class BatchEnsemble:
    """The parameters of `batch_ensemble(out)`, for k members.

    All share the weight (in, out). Each has its own scale_in (k, in), scale_out (k, out) and bias (k, out).
    """

    weight: Array
    scale_in: Array
    scale_out: Array
    bias: Array


def batch_ensemble(
    out: int,
    *,
    weight_init: Initializer = TORCH_UNIFORM,
    scale_init: Initializer = ONES,
    bias_init: Initializer = TORCH_UNIFORM,
) -> Layer[BatchEnsemble]:
    """Map each member's copy linearly, by a weight that all share, and scales and a bias of its own.

    Member i computes ((x ∘ r_i) W) ∘ s_i + b_i. In the first layer use `scale_init=signs()`, so that members differ.
    Shapes:   (batch, k, in) -> (batch, k, out), for k members. Parameters: weight W (in, out); scale_in r (k, in), by
              `scale_init`; scale_out s (k, out), initially 1; bias b (k, out).
    Gradient: as that of `linear` for W and b, summed over the members for W; for each scale, the sum over the batch of
              what it multiplies times the gradient there.
    Raises:   OptionError unless out >= 1; ShapeError at init unless an example has two axes.
    Source:   Wen, Tran & Ba 2020, arXiv:2002.06715, eq. 1; Gorishniy, Kotelnikov & Babenko 2024, arXiv:2410.24210,
              section 3.

    >>> batch_ensemble(4).init(Key(0), (2, 3))[1]
    (2, 4)
    """
    out = as_count("batch_ensemble(out)", out)
    given = {"weight_init": weight_init, "scale_init": scale_init, "bias_init": bias_init}
    options = initializer_options("batch_ensemble", given, DEFAULTS)
    name = expression("batch_ensemble", [out], options)
    init = partial(_batch_ensemble_init, name, out, weight_init, scale_init, bias_init)
    return Layer(name, init, _batch_ensemble_apply, _batch_ensemble_vjp, rows=_batch_ensemble_rows)


def _batch_ensemble_init(
    where: str,
    out: int,
    weight_init: Initializer,
    scale_init: Initializer,
    bias_init: Initializer,
    key: Key,
    shape: Shape,
) -> tuple[BatchEnsemble, Shape]:
    members, features = _members_of(where, shape)
    fans = features, out
    params = BatchEnsemble(
        initial("weight_init", weight_init, fold_in(key, 0), fans, fans),
        initial("scale_init", scale_init, fold_in(key, 1), (members, features), fans),
        ONES(fold_in(key, 2), (members, out), fans),
        initial("bias_init", bias_init, fold_in(key, 3), (members, out), fans),
    )
    return params, (members, out)


def _members_of(where: str, shape: Shape) -> tuple[int, int]:
    shape = as_shape(where, shape)
    if len(shape) != 2 or 0 in shape:
        raise ShapeError(where, "examples of shape (members, n)", shape, "put tile(members) before it")
    return shape[0], shape[1]


@on_numbers
def _batch_ensemble_apply(params: BatchEnsemble, x: Array) -> Array:
    return _scaled_out(params, _times(_scaled_in(params, x), params.weight))


@on_numbers
def _batch_ensemble_vjp(params: BatchEnsemble, x: Array, key: Key | None) -> tuple[Array, Pullback[BatchEnsemble]]:
    scaled = _scaled_in(params, x)
    product = _times(scaled, params.weight)
    return _scaled_out(params, product), partial(_batch_ensemble_pull, params, x, scaled, product)


@on_numbers
def _batch_ensemble_pull(
    params: BatchEnsemble, x: Array, scaled: Array, product: Array, dy: Array
) -> tuple[BatchEnsemble, Callable[[], Array]]:
    of_product = dy * params.scale_out
    of_scaled = _times(of_product, params.weight.T)
    gradient = BatchEnsemble(
        _flat(scaled).T @ _flat(of_product),
        sum_rows(of_scaled * x),
        sum_rows(dy * product),
        sum_rows(dy),
    )
    return gradient, partial(_scaled, params.scale_in, of_scaled)


@on_numbers
def _scaled(scale: Array, dy: Array) -> Array:
    return dy * scale


def _batch_ensemble_rows(params: BatchEnsemble, x: Array, dy: Array) -> BatchEnsemble:
    of_product = dy * params.scale_out
    scaled = _scaled_in(params, x)
    weight = Rows(scaled, of_product, params.weight.shape)  # a product for each member
    own = _times(of_product, params.weight.T) * x, dy * _times(scaled, params.weight), dy
    shapes = params.scale_in.shape, params.scale_out.shape, params.bias.shape
    return BatchEnsemble(weight, *map(stacked, own, shapes))  # type: ignore[arg-type]


def _scaled_in(params: BatchEnsemble, x: Array) -> Array:
    check_record("batch_ensemble", BatchEnsemble, params)
    scale = params.scale_in
    _check_inputs("batch_ensemble", x, scale, scale.shape)
    return x * scale


def _scaled_out(params: BatchEnsemble, product: Array) -> Array:
    y = product * params.scale_out
    y += params.bias
    return y


def _check_inputs(where: str, x: Array, parameter: Array, example: Shape) -> None:
    namespace(x)  # raises for masked arrays and matrices
    if tuple(x.shape[1:]) != tuple(example):
        remedy = "give the model the examples that it was initialized for"
        expected = f"inputs of shape (batch, {example[0]}, {example[1]})"
        raise ShapeError(where, expected, tuple(x.shape), remedy)
    if not same_dtype(x, parameter):
        raise wrong_dtype(where, x, parameter)


def _flat(x: Array) -> Array:
    """Return all members of all rows below one another, for one product of matrices."""
    rows, members, width = x.shape
    flat: Array = namespace(x).reshape(x, (rows * members, width))
    return flat


def _times(x: Array, weight: Array) -> Array:
    y = _flat(x) @ weight
    product: Array = namespace(y).reshape(y, (*x.shape[:2], weight.shape[1]))
    return product


def ensemble_linear(
    out: int, *, weight_init: Initializer = TORCH_UNIFORM, bias_init: Initializer = TORCH_UNIFORM
) -> Layer[Linear]:
    """Map each member's copy linearly, by a weight and a bias of its own: the last layer of an ensemble.

    Shapes:   (batch, k, in) -> (batch, k, out), for k members. Parameters: weight (k, in, out), bias (k, out).
    Gradient: that of `linear`, for each member by itself.
    Raises:   OptionError unless out >= 1; ShapeError at init unless an example has two axes.
    Source:   Gorishniy, Kotelnikov & Babenko 2024, arXiv:2410.24210, section 3.

    >>> ensemble_linear(4).init(Key(0), (2, 3))[0].weight.shape
    (2, 3, 4)
    """
    out = as_count("ensemble_linear(out)", out)
    given = {"weight_init": weight_init, "bias_init": bias_init}
    name = expression("ensemble_linear", [out], initializer_options("ensemble_linear", given, DEFAULTS))
    init = partial(_ensemble_init, name, out, weight_init, bias_init)
    return Layer(name, init, _ensemble_apply, _ensemble_vjp, rows=_ensemble_rows)


def _ensemble_init(
    where: str, out: int, weight_init: Initializer, bias_init: Initializer, key: Key, shape: Shape
) -> tuple[Linear, Shape]:
    members, features = _members_of(where, shape)
    fans = features, out
    weight = initial("weight_init", weight_init, fold_in(key, 0), (members, features, out), fans)
    return Linear(weight, initial("bias_init", bias_init, fold_in(key, 1), (members, out), fans)), (members, out)


@on_numbers
def _ensemble_apply(params: Linear, x: Array) -> Array:
    check_record("ensemble_linear", Linear, params)
    _check_inputs("ensemble_linear", x, params.weight, params.weight.shape[:2])
    return swapped(swapped(x) @ params.weight) + params.bias


def _ensemble_vjp(params: Linear, x: Array, key: Key | None) -> tuple[Array, Pullback[Linear]]:
    return _ensemble_apply(params, x), partial(_ensemble_pull, params, x)


@on_numbers
def _ensemble_pull(params: Linear, x: Array, dy: Array) -> tuple[Linear, Callable[[], Array]]:
    by_member = swapped(dy)
    weight = namespace(x).permute_dims(x, (1, 2, 0)) @ by_member
    return Linear(weight, sum_rows(dy)), partial(_ensemble_dx, params.weight, by_member)


@on_numbers
def _ensemble_dx(weight: Array, by_member: Array) -> Array:
    return swapped(by_member @ weight.mT)


def _ensemble_rows(params: Linear, x: Array, dy: Array) -> Linear:
    weight = stacked(x[:, :, :, None] * dy[:, :, None, :], params.weight.shape)
    return Linear(weight, stacked(dy, dy.shape[1:]))


def swapped(x: Array) -> Array:
    """Swap the first two axes: one matrix for each member or feature, or back.

    >>> import numpy as np
    >>> swapped(np.zeros((5, 2, 3))).shape
    (2, 5, 3)
    """
    matrices: Array = namespace(x).permute_dims(x, (1, 0, 2))
    return matrices
