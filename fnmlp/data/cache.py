"""The user's cache: a folder that nobody else can write to, whose files are verified at each read."""

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
from fnmlp.whole_files import lock

SCRATCH = ".download-"
"""The prefix of the temporary folders that downloads use."""


def cache_folder() -> Path | None:
    """Return fnmlp's folder in the user's cache, or None without pooch, which knows where that is.

    Raises:   MissingDependencyError if pooch is installed but can't be imported.
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
    """Make a folder, and missing parents, that only their user can access; check a folder that exists.

    Raises:   DataError as `check_private`; OSError if the folder can't be made.
    """
    for place in (*reversed(folder.parents), folder):
        if not os.path.lexists(place):
            place.mkdir(mode=0o700, exist_ok=True)  # another process may have been faster
    check_private(folder)


def check_private(folder: Path) -> None:
    """Raise if this is not a folder, is a symbolic link, or is writable by others.

    Others may read it, and it need not exist.
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
    """Read an IDX file, and raise unless its unpacked bytes have the known SHA-256.

    A symbolic link raises too. Nobody can put one there between the check and the read, because the folder is private.
    Raises:   DataError, naming the file.
    """
    if os.path.islink(path):
        raise DataError(str(path), "a file", "a symbolic link", "delete the link")
    array = read_idx(path)
    if sha256_of_idx(array) != digest:
        raise DataError(str(path), "the file that is known", "other bytes than the known ones", "delete the file")
    return array


def sha256_of_idx(array: Array) -> str:
    """Return the SHA-256 of the unpacked IDX file that this array was read from."""
    digest = hashlib.sha256(encode_header(array))
    digest.update(array.data)
    return digest.hexdigest()


@contextmanager
def scratch_folder(cache: Path) -> Iterator[Path]:
    """Make a temporary folder inside a cache, and delete those that killed processes left behind."""
    # A thread that was given up may still create a file in it; then the next download deletes the folder.
    with _cleaned(cache), tempfile.TemporaryDirectory(prefix=SCRATCH, dir=cache, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextmanager
def _cleaned(cache: Path) -> Iterator[None]:
    """Hold a shared lock on a cache; a process that can get it exclusively deletes leftovers first."""
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
