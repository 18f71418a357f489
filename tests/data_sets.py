"""Small data sets in the file format of MNIST, each recognizable by the grey level of its pixels."""

from collections.abc import Mapping
import gzip
from pathlib import Path
from typing import Any

from attrs import evolve
import numpy as np
from numpy.typing import NDArray
import pytest

from fnmlp.data import Dataset, mnist
from fnmlp.data.cache import sha256_of_idx
from fnmlp.data.idx import encode_header
from fnmlp.data.sources import MNIST_SHA256, SOURCES, Source
from fnmlp.errors import DataError
from tests.refusals import refusal

PARTS = tuple(MNIST_SHA256)

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = PARTS


def made_up(mark: int = 0, name: str = "mnist", rows: int = 7) -> dict[str, NDArray[Any]]:
    """Make a small data set in the form of a known one, recognizable because all its pixels are `mark`."""
    source = SOURCES[name]
    images = np.full((rows, 28, 28), mark, np.uint8)
    labels = labels_of(source, np.arange(rows) % len(source.classes))
    return dict(zip(source.files, (images, labels, images[:5], labels[:5]), strict=True))


def labels_of(source: Source, classes: NDArray[Any]) -> NDArray[Any]:
    """Write classes as the labels in the files of a data set: the first of several numbers, the others -1."""
    dtype, shape = source.label
    labels = np.full((len(classes), *shape), -1).astype(dtype)
    labels.reshape(len(classes), -1)[:, 0] = classes + source.first_label
    return labels


def idx_bytes(array: NDArray[Any]) -> bytes:
    """Return the bytes of an IDX file."""
    return encode_header(array) + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_quickly(path: Path, array: NDArray[Any]) -> None:
    """Write an IDX file without the precautions of `write_idx` against power failures."""
    raw = idx_bytes(array)
    path.write_bytes(gzip.compress(raw, 1, mtime=0) if path.suffix == ".gz" else raw)


def write_set(folder: Path, arrays: Mapping[str, NDArray[Any]], ending: str = ".gz") -> Path:
    """Write the files of a data set into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        write_quickly(folder / (name + ending), array)
    return folder


def digests_of(arrays: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    return {name: sha256_of_idx(array) for name, array in arrays.items()}


def mark_of(dataset: Dataset) -> int:
    assert len(np.unique(dataset.train.inputs)) == 1
    return int(dataset.train.inputs[0, 0, 0])


def write_files(
    folder: Path,
    name: str,
    *,
    mark: int = 0,
    images: NDArray[Any] | None = None,
    labels: NDArray[Any] | None = None,
) -> None:
    """Write three images of the first classes to train on, and the same to test on, as the files of a data set."""
    images = np.full((3, 28, 28), mark, np.uint8) if images is None else images
    labels = labels_of(SOURCES[name], np.arange(3)) if labels is None else labels
    folder.mkdir(parents=True, exist_ok=True)
    for part, array in zip(SOURCES[name].files, (images, labels) * 2, strict=True):
        write_quickly(folder / f"{part}.gz", array)


def known_as(patch: pytest.MonkeyPatch, arrays: Mapping[str, NDArray[Any]], name: str = "mnist") -> None:
    """Replace the known files of a data set by these."""
    patch.setitem(SOURCES, name, evolve(SOURCES[name], digests=digests_of(arrays)))


EACH_SET = pytest.mark.parametrize("name", [name for name, source in SOURCES.items() if source.digests])
"""The data sets whose files are known, so that they may be in the cache."""


def why_not_read(folder: Path) -> str:
    return refusal(lambda: mnist(folder, mirrors=()), DataError, folder)
