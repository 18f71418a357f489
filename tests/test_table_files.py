"""Claims about the files that `examples/table.py` reads: each is read right, or refused in one clear line."""

from collections.abc import Callable
import csv
from functools import partial
import gzip
from io import StringIO
from pathlib import Path
import re

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

polars = pytest.importorskip("polars", reason="it reads the tables")

import table_files  # noqa: E402
from table_files import is_regular, read_table  # noqa: E402
from tests.table_program import SMALL_NETWORK, people, run_table, succeed_table, write_csv  # noqa: E402

HEADER = "age,job,rich\n"
ROWS = [f"{20 + number},{'ab'[number % 2]},{'no' if number < 10 else 'yes'}\n" for number in range(20)]
PLAIN = HEADER + "".join(ROWS)


def with_line(number: int, text: str) -> bytes:
    """Put another text in the place of a line of the plain table; the header is line 1."""
    lines = PLAIN.splitlines(keepends=True)
    lines[number - 1] = text
    return "".join(lines).encode()


def read(path: Path, content: bytes | str, *, separator: str | None = None) -> dict[str, list[object]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    table = read_table(path, separator=separator, encoding="utf-8")
    return {name: values.tolist() for name, values in table.columns.items()}


REFUSED: dict[str, tuple[bytes, str]] = {
    "an empty file": (b"", "expected a table, got an empty file"),
    "blank lines alone": (b"\xef\xbb\xbf\n\r\n \n", "expected a table, got an empty file"),
    "a header only": (HEADER.encode(), "expected at least one row, got a header only"),
    "a short row": (with_line(4, "22,a\n"), "line 4: expected 3 fields, like the header, got 2; correct the line"),
    "a long row": (with_line(4, "22,a,no,9\n"), "line 4: expected 3 fields, like the header, got 4; correct the line"),
    "a row without separators": (with_line(21, "end of file\n"), "line 21: expected 3 fields, like the header, got 1"),
    "two columns of one name": (
        with_line(1, "age,age,rich\n"),
        "line 1: expected a different name for each column, got",
    ),
    "a NUL byte": (with_line(5, "2\0003,b,no\n"), "line 5: expected text, got a NUL character"),
    "latin-1": (
        with_line(6, "24,\xe4,no\n").decode().encode("latin-1"),
        "line 6: expected text in utf-8, got the byte 0xe4",
    ),
    "a cut letter": (PLAIN.encode() + b"20,\xc3", "line 22: expected text in utf-8, got the byte 0xc3"),
    "a quote that never ends": (
        with_line(7, '25,"a,no\n'),
        "line 7: expected quotes in pairs, got one that never closes",
    ),
    "text after a quote": (with_line(7, '25,"a"b,no\n'), "line 7: expected quotes in pairs, got a line that can't be"),
    "a web page": (b"<!DOCTYPE html>\n<p>a,b</p>\n", "expected a CSV or Parquet file, got a web page or XML"),
    "JSON": (b'[{"age": 1}]\n', "expected a CSV or Parquet file, got JSON"),
    "a spreadsheet": (b"PK\x03\x04" + bytes(50), "expected a CSV or Parquet file, got a zip archive"),
    "a packed file": (gzip.compress(PLAIN.encode()), "expected a CSV or Parquet file, got a gzip file"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(20), "expected a CSV or Parquet file, got a picture"),
    "half a Parquet file": (b"PAR1" + bytes(50), "expected a whole Parquet file, got one that can't be read"),
    "no target": (
        PLAIN.replace("rich", "Rich").encode(),
        "expected a column 'rich' (--target), got only 'age', 'job', 'Rich'",
    ),
    "a target alone": (b"rich\n" + b"yes\nno\n" * 10, "expected columns beside the target, got none"),
    "one class": (
        PLAIN.replace("no\n", "yes\n").encode(),
        "'rich': expected at least two different targets, got the same",
    ),
    "no target anywhere": (
        PLAIN.replace("no\n", "\n").replace("yes\n", "NA\n").encode(),
        "expected at least 10 rows with",
    ),
    "nine rows": ("".join([HEADER, *ROWS[5:14]]).encode(), "expected at least 10 rows with a target 'rich', got 9"),
    "infinity": (with_line(9, "inf,a,no\n"), "column 'age', row 9: expected a finite number, got infinity"),
    "a number beyond float32": (with_line(9, "1e300,a,no\n"), "expected a number that float32 can hold, got 1e+300"),
    "columns that are constant": (
        b"age,rich\n" + b"1,yes\n1,no\n" * 10,
        "expected a column to learn from, got none of 1",
    ),
    "dates as a target": (
        b"age,rich\n" + b"".join(b"%d,2024-01-%02d\n" % (day * day, day) for day in range(10, 30)),
        "column 'rich': expected classes or numbers as a target, got dates",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_can_not_be_used_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    content, words = REFUSED[name]
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    done = run_table("train", path, "--target", "rich", "--output", tmp_path / "model", *SMALL_NETWORK)
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert words in done.err
    assert done.err.startswith("error: ")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["data.csv"]


def test_a_folder_and_a_file_that_is_not_there_are_refused(tmp_path: Path) -> None:
    for path, words in ((tmp_path, "Is a directory"), (tmp_path / "none.csv", "got none; check the path")):
        done = run_table("train", path, "--target", "rich")
        assert (done.status, done.err.count("\n")) == (1, 1)
        assert words in done.err


NUMBERS = [20.0 + number for number in range(20)]


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.rstrip("\n"),
        PLAIN + "\n\n",
        "\n\n" + PLAIN,
        PLAIN.replace("\n", "\n\n"),
        "\ufeff" + PLAIN,
        PLAIN.encode("utf-16"),
        PLAIN.encode("utf-16-be", "strict").join([b"\xfe\xff", b""]),
        PLAIN.replace(",", ";"),
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", "|"),
        PLAIN.replace(",", " , "),
        re.sub(r"[^,\n]+", r'"\g<0>"', PLAIN),
        PLAIN.replace(",a,", ',"a",'),
    ],
)
def test_forms_of_csv_are_read_alike(content: bytes | str, tmp_path: Path) -> None:
    table = read(tmp_path / "data.csv", content)
    assert list(table) == ["age", "job", "rich"]
    assert table["age"] == NUMBERS
    assert table["job"] == ["a", "b"] * 10
    assert table["rich"] == ["no"] * 10 + ["yes"] * 10


@pytest.mark.parametrize(
    ("content", "table"),
    [
        ("a;b\n1,5;x\n-2,25;y\n3;z\n", {"a": [1.5, -2.25, 3.0], "b": ["x", "y", "z"]}),
        ("a;b\n1.234,5;x\n2;y\n", {"a": [1234.5, 2.0], "b": ["x", "y"]}),
        ("a;b\n1,5;x\nabc;y\n", {"a": ["1.5", "abc"], "b": ["x", "y"]}),
        ("a;b\n1.234;x\n1,5;y\nn/v;z\n", {"a": ["1234", "1.5", "n/v"], "b": ["x", "y", "z"]}),
        ("a;b\n1,5;x\n2,5;y\n0.567;z\n", {"a": [1.5, 2.5, 0.567], "b": ["x", "y", "z"]}),
        ("a;b\n1,5;x\n2.5;y\n0.567;z\n", {"a": ["1,5", "2.5", "0.567"], "b": ["x", "y", "z"]}),
        ("a;b\n1.234;x\n2.5;y\n", {"a": [1.234, 2.5], "b": ["x", "y"]}),
        ('a,b\n"1,234",x\nn/v,y\n', {"a": ["1234", "n/v"], "b": ["x", "y"]}),
        ("a,b\n9007199254740993,1\n9007199254740992,2\n", {"a": ["9007199254740993", "9007199254740992"], "b": [1, 2]}),
        ('a,b\n"1,234.5",x\n"12",y\n', {"a": [1234.5, 12.0], "b": ["x", "y"]}),
        ('a,b\n"1,5",x\n"2,5",y\n', {"a": ["1,5", "2,5"], "b": ["x", "y"]}),
        ('a,b\n"x, ""y""",1\n"line\nbreak",2\n', {"a": ['x, "y"', "line\nbreak"], "b": [1.0, 2.0]}),
        ('a,b\n5" pipe,1\n6" pipe,2\n', {"a": ['5" pipe', '6" pipe'], "b": [1.0, 2.0]}),
        ('a,b\n5" pipe,1\npipe,2\n', {"a": ['5" pipe', "pipe"], "b": [1.0, 2.0]}),
        ("zip,b\n01067,1\n10115,2\n", {"zip": ["01067", "10115"], "b": [1.0, 2.0]}),
        ("a,b,\n1,x,\n2,y,\n", {"a": [1.0, 2.0], "b": ["x", "y"]}),
        (",b\n7,x\n9,y\n", {"column 1": [7.0, 9.0], "b": ["x", "y"]}),
        ("a,b\n1,NA\n?,x\n", {"a": [1.0, None], "b": ["NA", "x"]}),
        ("a,b\n1,\n2,\n", {"a": [1.0, 2.0], "b": [None, None]}),
        ("a\n1\n\n3\n\n\n", {"a": [1.0, None, 3.0]}),
        ("a\n1\n2", {"a": [1.0, 2.0]}),
        ("\u00e4,b\n\U0001f600,1\nx,2\n", {"\u00e4": ["\U0001f600", "x"], "b": [1.0, 2.0]}),
        ('"a","b"\n"1","2"\n', {"a": [1.0], "b": [2.0]}),
        ('"a,b",c\n1,2\n', {"a,b": [1.0], "c": [2.0]}),
        ("a,b\n1_000,0x10\n", {"a": ["1_000"], "b": ["0x10"]}),
        ("a,b\n1e3,+5\n-.5,1.\n", {"a": [1000.0, -0.5], "b": [5.0, 1.0]}),
    ],
)
def test_values_are_read_as_people_mean_them(content: str, table: dict[str, list[object]], tmp_path: Path) -> None:
    found = read(tmp_path / "data.csv", content)
    plain = {name: [None if value != value else value for value in values] for name, values in found.items()}  # noqa: PLR0124
    if name := next((name for name, values in table.items() if values == [5.0, 1.0]), None):
        plain[name] = [float(str(value)) for value in plain[name]]  # a number, now or when its kind is found out
    assert plain == table


CELLS = st.one_of(st.sampled_from(["", "1", " x", '"', "\r\n", "\u00e4", '5"']), st.text(',"\n\r;a1', max_size=4))
ROWS_OF_CELLS = st.integers(1, 3).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1))


@given(ROWS_OF_CELLS)
def test_a_file_is_read_as_it_was_written_the_fast_way_and_the_strict_way(rows: list[list[str]]) -> None:
    header = [f"n{place}" for place in range(len(rows[0]))]
    text = StringIO(newline="")
    returns = any("\r" in cell for row in rows for cell in row)
    writer = partial(csv.writer, text, quoting=csv.QUOTE_ALL) if returns else partial(csv.writer, text)
    writer(lineterminator="\n").writerows([header, *rows])
    assert is_regular(text.getvalue().encode(), ",", len(header))
    expected = [tuple(cell or None for cell in row) for row in rows]
    for content in (text.getvalue(), text.getvalue() + "\n\n"):
        frame, _ = table_files._frame(Path("data.csv"), content, ",")
        assert frame.rows() == expected


@pytest.mark.parametrize(
    ("content", "regular"),
    [
        ('a,b\n"x,y",1\n', True),
        ("a,b\r\n1,2\r\n", True),
        ('a,b\n"x",1', True),
        ('a,b\n1,"x"', True),
        ('a,b\n5" pipe,6" pipe\n', False),
        ('a,b\n"x"y,1\n', False),
        ('a,b\n"x,1\n', False),
        ("a,b\n1\n", False),
        ("a,b\n\n1,2\n", False),
        ("a,b\n1\r,2\n", False),
        ('a,b\n"1\r",2\n', True),
        ("a\n\n1\n", False),
        ("a\n1\n", True),
        ("a\nb\n", True),
    ],
)
def test_only_plain_files_are_read_the_fast_way(content: str, regular: bool) -> None:
    fields = content.partition("\n")[0].count(",") + 1
    assert is_regular(content.encode(), ",", fields) == regular


def test_an_encoding_and_a_separator_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(PLAIN.replace(",a,", ",\u00e4,").replace(",", ":").encode("latin-1"))
    names = ("--encoding", "latin-1", "--separator", ":")
    succeed_table("train", path, "--target", "rich", *names, *SMALL_NETWORK, "--quiet")
    for option, value, words in (
        ("--encoding", "base64", "'base64' is no encoding; choose for instance utf-8"),
        ("--encoding", "no-such", "'no-such' is no encoding"),
        ("--separator", ",,", "',,' is no separator; give one letter, or tab"),
        ("--separator", '"', "is no separator"),
    ):
        done = run_table("train", path, "--target", "rich", option, value)
        assert (done.status, done.err.count("\n")) == (2, 1)
        assert words in done.err


def test_only_numbers_that_do_not_tell_are_read_as_in_another_table(tmp_path: Path) -> None:
    for text, known, number in (("1.234", 1234.0, 1.234), ("1,5", 1.5, 1.5), ("91.28", 91.28, 91.28)):
        (tmp_path / "new.csv").write_text(f"a;b\n{text};x\n")
        for commas, expected in ((("a",), known), ((), number)):
            table = read_table(tmp_path / "new.csv", separator=None, encoding="utf-8", decimal_commas=commas)
            assert table.columns["a"].tolist() == [expected]


def test_numbers_with_both_decimal_marks_are_named(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a;b;c\n1,5;1,5;1,5\n2,5;2,5;1.5\n91.28;3,5;9\n")
    table = read_table(tmp_path / "data.csv", separator=None, encoding="utf-8")
    assert table.remarks == (
        "numbers with decimal commas: 'a', 'b'",
        "numbers with decimal commas, and others with decimal points: 'a', 'c'",
    )


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u202f", "'", "’"])
@pytest.mark.parametrize(("separator", "point"), [(";", ","), (",", "."), ("\t", ".")])
def test_numbers_may_have_spaces_between_thousands(tmp_path: Path, space: str, separator: str, point: str) -> None:
    rows = [["a", "b"], [f"12{space}345{point}5", f"1{space}23"], [f"-1{space}234{space}567", "5"], ["8", "0 123"]]
    (tmp_path / "data.csv").write_text("".join(f"{separator.join(row)}\n" for row in rows), "utf-8")
    table = read_table(tmp_path / "data.csv", separator=None, encoding="utf-8")
    assert table.columns["a"].tolist() == [12345.5, -1234567, 8]
    assert table.columns["b"].tolist() == [f"1{space}23", "5", "0 123"]
    assert table.remarks[0] == "numbers with spaces between thousands: 'a'"


def test_what_is_left_out_or_read_in_a_special_way_is_said(tmp_path: Path) -> None:
    rows = "".join(f"{n + 1};{n},5;same;;{'no' if n % 2 else 'yes'};\n" for n in range(20))
    path = tmp_path / "data.csv"
    path.write_text(f"row;number;constant;empty;rich;\n{rows}21;1,5;same;;;\n")
    out = succeed_table("train", path, "--target", "rich", *SMALL_NETWORK)
    for line in (
        "'column 6' has neither a name nor values; it is left out",
        "numbers with decimal commas: 'number'",
        "numbers of the rows, so left out unless --number names them: 'row'",
        "no values, or the same in all rows, so left out: 'constant', 'empty'",
        "rows without a target, so left out: 1",
        "1 column of numbers: 'number'",
    ):
        assert line in out.splitlines()


def test_parquet_is_read_with_its_types(tmp_path: Path) -> None:
    table = people()
    frame = polars.DataFrame(table).with_columns(
        polars.col("age").cast(polars.Int32, strict=False),
        polars.col("job").cast(polars.Categorical),
        polars.col("since").str.to_date(),
        (polars.col("rich") == "yes").alias("rich"),
        polars.col("income").cast(polars.Decimal(10, 2)),
        polars.lit(None).alias("nothing"),
        polars.col("since").str.to_datetime(time_zone="UTC").alias("at"),
    )
    frame.write_parquet(tmp_path / "people.parquet")
    out = succeed_table("train", tmp_path / "people.parquet", "--target", "rich", *SMALL_NETWORK)
    assert "2 columns of numbers: 'age', 'income'" in out
    assert "2 columns of dates: 'since', 'at'" in out
    assert "target: 'rich', 2 classes: 'false', 'true'" in out
    frame.with_columns(polars.concat_list("age").alias("lists")).write_parquet(tmp_path / "lists.parquet")
    done = run_table("train", tmp_path / "lists.parquet", "--target", "rich")
    assert done.err.startswith("error: ")
    assert "column 'lists': expected numbers, texts, booleans or dates, got List(Int32); convert" in done.err


@pytest.mark.parametrize("change", [lambda text: text[:-40], lambda text: text.replace(b"job", b"jab", 1)])
def test_a_damaged_parquet_file_gives_no_traceback(change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    polars.DataFrame(people()).write_parquet(tmp_path / "people.parquet")
    content = (tmp_path / "people.parquet").read_bytes()
    (tmp_path / "people.parquet").write_bytes(change(content))
    done = run_table("train", tmp_path / "people.parquet", "--target", "nothing")
    assert (done.status, done.err.count("\n")) == (1, 1)


def test_many_categories_and_columns_are_read(tmp_path: Path) -> None:
    rows = 2000
    table = {f"c{place}": [str(value) for value in np.arange(rows) * (place + 1) % 97] for place in range(30)}
    table |= {"id": [f"id {row}" for row in range(rows)], "y": [str(row % 3) for row in range(rows)]}
    path = write_csv(tmp_path / "wide.csv", table)
    out = succeed_table("train", path, "--target", "y", "--epochs", 1, "--hidden", 2)
    assert "no value twice among the rows to train on, or only one, so left out: 'id'" in out
