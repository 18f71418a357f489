"""Claims about signals to `examples/mnist.py train` outside of steps: it ends, and loses nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import signal
import subprocess
import sys
from typing import Any

import pytest

from command_line import signals_noted
import fnmlp as fn
from tests.faults.processes import repeatable
from tests.trainer import PROGRAM, SMALL, command, succeed

# A shell that starts programs in the background may have told them to ignore Ctrl-C.
START = f"""
import os, runpy, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {str(PROGRAM.parent)!r})
def last_for_ever(*_, **__):
    print("begun", flush=True)
    while True:
        time.sleep(0.01)
{{prelude}}
runpy.run_path(sys.argv.pop(0) and sys.argv[0], run_name="__main__")
"""
LONG_READING = "import fnmlp.data; fnmlp.data.digits = last_for_ever"
LONG_WARPS = "import fnmlp.augmentation; fnmlp.augmentation.random_warps = last_for_ever"
LONG_EVALUATION = "import fnmlp; fnmlp.predict = last_for_ever"
STOP_AT_ONCE = """
from contextlib import closing
enter = closing.__enter__
closing.__enter__ = lambda self: os.kill(os.getpid(), signal.SIGTERM) or enter(self)
"""
LONG_SAVING = """
sync, seen = os.fsync, []
def fsync(handle):
    seen.append(handle)
    last_for_ever() if len(seen) > 4 else sync(handle)  # two for each file: its own and that of its folder
os.fsync = fsync
"""
RUN = (*SMALL, "--recipe", "fast", "--dropout", 0.1, 0.1)


@contextmanager
def running(prelude: str, home: Path, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """Run the trainer with one function that never returns."""
    line, variables = command(home, "train", *RUN, *arguments)
    program = [sys.executable, "-c", START.format(prelude=prelude), *line[1:]]
    pipe = subprocess.PIPE
    with subprocess.Popen(program, env=variables, stdout=pipe, stderr=pipe, text=True) as process:
        yield process


def wait_for_long(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    while (line := process.stdout.readline()) != "begun\n":
        assert line


@pytest.mark.parametrize(
    ("number", "said", "status"), [(signal.SIGINT, "interrupted", 130), (signal.SIGTERM, "terminated", 143)]
)
def test_a_run_that_reads_its_data_ends_at_once(number: int, said: str, status: int, tmp_path: Path) -> None:
    with running(LONG_READING, tmp_path, "--checkpoint", tmp_path / "checkpoint") as process:
        wait_for_long(process)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err.lstrip()) == (status, f"error: {said}\n")  # after the line of "^C"
    assert not (tmp_path / "checkpoint").exists()


def test_a_run_that_draws_its_warps_ends_with_nothing_to_save(tmp_path: Path) -> None:
    with running(LONG_WARPS, tmp_path, "--warp", 1, "--checkpoint", tmp_path / "checkpoint") as process:
        wait_for_long(process)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (143, "error: interrupted at step 0\n")
    assert not (tmp_path / "checkpoint").exists()


def test_a_run_that_evaluates_saves_the_step_before_and_goes_on_from_it(tmp_path: Path) -> None:
    options = ("--validation", 0.2, "--checkpoint", tmp_path / "checkpoint", "--history", tmp_path / "history")
    with running(LONG_EVALUATION, tmp_path, *options) as process:
        wait_for_long(process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    saved = f"; continue from {tmp_path / 'checkpoint'} with --resume"
    assert (process.returncode, err) == (130, f"error: interrupted at step 5{saved}\n")
    assert fn.load(tmp_path / "checkpoint").leaves["[0].step"] == 5
    succeed(tmp_path, "train", *RUN, *options, "--resume")
    whole = (*options[:2], "--history", tmp_path / "whole")
    succeed(tmp_path, "train", *RUN, *whole)
    assert repeatable(tmp_path / "history") == repeatable(tmp_path / "whole")


def test_a_run_that_is_stopped_before_it_begins_ends_like_any_other(tmp_path: Path) -> None:
    with running(STOP_AT_ONCE, tmp_path, "--checkpoint", tmp_path / "checkpoint") as process:
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (143, "error: interrupted at step 0\n")


def test_a_second_signal_in_a_save_that_lasts_leaves_the_earlier_checkpoint(tmp_path: Path) -> None:
    options = ("--checkpoint", tmp_path / "checkpoint", "--checkpoint-every", 3)
    with running(LONG_SAVING, tmp_path, *options) as process:
        for number in (signal.SIGTERM, signal.SIGINT):
            wait_for_long(process)
            process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err.count("\n")) == (143, 1)
    assert fn.load(tmp_path / "checkpoint").leaves["[0].step"] == 6
    assert os.listdir(tmp_path) == ["checkpoint"]


def handlers() -> list[Any]:
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]


def test_a_loop_that_asks_is_told_to_stop_and_may_then_take_its_time() -> None:
    before = handlers()
    with signals_noted() as (received, going_on):
        assert going_on(0)
        os.kill(os.getpid(), signal.SIGTERM)
        assert not going_on(0)
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
        assert received == [signal.SIGTERM]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    assert handlers() == before


def wait_for_ever() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    while True:
        signal.pause()


def test_a_loop_that_does_not_ask_whether_to_go_on_is_ended_by_the_clock() -> None:
    with signals_noted() as (received, _):
        with pytest.raises(KeyboardInterrupt):
            wait_for_ever()
        assert received == [signal.SIGTERM, signal.SIGALRM]


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with signals_noted() as (received, _):
            os.kill(os.getpid(), signal.SIGINT)
            assert received == []
    finally:
        signal.signal(signal.SIGINT, before)
