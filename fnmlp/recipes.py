"""Recipes: named sets of choices that train an MLP on images, and what they come to as model, loss and optimiser."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from attrs import evolve, frozen

from fnmlp.combinators import chain
from fnmlp.layer import Layer
from fnmlp.layers import dropout, flatten, linear, relu, scale, softmax
from fnmlp.losses import Loss, cross_entropy, mse, on_labels
from fnmlp.optimizers import (
    Optimizer,
    Schedule,
    adamw,
    constant_rate,
    cosine_decay,
    linear_decay,
    scheduled,
    sgd,
    warm_up,
)
from fnmlp.options import fraction, one_of

LOSSES = ("mse", "mse-sum", "cross-entropy")
OPTIMIZERS = ("sgd", "nesterov", "adamw")
SCHEDULES = ("constant", "linear", "cosine")


@frozen
class Recipe:
    """All that a run depends on beside its data and its seed.

    `hidden`           units of the hidden layers, each with ReLU.
    `rate`, `schedule` the learning rate at its highest, and how it falls to 0 after `warm_up`, a share of all steps.
    `mean`             of the pixels in [0, 1], subtracted from them.
    `dropout`          shares dropped of the input and of each hidden layer.
    """

    hidden: tuple[int, ...] = (512,)
    epochs: int = 15
    batch_size: int = 64
    rate: float = 0.5
    loss: str = "mse"
    label_smoothing: float = 0.0
    optimizer: str = "sgd"
    momentum: float = 0.0
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    schedule: str = "constant"
    warm_up: float = 0.0
    dropout: tuple[float, float] = (0.0, 0.0)
    pixels: str = "unit"
    mean: float = 0.0
    dtype: str = "float32"


_FAST = Recipe(
    hidden=(256,),
    epochs=3,
    batch_size=192,
    rate=1.0,
    loss="cross-entropy",
    optimizer="nesterov",
    momentum=0.8,
    schedule="cosine",
    warm_up=0.25,
    mean=0.1307,
)
_PLAIN = Recipe(
    epochs=30,
    batch_size=128,
    rate=0.002,
    loss="cross-entropy",
    label_smoothing=0.2,
    optimizer="adamw",
    weight_decay=0.2,
    schedule="linear",
    warm_up=0.1,
    mean=0.1307,
)
_DROPOUT = evolve(_PLAIN, hidden=(1024, 1024), epochs=50, rate=0.0015, label_smoothing=0.1, dropout=(0.2, 0.25))
_FASHION = evolve(_DROPOUT, hidden=(512, 512), epochs=30, dropout=(0.1, 0.25), mean=0.286)

RECIPES: Mapping[str, Recipe] = {
    "lab": Recipe(),
    "fast": _FAST,
    "plain": _PLAIN,
    "dropout": _DROPOUT,
    "fashion": _FASHION,
}
"""`lab` is the university lab's loop; the others are named after what they are for."""


def build_model(recipe: Recipe, *, white: int, classes: int) -> Layer[Any]:
    """Describe the network that is trained: with logits for cross-entropy, with probabilities for the other losses.

    `white` is the value of a full pixel.

    >>> build_model(Recipe(hidden=(4,)), white=255, classes=2)
    chain(flatten(), scale(0.00392156862745098), linear(4), relu(), linear(2), softmax())
    """
    factor = 1 / white if recipe.pixels == "unit" else 1.0
    layers: list[Layer[Any]] = [flatten(), scale(factor, offset=-recipe.mean, dtype=recipe.dtype)]
    before, between = recipe.dropout
    layers += [dropout(before)] if before else []
    for units in recipe.hidden:
        layers += [linear(units), relu(), *([dropout(between)] if between else [])]
    ending = [linear(classes)] if recipe.loss == "cross-entropy" else [linear(classes), softmax()]
    return chain(*layers, *ending)


def build_loss(recipe: Recipe) -> Loss:
    """Return the loss of a recipe, on labels.

    >>> build_loss(Recipe(loss="cross-entropy", label_smoothing=0.1)).keywords
    {'label_smoothing': 0.1}
    """
    one_of("recipe: loss", recipe.loss, LOSSES)
    if recipe.loss == "cross-entropy":
        return partial(cross_entropy, label_smoothing=recipe.label_smoothing)
    return on_labels(mse if recipe.loss == "mse" else partial(mse, reduction="sum"))


def build_optimizer(recipe: Recipe, *, steps: int) -> Optimizer:
    """Return the optimiser of a recipe for a run of so many steps in all.

    >>> build_optimizer(Recipe(), steps=10).init((1.0,))
    ()
    """
    one_of("recipe: optimizer", recipe.optimizer, OPTIMIZERS)
    if recipe.optimizer == "adamw":
        make = partial(adamw, betas=recipe.betas, weight_decay=recipe.weight_decay)
    else:
        make = partial(sgd, momentum=recipe.momentum, nesterov=recipe.optimizer == "nesterov")
    if recipe.schedule == "constant" and not recipe.warm_up:
        return make(recipe.rate)
    return scheduled(make, build_schedule(recipe, steps=steps))


def build_schedule(recipe: Recipe, *, steps: int) -> Schedule:
    """Return the rate of every step: it climbs over the warm-up, and falls to 0 by the last step.

    >>> schedule = build_schedule(Recipe(rate=1.0, schedule="linear", warm_up=0.5), steps=4)
    >>> [round(schedule(step), 3) for step in range(4)]
    [0.333, 0.667, 1.0, 0.5]
    """
    one_of("recipe: schedule", recipe.schedule, SCHEDULES)
    climbing = round(fraction("recipe: warm_up", recipe.warm_up) * steps)
    rest = constant_rate(recipe.rate)
    if recipe.schedule != "constant":
        falling = linear_decay if recipe.schedule == "linear" else cosine_decay
        rest = falling(recipe.rate, steps=max(steps - climbing, 1))
    return warm_up(rest, steps=climbing) if climbing else rest
