"""Adversarial objectives: the loss of a batch, and of the same batch with its inputs changed for the worse.

The pullback of a model delays the gradient of the inputs. Training normally never asks for it; these objectives do.
Every pass through the model uses the same key, so dropout drops the same units in all of them.
"""

from functools import partial
from math import prod
from typing import Any

from attrs import evolve

from fnmlp import draws, options
from fnmlp.arrays import Array, bring, namespace, to_dtype
from fnmlp.batching import Batch, Pair, as_batch
from fnmlp.checks import as_choice
from fnmlp.conditions import surely_zero
from fnmlp.errors import OptionError, ShapeError
from fnmlp.key import INDEX_LIMIT, Key, fold_in
from fnmlp.layer import Layer, P
from fnmlp.layers import log_softmax
from fnmlp.losses import Loss
from fnmlp.losses.shared import check_classes, reduce_rows, row_sums, shared_out
from fnmlp.rules import on_numbers
from fnmlp.scalars import as_count
from fnmlp.training.objectives import forward, value_and_grad
from fnmlp.tree import tree_map
from fnmlp.weights import Weights, row_weights

__all__ = ["adversarial", "virtual_adversarial"]

NORMS = ("linf", "l2")

START = INDEX_LIMIT - 1
"""The index of the first direction's key: no combinator folds in the place of so many layers."""

LOG_SOFTMAX = log_softmax()


def adversarial(
    model: Layer[P],
    loss: Loss,
    params: P,
    batch: Batch | Pair,
    key: Key | None = None,
    *,
    epsilon: float,
    clean_weight: float = 0.5,
    norm: str = "linf",
) -> tuple[Any, P]:
    """Return the loss of a batch mixed with that of its adversarial examples, and the gradient of the mixture.

    With J(x) the loss, the value is clean_weight · J(x) + (1 - clean_weight) · J(x + r). The perturbation r increases
    the loss to first order as much as its norm allows: ε · sign(∂J/∂x) for "linf", the fast gradient sign method, or
    for "l2" ε · g / ‖g‖₂ with g a row's part of ∂J/∂x. Rows without a gradient stay as they are. The inputs may leave
    the range that they had; nothing is clipped, as in the paper. Use it for training in place of `value_and_grad`:
    `partial(train_step, model, loss, optimizer, objective=partial(adversarial, epsilon=0.1))`.

    With epsilon 0 this is `value_and_grad`, bit for bit; otherwise it takes twice as long.
    Shapes:   as `value_and_grad`.
    Units:    epsilon has those of the inputs: grey levels for uint8 pixels, which become floats.
    Gradient: that of the value with r held constant: the two passes' gradients, mixed like their losses.
    Raises:   OptionError unless epsilon is finite and at least 0, 0 <= clean_weight < 1, and the norm is one of these;
              whatever `value_and_grad` raises.
    Source:   Goodfellow, Shlens & Szegedy 2015, arXiv:1412.6572; "l2": the methods of Miyato et al. 2018,
              arXiv:1704.03976.

    >>> import numpy as np
    >>> from fnmlp.layers import Linear, linear
    >>> from fnmlp.losses import mse
    >>> batch = Batch(np.array([[1.0, 2.0]]), np.array([[0.0]]))
    >>> params = Linear(np.array([[1.0], [1.0]]), ())
    >>> value, grads = adversarial(linear(1, bias=False), mse, params, batch, epsilon=0.5)
    >>> float(value), grads.weight.tolist()
    (12.5, [[9.0], [16.0]])
    """
    epsilon = options.nonnegative("adversarial(epsilon)", epsilon)
    clean_weight = options.fraction("adversarial(clean_weight)", clean_weight)
    norm = as_choice("adversarial(norm)", norm, NORMS)
    if surely_zero(epsilon):
        return value_and_grad(model, loss, params, batch, key)
    batch = as_batch("adversarial", batch, params)
    _, value, backward = forward("adversarial", model, loss, params, batch, key)
    grads, delayed_dx = backward()
    direction = _signs(delayed_dx()) if norm == "linf" else _unit_rows(delayed_dx())
    worse = evolve(batch, inputs=_moved(batch.inputs, direction, epsilon))
    worse_value, worse_grads = value_and_grad(model, loss, params, worse, key)
    mix = partial(_mixed, clean_weight, 1 - clean_weight)
    return mix(value, worse_value), tree_map(mix, grads, worse_grads)


def virtual_adversarial(
    model: Layer[P],
    loss: Loss,
    params: P,
    batch: Batch | Pair,
    key: Key | None = None,
    *,
    epsilon: float,
    weight: float = 1.0,
    iterations: int = 1,
    xi: float = 0.1,
) -> tuple[Any, P]:
    """Return the loss of a batch plus how far a small change of its inputs can move the predictions; and the gradient.

    With p(x) = softmax of the model's outputs, the value is J(x) + weight · mean of KL(p(x) ‖ p(x + r)) over the rows.
    Each row's r has the Euclidean norm ε and the direction d that changes the prediction most. It is found by power
    iteration: d starts random, and becomes the gradient of KL(p(x) ‖ p(x + ξ d)) with respect to x + ξ d, scaled to
    norm 1, `iterations` times. No labels are used for it, so rows whose label the loss ignores take part
    (`ignore_label` of `cross_entropy`). A row's weight in the batch is also its weight in the mean of KL.

    With epsilon or weight 0 this is `value_and_grad`, bit for bit; otherwise it takes 2 + iterations times as long.
    Shapes:   as `value_and_grad`; the outputs are (batch, classes), without softmax at the end.
    Units:    epsilon has those of the inputs: grey levels for uint8 pixels, which become floats. ξ is `xi` · epsilon;
              the paper has a fixed ξ of 1e-6, at which float32 keeps hardly a digit of the gradient.
    Gradient: that of the value with p(x) and r held constant: the gradient of J plus that of KL, whose dy is
              weight · (p(x + r) - p(x)) / rows.
    Raises:   OptionError unless epsilon and weight are finite and at least 0, xi is above 0, iterations is at least 1,
              and there is a key; ShapeError for outputs of another shape, and for a loss of each row; whatever
              `value_and_grad` raises.
    Source:   Miyato, Maeda, Koyama & Ishii 2018, arXiv:1704.03976: its LDS, with the fast approximation.

    >>> import numpy as np
    >>> from fnmlp.layers import Linear, linear
    >>> from fnmlp.losses import cross_entropy
    >>> batch = Batch(np.array([[1.0, 2.0]]), np.array([0]))
    >>> params = Linear(np.array([[1.0, 0.0], [0.0, 0.0]]), ())
    >>> _, grads = virtual_adversarial(linear(2, bias=False), cross_entropy, params, batch, Key(0), epsilon=0.5)
    >>> grads.weight.round(3)
    array([[-0.139,  0.139],
           [-0.365,  0.365]])
    """
    epsilon = options.nonnegative("virtual_adversarial(epsilon)", epsilon)
    weight = options.nonnegative("virtual_adversarial(weight)", weight)
    xi = options.positive("virtual_adversarial(xi)", xi)
    iterations = as_count("virtual_adversarial(iterations)", iterations)
    if surely_zero(epsilon) or surely_zero(weight):
        return value_and_grad(model, loss, params, batch, key)
    if key is None:
        remedy = "pass one, as train_step does, because the search starts in a random direction"
        raise OptionError("virtual_adversarial(key)", "a key", "None", remedy)
    batch = as_batch("virtual_adversarial", batch, params)
    y, value, backward = forward("virtual_adversarial", model, loss, params, batch, key)
    if getattr(value, "shape", ()):
        remedy = "choose reduction='mean'"
        raise ShapeError("virtual_adversarial(loss)", "one number for the batch", tuple(value.shape), remedy)
    grads, _ = backward()
    soft = Batch(batch.inputs, y, batch.weights)
    direction = _unit_rows(to_dtype(bring(draws.normal(fold_in(key, START), batch.inputs.shape, 1.0), y), y.dtype))
    for _ in range(iterations):
        nearby = evolve(soft, inputs=_moved(batch.inputs, direction, xi * epsilon))
        _, _, pull = forward("virtual_adversarial", model, _divergence, params, nearby, key)
        direction = _unit_rows(pull()[1]())
    worst = evolve(soft, inputs=_moved(batch.inputs, direction, epsilon))
    divergence, moving_grads = value_and_grad(model, _divergence, params, worst, key)
    mix = partial(_mixed, 1.0, weight)
    return mix(value, divergence), tree_map(mix, grads, moving_grads)


@on_numbers
def _signs(dx: Array) -> Array:
    signs: Array = namespace(dx).sign(dx)
    return signs


@on_numbers
def _unit_rows(x: Array) -> Array:
    """Scale each row to the Euclidean norm 1; a row of zeros stays."""
    xp = namespace(x)
    rows = xp.reshape(x, (x.shape[0], prod(x.shape[1:])))
    # Divide by the largest number first, because the squares of small ones are 0.
    largest = xp.max(xp.abs(rows), axis=1, keepdims=True)
    rows = rows / xp.where(largest == 0, 1 + largest, largest)
    norms = xp.sqrt(row_sums(rows * rows))[:, None]
    units: Array = xp.reshape(rows / xp.where(norms == 0, 1 + norms, norms), x.shape)
    return units


@on_numbers
def _moved(x: Array, direction: Array, length: Any) -> Array:
    """Move inputs; integers become floats."""
    floats = x if namespace(x).isdtype(x.dtype, "real floating") else to_dtype(x, direction.dtype)
    return floats + to_dtype(direction * length, floats.dtype)


@on_numbers
def _mixed(first_weight: Any, second_weight: Any, first: Any, second: Any) -> Any:
    return first_weight * first + second_weight * second


@on_numbers
def _divergence(y: Array, clean: Array, *, sample_weights: Weights = ()) -> tuple[Any, Array]:
    """Return the mean of KL(softmax(clean) ‖ softmax(y)) over the rows, and its gradient.

    Source:   Σ p (log p - log q) with q = softmax(y) has the gradient q - p, as cross-entropy with targets p.
    """
    check_classes("virtual_adversarial", y)
    xp = namespace(y)
    logs, clean_logs = LOG_SOFTMAX.apply((), y), LOG_SOFTMAX.apply((), clean)
    shares = xp.exp(clean_logs)
    weights = row_weights("virtual_adversarial", sample_weights, y)
    terms = row_sums(shared_out(shares, clean_logs - logs))
    value, factors = reduce_rows("virtual_adversarial", terms, "mean", weights, weights)
    return value, (xp.exp(logs) - shares) * factors
