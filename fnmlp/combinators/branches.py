"""Layers side by side.

Each combinator distributes its input over the layers by one linear map, and joins their outputs by another:

    concat    every layer gets all of x;            outputs are joined along the last axis
    add       every layer gets all of x;            outputs are summed
    parallel  each layer gets its part of the features;  outputs are joined along the last axis

In the backward pass the maps change places: splitting is the adjoint of joining, and sharing of summing.
"""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from operator import add as plus
from typing import Any, TypeAlias

from fnmlp.arrays import Array, Shape, namespace
from fnmlp.checks import as_shape
from fnmlp.combinators.checks import Layers, check_layers, check_params, place_noted
from fnmlp.errors import OptionError, ShapeError
from fnmlp.expressions import expression
from fnmlp.key import Key, fold_in
from fnmlp.layer import Layer, Pullback, alone, combinator, own_params
from fnmlp.scalars import as_count

__all__ = ["add", "concat", "parallel", "residual"]

Delayed: TypeAlias = Callable[[], Array]


def residual(layer: Layer[Any]) -> Layer[Any]:
    """Add a layer's output to its input: y = x + f(x).

    Shapes:   any that the layer keeps; kept. Parameters: the layer's own.
    Gradient: the pullback adds dy itself to the layer's gradient of x.
    Raises:   StructureError unless the argument is a layer; ShapeError at init unless the layer keeps the shape.
    Source:   He et al. 2016, arXiv:1512.03385, eq. 1.

    >>> from fnmlp.layers import linear
    >>> residual(linear(10)).init(Key(0), (128,))
    Traceback (most recent call last):
    fnmlp.errors.ShapeError: residual(linear(10)): expected an inner layer that keeps the shape, got (128,) -> (10,); \
end it with linear(128)
    """
    check_layers("residual", (layer,))
    name = expression("residual", [layer])
    return combinator(name, (layer,), _residual_init, _residual_apply, _residual_vjp, deal=alone)


def _residual_init(name: str, layers: Layers, key: Key, shape: Shape) -> tuple[Any, Shape]:
    with place_noted("the layer", name):
        params, out = layers[0].init(key, shape)
    if out != shape:
        remedy = f"end it with linear({shape[0]})" if len(shape) == 1 else "choose one that does"
        raise ShapeError(name, "an inner layer that keeps the shape", f"{shape} -> {out}", remedy)
    return params, shape


def _residual_apply(name: str, layers: Layers, params: Any, x: Array) -> Array:
    with place_noted("the layer", name):
        y = layers[0].apply(params, x)
    return x + y


def _residual_vjp(name: str, layers: Layers, params: Any, x: Array, key: Key | None) -> tuple[Array, Pullback[Any]]:
    with place_noted("the layer", name):
        y, pullback = layers[0].vjp(params, x, key)
    return x + y, partial(_residual_pull, pullback)


def _residual_pull(pullback: Pullback[Any], dy: Array) -> tuple[Any, Delayed]:
    gradient, delayed_dx = pullback(dy)
    return gradient, partial(_sum_of_delayed, dy, delayed_dx)


def _sum_of_delayed(dy: Array, delayed_dx: Delayed) -> Array:
    return dy + delayed_dx()


def concat(*layers: Layer[Any]) -> Layer[tuple[Any, ...]]:
    """Apply several layers to the same input, and join their outputs along the last axis.

    Shapes:   the outputs may differ in the last axis only. Parameters: a tuple of the layers' own.
    Gradient: the pullback splits dy as the outputs were joined, and sums the layers' gradients of x.
    Raises:   StructureError unless all arguments are layers, and without any; ShapeError at init if outputs can't be
              joined; whatever a layer raises, with its place added.

    >>> from fnmlp.layers import identity, linear
    >>> concat(identity(), linear(2)).init(Key(0), (3,))[1]
    (5,)
    """
    check_layers("concat", layers, least=1)
    name = expression("concat", layers)
    return combinator(name, layers, _concat_init, _concat_apply, _concat_vjp, deal=own_params)


def _concat_init(name: str, layers: Layers, key: Key, shape: Shape) -> tuple[tuple[Any, ...], Shape]:
    return _joined_init(name, layers, key, [shape] * len(layers))


def _concat_apply(name: str, layers: Layers, params: tuple[Any, ...], x: Array) -> Array:
    return _join(_apply_each(name, layers, params, [x] * len(layers)))


def _concat_vjp(
    name: str, layers: Layers, params: tuple[Any, ...], x: Array, key: Key | None
) -> tuple[Array, Pullback[tuple[Any, ...]]]:
    outputs, pullbacks = _vjp_of_each(name, layers, params, [x] * len(layers), key)
    return _join(outputs), partial(_pull_each, pullbacks, partial(_split, _widths(outputs)), _total)


def add(*layers: Layer[Any]) -> Layer[tuple[Any, ...]]:
    """Apply several layers to the same input, and sum their outputs; `add(identity(), layer)` is `residual(layer)`.

    Shapes:   all outputs must have the same shape. Parameters: a tuple of the layers' own.
    Gradient: the pullback passes dy to every layer, and sums their gradients of x.
    Raises:   StructureError unless all arguments are layers, and without any; ShapeError at init if outputs can't be
              summed; whatever a layer raises, with its place added.

    >>> from fnmlp.layers import linear, tanh
    >>> add(tanh(), linear(3)).init(Key(0), (3,))[1]
    (3,)
    """
    check_layers("add", layers, least=1)
    name = expression("add", layers)
    return combinator(name, layers, _add_init, _add_apply, _add_vjp, deal=own_params)


def _add_init(name: str, layers: Layers, key: Key, shape: Shape) -> tuple[tuple[Any, ...], Shape]:
    params, outs = _init_each(name, layers, key, [shape] * len(layers))
    if len(set(outs)) > 1:
        raise ShapeError(
            name, "layers whose outputs have the same shape", outs, "end each with a layer of the same width"
        )
    return params, outs[0]


def _add_apply(name: str, layers: Layers, params: tuple[Any, ...], x: Array) -> Array:
    return _total(_apply_each(name, layers, params, [x] * len(layers)))


def _add_vjp(
    name: str, layers: Layers, params: tuple[Any, ...], x: Array, key: Key | None
) -> tuple[Array, Pullback[tuple[Any, ...]]]:
    outputs, pullbacks = _vjp_of_each(name, layers, params, [x] * len(layers), key)
    return _total(outputs), partial(_pull_each, pullbacks, partial(_share, len(layers)), _total)


def parallel(*layers: Layer[Any], widths: Sequence[int]) -> Layer[tuple[Any, ...]]:
    """Split the features, apply one layer to each part, and join their outputs along the last axis.

    Shapes:   `widths` gives the number of features that each layer gets, in order, along the last axis; the outputs may
              differ in the last axis only. Parameters: a tuple of the layers' own.
    Gradient: the pullback splits dy as the outputs were joined, and joins the layers' gradients of x.
    Raises:   StructureError unless all arguments are layers, and without any; OptionError unless there is one width for
              each layer, at least 1; ShapeError at init unless they add up to the last axis of an example, and if
              outputs can't be joined; whatever a layer raises, with its place added.

    >>> from fnmlp.layers import identity, linear
    >>> parallel(linear(5), identity(), widths=(3, 1)).init(Key(0), (4,))[1]
    (6,)
    """
    check_layers("parallel", layers, least=1)
    if isinstance(widths, str) or not isinstance(widths, Sequence) or len(widths) != len(layers):
        remedy = "give the number of features of each layer, as in widths=(3, 1)"
        raise OptionError("parallel(widths)", f"a tuple of {len(layers)} integers", repr(widths), remedy)
    parts = tuple(as_count("parallel(widths)", width) for width in widths)
    name = expression("parallel", layers, {"widths": parts})
    return combinator(name, layers, _parallel_init, _parallel_apply, _parallel_vjp, parts, deal=own_params)


def _parallel_init(
    name: str, layers: Layers, widths: tuple[int, ...], key: Key, shape: Shape
) -> tuple[tuple[Any, ...], Shape]:
    shape = as_shape(name, shape)
    if not shape or shape[-1] != sum(widths):
        raise ShapeError(name, f"examples of {sum(widths)} features", shape, "give widths that add up to the features")
    return _joined_init(name, layers, key, [(*shape[:-1], width) for width in widths])


def _parallel_apply(name: str, layers: Layers, widths: tuple[int, ...], params: tuple[Any, ...], x: Array) -> Array:
    return _join(_apply_each(name, layers, params, _checked_split(name, widths, x)))


def _parallel_vjp(
    name: str, layers: Layers, widths: tuple[int, ...], params: tuple[Any, ...], x: Array, key: Key | None
) -> tuple[Array, Pullback[tuple[Any, ...]]]:
    outputs, pullbacks = _vjp_of_each(name, layers, params, _checked_split(name, widths, x), key)
    return _join(outputs), partial(_pull_each, pullbacks, partial(_split, _widths(outputs)), _join)


def _checked_split(name: str, widths: tuple[int, ...], x: Array) -> list[Array]:
    namespace(x)
    if x.shape[-1] != sum(widths):
        remedy = "give the model the examples that it was initialized for"
        raise ShapeError(name, f"inputs of {sum(widths)} features", tuple(x.shape), remedy)
    return _split(widths, x)


def _init_each(
    name: str, layers: Layers, key: Key, shapes: Sequence[Shape]
) -> tuple[tuple[Any, ...], tuple[Shape, ...]]:
    pairs = []
    for place, (layer, shape) in enumerate(zip(layers, shapes, strict=True)):
        with place_noted(f"layer {place}", name):
            pairs.append(layer.init(fold_in(key, place), shape))
    params, outs = zip(*pairs, strict=True)
    return params, outs


def _joined_init(name: str, layers: Layers, key: Key, shapes: Sequence[Shape]) -> tuple[tuple[Any, ...], Shape]:
    params, outs = _init_each(name, layers, key, shapes)
    if not all(outs) or len({out[:-1] for out in outs}) > 1:
        raise ShapeError(name, "layers whose outputs differ in the last axis only", outs, "put flatten() into each")
    return params, (*outs[0][:-1], sum(out[-1] for out in outs))


def _apply_each(name: str, layers: Layers, params: tuple[Any, ...], inputs: Sequence[Array]) -> list[Array]:
    check_params(name, layers, params)
    outputs = []
    for place, (layer, own, x) in enumerate(zip(layers, params, inputs, strict=True)):
        with place_noted(f"layer {place}", name):
            outputs.append(layer.apply(own, x))
    return outputs


def _vjp_of_each(
    name: str, layers: Layers, params: tuple[Any, ...], inputs: Sequence[Array], key: Key | None
) -> tuple[list[Array], list[Pullback[Any]]]:
    check_params(name, layers, params)
    outputs, pullbacks = [], []
    for place, (layer, own, x) in enumerate(zip(layers, params, inputs, strict=True)):
        with place_noted(f"layer {place}", name):
            y, pullback = layer.vjp(own, x, None if key is None else fold_in(key, place))
        outputs.append(y)
        pullbacks.append(pullback)
    return outputs, pullbacks


def _pull_each(
    pullbacks: list[Pullback[Any]],
    spread: Callable[[Array], list[Array]],
    gather: Callable[[Sequence[Array]], Array],
    dy: Array,
) -> tuple[tuple[Any, ...], Delayed]:
    pulled = [pullback(part) for pullback, part in zip(pullbacks, spread(dy), strict=True)]
    return tuple(gradient for gradient, _ in pulled), partial(_gather_delayed, gather, [dx for _, dx in pulled])


def _gather_delayed(gather: Callable[[Sequence[Array]], Array], delayed: list[Delayed]) -> Array:
    return gather([delayed_dx() for delayed_dx in delayed])


def _join(parts: Sequence[Array]) -> Array:
    return namespace(parts[0]).concat(parts, axis=-1)


def _split(widths: Sequence[int], x: Array) -> list[Array]:
    ends = [sum(widths[: place + 1]) for place in range(len(widths))]
    return [x[..., end - width : end] for end, width in zip(ends, widths, strict=True)]


def _widths(outputs: Sequence[Array]) -> list[int]:
    return [y.shape[-1] for y in outputs]


def _total(parts: Sequence[Array]) -> Array:
    return reduce(plus, parts)


def _share(layers: int, dy: Array) -> list[Array]:
    return [dy] * layers
