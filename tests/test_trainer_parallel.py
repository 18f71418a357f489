"""Claims about `examples/mnist.py train --parallel`: any number of ranks gives one file, and all ranks end together."""

from collections.abc import Iterator
import os
from pathlib import Path
import re
import shutil
import signal
import subprocess
import sys

import pytest
from threadpoolctl import threadpool_limits

from engines import parallel_engine_of
import fnmlp as fn
from parallel_ranks import check_same, shared_out
from sweep import sweep
from tests.faults.processes import repeatable
from tests.faults.ranks import data_in, ranks_of
from tests.mpi_processes import environment, mpiexec
from tests.ranks import Exchange, Rank
from tests.ranks import on_ranks as threads
from tests.trainer import PROGRAM, SMALL, Done, command, run, succeed
from tests.trainer import environment as away

DATA = ("--dataset", "mnist", "--hidden", 8, "--batch-size", 96)
PARALLEL = (*DATA, "--recipe", "fast", "--epochs", 2, "--mirror", "--dropout", 0.1, 0.1, "--members", 2)
HANG = 120
"""Seconds after which a run counts as one that hangs."""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Let this process compute with one BLAS thread, as the ranks do."""
    with threadpool_limits(1, "blas"):
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[object, ...]:
    """Return the options that choose a few small images of noise."""
    return "--data-dir", data_in(tmp_path_factory.mktemp("data"))


@pytest.fixture
def one_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let --parallel find a single rank, in this process."""
    monkeypatch.setattr("fnmlp.interop.mpi.world", lambda: Rank(Exchange(1), 0))


def on_ranks(ranks: int, home: Path, *arguments: object) -> Done:
    """Run the program on some ranks, and return the errors that are its own, not mpiexec's."""
    line, variables = mpiexec(ranks, str(PROGRAM), *map(str, arguments)), environment() | away(home)
    done = subprocess.run(line, env=variables, capture_output=True, text=True, timeout=HANG, check=False)
    return Done(done.returncode, done.stdout, errors_of(done.stderr))


def errors_of(text: str) -> str:
    """Return the lines of the program's errors."""
    return "".join(found + "\n" for found in re.findall(r"^[\0 ]*(error: .*)$", text, re.MULTILINE))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, data: tuple[object, ...]) -> Path:
    """Return a folder with a run on one rank, and with the checkpoints that it wrote on the way."""
    folder = tmp_path_factory.mktemp("alone")
    files = ("--history", folder / "history", "--output", folder / "model", "--tensorboard", folder / "events")
    saved = ("--checkpoint", folder / "run", "--checkpoint-every", 4, "--checkpoint-keep", 9)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fnmlp.interop.mpi.world", lambda: Rank(Exchange(1), 0))
        succeed(folder, "train", *data, *PARALLEL, "--parallel", *files, *saved, "--report", folder / "page.html")
    return folder


def test_a_run_goes_on_with_three_ranks_and_the_bits_of_one_and_rank_0_alone_prints(
    alone: Path, data: tuple[object, ...], tmp_path: Path
) -> None:
    shutil.copy(alone / "run.2", tmp_path / "run")
    files = ("--history", tmp_path / "history", "--output", tmp_path / "model", "--report", tmp_path / "page.html")
    saved = ("--checkpoint", tmp_path / "run", "--resume", "--parallel")
    done = on_ranks(3, tmp_path, "train", *data, *PARALLEL, *files, *saved)
    assert (done.status, done.err) == (0, "")
    assert done.out.count("resumed from") == 1
    assert "differ" not in done.out
    assert (tmp_path / "model").read_bytes() == (alone / "model").read_bytes()
    assert repeatable(tmp_path / "history") == repeatable(alone / "history")
    assert sorted(os.listdir(tmp_path)) == ["history", "model", "page.html", "run"]


@pytest.mark.usefixtures("one_rank")
def test_a_run_does_not_go_on_with_other_shards(alone: Path, data: tuple[object, ...], tmp_path: Path) -> None:
    shutil.copy(alone / "run.2", tmp_path / "run")
    saved = ("--checkpoint", tmp_path / "run", "--resume")
    done = run(tmp_path, "train", *data, *PARALLEL, "--parallel", "--shards", 4, *saved)
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert "expected a run of shards 4, got 8; pass the options that it was started with" in done.err


def test_a_step_of_a_parallel_run_is_replayed_on_one_process(alone: Path, data: tuple[object, ...]) -> None:
    told = succeed(alone, "replay", alone / "run.2", "--step", 4, *data)
    assert "the parameters are bit-identical to those of the run\n" in told


def test_a_parallel_run_may_go_on_without_mpi_and_says_so(
    alone: Path, data: tuple[object, ...], tmp_path: Path
) -> None:
    shutil.copy(alone / "run.2", tmp_path / "run")
    said = succeed(tmp_path, "train", *data, *PARALLEL, "--checkpoint", tmp_path / "run", "--resume")
    assert "the run continues with --engine numpy after --parallel: rounding and random numbers differ" in said
    assert fn.load(tmp_path / "run").description["engines"] == "parallel, numpy"


@pytest.mark.parametrize("objective", ["loss", "adversarial"])
@pytest.mark.usefixtures("one_rank")
def test_objectives_are_trained_and_replayed(objective: str, data: tuple[object, ...], tmp_path: Path) -> None:
    options = (*data, *DATA, "--recipe", "fast", "--objective", objective, "--epochs", 1, "--parallel")
    succeed(tmp_path, "train", *options, "--checkpoint", tmp_path / "run")
    told = succeed(tmp_path, "replay", tmp_path / "run", "--step", 3, *data)
    assert "the parameters are bit-identical to those of the run\n" in told


@pytest.mark.usefixtures("one_rank")
def test_a_sum_over_rows_has_no_mean_over_shards(data: tuple[object, ...], tmp_path: Path) -> None:
    options = (*data, *DATA, "--recipe", "lab", "--objective", "adversarial", "--loss", "mse-sum", "--parallel")
    done = run(tmp_path, "train", *options)
    need = "--loss mse: it takes the mean of the shards of a batch"
    assert (done.status, done.err) == (2, f"error: --parallel with --objective adversarial needs {need}\n")


def test_a_run_that_diverges_ends_all_ranks_with_one_line_and_the_last_good_checkpoint(
    data: tuple[object, ...], tmp_path: Path
) -> None:
    saved = ("--parallel", "--checkpoint", tmp_path / "run", "--checkpoint-every", 1)
    done = on_ranks(2, tmp_path, "train", *data, *DATA, "--recipe", "lab", "--rate", 1e30, *saved)
    assert done.status
    assert done.err.startswith("error: step 2: [4] linear(10): expected finite outputs")
    assert done.err.count("\n") == 1
    assert fn.load(tmp_path / "run").leaves["[0].step"] == 1


LONG = ("train", *DATA, "--recipe", "lab", "--parallel", "--epochs", 100_000, "--checkpoint-every", 1)


@pytest.mark.parametrize(("number", "rank"), [(signal.SIGKILL, 1), (signal.SIGSTOP, 0)], ids=["killed", "frozen"])
def test_a_rank_that_is_gone_ends_the_others_and_the_checkpoint_is_whole(
    number: signal.Signals, rank: int, data: tuple[object, ...], tmp_path: Path
) -> None:
    line = mpiexec(2, str(PROGRAM), *map(str, (*LONG, *data)), "--checkpoint", str(tmp_path / "run"))
    variables, pipe = environment() | away(tmp_path), subprocess.PIPE
    with subprocess.Popen(line, env=variables, stdout=pipe, stderr=pipe, text=True) as running:
        assert running.stdout is not None
        next(said for said in running.stdout if said.startswith("epoch"))
        os.kill(ranks_of(running.pid)[rank], number)
        _, err = running.communicate(timeout=HANG)
    assert running.returncode
    words = {signal.SIGKILL: "error: interrupted at step ", signal.SIGSTOP: "error: rank 0 of 2 has been silent for "}
    assert errors_of(err).startswith(words[number])
    assert errors_of(err).count("\n") == 1
    assert fn.load(tmp_path / "run").leaves["[0].step"] > 0


@pytest.mark.usefixtures("one_rank")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--shards", 3), "--shards needs --parallel"),
        (("--parallel", "--engine", "jax"), "--parallel needs --engine numpy: JAX uses all processors by itself"),
        (("--parallel", "--device", "cpu:0"), "--parallel needs --engine numpy: JAX uses all processors by itself"),
    ],
)
def test_options_that_contradict_each_other_are_refused_in_one_line(
    options: tuple[object, ...], words: str, tmp_path: Path
) -> None:
    done = run(tmp_path, "train", *SMALL, *options)
    assert (done.status, done.out, done.err) == (2, "", f"error: {words}\n")


def test_without_mpi4py_the_option_says_how_to_get_it(tmp_path: Path) -> None:
    line, variables = command(tmp_path, "train", *SMALL, "--parallel")
    (tmp_path / "mpi4py").mkdir()
    (tmp_path / "mpi4py" / "__init__.py").write_text("raise ModuleNotFoundError(name='mpi4py')")
    variables["PYTHONPATH"] = str(tmp_path)
    done = subprocess.run(line, env=variables, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --parallel needs mpi4py, got no module mpi4py; pip install 'fnmlp[mpi]'")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_ranks_share_out_runs_and_get_all_results_in_order(ranks: int) -> None:
    found = threads(ranks, lambda comm: [*shared_out(comm, float, "13245")])
    assert found == [[1.0, 3.0, 2.0, 4.0, 5.0]] * ranks


@pytest.mark.usefixtures("one_rank")
def test_a_sweep_on_ranks_prints_its_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["sweep.py", "--parallel"])
    words = ["--recipe", "fast", "--vary", "hidden=4,8", "--vary", "epochs=1", "--seeds", "2", "--parallel"]
    sweep.main(words, standalone_mode=False)
    assert len(re.findall(r"^hidden=\d epochs=1  validation accuracy 0", capsys.readouterr().out, re.MULTILINE)) == 2


class Ranks:
    """A communicator whose ranks read other things."""

    size = 3

    def __init__(self, *found: str) -> None:
        self.found = found

    def allgather(self, mine: str) -> list[str]:
        return [mine, *self.found]


def test_more_ranks_than_shards_and_ranks_that_read_other_files_are_refused() -> None:
    with pytest.raises(fn.DataError, match="those of rank 0 on all ranks, got others on rank 2"):
        check_same(Ranks("a", "b"), "a")
    check_same(Ranks("a", "a"), "a")
    with pytest.raises(Exception, match="--shards 2: 3 processes need at least 3, one for each"):
        parallel_engine_of("numpy", None, shards=2, comm=Ranks())
