"""Schemas: what the columns of a table hold, and where each stands in the arrays that are made of the table."""

from collections.abc import Collection
from typing import Any

from attrs import frozen

from fnmlp.checks import as_bool, as_choice, check_kind
from fnmlp.errors import OptionError, StructureError
from fnmlp.scalars import as_finite
from fnmlp.tables.columns import KINDS
from fnmlp.tables.values import MISSING, shown

__all__ = ["CategoryColumn", "NumberColumn", "TableSchema", "Target"]


@frozen
class NumberColumn:
    """Describe a column of numbers or dates.

    `kind`       "number", or "date": then the numbers are days from 1970.
    `origin`     what is subtracted from the numbers, so that float32 can tell them apart; 0 for most columns.
    `indicator`  whether a further feature tells where the value is missing.
    """

    name: str
    kind: str = "number"
    origin: float = 0.0
    indicator: bool = False

    def __attrs_post_init__(self) -> None:
        check_kind("NumberColumn(name)", self.name, str, "'age'")
        as_choice("NumberColumn(kind)", self.kind, tuple(KINDS))
        as_finite("NumberColumn(origin)", self.origin)
        as_bool("NumberColumn(indicator)", self.indicator)


@frozen
class CategoryColumn:
    """Describe a column of categories: the code of a value is its place in `values`."""

    name: str
    values: tuple[str, ...]

    def __attrs_post_init__(self) -> None:
        check_kind("CategoryColumn(name)", self.name, str, "'colour'")
        check_texts("CategoryColumn(values)", self.values)


@frozen
class Target:
    """Describe the column that a model predicts: one of some classes, or without any a number."""

    name: str
    classes: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        check_kind("Target(name)", self.name, str, "'species'")
        check_texts("Target(classes)", self.classes)

    @property
    def task(self) -> str:
        """The task: "classification" or "regression"."""
        return "classification" if self.classes else "regression"


@frozen
class TableSchema:
    """Describe a table: its columns in the order in which `encode` writes them.

    `numbers`     columns of numbers and dates; they come first.
    `categories`  columns of categories; after them come the indicators of missing numbers.
    `target`      the column to predict, or None.
    `unused`      columns that were left out, because they hold no value or the same one everywhere.
    `missing`     texts that mean that there is no value.
    """

    numbers: tuple[NumberColumn, ...]
    categories: tuple[CategoryColumn, ...]
    target: Target | None = None
    unused: tuple[str, ...] = ()
    missing: tuple[str, ...] = MISSING

    def __attrs_post_init__(self) -> None:
        for name, columns, kind in (
            ("numbers", self.numbers, NumberColumn),
            ("categories", self.categories, CategoryColumn),
        ):
            check_kind(f"TableSchema({name})", columns, tuple, f"({kind.__name__}(…),)")
            for column in columns:
                check_kind(f"TableSchema({name})", column, kind, f"{kind.__name__}(…)")
        if self.target is not None:
            check_kind("TableSchema(target)", self.target, Target, "Target('species', ('a', 'b'))")
        check_texts("TableSchema(unused)", self.unused)
        check_texts("TableSchema(missing)", self.missing)
        names = [*self.names, *self.unused, *([self.target.name] if self.target else [])]
        check_once("TableSchema", names)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns that a table must have, in order."""
        return (*(column.name for column in self.numbers), *(column.name for column in self.categories))

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each of these columns: "number", "date" or "category"."""
        return {column.name: column.kind for column in self.numbers} | {
            column.name: "category" for column in self.categories
        }

    @property
    def indicators(self) -> tuple[str, ...]:
        """The names of the numbers with an indicator of missing values."""
        return tuple(column.name for column in self.numbers if column.indicator)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of codes of each category, and 1 for each indicator, as `table_features` takes them."""
        return (*(len(column.values) for column in self.categories), *(1 for _ in self.indicators))

    @property
    def width(self) -> int:
        """The number of features that `encode` returns for a row."""
        return len(self.numbers) + len(self.sizes)


def check_texts(where: str, texts: Any) -> None:
    """Raise unless `texts` is a tuple of different texts.

    >>> check_texts("Target(classes)", "ab")
    Traceback (most recent call last):
    fnmlp.errors.StructureError: Target(classes): expected a tuple of texts, got 'ab'; write for instance ('a', 'b')
    """
    if not isinstance(texts, tuple) or not all(isinstance(text, str) for text in texts):
        raise StructureError(where, "a tuple of texts", shown(texts), "write for instance ('a', 'b')")
    check_once(where, texts)


def check_once(where: str, names: Collection[str]) -> None:
    """Raise if a name occurs twice.

    >>> check_once("TableSchema", ["a", "a"])
    Traceback (most recent call last):
    fnmlp.errors.OptionError: TableSchema: expected each name once, got 'a' twice; leave out one of them
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise OptionError(where, "each name once", f"{name!r} twice", "leave out one of them")
        seen.add(name)
