"""What the command-line examples share: options that name files, and errors that take one line."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial, reduce
from importlib import import_module
from io import TextIOWrapper
import os
from pathlib import Path
import signal
import sys
from typing import Any, NoReturn, TypeAlias

import click
from click.core import ParameterSource
import numpy as np

import fnmlp as fn
from fnmlp.files import followed, permissions_of
from imports import import_failure

DATA_BEGINS = b"\x1f\x8b", b"\x00\x00\x08"
"""How files of data begin: gzip's, and IDX's of bytes."""
BACKENDS = {".png": "agg", ".pdf": "pdf", ".svg": "svg"}
"""Which part of matplotlib writes a picture."""


def is_typed(context: click.Context, name: str) -> bool:
    """Tell whether an option was given."""
    return context.get_parameter_source(name) is not ParameterSource.DEFAULT


def check_used(context: click.Context, uses: Mapping[str, tuple[object, str]]) -> None:
    """Refuse each option that was given and would do nothing: by its name, whether it is used, and what it needs."""
    names = {param.name: param.opts[0] for param in context.command.params}
    for name, (used, need) in uses.items():
        if is_typed(context, name) and not used:
            raise click.UsageError(f"{names[name]} needs {need}")


def new_file(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """Refuse a file that can't be written before the time is spent on what should go into it."""
    if path is None:
        return None
    try:
        folder = Path(followed(path)).absolute().parent
        if not folder.is_dir():
            raise click.BadParameter(f"the folder {folder} does not exist; create it first")
        if not os.access(folder, os.W_OK):
            raise click.BadParameter(f"the folder {folder} can't be written to; choose another")
        if path.exists() and not path.is_file():
            raise click.BadParameter(f"{path} is not a regular file; choose another name")
        permissions_of(path)
        with suppress(PermissionError), suppress(FileNotFoundError), path.open("rb") as file:
            if file.read(3).startswith(DATA_BEGINS):
                raise click.BadParameter(f"{path} holds data (gzip or IDX); choose another name")
    except OSError as error:  # such as a name that is too long
        raise click.BadParameter(f"{path}: {error.strerror}; choose another name") from error
    return path


def new_picture(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """Refuse a picture whose ending names no format, as well, and one that no library is there to draw."""
    if path is not None:
        if path.suffix.lower() not in BACKENDS:
            raise click.BadParameter(f"{path} must end in .png, .pdf or .svg")
        try:
            import_module(f"matplotlib.backends.backend_{BACKENDS[path.suffix.lower()]}")
        except Exception as error:  # a broken library may raise anything
            raise click.UsageError(f"--plot needs matplotlib: {import_failure(error)}") from error
    return new_file(context, option, path)


def is_one_file(path: Path, other: Path) -> bool:
    """Tell whether two names are of one file, through links or not, be it there or not."""
    if os.path.realpath(path) == os.path.realpath(other):
        return True
    with suppress(OSError):
        return path.samefile(other)
    return False


def check_distinct(written: Sequence[tuple[str, Path]], read: Sequence[tuple[str, Path]] = ()) -> None:
    """Refuse options that name one file, each with its name: what is written there last would be all that is left."""
    for place, (option, path) in enumerate(written, start=1):
        for other, second in [*written[place:], *read]:
            if is_one_file(path, second):
                raise click.UsageError(f"{option} and {other} name the same file, {path}; choose another for one")


Decorator: TypeAlias = Callable[[Any], Any]


def option_group(*options: Decorator) -> Decorator:
    """Join options of one subject; the help shows them in this order."""
    return lambda command: reduce(lambda decorated, one: one(decorated), reversed(options), command)


FILE = click.Path(path_type=Path)
option = partial(click.option, show_default=True)
plot_option = click.option(
    "--plot", type=FILE, callback=new_picture, help="Draw the result to this .png, .pdf or .svg."
)
data_dir_option = click.option(
    "--data-dir", type=FILE, help="A folder with the files of a data set. [default: $FNMLP_DATA_DIR, if not empty]"
)


PATIENCE = 1.0
"""Seconds in which a loop should end itself."""


@contextmanager
def signals_noted() -> Iterator[tuple[list[int], Callable[[object], bool]]]:
    """Note the first Ctrl-C or SIGTERM, so that a loop can end itself: give what was received, and whether to go on.

    A loop that does not ask whether to go on, because one turn of it takes long, is ended by a KeyboardInterrupt after
    a second, and by a second Ctrl-C at once. Once it has asked, only the latter can come: it may save what it has.
    What is told to ignore the signals goes on ignoring them.
    """
    received: list[int] = []

    def note(number: int, _: object) -> None:
        received.append(number)
        if len(received) > 1:
            raise KeyboardInterrupt
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)

    def going_on(_: object) -> bool:
        if received:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return not received

    numbers = signal.SIGINT, signal.SIGTERM, signal.SIGALRM
    heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in heeded}
    try:
        yield received, going_on
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _terminate(number: int, _: object) -> NoReturn:
    """End as a shell says of a program that this signal ended."""
    fail("terminated", 128 + number)


def run(command: click.Command) -> None:
    """Run a command; every failure is one line on stderr and an exit status."""
    signal.signal(signal.SIGTERM, _terminate)
    if isinstance(sys.stdout, TextIOWrapper):  # file names need not be text that the terminal can show
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # divergence is found where the loss is read
            command.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        fail(" ".join(error.format_message().split()), error.exit_code)
    except fn.FnmlpError as error:
        fail(fn.one_line(error), 1)
    except MemoryError as error:
        fail(f"not enough memory ({error}); use a smaller model or smaller batches", 1)
    except (KeyboardInterrupt, click.Abort):
        fail("interrupted", 130)
    except OSError as error:  # click itself ends where the reader of the output has gone, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what it still holds may be what failed
        fail(f"{error.filename or 'the output, or a file,'} can't be written or read: {error.strerror or error}", 1)


def fail(message: str, status: int) -> NoReturn:
    """Say what went wrong and leave."""
    click.echo(f"error: {message}", err=True)
    sys.exit(status)
