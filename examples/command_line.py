"""Helpers for the command-line examples: options for files, signals, and one-line errors."""

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
from fnmlp.whole_files import followed, permissions_of
from imports import import_failure
from parallel_ranks import together
from waiting import is_left_behind

DATA_BEGINS = b"\x1f\x8b", b"\x00\x00\x08"
"""The first bytes of data files: gzip, and IDX of bytes."""
BACKENDS = {".png": "agg", ".pdf": "pdf", ".svg": "svg"}
"""The matplotlib backend for each file format."""


def is_typed(context: click.Context, name: str) -> bool:
    """Tell whether an option was given."""
    return context.get_parameter_source(name) is not ParameterSource.DEFAULT


def check_used(context: click.Context, uses: Mapping[str, tuple[object, str]]) -> None:
    """Raise for options that were given but would do nothing, saying what they need."""
    names = {param.name: param.opts[0] for param in context.command.params}
    for name, (used, need) in uses.items():
        if is_typed(context, name) and not used:
            raise click.UsageError(f"{names[name]} needs {need}")


def new_file(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """Raise for an output file that can't be written, before any work is done."""
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
    """Raise as `new_file`, for endings other than .png, .pdf and .svg, and if matplotlib is missing."""
    if path is not None:
        if path.suffix.lower() not in BACKENDS:
            raise click.BadParameter(f"{path} must end in .png, .pdf or .svg")
        try:
            import_module(f"matplotlib.backends.backend_{BACKENDS[path.suffix.lower()]}")
        except Exception as error:  # a broken library may raise anything
            raise click.UsageError(f"--plot needs matplotlib: {import_failure(error)}") from error
    return new_file(context, option, path)


def new_page(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """Raise as `new_file`, and for endings other than .html."""
    if path is not None and path.suffix.lower() not in (".html", ".htm"):
        raise click.BadParameter(f"{path} must end in .html")
    return new_file(context, option, path)


def new_folder(context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """Raise for a folder that can't be made or written to, before any work is done."""
    if path is None:
        return None
    try:
        there = next(place for place in (path, *path.absolute().parents) if _exists(place))
        if not there.is_dir():
            raise click.BadParameter(f"{there} is not a folder; choose another name")
        if not os.access(there, os.R_OK | os.W_OK | os.X_OK):
            raise click.BadParameter(f"the folder {there} can't be written to; choose another")
    except OSError as error:  # such as a name that is too long
        raise click.BadParameter(f"{path}: {error.strerror}; choose another name") from error
    return path


def _exists(path: Path) -> bool:
    """Tell whether there is a file or folder of this name; raise OSError if it can't be one."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def is_one_file(path: Path, other: Path) -> bool:
    """Tell whether two names refer to the same file, also through links, and even if it does not exist."""
    if os.path.realpath(path) == os.path.realpath(other):
        return True
    with suppress(OSError):
        return path.samefile(other)
    return False


def check_distinct(written: Sequence[tuple[str, Path]], read: Sequence[tuple[str, Path]] = ()) -> None:
    """Raise if two options name the same file, because one output would overwrite the other."""
    for place, (option, path) in enumerate(written, start=1):
        for other, second in [*written[place:], *read]:
            if is_one_file(path, second):
                raise click.UsageError(f"{option} and {other} name the same file, {path}; choose another for one")


Decorator: TypeAlias = Callable[[Any], Any]


def option_group(*options: Decorator) -> Decorator:
    """Join options on one subject, in the order in which the help shows them."""
    return lambda command: reduce(lambda decorated, one: one(decorated), reversed(options), command)


FILE = click.Path(path_type=Path)
option = partial(click.option, show_default=True)
plot_option = click.option(
    "--plot", type=FILE, callback=new_picture, help="Save a plot to this .png, .pdf or .svg file."
)
data_dir_option = click.option(
    "--data-dir", type=FILE, help="A folder with a data set. [default: $FNMLP_DATA_DIR, if not empty]"
)


PATIENCE = 1.0
"""Seconds that a loop has to stop by itself."""


@contextmanager
def signals_noted(*, patience: float = PATIENCE) -> Iterator[tuple[list[int], Callable[[object], bool]]]:
    """Record the first Ctrl-C or SIGTERM, so that a loop can stop by itself; yield the signals and a function to ask.

    The function tells whether to go on. If the loop does not call it within `patience`, because one turn takes long, a
    KeyboardInterrupt ends it. A second Ctrl-C ends it at once. After the call there is no time limit, so that the loop
    can save its work. Signals that were ignored before stay ignored.
    """
    received: list[int] = []

    def note(number: int, _: object) -> None:
        received.append(number)
        if len(received) > 1:
            raise KeyboardInterrupt
        signal.setitimer(signal.ITIMER_REAL, patience)

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


class Failed(SystemExit):
    """Ends the program with a status, after a line on stderr."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(status)
        self.message = message


def fail(message: str, status: int) -> NoReturn:
    """End the program with an error."""
    raise Failed(message, status)


def _terminate(number: int, _: object) -> NoReturn:
    """End the program with the status that a shell reports for this signal."""
    fail("terminated", 128 + number)


@contextmanager
def _nothing_lost() -> Iterator[None]:
    """Raise again what a signal raised while the garbage collector called a function: there, Python only reports it."""
    before = sys.unraisablehook

    def raise_again(lost: Any) -> None:
        if not isinstance(lost.exc_value, (KeyboardInterrupt, SystemExit)):
            before(lost)
            return

        def again(*_: object) -> NoReturn:
            raise lost.exc_value

        signal.signal(signal.SIGALRM, again)
        signal.setitimer(signal.ITIMER_REAL, 0.01)

    sys.unraisablehook = raise_again
    try:
        yield
    finally:
        sys.unraisablehook = before


@_nothing_lost()
def run(command: click.Command) -> None:
    """Run a command; every failure is one line on stderr and an exit status, also that of several ranks."""
    signal.signal(signal.SIGTERM, _terminate)
    if isinstance(sys.stdout, TextIOWrapper):  # the terminal may not be able to show all file names
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with np.errstate(over="ignore", invalid="ignore"), together(tell=told):  # divergence is detected by the loss
            command.main(standalone_mode=False)
    except tuple(TOLD) as error:
        message, status = told(error)
        if isinstance(error, OSError):  # click itself handles a closed pipe, as in `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # its buffer may be what failed
        if message:
            click.echo(f"error: {message}", err=True)
        if is_left_behind():  # a compiler, which can't be stopped, and would disturb an orderly end
            sys.stdout.flush()
            os._exit(status)
        sys.exit(status)


Told: TypeAlias = tuple[str, int]
"""What to print of a failure, in one line, and the exit status."""


def _of_exit(error: SystemExit) -> Told:
    return (error.code, 1) if isinstance(error.code, str) else ("", error.code or 0)


def _of_click(error: click.ClickException) -> Told:
    message = " ".join(error.format_message().split())
    for kind, name in (("integer range", "integer"), ("float range", "number")):  # click calls the option's type so
        message = message.replace(f"is not a valid {kind}.", f"is not a valid {name}.")
    return message, error.exit_code


def _of_system(error: OSError) -> Told:
    place = error.filename or "the output, or a file,"
    return f"{place} can't be written or read: {error.strerror or error}", 1


TOLD: Mapping[type[BaseException], Callable[[Any], Told]] = {
    Failed: lambda error: (error.message, error.code),
    SystemExit: _of_exit,
    click.exceptions.Exit: lambda error: ("", error.exit_code),
    click.ClickException: _of_click,
    fn.FnmlpError: lambda error: (fn.one_line(error), 1),
    MemoryError: lambda error: (f"not enough memory ({error}); use a smaller model or smaller batches", 1),
    KeyboardInterrupt: lambda _: ("interrupted", 130),
    click.Abort: lambda _: ("interrupted", 130),
    OSError: _of_system,
}
"""What a command may raise; anything else is a mistake of the program's own, and ends with a traceback."""


def told(error: BaseException) -> Told:
    """Return what to print of an exception, and the exit status."""
    for kind, tell in TOLD.items():
        if isinstance(error, kind):
            return tell(error)
    return " ".join(f"{type(error).__name__}: {error}".split()), 1
