"""Layers that say something wrong of themselves: of the gradients of rows, of being pointwise, of their parts."""

from functools import partial
from typing import Any

from attrs import evolve
import numpy as np

import fnmlp as fn
from fnmlp.layer import combinator, own_params
from fnmlp.rows import outer, stacked
from tests.wrong.pieces import Array, Slip, layer, slips


def affine(slip: str) -> fn.Layer[Any]:
    """Make a linear layer that gives the gradient of each row."""
    return evolve(fn.linear(3), name="affine()", rows=partial(_affine_rows, slip))


def _affine_rows(slip: str, params: Any, x: Array, dy: Array) -> Any:
    count = max(len(dy), 1)
    if "shared out" in slip:
        of_weight, of_bias = x.T @ dy / count, dy.sum(axis=0) / count
        each = np.broadcast_to(of_weight, (len(dy), *of_weight.shape)), np.broadcast_to(of_bias, dy.shape)
        return fn.Linear(stacked(each[0], of_weight.shape), stacked(each[1], of_bias.shape))
    if "plain arrays" in slip:
        return fn.Linear(x[:, :, None] * dy[:, None, :], dy)
    if "in place" in slip:
        dy *= 2
        return fn.Linear(outer(x, dy / 2, params.weight.shape), stacked(dy / 2, params.bias.shape))
    if "float64" in slip:
        dy = dy.astype(np.float64)
    if "mean" in slip:
        dy = dy / count
    if "row before" in slip:
        x = np.roll(x, 1, axis=0)
    if "shape of the weight" in slip:
        return fn.Linear(outer(dy, x, params.weight.shape[::-1]), stacked(dy, params.bias.shape))
    if "a tuple" in slip:
        return outer(x, dy, params.weight.shape), stacked(dy, params.bias.shape)
    of_bias = np.zeros_like(dy) if "bias" in slip else dy
    return fn.Linear(outer(x, dy, params.weight.shape), stacked(of_bias, params.bias.shape))


def scaled(slip: str) -> fn.Layer[Any]:
    """Make a layer that doubles each number and says that it is pointwise."""
    if "parameter" in slip:
        return evolve(fn.prelu(), pointwise=True)
    if "noise" in slip:
        return evolve(fn.dropout(0.5), name="scaled()", pointwise=True)
    if "rows" in slip:
        return evolve(fn.softmax(), name="scaled()", pointwise=True)
    if "before it" in slip:
        return evolve(layer("scaled", _summed, _summed_back), pointwise=True)
    if "fewer" in slip:
        return evolve(fn.glu(), name="scaled()", pointwise=True)
    return evolve(layer("scaled", _doubled, _doubled_back), pointwise=True)


def _doubled(params: Any, x: Array) -> Array:
    return 2 * x


def _doubled_back(params: Any, x: Array, dy: Array) -> Any:
    return (), 2 * dy


def _summed(params: Any, x: Array) -> Array:
    return np.cumsum(x, axis=-1)


def _summed_back(params: Any, x: Array, dy: Array) -> Any:
    return (), np.cumsum(dy[:, ::-1], axis=-1)[:, ::-1].copy()


def difference(slip: str) -> fn.Layer[Any]:
    """Make a combinator of two layers whose outputs are subtracted, with a weight."""
    parts = fn.linear(3), fn.chain(fn.linear(3), fn.tanh())
    made = combinator("difference()", parts, _minus_init, _minus_apply, _minus_vjp, 0.5, deal=own_params)
    if "reverse" in slip:
        return evolve(made, deal=_reversed)
    if "old parts" in slip:
        return evolve(made, remake=partial(_unchanged, made))
    if "weight" in slip:
        return evolve(made, remake=_without_weight)
    if "swapped" in slip:
        return evolve(made, remake=partial(_swapped, made))
    if "deals nothing" in slip:
        return evolve(made, deal=None, remake=None)
    return evolve(made, remake=None) if "made again" in slip else made


def _minus_init(name: str, parts: Any, weight: float, key: fn.Key, shape: fn.Shape) -> tuple[Any, fn.Shape]:
    made = [part.init(fn.fold_in(key, place), shape) for place, part in enumerate(parts)]
    return tuple(params for params, _ in made), made[0][1]


def _minus_apply(name: str, parts: Any, weight: float, params: Any, x: Array) -> Array:
    return parts[0].apply(params[0], x) - weight * parts[1].apply(params[1], x)


def _minus_vjp(name: str, parts: Any, weight: float, params: Any, x: Array, key: fn.Key | None) -> Any:
    (left, pull_left), (right, pull_right) = (part.vjp(own, x, key) for part, own in zip(parts, params, strict=True))
    return left - weight * right, partial(_minus_pull, pull_left, pull_right, weight)


def _minus_pull(pull_left: Any, pull_right: Any, weight: float, dy: Array) -> Any:
    (of_left, left_dx), (of_right, right_dx) = pull_left(dy), pull_right(-weight * dy)
    return (of_left, of_right), lambda: left_dx() + right_dx()


def _reversed(params: Any) -> Any:
    return params[::-1]


def _unchanged(made: fn.Layer[Any], parts: Any) -> fn.Layer[Any]:
    return made


def _without_weight(parts: Any) -> fn.Layer[Any]:
    return combinator("difference()", parts, _minus_init, _minus_apply, _minus_vjp, 1.0, deal=own_params)


def _swapped(made: fn.Layer[Any], parts: Any) -> Any:
    assert made.remake is not None
    return made.remake(parts[::-1])


STRUCTURE: dict[str, list[Slip]] = {
    "the gradients of rows add up to that of the batch": slips(
        affine,
        "the gradient of the batch is shared out evenly",
        "plain arrays stand for rows",
        "dy is doubled in place",
        "the gradients are float64",
        "each row is weighted as in a mean",
        "each row takes the inputs of the row before",
        "the shape of the weight is that of torch",
        "a tuple stands for the record of the parameters",
        "the bias gets nothing",
    ),
    "a pointwise layer maps each number by itself": slips(
        scaled,
        "it has a parameter",
        "it has noise",
        "numbers of rows meet",
        "a number meets those before it",
        "there are fewer outputs",
        example=(4,),
    ),
    "a combinator is made again of its parts": slips(
        difference,
        "parameters are dealt in reverse",
        "it is made again of its old parts",
        "its weight is forgotten",
        "its parts are swapped",
        "it has parts and deals nothing",
        "it is not made again",
    ),
}
"""By the law that names them."""
