"""Trials of the trainer on several ranks, one of which is killed or frozen: all must end, and the run resume."""

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
from time import perf_counter, sleep
from typing import Any

from attrs import evolve, frozen
import numpy as np

import fnmlp as fn
from fnmlp.key import Key, fold_in, generator
from tests.data_sets import made_up, write_set
from tests.faults.processes import PROGRAM, files_in, new_folder, result, strays
from tests.mpi_processes import environment, mpiexec

RUN = ("train", "--dataset", "mnist", "--recipe", "fast", "--hidden", "16", "--batch-size", "32", "--epochs", "60")
NOISE = ("--dropout", "0.1", "0.1", "--average", "0.9", "--parallel", "--shards", "4", "--checkpoint-every", "3")
RANKS = (2, 3)
ROWS = 256
LIMIT = 10.0
"""Seconds within which all must have ended."""
SHARE = 0.3
"""The longest time before a fault, as a share of that of all steps."""


@frozen
class Report:
    """The outcomes of faults; all counts but the first four must be 0.

    `faults`      ranks that were killed or frozen.
    `runs`        runs that were resumed until they ended, each time on another number of ranks.
    `in_save`     faults in the middle of a save: they left a temporary file.
    `longest`     the longest time from a fault to the end of all, in seconds.
    `late`        ends that took longer than ten seconds.
    `wrong`       ends with the status 0.
    `speechless`  ends without a line that says why.
    `repeated`    ends with more than one line of the trainer's.
    `left`        ends that left a rank behind.
    `unreadable`  checkpoints that could not be read afterwards.
    `too_many`    ends that left more than one temporary file.
    `different`   runs that ended with other bits than an uninterrupted one on one rank.
    """

    faults: int = 0
    runs: int = 0
    in_save: int = 0
    longest: float = 0.0
    late: int = 0
    wrong: int = 0
    speechless: int = 0
    repeated: int = 0
    left: int = 0
    unreadable: int = 0
    too_many: int = 0
    different: int = 0


def data_in(folder: Path) -> Path:
    """Write a small data set of noise."""
    arrays = made_up(rows=ROWS)
    images = next(iter(arrays))
    noise = generator(Key(5)).integers(0, 256, arrays[images].shape, np.uint8)
    return write_set(folder / "data", {**arrays, images: noise})


@contextmanager
def running(data: Path, folder: Path, ranks: int) -> Iterator["subprocess.Popen[str]"]:
    """Start or resume a run on some ranks."""
    command = mpiexec(ranks, str(PROGRAM), *RUN, *NOISE, "--data-dir", str(data), *files_in(folder), "--resume")
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment(), stdout=pipe, stderr=pipe, text=True, errors="replace") as process:
        yield process


def ranks_of(process: int) -> list[int]:
    """Return the processes below one that have none below themselves: the ranks, in their order."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [rank for child in children for rank in ranks_of(int(child)) or [int(child)]]


def fault_ranks(number: signal.Signals, trials: int, seed: int) -> Iterator[Report]:
    """Kill or freeze a random rank at a random instant, and resume on other ranks until the run ends.

    Yields the report after each fault and each run; the last one is whole.
    """
    report = Report()
    with new_folder() as place:
        data = data_in(place)
        lasts, whole = _uninterrupted(data)
        while report.faults < trials:
            with new_folder() as folder:
                ended = False
                while not ended:
                    draw = generator(fold_in(fold_in(Key(seed), report.runs), report.faults))
                    report, ended = _fault_once(data, folder, number, lasts, draw, report)
                    yield report
                same = result(folder) == whole
            report = evolve(report, runs=report.runs + 1, different=report.different + (not same))
            yield report


def _uninterrupted(data: Path) -> tuple[float, object]:
    """Return how long the steps of a run on three ranks take, in seconds, and the outcome of one on one rank."""
    (_, whole), (lasts, _) = (_once(data, ranks) for ranks in (1, 3))
    return lasts, whole


def _once(data: Path, ranks: int) -> tuple[float, object]:
    with new_folder() as folder, running(data, folder, ranks) as process:
        assert process.stdout is not None
        process.stdout.readline()
        began = perf_counter()
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        return perf_counter() - began, result(folder)


def _fault_once(
    data: Path, folder: Path, number: signal.Signals, lasts: float, draw: Any, report: Report
) -> tuple[Report, bool]:
    """Start or resume a run, and let one rank fail after a while; tell whether the run had ended before."""
    count = int(draw.choice(RANKS))
    with running(data, folder, count) as process:
        assert process.stdout is not None
        while len(ranks := ranks_of(process.pid)) < count and process.poll() is None:
            sleep(0.01)
        early = number == signal.SIGKILL and draw.random() < 0.2  # before MPI begins, nobody hears heartbeats
        if early:
            sleep(SHARE * lasts * float(draw.random()))
        else:
            process.stdout.readline()
            sleep(SHARE * lasts * float(draw.random()))
        chosen = ranks[int(draw.integers(len(ranks)))] if ranks else 0
        if process.poll() is not None or not _sent(chosen, number):
            process.communicate()
            return report, process.returncode == 0
        began = perf_counter()
        errors = _errors_at_end(process, chosen, ranks)
        took = perf_counter() - began
    if process.returncode == 0 and (folder / "model").exists():  # the rank had done its part
        return report, True
    said = [line for line in errors.splitlines() if line.strip("\0 ").startswith("error: ")]  # mpiexec may add these
    speechless = not said and not re.search(r"(?i)signal:? 9|killed|alarm", errors)
    if speechless or len(said) > 1:
        sys.stderr.write(f"rank {ranks.index(chosen)} of {count}: {errors!r}\n")
    left = strays(folder)
    return evolve(
        report,
        faults=report.faults + 1,
        longest=max(report.longest, round(took, 1)),
        in_save=report.in_save + (left > 0),
        late=report.late + (took > LIMIT),
        wrong=report.wrong + (process.returncode == 0),
        speechless=report.speechless + speechless,
        repeated=report.repeated + (len(said) > 1),
        left=report.left + any(map(_is_there, ranks)),
        unreadable=report.unreadable + (not _readable(folder / "checkpoint")),
        too_many=report.too_many + (left > 1),
    ), False


def _errors_at_end(process: "subprocess.Popen[str]", chosen: int, ranks: list[int]) -> str:
    """Wait for the end of all, and return what was written to stderr.

    If a rank is frozen when it has left MPI, only mpiexec waits for it; it is woken.
    """
    try:
        return process.communicate(timeout=LIMIT)[1]
    except subprocess.TimeoutExpired:
        if not any(_sent(rank, 0) for rank in ranks if rank != chosen):
            _sent(chosen, signal.SIGCONT)
        return process.communicate()[1]


def _sent(process: int, number: int) -> bool:
    try:
        os.kill(process, number)
    except ProcessLookupError:
        return False
    return True


def _is_there(process: int) -> bool:
    """Tell whether a process is still there after a while."""
    for _ in range(100):
        if not _sent(process, 0):
            return False
        sleep(0.05)
    return True


def _readable(path: Path) -> bool:
    """Tell whether a checkpoint is whole, or not there yet."""
    try:
        return not path.exists() or bool(fn.load(path).leaves)
    except fn.CheckpointError:
        return False
