"""Single steps, looked at closely: taken with an eye on every number, or taken once more out of a run."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import starmap
from typing import Any

from attrs import evolve

from fnmlp.arrays import Array
from fnmlp.batching import Batch
from fnmlp.checks import check_function, check_kind
from fnmlp.combinators.checks import shown
from fnmlp.errors import DivergenceError
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback, parts_of, walk, with_parts
from fnmlp.losses import Loss
from fnmlp.optimizers import Optimizer
from fnmlp.training.loop import TrainState, train_step
from fnmlp.tree import Tree, first_not_finite
from fnmlp.weights import Weights, with_weights

__all__ = ["checked_step"]


def checked_step(
    model: Layer[Any], loss: Loss, optimizer: Optimizer, state: TrainState, batch: Batch | Iterable[Any]
) -> TrainState:
    """Take the step that `train_step` takes, with the same bits, and look at every number on the way.

    It costs time, so fold with `train_step`, and where a loss is no longer finite take that step again with this one,
    on the same state and batch. It names the first that is not finite in the order of computation: forwards the
    outputs of each layer, the loss, backwards the gradients, and at last the parameters and what the optimiser
    remembers. Where the parameters are not finite at the outset, that was done by the step before, which is named. A
    layer is named by its place and by the call that constructs it. Of a combinator the part is named; one of your own
    shows its parts if it has `parts` and `remake`.
    Raises:   DivergenceError, naming the step and the layer; what `train_step` raises.

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
    check_state(model, state)
    try:
        after = train_step(_watched(model, state.params, ""), partial(_watched_loss, loss), optimizer, state, batch)
    except _NotFiniteError as found:
        raise _diverged(state.step + 1, *found.args) from None
    check_state(model, after)
    return after


class _NotFiniteError(Exception):
    """Where something is not finite, what it is, and the remedy; no error of the package, so that none adds to it."""


def _diverged(step: int, where: str, what: str, remedy: str = "train with a smaller rate") -> DivergenceError:
    return DivergenceError(f"step {step}: {where}", what, "infinities or NaN", remedy)


def check_state(model: Layer[Any], state: TrainState) -> None:
    """Refuse a state whose parameters, or what the optimiser remembers, are not finite; name its step and the layer.

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
    """Name the innermost layer that a parameter belongs to."""
    owners = [(place, layer) for place, layer, _ in walk(model, params) if path.startswith(place)]
    return _named(*max(reversed(owners), key=lambda owner: len(owner[0])))


def _named(path: str, layer: Layer[Any]) -> str:
    return f"{path} {shown(layer.name)}".lstrip()


def _watched(layer: Layer[Any], params: Tree, path: str) -> Layer[Any]:
    """Return a layer that does the same, and raises where it or a part of it makes what is not finite."""
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
