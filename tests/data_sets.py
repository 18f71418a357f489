"""Small data sets in the files of MNIST and its kin, each known again by the grey level of all its pixels."""

from collections.abc import Callable, Mapping
from functools import partial
import gzip
from pathlib import Path
from typing import Any

from attrs import evolve
import numpy as np
from numpy.typing import NDArray
import pytest

from fnmlp.data import Dataset, emnist, fashion_mnist, kmnist, mnist, qmnist
from fnmlp.data.cache import sha256_of_idx
from fnmlp.data.idx import encode_header
from fnmlp.data.sources import MNIST_SHA256, SOURCES
from fnmlp.errors import DataError
from tests.refusals import refusal

PARTS = tuple(MNIST_SHA256)

TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = PARTS


def made_up(mark: int = 0, rows: int = 7) -> dict[str, NDArray[Any]]:
    """Make a small data set in MNIST's form, all of whose pixels are `mark`, so that it is known again."""
    images = np.full((rows, 28, 28), mark, np.uint8)
    labels = np.arange(rows, dtype=np.uint8)
    return {TRAIN_IMAGES: images, TRAIN_LABELS: labels, TEST_IMAGES: images[:5], TEST_LABELS: labels[:5]}


def write_quickly(path: Path, array: NDArray[Any]) -> None:
    """Write the bytes of an IDX file without the care that `write_idx` takes of a power failure."""
    raw = encode_header(array) + array.astype(array.dtype.newbyteorder(">")).tobytes()
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
    if labels is None:
        labels = (np.arange(3) + SOURCES[name].first_label).astype(np.uint8)
        if name == "qmnist":
            labels = np.stack([labels.astype(np.int32), *[np.full(3, -1, np.int32)] * 7], axis=1)
    folder.mkdir(parents=True, exist_ok=True)
    for part, array in zip(SOURCES[name].files, (images, labels) * 2, strict=True):
        write_quickly(folder / f"{part}.gz", array)


def known_as(patch: pytest.MonkeyPatch, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Let the files of a cache be these, and no longer the real ones."""
    for name in ("mnist", "fashion-mnist"):
        patch.setitem(SOURCES, name, evolve(SOURCES[name], digests=digests_of(arrays)))


EACH_SET = pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])

LOADERS: dict[str, Callable[[Path | None], Dataset]] = {
    "mnist": partial(mnist, mirrors=()),
    "fashion-mnist": fashion_mnist,
    "kmnist": kmnist,
    "qmnist": qmnist,
    **{name: partial(emnist, name.removeprefix("emnist-")) for name in SOURCES if name.startswith("emnist-")},
}


def why_not_read(folder: Path) -> str:
    return refusal(lambda: mnist(folder, mirrors=()), DataError, folder)


def load_set(name: str, data_dir: Path | None = None) -> Dataset:
    return mnist(data_dir, mirrors=()) if name == "mnist" else fashion_mnist(data_dir)
