"""The options of `examples/table.py`, and which of them go together."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen
import click

from command_line import FILE, new_file, option, option_group, plot_option
from run_settings import Saving, check_saving, checkpoint_options


@frozen(kw_only=True)
class TableSettings(Saving):
    """Hold how a table is read, how a network is trained on it, and where the results go."""

    target: str
    task: str
    ignore: tuple[str, ...]
    number: tuple[str, ...]
    category: tuple[str, ...]
    missing: tuple[str, ...]
    separator: str | None
    encoding: str
    validation: float
    test: float
    hidden: tuple[int, ...]
    members: int
    epochs: int
    batch_size: int | None
    rate: float
    dropout: float
    label_smoothing: float | None
    weight_decay: float
    seed: int

    def __attrs_post_init__(self) -> None:
        if self.validation + self.test >= 1:
            raise click.UsageError("--validation and --test leave no rows to train on; give smaller shares")


def _encoding(context: click.Context, parameter: click.Parameter, name: str) -> str:
    try:
        " ".encode(name)
    except LookupError as error:
        raise click.BadParameter(f"{name!r} is no encoding; choose for instance utf-8 or latin-1") from error
    return name


def _separator(context: click.Context, parameter: click.Parameter, text: str | None) -> str | None:
    letter = "\t" if text in ("\\t", "tab") else text
    if letter is not None and (len(letter) != 1 or not letter.isascii() or letter in '"\r\n'):
        raise click.BadParameter(f"{text!r} is no separator; give one letter, or tab")
    return letter


def _hidden(context: click.Context, parameter: click.Parameter, text: str) -> tuple[int, ...]:
    try:
        units = tuple(int(part) for part in text.split(","))
    except ValueError:
        units = ()
    if not units or not all(0 < count <= 100_000 for count in units):
        raise click.BadParameter(f"{text!r} is no list of units; write for instance 64,32")
    return units


reading_options = option_group(
    click.option("--separator", callback=_separator, help="Letter between fields, or tab. [default: found out]"),
    option("--encoding", callback=_encoding, default="utf-8", help="Encoding of a CSV file."),
)
column_options = option_group(
    click.option("--target", required=True, help="Name of the column to predict."),
    option(
        "--task",
        type=click.Choice(["auto", "classification", "regression"]),
        default="auto",
        help="auto: regression for numbers, unless they are whole and at most 20 different ones.",
    ),
    click.option("--ignore", multiple=True, metavar="COLUMN", help="Leave out a column; repeatable."),
    click.option("--number", multiple=True, metavar="COLUMN", help="Take a column for numbers; repeatable."),
    click.option("--category", multiple=True, metavar="COLUMN", help="Take a column for categories; repeatable."),
    click.option("--missing", multiple=True, metavar="TEXT", help="A further text for a missing value; repeatable."),
)
training_options = option_group(
    option(
        "--validation",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        default=0.15,
        help="Share of the rows that choose the best epoch.",
    ),
    option("--test", type=click.FloatRange(0, 1, max_open=True), default=0.15, help="Share of the rows to test on."),
    option("--hidden", callback=_hidden, default="64,64", metavar="N,N,...", help="Units of a member's hidden layers."),
    option("--members", type=click.IntRange(1, 1000), default=8, help="Networks side by side; their mean predicts."),
    option("--epochs", type=click.IntRange(1), default=60, help="Passes over the training rows."),
    click.option("--batch-size", type=click.IntRange(1), help="Rows per step. [default: 64; 128 from 1500 rows on]"),
    option("--rate", type=click.FloatRange(0, 1, min_open=True), default=0.004, help="Highest learning rate."),
    option("--dropout", type=click.FloatRange(0, 1, max_open=True), default=0.0, help="Probability of dropping units."),
    click.option(
        "--label-smoothing",
        type=click.FloatRange(0, 1, max_open=True),
        help="Share of each label that is spread over all classes. [default: 0.05]",
    ),
    option(
        "--weight-decay",
        type=click.FloatRange(0, 1, max_open=True),
        default=0.0,
        help="Weight decay, multiplied by the rate.",
    ),
    option(
        "--seed", type=click.IntRange(0, 2**32 - 1), default=0, help="Seed of the split, initial weights and order."
    ),
)
output_options = option_group(
    click.option("--output", type=FILE, callback=new_file, help="Save the best model to this file."),
    click.option("--history", type=FILE, callback=new_file, help="Write one JSON object for each epoch to this file."),
    plot_option,
    click.option("--quiet", is_flag=True, help="Print nothing but errors."),
)
train_options = option_group(
    column_options,
    reading_options,
    training_options,
    checkpoint_options,
    output_options,
)


def settings_of(context: click.Context, typed: Mapping[str, Any]) -> TableSettings:
    """Return the settings from all options; raise for options that contradict each other or would do nothing."""
    settings = TableSettings(**typed)
    check_saving(context, settings)
    return settings
