"""Checked steps: find the first layer whose numbers are not finite."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import starmap
from typing import Any

from attrs import evolve

from fnmlp.arrays import Array, is_traced
from fnmlp.batching import Batch, as_batch
from fnmlp.checks import check_function, check_kind
from fnmlp.combinators.checks import shown
from fnmlp.errors import DivergenceError, DtypeError
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback, parts_of, walk, with_parts
from fnmlp.losses import Loss
from fnmlp.optimizers import Optimizer
from fnmlp.training.loop import TrainState, train_step
from fnmlp.training.objectives import Objective, value_and_grad
from fnmlp.tree import Tree, first_not_finite, tree_leaves
from fnmlp.weights import Weights, with_weights

__all__ = ["checked_step"]


def checked_step(
    model: Layer[Any],
    loss: Loss,
    optimizer: Optimizer,
    state: TrainState,
    batch: Batch | Iterable[Any],
    *,
    objective: Objective = value_and_grad,
) -> TrainState:
    """Take the same step as `train_step`, and raise at the first number that is not finite, naming its layer.

    This takes longer, so train with `train_step`. If a loss is not finite, repeat that step with this function, on the
    same state and batch. It checks in the order of computation: each layer's output, the loss, the gradients from last
    layer to first, then the parameters and the optimiser's state. If the parameters are not finite at the start, it
    names the step before. A layer is named by its place and the call that constructs it. Inside a combinator the part
    is named; for a combinator of your own, that needs `parts` and `remake`.
    Raises:   DivergenceError, naming the step and the layer; whatever `train_step` raises.

    >>> import numpy as np
    >>> from fnmlp.combinators import chain
    >>> from fnmlp.layers import flatten, linear
    >>> from fnmlp.losses import mse
    >>> from fnmlp.optimizers import sgd
    >>> from fnmlp.training.loop import train_state
    >>> model, data = chain(flatten(), linear(1)), Batch(np.full((4, 2), 1e300), np.ones((4, 1)))
    >>> state = train_state(model, sgd(1e9), key=Key(0), example=(2,), dtype="float64")
    >>> with np.errstate(over="ignore"):
    ...     checked_step(model, mse, sgd(1e9), state, data)
    Traceback (most recent call last):
    fnmlp.errors.DivergenceError: step 1: the loss: expected a finite value, got infinities or NaN; train with a ...
    """
    check_kind("checked_step(model)", model, Layer, "linear(10)")
    check_function("checked_step(loss)", loss, 2, "mse")
    check_kind("checked_step(state)", state, TrainState, "train_state(…)")
    batch = as_batch("checked_step", batch, state.params)
    if any(map(is_traced, tree_leaves((state, batch)))):
        remedy = "take it outside of compiled functions"
        raise DtypeError("checked_step", "numbers that can be looked at", "numbers that a compiler traces", remedy)
    check_state(model, state)
    try:
        watched = _watched(model, state.params, ""), partial(_watched_loss, loss)
        after = train_step(*watched, optimizer, state, batch, objective=objective)
    except _NotFiniteError as found:
        raise _diverged(state.step + 1, *found.args) from None
    check_state(model, after)
    return after


class _NotFiniteError(Exception):
    """Carries the place of a number that is not finite; not an FnmlpError, so that no layer adds a note to it."""


def _diverged(step: int, where: str, what: str, remedy: str = "train with a smaller rate") -> DivergenceError:
    return DivergenceError(f"step {step}: {where}", what, "infinities or NaN", remedy)


def check_state(model: Layer[Any], state: TrainState) -> None:
    """Raise, naming the step and the layer, unless a state's parameters and optimiser state are finite.

    >>> check_state(Layer("linear(2)", *[print] * 3), TrainState(7, (float("inf"),), (), Key(0), 0.0))
    Traceback (most recent call last):
    fnmlp.errors.DivergenceError: step 7: linear(2): expected finite parameters, got infinities or NaN; train with a ...
    """
    path = first_not_finite(state.params)
    if path is not None:
        raise _diverged(state.step, _owner(model, state.params, path), "finite parameters")
    path = first_not_finite(state.optimizer_state)
    if path is not None:
        raise _diverged(state.step, f"optimizer_state{path}", "finite numbers")


def _owner(model: Layer[Any], params: Tree, path: str) -> str:
    """Return the name of the innermost layer that owns a parameter."""
    owners = [(place, layer) for place, layer, _ in walk(model, params) if path.startswith(place)]
    return _named(*max(reversed(owners), key=lambda owner: len(owner[0])))


def _named(path: str, layer: Layer[Any]) -> str:
    return f"{path} {shown(layer.name)}".lstrip()


def _watched(layer: Layer[Any], params: Tree, path: str) -> Layer[Any]:
    """Return a copy of a layer that raises if it, or a part of it, makes numbers that are not finite."""
    within = with_parts(layer, starmap(_watched, parts_of(layer, params, path)))
    return evolve(within, vjp=partial(_watched_vjp, within.vjp, path, _named(path, layer)))


def _watched_vjp(
    vjp: Callable[..., tuple[Array, Pullback[Any]]], path: str, name: str, params: Tree, x: Array, key: Key | None
) -> tuple[Array, Pullback[Any]]:
    if not path:
        _check("the batch", "finite inputs", x, "look for them in the data")
    y, pullback = vjp(params, x, key)
    _check(name, "finite outputs", y)
    return y, partial(_watched_pull, pullback, name)


def _watched_pull(pullback: Pullback[Any], name: str, dy: Array) -> tuple[Tree, Callable[[], Array]]:
    grads, delayed_dx = pullback(dy)
    _check(name, "a finite gradient of its parameters", grads)
    return grads, partial(_watched_dx, delayed_dx, name)


def _watched_dx(delayed_dx: Callable[[], Array], name: str) -> Array:
    dx = delayed_dx()
    _check(name, "a finite gradient of its inputs", dx)
    return dx


def _watched_loss(loss: Loss, y: Array, target: Array, *, sample_weights: Weights = ()) -> tuple[Array, Array]:
    value, dy = with_weights(loss, y, target, sample_weights)
    _check("the loss", "a finite value", value)
    _check("the loss", "a finite gradient", dy)
    return value, dy


def _check(where: str, what: str, tree: Tree, *remedy: str) -> None:
    if first_not_finite(tree) is not None:
        raise _NotFiniteError(where, what, *remedy)
