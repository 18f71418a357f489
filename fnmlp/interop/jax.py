"""JAX: every tree as a pytree, and epochs of training as one compiled loop.

Importing this module registers fnmlp's types as pytrees, so that jax.jit, vmap, grad and scan take and return them.
"""

from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any, TypeVar, cast

import attrs
import numpy as np

from fnmlp import layers, optimizers
from fnmlp.arrays import Array, device_of, is_jax, is_traced
from fnmlp.augmentation import Warps
from fnmlp.batching import Batch, Pair, as_batch, check_data, epoch_order
from fnmlp.checks import as_bool, check_function, check_kind
from fnmlp.errors import MissingDependencyError, OptionError, StructureError
from fnmlp.key import Key, OutlineKey, entropy_words, fold_in
from fnmlp.optimizers import Optimizer, Transform
from fnmlp.scalars import as_count, as_natural
from fnmlp.training import TrainState
from fnmlp.tree import tree_children

try:
    import jax
    import jax.numpy as jnp
    from jax.tree_util import GetAttrKey, Partial, register_pytree_with_keys
except ImportError as error:
    raise MissingDependencyError.of("fnmlp.interop.jax", "jax", error, "pip install 'fnmlp[jax]'") from error

__all__ = ["fold_epoch", "register_tree"]

Kind = TypeVar("Kind", bound=type)


def register_tree(kind: Kind) -> Kind:
    """Register an attrs class as a pytree: its fields are its children, under the paths that `tree_paths` gives them.

    Use it for the parameters of a layer of your own; it also works as a decorator. A pytree is made without calling the
    class, so that checks and converters don't see what JAX puts in the place of arrays.
    Raises:   StructureError for anything but an attrs class; ValueError of JAX's for a class that is registered.

    >>> from attrs import frozen
    >>> @register_tree
    ... @frozen
    ... class Gain:
    ...     gain: float
    >>> jax.tree.map(lambda x: 2 * x, Gain(3.0))
    Gain(gain=6.0)
    """
    if not isinstance(kind, type) or not attrs.has(kind):
        got = kind.__name__ if isinstance(kind, type) else type(kind).__name__
        raise StructureError("register_tree", "an attrs class", got, "decorate it with attrs.frozen first")
    _register(kind, tree_children)
    return cast("Kind", kind)


def _register(kind: Any, children_of: Callable[[Any], Any]) -> None:
    """Register a class, given the function that returns the values of its fields as JAX is to see them."""
    names = tuple(field.name for field in attrs.fields(kind))
    keys = tuple(map(GetAttrKey, names))

    def flatten(node: Any) -> tuple[Any, None]:
        return children_of(node), None

    def flatten_with_keys(node: Any) -> tuple[Any, None]:
        return zip(keys, children_of(node), strict=True), None

    def rebuild(_: None, children: Any) -> Any:
        node = _new(kind)
        for name, child in zip(names, children, strict=True):
            _set(node, name, child)
        return node

    register_pytree_with_keys(kind, flatten_with_keys, rebuild, flatten)


_new, _set = object.__new__, object.__setattr__


def _arrays_of(key: Key) -> tuple[Any, tuple[Any, ...]]:
    """Return the entropy and the path of a key as arrays of 32 bits, which any index of a path fits."""
    return entropy_words(key), tuple([np.uint32(index) if type(index) is int else index for index in key.path])


def _offered(room: ModuleType) -> Iterator[Any]:
    """Yield the records that a room offers: the parameters of layers, or the states of optimisers."""
    values = (getattr(room, name) for name in room.__all__)
    return (
        kind for kind in values if isinstance(kind, type) and attrs.has(kind) and kind not in (Optimizer, Transform)
    )


TREES = (*_offered(layers), *_offered(optimizers), Batch, TrainState, Warps)
"""The types of fnmlp's trees, keys apart."""

for tree_kind in TREES:
    register_tree(tree_kind)
_register(Key, _arrays_of)
_register(OutlineKey, _arrays_of)


def fold_epoch(
    step: Callable[[TrainState, Batch], TrainState],
    state: TrainState,
    data: Batch | Pair,
    *,
    size: int,
    key: Key,
    epoch: int,
    start: int = 0,
    stop: int | None = None,
    augment: Callable[[Key, Array], Array] | None = None,
    augment_key: Key | None = None,
    donate: bool = False,
) -> tuple[TrainState, Any]:
    """Take the steps of an epoch, or of a stretch of it, as one compiled loop; return the state and each step's loss.

    It is `reduce(step, batches(data, size=size, key=key, epoch=epoch, start=start), state)` on JAX: the same rows in
    the same order, the last smaller batch included. `stop` is the number of the first batch that is left out. `augment`
    changes the inputs of batch i, with the key `fold_in(fold_in(augment_key, epoch), i)`; `augment_key` is `key` unless
    you give another. A step is compiled once for the shapes and the size, whatever the epoch, `start` and `stop` are.

    Arrays that the functions bind with functools.partial are compiled in as constants. Bind large or varying ones with
    jax.tree_util.Partial, as in `Partial(apply_warps, warps)`: then they are arguments of the compiled loop.

    Data that JAX holds already, as `fnmlp.to` makes them, stay on their device; NumPy's are sent there at each call.
    `donate=True` gives the memory of a state that JAX holds away: it can't be used afterwards.
    Shapes:   losses (steps,).
    Raises:   OptionError for a bad size, start or stop; DataError for empty data; StructureError for anything but a
              step, a state and a batch; whatever the step raises.

    >>> from functools import partial
    >>> import numpy as np
    >>> import fnmlp as fn
    >>> model, optimizer = fn.linear(1), fn.sgd(0.1)
    >>> data = fn.Batch(np.ones((8, 2), np.float32), np.ones((8, 1), np.float32))
    >>> start = fn.train_state(model, optimizer, key=fn.Key(0), example=(2,))
    >>> step = partial(fn.train_step, model, fn.mse, optimizer)
    >>> state, losses = fold_epoch(step, start, data, size=4, key=fn.Key(1), epoch=0)
    >>> int(state.step), losses.shape
    (2, (2,))
    """
    check_function("fold_epoch(step)", step, 2, "partial(train_step, model, loss, optimizer)")
    check_kind("fold_epoch(state)", state, TrainState, "train_state(…)")
    data = as_batch("fold_epoch", data)
    check_data(data)
    size = as_count("fold_epoch(size)", size)
    if augment is not None:
        check_function("fold_epoch(augment)", augment, 2, "partial(shift, pixels=1.0)")
    begin, end, whole = _stretch(len(data), size, start, stop)
    order = epoch_order(len(data), key=key, epoch=epoch).astype(np.int32)
    rows, rest = order[: whole * size].reshape(whole, size), order[None, whole * size :]
    compiled = _giving if as_bool("fold_epoch(donate)", donate) else _keeping
    drawn = fold_in(key if augment_key is None else augment_key, epoch)
    fold = partial(compiled, _as_tree(step), None if augment is None else _as_tree(augment), drawn)
    device = device_of(data.inputs) if is_jax(data.inputs) else None
    state = jax.tree.map(partial(_strongly_typed, device), state)
    losses = []
    if begin < min(end, whole):
        state, every = fold(state, data, rows, 0, begin, min(end, whole))
        losses.append((every, begin, min(end, whole)))
    if end > max(begin, whole):
        state, every = fold(state, data, rest, whole, whole, end)
        losses.append((every, 0, 1))
    return state, _joined(losses)


def _joined(losses: list[tuple[Any, int, int]]) -> Any:
    """Return the losses from one place to another of each array; NumPy cuts, as JAX would compile for each length."""
    if not losses:
        return jnp.zeros(0)
    if all(last - first == len(every) or is_traced(every) for every, first, last in losses):
        return jnp.concatenate([every[first:last] for every, first, last in losses])
    return jax.device_put(np.concatenate([np.asarray(every)[first:last] for every, first, last in losses]))


def _stretch(rows: int, size: int, start: int, stop: int | None) -> tuple[int, int, int]:
    """Return the numbers of the first batch and of the one after the last, and the number of whole batches."""
    every = -(-rows // size)
    begin = as_natural("fold_epoch(start)", start)
    end = every if stop is None else as_natural("fold_epoch(stop)", stop)
    if not begin <= end <= every:
        got, remedy = f"start={begin}, stop={end}", "leave stop out to go to the end"
        raise OptionError("fold_epoch", f"0 <= start <= stop <= {every} batches", got, remedy)
    return begin, end, rows // size


def _strongly_typed(device: Any, leaf: Any) -> Any:
    """Give a leaf the type and the place that results have, so that the second call finds what the first compiled."""
    if isinstance(leaf, jax.Array):
        return jnp.asarray(leaf, leaf.dtype) if leaf.weak_type else leaf
    kinds = {bool: jnp.bool_, int: jnp.int32, float: jnp.result_type(float)}
    return jax.device_put(np.array(leaf, kinds.get(type(leaf))), device)  # a copy, which may be donated


def _as_tree(function: Callable[..., Any]) -> Partial:
    """Return a function as a pytree, whose leaves are the arrays that it binds if it is one of JAX's partials."""
    return function if isinstance(function, Partial) else Partial(Fixed(function))


class Fixed:
    """Hold a function that is compiled in; two that bind the same objects to the same function are equal."""

    def __init__(self, function: Any) -> None:
        """Remember the function, and what it is made of."""
        self.function, self.parts = function, tuple(_parts(function))

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fixed) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.parts)


def _parts(function: Any) -> Iterator[Any]:
    """Yield what identifies a function: itself, or for a partial one what it binds, to which function and how."""
    if isinstance(function, partial):
        yield len(function.args), *function.keywords
        for part in (function.func, *function.args, *function.keywords.values()):
            yield from _parts(part)
    else:
        yield id(function)


def _fold(
    step: Partial,
    augment: Partial | None,
    key: Key,
    state: TrainState,
    data: Batch,
    rows: Any,
    first: int,
    begin: int,
    end: int,
) -> tuple[TrainState, Any]:
    """Fold a step over batches `begin` to `end`; `rows` are the row numbers of those from batch `first` on."""

    def advance(number: Any, carried: tuple[TrainState, Any]) -> tuple[TrainState, Any]:
        state, losses = carried
        place = number - first
        batch = _taken(data, rows[place])
        if augment is not None:
            batch = attrs.evolve(batch, inputs=augment(fold_in(key, number), batch.inputs))
        state = step(state, batch)
        return state, losses.at[place].set(state.loss)

    after = jax.eval_shape(step, state, _taken(data, rows[0]))
    state = jax.tree.map(lambda x, like: jnp.asarray(x, like.dtype), state, after)
    return jax.lax.fori_loop(begin, end, advance, (state, jnp.zeros(rows.shape[0], after.loss.dtype)))


def _taken(data: Batch, rows: Any) -> Batch:
    return jax.tree.map(lambda x: jnp.take(x, rows, axis=0), data)


_keeping = jax.jit(_fold)
_giving = jax.jit(_fold, donate_argnums=3)
