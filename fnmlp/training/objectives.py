"""Objectives: what a training step minimises, as a value and its gradient with respect to the parameters."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from fnmlp.arrays import Array
from fnmlp.batching import Batch, Pair, as_batch
from fnmlp.checks import check_function, check_kind
from fnmlp.errors import FnmlpError, ShapeError, StructureError
from fnmlp.key import Key
from fnmlp.layer import Layer, P
from fnmlp.losses import Loss
from fnmlp.weights import Weights, with_weights

__all__ = ["Objective", "value_and_grad"]

Objective: TypeAlias = Callable[..., tuple[Any, Any]]
"""(model, loss, parameters, batch, key) -> (value, gradient of the parameters): `value_and_grad`, and its relatives."""

Backward: TypeAlias = Callable[[], tuple[Any, Callable[[], Array]]]
"""() -> (gradient of the parameters, a function that computes the gradient of the inputs)."""


def value_and_grad(
    model: Layer[P], loss: Loss, params: P, batch: Batch | Pair, key: Key | None = None
) -> tuple[Any, P]:
    """Return the loss of a batch and its gradient with respect to the parameters.

    The gradient has the structure, shapes and dtypes of the parameters. A pair of inputs and targets is a batch too.
    Raises:   whatever the model and the loss raise; StructureError for anything but a model, a loss and a batch.

    >>> import numpy as np
    >>> from fnmlp.layers import linear
    >>> from fnmlp.losses import mse
    >>> params = linear(1).init(Key(0), (2,))[0]
    >>> batch = Batch(np.ones((3, 2), np.float32), np.ones((3, 1), np.float32))
    >>> value_and_grad(linear(1), mse, params, batch)[1].weight.shape
    (2, 1)
    """
    if not isinstance(batch, Batch):
        batch = as_batch("value_and_grad", batch, params)
    _, value, backward = forward("value_and_grad", model, loss, params, batch, key)
    grads, _ = backward()
    return value, grads


def forward(
    where: str, model: Layer[P], loss: Loss, params: P, batch: Batch, key: Key | None
) -> tuple[Array, Any, Backward]:
    """Return a model's outputs, their loss, and a function that computes its gradients.

    >>> import numpy as np
    >>> from fnmlp.layers import relu
    >>> from fnmlp.losses import mse
    >>> one = np.ones((1, 1))
    >>> y, value, backward = forward("example", relu(), mse, (), Batch(3 * one, one), None)
    >>> y, float(value), backward()[1]()
    (array([[3.]]), 4.0, array([[4.]]))
    """
    try:
        y, pullback = model.vjp(params, batch.inputs, key)
        value, dy = loss_and_gradient(where, loss, y, batch.targets, batch.weights)
    except (AttributeError, TypeError) as error:
        _check_kinds(where, error, model, loss)
        raise
    return y, value, partial(pullback, dy)


def loss_and_gradient(where: str, loss: Loss, y: Array, targets: Array, weights: Weights) -> tuple[Any, Array]:
    """Return the loss of outputs and its gradient with respect to them; raise unless it returns just these.

    >>> import numpy as np
    >>> from fnmlp.losses import mse
    >>> loss_and_gradient("train_step", mse, np.ones((1, 1)), np.zeros((1, 1)), ())
    (np.float64(1.0), array([[2.]]))
    """
    result = with_weights(loss, y, targets, weights)
    try:
        value, dy = result
    except (TypeError, ValueError) as error:
        remedy = "pass a loss such as mse; metrics are for evaluate"
        raise StructureError(f"{where}(loss)", "a value and its gradient", type(result).__name__, remedy) from error
    if getattr(dy, "shape", None) != y.shape:  # a pullback might broadcast it silently
        got = tuple(dy.shape) if hasattr(dy, "shape") else type(dy).__name__
        remedy = "return (value, gradient with respect to the outputs)"
        raise ShapeError(f"{where}(loss)", f"a gradient of shape {tuple(y.shape)}", got, remedy)
    return value, dy


def _check_kinds(where: str, error: Exception, model: Layer[Any], loss: Loss) -> None:
    """Raise a clear error if Python's own came from a model that isn't a layer, or a loss that isn't a function."""
    if not isinstance(error, FnmlpError):
        check_kind(f"{where}(model)", model, Layer, "linear(10)")
        check_function(f"{where}(loss)", loss, 2, "mse")


def check_objective(where: str, objective: Objective) -> None:
    """Raise unless a value is a function with the arguments of `value_and_grad`.

    >>> check_objective("train_step(objective)", max)
    >>> check_objective("train_step(objective)", 3)
    Traceback (most recent call last):
    fnmlp.errors.StructureError: train_step(objective): expected a function of 5 arguments, got 3; bind options, as ...
    """
    try:
        check_function(where, objective, 5, "value_and_grad")
    except StructureError as error:
        remedy = "bind options, as in partial(adversarial, epsilon=0.1)"
        raise StructureError(where, error.expected, error.got, remedy) from None
