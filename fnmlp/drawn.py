"""What pictures of training are drawn from: histories, confusion matrices and images with titles, checked."""

from collections.abc import Mapping, Sequence
from typing import Any

from fnmlp.arrays import Array, as_array
from fnmlp.checks import as_iterator, check_kind
from fnmlp.errors import DataError, ShapeError


def as_history(where: str, history: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the entries of a history; raise without any, and unless each is a mapping.

    >>> as_history("curves(history)", [{"epoch": 1, "train_loss": 0.5}])
    [{'epoch': 1, 'train_loss': 0.5}]
    """
    entries = list(as_iterator(where, history, "mappings"))
    for entry in entries:
        check_kind(where, entry, Mapping, "{'epoch': 1, 'train_loss': 0.5}")
    if not entries:
        raise DataError(where, "at least one epoch", "an empty history", "train first")
    return entries


def as_confusion(where: str, matrix: Array, classes: Sequence[str]) -> tuple[Array, list[str]]:
    """Return a confusion matrix and the names of its classes; raise unless they fit.

    >>> import numpy as np
    >>> as_confusion("confusion", np.eye(2), "ab")[1]
    ['a', 'b']
    """
    matrix = as_array(f"{where}(matrix)", matrix)
    names = list(as_iterator(f"{where}(classes)", classes, "names"))
    size = len(names)
    if not size or matrix.shape != (size, size):
        raise ShapeError(where, f"a matrix of shape {(size, size)}", matrix.shape, "pass its own classes")
    return matrix, names


def as_samples(where: str, images: Array, titles: Sequence[str]) -> tuple[Array, list[str]]:
    """Return images and their titles; raise unless there is one title for each image.

    >>> import numpy as np
    >>> as_samples("samples", np.zeros((1, 8, 8)), [3])[1]
    ['3']
    """
    images = as_array(f"{where}(images)", images)
    names = [str(title) for title in as_iterator(f"{where}(titles)", titles, "texts")]
    if images.ndim != 3 or not len(images) or len(images) != len(names):
        got = f"images {images.shape} and {len(names)} titles"
        raise ShapeError(where, "images (n, height, width) and n titles", got, "pass one title for each image")
    return images, names
