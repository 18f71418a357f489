"""Files that are never half written: written to a temporary file, synced, then renamed into place.

Symbolic links and permissions stay as they were.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import errno
from itertools import pairwise
import os
from stat import S_IMODE, S_ISREG, S_IWUSR

from fnmlp.checks import as_path
from fnmlp.errors import CheckpointError
from fnmlp.files import is_there

try:
    import fcntl
except ImportError:  # pragma: no cover (Windows has no such locks, and what a killed process left stays there)
    fcntl = None  # type: ignore[assignment]


TEMPORARY = ".fnmlp-"
"""The prefix of temporary files' names: the same for all, so that any save can delete what another left behind."""


LINKS = 40
"""After this many symbolic links they are taken for a loop, as on Linux."""


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file atomically: under its name stands the old content or the new, never a part, whatever happens.

    A symbolic link stays, and its target is replaced or created. The new file gets the permissions of the old one.
    Temporary files that killed processes left in the folder are deleted.
    Raises:   OSError if the file can't be written, or is read-only. The old file is then intact.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(os.path.join(folder, "a"), b"content")
    ...     os.listdir(folder), os.path.getsize(os.path.join(folder, "a"))
    (['a'], 7)
    """
    permissions = permissions_of(path)
    place = followed(path)
    folder = os.path.dirname(place) or os.curdir
    _delete_strays(folder)
    with _temporary(folder, 0o666 if permissions is None else permissions) as (temporary, handle):
        if permissions is not None and permissions != S_IMODE(os.fstat(handle).st_mode):
            os.chmod(temporary, permissions)  # the umask may have taken from them
        with os.fdopen(handle, "wb", closefd=False) as file:
            file.write(content)
            file.flush()
            os.fsync(handle)
        os.replace(temporary, place)
    _sync_folder(folder)


def save_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file as `write_whole` does.

    Raises:   CheckpointError if it can't be written. The old file is then intact.

    >>> save_whole("no-such-folder/a", b"content")
    Traceback (most recent call last):
    fnmlp.errors.CheckpointError: no-such-folder/a: expected a place to save to, got No such file ...
    """
    try:
        write_whole(path, content)
    except OSError as error:
        remedy = "choose a file in a folder that exists, may be written to and has room"
        raise CheckpointError(as_path(path), "a place to save to", error.strerror or str(error), remedy) from error


def permissions_of(path: str | os.PathLike[str]) -> int | None:
    """Return the permissions of the file that a save would replace, or None if there is no file.

    Raises:   OSError for anything but a regular file, because a rename would replace even a device; for a read-only
              file, even for its owner or root, because a rename ignores that; and if the file can't be examined.

    >>> permissions_of("no-such-file")
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return None
    if not S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    if not mode & S_IWUSR:
        raise PermissionError(errno.EACCES, "a read-only file (chmod u+w frees it)", os.fspath(path))
    return S_IMODE(mode)


def followed(path: str | os.PathLike[str]) -> str:
    """Follow symbolic links from a name, and return the name at their end, even if no such file exists.

    Raises:   OSError if the links form a loop, or can't be read.

    >>> followed("no-such-file")
    'no-such-file'
    """
    place = os.fsdecode(path)
    for _ in range(LINKS):
        try:
            link = os.readlink(place)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT, errno.ENOTDIR):  # not a link, or nothing there
                return place
            raise
        place = os.path.join(os.path.dirname(place), link)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fspath(path))


@contextmanager
def _temporary(folder: str, permissions: int) -> Iterator[tuple[str, int]]:
    """Create a temporary file, locked while you write to it, and delete it if an error occurs."""
    temporary, handle = "", -1
    try:
        # Inside the try, because Ctrl-C may come between any two lines.
        while handle < 0:
            temporary = os.path.join(folder, f"{TEMPORARY}{os.urandom(8).hex()}.tmp")
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, permissions)
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
    """Lock a file, and tell whether it still exists: before the lock, another save may have taken it for a stray."""
    lock(handle, wait=True)  # some file systems have no locks; then no other process can lock and delete the file
    try:
        os.stat(path)
    except FileNotFoundError:  # only this error: with others, the loop would create files for ever
        return False
    return True


def lock(handle: int, *, shared: bool = False, wait: bool = False) -> bool:
    """Lock an open file or folder, alone or with others, and tell whether it is locked now.

    It is not where another process holds it, unless you wait, nor where the system has no such locks.

    >>> import tempfile
    >>> with tempfile.TemporaryFile() as file:
    ...     lock(file.fileno())
    True
    """
    if fcntl is None:  # pragma: no cover (Windows)
        return False
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(handle, kind if wait else kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _delete_strays(folder: str) -> None:
    """Delete temporary files that no living process holds a lock on."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(TEMPORARY) and entry.is_file(follow_symlinks=False):
                with suppress(OSError), open(entry.path, "rb") as file:
                    if lock(file.fileno()):
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


def rotate(path: str | os.PathLike[str], keep: int) -> None:
    """Make room for the next save: rename `path.1` to `path.2` and so on, and link `path` as `path.1`.

    After that save there are `keep` files. The file keeps its own name too, until the next save replaces it, so there
    is always one. If it is linked as `path.1` already, because a save was interrupted, nothing happens; otherwise the
    oldest file would be lost. A symbolic link is followed, and the older files stand beside its target.
    """
    try:
        place = followed(path)
        names = [place, *(f"{place}.{number}" for number in range(1, keep))]
        if keep == 1 or not is_there(place) or _is_one_file(place, names[1]):
            return
        for newer, older in reversed([*pairwise(names[1:])]):
            with suppress(FileNotFoundError):
                os.replace(newer, older)
        with suppress(FileNotFoundError):
            os.unlink(names[1])  # os.link does not replace a file
        with suppress(FileNotFoundError, FileExistsError):  # another process was faster; its file is whole
            os.link(place, names[1])
    except OSError as error:
        remedy = "choose another folder, or keep only one file"
        raise CheckpointError(
            os.fspath(path), "a place to keep earlier files", error.strerror or str(error), remedy
        ) from error


def _is_one_file(path: str, other: str) -> bool:
    """Tell whether two names refer to the same file; raise OSError if that can't be known."""
    try:
        return os.path.samefile(path, other)
    except FileNotFoundError:
        return False
