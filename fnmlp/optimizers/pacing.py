"""Optimisers that do not step at every call: they accumulate gradients, or skip those that are not finite."""

from functools import partial

from attrs import frozen

from fnmlp.arrays import Array
from fnmlp.checks import check_kind
from fnmlp.conditions import all_finite, choose, larger, pick
from fnmlp.optimizers.arithmetic import replacing, scaled
from fnmlp.optimizers.core import (
    Optimizer,
    StepOf,
    around,
    check_gradient,
    check_state,
    kept_leaf,
    spending,
    zeros_leaf,
)
from fnmlp.rules import on_numbers
from fnmlp.scalars import as_count
from fnmlp.tree import Tree, tree_map

__all__ = ["AccumulatedState", "FiniteState", "accumulated", "apply_if_finite"]


@frozen(eq=False)
class AccumulatedState:
    """Hold the number of gradients since the last step, their sum, and the inner optimiser's state."""

    held: int
    total: Tree
    inner: Tree


def accumulated(optimizer: Optimizer, *, steps: int) -> Optimizer:
    """Accumulate gradients: take one step per `steps` calls, with the mean of their gradients.

    Batches of equal size with a mean loss give the step of one large batch, in the memory of a small one. If training
    ends with an incomplete group, call `apply_remainder` to take its step.
    Shapes:   those of the parameters.
    Raises:   OptionError unless steps is an integer of at least 1; ShapeError, DtypeError unless the gradients match
              the parameters.

    >>> import numpy as np
    >>> from fnmlp.optimizers import sgd
    >>> optimizer, params = accumulated(sgd(1.0), steps=2), (np.array([4.0]),)
    >>> params, state = optimizer.update(params, (np.array([1.0]),), optimizer.init(params))
    >>> params, optimizer.update(params, (np.array([2.0]),), state)[0]
    ((array([4.]),), (array([2.5]),))
    """
    check_kind("accumulated(optimizer)", optimizer, Optimizer, "sgd(0.1)")
    steps = as_count("accumulated(steps)", steps)
    return Optimizer(
        partial(_accumulated_init, optimizer),
        partial(_accumulated_update, optimizer, steps),
        finish=partial(_accumulated_finish, optimizer),
    )


def _accumulated_init(optimizer: Optimizer, params: Tree) -> AccumulatedState:
    return AccumulatedState(0, tree_map(zeros_leaf, params), optimizer.init(params))


@on_numbers
def _accumulated_update(
    optimizer: Optimizer, steps: int, params: Tree, grads: Tree, state: AccumulatedState
) -> tuple[Tree, AccumulatedState]:
    check_state(AccumulatedState, state)
    after = AccumulatedState(state.held + 1, tree_map(_add, params, grads, state.total), state.inner)
    return choose(
        after.held < steps, lambda: (tree_map(kept_leaf, params), after), lambda: _mean_step(optimizer, params, after)
    )


@on_numbers
def _accumulated_finish(optimizer: Optimizer, params: Tree, state: AccumulatedState) -> tuple[Tree, AccumulatedState]:
    check_state(AccumulatedState, state)
    return choose(
        state.held == 0, lambda: (tree_map(kept_leaf, params), state), lambda: _mean_step(optimizer, params, state)
    )


def _mean_step(optimizer: Optimizer, params: Tree, state: AccumulatedState) -> tuple[Tree, AccumulatedState]:
    mean = tree_map(partial(scaled, 1.0 / larger(state.held, 1)), state.total)
    moved, inner = spending(optimizer)(params, mean, state.inner)
    return moved, AccumulatedState(0, tree_map(zeros_leaf, params), inner)


def _add(param: Array, grad: Array, total: Array) -> Array:
    check_gradient("accumulated", param, grad)
    return replacing(total, total + grad)


@frozen(eq=False)
class FiniteState:
    """Hold the number of skipped gradients, in total and in a row, and the optimiser's state."""

    skipped: int
    in_a_row: int
    inner: Tree


def apply_if_finite(optimizer: Optimizer, *, max_consecutive_errors: int) -> Optimizer:
    """Skip steps whose gradients hold infinities or NaN: parameters and state stay as they were.

    After `max_consecutive_errors` skipped steps in a row the next step is taken anyway, so that a run that can't
    recover shows it. The state counts the skipped steps.
    Shapes:   those of the parameters.
    Raises:   OptionError unless max_consecutive_errors is an integer of at least 1; whatever the optimiser raises.
    Source:   optax.apply_if_finite; Micikevicius et al. 2018, arXiv:1710.03740, sec. 3.2.

    >>> import numpy as np
    >>> from fnmlp.optimizers import sgd
    >>> optimizer, params = apply_if_finite(sgd(1.0), max_consecutive_errors=5), (np.array([4.0]),)
    >>> params, state = optimizer.update(params, (np.array([np.inf]),), optimizer.init(params))
    >>> params, state
    ((array([4.]),), FiniteState(skipped=1, in_a_row=1, inner=()))
    """
    check_kind("apply_if_finite(optimizer)", optimizer, Optimizer, "sgd(0.1)")
    most = as_count("apply_if_finite(max_consecutive_errors)", max_consecutive_errors)
    return around(partial(_finite_init, optimizer), _finite_update, optimizer, most)


def _finite_init(optimizer: Optimizer, params: Tree) -> FiniteState:
    return FiniteState(0, 0, optimizer.init(params))


def _finite_update(
    step_of: StepOf, optimizer: Optimizer, most: int, params: Tree, grads: Tree, state: FiniteState
) -> tuple[Tree, FiniteState]:
    check_state(FiniteState, state)
    tree_map(partial(check_gradient, "apply_if_finite"), params, grads)
    finite = all_finite(grads)

    def step() -> tuple[Tree, FiniteState]:
        moved, inner = step_of(optimizer)(params, grads, state.inner)
        return moved, FiniteState(state.skipped, pick(finite, 0, state.in_a_row), inner)

    def skip() -> tuple[Tree, FiniteState]:
        return tree_map(kept_leaf, params), FiniteState(state.skipped + 1, state.in_a_row + 1, state.inner)

    return choose(finite | (state.in_a_row >= most), step, skip)
