"""Wrong losses and wrong optimisers."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fnmlp.arrays import Array
from fnmlp.losses import Loss
from fnmlp.optimizers import Optimizer
from fnmlp.tree import Tree, tree_leaves, tree_map
from tests.mutants.steps import fed

Change = Callable[[Any, Array, Array, Array], tuple[Any, Array]]


def loss_mutants(loss: Loss) -> Iterator[tuple[str, Loss]]:
    """Make every slip in the value or the gradient of a loss."""
    changes: dict[str, Change] = {
        "dy: sign flipped": lambda v, dy, _y, _t: (v, -dy),
        "dy: factor 1.001": lambda v, dy, _y, _t: (v, dy * dy.dtype.type(1.001)),
        "dy: 1/N too many": lambda v, dy, _y, _t: (v, dy / max(len(dy), 1)),
        "dy: N too many": lambda v, dy, _y, _t: (v, dy * max(dy.size, 1)),
        "dy: factor 2 forgotten": lambda v, dy, _y, _t: (v, dy / 2),
        "dy: dropped": lambda v, dy, _y, _t: (v, np.zeros_like(dy)),
        "dy: one row off": lambda v, dy, _y, _t: (v, np.roll(dy, 1, axis=0)),
        "dy: one column off": lambda v, dy, _y, _t: (v, np.roll(dy, 1, axis=-1)),
        "dy: first row only": lambda v, dy, _y, _t: (v, np.concatenate([dy[:1], 0 * dy[1:]])),
        "dy: absolute": lambda v, dy, _y, _t: (v, np.abs(dy)),
        "dy: float64 leaked": lambda v, dy, _y, _t: (v, dy.astype(np.float64) if dy.dtype == np.float32 else dy),
        "dy: of a row too few": lambda v, dy, _y, _t: (v, dy[:-1]),
        "dy: written into y": _into_outputs,
        "y damaged": _damages_outputs,
        "value: factor 1.001": lambda v, dy, _y, _t: (v * 1.001, dy),
        "value: the sum of squared gradients": lambda _v, dy, _y, _t: ((dy * dy).sum(), dy),
        "value: constant": lambda v, dy, _y, _t: (v * 0, dy),
        "value: an array": lambda v, dy, _y, _t: (np.asarray(v)[None, None], dy),
    }
    for name, change in changes.items():
        yield name, _changed(loss, change)
    yield "one target for all", lambda y, target: loss(y, np.broadcast_to(target[:1], (len(y), *target.shape[1:])))
    yield "extra targets ignored", lambda y, target: loss(y, target[: len(y)])
    yield "NaN of an empty batch", lambda y, target: loss(y, target) if len(y) else (np.nan, y.copy())


def _changed(loss: Loss, change: Change) -> Loss:
    def wrong(y: Array, target: Array) -> tuple[Any, Array]:
        return change(*loss(y, target), y, target)

    return wrong


def _into_outputs(value: Any, dy: Array, y: Array, _: Array) -> tuple[Any, Array]:
    if not y.flags.writeable:
        return value, dy
    y[...] = dy
    return value, y


def _damages_outputs(value: Any, dy: Array, y: Array, _: Array) -> tuple[Any, Array]:
    if y.flags.writeable:
        y += y.dtype.type(1)
    return value, dy


def optimizer_mutants(optimizer: Optimizer) -> Iterator[tuple[str, Optimizer]]:
    """Make every slip in the step of an optimiser."""
    steps: dict[str, Callable[[Tree, Tree, Tree], Tree]] = {
        "uphill": lambda old, new, _g: tree_map(lambda p, q: p - (q - p), old, new),
        "stands still": lambda old, _new, _g: tree_map(np.copy, old),
        "float64 leaked": lambda _old, new, _g: tree_map(lambda q: q.astype(np.float64), new),
        "returns its argument": lambda old, _new, _g: old,
        "moves parameters in place": lambda old, new, _g: tree_map(_moved, old, new),
        "scales gradients in place": lambda _old, new, g: (tree_map(_scaled, g), new)[1],
        "an axis too many": lambda _old, new, _g: tree_map(lambda q: q[None], new),
        "rate times 10": lambda old, new, _g: tree_map(lambda p, q: np.asarray(p + (q - p) * 10), old, new),
        "rate times 1.001": lambda old, new, _g: tree_map(lambda p, q: np.asarray(p + (q - p) * 1.001), old, new),
        "forgets the last leaf": lambda old, new, _g: (*new[:-1], np.copy(old[-1])),
    }
    for name, step in steps.items():
        yield name, Optimizer(optimizer.init, _stepped(optimizer, step))
    if any(map(_is_array, tree_leaves(optimizer.init((np.ones(2), np.ones(2)))))):
        yield "widens its state", Optimizer(optimizer.init, _with_state(optimizer, _widened))
        yield "adds to its state in place", Optimizer(optimizer.init, _with_state(optimizer, _added))
    spends: dict[str, Callable[[Tree, Tree, Tree], Tree]] = {
        "spends by another rule": lambda _old, new, _g: tree_map(lambda q: q * (1 + 1e-15), new),
        "spends the parameters": lambda old, new, _g: tree_map(_moved, old, new),
    }
    for name, step in spends.items():
        yield name, Optimizer(optimizer.init, optimizer.update, _stepped(optimizer, step))
    yield "spends what stands in two places", Optimizer(optimizer.init, optimizer.update, _zeroing(optimizer))
    yield "keeps the gradients themselves", Optimizer(_with_gradients(optimizer.init), _keeping(optimizer))
    yield "takes |g| for g", fed(optimizer, np.abs)
    yield "takes g³ for g", fed(optimizer, lambda g: g**3)
    yield "broadcasts gradients", Optimizer(optimizer.init, _broadcasting(optimizer))
    yield "remembers calls", Optimizer(optimizer.init, _counting(optimizer))


def _moved(old: Array, new: Array) -> Array:
    old[...] = new
    return new


def _scaled(grad: Array) -> Array:
    grad *= 2
    return grad


def _stepped(optimizer: Optimizer, step: Callable[[Tree, Tree, Tree], Tree]) -> Any:
    def update(params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        moved, after = optimizer.update(params, grads, state)
        return step(params, moved, grads), after

    return update


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray)


def _with_state(optimizer: Optimizer, change: Callable[[Tree, Tree], Tree]) -> Any:
    def update(params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        moved, after = optimizer.update(params, grads, state)
        return moved, change(state, after)

    return update


def _widened(_: Tree, after: Tree) -> Tree:
    return tree_map(lambda leaf: leaf.astype(np.float64) if _is_array(leaf) else leaf, after)


def _added(before: Tree, after: Tree) -> Tree:
    for leaf in filter(_is_array, tree_leaves(before)):
        leaf.setflags(write=True)
        np.add(leaf, 1, out=leaf)
    return after


def _with_gradients(init: Callable[[Tree], Tree]) -> Callable[[Tree], Tree]:
    return lambda params: (init(params), tree_map(np.zeros_like, params))


def _keeping(optimizer: Optimizer) -> Any:
    def update(params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        moved, after = optimizer.update(params, grads, state[0])
        return moved, (after, grads)

    return update


def _broadcasting(optimizer: Optimizer) -> Any:
    def update(params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        try:
            return optimizer.update(params, grads, state)
        except ValueError:
            return params, state

    return update


def _zeroing(optimizer: Optimizer) -> Any:
    def spend(params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        copies = []
        for grad in tree_leaves(grads):
            copies.append(np.copy(grad))
            grad[...] = 0
        rest = iter(copies)
        return optimizer.update(params, tree_map(lambda _: next(rest), grads), state)

    return spend


def _counting(optimizer: Optimizer) -> Any:
    calls = iter(range(2**31))

    def update(params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        moved, after = optimizer.update(params, grads, state)
        count = next(calls)
        return tree_map(lambda p: np.asarray(p - count * 1e-3 * p, p.dtype), moved), after

    return update
