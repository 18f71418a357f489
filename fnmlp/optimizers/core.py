"""The type of an optimiser, and the pieces that all optimisers are made of."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
import sys
from typing import Any, TypeAlias

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array, bring, is_jax, namespace, read_only, same_dtype, unshared
from fnmlp.checks import check_kind
from fnmlp.errors import DtypeError, ShapeError, StructureError
from fnmlp.rules import retried
from fnmlp.tree import Tree, tree_leaves, tree_map, tree_unzip

__all__ = ["Optimizer", "Sums"]

Update: TypeAlias = Callable[[Tree, Tree, Tree], tuple[Tree, Tree]]
"""(parameters, gradients, state) -> (new parameters, new state)."""

Rule: TypeAlias = Callable[..., tuple[Array, ...]]
"""(now, parameter, gradient, sums …) -> (new parameter, new sums …), for one array of each tree.

`now` is the number of steps taken, or what is computed of it once for all arrays.

The gradient is the rule's own: it may write to it, and hand it out."""


@frozen
class Optimizer:
    """Hold the pure functions of an optimiser.

    `init`    parameters -> state: a tree of arrays and numbers.
    `update`  (parameters, gradients, state) -> (new parameters, new state).
    `spend`   as `update`, bit for bit, for a caller who owns the gradients and gives their memory away. Their values
              are undefined afterwards. Large networks need this, because fresh memory is slow.
    `finish`  (parameters, state) -> (new parameters, new state), for an optimiser that accumulates gradients: the step
              for those still waiting.
    """

    init: Callable[[Tree], Tree]
    update: Update
    spend: Update | None = None
    finish: Callable[[Tree, Tree], tuple[Tree, Tree]] | None = None


def owning(init: Callable[[Tree], Tree], rule: Callable[..., tuple[Tree, Tree]], *bound: Any) -> Optimizer:
    """Make an optimiser from a rule that may write to gradients: (bound …, params, grads, state) -> (params, state).

    `update` gives it copies; `spend` gives it the gradients themselves unless another array holds them too.

    >>> def descend(rate, params, grads, state):
    ...     grads *= -rate
    ...     return grads + params, state
    >>> grads = np.array([2.0])
    >>> owning(tuple, descend, 0.5).update(np.array([4.0]), grads, ()), grads
    ((array([3.]), ()), array([2.]))
    """
    step = joining(rule, *bound)
    # Spent gradients exist only once, so a step that underflow stopped can't be repeated here.
    return Optimizer(init, partial(retried, _step_on, copied, step), partial(_step_on, owned, step))


def _step_on(held: Callable[[Tree], Tree], step: Update, params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
    return step(params, held(grads), state)


def around(init: Callable[[Tree], Tree], rule: Callable[..., tuple[Tree, Tree]], *bound: Any) -> Optimizer:
    """Make an optimiser from a rule that calls others: (step of, bound …, params, grads, state) -> (params, state).

    `step of` selects the function of an optimiser to call: its `update`, or its `spend` if gradients may be spent.
    """
    return Optimizer(init, partial(retried, joining(rule, updating, *bound)), joining(rule, spending, *bound))


def joining(rule: Callable[..., tuple[Tree, Tree]], *bound: Any) -> Update:
    """Bind options to a rule; if a compiler traces one of them, NumPy's arrays first join the library of that.

    >>> joining(print, 0.5)
    functools.partial(<built-in function print>, 0.5)
    """
    step = partial(rule, *bound)
    like = next(_unknown(bound), None)
    return step if like is None else partial(_joined, like, step)


def _unknown(bound: tuple[Any, ...]) -> Iterator[Array]:
    """Yield the options that are arrays: one that is known was made a Python number."""
    for option in bound:
        if isinstance(option, (tuple, partial)):
            yield from _unknown(option if isinstance(option, tuple) else (*option.args, *option.keywords.values()))
        elif hasattr(option, "dtype"):
            yield option


def _joined(like: Array, step: Update, params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
    params, grads, state = tree_map(partial(_join, like), (params, grads, state))
    return step(params, grads, state)


def _join(like: Array, leaf: Any) -> Any:
    return bring(leaf, like) if isinstance(leaf, (np.ndarray, np.generic)) else leaf


StepOf: TypeAlias = Callable[[Optimizer], Update]
"""`updating` or `spending`."""


def updating(optimizer: Optimizer) -> Update:
    """Return the function that leaves gradients as they are.

    >>> updating(Optimizer(min, max)) is max
    True
    """
    return optimizer.update


def spending(optimizer: Optimizer) -> Update:
    """Return the function that may spend gradients.

    >>> spending(Optimizer(min, max)) is max
    True
    """
    return optimizer.update if optimizer.spend is None else optimizer.spend


def check_state(kind: type, state: Tree) -> None:
    """Raise for the state of another optimiser.

    >>> check_state(Sums, ())
    Traceback (most recent call last):
    fnmlp.errors.StructureError: optimizer state: expected a Sums, got (); pass for instance what optimizer.init(par...
    """
    if type(state) is not kind:
        check_kind("optimizer state", state, kind, "what optimizer.init(params) returns")


def check_no_state(state: Tree) -> None:
    """Raise unless the state is (), as of an optimiser without a state.

    >>> check_no_state(())
    """
    if type(state) is not tuple or state:
        remedy = "pass what optimizer.init(params) returns"
        raise StructureError("optimizer state", "()", type(state).__name__, remedy)


@frozen(eq=False)
class Sums:
    """Hold the state of most optimisers: the number of steps, and trees of sums over the gradients so far."""

    step: int
    trees: tuple[Tree, ...]


def by_leaf(rule: Rule, kinds: int, *, numbers: Callable[[int], Any] | None = None) -> Optimizer:
    """Make an optimiser of a rule for single arrays that keeps so many kinds of sums, 0 at first.

    `numbers(step)` is what the rule gets first, in place of the number of steps taken.

    >>> heavy = by_leaf(lambda step, p, g, total: (p - g - total, total + g), kinds=1)
    >>> heavy.update((5.0,), (1.0,), Sums(1, ((2.0,),)))
    ((2.0,), Sums(step=2, trees=((3.0,),)))
    """
    return owning(partial(_sums_init, kinds), sums_update, kinds, rule, numbers)


def _sums_init(kinds: int, params: Tree) -> Sums:
    return Sums(0, tuple(tree_map(zeros_leaf, params) for _ in range(kinds)))


def zeros_leaf(param: Array) -> Array:
    """Return the initial sum, 0.

    >>> zeros_leaf(np.ones(2))
    array([0., 0.])
    """
    return read_only(namespace(param).zeros_like(param))


def kept_leaf(param: Array) -> Array:
    """Return a parameter that doesn't move, protected from later changes by its owner."""
    return read_only(unshared(param))


def sums_update(
    kinds: int, rule: Rule, numbers: Callable[[int], Any] | None, params: Tree, grads: Tree, state: Sums
) -> tuple[Tree, Sums]:
    """Take the step of a rule for single arrays, and count it."""
    check_state(Sums, state)
    if len(state.trees) != kinds:
        remedy = "pass what optimizer.init(params) returns"
        raise StructureError("optimizer state", f"Sums of {kinds} trees", len(state.trees), remedy)
    now = state.step if numbers is None else numbers(state.step)
    moved, *trees = map_apart(partial(rule, now), 1 + kinds, params, grads, *state.trees)
    return moved, Sums(state.step + 1, tuple(trees))


def copied(grads: Tree) -> Tree:
    """Copy gradients, so that they may be written to.

    >>> grads = (np.zeros(2),)
    >>> copied(grads)[0] is grads[0]
    False
    """
    return tree_map(_copy, grads)


def apart(grads: Tree, params: Tree) -> Tree:
    """Return gradients in other memory than the parameters; that of half a parameter's square is the parameter.

    >>> one = np.zeros(2)
    >>> apart((one,), (one,))[0] is one, apart((one,), (np.zeros(2),))[0] is one
    (False, True)
    """
    owners = set(map(_owner, tree_leaves(params)))
    return grads if owners.isdisjoint(map(_owner, tree_leaves(grads))) else copied(grads)


def owned(grads: Tree) -> Tree:
    """Return gradients that may be written to: each itself if nothing else seems to hold it, else a copy.

    The memory of a view belongs to another array. Gradients of parameters that are added may be one array.

    >>> one = np.zeros(2)
    >>> owned((one,))[0] is one, owned((one[:1],))[0].base is one, owned((one, one))[0] is one
    (True, False, False)
    """
    leaves = tree_leaves(grads)
    if len(set(map(_owner, leaves))) < len(leaves):
        return copied(grads)
    return grads if all(map(_is_own, leaves)) else tree_map(_own, grads)


def _owner(x: Any) -> int:
    if _is_tensor(x):
        with suppress(NotImplementedError):  # of torch.func, whose tensors have no memory of their own
            return int(x.untyped_storage()._cdata)  # noqa: SLF001 (its address is 0 on the device "meta")
    base = getattr(x, "base", None)
    return id(x if base is None else base)


def _is_own(x: Any) -> bool:
    """Tell whether an array may be computed with in place: nobody else seems to hold its memory, or it is JAX's.

    A view is held by another array. An array of JAX's is never written to: in-place operators make a new one.
    """
    if isinstance(x, np.ndarray):
        return x.base is None and x.flags.writeable
    if _is_tensor(x):
        return not x.requires_grad and x._base is None  # noqa: SLF001 (torch has no public way to ask for a view)
    return is_jax(x)


def _is_tensor(x: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(x, torch.Tensor)


def _own(grad: Array) -> Array:
    return grad if _is_own(grad) else _copy(grad)


def _copy(grad: Any) -> Any:
    if isinstance(grad, (int, float)) or is_jax(grad):
        return grad
    return (
        grad.clone() if hasattr(grad, "clone") else namespace(grad).asarray(grad, copy=True)
    )  # torch's own is quieter


def map_apart(rule: Callable[..., tuple[Any, ...]], results: int, tree: Tree, *rest: Tree) -> list[Tree]:
    """Map a rule that returns several leaves for each, and return as many trees.

    >>> map_apart(lambda p, g: (p - g, g * g), 2, (5, (3,)), (1, (2,)))
    [(4, (1,)), (1, (4,))]
    """
    rows: list[tuple[Any, ...]] = []
    tree_map(lambda *leaves: rows.append(rule(*leaves)), tree, *rest)
    return tree_unzip(tree, rows, results)


def check_gradient(where: str, param: Array, grad: Array) -> None:
    """Raise unless a gradient has the parameter's shape and dtype; NumPy would silently broadcast or promote.

    >>> check_gradient("sgd", np.zeros((2, 1)), np.zeros(2))
    Traceback (most recent call last):
    fnmlp.errors.ShapeError: sgd: expected a gradient of shape (2, 1), got (2,); return gradients of the parameters'...
    """
    if grad.shape != param.shape:
        remedy = "return gradients of the parameters' shapes from the pullback"
        raise ShapeError(where, f"a gradient of shape {param.shape}", grad.shape, remedy)
    if not same_dtype(grad, param):
        remedy = "return gradients of the parameters' dtype from the pullback"
        raise DtypeError(where, f"a gradient of {param.dtype}", grad.dtype, remedy)
