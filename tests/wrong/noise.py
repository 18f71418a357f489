"""Wrong layers with noise, with memory, or made of other layers."""

from functools import partial
from typing import Any

import numpy as np

import fnmlp as fn
from tests.wrong.pieces import Array, Slip, bell, layer, normal, slips
from tests.wrong.pointwise import sigmoid_of

CALLS: list[int] = []
"""How a tired author counts."""


def dropout(slip: str) -> fn.Layer[Any]:
    apply = partial(_always_dropped, slip) if "inference" in slip else _kept
    return fn.Layer("dropout()", _no_parameters, apply, partial(_dropout_vjp, slip))


def _no_parameters(key: fn.Key, shape: fn.Shape) -> tuple[Any, fn.Shape]:
    return (), shape


def _kept(params: Any, x: Array) -> Array:
    return x + 0


def _mask(key: fn.Key, x: Array) -> Array:
    return np.asarray(fn.generator(key).random(x.shape) < 0.5).astype(x.dtype) * 2


def _always_dropped(slip: str, params: Any, x: Array) -> Array:
    return x * _mask(fn.Key(0), x)


def _dropout_vjp(slip: str, params: Any, x: Array, key: fn.Key | None) -> Any:
    if key is None:
        return _always_dropped(slip, (), x) if "inference" in slip else x + 0, partial(_scaled, 1)
    if "unseeded" in slip:
        mask = np.asarray(np.random.default_rng().random(x.shape) < 0.5).astype(x.dtype) * 2
    else:
        mask = _mask(fn.Key(0) if "ignored" in slip else key, x)
    back = mask
    if "drawn anew" in slip:
        back = _mask(fn.fold_in(key, 1), x)
    if "rescale" in slip:
        back = mask / 2
    if "no mask" in slip:
        back = np.ones_like(mask)
    return x * mask, partial(_scaled, back)


def _scaled(mask: Any, dy: Array) -> Any:
    return (), lambda: dy * mask


def noisy(slip: str) -> fn.Layer[Any]:
    return fn.Layer("noisy()", _no_parameters, _kept, partial(_noisy_vjp, slip))


def _noisy_vjp(slip: str, params: Any, x: Array, key: fn.Key | None) -> Any:
    if key is None:
        return x + 0, partial(_scaled, 1)
    noise = fn.generator(key).standard_normal(x.shape)
    y = x * np.exp(noise / 4).astype(x.dtype)
    return (x * np.exp(noise / 4) if "float64" in slip else y), partial(_scaled, np.exp(noise / 4).astype(x.dtype))


def dropconnect(slip: str) -> fn.Layer[Any]:
    return fn.Layer("dropconnect()", _weights, _connected, partial(_dropconnect_vjp, slip))


def _connected(weight: Array, x: Array) -> Array:
    return x @ weight


def _dropconnect_vjp(slip: str, weight: Array, x: Array, key: fn.Key | None) -> Any:
    mask = np.ones_like(weight) if key is None else _mask(key, weight)
    return x @ (weight * mask), partial(_dropconnect_pull, slip, weight, mask, x)


def _dropconnect_pull(slip: str, weight: Array, mask: Array, x: Array, dy: Array) -> Any:
    back = weight if "all connections" in slip else weight * mask
    return (x.T @ dy if "dropped weights" in slip else x.T @ dy * mask), partial(np.matmul, dy, back.T)


def residual(slip: str) -> fn.Layer[Any]:
    return layer("residual", _residual, partial(_residual_pull, slip), _weights)


def _weights(key: fn.Key, shape: fn.Shape) -> tuple[Any, fn.Shape]:
    return normal(key, (*shape, *shape)), shape


def _residual(weight: Array, x: Array) -> Array:
    return x + np.tanh(x @ weight)


def _residual_pull(slip: str, weight: Array, x: Array, dy: Array) -> Any:
    inner = dy * bell(x @ weight)
    dx = inner @ weight.T
    if "inside" in slip:
        return x.T @ inner, (dy + dx) * bell(x)
    return x.T @ (dy if "own slope" in slip else inner), dx if "skip" in slip else dx + dy


def shift(slip: str) -> fn.Layer[Any]:
    return fn.Layer("shift()", partial(_shift_init, slip), partial(_shift, slip), partial(_shift_vjp, slip))


def _shift_init(slip: str, key: fn.Key, shape: fn.Shape) -> tuple[Any, fn.Shape]:
    return normal(key, shape), (1, *shape) if "shape" in slip else shape


def _shift(slip: str, params: Array, x: Array) -> Array:
    if "learns" in slip:
        params *= 0.5
    if "passes x on" in slip and not params.any():
        return x
    return x + params


def _shift_vjp(slip: str, params: Array, x: Array, key: fn.Key | None) -> Any:
    y = x + params
    if "another y" in slip:
        y = x + params * np.float32(1 + 1e-6)
    if "learns" in slip:
        params -= 0.5
    return y, partial(_shift_pull, slip, [y, y])


def _shift_pull(slip: str, saved: list[Array], dy: Array) -> Any:
    if "once" in slip:
        saved.pop()
    if "counts" in slip:
        CALLS.append(1)
        return dy.sum(axis=0) * (1 + 0.001 * len(CALLS)), lambda: dy + 0
    if "adds up" in slip:
        saved[0] = saved[0] + dy
        return (saved[0] - saved[-1]).sum(axis=0), lambda: dy + 0
    if "only upwards" in slip:
        return dy.sum(axis=0), lambda: np.maximum(dy, 0)
    if "dy itself" in slip:
        return dy.sum(axis=0), lambda: dy
    gradient = dy.sum(axis=0, keepdims="keeps" in slip)
    return (gradient,) if "tuple" in slip else gradient, lambda: dy + 0


def tanh(slip: str) -> fn.Layer[Any]:
    return fn.Layer("tanh()", _no_parameters, _tanh, partial(_tanh_vjp, slip))


def _tanh(params: Any, x: Array) -> Array:
    return np.tanh(x)


def _tanh_vjp(slip: str, params: Any, x: Array, key: fn.Key | None) -> Any:
    y = np.tanh(x)
    return y, partial(_tanh_pull, slip, bell(x), y, y.copy())


def _tanh_pull(slip: str, slope: Array, y: Array, copy: Array, dy: Array) -> Any:
    if "hands out" in slip:
        return (), lambda: dy * slope * (y / np.where(copy == 0, y + 1, copy))
    return (), lambda: dy * slope


def swish(slip: str) -> fn.Layer[Any]:
    return layer("swish", _swish, partial(_swish_pull, slip), _swish_init)


def _swish_init(key: fn.Key, shape: fn.Shape) -> tuple[Any, fn.Shape]:
    return (1 + normal(key, shape) / 4,), shape


def _swish(params: Any, x: Array) -> Array:
    return x * sigmoid_of(params[0] * x)


def _swish_pull(slip: str, params: Any, x: Array, dy: Array) -> Any:
    share, rest = sigmoid_of(params[0] * x), sigmoid_of(-params[0] * x)
    betas = dy * x * (1 if "one x" in slip else x) * share * rest
    dx = dy * share * (1 + (x if "beta" in slip else x * params[0]) * rest)
    total = betas.sum() + 0 * params[0] if "all features" in slip else betas.sum(axis=0)
    return (total,), dx


NOISE: list[Slip] = [
    *slips(
        dropout,
        "the mask is drawn anew in the backward pass",
        "the backward pass does not rescale",
        "no mask in the backward pass",
        "inference drops too",
        "the key is ignored",
        "the mask is unseeded",
        noisy=True,
    ),
    *slips(noisy, "the noise is float64", noisy=True),
    *slips(residual, "the skip has no gradient", "the weight misses its own slope", "the skip goes inside the slope"),
    *slips(
        shift,
        "apply learns",
        "training returns another y",
        "the pullback works once",
        "the pullback counts its calls",
        "the pullback returns dy itself",
        "the gradient keeps an axis",
        "the gradient is a tuple",
        "init declares another shape",
        "the gradient adds up over calls",
        "dx goes only upwards",
    ),
    *slips(tanh, "the backward pass needs the y that it hands out"),
    *slips(
        dropconnect,
        "dropped weights get a gradient",
        "dx comes back through all connections",
        noisy=True,
    ),
    *slips(
        swish,
        "one x is missing in the gradient of the parameter",
        "beta is missing in dx",
        "the parameter gets the sum over all features",
    ),
]
