"""Tables as shards: Parquet and Arrow files, whose groups of rows are read one by one."""

from collections.abc import Callable
from pathlib import Path
import pickle
import sys
from typing import Any

import numpy as np
import pytest

from fnmlp.data import stream_batches, table_shards
from fnmlp.data.shards import read_rows
from fnmlp.errors import DataError, FnmlpError, MissingDependencyError, OptionError, one_line
from fnmlp.key import Key

pa: Any = pytest.importorskip("pyarrow", reason="pyarrow reads and writes tables")
parquet: Any = pytest.importorskip("pyarrow.parquet", reason="pyarrow reads and writes tables")


def written(path: Path, columns: dict[str, Any], group: int = 5) -> str:
    """Write a table in groups of rows."""
    table = pa.table(columns)
    if path.suffix == ".parquet":
        parquet.write_table(table, path, row_group_size=group)
    else:
        with pa.ipc.new_file(str(path), table.schema) as file:
            file.write_table(table, max_chunksize=group)
    return str(path)


def numbered(rows: int) -> dict[str, Any]:
    numbers = np.arange(rows)
    pairs = pa.FixedSizeListArray.from_arrays(pa.array(np.repeat(numbers, 2).astype(float)), 2)
    return {"a": numbers, "b": -numbers.astype("f4"), "pair": pairs, "label": numbers, "weight": numbers / 2}


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
@pytest.mark.parametrize(("inputs", "signs"), [(["a", "b"], [1, -1]), ("pair", [1, 1])])
def test_tables_are_streamed_by_their_groups(tmp_path: Path, ending: str, inputs: Any, signs: list[int]) -> None:
    paths = [written(tmp_path / f"{rows}.{ending}", numbered(rows)) for rows in (13, 9)]
    data = table_shards(paths, inputs=inputs, targets="label", weights="weight")
    again = pickle.loads(pickle.dumps(data))  # noqa: S301 (our own bytes)
    assert ([shard.starts for shard in again.shards], again.like.inputs.dtype) == ([(0, 5, 10), (0, 5)], np.float32)
    rows = [
        row
        for batch in stream_batches(again, size=4, key=Key(0), epoch=0, window=5)
        for row in (batch[n] for n in range(len(batch)))
    ]
    assert sorted(int(label) for _, label, _ in rows) == sorted([*range(13), *range(9)])
    for values, label, weight in rows:
        assert (values.tolist(), weight) == ([sign * label for sign in signs], label / 2)
    assert read_rows(data.shards[0], 4, 11).targets.tolist() == [*range(4, 11)]


WRONG: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no column": (lambda p: table_shards(written(p, numbered(3)), inputs="c", targets="a"), "a column 'c', got a, b, "),
    "no inputs": (lambda p: table_shards(written(p, numbered(3)), inputs=[], targets="a"), "at least one column"),
    "text": (
        lambda p: table_shards(written(p, {"a": ["x"]}), inputs="a", targets="a"),
        "t.parquet: a: expected numbers",
    ),
    "two kinds": (
        lambda p: table_shards(written(p, numbered(3)), inputs=["a", "pair"], targets="a"),
        "one column of lists",
    ),
    "not Parquet": (lambda p: p.write_text("a,b") and table_shards(p, inputs="a", targets="b"), "a Parquet or Arrow"),
    "no rows": (lambda p: table_shards(written(p, numbered(0)), inputs="a", targets="a"), "at least one row"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_table_is_named_in_one_line_before_a_row_is_read(tmp_path: Path, case: str) -> None:
    make, message = WRONG[case]
    with pytest.raises(FnmlpError) as caught:
        make(tmp_path / "t.parquet")
    assert message in one_line(caught.value)


@pytest.mark.parametrize(
    "column", [[1, None, 3], pa.array([[1.0], [None], [2.0]], pa.list_(pa.float64(), 1))], ids=["number", "list"]
)
def test_rows_without_a_value_are_refused_when_they_are_read(tmp_path: Path, column: Any) -> None:
    data = table_shards(written(tmp_path / "t.parquet", {"a": column, "b": [0, 1, 2]}), inputs="a", targets="b")
    with pytest.raises(DataError, match=r"t.parquet: a: expected a value in each row, got 1 missing"):
        read_rows(data.shards[0], 0, 3)


def test_a_table_that_changed_is_refused_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    data = table_shards(written(path, numbered(12)), inputs="a", targets="b")
    written(path, numbered(7))
    with pytest.raises(DataError, match=r"t.parquet: expected 12 rows in the same groups, got 7 rows in others"):
        read_rows(data.shards[0], 0, 3)


def test_options_are_checked_and_pyarrow_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "t.parquet", numbered(3))
    with pytest.raises(OptionError, match=r"table_shards\(dtype\)"):
        table_shards(path, inputs="a", targets="b", dtype="float16")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'fnmlp\[parquet\]'"):
        table_shards(path, inputs="a", targets="b")
