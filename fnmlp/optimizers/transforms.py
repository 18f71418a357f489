"""Transforms: pure maps of gradients, applied before an optimiser."""

from collections.abc import Callable
from functools import partial
from math import sqrt
from typing import Any

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array, namespace
from fnmlp.checks import check_function, check_kind
from fnmlp.conditions import choose, hypot
from fnmlp.errors import OptionError, StructureError
from fnmlp.optimizers.arithmetic import in_dtype_of, scaled
from fnmlp.optimizers.core import Optimizer, StepOf, Update, around, check_gradient, check_no_state, joining
from fnmlp.optimizers.filters import PathFilter, everywhere, flags
from fnmlp.options import nonnegative, positive
from fnmlp.rules import on_numbers
from fnmlp.tree import Tree, tree_leaves, tree_map

__all__ = ["Transform", "clip_by_global_norm", "clip_by_value", "compose", "weight_decay"]


@frozen
class Transform:
    """A pair of pure functions that change gradients.

    `init`    parameters -> state.
    `update`  (parameters, gradients, state) -> (new gradients, new state).
    """

    init: Callable[[Tree], Tree]
    update: Update


def compose(*stages: Transform | Optimizer) -> Optimizer:
    """Combine transforms and an optimiser; gradients pass through the transforms in order, then to the optimiser.

    The state is a tuple of all states. The result is an optimiser, so it can be the last part of another `compose`.
    Raises:   OptionError unless the last argument, and no other, is an optimiser.

    >>> import numpy as np
    >>> from fnmlp.optimizers import sgd
    >>> optimizer = compose(clip_by_value(1.0), weight_decay(0.5), sgd(0.5))
    >>> params, grads = (np.array([2.0]),), (np.array([9.0]),)
    >>> optimizer.update(params, grads, optimizer.init(params))[0]
    (array([1.]),)
    """
    kinds = [isinstance(stage, Optimizer) for stage in stages]
    if kinds != [False] * (len(stages) - 1) + [True]:
        got = f"({', '.join(type(stage).__name__ for stage in stages)})"
        raise OptionError("compose", "transforms and then one optimiser", got, "end it for instance with sgd(0.1)")
    for place, stage in enumerate(stages[:-1]):
        check_kind(f"compose: argument {place}", stage, Transform, "clip_by_value(1.0)")
    return around(partial(_compose_init, stages), _compose_update, stages[:-1], stages[-1])


def _compose_init(stages: tuple[Transform | Optimizer, ...], params: Tree) -> tuple[Tree, ...]:
    return tuple(stage.init(params) for stage in stages)


def _compose_update(
    step_of: StepOf,
    transforms: tuple[Transform, ...],
    optimizer: Optimizer,
    params: Tree,
    grads: Tree,
    states: tuple[Tree, ...],
) -> tuple[Tree, tuple[Tree, ...]]:
    if type(states) is not tuple or len(states) != len(transforms) + 1:
        expected = f"a tuple of {len(transforms) + 1} states"
        got = f"a tuple of {len(states)}" if isinstance(states, tuple) else type(states).__name__
        raise StructureError("optimizer state", expected, got, "pass what optimizer.init(params) returns")
    after: list[Tree] = []
    for transform, state in zip(transforms, states[:-1], strict=True):
        grads, new_state = transform.update(params, grads, state)
        after.append(new_state)
    moved, last = step_of(optimizer)(params, grads, states[-1])
    return moved, (*after, last)


def _stateless(params: Tree) -> tuple[()]:
    return ()


def clip_by_value(limit: float) -> Transform:
    """Clip every element of the gradients to [-limit, limit]; NaN stays NaN.

    Units:    those of a gradient.
    Raises:   OptionError unless the limit is finite and above 0.
    Source:   torch.nn.utils.clip_grad_value_.

    >>> import numpy as np
    >>> clip_by_value(1.0).update((), (np.array([0.5, -3.0]),), ())[0]
    (array([ 0.5, -1. ]),)
    """
    return Transform(_stateless, joining(_clip_by_value, positive("clip_by_value(limit)", limit)))


@on_numbers
def _clip_by_value(limit: float, params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
    check_no_state(state)
    return tree_map(partial(_clip, limit), grads), state


def _clip(limit: float, grad: Array) -> Array:
    return in_dtype_of(grad, namespace(grad).clip(grad, -limit, limit))


def clip_by_global_norm(limit: float, *, epsilon: float = 1e-6) -> Transform:
    """Scale all gradients by limit / (norm + epsilon) if their common Euclidean norm is above the limit.

    If a gradient holds NaN, all become NaN. If the norm is infinite, they become 0 or NaN.

    Units:    those of a gradient.
    Raises:   OptionError unless the limit is finite and above 0, and epsilon finite and at least 0.
    Source:   Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063, algorithm 1; torch.nn.utils.clip_grad_norm_.

    >>> import numpy as np
    >>> clip_by_global_norm(1.0, epsilon=0).update((), (np.array([3.0]), np.array([4.0])), ())[0]
    (array([0.6]), array([0.8]))
    """
    bound = positive("clip_by_global_norm(limit)", limit), nonnegative("clip_by_global_norm(epsilon)", epsilon)
    return Transform(_stateless, joining(_clip_by_global_norm, *bound))


@on_numbers
def _clip_by_global_norm(
    limit: float,
    epsilon: float,
    params: Tree,
    grads: Tree,
    state: Tree,
) -> tuple[Tree, Tree]:
    check_no_state(state)
    norm = hypot(*map(_norm, tree_leaves(grads))) + epsilon
    return choose(norm <= limit, lambda: grads, lambda: tree_map(partial(scaled, limit / norm), grads)), state


def _norm(grad: Array) -> Any:
    """Return the norm of a gradient: a number, or with another library than NumPy an array that nobody waits for."""
    xp = namespace(grad)
    flat = xp.reshape(grad, (-1,))
    square = xp.vecdot(flat, flat)
    return sqrt(float(square)) if isinstance(square, np.generic) else xp.sqrt(square)


def weight_decay(amount: float, *, only: PathFilter = everywhere) -> Transform:
    """Add amount · p to the gradient of p: the derivative of half the amount times the squared length of p.

    `only(path)` chooses which parameters decay; it is called once, when the state is made. Adaptive optimisers rescale
    this decay; use `decoupled_decay` to avoid that.
    Units:    those of a gradient per parameter.
    Raises:   OptionError unless the amount is finite and at least 0; ShapeError, DtypeError unless the gradients match
              the parameters.
    Source:   Krogh & Hertz 1991, "A simple weight decay can improve generalization"; torch's weight_decay.

    >>> import numpy as np
    >>> decay, params = weight_decay(0.5), (np.array([2.0]),)
    >>> decay.update(params, (np.array([1.0]),), decay.init(params))[0]
    (array([2.]),)
    """
    check_function("weight_decay(only)", only, 1, "is_weight")
    return Transform(partial(flags, only), joining(_weight_decay, nonnegative("weight_decay(amount)", amount)))


@on_numbers
def _weight_decay(amount: float, params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
    return tree_map(partial(_decay_leaf, amount), params, grads, state), state


def _decay_leaf(amount: float, param: Array, grad: Array, meant: bool) -> Array:
    check_gradient("weight_decay", param, grad)
    return choose(meant, lambda: _plus(grad, scaled(amount, param)), lambda: grad)


def _plus(grad: Array, own: Array) -> Array:
    own += grad
    return own
