"""Layers that misbehave: they damage arguments, keep state, mix rows, or get noise, keys or shapes wrong."""

from collections.abc import Callable, Iterator
from functools import partial
from math import prod
from typing import Any

import numpy as np

from fnmlp.arrays import Array, Shape
from fnmlp.key import Key, fold_in, generator
from fnmlp.layer import Layer
from fnmlp.testing.cases import LayerCase
from fnmlp.tree import Tree, tree_equal, tree_flatten, tree_leaves, tree_map
from tests.catalogue import Specimen


def behaviour_mutants(specimen: Specimen, params: Tree) -> Iterator[tuple[str, Layer[Any]]]:
    """Make every misbehaviour that is a mistake in this layer."""
    layer = specimen.layer
    init, apply, vjp = layer.init, layer.apply, layer.vjp
    for name, change in _of_output(specimen, params).items():
        changed = partial(_changed_apply, apply, change), partial(_changed_vjp, vjp, change)
        yield f"y {name}", Layer(layer.name, init, *changed)
    of_training: dict[str, Callable[[Array, Key | None], Array]] = {
        "differs from apply": lambda y, _: y * y.dtype.type(1 + 1e-6),
        "has noise that the pullback forgets": lambda y, key: y if key is None else y * (1 + _noise(y, key)),
        "has noise from a clock": _from_clock(),
    }
    # Laws don't know how much noise a noisy layer should have; tests/test_noise.py does.
    if not specimen.noisy:
        of_training["has noise without being asked"] = lambda y, key: y if key is None else y + _noise(y, key)
    for name, keyed in of_training.items():
        yield f"y of vjp {name}", Layer(layer.name, init, apply, partial(_noisy_vjp, vjp, keyed))
    for name, wrong in _of_pullback(specimen, params).items():
        yield f"pullback {name}", Layer(layer.name, init, apply, wrong)
    if init(Key(0), specimen.example)[1] == specimen.example and specimen.differentiable:
        yield "dx is a view of dy", Layer(layer.name, init, apply, partial(_aliasing_vjp, vjp))
        yield "y is a view of x", Layer(layer.name, init, partial(_aliasing_apply, apply), partial(_view_vjp, vjp))
    yield "can't be pickled", Layer(layer.name, init, _closure(apply), vjp)
    yield "init declares another shape", Layer(layer.name, partial(_misdeclared, init), apply, vjp)
    if specimen.by_row:
        refusing = partial(_refuses_empty, apply), partial(_refuses_empty_vjp, vjp)
        yield "empty batches raise", Layer(layer.name, init, *refusing)
    random = [leaf for leaf in tree_leaves(params) if leaf.size > 2 and np.ptp(leaf) > 0]
    if random:
        yield "init ignores its key", Layer(layer.name, partial(_one_key, init), apply, vjp)
        yield "init draws from a clock", Layer(layer.name, _clocked(init), apply, vjp)
    if len(random) > 1:
        yield "init gives each parameter one stream", Layer(layer.name, partial(_one_stream, init), apply, vjp)


def _of_pullback(specimen: Specimen, params: Tree) -> dict[str, Callable[..., Any]]:
    """List mistakes in a pullback that leave its first result right."""
    vjp = specimen.layer.vjp
    wrong: dict[str, Callable[..., Any]] = {"damages dy": partial(_damaging_vjp, vjp)}
    if _has_gradients(specimen):
        wrong["works once"] = partial(_once_vjp, vjp)
    if tree_leaves(params):
        wrong["keeps the gradients that it gave"] = partial(_keeping_vjp, vjp)
    if _curved(specimen):
        wrong["remembers the last call"] = _remembering(vjp)
    return wrong


def noise_mutants(specimen: Specimen) -> Iterator[tuple[str, Layer[Any]]]:
    """Make every mistake in the noise of a noisy layer."""
    layer = specimen.layer
    wrong: dict[str, Any] = {
        "noise is absent": partial(_rekeyed_vjp, layer.vjp, lambda _: None),
        "noise is the same for all keys": partial(_rekeyed_vjp, layer.vjp, lambda key: key and Key(0)),
        "noise without a key": partial(_rekeyed_vjp, layer.vjp, lambda key: key or Key(0)),
    }
    if _pulls_noise(specimen):
        wrong["pullback draws noise of its own"] = partial(_redrawing_vjp, layer.vjp)
        wrong["pullback forgets the noise"] = partial(_forgetting_vjp, layer.vjp)
    for name, vjp in wrong.items():
        yield name, Layer(layer.name, layer.init, layer.apply, vjp)


def _of_output(specimen: Specimen, params: Tree) -> dict[str, Callable[[Tree, Array, Array], Array]]:
    """List mistakes in an output, in inference and in training alike."""
    changes: dict[str, Callable[[Tree, Array, Array], Array]] = {
        "loses the last row": lambda _p, _x, y: y[:-1],
        "damages x": lambda _p, x, y: _damaged(y, x),
    }
    if prod(specimen.example) > 1:  # along one axis, numbers have only one order
        changes["reads memory in its own order"] = lambda _p, x, y: y + _misread(x, x.dtype).astype(y.dtype)
    if specimen.differentiable or tree_leaves(params):
        changes["factor 1.001"] = lambda _p, _x, y: y * y.dtype.type(1.001)
        changes["float64 leaked"] = lambda _p, _x, y: y.astype(np.float64 if y.dtype == np.float32 else y.dtype)
    if specimen.differentiable:
        native = "believes all bytes native"
        changes[native] = lambda _p, x, y: y + _misread(x, x.dtype.newbyteorder("=")).astype(y.dtype)
    if specimen.by_row and specimen.differentiable:
        changes["mixes rows"] = lambda _p, _x, y: y + y.dtype.type(1e-3) * y.mean(axis=0) if len(y) else y
        changes["spreads NaN"] = lambda _p, x, y: y + 0 * x.sum().astype(y.dtype)
    if tree_leaves(params):
        changes["damages parameters"] = lambda p, _x, y: _damaged(y, *tree_leaves(p))
    return changes


def _misread(x: Array, dtype: Any) -> Array:
    """Return how far the numbers move if strides or byte order are ignored."""
    taken = np.ndarray(x.shape, dtype, x.tobytes("A"))
    return np.asarray(np.nansum(np.abs(taken - x)))


def _curved(specimen: Specimen) -> bool:
    """Tell whether the pullback depends on x; that of a linear map does not."""
    first, second = (LayerCase(specimen.layer, specimen.example, Key(seed), 4, specimen.draw) for seed in (0, 1))
    dy = first.dy
    return not tree_equal(first.run(first.params, first.x, dy)[1:], first.run(first.params, second.x, dy)[1:])


def _has_gradients(specimen: Specimen) -> bool:
    """Tell whether gradients are ever other than 0; those of codes are not."""
    case = LayerCase(specimen.layer, specimen.example, Key(0), 4, specimen.draw)
    return any(leaf.any() for leaf in tree_leaves(case.run(case.params, case.x, case.dy)[1:]))


def _pulls_noise(specimen: Specimen) -> bool:
    """Tell whether the pullback depends on the noise; that of added noise does not."""
    case = LayerCase(specimen.layer, specimen.example, Key(0), 4, specimen.draw)
    first, second = (case.run(case.params, case.x, case.dy, Key(seed))[1:] for seed in (1, 2))
    return not tree_equal(first, second)


def _damage(*given: Array) -> None:
    for x in given:
        if x.flags.writeable and x.size:
            np.add(x, x.dtype.type(1), out=x)


def _damaged(y: Array, *given: Array) -> Array:
    _damage(*given)
    return y


def _noise(y: Array, key: Key) -> Array:
    return generator(fold_in(key, 99)).normal(size=y.shape).astype(y.dtype) / 8


def _from_clock() -> Callable[[Array, Key | None], Array]:
    calls = iter(range(2**31))
    return lambda y, _: y + y.dtype.type(1e-3 * next(calls))


def _changed_apply(apply: Any, change: Any, params: Tree, x: Array) -> Array:
    return change(params, x, apply(params, x))


def _changed_vjp(vjp: Any, change: Any, params: Tree, x: Array, key: Key | None) -> Any:
    y, pullback = vjp(params, x, key)
    return change(params, x, y), pullback


def _noisy_vjp(vjp: Any, change: Any, params: Tree, x: Array, key: Key | None) -> Any:
    y, pullback = vjp(params, x, key)
    return change(y, key), pullback


def _rekeyed_vjp(vjp: Any, change: Any, params: Tree, x: Array, key: Key | None) -> Any:
    return vjp(params, x, change(key))


def _redrawing_vjp(vjp: Any, params: Tree, x: Array, key: Key | None) -> Any:
    y, _ = vjp(params, x, key)
    return y, vjp(params, x, None if key is None else fold_in(key, 99))[1]


def _forgetting_vjp(vjp: Any, params: Tree, x: Array, key: Key | None) -> Any:
    return vjp(params, x, key)[0], vjp(params, x, None)[1]


def _damaging_vjp(vjp: Any, params: Tree, x: Array, key: Key | None) -> Any:
    y, right = vjp(params, x, key)

    def pullback(dy: Array) -> Any:
        dparams, delayed_dx = right(dy.copy())
        _damage(dy)
        return dparams, delayed_dx

    return y, pullback


def _remembering(vjp: Any) -> Any:
    last: list[Any] = []

    def wrong(params: Tree, x: Array, key: Key | None) -> Any:
        y, pullback = vjp(params, x, key)
        last[:] = [pullback]

        def latest(dy: Array) -> Any:
            return last[0](dy)

        return y, latest

    return wrong


def _closure(apply: Any) -> Any:
    def inner(params: Tree, x: Array) -> Any:
        return apply(params, x)

    return inner


def _once_vjp(vjp: Any, params: Tree, x: Array, key: Key | None) -> Any:
    y, right = vjp(params, x, key)
    uses = iter([1.0])
    return y, lambda dy: right(dy * dy.dtype.type(next(uses, 0.0)))


def _keeping_vjp(vjp: Any, params: Tree, x: Array, key: Key | None) -> Any:
    y, right = vjp(params, x, key)
    given: dict[bytes, Any] = {}

    def pullback(dy: Array) -> Any:
        return given.setdefault(dy.tobytes(), right(dy))

    return y, pullback


def _aliasing_vjp(vjp: Any, params: Tree, x: Array, key: Key | None) -> Any:
    y, right = vjp(params, x, key)

    def pullback(dy: Array) -> Any:
        dparams, delayed_dx = right(dy)
        return dparams, lambda: dy if dy.shape == x.shape and dy.dtype == x.dtype else delayed_dx()

    return y, pullback


def _aliasing_apply(apply: Any, params: Tree, x: Array) -> Array:
    y: Array = apply(params, x)
    return x if y.shape == x.shape and y.dtype == x.dtype else y


def _view_vjp(vjp: Any, params: Tree, x: Array, key: Key | None) -> Any:
    y, pullback = vjp(params, x, key)
    return (x if y.shape == x.shape and y.dtype == x.dtype else y), pullback


def _misdeclared(init: Any, key: Key, shape: Shape) -> Any:
    params, out = init(key, shape)
    return params, (*out, 1)


def _refuses_empty(apply: Any, params: Tree, x: Array) -> Array:
    x.max()
    y: Array = apply(params, x)
    return y


def _refuses_empty_vjp(vjp: Any, params: Tree, x: Array, key: Key | None) -> Any:
    x.max()
    return vjp(params, x, key)


def _one_key(init: Any, key: Key, shape: Shape) -> Any:
    return init(Key(0), shape)


def _one_stream(init: Any, key: Key, shape: Shape) -> Any:
    params, out = init(key, shape)
    leaves, rebuild = tree_flatten(params)
    return rebuild([generator(key).normal(size=leaf.shape).astype(leaf.dtype) for leaf in leaves]), out


def _clocked(init: Any) -> Any:
    calls = iter(range(2**31))

    def wrong(key: Key, shape: Shape) -> Any:
        params, out = init(key, shape)
        count = next(calls)
        return tree_map(lambda leaf: leaf + leaf.dtype.type(count), params), out

    return wrong
