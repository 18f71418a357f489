"""Schemas as text, for the notes of a model file."""

import json
from typing import Any

from attrs import asdict

from fnmlp.checks import check_kind
from fnmlp.errors import DataError, FnmlpError
from fnmlp.tables.schema import CategoryColumn, NumberColumn, TableSchema, Target

__all__ = ["schema_from_json", "schema_to_json"]


def schema_to_json(schema: TableSchema) -> str:
    """Write a schema as JSON, for instance into the notes of `save_model`.

    >>> from fnmlp.tables import fit_schema
    >>> schema = fit_schema({"age": [31, 25]})
    >>> schema_from_json(schema_to_json(schema)) == schema
    True
    """
    check_kind("schema_to_json(schema)", schema, TableSchema, "fit_schema(columns)")
    return json.dumps(asdict(schema), ensure_ascii=False)


def schema_from_json(text: str) -> TableSchema:
    """Read a schema that `schema_to_json` wrote.

    Raises:   DataError for any other text.

    >>> schema_from_json("{}")
    Traceback (most recent call last):
    fnmlp.errors.DataError: schema_from_json: expected the text of a schema, got another (KeyError); pass what ...
    """
    check_kind("schema_from_json(text)", text, str, "schema_to_json(schema)")
    try:
        told = json.loads(text)
        numbers = tuple(NumberColumn(**column) for column in told.pop("numbers"))
        categories = tuple(CategoryColumn(**_with_tuples(column)) for column in told.pop("categories"))
        target = told.pop("target")
        made = None if target is None else Target(**_with_tuples(target))
        return TableSchema(numbers, categories, made, **_with_tuples(told))
    except (FnmlpError, AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        remedy = "pass what schema_to_json wrote"
        got = f"another ({type(error).__name__})"
        raise DataError("schema_from_json", "the text of a schema", got, remedy) from error


def _with_tuples(told: Any) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
