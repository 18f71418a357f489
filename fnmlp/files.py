"""Files that are whole or not there: written beside their place, synced, renamed over it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import errno
import os

try:
    import fcntl
except ImportError:  # pragma: no cover (Windows has no such locks, and what a killed process left stays there)
    fcntl = None  # type: ignore[assignment]


TEMPORARY = ".fnmlp-"
"""How the names of temporary files begin: alike for all, so that any save may clear away what was left of another."""


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that its name shows the old content or the new, never a part, whatever happens between.

    What processes that were killed while they wrote into this folder left behind is deleted.
    Raises:   OSError; what stood under the name before is then intact.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(os.path.join(folder, "a"), b"content")
    ...     os.listdir(folder), os.path.getsize(os.path.join(folder, "a"))
    (['a'], 7)
    """
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.exists(path) and not os.path.isfile(path):
        # Renaming would put a file in the place of a device too.
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    _delete_strays(folder)
    with _temporary(folder) as (temporary, handle):
        with os.fdopen(handle, "wb", closefd=False) as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
        os.replace(temporary, path)
    _sync_folder(folder)


@contextmanager
def _temporary(folder: str) -> Iterator[tuple[str, int]]:
    """Make a file that is locked as long as it is written to; it is deleted unless it was renamed."""
    temporary, handle = "", -1
    try:
        # Inside the try, because Ctrl-C may come between any two lines.
        while handle < 0:
            temporary = os.path.join(folder, f"{TEMPORARY}{os.urandom(8).hex()}.tmp")
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            if not _locked(handle, temporary):
                os.close(handle)
                handle = -1
        yield temporary, handle
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    finally:
        if handle >= 0:
            os.close(handle)


def _locked(handle: int, path: str) -> bool:
    """Lock a file, and tell whether it still stands under its name: before the lock it looked like a stray one."""
    if fcntl is None:  # pragma: no cover (Windows)
        return True
    with suppress(OSError):  # some file systems have no locks: no process can take one to delete the file either
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        os.stat(path)
    except FileNotFoundError:  # and no other error, with which new files would be made for ever
        return False
    return True


def _delete_strays(folder: str) -> None:
    """Delete temporary files that no living process holds a lock on."""
    if fcntl is None:  # pragma: no cover (Windows)
        return
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(TEMPORARY) and entry.is_file(follow_symlinks=False):
                with suppress(OSError), open(entry.path, "rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(entry.path)


def _sync_folder(folder: str) -> None:
    """Make a rename survive a power cut; a system that can't open folders syncs them itself."""
    if os.name == "nt":  # pragma: no cover (Windows has no such call)
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
