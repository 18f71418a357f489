"""Regular files: their names, and how to open them without waiting for a pipe, with errors that name the file."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
import os
import stat
from typing import TypeAlias

from fnmlp.checks import as_iterator, as_path
from fnmlp.errors import DataError

Path: TypeAlias = str | os.PathLike[str]


def path_names(where: str, paths: Path | Iterable[Path]) -> list[str]:
    """Return the paths that you are given, one or several, as strings.

    >>> path_names("array_shards(inputs)", "a.npy"), path_names("array_shards(inputs)", ("a.npy", "b.npy"))
    (['a.npy'], ['a.npy', 'b.npy'])
    """
    if isinstance(paths, (str, bytes, os.PathLike)):
        return [as_path(paths)]
    return [as_path(path) for path in as_iterator(where, paths, "paths")]


@contextmanager
def os_errors_named(name: str, expected: str) -> Iterator[None]:
    """Turn errors of the system, and want of memory, into a DataError that names the file.

    >>> with os_errors_named("a.npy", "a file that can be read"):
    ...     open("no-such-file").close()
    Traceback (most recent call last):
    fnmlp.errors.DataError: a.npy: expected a file that can be read, got No such file or directory; check the path, ...
    """
    try:
        yield
    except (OSError, MemoryError) as error:
        got = getattr(error, "strerror", None) or error
        raise DataError(name, expected, got, "check the path, its rights, the disk and memory") from error


def open_regular(name: str) -> BufferedReader:
    """Open a file to read its bytes.

    Raises:   DataError for a directory, pipe, socket or device; OSError if it can't be opened.
    """
    # Opening a FIFO would wait for its writer, perhaps forever.
    no_wait = getattr(os, "O_NONBLOCK", 0)
    file = open(name, "rb", opener=lambda path, flags: os.open(path, flags | no_wait))  # noqa: SIM115 (handed on)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise DataError(name, "a regular file", "a directory, pipe, socket or device", "pass the path of a file")
    return file
