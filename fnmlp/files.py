"""Files that are whole or not there: written beside their place, synced, renamed over it."""

from contextlib import suppress
import errno
import os


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that its name shows the old content or the new, never a part, whatever happens between.

    Raises:   OSError; what stood under the name before is then intact.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(os.path.join(folder, "a"), b"content")
    ...     os.listdir(folder), os.path.getsize(os.path.join(folder, "a"))
    (['a'], 7)
    """
    folder, name = os.path.split(os.path.abspath(path))
    if os.path.exists(path) and not os.path.isfile(path):
        # Renaming would put a file in the place of a device too.
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    temporary = os.path.join(folder, f".{name}.{os.urandom(8).hex()}.tmp")
    try:
        # Inside the try, because Ctrl-C may come between any two lines.
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Make a rename survive a power cut; a system that can't open folders syncs them itself."""
    if os.name == "nt":  # pragma: no cover (Windows has no such call)
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
