"""Shards: opened by their headers alone, read in parts, and refused with the name of the file."""

from collections.abc import Callable
import os
from pathlib import Path
import pickle
from typing import Any

import numpy as np
import pytest

from fnmlp.batching import Batch
from fnmlp.data import Shard, ShardedData, array_shards, split_by_rank, stream_batches, write_idx
from fnmlp.data.shards import read_rows
from fnmlp.errors import DataError, DtypeError, FnmlpError, OptionError, ShapeError, one_line
from fnmlp.key import Key

SIZES = 70, 130, 90


def written(folder: Path, kind: str = "npy", dtype: str = "float32") -> tuple[list[str], list[str]]:
    """Write shards whose rows hold their own number, and return the paths of inputs and targets."""
    rows = np.split(np.arange(sum(SIZES)), np.cumsum(SIZES)[:-1])
    save: Callable[[str, Any], None] = np.save if kind == "npy" else write_idx
    names = [(f"{folder}/x{i}.{kind}", f"{folder}/y{i}.{kind}") for i in range(len(rows))]
    for (x, y), numbers in zip(names, rows, strict=True):
        save(x, np.repeat(numbers[:, None], 3, axis=1).astype(dtype))
        save(y, numbers.astype(np.int32))
    return [x for x, _ in names], [y for _, y in names]


@pytest.mark.parametrize(("kind", "dtype"), [("npy", "float32"), ("npy", ">f8"), ("idx", "float32"), ("idx", "int16")])
def test_files_of_arrays_are_streamed_row_by_row_and_stay_closed(tmp_path: Path, kind: str, dtype: str) -> None:
    data = array_shards(*written(tmp_path, kind, dtype), block=8)
    seen = [*stream_batches(data, size=32, key=Key(0), epoch=0, window=64)]
    numbers = np.concatenate([batch.targets for batch in seen])
    assert sorted(numbers.tolist()) == list(range(sum(SIZES)))
    inputs = np.concatenate([batch.inputs for batch in seen])
    assert inputs.dtype == np.dtype(dtype).newbyteorder("=")
    assert np.array_equal(inputs, np.repeat(numbers[:, None], 3, axis=1))
    if os.path.exists("/proc/self/fd"):
        opened = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
        assert not [place for place in opened if str(tmp_path) in place]
        assert str(tmp_path) not in Path("/proc/self/maps").read_text(encoding="utf-8")


def test_a_data_set_is_a_value_that_survives_pickling(tmp_path: Path) -> None:
    inputs, targets = written(tmp_path)
    data = array_shards(inputs, targets, weights=[_saved(tmp_path, f"w{n}", np.ones(n, "f4")) for n in SIZES])
    again: ShardedData = pickle.loads(pickle.dumps(data))  # noqa: S301 (our own bytes)
    assert (len(again), [shard.starts for shard in again.shards]) == (290, [range(0, n, 64) for n in SIZES])
    first, second = (next(stream_batches(each, size=9, key=Key(0), epoch=0)) for each in (data, again))
    assert np.array_equal(first.targets, second.targets)
    assert np.asarray(second.weights).tolist() == [1.0] * 9
    assert read_rows(again.shards[2], 88, 90).targets.tolist() == [288, 289]


def _saved(folder: Path, name: str, array: Any) -> str:
    np.save(f"{folder}/{name}.npy", array)
    return f"{folder}/{name}.npy"


def _bytes(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return f"{folder}/{name}"


WRONG: dict[str, tuple[Callable[[Path], str], str]] = {
    "longer labels": (lambda folder: _saved(folder, "y", np.zeros(71)), "y.npy: expected 70 rows of targets"),
    "a number": (lambda folder: _saved(folder, "y", np.zeros(())), "y.npy: expected an array of rows"),
    "objects": (lambda folder: _saved(folder, "y", np.array([None] * 70)), "y.npy: expected numbers"),
    "text": (lambda folder: _saved(folder, "y", np.array(["a"] * 70)), "targets: expected integers"),
    "columns": (lambda folder: _saved(folder, "y", np.zeros((70, 2), order="F")), "y.npy: expected rows one after"),
    "missing": (lambda folder: f"{folder}/y.npy", "y.npy: expected a file, got none"),
    "a folder": (str, "expected a file that can be read"),
    "packed": (lambda folder: f"{folder}/y.npy.gz", "unpack it with gunzip"),
    "no .npy": (lambda folder: _bytes(folder, "y.npy", b"age,height"), "y.npy: expected a .npy file"),
    "empty .npy": (lambda folder: _bytes(folder, "y.npy", b""), "y.npy: expected a .npy file"),
    "no IDX": (lambda folder: _bytes(folder, "y", b"age,height"), "y, byte 0: expected two zero bytes"),
    "short": (lambda folder: _bytes(folder, "y.npy", _of(np.zeros(70))[:-1]), "y.npy: expected 688 bytes in all"),
}


def _of(array: Any) -> bytes:
    from io import BytesIO

    file = BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_named_in_one_line_before_a_row_is_read(tmp_path: Path, case: str) -> None:
    make, message = WRONG[case]
    inputs, _ = written(tmp_path)
    with pytest.raises(FnmlpError) as caught:
        array_shards(inputs[0], make(tmp_path))
    assert message in one_line(caught.value)


def test_shards_that_differ_are_refused_by_name(tmp_path: Path) -> None:
    (x, *_), (y, *_) = written(tmp_path)
    wide, whole = _saved(tmp_path, "wide", np.zeros((70, 4), "f4")), _saved(tmp_path, "whole", np.zeros((70, 3), "i4"))
    with pytest.raises(ShapeError, match=r"wide.npy: expected inputs of shape \(3,\), as in .*x0.npy, got \(4,\)"):
        array_shards([x, wide], [y, y])
    with pytest.raises(DtypeError, match=r"whole.npy: expected inputs of float32, as in .*x0.npy, got int32"):
        array_shards([x, whole], [y, y])
    with pytest.raises(DataError, match="files in pairs, got 1 of inputs and 2 of targets"):
        array_shards([x], [y, y])
    with pytest.raises(DataError, match="at least one shard, got none"):
        array_shards([], [])
    with pytest.raises(DataError, match=r"none.npy: expected at least one row"):
        array_shards(_saved(tmp_path, "none", np.zeros((0, 3))), _saved(tmp_path, "no", np.zeros(0)))


def test_a_file_that_became_shorter_is_named_by_the_batch_that_needs_it(tmp_path: Path) -> None:
    inputs, targets = written(tmp_path)
    data = array_shards(inputs, targets)
    os.truncate(targets[1], 200)
    with pytest.raises(DataError, match=r"y1.npy: expected \d+ rows, got the end after \d+"):
        list(stream_batches(data, size=32, key=Key(0), epoch=0))
    os.unlink(inputs[2])
    with pytest.raises(DataError, match=r"x2.npy: expected a file, got none"):
        read_rows(data.shards[2], 0, 1)


ROWS = Batch(np.zeros((8, 2)), np.arange(8))
WEIGHED = Batch(ROWS.inputs, ROWS.targets, np.ones(8))


def shard(rows: Any = 8, data: Batch = ROWS, **given: Any) -> Shard:
    """Make a shard in memory."""
    options: dict[str, Any] = {"like": data[:0], "read": lambda first, stop: data[first:stop], **given}
    return Shard("eight", rows=rows, **options)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: shard(rows=0), "eight: expected at least one row"),
        (lambda: shard(like=ROWS), "eight: like: expected a batch of no rows"),
        (lambda: shard(like=Batch(np.zeros((0, 2), "f2"), np.zeros(0))), "eight: inputs: expected integers"),
        (lambda: shard(starts=(0, 5, 5)), "eight: starts: expected rows that rise from 0 to below 8, got 0, 5, 5"),
        (lambda: shard(starts=(1, 5)), "eight: starts"),
        (lambda: shard(starts=range(0, 10, 4)), "eight: starts"),
        (lambda: ShardedData([shard(), shard(data=WEIGHED)]), "eight: expected rows without weights"),
        (lambda: read_rows(shard(read=lambda *_: ROWS), 0, 3), "eight: expected 3 rows from row 0, got 8"),
        (
            lambda: read_rows(shard(read=lambda *_: WEIGHED), 0, 8),
            "eight: expected rows without weights, got rows with",
        ),
        (
            lambda: split_by_rank(ShardedData([shard()]), rank=0, ranks=2),
            "at least one shard for each rank, got 1 for 2",
        ),
        (lambda: split_by_rank(ShardedData([shard()]), rank=1, ranks=1), "a rank from 0 to 0, got 1"),
    ],
)
def test_a_shard_that_is_not_what_it_says_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(FnmlpError) as caught:
        make()
    assert message in one_line(caught.value)


def test_arrays_of_another_library_are_refused_as_the_form_of_a_shard() -> None:
    torch = pytest.importorskip("torch", reason="its tensors are no arrays of NumPy's")
    with pytest.raises(DtypeError, match="eight: inputs: expected an array of NumPy, got Tensor"):
        shard(like=Batch(torch.zeros(0, 2), torch.zeros(0)))
    tensors = torch.zeros(2, 2, dtype=torch.float64), torch.zeros(2, dtype=torch.int64)
    assert isinstance(read_rows(shard(read=lambda *_: tensors), 0, 2).inputs, np.ndarray)


def test_every_shard_goes_to_one_rank() -> None:
    data = ShardedData(shard(rows=rows) for rows in range(1, 8))
    parts = [split_by_rank(data, rank=rank, ranks=3).shards for rank in range(3)]
    assert sorted(each.rows for part in parts for each in part) == list(range(1, 8))
    with pytest.raises(OptionError):
        split_by_rank(data, rank=-1, ranks=3)
