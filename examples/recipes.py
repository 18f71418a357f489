"""Recipes: named sets of hyperparameters, each with a checked range."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from attrs import Attribute, evolve, frozen

from fnmlp.checks import as_choice
from fnmlp.errors import OptionError
from fnmlp.scalars import as_count, as_finite, as_fraction, as_nonnegative, as_positive

LOSSES = ("mse", "mse-sum", "cross-entropy")
OBJECTIVES = ("loss", "adversarial", "virtual-adversarial")
NORMS = ("linf", "l2")
OPTIMIZERS = ("sgd", "nesterov", "adamw")
SCHEDULES = ("constant", "linear", "cosine")
PIXELS = ("unit", "raw")
DTYPES = ("float32", "float64")


def _at_most(highest: int, where: str, value: Any) -> int:
    number = as_count(where, value)
    if number > highest:
        raise OptionError(where, f"an integer of at most {highest}", number, "choose a smaller one")
    return number


def _pair(where: str, value: Any) -> tuple[float, ...]:
    if not isinstance(value, tuple) or len(value) != 2:
        raise OptionError(where, "two numbers", repr(value), "give both, such as (0.1, 0.4)")
    return tuple(as_fraction(where, part) for part in value)


def _units(where: str, value: Any) -> tuple[int, ...]:
    if not isinstance(value, tuple):
        raise OptionError(where, "a tuple of integers", repr(value), "write for instance (512,)")
    return tuple(_count(where, part) for part in value)


def _switch(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise OptionError(where, "True or False", repr(value), "choose one of these")
    return value


def _strength(where: str, value: Any) -> float:
    number = as_nonnegative(where, value)
    if number > 10:
        raise OptionError(where, "a number from 0 to 10", number, "choose for instance 1.0")
    return number


_count = partial(_at_most, 2**31 - 1)

_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "hidden": _units,
    "pieces": _count,
    "epochs": _count,
    "batch_size": _count,
    "rate": as_positive,
    "loss": partial(as_choice, choices=LOSSES),
    "label_smoothing": as_fraction,
    "objective": partial(as_choice, choices=OBJECTIVES),
    "epsilon": as_positive,
    "norm": partial(as_choice, choices=NORMS),
    "optimizer": partial(as_choice, choices=OPTIMIZERS),
    "momentum": as_fraction,
    "betas": _pair,
    "weight_decay": as_nonnegative,
    "schedule": partial(as_choice, choices=SCHEDULES),
    "warm_up": as_fraction,
    "dropout": _pair,
    "deskew": _switch,
    "warp": _strength,
    "mirror": _switch,
    "average": as_fraction,
    "members": partial(_at_most, 1000),
    "pixels": partial(as_choice, choices=PIXELS),
    "mean": as_finite,
    "dtype": partial(as_choice, choices=DTYPES),
}
"""The check of each field of a recipe, which converts it to a plain Python value."""


def _checked(_: type, fields: "list[Attribute[Any]]") -> "list[Attribute[Any]]":
    """Add the checks as converters here; in the class, they would hide the fields' types."""
    return [field.evolve(converter=partial(_CHECKS[field.name], f"recipe: {field.name}")) for field in fields]


@frozen(field_transformer=_checked)
class Recipe:
    """Hold everything that a run depends on, apart from its data and seed.

    `hidden`           units of the hidden layers, each with ReLU.
    `pieces`           linear maps per hidden unit (maxout); 1 for ReLU.
    `rate`, `schedule` the highest learning rate, and how it falls to 0 after `warm_up`, a share of all steps.
    `objective`        what a step minimises: the loss, or an objective that also moves each image for the worse.
    `epsilon`, `norm`  how far it moves an image, with pixels in [0, 1], and what is that far: each pixel or the image.
    `mean`             a number to subtract from the pixels in [0, 1].
    `dropout`          the probability of dropping inputs, and hidden units.
    `deskew`           whether to centre each image and to shear it upright, before all other layers.
    `warp`             the strength of random warps of each image; 0 for none, 1 suits handwriting.
    `mirror`           whether to mirror half of the images of a batch, left to right.
    `average`          the decay of a running mean of the parameters, used as the result; 0 for none.
    `members`          the number of networks, which differ only in their keys; their probabilities are averaged.
    Raises:   OptionError, naming the field, for a value outside its range.

    >>> Recipe(optimizer="sdg")
    Traceback (most recent call last):
    fnmlp.errors.OptionError: recipe: optimizer: expected 'sgd' or 'nesterov' or 'adamw', got 'sdg'; choose one of these
    """

    hidden: tuple[int, ...] = (512,)
    pieces: int = 1
    epochs: int = 15
    batch_size: int = 64
    rate: float = 0.5
    loss: str = "mse"
    label_smoothing: float = 0.0
    objective: str = "loss"
    epsilon: float = 0.1
    norm: str = "linf"
    optimizer: str = "sgd"
    momentum: float = 0.0
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    schedule: str = "constant"
    warm_up: float = 0.0
    dropout: tuple[float, float] = (0.0, 0.0)
    deskew: bool = False
    warp: float = 0.0
    mirror: bool = False
    average: float = 0.0
    members: int = 1
    pixels: str = "unit"
    mean: float = 0.0
    dtype: str = "float32"


USED_BY: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "label_smoothing": ("loss", ("cross-entropy",)),
    "epsilon": ("objective", ("adversarial", "virtual-adversarial")),
    "norm": ("objective", ("adversarial",)),
    "momentum": ("optimizer", ("sgd", "nesterov")),
    "betas": ("optimizer", ("adamw",)),
    "weight_decay": ("optimizer", ("adamw",)),
}
"""Fields that not all recipes use: the field that decides, and its values that use them."""


def unused(recipe: Recipe) -> frozenset[str]:
    """Return the fields that a recipe does not use; changing them would train the same network.

    >>> sorted(unused(Recipe(loss="mse", optimizer="adamw")))
    ['epsilon', 'label_smoothing', 'momentum', 'norm']
    """
    return frozenset(name for name, (field, values) in USED_BY.items() if getattr(recipe, field) not in values)


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
_DROPOUT = evolve(_PLAIN, hidden=(240, 240), pieces=5, epochs=120, rate=0.0015, label_smoothing=0.1, dropout=(0.2, 0.4))
_VIRTUAL = Recipe(
    hidden=(500, 500, 500, 500),
    epochs=60,
    batch_size=128,
    rate=0.0015,
    loss="cross-entropy",
    label_smoothing=0.1,
    objective="virtual-adversarial",
    epsilon=2.0,
    optimizer="adamw",
    weight_decay=0.1,
    schedule="cosine",
    warm_up=0.05,
)
_FASHION = evolve(
    _PLAIN,
    hidden=(512, 512),
    epochs=200,
    batch_size=256,
    label_smoothing=0.1,
    dropout=(0.0, 0.1),
    warp=0.3,
    average=0.999,
    mean=0.286,
)

_AUGMENTED = Recipe(
    hidden=(1024, 1024),
    epochs=100,
    batch_size=256,
    rate=0.0015,
    loss="cross-entropy",
    label_smoothing=0.1,
    optimizer="adamw",
    betas=(0.9, 0.999),
    schedule="cosine",
    warm_up=0.03,
    warp=1.0,
)

_DIGITS = Recipe(
    hidden=(128,),
    epochs=20,
    rate=1.0,
    loss="cross-entropy",
    label_smoothing=0.1,
    optimizer="nesterov",
    momentum=0.8,
    schedule="cosine",
    warm_up=0.25,
    warp=0.5,
    mean=0.3,
)

RECIPES: Mapping[str, Recipe] = {
    "lab": Recipe(),
    "fast": _FAST,
    "plain": _PLAIN,
    "dropout": _DROPOUT,
    "virtual": _VIRTUAL,
    "augmented": _AUGMENTED,
    "record": evolve(_AUGMENTED, members=5),
    "fashion": _FASHION,
    "digits": _DIGITS,
}
"""`lab` is the university lab's loop; the others are named for their purpose."""

DEFAULT_RECIPES: Mapping[str, str] = {"digits": "digits"}
"""The default recipes of data sets; for all others it is `lab`."""
