"""Paths of data files: one, or several."""

from collections.abc import Iterable
import os
from typing import TypeAlias

from fnmlp.checks import as_iterator, as_path

Path: TypeAlias = str | os.PathLike[str]


def path_names(where: str, paths: Path | Iterable[Path]) -> list[str]:
    """Return the paths that you are given, one or several, as strings.

    >>> path_names("array_shards(inputs)", "a.npy"), path_names("array_shards(inputs)", ("a.npy", "b.npy"))
    (['a.npy'], ['a.npy', 'b.npy'])
    """
    if isinstance(paths, (str, bytes, os.PathLike)):
        return [as_path(paths)]
    return [as_path(path) for path in as_iterator(where, paths, "paths")]
