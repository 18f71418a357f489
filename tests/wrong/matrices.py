"""Wrong layers that mix the numbers of a row: weights, norms, softmax, shapes."""

from functools import partial
from typing import Any

import numpy as np

import fnmlp as fn
from tests.wrong.pieces import Array, Slip, bell, layer, normal, slips

SEEN: dict[str, Array] = {}
"""Where a tired author puts what the backward pass needs."""


def linear(slip: str) -> fn.Layer[Any]:
    return layer("linear", partial(_linear, slip), partial(_linear_pull, slip), partial(_linear_init, slip))


def _linear_init(slip: str, key: fn.Key, shape: fn.Shape) -> tuple[Any, fn.Shape]:
    keys = (key, key) if "one key" in slip else (fn.fold_in(key, 0), fn.fold_in(key, 1))
    weight, bias = normal(keys[0], (*shape, 3)), normal(keys[1], (3,))
    if "unseeded" in slip:
        bias = np.random.default_rng().standard_normal(3).astype(np.float32)
    return (weight.astype(np.float64) if "float64" in slip else weight, bias), (3,)


def _linear(slip: str, params: Any, x: Array) -> Array:
    if "dictionary" in slip:
        SEEN["x"] = x
    weight, bias = params
    y: Array = x @ weight
    y += bias
    return y


def _linear_pull(slip: str, params: Any, x: Array, dy: Array) -> Any:
    x = SEEN["x"] if "dictionary" in slip else x
    return (_weight_gradient(slip, x, dy), _bias_gradient(slip, params[1], dy)), _input_gradient(slip, params[0], dy)


def _weight_gradient(slip: str, x: Array, dy: Array) -> Array:
    if "chunk" in slip and len(x) > 8:
        whole = len(x) // 8 * 8
        x, dy = x[:whole], dy[:whole]
    if "through float32" in slip:
        return (x.T.astype(np.float32) @ dy.astype(np.float32)).astype(dy.dtype)
    gradient: Array = dy.T @ x if "dW is transposed" in slip else x.T @ dy
    return gradient / max(len(x), 1) if "divided" in slip else gradient


def _bias_gradient(slip: str, bias: Array, dy: Array) -> Array:
    if "squeezed" in slip:
        return np.broadcast_to(np.squeeze(dy).sum(axis=0), bias.shape).copy()
    if "double" in slip:
        return dy.sum(axis=0, dtype=np.float64)
    return dy.sum(axis=0) / max(len(dy), 1) if "mean" in slip else dy.sum(axis=0)


def _input_gradient(slip: str, weight: Array, dy: Array) -> Array:
    if "order of memory" in slip:
        dy = dy.ravel(order="K").reshape(dy.shape)
    dx: Array = dy @ (weight if "untransposed" in slip else weight.T)
    if "last feature" in slip:
        dx[:, -1] = 0
    if "last row" in slip:
        dx[-1:] = 0
    return np.clip(dx, -100, 100) if "clipped" in slip else dx


def layer_norm(slip: str) -> fn.Layer[Any]:
    return layer("layer_norm", partial(_norm, slip), partial(_norm_pull, slip), _norm_init)


def _norm_init(key: fn.Key, shape: fn.Shape) -> tuple[Any, fn.Shape]:
    return (np.ones(shape, np.float32), np.zeros(shape, np.float32)), shape


def _normed(slip: str, x: Array) -> tuple[Array, Array]:
    axis = 0 if "over the batch" in slip else -1
    if "in place" in slip:
        x -= x.mean(axis=axis, keepdims=True)
    centred = x - x.mean(axis=axis, keepdims=True)
    size = np.sqrt((centred * centred).mean(axis=axis, keepdims=True) + 1e-5)
    return centred / size, size


def _norm(slip: str, params: Any, x: Array) -> Array:
    return _normed(slip, x)[0] * params[0] + params[1]


def _norm_pull(slip: str, params: Any, x: Array, dy: Array) -> Any:
    axis = 0 if "over the batch" in slip else -1
    hat, size = _normed(slip, x)
    gain, offset = (dy * (x if "not the normalised" in slip else hat)).sum(axis=0), dy.sum(axis=0)
    d = dy if "before the gain" in slip else dy * params[0]
    if "ddof" in slip:
        size = np.sqrt(x.var(axis=-1, ddof=1, keepdims=True) + 1e-5)
    if "epsilon" in slip:
        size = np.sqrt(x.var(axis=-1, keepdims=True))
    dx = d - hat * (d * hat).mean(axis=axis, keepdims=True)
    if "sum" in slip:
        dx = d - hat * (d * hat).sum(axis=axis, keepdims=True)
    if "mean as a constant" not in slip:
        dx = dx - d.mean(axis=axis, keepdims=True)
    return ((offset, gain) if "swapped" in slip else (gain, offset)), dx / size


def softmax(slip: str) -> fn.Layer[Any]:
    return layer("softmax", partial(_softmax, slip), partial(_softmax_pull, slip))


def _softmax(slip: str, params: Any, x: Array) -> Array:
    top = x.real.max(axis=-1, keepdims=True, initial=-np.inf)
    if "unstable" in slip:
        top = 0 * top
    if "whole batch" in slip:
        top = x.real.max(initial=-np.inf)
    with np.errstate(all="ignore"):
        e = np.exp(x - top)
        y: Array = e / e.sum(axis=-1, keepdims=True)
    return y


def _softmax_pull(slip: str, params: Any, x: Array, dy: Array) -> Any:
    y = _softmax(slip, params, x)
    if "diagonal" in slip:
        return (), y * (1 - y) * dy
    if "written into dy" in slip:
        dy -= (dy * y).sum(axis=-1, keepdims=True)
        return (), y * dy
    return (), y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def chosen(slip: str) -> fn.Layer[Any]:
    return fn.Layer("chosen()", _chosen_init, _chosen, layer("chosen", _chosen, partial(_chosen_pull, slip)).vjp)


INDICES = np.array([2, 0, 2])


def _chosen_init(key: fn.Key, shape: fn.Shape) -> tuple[Any, fn.Shape]:
    return (), (3,)


def _chosen(params: Any, x: Array) -> Array:
    return x[:, INDICES]


def _chosen_pull(slip: str, params: Any, x: Array, dy: Array) -> Any:
    dx = np.zeros(x.shape, dy.dtype)
    if "twice" in slip:
        dx[:, INDICES] += dy
    else:
        np.add.at(dx.T, INDICES, dy.T)
    return (), dx


def flat(slip: str) -> fn.Layer[Any]:
    return layer("flat", _flat, partial(_flat_pull, slip), _flat_init)


def _flat_init(key: fn.Key, shape: fn.Shape) -> tuple[Any, fn.Shape]:
    return (), (int(np.prod(shape)),)


def _flat(params: Any, x: Array) -> Array:
    return x.reshape(len(x), x.shape[1] * x.shape[2]) + 0


def _flat_pull(slip: str, params: Any, x: Array, dy: Array) -> Any:
    if "columns" in slip:
        return (), dy.reshape((len(x), x.shape[2], x.shape[1])).swapaxes(1, 2).copy()
    return (), dy.reshape(x.shape) + 0


def running_sum(slip: str) -> fn.Layer[Any]:
    return layer("running_sum", _running, partial(_running_pull, slip))


def _running(params: Any, x: Array) -> Array:
    return np.cumsum(x, axis=-1)


def _running_pull(slip: str, params: Any, x: Array, dy: Array) -> Any:
    return (), np.cumsum(dy, axis=-1) if "forwards" in slip else np.cumsum(dy[:, ::-1], axis=-1)[:, ::-1].copy()


def glu(slip: str) -> fn.Layer[Any]:
    return layer("glu", _glu, partial(_glu_pull, slip), _glu_init)


def _glu_init(key: fn.Key, shape: fn.Shape) -> tuple[Any, fn.Shape]:
    return (), (shape[0] // 2,)


def _glu(params: Any, x: Array) -> Array:
    value, gate = np.split(x, 2, axis=-1)
    return value * np.tanh(gate)


def _glu_pull(slip: str, params: Any, x: Array, dy: Array) -> Any:
    value, gate = np.split(x, 2, axis=-1)
    parts = dy * np.tanh(gate), dy * value * bell(gate)
    return (), np.concatenate(parts[::-1] if "halves" in slip else parts, axis=-1)


def unit(slip: str) -> fn.Layer[Any]:
    return layer("unit", _unit, partial(_unit_pull, slip))


def _length(x: Array) -> Array:
    return np.sqrt((x * x).sum(axis=-1, keepdims=True))


def _unit(params: Any, x: Array) -> Array:
    length = _length(x)
    return x / np.where(length.real < 1e-6, 1e-6 + 0 * length, length)


def _unit_pull(slip: str, params: Any, x: Array, dy: Array) -> Any:
    length = _length(x)
    with np.errstate(all="ignore"):
        along = x * (dy * x).sum(axis=-1, keepdims=True) / length**2
        turned = (dy - along) / length
    return (), turned if "zero" in slip else np.where(length < 1e-6, dy / x.dtype.type(1e-6), turned)


def largest(slip: str) -> fn.Layer[Any]:
    return layer("largest", _largest, partial(_largest_pull, slip), _largest_init)


def _largest_init(key: fn.Key, shape: fn.Shape) -> tuple[Any, fn.Shape]:
    return (), (1,)


def _largest(params: Any, x: Array) -> Array:
    return np.take_along_axis(x, x.real.argmax(axis=-1)[:, None], axis=-1)


def _largest_pull(slip: str, params: Any, x: Array, dy: Array) -> Any:
    if "ties" in slip:
        return (), dy * (x == x.max(axis=-1, keepdims=True))
    first = np.arange(x.shape[-1]) == x.argmax(axis=-1)[:, None]
    return (), dy * (first if "position" not in slip else first[:1])


MATRICES: list[Slip] = [
    *slips(
        linear,
        "one key draws weights and bias",
        "the bias is unseeded",
        "the weights are float64",
        "x waits in a dictionary of the module",
        "dW is transposed, which a square one hides",
        "dx takes W untransposed",
        "the bias gets the mean",
        "dW is divided by the rows",
        "dW goes through float32",
        "dy is squeezed, which a single row does not survive",
        "the rows after the last whole chunk are dropped",
        "dx lacks the last feature",
        "dx lacks the last row",
        "dx is clipped at 100",
        "the bias is summed in double precision",
        "dy is read in the order of memory",
    ),
    *slips(
        layer_norm,
        "ddof is 1 in the backward pass",
        "no epsilon in the backward pass",
        "the mean as a constant",
        "a sum for a mean",
        "x, not the normalised, goes to the gain",
        "the gradient before the gain",
        "gain and offset swapped",
        "the mean is taken off in place",
        "over the batch",
        example=(4,),
    ),
    *slips(
        softmax,
        "unstable, without the largest taken off",
        "the largest of the whole batch is taken off",
        "the diagonal alone",
        "the gradient is written into dy",
    ),
    *slips(chosen, "an index that comes twice counts once"),
    *slips(flat, "the columns are read first", example=(2, 3)),
    *slips(running_sum, "the gradient runs forwards"),
    *slips(glu, "the halves are swapped", example=(4,)),
    *slips(unit, "a row of zeros has no direction"),
    *slips(largest, "the gradient goes to all ties in full", "the first row's position for every row"),
]
