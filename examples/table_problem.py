"""What a run on a table is made of: rows to train, validate and test on, preprocessing, network and loss."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from attrs import evolve, frozen
import click
import numpy as np

import fnmlp as fn
from fnmlp.storage.models import model_parts
from fnmlp.tables import (
    TableSchema,
    Target,
    encode,
    encode_target,
    fit_features,
    fit_schema,
    fit_target,
    schema_to_json,
    table_features,
)
from fnmlp.tables.columns import as_column, counted, distinct
from fnmlp.tables.fitting import target_marks
from fnmlp.tables.values import MISSING, is_missing
from table_columns import quoted
from table_files import Table
from table_remarks import doubt, doubts, numbers_rows
from table_settings import TableSettings

FIRST_ROW = 2
"""The number of the first row in errors, as spreadsheets count: the header is row 1."""
LEAST_ROWS = 10
LARGE = 1_500
"""With so many training rows, a step takes twice as many."""
BATCH_SIZE = 64
"""The usual rows of a step."""


SMOOTHING = 0.05
"""The usual share of each label that is spread over all classes."""

NO_PARAMETERS = ((), ())
"""The parameters of the two layers that a model ends in."""


@frozen(eq=False)
class Part:
    """Hold some rows of a table: encoded, as features of the network, and their targets.

    Targets are class numbers or numbers. `data` has what the network is trained on: numbers are standardized there.
    """

    encoded: fn.Array
    targets: fn.Array
    data: fn.Batch


@frozen(eq=False)
class Problem:
    """Hold all that the bits of a run depend on.

    The model is `features`, then `network`, then `ending`, which averages the probabilities or numbers of its members.
    Numbers are learned in units of their `deviation` in training.
    """

    schema: TableSchema
    target: Target
    features: fn.Layer[Any]
    fitted: Any
    network: fn.Layer[Any]
    ending: fn.Layer[Any]
    deviation: float
    parts: Mapping[str, Part]
    size: int
    settings: TableSettings

    @property
    def steps(self) -> int:
        """The steps of an epoch."""
        return -(-len(self.parts["train"].data) // self.size)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the target; none for a number."""
        return self.target.classes

    @property
    def loss(self) -> fn.Loss:
        """The loss of the network's outputs: each member learns for itself."""
        if not self.classes:
            return fn.over_members(fn.mse)
        given = self.settings.label_smoothing
        return fn.over_members(partial(fn.cross_entropy, label_smoothing=SMOOTHING if given is None else given))

    def model(self, params: Any) -> tuple[fn.Layer[Any], Any]:
        """Return the model of a table's encoded rows, and its parameters, from the network's."""
        return fn.chain(self.features, self.network, self.ending), (self.fitted, params, NO_PARAMETERS)

    def outputs(self, params: Any, part: str) -> fn.Array:
        """Return the model's probabilities or numbers for a part of the rows, whose features are known."""
        return fn.predict(fn.chain(self.network, self.ending), (params, NO_PARAMETERS), self.parts[part].data.inputs)

    def model_parts(self, params: Any, notes: Mapping[str, str]) -> tuple[Any, dict[str, str]]:
        """Return the parts of a model file."""
        told = {"table": schema_to_json(self.schema), **notes}
        return model_parts(*self.model(params), example=(self.schema.width,), notes=told)


def pose(table: Table, settings: TableSettings) -> tuple[Problem, list[str]]:
    """Make the problem of a table and its target, and what there is to say about it."""
    check_names(table, settings)
    asked = {*settings.number, *settings.category, *settings.ignore, settings.target}
    counts = [name for name, values in table.columns.items() if name not in asked and numbers_rows(values)]
    features = {
        name: values
        for name, values in table.columns.items()
        if name not in (settings.target, *settings.ignore, *counts)
    }
    if not features:
        raise fn.DataError(str(table.path), "columns beside the target", "none", "give it some, or --number COLUMN")
    marks = (*MISSING, *(text for text in settings.missing if text not in MISSING))
    chosen = dict.fromkeys(settings.number, "number") | dict.fromkeys(settings.category, "category")
    # All rows, so that each can be named in an error, and no kind depends on the split.
    whole = fit_schema(features, kinds=chosen, missing=marks, min_frequency=1, first_row=FIRST_ROW)
    used = {name: values for name, values in features.items() if name in whole.names}
    rows, target, targets = labelled(table, settings, marks)
    if settings.label_smoothing is not None and not target.classes:
        raise click.UsageError(f"--label-smoothing is for classes, and {target.name!r} has numbers; leave it out")
    split = split_rows(targets, settings)
    parts = {part: at(used, rows[places]) for part, places in split.items()}
    schema = fit_schema(parts["train"], kinds=whole.kinds, missing=marks)
    said = [*table.remarks, *left_out(counts, whole.unused, schema.unused, table.rows - len(rows))]
    said += [*doubts(used, whole.kinds, chosen, marks), *target_doubts(table, settings, rows, target, marks)]
    unused = (*whole.unused, *schema.unused, *counts, *dict.fromkeys(settings.ignore))
    schema = evolve(schema, target=target, unused=unused)
    encoded = {part: encode(schema, columns) for part, columns in parts.items()}
    return posed(schema, target, encoded, {part: targets[places] for part, places in split.items()}, settings), said


def target_doubts(
    table: Table, settings: TableSettings, rows: fn.Array, target: Target, marks: Sequence[str]
) -> Sequence[str]:
    """Return what there is to say about a target whose values were taken for classes."""
    if not target.classes or settings.task != "auto":
        return ()
    values = as_column(target.name, table.columns[target.name][rows])
    return [*doubt(target.name, counted(values, target_marks(marks)))]


def left_out(counts: Sequence[str], empty: Sequence[str], rare: Sequence[str], unlabelled: int) -> Iterator[str]:
    """Say which columns were left out and why, and how many rows."""
    if counts:
        yield f"numbers of the rows, so left out unless --number names them: {quoted(counts)}"
    if empty:
        yield f"no values, or the same in all rows, so left out: {quoted(empty)}"
    if rare:
        yield f"no value twice among the rows to train on, or only one, so left out: {quoted(rare)}"
    if unlabelled:
        yield f"rows without a target, so left out: {unlabelled:,}"


def at(columns: Mapping[str, fn.Array], rows: fn.Array) -> dict[str, fn.Array]:
    """Return some rows of columns."""
    return {name: values[rows] for name, values in columns.items()}


def check_names(table: Table, settings: TableSettings) -> None:
    """Raise for an option with the name of no column, and for a column in two options."""
    named = {"target": (settings.target,), "ignore": settings.ignore}
    named |= {"number": settings.number, "category": settings.category}
    before: dict[str, str] = {}
    for option, names in named.items():
        for name in dict.fromkeys(names):
            table.check_named(name, f"--{option}")
            if name in before:
                raise click.UsageError(f"--{option} {name} contradicts --{before[name]} {name}; give one of them")
            before[name] = option


def labelled(table: Table, settings: TableSettings, marks: tuple[str, ...]) -> tuple[fn.Array, Target, fn.Array]:
    """Return the rows that have a target, its description, and the targets of these rows."""
    name, values = settings.target, table.columns[settings.target]
    if settings.task == "regression":  # names the row of a value that is no number
        fit_schema({name: values}, kinds={name: "number"}, missing=marks, keep_constant=True, first_row=FIRST_ROW)
    found = distinct(as_column(name, values))
    there = np.array([not is_missing(value, target_marks(marks)) for value in found.values])
    rows = np.flatnonzero(there[found.places])
    if len(rows) < LEAST_ROWS:
        got, remedy = f"{len(rows)}", "give a larger table"
        raise fn.DataError(str(table.path), f"at least {LEAST_ROWS} rows with a target {name!r}", got, remedy)
    target = fit_target(name, values[rows], task=settings.task, missing=marks)
    schema = TableSchema((), (), target, missing=marks)
    return rows, target, encode_target(schema, {name: values[rows]}, dtype="float64")


def split_rows(targets: fn.Array, settings: TableSettings) -> dict[str, fn.Array]:
    """Split rows at random into parts to train, validate and test on, in which the targets are alike."""
    test_key, validation_key = fn.split(fn.fold_in(fn.Key(settings.seed), 0), 2)
    rows = np.arange(len(targets))
    held = held_out(targets, settings.test, test_key)
    test, rest = rows[held], rows[~held]
    held = held_out(targets[rest], settings.validation / (1 - settings.test), validation_key)
    parts = {"train": rest[~held], "validation": rest[held]} | ({"test": test} if settings.test else {})
    for part, places in parts.items():
        if not len(places):
            remedy = "give larger or smaller shares, or more rows"
            raise fn.DataError("--validation and --test", f"rows to {PURPOSES[part]}", "none", remedy)
    return parts


PURPOSES = {"train": "train on", "validation": "validate on", "test": "test on"}


def held_out(targets: fn.Array, share: float, key: fn.Key) -> fn.Array:
    """Tell which rows are held out: their targets are spread like those of all rows.

    Rows are sorted by their targets, equal ones at random, and every so manieth is held out.

    >>> held_out(np.array([0, 1, 0, 1]), 0.5, fn.Key(0)).sum()
    np.int64(2)
    """
    count = len(targets)
    order = fn.generator(key).permutation(count)
    order = order[np.argsort(targets[order].reshape(-1), kind="stable")]
    due = np.floor(np.arange(count + 1) * share + 0.5)
    held = np.zeros(count, bool)
    held[order] = np.diff(due) > 0
    return held


def posed(
    schema: TableSchema,
    target: Target,
    encoded: Mapping[str, fn.Array],
    targets: Mapping[str, fn.Array],
    settings: TableSettings,
) -> Problem:
    """Make the problem of encoded rows and their targets."""
    features = table_features(numbers=len(schema.numbers), sizes=schema.sizes)
    fitted = fit_features(features, encoded["train"])
    classes = target.classes
    scaled = dict(targets)
    ending, deviation = fn.chain(fn.softmax(), fn.mean_members()), 1.0
    if not classes:
        (mean,), (deviation,) = fn.fit_standardize(targets["train"])
        ending = fn.chain(fn.mean_members(), fn.unstandardize(mean, deviation))
        scaled = {part: ((y - mean) / deviation).astype(np.float32) for part, y in targets.items()}
    inputs = {part: fn.predict(features, fitted, x) for part, x in encoded.items()}
    parts = {part: Part(encoded[part], targets[part], fn.Batch(inputs[part], scaled[part])) for part in encoded}
    size = settings.batch_size or (2 * BATCH_SIZE if len(scaled["train"]) >= LARGE else BATCH_SIZE)
    network = network_of(settings, len(classes) or 1)
    return Problem(schema, target, features, fitted, network, ending, deviation, parts, size, settings)


def network_of(settings: TableSettings, outputs: int, **beginning: Any) -> fn.Layer[Any]:
    """Build the network: several members with weights of their own, side by side.

    `beginning` has initializers for its linear layers.
    """
    layers: list[fn.Layer[Any]] = [fn.tile(settings.members)]
    for units in settings.hidden:
        hidden = fn.ensemble_linear(units, **beginning)
        layers += [hidden, fn.relu(), *([fn.dropout(settings.dropout)] if settings.dropout else [])]
    return fn.chain(*layers, fn.ensemble_linear(outputs, **beginning))
