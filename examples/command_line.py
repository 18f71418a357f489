"""What the command-line examples share: options that name files, and errors that take one line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import TextIOWrapper
import os
from pathlib import Path
import signal
import sys
from typing import NoReturn

import click
import numpy as np

import fnmlp as fn
from fnmlp.files import followed, permissions_of


def new_file(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:  # noqa: ARG001
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
    except OSError as error:  # such as a name that is too long
        raise click.BadParameter(f"{path}: {error.strerror}; choose another name") from error
    return path


def new_picture(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """Refuse a picture whose ending names no format, as well."""
    if path is not None and path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise click.BadParameter(f"{path} must end in .png, .pdf or .svg")
    return new_file(context, option, path)


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
