"""Model files for tables: the network, its preprocessing, and notes on the columns and the training."""

from collections.abc import Mapping, Sequence
import json
from pathlib import Path
from typing import Any

from attrs import frozen
import numpy as np

import fnmlp as fn
from fnmlp.tables import TableSchema, Target, encode, schema_from_json, unknown_values
from image_models import model_in
from table_columns import quoted, shortlist
from table_files import Table, in_file
from table_problem import FIRST_ROW
from table_reports import contribution_lines, falls_line, score_table


@frozen(eq=False)
class TableModel:
    """A model that reads tables, which of their columns had decimal commas, and lines on its training."""

    path: Path
    saved: fn.SavedModel
    schema: TableSchema
    target: Target
    decimal_commas: tuple[str, ...]
    training: Sequence[str]

    def predict(self, table: Table) -> fn.Array:
        """Return probabilities or numbers for the rows of a table; raise for missing columns."""
        if absent := [name for name in self.schema.names if name not in table.columns]:
            got, remedy = f"none of {quoted(absent)}", "add them, empty if they are unknown"
            raise fn.DataError(str(table.path), f"the columns that {self.path} was trained on", got, remedy)
        with in_file(table.path):
            encoded = encode(self.schema, table.columns, first_row=FIRST_ROW)
        outputs = fn.predict(self.saved.model, self.saved.params, encoded)
        if not np.isfinite(outputs).all():
            row = int(np.argmin(np.isfinite(outputs).all(axis=1))) + FIRST_ROW
            remedy = "look for numbers that are far too large"
            raise fn.DataError(f"{table.path}: row {row}", "a finite output", "infinity or NaN", remedy)
        return outputs

    def remarks(self, table: Table) -> list[str]:
        """Say what the model does not know of a table, or does not use."""
        known = {*self.schema.names, *self.schema.unused, self.target.name}
        said = [*table.remarks]
        if others := [name for name in table.columns if name not in known]:
            said.append(f"columns that were not there in training, and are not used: {quoted(others)}")
        if unknown := unknown_values(self.schema, table.columns):
            new = [f"{next(iter(counts))!r} in {name!r}" for name, counts in unknown.items()]
            rows = sum(sum(counts.values()) for counts in unknown.values())
            said.append(f"values that were not there in training, or once: {rows:,}, such as {shortlist(new, 3)}")
        return said


def load(path: Path) -> TableModel:
    """Load a model file; raise unless it is a model for tables.

    Only a file that `train --output` wrote has notes on the training too.
    """
    saved = model_in(path, "continue it with `train --resume`")
    try:
        schema, training = schema_from_json(saved.notes["table"]), json.loads(saved.notes.get("training", "{}"))
        outputs = saved.model.apply(saved.params, np.zeros((1, *saved.example), np.float32))
        target = _target_of(schema, saved.example, outputs.shape)
        commas, lines = tuple(training.get("decimal_commas", ())), training_lines(training) if training else ()
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:  # ours are among them
        remedy = "give one from `train --output`, or save yours with the notes {'table': schema_to_json(schema)}"
        raise fn.CheckpointError(str(path), "notes on the columns of a table", "none that fit", remedy) from error
    if target.classes and not (outputs.min() >= 0 and np.isclose(outputs.sum(), 1)):
        got, remedy = "outputs that don't add up to 1", "end the model with softmax()"
        raise fn.CheckpointError(str(path), f"probabilities of {len(target.classes)} classes", got, remedy)
    return TableModel(path, saved, schema, target, commas, lines)


def _target_of(schema: TableSchema, example: fn.Shape, outputs: fn.Shape) -> Target:
    """Return the target of a schema; raise unless a model of these shapes fits the schema."""
    if not schema.target or example != (schema.width,) or outputs != (1, len(schema.target.classes) or 1):
        raise ValueError
    return schema.target


def described(model: TableModel) -> list[str]:
    """Return lines on what a model file holds."""
    summary = fn.summary(model.saved.model, model.saved.example)
    return [*target_lines(model.target), *column_lines(model.schema), *model.training, summary]


def training_lines(training: Mapping[str, Any]) -> list[str]:
    """Return lines on the training that a model comes from: its data, its scores, and what the columns contributed."""
    measure = next(iter(training["scores"]["validation"]))
    return [
        f"trained on {training['rows']:,} rows of {training['file']}; best epoch {training['epoch']}",
        *score_table({"network": training["scores"]}),
        falls_line(measure),
        *contribution_lines(training["contributions"]),
    ]


def target_lines(target: Target) -> list[str]:
    """Describe a target.

    >>> target_lines(Target("size", ("L", "S")))
    ["target: 'size', 2 classes: 'L', 'S'"]
    """
    if not target.classes:
        return [f"target: {target.name!r}, a number"]
    return [f"target: {target.name!r}, {len(target.classes)} classes: {quoted(target.classes)}"]


def column_lines(schema: TableSchema) -> list[str]:
    """Describe the columns of a schema, a line for each kind."""
    dates = [column.name for column in schema.numbers if column.kind == "date"]
    numbers = [column.name for column in schema.numbers if column.kind == "number"]
    sizes = [f"{column.name!r} ({len(column.values)})" for column in schema.categories]
    lists = {
        "of numbers": [*map(repr, numbers)],
        "of dates": [*map(repr, dates)],
        "of categories (how many)": sizes,
        "with missing numbers": [*map(repr, schema.indicators)],
    }
    return [f"{counted(len(names))} {kind}: {shortlist(names)}" for kind, names in lists.items() if names]


def counted(columns: int) -> str:
    """Write a number of columns.

    >>> counted(1), counted(2)
    ('1 column', '2 columns')
    """
    return f"{columns} column{'' if columns == 1 else 's'}"
