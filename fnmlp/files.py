"""Files to read: opened or refused with an error that names them."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
import os
from stat import S_ISREG

from fnmlp.checks import as_path
from fnmlp.errors import CheckpointError, FnmlpError, one_line

READABLE = "a file that can be read"


@contextmanager
def opened(name: str, kind: type[FnmlpError] = CheckpointError) -> Iterator[BufferedReader]:
    """Open a regular file to read it, and close it afterwards.

    Raises:   an error of `kind` if it is missing, can't be read, or is a directory, pipe, socket or device.

    >>> with opened(os.devnull) as file:
    ...     file.read()
    Traceback (most recent call last):
    fnmlp.errors.CheckpointError: /dev/null: expected a regular file, got a directory, pipe, socket or device; check ...
    """
    with reading(name, kind), open(name, "rb", opener=_without_waiting) as file:
        if not S_ISREG(os.fstat(file.fileno()).st_mode):
            raise kind(name, "a regular file", "a directory, pipe, socket or device", "check the path")
        yield file


def _without_waiting(name: str, flags: int) -> int:
    """Open a file; a pipe at once, and not when its writer comes."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def absent(name: str, kind: type[FnmlpError]) -> FnmlpError:
    """Return the error for a file that is not there.

    >>> print(absent("a.npy", CheckpointError))
    a.npy: expected a file, got none; check the path
    """
    return kind(name, "a file", "none", "check the path")


@contextmanager
def reading(name: str, kind: type[FnmlpError]) -> Iterator[None]:
    """Turn errors of reading a file into errors of a kind that name the file.

    >>> with reading("a.npy", CheckpointError):
    ...     open("no-such-file").close()
    Traceback (most recent call last):
    fnmlp.errors.CheckpointError: a.npy: expected a file, got none; check the path
    """
    with os_errors_named(name, READABLE, kind):
        try:
            yield
        except FileNotFoundError as error:
            raise absent(name, kind) from error


@contextmanager
def os_errors_named(name: str, expected: str, kind: type[FnmlpError]) -> Iterator[None]:
    """Turn errors of the system, and want of memory, into errors of a kind that name the file.

    >>> with os_errors_named("a.npy", READABLE, CheckpointError):
    ...     open("/").close()
    Traceback (most recent call last):
    fnmlp.errors.CheckpointError: a.npy: expected a file that can be read, got Is a directory; check the path, its ...
    """
    try:
        yield
    except (OSError, MemoryError) as error:
        got = getattr(error, "strerror", None) or one_line(error)
        raise kind(name, expected, got, "check the path, its rights, the disk and memory") from error


def is_there(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file of this name exists.

    Raises:   CheckpointError if that can't be known.

    >>> is_there("no-such-file"), is_there(os.getcwd())
    (False, True)
    """
    place = as_path(path)
    try:
        os.lstat(place)
    except FileNotFoundError:
        return False
    except OSError as error:
        reason = error.strerror or str(error)
        raise CheckpointError(place, READABLE, reason, "check the path") from error
    return True
