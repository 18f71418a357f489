"""Wrappers of optimisers: with a rate that changes, or an action before or after each step."""

from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import frozen

from fnmlp.arrays import Array, at_hand, namespace
from fnmlp.checks import check_function, check_kind
from fnmlp.conditions import choose, pick, surely_zero
from fnmlp.errors import StructureError
from fnmlp.optimizers.arithmetic import replacing, scaled
from fnmlp.optimizers.core import Optimizer, StepOf, around, check_state, kept_leaf
from fnmlp.optimizers.filters import PathFilter, everywhere, flags, is_weight
from fnmlp.optimizers.schedules import Schedule
from fnmlp.options import fraction, positive
from fnmlp.tree import Tree, tree_map

__all__ = [
    "AveragedState",
    "ChosenState",
    "ScheduledState",
    "averaged",
    "averaged_params",
    "decoupled_decay",
    "max_norm",
    "scheduled",
]

STANDSTILL = 1e-300
"""A rate that moves nothing; constructors refuse 0, because a user who writes it has made a mistake."""


def _usable(rate: Any) -> Any:
    """Return a rate, or in place of 0 one that moves nothing; a traced one may be of too few bits for `STANDSTILL`."""
    if type(rate) is float or at_hand(rate):
        return STANDSTILL if rate == 0 else rate
    least = namespace(rate).finfo((rate * 1.0).dtype).smallest_normal
    return pick(rate == 0, float(least), rate)


@frozen(eq=False)
class ScheduledState:
    """Hold the number of steps taken, and the state of the scheduled optimiser."""

    step: int
    inner: Tree


def scheduled(make: Callable[[float], Optimizer], schedule: Schedule) -> Optimizer:
    """Make an optimiser whose rate follows a schedule.

    `make` is a constructor such as `adam`, with its options bound by functools.partial. It is called at each step with
    the rate of that step. At a rate of 0 the parameters stay, but the state is updated.
    Raises:   whatever `make` raises, at once for the first rate, and later for one that is negative or not finite; if
              JAX traces the step, such a rate makes the parameters NaN.

    >>> from functools import partial
    >>> import numpy as np
    >>> from fnmlp.optimizers import piecewise, sgd
    >>> optimizer = scheduled(partial(sgd, momentum=0.5), piecewise((1.0, 0.5), at=(1,)))
    >>> params, state = (np.array([4.0]),), optimizer.init((np.array([4.0]),))
    >>> params, state = optimizer.update(params, (np.array([1.0]),), state)
    >>> params, optimizer.update(params, (np.array([1.0]),), state)[0]
    ((array([3.]),), (array([2.25]),))
    """
    check_function("scheduled(make)", make, 1, "sgd")
    check_function("scheduled(schedule)", schedule, 1, "constant_rate(0.1)")
    first = make(_usable(schedule(0)))
    check_kind("scheduled(make): its result", first, Optimizer, "sgd as `make`")
    return around(partial(_scheduled_init, first), _scheduled_update, make, schedule)


def _scheduled_init(first: Optimizer, params: Tree) -> ScheduledState:
    return ScheduledState(0, first.init(params))


def _scheduled_update(
    step_of: StepOf,
    make: Callable[[float], Optimizer],
    schedule: Schedule,
    params: Tree,
    grads: Tree,
    state: ScheduledState,
) -> tuple[Tree, ScheduledState]:
    check_state(ScheduledState, state)
    step = step_of(make(_usable(schedule(state.step))))
    moved, inner = step(params, grads, state.inner)
    return moved, ScheduledState(state.step + 1, inner)


@frozen(eq=False)
class AveragedState:
    """Hold the running mean of the parameters, and the optimiser's state."""

    average: Tree
    inner: Tree


def averaged(optimizer: Optimizer, *, decay: float = 0.999) -> Optimizer:
    """Keep an exponential mean of the parameters in the state, where `averaged_params` reads it.

    The mean starts at the first parameters; after every step it is decay · mean + (1 - decay) · parameters.

    Shapes:   those of the parameters.
    Raises:   OptionError unless 0 <= decay < 1.
    Source:   Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging"; torch.optim.swa_utils.

    >>> import numpy as np
    >>> from fnmlp.optimizers import sgd
    >>> optimizer, params = averaged(sgd(1.0), decay=0.75), (np.array([4.0]),)
    >>> params, state = optimizer.update(params, (np.array([4.0]),), optimizer.init(params))
    >>> params, averaged_params(state)
    ((array([0.]),), (array([3.]),))
    """
    check_kind("averaged(optimizer)", optimizer, Optimizer, "sgd(0.1)")
    bound = optimizer, 1 - fraction("averaged(decay)", decay)
    return around(partial(_averaged_init, optimizer), _averaged_update, *bound)


def averaged_params(state: Tree) -> Tree:
    """Return the mean of the parameters that `averaged` keeps, to evaluate or save it.

    Raises:   StructureError unless `averaged` is the outermost part of the optimiser.
    """
    if not isinstance(state, AveragedState):
        remedy = "make the optimiser with averaged(…) as its outermost part"
        raise StructureError("averaged_params", "the state of averaged", type(state).__name__, remedy)
    return state.average


def _averaged_init(optimizer: Optimizer, params: Tree) -> AveragedState:
    return AveragedState(tree_map(kept_leaf, params), optimizer.init(params))


def _averaged_update(
    step_of: StepOf, optimizer: Optimizer, share: float, params: Tree, grads: Tree, state: AveragedState
) -> tuple[Tree, AveragedState]:
    check_state(AveragedState, state)
    moved, inner = step_of(optimizer)(params, grads, state.inner)
    return moved, AveragedState(tree_map(partial(_approach, share), state.average, moved), inner)


def _approach(share: float, average: Array, param: Array) -> Array:
    nearer = param - average
    nearer *= share
    nearer += average
    return replacing(average, nearer)


@frozen(eq=False)
class ChosenState:
    """Hold which parameters are chosen, and the optimiser's state."""

    chosen: Tree
    inner: Tree


def max_norm(optimizer: Optimizer, *, limit: float, only: PathFilter = is_weight) -> Optimizer:
    """After every step, scale down each unit whose weights have a norm above the limit.

    A unit is a column of a matrix (in, out). Parameters that are not matrices, or that `only(path)` excludes, stay
    unchanged.

    Shapes:   those of the parameters.
    Units:    those of a parameter.
    Raises:   OptionError unless the limit is finite and above 0.
    Source:   Srebro & Shraibman 2005; Srivastava et al. 2014, "Dropout", sec. 5.1.

    >>> import numpy as np
    >>> from fnmlp.optimizers import everywhere, sgd
    >>> optimizer, params = max_norm(sgd(1.0), limit=5.0, only=everywhere), (np.array([[6.0, 0.0], [8.0, 1.0]]),)
    >>> optimizer.update(params, (np.zeros((2, 2)),), optimizer.init(params))[0]
    (array([[3., 0.],
           [4., 1.]]),)
    """
    check_kind("max_norm(optimizer)", optimizer, Optimizer, "sgd(0.1)")
    check_function("max_norm(only)", only, 1, "is_weight")
    bound = optimizer, positive("max_norm(limit)", limit)
    return around(partial(_chosen_init, only, optimizer), _max_norm_update, *bound)


def _chosen_init(only: PathFilter, optimizer: Optimizer, params: Tree) -> ChosenState:
    return ChosenState(flags(only, params), optimizer.init(params))


def _max_norm_update(
    step_of: StepOf, optimizer: Optimizer, limit: float, params: Tree, grads: Tree, state: ChosenState
) -> tuple[Tree, ChosenState]:
    check_state(ChosenState, state)
    moved, inner = step_of(optimizer)(params, grads, state.inner)
    return tree_map(partial(_within, limit), moved, state.chosen), ChosenState(state.chosen, inner)


def _within(limit: float, param: Array, chosen: bool) -> Array:
    if param.ndim != 2:
        return param
    return choose(chosen, lambda: _short(limit, param), lambda: param)


def _short(limit: float, param: Array) -> Array:
    xp = namespace(param)
    length = xp.sqrt(xp.sum(param * param, axis=0, keepdims=True))
    return replacing(param, param * (limit / xp.clip(length, limit, None)))


def decoupled_decay(optimizer: Optimizer, *, share: float, only: PathFilter = everywhere) -> Optimizer:
    """Before every step, shrink the parameters by a share of themselves, independently of the gradients.

    `only(path)` chooses which parameters shrink; it is called once, when the state is made.

    Shapes:   those of the parameters.
    Units:    a share of the parameters per step.
    Raises:   OptionError unless 0 <= share < 1.
    Source:   Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 1.

    >>> import numpy as np
    >>> from fnmlp.optimizers import sgd
    >>> optimizer, params = decoupled_decay(sgd(1.0), share=0.25), (np.array([4.0]),)
    >>> optimizer.update(params, (np.array([1.0]),), optimizer.init(params))[0]
    (array([2.]),)
    """
    check_kind("decoupled_decay(optimizer)", optimizer, Optimizer, "sgd(0.1)")
    check_function("decoupled_decay(only)", only, 1, "is_weight")
    bound = optimizer, fraction("decoupled_decay(share)", share)
    return around(partial(_chosen_init, only, optimizer), _decay_update, *bound)


def _decay_update(
    step_of: StepOf, optimizer: Optimizer, share: float, params: Tree, grads: Tree, state: ChosenState
) -> tuple[Tree, ChosenState]:
    check_state(ChosenState, state)
    shrunk = params if surely_zero(share) else tree_map(partial(_shrink, 1 - share), params, state.chosen)
    moved, inner = step_of(optimizer)(shrunk, grads, state.inner)
    return moved, ChosenState(state.chosen, inner)


def _shrink(kept: float, param: Array, chosen: bool) -> Array:
    return param if chosen is False else pick(chosen, scaled(kept, param), param)
