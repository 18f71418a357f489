"""Recipes on the command line: an option for each field, and the reader of its values."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, get_args, get_origin

from attrs import evolve, fields
import click

from command_line import Decorator, is_typed, option_group
from fnmlp.errors import OptionError
from recipes import (
    DEFAULT_RECIPES,
    DTYPES,
    LOSSES,
    NORMS,
    OBJECTIVES,
    OPTIMIZERS,
    PIXELS,
    RECIPES,
    SCHEDULES,
    USED_BY,
    Recipe,
    unused,
)

KINDS: Mapping[str, Any] = {field.name: field.type for field in fields(Recipe)}
HELP: Mapping[str, tuple[str, str]] = {
    "hidden": ("N,N,...", "Units of the hidden layers."),
    "pieces": ("N", "Linear maps per unit (maxout); 1 for ReLU."),
    "epochs": ("N", "Passes over the training images."),
    "batch_size": ("N", "Images per step."),
    "rate": ("X", "Highest learning rate, above 0."),
    "loss": ("|".join(LOSSES), "Loss between outputs and labels."),
    "label_smoothing": ("X", "Share of each label to spread over all classes; with cross-entropy."),
    "objective": ("|".join(OBJECTIVES), "What each step minimises; the last needs cross-entropy."),
    "epsilon": ("X", "How far an objective moves an image, with pixels in [0, 1]."),
    "norm": ("|".join(NORMS), "What moves by epsilon: each pixel, or the image; with adversarial."),
    "optimizer": ("|".join(OPTIMIZERS), "Optimiser."),
    "momentum": ("X", "Momentum, with sgd and nesterov."),
    "betas": ("X,X", "Decay rates of the two averages, with adamw."),
    "weight_decay": ("X", "Weight decay, multiplied by the rate; with adamw."),
    "schedule": ("|".join(SCHEDULES), "How the rate falls to 0."),
    "warm_up": ("X", "Share of the steps in which the rate rises."),
    "dropout": ("X,X", "Probability of dropping inputs, and hidden units."),
    "deskew": ("", "Centre each image and shear it upright first, as suits handwriting."),
    "warp": ("X", "Strength of the warps of training images; 1 suits handwriting."),
    "mirror": ("", "Mirror half of the training images, left to right."),
    "average": ("X", "Decay of the running mean of the parameters, used as the result."),
    "members": ("N", "Number of networks, whose probabilities are averaged."),
    "pixels": ("|".join(PIXELS), "Pixels in [0, 1], or raw, which needs --rate 0.001."),
    "mean": ("X", "Mean to subtract from the pixels in [0, 1]."),
    "dtype": ("|".join(DTYPES), "Floating-point type of all arithmetic."),
}
"""The metavar and the help text of each field."""

BOTH = {"dropout": "the shares of the input and of the hidden layers", "betas": "the decays of both averages"}
WORDS: Mapping[Any, str] = {int: "an integer", float: "a number", bool: "True or False", str: "a name"}
READERS: Mapping[Any, Callable[[str], Any]] = {
    int: int,
    float: float,
    bool: {"True": True, "False": False}.__getitem__,
    str: str,
}


def is_tuple(name: str) -> bool:
    """Tell whether a field is a tuple."""
    return get_origin(KINDS[name]) is tuple


def flag(name: str) -> str:
    """Return the name of a field's option."""
    return f"--{name.replace('_', '-')}"


def spelled(recipe: Recipe, name: str, *, separator: str = ",") -> str:
    """Write a field's value in the form that `read_field` reads."""
    value = getattr(recipe, name)
    return separator.join(map(str, value)) if is_tuple(name) else str(value)


def read_field(name: str, text: str, *, separator: str = ",") -> Any:
    """Parse a field's value, and check its range; the separator joins the parts of a tuple.

    Raises:   ValueError, saying what was expected.

    >>> read_field("hidden", "64,32"), read_field("mirror", "False"), read_field("rate", "0.5")
    ((64, 32), False, 0.5)
    """
    kinds = get_args(KINDS[name]) if is_tuple(name) else (KINDS[name],)
    try:
        parts = tuple(READERS[kinds[0]](part) for part in (text.split(separator) if is_tuple(name) else [text]))
    except (ValueError, KeyError):
        parts = ()
    if not parts or (Ellipsis not in kinds and len(parts) != len(kinds)):
        raise ValueError(f"expected {_expected(name, separator)}, got {text!r}")
    value: Any = parts if is_tuple(name) else parts[0]
    try:
        evolve(Recipe(), **{name: value})
    except OptionError as error:
        raise ValueError(f"expected {error.expected}, got {text!r}; {error.remedy}") from error
    return value


def _expected(name: str, separator: str) -> str:
    if name in BOTH:
        return f"two numbers, {BOTH[name]}, such as {spelled(RECIPES['dropout'], name, separator=separator)}"
    return f"integers such as 64{separator}32" if is_tuple(name) else WORDS[KINDS[name]]


class FieldType(click.ParamType):  # type: ignore[type-arg] # generic in newer clicks alone
    """The click type of a field's option."""

    def __init__(self, field: str) -> None:
        self.field = field
        self.name = field

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse the typed text."""
        try:
            return read_field(self.field, value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


class RecipeCommand(click.Command):
    """A command with recipe options, which also takes the numbers of a tuple separated by spaces."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read `--dropout 0.2 0.5` as `--dropout 0.2,0.5`."""
        return super().parse_args(ctx, joined(args))


def joined(words: Sequence[str]) -> list[str]:
    """Join the numbers after a tuple's option with commas.

    >>> joined(["--dropout", "0.2", "0.5", "--epochs", "3"])
    ['--dropout', '0.2,0.5', '--epochs', '3']
    """
    several, found = {flag(name) for name in KINDS if is_tuple(name)}, [""]
    for word in words:
        if found[-2:-1] and found[-2] in several and is_numbers(found[-1]) and is_numbers(word):
            found[-1] += f",{word}"
        else:
            found.append(word)
    return found[1:]


def is_numbers(text: str) -> bool:
    """Tell whether a text is a number, or several separated by commas."""
    try:
        return bool([float(part) for part in text.split(",")])
    except ValueError:
        return False


def field_option(name: str) -> Decorator:
    """Return a field's option; the help shows the defaults of two recipes."""
    metavar, text = HELP[name]
    if KINDS[name] is bool:
        return click.option(flag(name), is_flag=True, help=text)
    lab, digits = (spelled(RECIPES[recipe], name) for recipe in ("lab", "digits"))
    shown = lab if lab == digits else f"{lab}; of digits {digits}"
    several: dict[str, Any] = {"multiple": True, "callback": _flat} if name == "hidden" else {}
    kind = FieldType(name)
    return click.option(flag(name), type=kind, metavar=metavar, default=None, show_default=shown, help=text, **several)


def _flat(context: click.Context, option: click.Parameter, parts: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(chain.from_iterable(parts))


def recipe_option(text: str) -> Decorator:
    """Return the option that chooses a recipe."""
    shown = "; ".join([*(f"{recipe} for {data}" for data, recipe in DEFAULT_RECIPES.items()), "lab for others"])
    return click.option("--recipe", type=click.Choice([*RECIPES]), show_default=shown, help=text)


recipe_options = option_group(
    recipe_option("Named set of values for the options down to --dtype."), *(field_option(name) for name in HELP)
)
"""The options of a recipe and of all its fields."""


def recipe_for(data: str, asked: str | None) -> str:
    """Return the name of the chosen recipe, or of the data set's default."""
    return asked or DEFAULT_RECIPES.get(data, "lab")


def typed_fields(context: click.Context) -> dict[str, Any]:
    """Return the recipe's fields that were typed as options."""
    return {name: context.params[name] for name in KINDS if is_typed(context, name)}


def with_fields(
    name: str, values: Mapping[str, Any], *, spell: Callable[[str], str] = lambda name: f"{flag(name)} "
) -> Recipe:
    """Return a named recipe with some fields replaced; raise for values that would have no effect.

    `spell` writes the beginning of an option that sets a field.
    """
    recipe = evolve(RECIPES[name], **values)
    for field in values:
        if field in unused(recipe):
            other, users = USED_BY[field]
            remedy = " or ".join(f"{spell(other)}{user}" for user in users)
            found = f"{spell(other)}{getattr(recipe, other)}"
            raise click.UsageError(f"{spell(field).strip(' =')} does nothing with {found}; it needs {remedy}")
    if recipe.optimizer == "nesterov" and not recipe.momentum:
        found, remedy = (f"{spell('momentum')}{momentum}" for momentum in (0.0, 0.9))
        raise click.UsageError(
            f"{spell('optimizer')}nesterov does nothing with {found}; it needs momentum, such as {remedy}"
        )
    if recipe.objective == "virtual-adversarial" and recipe.loss != "cross-entropy":
        found, remedy = (f"{spell('loss')}{loss}" for loss in (recipe.loss, "cross-entropy"))
        raise click.UsageError(
            f"{spell('objective')}virtual-adversarial can't be used with {found}; it needs outputs before softmax, as "
            f"with {remedy}"
        )
    return recipe
