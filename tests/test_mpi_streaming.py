"""Files that ranks read together: each its own, and any number of ranks trains on the same batches."""

from collections.abc import Callable
from functools import partial, reduce
from itertools import islice
from pathlib import Path
from typing import Any

from click.testing import CliRunner
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.data import Shard, ShardedData
from fnmlp.interop import mpi
from large import main as large_main
from tests.mpi_bits import MODELS, OPTIMIZERS, data_of, digest, start_of
from tests.mpi_processes import run_on_ranks
from tests.ranks import on_ranks

SIZES = 10, 13, 9, 11, 10, 14
MODEL, OPTIMIZER = MODELS["deep"], OPTIMIZERS["adam"]


def files(*, weighted: bool = False) -> tuple[ShardedData, list[str]]:
    """Return a data set of six files, and the list of the names that are read."""
    rows, seen, ends = data_of(sum(SIZES), weighted=weighted), list[str](), np.cumsum(SIZES)

    def read(name: str, begin: int, first: int, stop: int) -> fn.Batch:
        seen.append(name)
        return rows[begin + first : begin + stop]

    shards = (
        Shard(name, rows=size, like=rows[:0], read=partial(read, name, int(end) - size))
        for name, size, end in zip("abcdef", SIZES, ends, strict=True)
    )
    return ShardedData(shards), seen


def trained(data: ShardedData, comm: Any, *, state: Any = None, start: int = 0, stop: int = 9) -> fn.TrainState:
    """Train for an epoch, or for a part of it."""
    every = mpi.parallel_stream(data, size=12, key=fn.Key(3), epoch=1, start=start, shards=4, window=64, comm=comm)
    step = partial(mpi.parallel_step, MODEL, fn.cross_entropy, OPTIMIZER, shards=4, comm=comm)
    return reduce(step, islice(every, stop), start_of(MODEL, OPTIMIZER) if state is None else state)


@pytest.mark.parametrize("weighted", [False, True])
def test_any_number_of_ranks_trains_on_the_same_rows_of_files(weighted: bool) -> None:
    data, _ = files(weighted=weighted)
    alone = trained(data, None)
    assert alone.step == 9 // 3
    for ranks in (1, 2, 3, 4):
        assert {digest(state) for state in on_ranks(ranks, partial(trained, data))} == {digest(alone)}


def test_an_epoch_over_files_continues_on_another_number_of_ranks() -> None:
    data, _ = files()
    [before, *_] = on_ranks(3, partial(trained, data, stop=1))
    [after, _] = on_ranks(2, partial(trained, data, state=before, start=1))
    assert digest(after) == digest(trained(data, None))
    assert trained(data, None, start=99).step == 0


def test_each_rank_reads_its_own_files_alone() -> None:
    def read(comm: Any) -> set[str]:
        data, seen = files()
        list(mpi.parallel_stream(data, size=12, key=fn.Key(3), epoch=0, shards=4, window=64, comm=comm))
        return set(seen)

    assert on_ranks(2, read) == [set("abef"), set("cd")]


REFUSED: dict[str, tuple[Callable[[ShardedData], Any], type[Exception], str]] = {
    "a batch that shards can't share": (
        lambda data: mpi.parallel_stream(data, size=10, key=fn.Key(0), epoch=0, shards=4),
        fn.OptionError,
        "a multiple of shards, 4, got 10; choose 12",
    ),
    "fewer files than shards": (
        lambda data: mpi.parallel_stream(data, size=8, key=fn.Key(0), epoch=0),
        fn.DataError,
        "at least 8 files, one for each shard, got 6",
    ),
    "parts shorter than a batch": (
        lambda data: mpi.parallel_stream(data, size=4 * 12, key=fn.Key(0), epoch=0, shards=4),
        fn.DataError,
        "at least 12 rows in each of 4 parts, got 9 in the smallest",
    ),
    "data in memory": (
        lambda _: mpi.parallel_stream(data_of(4), size=4, key=fn.Key(0), epoch=0),  # type: ignore[arg-type]
        fn.StructureError,
        "ShardedData",
    ),
}


@pytest.mark.parametrize(("call", "kind", "text"), REFUSED.values(), ids=REFUSED)
def test_misuse_of_files_is_refused(call: Callable[[ShardedData], Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        call(files()[0])


def test_the_example_trains_on_files_and_ranks_end_with_the_bits_of_one(tmp_path: Path) -> None:
    said = CliRunner().invoke(large_main, [str(tmp_path / "new"), "--write-digits", "8", "--epochs", "1"])
    assert said.exit_code == 0, said.output
    assert said.output.splitlines()[-1].startswith("1,438 rows in 8 files, sha ")
    assert "44 steps" in said.output
    done = run_on_ranks(2, "examples/large.py", str(tmp_path / "new"), "--epochs", "1", "--parallel")
    assert done.stdout == said.output, done.stderr


def test_the_example_refuses_folders_that_it_can_not_use(tmp_path: Path) -> None:
    for words, text in ((["--write-digits", "3"], "needs a new folder"), ([], "expected files x*.npy and y*.npy")):
        said = CliRunner().invoke(large_main, [str(tmp_path), *words])
        assert said.exit_code != 0
        assert text in said.output + str(said.exception)
    assert list(tmp_path.iterdir()) == []
