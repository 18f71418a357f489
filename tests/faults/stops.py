"""Trials of a trainer that is stopped at random instants and resumed until it is done."""

from collections.abc import Callable, Iterator
from functools import partial
import os
from pathlib import Path
import signal
from time import perf_counter, sleep
from typing import Any

from attrs import evolve, frozen

import fnmlp as fn
from fnmlp.key import Key, fold_in, generator
from tests.faults.processes import new_folder, result, start, strays, wait

EVERY = 2
"""Steps between saves. With so few, most of the time goes into saving, where a stop could do harm."""

STATUS = {signal.SIGKILL: -signal.SIGKILL, signal.SIGINT: 130, signal.SIGTERM: 143}


@frozen
class Report:
    """The outcomes of stops; all counts but the first three must be 0.

    `stops`       processes that were stopped.
    `runs`        runs that were resumed until they ended.
    `in_save`     stops in the middle of a save: they left a temporary file.
    `unreadable`  checkpoints that could not be read after a stop.
    `too_many`    stops that left more than one temporary file.
    `wrong`       processes that ended with another status than the signal's.
    `different`   runs that ended with other bits than an uninterrupted one.
    """

    stops: int = 0
    runs: int = 0
    in_save: int = 0
    unreadable: int = 0
    too_many: int = 0
    wrong: int = 0
    different: int = 0


def stop_often(program: Any, number: signal.Signals, trials: int, seed: int, engine: str = "numpy") -> Iterator[Report]:
    """Stop the trainer at random instants, resume it until it ends, and compare it with one that was not stopped.

    Yields the report after each run; the last one is whole.
    """
    running = partial(start, program, every=EVERY, engine=engine)
    return stop_and_resume(running, result, number, trials, seed, wait_for_save=engine == "jax")


def stop_and_resume(
    running: Callable[[Path], int],
    outcome: Callable[[Path], object],
    number: signal.Signals,
    trials: int,
    seed: int,
    *,
    wait_for_save: bool = False,
) -> Iterator[Report]:
    """Stop runs at random instants, resume each until it ends, and compare its outcome with an uninterrupted one's.

    Yields the report after each run; the last one is whole.

    `running` starts or resumes a run in a folder, in a process whose id it returns. With `wait_for_save`, nothing is
    stopped before the first save usually comes.
    """
    for _ in range(2):  # the first run also fills a compiler's cache
        with new_folder() as folder:
            began, process = perf_counter(), running(folder)
            while wait_for_save and not (folder / "checkpoint").exists() and perf_counter() - began < 600:
                sleep(0.01)  # most of the time it compiles, with nothing to lose
            earliest = perf_counter() - began
            assert wait(process) == 0, (folder / "errors").read_text()
            longest, whole = perf_counter() - began, outcome(folder)
    yield (report := Report())
    while report.stops < trials:
        with new_folder() as folder:
            ended = False
            while not ended:
                key = fold_in(fold_in(Key(seed), report.runs), report.stops)
                delay = earliest + (longest - earliest) * float(generator(key).random())
                report, ended = _stop_once(running, folder, number, delay, report)
            same = outcome(folder) == whole
        report = evolve(report, runs=report.runs + 1, different=report.different + (not same))
        yield report


def _stop_once(
    running: Callable[[Path], int], folder: Path, number: signal.Signals, delay: float, report: Report
) -> tuple[Report, bool]:
    """Start or resume a run, and stop it after a while; tell whether it had ended before."""
    process = running(folder)
    sleep(delay)
    os.kill(process, number)
    status = wait(process)
    if status == 0:
        return report, True
    left = strays(folder)
    return evolve(
        report,
        stops=report.stops + 1,
        in_save=report.in_save + (left > 0),
        unreadable=report.unreadable + (not _readable(folder / "checkpoint")),
        too_many=report.too_many + (left > 1),
        wrong=report.wrong + (status != STATUS[number]),
    ), False


def _readable(path: Path) -> bool:
    """Tell whether a checkpoint is whole, or not there yet."""
    try:
        return not path.exists() or bool(fn.load(path).leaves)
    except fn.CheckpointError:
        return False
