"""The user's cache: a folder that nobody else may write to, whose files are verified whenever they are read."""

from collections.abc import Iterator
from contextlib import contextmanager
import hashlib
import os
from pathlib import Path
import shutil
import stat
import tempfile

from fnmlp.arrays import Array
from fnmlp.data.idx import encode_header, read_idx
from fnmlp.errors import DataError, MissingDependencyError
from fnmlp.files import lock

SCRATCH = ".download-"
"""How the names of folders begin in which downloads are made."""


def cache_folder() -> Path | None:
    """Return the user's cache folder of this package, or None where pooch is not installed to name it.

    Raises:   MissingDependencyError where pooch is installed and can't be imported.
    """
    try:
        import pooch
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "pooch":
            return None
        remedy = "mend its installation, for instance with pip install --force-reinstall pooch"
        raise MissingDependencyError.of("cache", "pooch", error, remedy) from error
    return Path(pooch.os_cache("fnmlp"))


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for their user alone; one that is there is checked.

    Raises:   DataError as `check_private`; OSError where it can't be made.
    """
    for place in (*reversed(folder.parents), folder):
        if not os.path.lexists(place):
            place.mkdir(mode=0o700, exist_ok=True)  # another process may have been faster
    check_private(folder)


def check_private(folder: Path) -> None:
    """Refuse what stands in the place of a folder if it is none, or a link, or if others may write to it.

    That others may read it does no harm, nor that nothing is there.
    Raises:   DataError, with the remedy.
    """
    try:
        status = os.lstat(folder)
    except OSError:
        return
    if not stat.S_ISDIR(status.st_mode):
        got = "a symbolic link" if stat.S_ISLNK(status.st_mode) else "a file"
        raise DataError(str(folder), "a folder", got, "remove it, or pass the files with --data-dir")
    if os.name == "nt":  # pragma: no cover (Windows tells neither owner nor permissions in this way)
        return
    if status.st_uid != os.geteuid():
        remedy = "set XDG_CACHE_HOME to a folder of your own, or pass the files with --data-dir"
        raise DataError(str(folder), "a folder that belongs to you", f"one of user {status.st_uid}", remedy)
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        got = f"permissions {stat.S_IMODE(status.st_mode):o}"
        raise DataError(str(folder), "a folder that only you may write to", got, f"run chmod 700 {folder}")


def read_verified(path: Path, digest: str) -> Array:
    """Read an IDX file, and refuse it unless it unpacks to bytes of the known SHA-256.

    A symbolic link is refused as well. It can't be put there between the look and the reading: the folder is private.
    Raises:   DataError, naming the file.
    """
    if os.path.islink(path):
        raise DataError(str(path), "a file", "a symbolic link", "delete the link")
    array = read_idx(path)
    if sha256_of_idx(array) != digest:
        raise DataError(str(path), "the file that is known", "other bytes than the known ones", "delete the file")
    return array


def sha256_of_idx(array: Array) -> str:
    """Return the SHA-256 of the unpacked IDX file that an array of bytes was read from."""
    digest = hashlib.sha256(encode_header(array))
    digest.update(array.data)
    return digest.hexdigest()


@contextmanager
def scratch_folder(cache: Path) -> Iterator[Path]:
    """Make a folder inside a cache for as long as it is needed, and delete those that killed processes left there."""
    # A thread that was given up may make a file in it to the last: then the next download deletes the folder.
    with _cleaned(cache), tempfile.TemporaryDirectory(prefix=SCRATCH, dir=cache, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def _cleaned(cache: Path) -> Iterator[None]:
    """Share a lock on a cache with all that are at work there; whoever has it alone deletes what is left."""
    if os.name == "nt":  # pragma: no cover (Windows opens no folders)
        yield
        return
    handle = os.open(cache, os.O_RDONLY)
    try:
        if lock(handle):
            for stray in cache.glob(f"{SCRATCH}*"):
                shutil.rmtree(stray, ignore_errors=True)
        lock(handle, shared=True, wait=True)
        yield
    finally:
        os.close(handle)
