"""Data sets of images: MNIST, Fashion-MNIST, and scikit-learn's bundled digits; where they are looked for."""

from collections.abc import Mapping
from functools import partial
import os
from pathlib import Path
from typing import Any, TypeAlias

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array, read_only
from fnmlp.batches import Batch
from fnmlp.data.cache import cache_folder, check_private, read_verified
from fnmlp.data.download import download
from fnmlp.data.idx import read_idx
from fnmlp.errors import DataError, DataNotFoundError, MissingDependencyError
from fnmlp.labels import check_labels

Files: TypeAlias = Mapping[str, tuple[Path, Array]]
"""What was read of a data set: the name of a part -> where it came from, and what it holds."""

FOLDER_VARIABLE = "FNMLP_DATA_DIR"
"""The environment variable that names a folder with `mnist/` and `fashion-mnist/` in it."""

DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts its files."""

MNIST_MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)

MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""SHA-256 of the unpacked files; packers differ, the bytes in them do not."""

FASHION_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}

FASHION_CLASSES = (
    *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
DIGIT_CLASSES = tuple("0123456789")


@frozen(eq=False)
class Dataset:
    """A data set of labelled images: what it is called, its two parts, its classes, and the value of a full pixel."""

    name: str
    train: Batch
    test: Batch
    classes: tuple[str, ...]
    white: int


def digits() -> Dataset:
    """Return 1,797 handwritten digits of 8 x 8 pixels from 0 to 16: every fifth is for testing.

    They come with scikit-learn, so that there is always something real to learn from.
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


def mnist(data_dir: str | os.PathLike[str] | None = None, *, mirrors: tuple[str, ...] = MNIST_MIRRORS) -> Dataset:
    """Return MNIST: 60,000 + 10,000 handwritten digits of 28 x 28 pixels from 0 to 255.

    Looked for in `data_dir`, the folder that $FNMLP_DATA_DIR names, the user's cache, and then downloaded into the
    cache from the mirrors. What is in the cache is verified at each use, and downloaded again where it is damaged.
    A network that isn't there costs less than 10 seconds.
    Shapes:   images (n, 28, 28) uint8, labels (n,) uint8.
    Raises:   DataNotFoundError, saying where it was looked for; DataError where a file is not what it should be,
              or others may write to the cache.
    Source:   LeCun, Cortes & Burges 1998, "The MNIST database of handwritten digits".
    """
    return _load("mnist", data_dir, MNIST_SHA256, DIGIT_CLASSES, (), mirrors)


def fashion_mnist(data_dir: str | os.PathLike[str] | None = None) -> Dataset:
    """Return Fashion-MNIST: 60,000 + 10,000 pictures of clothes, in MNIST's format.

    Looked for in `data_dir`, the folder that $FNMLP_DATA_DIR names, the user's cache, and where Debian's package
    dataset-fashion-mnist puts it.
    Shapes:   images (n, 28, 28) uint8, labels (n,) uint8.
    Raises:   as `mnist`.
    Source:   Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747.
    """
    return _load("fashion-mnist", data_dir, FASHION_SHA256, FASHION_CLASSES, (DEBIAN_FASHION,), ())


def _load(
    name: str,
    data_dir: str | os.PathLike[str] | None,
    digests: Mapping[str, str],
    classes: tuple[str, ...],
    packaged: tuple[Path, ...],
    mirrors: tuple[str, ...],
) -> Dataset:
    """Read a data set from the first place that has it, in the documented order."""
    given = [partial(_from_folder, folder, digests) for folder in _folders(name, data_dir)]
    last = [partial(_from_folder, folder, digests) for folder in packaged]
    looked: list[str] = []
    for place in (*given, partial(_from_cache, name, digests, mirrors), *last):
        try:
            return _as_dataset(name, place(), classes)
        except DataNotFoundError as error:
            looked += [error.where, *getattr(error, "__notes__", ())]
    remedy = f"put its four IDX files into a folder DIR/{name} and pass --data-dir DIR or set {FOLDER_VARIABLE}=DIR"
    if packaged:
        remedy += ", or install Debian's package dataset-fashion-mnist"
    raise DataNotFoundError(name, f"its files in {', '.join(looked)}", "none", remedy)


def _folders(name: str, data_dir: str | os.PathLike[str] | None) -> list[Path]:
    folders: list[Path] = []
    if data_dir is not None:
        given = Path(data_dir)
        if not os.path.isdir(given):
            got = "a file" if os.path.exists(given) else "nothing of this name"
            raise DataError(str(given), f"a folder with {name} in it", got, "correct the path")
        folders += [given / name, given]
    variable = os.environ.get(FOLDER_VARIABLE)
    return [*folders, Path(variable) / name] if variable else folders


def _from_folder(folder: Path, digests: Mapping[str, str]) -> Files:
    """Read the files of a data set from a folder that is not the cache, whatever the bytes in them are."""
    paths = _paths_in(folder, digests, (".gz", ""))
    if not paths:
        raise _no_files(folder)
    if len(paths) < len(digests):
        missing = next(part for part in digests if part not in paths)
        raise DataError(str(folder), f"all of {', '.join(digests)}", f"no {missing}", "put the missing file there")
    return {part: (path, read_idx(path)) for part, path in paths.items()}


def _from_cache(name: str, digests: Mapping[str, str], mirrors: tuple[str, ...]) -> Files:
    """Read the files of a data set from the cache; what is missing there, or damaged, is downloaded."""
    cache = cache_folder()
    if cache is None:
        raise _no_files("the user's cache (pooch is not installed)")
    check_private(cache)
    check_private(cache / name)
    try:
        return _verified(cache / name, digests)
    except DataError as error:
        fault = error
    if mirrors:
        try:
            download(mirrors, cache / name, digests)
            return _verified(cache / name, digests)
        except DataError as error:
            fault.add_note(f"{error.where}: {error.got}")
    raise fault


def _verified(folder: Path, digests: Mapping[str, str]) -> Files:
    # The packed file wins, because it is the one that a download replaces.
    paths = _paths_in(folder, digests, ("", ".gz"))
    # Without some of them, another download may be under way, or have been cut short.
    if len(paths) < len(digests):
        raise _no_files(folder)
    return {part: (path, read_verified(path, digests[part])) for part, path in paths.items()}


def _paths_in(folder: Path, digests: Mapping[str, str], endings: tuple[str, str]) -> Mapping[str, Path]:
    """Return those files of a data set that a folder holds; where it has one with both endings, the last wins."""
    candidates = [(part, folder / f"{part}{ending}") for part in digests for ending in endings]
    # Unlike Path.exists, os.path.exists is False too for a name that is too long.
    return {part: path for part, path in candidates if os.path.exists(path)}


def _no_files(where: str | Path) -> DataNotFoundError:
    return DataNotFoundError(str(where), "the files of a data set", "none", "put them there")


def _as_dataset(name: str, files: Files, classes: tuple[str, ...]) -> Dataset:
    train, test = (
        _labelled(files[f"{part}-images-idx3-ubyte"], files[f"{part}-labels-idx1-ubyte"], len(classes))
        for part in ("train", "t10k")
    )
    return Dataset(name, train, test, classes, 255)


def _labelled(images_file: tuple[Path, Array], labels_file: tuple[Path, Array], classes: int) -> Batch:
    """Join images and labels, and refuse what only looks like them."""
    for (path, array), shape in ((images_file, (28, 28)), (labels_file, ())):
        if array.dtype != np.uint8 or array.ndim != len(shape) + 1 or array.shape[1:] != shape:
            expected = f"uint8 {'images (n, 28, 28)' if shape else 'labels (n,)'}"
            remedy = "look whether images and labels were swapped"
            raise DataError(str(path), expected, f"{array.dtype} {array.shape}", remedy)
        if not len(array):
            raise DataError(str(path), "at least one row", "none", "get the file again")
    (_, images), (place, labels) = images_file, labels_file
    if len(images) != len(labels):
        got = f"{len(images)} images and {len(labels)} labels"
        raise DataError(str(place), "one label for each image", got, "take both from one place")
    try:
        check_labels(labels, classes)
    except DataError as error:
        error.add_note(f"in {place}")
        raise
    return Batch(images, labels)
