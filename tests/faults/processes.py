"""The trainer in processes that can be stopped at any instant: forked, so that a trial takes milliseconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
import json
import os
from pathlib import Path
from runpy import run_path
import signal
import sys
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from fnmlp.data import digits

PROGRAM = Path(__file__).resolve().parents[2] / "examples" / "mnist.py"
FILES = ("checkpoint", "history", "model")
RUN = (
    *("train", "--dataset", "digits", "--recipe", "fast", "--hidden", "16", "--epochs", "6", "--batch-size", "64"),
    *("--dropout", "0.1", "0.1", "--warp", "0.3", "--average", "0.9", "--quiet"),
)


def files_in(folder: Path) -> list[str]:
    """Return the options that let a run write its three files into a folder."""
    options = zip(("--checkpoint", "--history", "--output"), FILES, strict=True)
    return [word for option, name in options for word in (option, str(folder / name))]


def load_program() -> Any:
    """Import the trainer and its data once for all trials; in each, that would take longer than training."""
    sys.path.insert(0, str(PROGRAM.parent))
    digits()
    return SimpleNamespace(**run_path(str(PROGRAM)))


@contextmanager
def compiled_once() -> Iterator[None]:
    """Import JAX for all trials, whose threads begin in each of them, and let it keep what it has compiled."""
    with TemporaryDirectory() as folder:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
        import_module("fnmlp.interop.jax")
        yield


HEEDED = {signal.SIGINT, signal.SIGTERM}


def start(program: Any, folder: Path, every: int, engine: str = "numpy") -> int:
    """Start or resume a run of the trainer that saves every `every` steps; return the process's id.

    Signals wait until the program has begun, because before that they end the process with another status.
    """
    arguments = ["mnist.py", *RUN, "--checkpoint-every", str(every), "--resume", "--engine", engine, *files_in(folder)]
    signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)
    if child := os.fork():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEEDED)
        return child
    status = 70  # of a failure that nothing else explains
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = arguments
        with open(folder / "errors", "w", encoding="utf-8") as sys.stderr:
            program.run(SimpleNamespace(main=partial(_main, program.cli)))
        status = 0
    except SystemExit as stop:
        status = int(stop.code or 0)
    finally:
        os._exit(status)


def _main(cli: Any, **options: Any) -> None:
    """Run the program with signals unblocked."""
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEEDED)
        cli.main(**options)
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, HEEDED)


def wait(process: int) -> int:
    """Wait for a process; return its exit status, or the negative number of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def result(folder: Path) -> tuple[bytes, list[dict[str, Any]]]:
    """Return what must be the same after every stop: the bytes of the model, and the history without times."""
    return (folder / "model").read_bytes(), repeatable(folder / "history")


def repeatable(history: Path) -> list[dict[str, Any]]:
    """Read a history without its times, which differ in every run."""
    entries = [json.loads(line) for line in history.read_text().splitlines()]
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in entries]


def strays(folder: Path) -> int:
    """Count the entries of a folder other than the files that a run was asked for."""
    return len(set(os.listdir(folder)) - {*FILES, "errors"})


@contextmanager
def new_folder() -> Iterator[Path]:
    """Make a folder for one run."""
    with TemporaryDirectory() as folder:
        yield Path(folder)
