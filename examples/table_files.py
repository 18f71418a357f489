"""Tables in files: CSV, checked line by line; Parquet; and predictions, which are written whole or not at all."""

import codecs
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
import csv
from difflib import get_close_matches
from io import BytesIO, StringIO
from pathlib import Path
import re
from typing import TypeAlias

from attrs import frozen
import numpy as np
import polars as pl

import fnmlp as fn
from fnmlp.files import opened
from fnmlp.kinds import kind_of
from fnmlp.whole_files import write_whole
from table_columns import arrays_of, quoted

SEPARATORS = ",;\t|"
OTHERS = "a text file", "an empty file", "a file of another kind"
"""Kinds of files that a CSV file may look like by its first bytes."""
MARKUP = {"<": "a web page or XML", "{": "JSON", "[": "JSON"}
"""Kinds of text files, by their first letters."""
ALIKE = 0.75
"""The least likeness of a name that an error suggests: 1 is the same, 0.8 that of jo and job."""
Written: TypeAlias = fn.Array | pl.Series


@frozen(eq=False)
class Table:
    """Hold a table: the file's name, its columns, and what there is to say about how they were read.

    `columns`         what a model learns from: texts that are all numbers became float64.
    `frame`           what the file holds: the texts of a CSV file, or the values of a Parquet file.
    `decimal_commas`  the names of the columns with decimal commas.
    """

    path: Path
    columns: Mapping[str, fn.Array]
    frame: pl.DataFrame
    decimal_commas: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(next(iter(self.columns.values())))

    def check_named(self, name: str, option: str) -> None:
        """Raise unless there is a column with this name, which an option gives."""
        if name not in self.columns:
            near = get_close_matches(name, self.columns, 1, ALIKE)
            remedy = f"did you mean {near[0]!r}?" if near else "check its name and the --separator"
            got = f"only {quoted([*self.columns], 20)}"
            raise fn.DataError(str(self.path), f"a column {name!r} ({option})", got, remedy)


def read_table(path: Path, *, separator: str | None, encoding: str, decimal_commas: Collection[str] = ()) -> Table:
    """Read a CSV or Parquet file; raise unless every row has a value, or an empty one, for each column.

    Without a separator, it is the one of comma, semicolon, tab and bar that the first line has most of. Columns with
    decimal commas in another table have them here too, unless their numbers tell.
    """
    with opened(str(path), fn.DataError) as file:
        content = file.read()
    remarks: tuple[str, ...]
    if content.startswith(b"PAR1"):
        frame, remarks = _parquet(path, content), ()
    else:
        text = _text(path, content, encoding)
        separator = separator or _separator(text)
        frame, remarks = _frame(path, text, separator)
    if not frame.height:
        raise fn.DataError(str(path), "at least one row", "a header only", "check where the table comes from")
    read = arrays_of(frame, str(path), decimal_commas=separator not in (None, ","), known=decimal_commas)
    return Table(path, read.columns, frame, read.decimal_commas, (*remarks, *read.remarks))


@contextmanager
def in_file(path: Path) -> Iterator[None]:
    """Name the file in errors on its columns."""
    try:
        yield
    except fn.DataError as error:
        if not error.where.startswith("column "):
            raise
        raise fn.DataError(f"{path}: {error.where}", error.expected, error.got, error.remedy) from error


def _parquet(path: Path, content: bytes) -> pl.DataFrame:
    try:
        return pl.read_parquet(BytesIO(content))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        got = f"one that can't be read ({' '.join(str(error).split())[:80]})"
        raise fn.DataError(str(path), "a whole Parquet file", got, "restore it from a copy") from error


def _text(path: Path, content: bytes, encoding: str) -> str:
    """Decode a text file; raise, naming the line, for bytes that are none of the encoding."""
    if not content.strip(codecs.BOM_UTF8 + b" \t\r\n"):
        raise fn.DataError(str(path), "a table", "an empty file", "check where the table comes from")
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    kind, _ = kind_of(content[:64])
    if kind not in OTHERS and not wide:
        raise fn.DataError(str(path), "a CSV or Parquet file", kind, "save the table as CSV")
    try:
        text = content.decode("utf-16" if wide else encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        got = f"the byte {content[error.start]:#04x}" if error.start < len(content) else "half a letter"
        remedy = "name its --encoding, such as latin-1 or cp1252"
        raise fn.DataError(f"{path}: line {line}", f"text in {encoding}", got, remedy) from error
    text = text.removeprefix("\ufeff")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise fn.DataError(f"{path}: line {line}", "text", "a NUL character", "save the table as CSV again")
    if (beginning := text.lstrip()[:1]) in MARKUP:
        raise fn.DataError(str(path), "a CSV or Parquet file", MARKUP[beginning], "save the table as CSV")
    return text if "\n" in text else text.replace("\r", "\n")


def _separator(text: str) -> str:
    r"""Return the separator that the first line has most of, outside quotes.

    >>> _separator('"a,b";c\n')
    ';'
    """
    line = re.sub('"[^"]*"', "", text.lstrip("\r\n").partition("\n")[0])
    return max(SEPARATORS, key=line.count)


def _frame(path: Path, text: str, separator: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Return a table of texts, with null for empty fields, and remarks on columns that were left out."""
    header = next(csv.reader(StringIO(text.lstrip("\r\n"), newline=""), delimiter=separator))
    names = _names(path, header)
    content = text.encode()
    if is_regular(content, separator, len(names)):
        frame = pl.read_csv(content, separator=separator, infer_schema=False, has_header=True)
        frame.columns = names
    else:
        rows = _rows(path, text, separator, len(names))
        columns = zip(*rows, strict=True) if rows else [()] * len(names)
        series = [pl.Series(name, values, pl.String) for name, values in zip(names, columns, strict=True)]
        frame = pl.DataFrame(series)
    frame = frame.with_columns(pl.col(pl.String).replace("", None))
    empty = [name for name, given in zip(names, header, strict=True) if not given.strip()]
    empty = [name for name in empty if frame[name].null_count() == frame.height]
    remarks = [f"{name!r} has neither a name nor values; it is left out" for name in empty]
    return frame.drop(empty), tuple(remarks)


def _names(path: Path, header: Sequence[str]) -> list[str]:
    """Return the names of the columns; one without a name gets its number."""
    names = [name.strip() or f"column {place}" for place, name in enumerate(header, start=1)]
    (name, count), *_ = Counter(names).most_common(1)
    if count > 1:
        where, got = f"{path}: line 1", f"{name!r} {count} times"
        raise fn.DataError(where, "a different name for each column", got, "rename all but one")
    return names


def is_regular(content: bytes, separator: str, fields: int) -> bool:
    r"""Tell whether each line of a CSV file plainly has this many fields, and quotes only around whole fields.

    >>> is_regular(b'a,b\n1,"x,y"\n', ",", 2), is_regular(b"a,b\n1\n", ",", 2)
    (True, False)
    """
    letters = np.frombuffer(content, np.uint8)
    line_ends, commas, quotes, returns = (letters == ord(letter) for letter in ("\n", separator, '"', "\r"))
    if quotes.any():
        inside = np.logical_xor.accumulate(quotes)
        opening, closing = np.flatnonzero(quotes & inside), np.flatnonzero(quotes & ~inside)
        edges = line_ends | commas | quotes
        before = edges[opening - 1] | (opening == 0)
        after = np.append(edges | returns, [True])[closing + 1]
        if inside[-1] or not before.all() or not after.all():
            return False
        line_ends, commas, returns = line_ends & ~inside, commas & ~inside, returns & ~inside
    if not line_ends[np.flatnonzero(returns[:-1]) + 1].all():
        return False
    ends = np.flatnonzero(line_ends)
    if not ends.size or ends[-1] < letters.size - 1:
        ends = np.append(ends, letters.size)
    counts = np.diff(np.searchsorted(np.flatnonzero(commas), ends), prepend=0)
    blank = np.isin(letters[np.append(0, ends[:-1] + 1)], (ord("\n"), ord("\r")))
    return bool((counts == fields - 1).all() and not blank.any())


def _rows(path: Path, text: str, separator: str, fields: int) -> list[list[str]]:
    """Read the rows of an irregular CSV file; raise, naming the line, for one with too few or too many fields.

    Blank lines are passed over. In a table of one column they are empty values, except at the end.
    """
    reader = csv.reader(StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    blank = [""]
    line = 1
    try:
        for row in reader:
            if row and len(row) != fields:
                got, remedy = f"{len(row)}", "correct the line; quote a field that holds the separator"
                raise fn.DataError(f"{path}: line {line}", f"{fields} fields, like the header", got, remedy)
            if row or (fields == 1 and rows):
                rows.append(row or blank)
            line = reader.line_num + 1
    except csv.Error as error:
        never = "end of data" in str(error) or "field limit" in str(error)
        got = "one that never closes" if never else f"a line that can't be read ({error})"
        remedy = "close it, or double each quote inside a quoted field"
        raise fn.DataError(f"{path}: line {line}", "quotes in pairs", got, remedy) from error
    while rows and rows[-1] is blank:
        rows.pop()
    return rows[1:]


def write_table(path: Path, columns: Mapping[str, Written]) -> None:
    """Write a table atomically: as Parquet if the name ends in .parquet, otherwise as CSV."""
    frame = pl.DataFrame(dict(columns))
    content = BytesIO()
    write = frame.write_parquet if path.suffix.lower() == ".parquet" else frame.write_csv
    write(content)
    try:
        write_whole(path, content.getvalue())
    except OSError as error:
        remedy = "choose another --output"
        raise fn.DataError(str(path), "a place for the predictions", error.strerror or error, remedy) from error


def as_csv(columns: Mapping[str, Written]) -> str:
    r"""Write a table as CSV.

    >>> as_csv({"a": np.array([1.5, 2.0])})
    'a\n1.5\n2.0\n'
    """
    return pl.DataFrame(dict(columns)).write_csv()
