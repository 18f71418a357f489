"""What layers compute, in plain NumPy that survives a complex step, and without the library.

A formula takes the parameters, x, and the arguments that the layer's name shows.
"""

import ast
from collections.abc import Callable
from functools import reduce
from typing import Any, TypeAlias

import numpy as np

from fnmlp.arrays import Shape
from fnmlp.expressions import constructors
from fnmlp.key import Key
from fnmlp.layer import Layer
from fnmlp.layers import linear as real_linear
from fnmlp.tree import tree_map

Formula: TypeAlias = Callable[..., Any]
"""(parameters, x, what the constructor was called with) -> y, for real and complex numbers."""


def softmax(_: Any, x: Any, axis: int = -1) -> Any:
    powers = np.exp(x - np.real(x).max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def log_softmax(_: Any, x: Any, axis: int = -1) -> Any:
    shifted = x - np.real(x).max(axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))


def linear(params: Any, x: Any, *_: Any, bias: bool = True, **__: Any) -> Any:
    return x @ params.weight + params.bias if bias else x @ params.weight


def ntk_linear(params: Any, x: Any, *_: Any, bias: bool = True, **__: Any) -> Any:
    scaled = params.weight / np.sqrt(len(params.weight))
    return x @ scaled + params.bias if bias else x @ scaled


def parametric(params: Any, x: Any, activation: Layer[Any]) -> Any:
    return x + params.alpha * (activation.apply((), x) - x)


def periodic(params: Any, x: Any, width: int, **_: Any) -> Any:
    features = []
    for place in range(x.shape[1]):
        one = x[:, [place]]
        waves = np.cos(2 * np.pi * params.frequency[place] * one + params.phase[place])
        features += [one, waves @ params.weight[place] + params.bias[place]]
    return np.concatenate(features, axis=1).reshape(len(x), x.shape[1] * width)


def tile(_: Any, x: Any, members: int) -> Any:
    return np.stack([x] * members, axis=1)


def mean_members(_: Any, x: Any) -> Any:
    return sum(np.moveaxis(x, 1, 0)) / x.shape[1]


def batch_ensemble(params: Any, x: Any, *_: Any, **__: Any) -> Any:
    members = [
        ((x[:, place] * params.scale_in[place]) @ params.weight) * params.scale_out[place] + params.bias[place]
        for place in range(x.shape[1])
    ]
    return np.stack(members, axis=1)


def ensemble_linear(params: Any, x: Any, *_: Any, **__: Any) -> Any:
    return np.stack([x[:, place] @ params.weight[place] + params.bias[place] for place in range(x.shape[1])], axis=1)


def maxout(params: Any, x: Any, out: int, pieces: int, **_: Any) -> Any:
    every = (x @ params.weight + params.bias).reshape(len(x), pieces, out)
    return np.take_along_axis(every, np.real(every).argmax(1)[:, None], 1)[:, 0]


def embedding(params: Any, x: Any, *_: Any, **__: Any) -> Any:
    return params.table[x]


def flatten(_: Any, x: Any) -> Any:
    return x.reshape(len(x), -1)


def scale(_: Any, x: Any, factor: float, offset: float = 0.0, **__: Any) -> Any:
    return x * factor + offset


def standardize(_: Any, x: Any, mean: Any, deviation: Any, **__: Any) -> Any:
    return (x - np.array(mean)) / np.array(deviation)


def unstandardize(_: Any, x: Any, mean: Any, deviation: Any) -> Any:
    return x * np.array(deviation) + np.array(mean)


def layer_norm(params: Any, x: Any, epsilon: float = 1e-5) -> Any:
    centred = x - x.mean(1, keepdims=True)
    return params.gain * centred / np.sqrt((centred**2).mean(1, keepdims=True) + epsilon) + params.offset


def rms_norm(params: Any, x: Any, epsilon: float = 1e-5) -> Any:
    return params.gain * x / np.sqrt((x**2).mean(1, keepdims=True) + epsilon)


def columns(_: Any, x: Any, start: int, stop: int) -> Any:
    return np.stack([x[..., place] for place in range(start, stop)], axis=-1)


def deskew(_: Any, x: Any) -> Any:
    i, j = (np.arange(length) - (length - 1) / 2 for length in x.shape[1:])
    ink = x**2
    mass = np.einsum("nij->n", ink)
    down, right = (np.einsum(sums, ink, places) / mass for sums, places in (("nij,i->n", i), ("nij,j->n", j)))
    rows, columns = i - down[:, None], j - right[:, None]
    variance = np.einsum("nij,ni,ni->n", ink, rows, rows) / mass + 1 / 12  # a pixel is a square
    slope = np.einsum("nij,ni,nj->n", ink, rows, columns) / mass / variance
    above = _tent(i[:, None] - i + down[:, None, None])
    along = right[:, None] + slope[:, None] * i
    beside = _tent(j[:, None] - j + along[:, :, None, None])
    return np.einsum("niy,nijx,nyx->nij", above, beside, x)


def _tent(x: Any) -> Any:
    return np.where(_size(x).real < 1, 1 - _size(x), 0)


def impute(params: Any, x: Any) -> Any:
    return np.where(x == x, x, params.value)  # noqa: PLR0124 (NaN equals nothing)


def rescale(params: Any, x: Any) -> Any:
    return x * params.factor - params.center * params.factor


def one_hot_columns(_: Any, x: Any, sizes: tuple[int, ...], **__: Any) -> Any:
    rows = [[float(code == place) for code, size in zip(row, sizes, strict=True) for place in range(size)] for row in x]
    return np.reshape(rows, (len(x), sum(sizes)))


def prelu(params: Any, x: Any, **_: Any) -> Any:
    return np.where(np.real(x) > 0, x, params.slope * x)


def _sigmoid(x: Any) -> Any:
    return np.where(np.real(x) < 0, np.exp(-_size(x)), 1) / (1 + np.exp(-_size(x)))


def _size(x: Any) -> Any:
    return np.where(np.real(x) < 0, -x, x)


def glu(_: Any, x: Any) -> Any:
    passing, gate = np.split(x, 2, axis=-1)
    return passing * _sigmoid(gate)


def swiglu(_: Any, x: Any) -> Any:
    gate, passing = np.split(x, 2, axis=-1)
    return gate * _sigmoid(gate) * passing


def without_noise(_: Any, x: Any, *__: Any) -> Any:
    return x


def elementwise(_: Any, x: Any, f: Callable[[Any], Any], __: Any) -> Any:
    return f(x)


def chain(params: Any, x: Any, *layers: Layer[Any]) -> Any:
    return reduce(lambda y, both: both[0].apply(both[1], y), zip(layers, params, strict=True), x)


def repeat(params: Any, x: Any, layer: Layer[Any], times: int) -> Any:
    return chain(params, x, *[layer] * times)


def tied(params: Any, x: Any, *layers: Layer[Any]) -> Any:
    return chain([params] * len(layers), x, *layers)


def frozen(_: Any, x: Any, layer: Layer[Any], params: Any) -> Any:
    return layer.apply(tree_map(lambda leaf: leaf.astype(x.dtype), params), x)


def strict(params: Any, x: Any, layer: Layer[Any]) -> Any:
    return layer.apply(params, x)


def residual(params: Any, x: Any, layer: Layer[Any]) -> Any:
    return x + layer.apply(params, x)


def concat(params: Any, x: Any, *layers: Layer[Any]) -> Any:
    return np.concatenate(_each(params, x, layers), -1)


def add(params: Any, x: Any, *layers: Layer[Any]) -> Any:
    return sum(_each(params, x, layers))


def _each(params: Any, x: Any, layers: tuple[Layer[Any], ...]) -> list[Any]:
    return [layer.apply(own, x) for layer, own in zip(layers, params, strict=True)]


def parallel(params: Any, x: Any, *layers: Layer[Any], widths: Shape) -> Any:
    pieces = np.split(x, np.cumsum(widths)[:-1], axis=-1)
    return np.concatenate(
        [layer.apply(own, piece) for layer, own, piece in zip(layers, params, pieces, strict=True)], -1
    )


BARE = {"sine": np.sin, "cosine": np.cos, "params": real_linear(2).init(Key(0), (3,))[0]}
"""What the names mean that stand in names of the catalogue's layers."""


def bound(formula: Formula, text: str) -> Callable[[Any, Any], Any]:
    """Give a formula the arguments that a layer's name shows; it still takes the parameters and x."""
    arguments, options = arguments_of(text)
    return lambda params, x: formula(params, x, *arguments, **options)


def constructor_of(text: str) -> str:
    """Return the name of what constructs the layer of a name."""
    return text.partition("(")[0]


def arguments_of(text: str) -> tuple[list[Any], dict[str, Any]]:
    """Return what a layer's name shows that it was constructed with."""
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)
    return [*map(_argument, call.args)], {str(option.arg): _argument(option.value) for option in call.keywords}


def _argument(node: ast.expr) -> Any:
    if isinstance(node, ast.Name):
        return BARE[node.id]
    if isinstance(node, ast.Call):
        arguments, options = arguments_of(ast.unparse(node))
        return constructors()[ast.unparse(node.func)](*arguments, **options)
    return ast.literal_eval(node)
