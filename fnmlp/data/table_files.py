"""Files of tables as shards: Parquet, and Arrow's own format, one group of rows at a time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from itertools import accumulate, pairwise
from typing import Any

from attrs import frozen
import numpy as np
from numpy.typing import NDArray

from fnmlp.batching import Batch
from fnmlp.checks import as_float_dtype, as_iterator, check_kind
from fnmlp.data.paths import Path, path_names
from fnmlp.data.shards import Shard, ShardedData
from fnmlp.errors import DataError, DtypeError, MissingDependencyError, OptionError, quoted
from fnmlp.files import opened

__all__ = ["table_shards"]

ARROW = (".arrow", ".feather", ".ipc")
"""The endings of files in Arrow's format; all others are Parquet."""


@frozen
class Columns:
    """Say which columns hold the inputs, the targets and, unless it is empty, the weights; and the inputs' dtype."""

    inputs: tuple[str, ...]
    targets: str
    weights: str
    dtype: str

    @property
    def names(self) -> list[str]:
        """All columns, in order."""
        return [*self.inputs, self.targets, *([self.weights] if self.weights else [])]


def table_shards(
    paths: Path | Iterable[Path],
    *,
    inputs: str | Iterable[str],
    targets: str,
    weights: str = "",
    dtype: str = "float32",
) -> ShardedData:
    """Open Parquet or Arrow files as a data set that may be larger than memory: one shard for each file.

    `inputs` names columns of numbers, which become the features in that order, of the given dtype; or one column of
    lists of a fixed size. Targets and weights keep their dtype. Files that end in .arrow, .feather or .ipc are Arrow's.
    Only what the files say of themselves is read now. Later a file is read by its row groups (in Arrow's format, its
    record batches), so these are the blocks that `stream_batches` shuffles.
    Raises:   DataError, with the file's name, if one can't be read, lacks a column, or has rows without a value;
              DtypeError for a column of anything but numbers; MissingDependencyError without pyarrow.

    >>> table_shards("no-such.parquet", inputs=["age", "height"], targets="ill")
    Traceback (most recent call last):
    fnmlp.errors.DataError: no-such.parquet: expected a file, got none; check the path
    """
    names = (inputs,) if isinstance(inputs, str) else tuple(as_iterator("table_shards(inputs)", inputs, "names"))
    for name in (*names, targets, weights):
        check_kind("table_shards", name, str, "'price'")
    if not names:
        raise OptionError("table_shards(inputs)", "at least one column", "none", "name the columns of the features")
    columns = Columns(names, targets, weights, as_float_dtype("table_shards(dtype)", dtype))
    return ShardedData(_shard(name, columns) for name in path_names("table_shards(paths)", paths))


def _shard(name: str, columns: Columns) -> Shard:
    with _opened(name) as table:
        edges, schema = table.edges, table.schema
    missing = [column for column in columns.names if column not in schema.names]
    if missing:
        few = ", ".join(schema.names[:4]) + ", …" * (len(schema.names) > 4)
        raise DataError(name, f"a column {missing[0]!r}", few or "none", "check the names of the columns")
    like = _batch(name, schema.empty_table(), columns)
    starts = [start for start, stop in pairwise(edges) if start < stop]
    return Shard(name, rows=edges[-1], like=like, read=partial(_read, name, columns, edges), starts=starts)


def _read(name: str, columns: Columns, edges: Sequence[int], first: int, stop: int) -> Batch:
    """Read rows, of all groups in which some of them are."""
    from_group, to_group = int(np.searchsorted(edges, first, "right")) - 1, int(np.searchsorted(edges, stop))
    with _opened(name) as table:
        if table.edges != edges:
            got, remedy = f"{table.edges[-1]} rows in others", "it changed after it was opened; open it again"
            raise DataError(name, f"{edges[-1]} rows in the same groups", got, remedy)
        rows = table.read(range(from_group, to_group), columns.names)
    return _batch(name, rows.slice(first - edges[from_group], stop - first), columns)


@frozen(eq=False)
class Table:
    """Hold an open file: the row numbers between which its groups lie, its schema, and how to read groups."""

    edges: tuple[int, ...]
    schema: Any
    read: Callable[[range, list[str]], Any]


@contextmanager
def _opened(name: str) -> Iterator[Table]:
    with opened(name, DataError):  # Arrow would wait for the writer of a pipe
        pyarrow = _pyarrow("pyarrow")
        try:
            with _arrow(name) if name.endswith(ARROW) else _parquet(name) as table:
                yield table
        except pyarrow.ArrowException as error:
            remedy = "get the file again; Arrow files end in .arrow"
            raise DataError(name, "a Parquet or Arrow file", quoted(str(error)), remedy) from error


@contextmanager
def _parquet(name: str) -> Iterator[Table]:
    with _pyarrow("pyarrow.parquet").ParquetFile(name) as file:
        sizes = (file.metadata.row_group(group).num_rows for group in range(file.num_row_groups))
        edges = (0, *accumulate(sizes))
        # On this thread alone: the processors are for training.
        read = partial(file.read_row_groups, use_threads=False)
        yield Table(edges, file.schema_arrow, lambda groups, names: read([*groups], columns=names))


@contextmanager
def _arrow(name: str) -> Iterator[Table]:
    pyarrow = _pyarrow("pyarrow")
    # Mapped to find the groups' sizes without reading them, and unmapped when it is closed.
    with pyarrow.memory_map(name) as source, pyarrow.ipc.open_file(source) as file:
        sizes = (file.get_batch(group).num_rows for group in range(file.num_record_batches))
        edges = (0, *accumulate(sizes))

        def read(groups: range, names: list[str]) -> Any:
            return pyarrow.Table.from_batches(map(file.get_batch, groups), file.schema).select(names)

        yield Table(edges, file.schema, read)


def _batch(name: str, table: Any, columns: Columns) -> Batch:
    arrays = [_array(name, column, table.column(column)) for column in columns.inputs]
    wide = len(arrays) == 1 and arrays[0].ndim == 2
    if not wide and any(array.ndim == 2 for array in arrays):
        raise DataError(name, "one column of lists, or columns of numbers", "both", "name one column of lists alone")
    inputs = np.empty((len(table), arrays[0].shape[1] if wide else len(arrays)), columns.dtype)
    for place, array in enumerate(arrays):
        inputs[:, slice(None) if wide else place] = array
    targets = _array(name, columns.targets, table.column(columns.targets))
    weights = (_array(name, columns.weights, table.column(columns.weights)),) if columns.weights else ()
    return Batch(inputs, targets, *weights)


def _array(name: str, column: str, values: Any) -> NDArray[Any]:
    """Return a column of numbers, or of lists of numbers of a fixed size."""
    pyarrow, missing = _pyarrow("pyarrow"), values.null_count
    width: tuple[int, ...] = ()
    if pyarrow.types.is_fixed_size_list(values.type):
        width, inner = (values.type.list_size,), values.type.value_type
        values = pyarrow.chunked_array([chunk.flatten() for chunk in values.chunks], inner)
    types, kind = pyarrow.types, values.type
    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
        remedy = "convert it, or encode its categories as numbers"
        raise DtypeError(f"{name}: {column}", "numbers, or lists of them of a fixed size", kind, remedy)
    if missing or values.null_count:
        got, remedy = f"{missing or values.null_count} missing", "fill them, or leave out those rows"
        raise DataError(f"{name}: {column}", "a value in each row", got, remedy)
    array: NDArray[Any] = values.to_numpy()
    return array.reshape(-1, *width)


def _pyarrow(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingDependencyError.of("table_shards", "pyarrow", error, "pip install 'fnmlp[parquet]'") from error
