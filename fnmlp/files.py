"""Files that are whole or not there: written beside their place, synced, renamed over it.

To whoever looks they were written in place all the same: links and permissions stay.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
import errno
from itertools import pairwise
import os
from stat import S_IMODE, S_ISREG, S_IWUSR

from fnmlp.checks import as_path
from fnmlp.errors import CheckpointError

try:
    import fcntl
except ImportError:  # pragma: no cover (Windows has no such locks, and what a killed process left stays there)
    fcntl = None  # type: ignore[assignment]


TEMPORARY = ".fnmlp-"
"""How the names of temporary files begin: alike for all, so that any save may clear away what was left of another."""


LINKS = 40
"""So many symbolic links on the way to one file are a circle, as Linux has it."""


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that its name shows the old content or the new, never a part, whatever happens between.

    A symbolic link stays: the file that it leads to is replaced, or made. A new file has the permissions of the one
    that it replaces. What processes that were killed while they wrote into its folder left behind is deleted.
    Raises:   OSError; what stood under the name before is then intact. A read-only file is refused.

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


def permissions_of(path: str | os.PathLike[str]) -> int | None:
    """Return the permissions of a file that may be replaced, or None where there is none.

    Raises:   OSError for what is no regular file, because renaming would put one in the place of a device too; for a
              read-only file, whoever asks: renaming would pass over that; and where it can't be known.

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
    """Return the name at the end of the symbolic links that a name stands for, whether a file has it or not.

    Raises:   OSError where the links go in a circle, or where it can't be known.

    >>> followed("no-such-file")
    'no-such-file'
    """
    place = os.fsdecode(path)
    for _ in range(LINKS):
        try:
            link = os.readlink(place)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT, errno.ENOTDIR):  # no link, or nothing
                return place
            raise
        place = os.path.join(os.path.dirname(place), link)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fspath(path))


@contextmanager
def _temporary(folder: str, permissions: int) -> Iterator[tuple[str, int]]:
    """Make a file that is locked as long as it is written to; it is deleted unless it was renamed."""
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
    """Lock a file, and tell whether it still stands under its name: before the lock it looked like a stray one."""
    lock(handle, wait=True)  # some file systems have no locks: no process can take one to delete the file either
    try:
        os.stat(path)
    except FileNotFoundError:  # and no other error, with which new files would be made for ever
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
    """Give the file that stands under a name, and its forerunners, names of higher numbers; `keep` with the next one.

    The file itself stays under its own name too, until the next one takes it: there is always one. Where it has its
    new name already, from a save that did not come to its end, nothing is done: else the oldest would be lost. Of a
    symbolic link, it is the file that it leads to, and the names are beside that.
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
            os.unlink(names[1])  # a link takes no name that is taken
        with suppress(FileNotFoundError, FileExistsError):  # another process was faster, with its whole file
            os.link(place, names[1])
    except OSError as error:
        remedy = "choose another folder, or keep one file alone"
        raise CheckpointError(
            os.fspath(path), "a place to keep earlier files", error.strerror or str(error), remedy
        ) from error


def _is_one_file(path: str, other: str) -> bool:
    """Tell whether two names are of one file; no is not the answer where that can't be known."""
    try:
        return os.path.samefile(path, other)
    except FileNotFoundError:
        return False


def is_there(path: str | os.PathLike[str]) -> bool:
    """Tell whether something has this name; no is not the answer where that can't be known.

    Raises:   CheckpointError where it can't be known.

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
        raise CheckpointError(place, "a file that can be read", reason, "check the path") from error
    return True
