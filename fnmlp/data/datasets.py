"""Data sets of images: MNIST and similar ones, scikit-learn's digits, and where to find them."""

from collections.abc import Mapping
from functools import partial
import os
from pathlib import Path
from typing import Any, TypeAlias

from attrs import evolve, frozen
import numpy as np

from fnmlp.arrays import Array, read_only
from fnmlp.batching import Batch
from fnmlp.checks import as_choice
from fnmlp.data.cache import cache_folder, check_private, read_verified
from fnmlp.data.download import download
from fnmlp.data.folders import FOLDER_VARIABLE, files_in, found_in
from fnmlp.data.idx import read_idx
from fnmlp.data.sources import DIGIT_CLASSES, MNIST_MIRRORS, SOURCES, Source
from fnmlp.errors import DataError, DataNotFoundError, MissingDependencyError, OptionError

__all__ = ["Dataset", "digits", "emnist", "fashion_mnist", "kmnist", "load_dataset", "mnist", "qmnist"]

Files: TypeAlias = Mapping[str, tuple[Path, Array]]
"""The parts of a data set that were read: name -> (where it came from, its array)."""

DEBIAN = Path("/usr/share/datasets")
"""The folder in which Debian's packages dataset-NAME have a folder NAME."""


@frozen(eq=False)
class Dataset:
    """Hold labelled images: a name, training and test sets, the names of the classes, and the value of white."""

    name: str
    train: Batch
    test: Batch
    classes: tuple[str, ...]
    white: int


def digits() -> Dataset:
    """Return scikit-learn's 1,797 handwritten digits of 8 x 8 pixels from 0 to 16; every fifth is for testing.

    They come with scikit-learn, so they are available offline.
    Shapes:   images (n, 8, 8) uint8, labels (n,) uint8.
    Raises:   MissingDependencyError without scikit-learn.
    Source:   Alpaydin & Kaynak 1998, "Optical Recognition of Handwritten Digits", UCI repository.

    >>> dataset = digits()
    >>> len(dataset.train), len(dataset.test), dataset.train.inputs.shape
    (1438, 359, (1438, 8, 8))
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        remedy = "pip install 'fnmlp[examples]'"
        raise MissingDependencyError.of("digits", "scikit-learn", error, remedy) from error
    bunch: Any = load_digits()
    images = read_only(bunch.images.astype(np.uint8))
    labels = read_only(bunch.target.astype(np.uint8))
    testing = np.arange(len(labels)) % 5 == 4
    train, test = (Batch(read_only(images[rows]), read_only(labels[rows])) for rows in (~testing, testing))
    return Dataset("digits", train, test, DIGIT_CLASSES, 16)


def load_dataset(name: str, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a data set in IDX files by its name, which is one of `SOURCES`.

    The files come from the folder that you name, as in `mnist`, or else from the user's cache or a package of Debian's.
    Shapes:   images (n, 28, 28) uint8, labels (n,) uint8.
    Raises:   OptionError for another name; else as `mnist`.

    >>> SOURCES["kmnist"].classes[:3]
    ('o', 'ki', 'su')
    """
    return _load(SOURCES[as_choice("load_dataset(name)", name, tuple(SOURCES))], data_dir)


def mnist(data_dir: str | os.PathLike[str] | None = None, *, mirrors: tuple[str, ...] = MNIST_MIRRORS) -> Dataset:
    """Load MNIST: 60,000 + 10,000 handwritten digits of 28 x 28 pixels from 0 to 255.

    The files come from `data_dir`, or else from the folder that $FNMLP_DATA_DIR names (empty counts as unset). They may
    be raw or gzipped, in the folder itself, in mnist/, or in MNIST/raw/ as in torchvision, under their original names
    or Kaggle's. If the folder does not hold MNIST, that is an error.

    If you name no folder, MNIST comes from the user's cache, and is first downloaded there from `mirrors` if necessary.
    Cached files are verified at each use, and downloaded again if they are damaged. Without a network, this fails
    within 10 seconds.
    Shapes:   images (n, 28, 28) uint8, labels (n,) uint8.
    Raises:   DataNotFoundError, listing the places that were searched; DataError if a named folder does not hold MNIST,
              a file is malformed, or others can write to the cache; OptionError unless `mirrors` is a tuple of strings.
    Source:   LeCun, Cortes & Burges 1998, "The MNIST database of handwritten digits".
    """
    if not isinstance(mirrors, tuple) or not all(isinstance(mirror, str) for mirror in mirrors):
        raise OptionError("mnist(mirrors)", "a tuple of addresses", repr(mirrors), "write a tuple, such as (address,)")
    return _load(evolve(SOURCES["mnist"], mirrors=mirrors), data_dir)


def fashion_mnist(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load Fashion-MNIST: 60,000 + 10,000 images of clothes, in MNIST's format.

    The files come from the folder that you name, as in `mnist`, or else from the user's cache or the folder of Debian's
    package dataset-fashion-mnist.
    Shapes:   images (n, 28, 28) uint8, labels (n,) uint8.
    Raises:   as `mnist`.
    Source:   Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747.
    """
    return load_dataset("fashion-mnist", data_dir)


def kmnist(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load Kuzushiji-MNIST: 60,000 + 10,000 cursive Japanese characters, in MNIST's format.

    The files come from the folder that you name, as in `mnist`.
    Shapes:   images (n, 28, 28) uint8, labels (n,) uint8.
    Raises:   as `mnist`.
    Source:   Clanuwat et al. 2018, arXiv:1812.01718.
    """
    return load_dataset("kmnist", data_dir)


def qmnist(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load QMNIST: MNIST rebuilt from its sources, with 60,000 test images.

    The files come from the folder that you name, as in `mnist`. The class is the first of the eight columns of labels.
    Shapes:   images (n, 28, 28) uint8, labels (n,) uint8.
    Raises:   as `mnist`.
    Source:   Yadav & Bottou 2019, arXiv:1905.10498.
    """
    return load_dataset("qmnist", data_dir)


def emnist(split: str, data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Load a split of EMNIST, handwritten digits and letters: mnist, digits, letters, balanced, bymerge or byclass.

    The files come from the folder that you name, as in `mnist`. They store images transposed, and letters with labels 1
    to 26. Here the images are upright, and the labels start at 0.
    Shapes:   images (n, 28, 28) uint8, labels (n,) uint8.
    Raises:   OptionError for another split; else as `mnist`.
    Source:   Cohen et al. 2017, arXiv:1702.05373.
    """
    splits = tuple(name.removeprefix("emnist-") for name in SOURCES if name.startswith("emnist-"))
    return load_dataset(f"emnist-{as_choice('emnist(split)', split, splits)}", data_dir)


def _load(source: Source, data_dir: str | os.PathLike[str] | None) -> Dataset:
    """Load a data set from the folder that the user names, or else from the first place that has it."""
    given = found_in(data_dir, source)
    if given is not None:
        return _as_dataset(source, _read(given))
    name, looked = source.name, list[str]()
    cached = [partial(_from_cache, source)] if source.digests else []
    packaged = [partial(_from_folder, source, DEBIAN / name)] if source.in_debian else []
    for place in (*cached, *packaged):
        try:
            return _as_dataset(source, place())
        except DataNotFoundError as error:
            looked += [error.where, *getattr(error, "__notes__", ())]
    remedy = f"put its four IDX files into a folder DIR/{name} and pass --data-dir DIR or set {FOLDER_VARIABLE}=DIR"
    if packaged:
        remedy += f", or install Debian's package dataset-{name}"
    expected = f"its files in {', '.join(looked) or 'a folder that you name'}"
    raise DataNotFoundError(name, expected, "none", remedy)


def _read(paths: Mapping[str, Path]) -> Files:
    return {part: (path, read_idx(path)) for part, path in paths.items()}


def _from_folder(source: Source, folder: Path) -> Files:
    """Read the files of a data set from a package's folder, without verifying them."""
    paths = files_in(folder, source.files)
    if len(paths) < len(source.files):
        raise _no_files(folder)
    return _read(paths)


def _from_cache(source: Source) -> Files:
    """Read the files of a data set from the cache; download any that are missing or damaged."""
    cache = cache_folder()
    if cache is None:
        raise _no_files("the user's cache (pooch is not installed)")
    folder = cache / source.name
    check_private(cache)
    check_private(folder)
    try:
        return _verified(folder, source.digests)
    except DataError as error:
        fault = error
    if source.mirrors:
        try:
            download(source.mirrors, folder, source.digests)
            return _verified(folder, source.digests)
        except DataError as error:
            fault.add_note(f"{error.where}: {error.got}")
    raise fault


def _verified(folder: Path, digests: Mapping[str, str]) -> Files:
    # Prefer the packed file, because a download replaces that one.
    paths = files_in(folder, digests, (".gz", ""))
    # Without some of them, another download may be under way, or have been cut short.
    if len(paths) < len(digests):
        raise _no_files(folder)
    return {part: (path, read_verified(path, digests[part])) for part, path in paths.items()}


def _no_files(where: str | Path) -> DataNotFoundError:
    return DataNotFoundError(str(where), "the files of a data set", "none", "put them there")


def _as_dataset(source: Source, files: Files) -> Dataset:
    images, labels, test_images, test_labels = (files[name] for name in source.files)
    train, test = _labelled(source, images, labels), _labelled(source, test_images, test_labels)
    return Dataset(source.name, train, test, source.classes, 255)


def _labelled(source: Source, images_file: tuple[Path, Array], labels_file: tuple[Path, Array]) -> Batch:
    """Join images and labels; raise if they don't belong together."""
    (images_place, images), (place, labels) = images_file, labels_file
    _check_form(images_place, images, "images", ("uint8", (28, 28)))
    _check_form(place, labels, "labels", source.label)
    if len(images) != len(labels):
        got = f"{len(images)} images and {len(labels)} labels"
        raise DataError(str(place), "one label for each image", got, "take both from one place")
    classes = labels[:, 0] if labels.ndim == 2 else labels
    first, last = source.first_label, source.first_label + len(source.classes) - 1
    wrong = (classes < first) | (classes > last)
    if wrong.any():
        row = int(wrong.argmax())
        error = DataError(f"labels[{row}]", f"{first} to {last}", int(classes[row]), "get the file again")
        error.add_note(f"in {place}")
        raise error
    upright = read_only(np.ascontiguousarray(images.transpose(0, 2, 1))) if source.transposed else images
    return Batch(upright, read_only((classes - first).astype(np.uint8)))


def _check_form(place: Path, array: Array, what: str, form: tuple[str, tuple[int, ...]]) -> None:
    dtype, shape = form
    if array.dtype != dtype or array.ndim != len(shape) + 1 or array.shape[1:] != shape:
        expected = f"{dtype} {what} ({', '.join(['n', *map(str, shape)])}{',' * (not shape)})"
        remedy = "check whether images and labels were swapped"
        raise DataError(str(place), expected, f"{array.dtype} {array.shape}", remedy)
    if not len(array):
        raise DataError(str(place), "at least one row", "none", "get the file again")
