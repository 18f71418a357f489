"""Build the model, loss, objective, optimiser and augmentation of a recipe."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from fnmlp.arrays import Array, Shape
from fnmlp.combinators import add, chain
from fnmlp.key import Key, split
from fnmlp.layer import Layer
from fnmlp.layers import deskew, dropout, flatten, linear, maxout, relu, scale, softmax
from fnmlp.losses import Loss, cross_entropy, mse, on_labels
from fnmlp.optimizers import (
    Optimizer,
    Schedule,
    adamw,
    averaged,
    constant_rate,
    cosine_decay,
    linear_decay,
    scheduled,
    sgd,
    warm_up,
)
from fnmlp.training.adversaries import adversarial, virtual_adversarial
from fnmlp.training.objectives import Objective, value_and_grad
from fnmlp.tree import Tree
from recipes import Recipe

MAPS = 4000
"""The number of warps drawn before training; each image of a batch uses one of them."""

Augment: TypeAlias = Callable[[Key, Array], Array]
"""(key, images) -> images."""


def build_model(recipe: Recipe, *, white: int, classes: int) -> Layer[Any]:
    """Build the network to train; it ends in logits for cross-entropy, and in softmax for the other losses.

    `white` is the value of a white pixel.

    >>> build_model(Recipe(hidden=(4,)), white=255, classes=2)
    chain(flatten(), scale(0.00392156862745098), linear(4), relu(), linear(2), softmax())
    """
    layers = _first_layers(recipe, white)
    before, between = recipe.dropout
    layers += [dropout(before)] if before else []
    for units in recipe.hidden:
        layers += [linear(units), relu()] if recipe.pieces == 1 else [maxout(units, recipe.pieces)]
        layers += [dropout(between)] if between else []
    ending = [linear(classes)] if recipe.loss == "cross-entropy" else [linear(classes), softmax()]
    return chain(*layers, *ending)


def _first_layers(recipe: Recipe, white: int) -> list[Layer[Any]]:
    factor, full = (1 / white, 1) if recipe.pixels == "unit" else (1.0, white)
    offset, dtype = -recipe.mean * full, recipe.dtype
    if not recipe.deskew:
        return [flatten(), scale(factor, offset=offset, dtype=dtype)]
    # The ground stays 0 until the ink is found.
    centred: list[Layer[Any]] = [scale(1.0, offset=offset)] if offset else []
    return [scale(factor, dtype=dtype), deskew(), flatten(), *centred]


def build_loss(recipe: Recipe) -> Loss:
    """Build the loss of a recipe, on labels.

    >>> build_loss(Recipe(loss="cross-entropy", label_smoothing=0.1)).keywords
    {'label_smoothing': 0.1}
    """
    if recipe.loss == "cross-entropy":
        return partial(cross_entropy, label_smoothing=recipe.label_smoothing)
    return on_labels(mse if recipe.loss == "mse" else partial(mse, reduction="sum"))


def build_objective(recipe: Recipe, *, white: int) -> Objective:
    """Build the objective of a recipe; it moves the images as they are stored, with pixels up to `white`.

    >>> build_objective(Recipe(objective="adversarial", epsilon=0.5), white=16).keywords
    {'epsilon': 8.0, 'norm': 'linf'}
    """
    epsilon = recipe.epsilon * white
    if recipe.objective == "adversarial":
        return partial(adversarial, epsilon=epsilon, norm=recipe.norm)
    return partial(virtual_adversarial, epsilon=epsilon) if recipe.objective != "loss" else value_and_grad


def build_optimizer(recipe: Recipe, *, steps: int) -> Optimizer:
    """Build the optimiser of a recipe, given the total number of steps.

    >>> build_optimizer(Recipe(), steps=10).init((1.0,))
    ()
    """
    if recipe.optimizer == "adamw":
        make = partial(adamw, betas=recipe.betas, weight_decay=recipe.weight_decay)
    else:
        make = partial(sgd, momentum=recipe.momentum, nesterov=recipe.optimizer == "nesterov")
    constant = recipe.schedule == "constant" and not recipe.warm_up
    optimizer = make(recipe.rate) if constant else scheduled(make, build_schedule(recipe, steps=steps))
    return averaged(optimizer, decay=recipe.average) if recipe.average else optimizer


def build_schedule(recipe: Recipe, *, steps: int) -> Schedule:
    """Build the schedule: the rate rises during the warm-up, and falls to 0 by the last step.

    >>> schedule = build_schedule(Recipe(rate=1.0, schedule="linear", warm_up=0.5), steps=4)
    >>> [round(schedule(step), 3) for step in range(4)]
    [0.333, 0.667, 1.0, 0.5]
    """
    climbing = round(recipe.warm_up * steps)
    rest = constant_rate(recipe.rate)
    if recipe.schedule != "constant":
        falling = linear_decay if recipe.schedule == "linear" else cosine_decay
        rest = falling(recipe.rate, steps=max(steps - climbing, 1))
    return warm_up(rest, steps=climbing) if climbing else rest


def build_augmentation(recipe: Recipe, *, key: Key, shape: Shape) -> Augment | None:
    """Build the augmentation of a recipe, or return None; the warps are drawn here, once for all batches.

    `shape` is that of an image, (height, width).

    >>> build_augmentation(Recipe(), key=Key(0), shape=(28, 28)) is None
    True
    """
    strength = recipe.warp
    if not strength and not recipe.mirror:
        return None
    # Imported here, because most recipes do not need it, and the import takes time.
    from fnmlp.augmentation import apply_warps, mirror, random_warps

    if not strength:
        return mirror
    size = min(shape) / 28  # beside the images that these numbers were found with
    warps = random_warps(
        key,
        MAPS,
        shape,
        degrees=12.0 * strength,
        factor=1.15**strength,
        slope=0.14 * strength,
        pixels=1.5 * strength * size,
        displacement=1.1 * strength * size,
        smoothing=4.5 * size,
    )
    warp = partial(apply_warps, warps)
    return partial(_both, warp, mirror) if recipe.mirror else warp


def _both(first: Augment, second: Augment, key: Key, images: Array) -> Array:
    one, other = split(key, 2)
    return second(other, first(one, images))


def classifier(recipe: Recipe, model: Layer[Any], learned: Sequence[Tree]) -> tuple[Layer[Any], Tree]:
    """Build the final model and its parameters: it returns the mean of all members' probabilities.

    `learned` holds the parameters of each member.

    >>> classifier(Recipe(loss="cross-entropy"), linear(2), [(), ()])[0]
    chain(add(chain(linear(2), softmax()), chain(linear(2), softmax())), scale(0.5))
    """
    if recipe.loss == "cross-entropy":
        model, learned = chain(model, softmax()), [(params, ()) for params in learned]
    if len(learned) == 1:
        return model, learned[0]
    return chain(add(*[model] * len(learned)), scale(1 / len(learned))), (tuple(learned), ())
