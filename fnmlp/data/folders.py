"""Find the files of a data set in a folder, in the layouts of its authors, Kaggle and torchvision."""

from collections.abc import Iterable, Mapping
from itertools import product
import os
from pathlib import Path

from fnmlp.checks import as_path
from fnmlp.data.sources import SOURCES, Source
from fnmlp.errors import DataError

__all__ = ["data_sets_in"]

FOLDER_VARIABLE = "FNMLP_DATA_DIR"
"""The environment variable that names a folder with data sets; an empty one counts as unset."""

SHOWN = 4
"""The number of file names that an error lists."""


def named_folder(data_dir: str | os.PathLike[str] | None) -> tuple[Path, str] | None:
    """Return the folder that the user names, and the words for it in errors; None if no folder is named.

    It is `data_dir`, or else the one that $FNMLP_DATA_DIR names.
    Raises:   DataError unless it is a folder.
    """
    variable = os.environ.get(FOLDER_VARIABLE)
    if data_dir is None and not variable:
        return None
    folder = Path(variable or "") if data_dir is None else Path(as_path(data_dir))
    where = f"{FOLDER_VARIABLE}={folder}" if data_dir is None else str(folder)
    # Unlike Path.exists, os.path.exists is False too for a name that is too long.
    if not os.path.isdir(folder):
        got = "a file" if os.path.exists(folder) else "nothing of this name"
        raise DataError(where, "a folder with data sets in it", got, _remedy(data_dir is None))
    return folder, where


def found_in(data_dir: str | os.PathLike[str] | None, source: Source) -> Mapping[str, Path] | None:
    """Return the four files of a data set in the folder that the user names; None if no folder is named.

    Raises:   DataError, listing the folder's files, unless it holds all four.
    """
    named = named_folder(data_dir)
    if named is None:
        return None
    folder, where = named
    places = [(place, files_in(place, source.files)) for place in _places(folder, source)]
    held = [(place, files) for place, files in places if files]
    if not held:
        raise _nothing_of(source, folder, where, _remedy(data_dir is None))
    place, files = max(held, key=lambda pair: len(pair[1]) == len(source.files))  # the first that is whole, if any
    missing = [name for name in source.files if name not in files]
    if missing:
        raise DataError(str(place), f"all of {', '.join(source.files)}", f"no {missing[0]}", "put it there")
    return files


def data_sets_in(data_dir: str | os.PathLike[str] | None = None) -> tuple[str, ...]:
    """Return the names of the data sets in the folder that the user names; empty if no folder is named.

    Raises:   DataError unless it is a folder.
    """
    named = named_folder(data_dir)
    return () if named is None else _held_by(named[0])


def files_in(folder: Path, names: Iterable[str], endings: tuple[str, ...] = ("", ".gz")) -> Mapping[str, Path]:
    """Return the given files that are in a folder, under any of their usual spellings, in order of preference.

    MNIST's file t10k-images-idx3-ubyte may also be named t10k-images.idx3-ubyte or test-images-idx3-ubyte. Kaggle also
    puts a file into a folder with its own name.
    """
    found: dict[str, Path] = {}
    if not os.path.isdir(folder):
        return found
    for name in names:
        spelled = (name, name.replace("-idx", ".idx"))
        bases = [base.replace(*words) for base, words in product(spelled, (("", ""), ("t10k-", "test-")))]
        bases += [f"{base}/{base}" for base in bases]
        candidates = (os.path.join(folder, f"{base}{ending}") for ending, base in product(endings, bases))
        first = next((path for path in candidates if os.path.exists(path) and not os.path.isdir(path)), None)
        if first is not None:
            found[name] = Path(first)
    return found


def _places(folder: Path, source: Source) -> list[Path]:
    """Return the folders in which a data set may be, given the named folder, likeliest first."""
    inside = [folder / name for name in source.folders]
    return inside if _is_another(folder, source) else [*inside, folder, folder / "raw"]


def _is_another(folder: Path, source: Source) -> bool:
    """Tell whether a folder is named after another data set, whose files have the same names."""
    path = Path(os.path.abspath(folder))
    name = (path.parent if path.name == "raw" else path).name.casefold()
    names = {other.name: {known.split("/")[0].casefold() for known in other.folders} for other in SOURCES.values()}
    others = (other.name for other in SOURCES.values() if other.files == source.files and name in names[other.name])
    return next(others, source.name) != source.name


def _held_by(folder: Path) -> tuple[str, ...]:
    def is_held(source: Source) -> bool:
        return any(len(files_in(place, source.files)) == len(source.files) for place in _places(folder, source))

    return tuple(source.name for source in SOURCES.values() if is_held(source))


def _nothing_of(source: Source, folder: Path, where: str, remedy: str) -> DataError:
    expected = f"{source.name}'s files, such as {source.files[0]}.gz, there or in {'/, '.join(source.folders)}/"
    if others := _held_by(folder):
        remedy = f"choose --dataset {others[0]}, or {remedy}"
        return DataError(where, expected, f"those of {', '.join(others)}", remedy)
    try:
        entries = sorted(entry.name + "/" * entry.is_dir() for entry in os.scandir(folder))
    except OSError as error:
        return DataError(where, expected, f"a folder that can't be read ({error.strerror})", remedy)
    more = f" and {len(entries) - SHOWN} more" if len(entries) > SHOWN else ""
    return DataError(where, expected, f"{', '.join(entries[:SHOWN]) or 'an empty folder'}{more}", remedy)


def _remedy(is_variable: bool) -> str:
    return f"correct it, or unset {FOLDER_VARIABLE}" if is_variable else "correct the path"
